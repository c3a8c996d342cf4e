"""What a page shows of verdicts: numbers with their scale, unit and both p-values."""

import re

import numpy as np
import pandas as pd

from helpers.report.page import verdicts_html


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
