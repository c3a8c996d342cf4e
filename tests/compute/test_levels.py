"""Levels compared: by hand, without a difference, and what claims are looked up in."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.compute.levels import (
    ALL_CELLS,
    compare_levels,
    compare_scores,
    compare_settings,
    describe_normal_range,
    describe_settings,
    measure_cnv,
    measure_lead,
    summarise_samples,
)
from helpers.schema import Contrast

CONTRAST = Contrast(test="t", reference="r")
SAMPLES = pd.DataFrame({"sample": ["r1", "r2", "t1", "t2"], "group": ["r", "r", "t", "t"]})


def make_summary(levels: dict[str, list[float]]) -> pd.DataFrame:
    """Level of each type in the four samples."""
    parts = [
        SAMPLES.assign(cell_type=kind, cnv_level=values, infercnv_score=[1.0, 2.0, 4.0, 8.0])
        for kind, values in levels.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_summarise_samples__by_hand():
    cells = pd.DataFrame(
        {
            "sample": ["r1", "r1", "r1", "t1"],
            "cell_type": ["A", "A", "B", "A"],
            "infercnv_score": [1.0, 3.0, 5.0, 7.0],
            "cnv_score": [0.0, 2.0, np.nan, 4.0],
            "p_altered": [0.1, 0.9, np.nan, 0.8],
        }
    )
    levels = pd.DataFrame(
        {"sample": ["r1", "r1"], "cell_type": ["A", "B"], "cnv_level": [0.2, -0.1]}
    )
    table = summarise_samples(cells, levels, SAMPLES).set_index(["sample", "cell_type"])
    assert table.loc[("r1", "A")].tolist() == ["r", 2, 0.2, 1.0, 2.0, 0.5]
    # squares with their signs, weighed by two cells and one: (2 * 0.04 - 0.01) / 3
    assert table.loc[("r1", ALL_CELLS), "cnv_level"] == pytest.approx(np.sqrt(0.07 / 3))
    assert table.loc[("r1", ALL_CELLS), "infercnv_score"] == 3
    assert np.isnan(table.loc[("t1", "A"), "cnv_level"])
    assert table.index.tolist()[0] == ("r1", ALL_CELLS)


def test_compare_levels__is_the_t_test_with_two_groups():
    values = [0.1, 0.2, 0.5, 0.9]
    table = compare_levels(make_summary({"A": values}), [CONTRAST], confidence=0.95)
    assert table["measure"].tolist() == ["cnv_level", "infercnv_score"]
    level, score = table.iloc[0], table.iloc[1]
    theirs = stats.ttest_ind(values[2:], values[:2])
    interval = theirs.confidence_interval(0.95)
    assert level["effect"] == pytest.approx(0.55)
    assert level["pvalue"] == pytest.approx(theirs.pvalue)
    assert [level["ci_low"], level["ci_high"]] == pytest.approx([interval.low, interval.high])
    assert score["effect"] == pytest.approx(2.0)  # log2 of 4, 8 against 1, 2


def test_compare_levels__says_which_group_was_not_measured():
    table = compare_levels(
        make_summary({"A": [0.1, 0.2, np.nan, np.nan]}), [CONTRAST], confidence=0.95
    )
    assert table.loc[0, "reason"] == "no sample of group t was measured"
    assert np.isnan(table.loc[0, "pvalue"])


def test_compare_levels__needs_two_samples_in_a_group():
    table = compare_levels(
        make_summary({"A": [0.1, np.nan, 0.3, np.nan]}), [CONTRAST], confidence=0.95
    )
    assert table.loc[0, "reason"] == "1 and 1 samples: at least one group needs two"


def test_compare_levels__has_no_row_without_contrasts():
    assert compare_levels(make_summary({"A": [0.1] * 4}), [], confidence=0.95).empty


@pytest.mark.slow
def test_compare_levels__rejects_as_often_as_it_should_where_groups_are_alike():
    rng = np.random.default_rng(0)
    samples = pd.DataFrame({"sample": [f"s{i}" for i in range(9)], "group": list("hhhrrrttt")})
    kinds = {f"k{i}": 0.01 * (1 + i) for i in range(10)}  # types with few cells vary more
    pvalues = []
    for _ in range(120):
        noise = {kind: rng.normal(0, sd, 9) for kind, sd in kinds.items()}
        summary = pd.concat(
            [
                samples.assign(
                    cell_type=kind,
                    cnv_level=np.sign(x) * np.sqrt(np.abs(x)),  # as levels are roots
                    infercnv_score=np.nan,
                )
                for kind, x in noise.items()
            ]
        )
        pvalues.append(compare_levels(summary, [CONTRAST], confidence=0.95)["pvalue"])
    assert (np.concatenate(pvalues) < 0.05).mean() <= 0.06


def test_compare_scores__counts_cells():
    cells = pd.DataFrame(
        {"group": list("rrrttt"), "cell_type": "A", "infercnv_score": [1.0, 2, 3, 4, 5, 15]}
    )
    table = compare_scores(cells, [CONTRAST]).set_index("cell_type")
    assert table.loc["A", "effect"] == pytest.approx(2.0)  # means 2 and 8
    assert table.loc["A", "pvalue"] == pytest.approx(0.1)  # 2 of 20 orders are as extreme
    assert table.loc[ALL_CELLS, ["unit", "n_test", "n_reference"]].tolist() == ["cell", 3, 3]


def test_describe_normal_range__of_normal_samples_alone():
    table = pd.DataFrame({"sample": ["h1", "h2", "t1"], "cnv_level": [-0.0671, 0.0294, 0.151]})
    text = "Normal samples lie between -0.067 and 0.029."
    assert describe_normal_range(table, ["h1", "h2"]) == text
    missing = table.assign(cnv_level=np.nan)
    assert describe_normal_range(missing, ["h1"]) == "No type was measured in a normal sample."


def test_compare_settings__keeps_each_settings_numbers():
    parts = [
        make_summary({"A": [0.1, 0.2, 0.3 + shift, 0.4 + shift], "B": [0.0, 0.1, 0.1, 0.0]}).assign(
            setting=name, n_reference_cells=n
        )
        for name, n, shift in (("as shown", 30, 0.0), ("window 51", 20, 0.5))
    ]
    table = compare_settings(pd.concat(parts), [CONTRAST], ["A"], confidence=0.95)
    mine = table[table["measure"] == "cnv_level"]
    assert mine["setting"].tolist() == ["as shown", "window 51"]
    assert mine["effect"].tolist() == pytest.approx([0.2, 0.7])
    assert mine["n_reference_cells"].tolist() == [30, 20]


def test_describe_settings__tells_a_subsample_from_all_cells():
    names = ["as shown", "as shown", "window 51", "window 51"]
    table = pd.DataFrame({"setting": names, "n_cells": [900, 300, 50, 25]})
    assert describe_settings(table).startswith("As shown: 1,200 cells.")
    assert "a subsample of 75;" in describe_settings(table)
    same = table.assign(n_cells=[900, 300, 900, 300])
    assert describe_settings(same) == "n = 1,200 cells under every setting."


def test_measure_lead__by_hand():
    summary = make_summary({"A": [0, 0, 0.5, 0.7], "B": [0, 0, 0.1, 0.2], "C": [0, 0, 0.3, 0.0]})
    fixed = {"column": "cell_type", "over": ["B", "C"], "confidence": 0.95}
    over_largest = measure_lead(summary, "t", "A", largest=True, **fixed)
    assert over_largest["effect"] == pytest.approx(0.35)  # 0.5 - 0.3 and 0.7 - 0.2
    over_mean = measure_lead(summary, "t", "A", largest=False, **fixed)
    assert over_mean["effect"] == pytest.approx(0.45)
    half = stats.t.ppf(0.975, 1) * np.std([0.3, 0.6], ddof=1) / np.sqrt(2)
    assert over_mean["ci_high"] - over_mean["effect"] == pytest.approx(half)
    assert over_mean["pvalue"] == pytest.approx(stats.ttest_1samp([0.3, 0.6], 0).pvalue)


def test_measure_cnv__has_what_the_claims_ask_for():
    levels = {"HSC/MPP": [0, 0, 0.5, 0.6], "Pro-B": [0, 0, 0.4, 0.5], "T": [0, 0, 0.02, 0.1]}
    summary = make_summary({ALL_CELLS: [0, 0.1, 0.3, 0.4]} | levels)
    pro_b = pd.concat(
        SAMPLES.assign(subcluster=name, cnv_level=values)
        for name, values in (
            ("0", [0, 0, 0.6, 0.7]),
            ("1", [0, 0, 0, 0.0]),
            ("3", [0, 0, 0.2, 0.32]),
        )
    )
    effects = measure_cnv(
        summary,
        compare_levels(summary, [CONTRAST], confidence=0.95),
        {"Pro-B": pro_b},
        contrasts=[CONTRAST],
        groups=["r", "t"],
        confidence=0.95,
    ).set_index(["measure", "cell_type", "test_group"])["effect"]
    assert effects["cnv", ALL_CELLS, "t"] == pytest.approx(0.3)
    assert effects["cnv_lead", "HSC/MPP", "t"] == pytest.approx(0.49)
    assert effects["cnv_subcluster", "Pro-B 0", "t"] == pytest.approx(0.39)
    assert effects["cnv_second", "Pro-B 3", "t"] == pytest.approx(0.26)
    assert effects["cnv_subcluster", "Pro-B 3", "t"] == pytest.approx(-0.39)
