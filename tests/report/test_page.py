"""Pages: what they read of the stages' results."""

from pathlib import Path

import pandas as pd

from helpers.io.tables import write_table
from helpers.report.jobs import Job
from helpers.report.page import SHEET, Page


def page_of(folder: Path, tables: dict[str, pd.DataFrame]) -> Page:
    """A page about nuclei of samples, each with its table of barcodes."""
    names = {sample: f"objects/samples/{sample}.atac.csv" for sample in tables}
    (folder / "objects/samples").mkdir(parents=True)
    for sample, table in tables.items():
        write_table(table, folder / names[sample])
    row = {"group": "CR", "time_days": None, "fragments": True}
    samples = [
        [({"sample": sample, "key": sample} | row).get(column, "") for column in SHEET]
        for sample in tables
    ]
    design = {"samples": samples, "groups": {"reference": "CR"}}
    job = Job("chapter/x", (), (), optional=tuple(names.values()), design=design)
    return Page("x", folder, job)


def test_page__joins_barcodes_beside_a_sample_without_any(tmp_path: Path):
    table = pd.DataFrame(
        {"sample": "a", "group": "CR", "barcode": ["x", "y"], "n_fragments": [9, 7], "frip": 0.5}
    ).assign(verdict="kept")
    none = table.iloc[:0]
    page = page_of(tmp_path / "one", {"empty": none, "a": table})
    joined = page.optional_barcodes("fragments")
    assert joined["n_fragments"].dtype == int
    assert joined["frip"].dtype == float
    assert joined.equals(page.barcodes("fragments"))
    assert page.listed_samples("fragments") == ["empty", "a"]
    assert page_of(tmp_path / "two", {"empty": none}).barcodes("fragments").empty
