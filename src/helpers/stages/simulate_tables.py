"""The tables of a simulated cohort that are no cells: a dose series, bulk expression, follow-up."""

from pathlib import Path

from helpers.io.reference import read_genes
from helpers.io.tables import write_table
from helpers.synth.bulk import make_bulk
from helpers.synth.design import Design
from helpers.synth.dose_response import make_dose_series

DOSES, BULK = "dose_response", "bulk"
# Which tables a profile has; one that is not listed has both.
TABLES = {"resistance": (DOSES,), "resistance_null": (DOSES,)}


def write_tables(folder: Path, design: Design) -> str:
    """Write the tables of a cohort with what was planted in them.

    Random numbers are drawn from streams of their own: the cells are the same with and without.

    Returns
    -------
    The lines of the cohort file that name the tables.
    """
    wanted = TABLES.get(design.profile, (DOSES, BULK))
    lines = []
    if DOSES in wanted:
        wells, truth = make_dose_series(design.seed, effects=design.group_effects)
        write_table(wells, folder / "dose_response.csv")
        write_table(truth, folder / "truth" / "dose_response.csv")
        lines.append("dose_response: dose_response.csv")
    if BULK in wanted:
        lines += _write_bulk(folder, design)
    return "".join(f"{line}\n" for line in lines)


def _write_bulk(folder: Path, design: Design) -> list[str]:
    genes = list(read_genes().query("biotype == 'protein_coding'")["gene"].unique())
    tables, truth = make_bulk(design.profile, design.seed, genes, effects=design.group_effects)
    for name, table in tables.items():
        write_table(table, folder / "bulk" / f"{name}.csv")
    write_table(truth, folder / "truth" / "bulk.csv")
    lines = ["bulk:", "  scale: log2"]
    for part in ("training", "validation"):
        lines.append(f"  {part}:")
        lines += [f"    {kind}: bulk/{part}_{kind}.csv" for kind in ("expression", "clinical")]
    return lines
