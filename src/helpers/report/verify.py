"""Whether inputs, tables and figures are still what their passports say."""

from pathlib import Path

from helpers.io.digest import hash_file
from helpers.io.tables import read_json
from helpers.report.plan import Plan


def verify_results(plan: Plan) -> list[str]:
    """Everything that differs from its passport or is missing, as sentences."""
    problems: list[str] = []
    for job in plan.jobs:
        for role, (path, digest) in job.data.items():
            spec = plan.folder / job.spec
            if spec.exists():
                before = dict(read_json(spec)["data"]).get(role, ["", ""])[1]  # type: ignore[call-overload]
                if before != digest:
                    problems.append(f"input {path} of {job.name} is not the file that was used")
    for passport in sorted((plan.folder / "figures").glob("*/*.json")):
        problems += _verify_panel(passport, plan.folder)
    return list(dict.fromkeys(problems))


def _verify_panel(passport: Path, folder: Path) -> list[str]:
    record = read_json(passport)
    chapter = passport.parent.name
    if record.get("status") != "done":
        return [f"{passport} is incomplete: its chapter did not end"]
    expected = {passport.parent / name: d for name, d in dict(record["images"]).items()}  # type: ignore[call-overload]
    tables = dict(record["tables"])  # type: ignore[call-overload]
    expected |= {folder / "tables" / chapter / name: digest for name, digest in tables.items()}
    problems = []
    for path, digest in expected.items():
        if not path.exists():
            problems.append(f"{path} is missing")
        elif hash_file(path) != digest:
            problems.append(f"{path} was changed after it was made")
    return problems


def count_passports(folder: Path) -> int:
    """Panels of a results folder that have a passport."""
    return len(list((folder / "figures").glob("*/*.json")))
