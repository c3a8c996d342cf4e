"""The page of claims: a panel and a table a chapter."""

from pathlib import Path

import pandas as pd

from helpers.report.jobs import Job
from helpers.report.page import Page
from helpers.report.verdicts import show_verdicts
from helpers.schema import CLAIM_COLUMNS


def claims() -> pd.DataFrame:
    known = {"unit": "plate", "n_reference": 3, "n_test": 3, "effect": 1.0, "ci_low": 0.5}
    known |= {"ci_high": 1.5, "scale": "log2 ratio", "verdict": "holds", "direction": "up"}
    rows = [
        {"id": "a", "chapter": "fig6_cnv", "sentence": "A.", "verdict": "not testable"},
        {"id": "b", "chapter": "dose_response", "sentence": "B."} | known,
        {"id": "c", "chapter": "dose_response", "sentence": "C.", "verdict": "not testable"},
    ]
    table = pd.DataFrame(rows, columns=[*CLAIM_COLUMNS, "direction"])
    return table.fillna({"reason": "why", "source": "a paper"}).astype({"padj": float})


def test_show_verdicts__gives_a_panel_to_each_chapter_with_a_tested_claim(tmp_path: Path):
    page = Page("claims", tmp_path, Job("chapter/claims", (), ()))
    shown = show_verdicts(page, claims()).text
    folder = tmp_path / "work" / "claims" / "figures"
    assert sorted(path.name for path in folder.glob("*.png")) == ["A.png"]
    assert pd.read_csv(folder / "A.csv")["id"].tolist() == ["b"]
    assert "n = 1 tested of 2 claims; unit: plate." in shown
    assert shown.count('<table class="claims">') == 2
    # the title, then the panel, then the table
    assert shown.index("<h3>Dose") < shown.index("<figure") < shown.rindex("<table")
