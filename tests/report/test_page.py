"""Pages: what they read of the stages' results, and what they show of verdicts."""

import html
import re
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from helpers.io.tables import write_table
from helpers.params import load_defaults
from helpers.report.jobs import Job
from helpers.report.page import SHEET, Page, verdicts_html


def judged(**changes: object) -> pd.DataFrame:
    row = {
        "sentence": "A < B.", "source": "a paper", "verdict": "holds", "reason": "right direction",
        "effect": -0.958, "ci_low": -1.817, "ci_high": -0.099, "scale": "log2 ratio",
        "unit": "sample", "n_reference": 3, "n_test": 4, "pvalue": 0.0299, "padj": 0.374,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


def cells(table: pd.DataFrame) -> list[str]:
    return re.findall(r"<td>(.*?)</td>", verdicts_html(table))


def test_verdicts_html__gives_scale_unit_and_both_p_values():
    text = verdicts_html(judged())
    assert re.findall(r"<th>(.*?)</th>", text) == [
        "claim<br><small>source</small>",
        "verdict<br><small></small>",
        "effect and interval<br><small>scale<br>unit (n)</small>",
        "p<br><small>padj</small>",
        "why<br><small></small>",
    ]
    assert cells(judged()) == [
        "A &lt; B.<br><small>a paper</small>",
        '<span class="verdict holds">✓ holds</span>',
        "-0.96 [-1.82, -0.10]<br><small>log2 ratio<br>sample (4 vs 3)</small>",
        "0.0299<br>0.374",
        "right direction",
    ]


def test_verdicts_html__shows_small_effects_with_three_decimals():
    shown = cells(judged(effect=0.0033, ci_low=-0.0091, ci_high=0.0157, n_reference=0, n_test=297))
    assert shown[2].startswith("0.003 [-0.009, 0.016]")
    assert shown[2].endswith("<br>sample (297)</small>")


def test_verdicts_html__leaves_open_what_is_not_known():
    nothing = dict.fromkeys(
        ("effect", "ci_low", "ci_high", "scale", "unit", "n_reference", "n_test", "pvalue", "padj"),
        np.nan,
    )
    shown = cells(judged(**nothing, verdict="not testable"))
    assert shown[2:4] == ["–<br><small><br></small>", "–<br>–"]


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


def test_page__shows_parameters_as_they_are_written_in_overrides(tmp_path: Path):
    values = load_defaults("signatures") | {"stemness": ["lsc17"], "lists_folder": "my lists: 2"}
    page = Page("signatures", tmp_path, Job("chapter/signatures", (), (), params=values))
    rows = re.findall(
        r"<tr>\s*<td>(\w+)</td>\s*<td>(.*?)</td>\s*<td>(.*?)</td>", page.parameters().text
    )
    shown = {name: (value, default) for name, value, default in rows}
    assert shown["stemness"] == ("[lsc17] (changed)", "[stemness, lsc17]")
    assert shown["lists_folder"] == ("'my lists: 2' (changed)", "''")
    read = {name: yaml.safe_load(html.unescape(default)) for name, (_, default) in shown.items()}
    assert read == load_defaults("signatures")
