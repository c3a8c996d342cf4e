"""How much of what was planted is found again, at three levels of difficulty.

    python benchmarks/recovery.py [--cells N] [--seed S] [--cores N] [--keep DIR]

Simulates profile `demo` easy, standard and hard, builds chapters `quality` and `fig1_composition`
of each and holds what they found against `truth/*.csv`. A bar that is met on an easy cohort alone
is seen to be one.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn.metrics import adjusted_rand_score

from helpers.io.objects import read_cells
from helpers.synth.design import DIFFICULTIES

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ("quality", "fig1_composition")
CD4_T_CELLS = ("Naive CD4+ T", "Memory CD4+ T")
FDR = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=9000, help="cells in the whole cohort")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep cohorts and results here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        columns = {level: measure(build(level, folder, options)) for level in DIFFICULTIES}
    print(f"{options.cells:,} cells, nine samples, seed {options.seed}\n")
    print_table(columns)


def build(level: str, folder: Path, options: argparse.Namespace) -> "Outcome":
    """Simulate a level and run the project's own path on it."""
    print(f"{level} ...", file=sys.stderr, flush=True)
    cohort, results = folder / level, folder / f"{level}-results"
    size = ["--cells", str(options.cells), "--seed", str(options.seed)]
    run("simulate", "demo", "--out", str(cohort), "--difficulty", level, *size)
    chosen = [word for chapter in CHAPTERS for word in ("--chapter", chapter)]
    where = ["--results", str(results), "--cores", str(options.cores)]
    run("build", str(cohort / "cohort.yml"), *where, *chosen)
    return Outcome(cohort / "truth", results / "demo")


def run(*arguments: str) -> None:
    command = [sys.executable, "-m", "helpers.report.cli", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Outcome:
    """Where the truth and the results of a level lie."""

    truth: Path
    results: Path

    def planted(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.truth / f"{name}.csv", keep_default_na=False)

    def table(self, chapter: str, name: str) -> pd.DataFrame:
        return pd.read_csv(self.results / "tables" / chapter / f"{name}.csv")

    def cells(self) -> pd.DataFrame:
        """Kept cells with what was planted and what was found; doublets that slipped through count."""
        found = read_cells(self.results / "objects" / "rna.h5ad")
        found = found[["sample", "barcode", "cluster", "cell_type"]].astype(str)
        return found.merge(
            self.planted("cells"), on=["sample", "barcode"], suffixes=("", "_planted")
        )


def measure(outcome: Outcome) -> dict[str, str]:
    """The rows of the report for one level."""
    cells = outcome.cells()
    right = cells["cell_type"] == cells["cell_type_planted"]
    cd4 = cells["cell_type_planted"].isin(CD4_T_CELLS)
    doublets = outcome.table("quality", "recovery").set_index("method")
    rows = {
        "cells kept": f"{len(cells):,}",
        "labelled right": f"{right.mean():.3f}",
        "naive and memory CD4+ T labelled right": f"{right[cd4].mean():.3f}",
        "clusters against types (ARI)": (
            f"{adjusted_rand_score(cells['cell_type_planted'], cells['cluster']):.3f}"
        ),
    }
    for method, name in (("scrublet", "Scrublet"), ("doubletfinder", "DoubletFinder")):
        rows[f"doublets, AUROC, {name}"] = f"{doublets.loc[method, 'auroc']:.3f}"
        rows[f"  of two different types, {name}"] = f"{doublets.loc[method, 'auroc_different']:.3f}"
    return rows | measure_shifts(outcome)


def measure_shifts(outcome: Outcome) -> dict[str, str]:
    """Planted differences NCR against CR whose sign was found, and that were called."""
    shares = outcome.planted("composition").pivot_table(
        index="cell_type", columns="group", values="fraction"
    )
    planted = shares["NCR"] - shares["CR"]
    tests = outcome.table("fig1_composition", "contrasts")
    found = tests[tests["unit"] == "sample"].set_index("cell_type").reindex(planted.index)
    sign = found["effect"] * planted > 0
    called = sign & (found["padj"] < FDR)
    return {
        "shifts with the right sign": f"{sign.sum()} of {len(planted)}",
        f"  and adjusted p < {FDR:g}, by sample": f"{called.sum()} of {len(planted)}",
    }


def print_table(columns: dict[str, dict[str, str]]) -> None:
    names = list(next(iter(columns.values())))
    print(f"{'':<42}" + "".join(f"{level:>12}" for level in columns))
    for name in names:
        print(f"{name:<42}" + "".join(f"{rows[name]:>12}" for rows in columns.values()))


if __name__ == "__main__":
    main()
