"""Small cohorts the tests build, and the command line they build them with."""

import csv
import subprocess
import sys
from pathlib import Path

import yaml

# What a user may type: every kind of text that markup, shells, paths or TeX could take for theirs.
HOSTILE = {
    "CK1": 'CK "one"',
    "CK2": "../CK2",
    "CR1": "<script>window.owned = 1</script>",
    "CR2": "CR & 'two' $x_1$",
    "NCR1": "Åsa Müller 零 *bold* [link](x)",
    "NCR2": "=NCR2;{cite}`liu2025`",
}
HOSTILE_GROUPS = {"CK": "CK <i>healthy</i>", "CR": 'CR "remission"', "NCR": "NCR_{no}$^2$"}
HOSTILE_TITLE = 'Leukämie <script>window.owned = 1</script> & "quotes" $x^2$ `code` *bold*'


def run_cli(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`relapse-book` in a process of its own, its output caught."""
    command = [sys.executable, "-m", "helpers.report.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def simulate(folder: Path, *, n_cells: int, profile: str = "demo", seed: int = 0) -> Path:
    """A small simulated cohort; its cohort file."""
    size = ["--cells", str(n_cells), "--seed", str(seed)]
    made = run_cli("simulate", profile, "--out", folder, *size)
    assert made.returncode == 0, made.stderr
    return folder / "cohort.yml"


def edit_cohort(cohort: Path, **changes: object) -> None:
    """Change keys of a cohort file."""
    content = yaml.safe_load(cohort.read_text(encoding="utf-8")) | changes
    cohort.write_text(
        yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )


def keep_samples(cohort: Path, kept: list[str]) -> None:
    """Leave all other rows out of the sample sheet."""
    rows = _read_rows(cohort.parent / "samples.csv")
    _write_rows(cohort.parent / "samples.csv", [r for r in rows if r["sample"] in kept])


def make_hostile(cohort: Path) -> None:
    """Give samples, groups and the title of a simulated cohort names that look like code."""
    keep_samples(cohort, list(HOSTILE))
    truth = (cohort.parent / "truth" / f"{name}.csv" for name in ("cells", "nuclei"))
    for path in (cohort.parent / "samples.csv", *truth):
        rows = _read_rows(path)
        for row in rows:
            row["sample"] = HOSTILE.get(row["sample"], row["sample"])
            row["group"] = HOSTILE_GROUPS[row["group"]]
        _write_rows(path, rows)
    roles = ("reference", "responder", "non_responder")
    edit_cohort(
        cohort,
        name="hostile",
        title=HOSTILE_TITLE,
        groups=dict(zip(roles, HOSTILE_GROUPS.values(), strict=True)),
        contrasts=[{"test": HOSTILE_GROUPS["NCR"], "reference": HOSTILE_GROUPS["CR"]}],
    )


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def _write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
