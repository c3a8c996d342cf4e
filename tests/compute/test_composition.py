"""Proportions and their differences: by hand, laws, propeller, planted shifts and nulls."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracle import read_tsv
from scipy import stats

from helpers.compute.composition import (
    compare_all_groups,
    compare_cells,
    compare_groups,
    compare_samples,
    count_types,
    describe_pooling,
    measure_composition,
    measure_lead,
    measure_similarity,
    transform_proportions,
)
from helpers.schema import Contrast
from helpers.synth.design import COMPOSITION, DIFFICULTIES, draw_proportions

CONTRAST = Contrast(test="B", reference="A")


def tidy(counts: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    """Cells of every type as :func:`count_types` gives them, from samples x types."""
    table = counts.rename_axis("sample").reset_index().melt("sample", var_name="cell_type",
                                                            value_name="n_cells")  # fmt: skip
    table.insert(1, "group", table["sample"].map(dict(zip(counts.index, groups, strict=True))))
    table["fraction"] = table["n_cells"] / table.groupby("sample")["n_cells"].transform("sum")
    return table


def test_count_types__counts_zeros_and_empty_samples():
    cells = pd.DataFrame({"sample": ["s1", "s1", "s2"], "cell_type": ["T", "B", "T"]})
    samples = pd.DataFrame({"sample": ["s2", "s1", "s3"], "group": ["A", "B", "B"]})
    table = count_types(cells, samples)
    assert table["sample"].tolist() == ["s2", "s2", "s1", "s1", "s3", "s3"]
    assert table["n_cells"].tolist() == [0, 1, 1, 1, 0, 0]
    assert table["fraction"].tolist()[:4] == [0.0, 1.0, 0.5, 0.5]
    assert table["fraction"].iloc[4:].isna().all()
    assert table["group"].tolist() == ["A", "A", "B", "B", "B", "B"]


def test_transform_proportions__by_hand():
    counts = pd.DataFrame({"a": [0.5, 1.0], "b": [2.5, 3.0]})
    # with half a cell added: 1 and 3 of 4, 1.5 and 3.5 of 5
    logit = transform_proportions(counts, transform="logit")
    np.testing.assert_allclose(logit["a"], np.log([1 / 3, 1.5 / 3.5]))
    asin = transform_proportions(counts, transform="asin")
    np.testing.assert_allclose(asin["b"], np.arcsin(np.sqrt([2.5 / 3, 3 / 4])))


@pytest.fixture(scope="module")
def haber(oracles):
    folder = oracles / "propeller"
    counts = read_tsv(folder / "input" / "haber_counts.tsv").set_index("sample")
    groups = [name.rsplit("_", 1)[0] for name in counts.index]
    return folder / "output", counts, groups


@pytest.mark.parametrize("transform", ["logit", "asin"])
def test_compare_samples__equals_propeller(haber, transform):
    folder, counts, groups = haber
    kept = [group in ("Control", "Salm") for group in groups]
    mine = tidy(counts[kept], [group for group in groups if group in ("Control", "Salm")])
    ours = compare_samples(
        mine, Contrast(test="Control", reference="Salm"), transform=transform, confidence=0.95
    ).set_index("cell_type")
    name = f"propeller_ttest_control_salm_{transform}_notrobust.tsv"
    original = pd.read_csv(folder / name, sep="\t", index_col=0)
    np.testing.assert_allclose(ours.loc[original.index, "pvalue"], original["P.Value"], rtol=1e-6)
    np.testing.assert_allclose(ours.loc[original.index, "padj"], original["FDR"], rtol=1e-6)
    assert (ours["df_total"] > ours["df_prior"]).all()


def test_compare_samples__tells_when_types_are_given_one_variance():
    # every type's samples lie equally far apart: nothing tells the variances apart
    counts = pd.DataFrame({"x": [20, 24, 28] * 2, "y": [28, 24, 20] * 2, "z": [28, 20, 24] * 2},
                          index=list("abcdef"))  # fmt: skip
    table = compare_samples(tidy(counts, list("AAABBB")), CONTRAST, transform="logit",
                            confidence=0.95)  # fmt: skip
    assert np.isinf(table["df_prior"]).all()
    # 6 samples in 2 groups leave 4, of each of the 2 types that vary freely: no more is known
    assert table["df_total"].tolist() == [8.0] * 3
    width = table["ci_high"] - table["ci_low"]
    np.testing.assert_allclose(width, width.iloc[0])
    assert describe_pooling(table) == (
        "B vs A: variances are fully pooled into one (prior degrees of freedom infinite, total 8)."
    )


def test_describe_pooling__says_how_much_rests_on_other_types_and_skips_cells():
    table = pd.DataFrame(
        {
            "contrast": ["B vs A", "B vs A", "B vs A", "C vs A"],
            "df_prior": [3.25, 3.25, np.nan, np.nan],
            "df_total": [7.25, 7.25, np.nan, np.nan],
        }
    )
    assert describe_pooling(table) == (
        "B vs A: variances are moderated across rows (prior degrees of freedom 3.25, total 7.25)."
    )
    assert describe_pooling(compare_groups(pd.DataFrame(), [], transform="logit",
                                           confidence=0.9)) == ""  # fmt: skip


def test_compare_samples__gives_odds_with_an_interval_that_holds_them():
    counts = pd.DataFrame({"x": [20, 22, 18, 40, 44, 36], "y": [80, 78, 82, 60, 56, 64]},
                          index=list("abcdef"))  # fmt: skip
    table = compare_samples(tidy(counts, list("AAABBB")), CONTRAST, transform="logit",
                            confidence=0.95).set_index("cell_type")  # fmt: skip
    logit = np.log2((counts + 0.5).div(101, axis=0) / (1 - (counts + 0.5).div(101, axis=0)))
    expected = logit.iloc[3:].mean() - logit.iloc[:3].mean()
    np.testing.assert_allclose(table["effect"], expected[table.index])
    assert (table["ci_low"] < table["effect"]).all()
    assert (table["effect"] < table["ci_high"]).all()
    assert (table["padj"] >= table["pvalue"]).all()
    assert table.loc["x", "ci_low"] > 0 > table.loc["y", "ci_high"]


def test_compare_samples__says_why_it_cannot_test():
    counts = pd.DataFrame({"x": [20, 40], "y": [80, 60]}, index=["a", "b"])
    table = compare_samples(tidy(counts, ["A", "B"]), CONTRAST, transform="logit", confidence=0.95)
    assert table["pvalue"].isna().all()
    assert set(table["reason"]) == {"1 and 1 samples: at least one group needs two"}
    alone = compare_samples(tidy(counts, ["A", "A"]), CONTRAST, transform="logit", confidence=0.95)
    assert set(alone["reason"]) == {"no sample of group B has cells"}


def test_compare_cells__equals_the_rank_sum_test_and_the_pooled_odds():
    counts = pd.DataFrame({"x": [10, 30], "y": [90, 70]}, index=["a", "b"])
    table = compare_cells(tidy(counts, ["A", "B"]), CONTRAST, confidence=0.95)
    x = table.set_index("cell_type").loc["x"]
    ones = [np.repeat([1, 0], [n, 100 - n]) for n in (30, 10)]
    test = stats.mannwhitneyu(*ones, method="asymptotic", use_continuity=True)
    assert x["pvalue"] == pytest.approx(test.pvalue, rel=1e-12)
    odds = np.log2((30.5 / 70.5) / (10.5 / 90.5))
    assert x["effect"] == pytest.approx(odds)
    half = 1.959964 * np.sqrt(1 / 30.5 + 1 / 70.5 + 1 / 10.5 + 1 / 90.5) / np.log(2)
    assert x["ci_high"] - x["effect"] == pytest.approx(half, rel=1e-6)


def draw_cohort(groups: dict[str, str], rng: np.random.Generator, n_cells: int = 900):
    """Cells of each type in three samples a group, drawn as the simulation draws them."""
    rows = {}
    for label, drawn_as in groups.items():
        for i in range(3):
            share = draw_proportions(
                drawn_as, proportion_sd=DIFFICULTIES["standard"].proportion_sd, rng=rng
            )
            rows[f"{label}{i}"] = rng.multinomial(n_cells, share)
    counts = pd.DataFrame(rows, index=COMPOSITION.index).T
    return tidy(counts, [label for label in groups for _ in range(3)])


@pytest.mark.slow
def test_compare_samples__rejects_a_twentieth_of_nulls_and_cells_reject_far_more():
    rng = np.random.default_rng(0)
    contrast = Contrast(test="NCR", reference="CR")
    by_sample, by_cell = [], []
    for _ in range(200):
        drawn = draw_cohort({"CK": "CK", "CR": "CK", "NCR": "CK"}, rng)
        by_sample += [
            *compare_samples(drawn, contrast, transform="logit", confidence=0.95)["pvalue"]
        ]
        by_cell += [*compare_cells(drawn, contrast, confidence=0.95)["pvalue"]]
    assert len(by_sample) == 200 * len(COMPOSITION)
    assert 0.03 <= np.mean(np.array(by_sample) < 0.05) <= 0.07
    assert np.mean(np.array(by_cell) < 0.05) > 0.3


def test_compare_samples__finds_every_planted_shift_with_its_sign():
    rng = np.random.default_rng(1)
    drawn = draw_cohort({"CK": "CK", "CR": "CR", "NCR": "NCR"}, rng)
    table = compare_samples(
        drawn, Contrast(test="NCR", reference="CR"), transform="logit", confidence=0.95
    ).set_index("cell_type")
    planted = {"Pro-B": 1, "HSC/MPP": 1, "Naive CD4+ T": -1, "Naive B": -1}
    assert {kind: np.sign(table.loc[kind, "effect"]) for kind in planted} == planted
    assert (table.loc[list(planted), "padj"] < 0.05).all()


def test_compare_all_groups__tells_planted_from_null():
    rng = np.random.default_rng(2)
    planted = draw_cohort({"CK": "CK", "CR": "CR", "NCR": "NCR"}, rng)
    table = compare_all_groups(planted, transform="logit").set_index("cell_type")
    assert table.loc["Pro-B", "padj"] < 0.01
    null = draw_cohort({"CK": "CK", "CR": "CK", "NCR": "CK"}, rng)
    assert (compare_all_groups(null, transform="logit")["padj"] > 0.05).all()


def test_compare_groups__puts_both_units_of_every_contrast_one_below_the_other():
    drawn = draw_cohort({"A": "CR", "B": "NCR"}, np.random.default_rng(3))
    table = compare_groups(drawn, [CONTRAST], transform="logit", confidence=0.95)
    assert table.groupby("unit", sort=False).size().to_dict() == {"sample": 10, "cell": 10}
    assert compare_groups(drawn, [], transform="logit", confidence=0.95).empty


def test_measure_lead__by_hand():
    counts = pd.DataFrame({"x": [80, 40], "y": [20, 20], "z": [10, 10]}, index=["a", "b"])
    row = measure_lead(tidy(counts, ["A", "A"]), ("x",), "A", confidence=0.95).iloc[0]
    lead = np.log2([80.5 / 20.5, 40.5 / 20.5])
    assert row["effect"] == pytest.approx(lead.mean())
    half = stats.t.ppf(0.975, 1) * lead.std(ddof=1) / np.sqrt(2)
    assert row["ci_high"] == pytest.approx(lead.mean() + half)


def test_measure_lead__says_what_is_missing():
    counts = pd.DataFrame({"x": [80], "y": [20]}, index=["a"])
    absent = measure_lead(tidy(counts, ["A"]), ("q",), "A", confidence=0.95).iloc[0]
    assert absent["reason"] == "not all of these types were found"
    single = measure_lead(tidy(counts, ["A"]), ("x",), "A", confidence=0.95).iloc[0]
    assert single["reason"] == "1 sample in the group: an interval needs two"
    assert np.isnan(single["ci_low"])


def test_measure_similarity__is_positive_towards_the_group_it_is_drawn_like():
    drawn = draw_cohort({"CK": "CK", "CR": "CR", "NCR": "NCR"}, np.random.default_rng(4))
    near = measure_similarity(drawn, "CR", like="CK", unlike="NCR", confidence=0.95).iloc[0]
    far = measure_similarity(drawn, "CR", like="NCR", unlike="CK", confidence=0.95).iloc[0]
    assert near["effect"] > 0.5
    assert far["effect"] == pytest.approx(-near["effect"])


def test_measure_composition__holds_what_the_claims_ask_for():
    drawn = draw_cohort({"CK": "CK", "CR": "CR", "NCR": "NCR"}, np.random.default_rng(5))
    groups = {"reference": "CK", "responder": "CR", "non_responder": "NCR"}
    contrast = Contrast(test="NCR", reference="CR")
    contrasts = compare_groups(drawn, [contrast], transform="logit", confidence=0.95)
    effects = measure_composition(drawn, contrasts, [contrast], groups, confidence=0.95)
    assert set(effects["measure"]) == {"proportion", "lead", "similarity"}
    assert set(effects["unit"]) == {"sample"}
    lead = effects[(effects["measure"] == "lead") & (effects["test_group"] == "NCR")]
    assert lead.set_index("cell_type").loc["Pro-B", "ci_low"] > 0


@given(st.permutations(range(12)))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_count_types__does_not_depend_on_the_order_of_the_cells(order):
    cells = pd.DataFrame({"sample": list("aaaabbbbbccc"), "cell_type": list("TTBMTTTBBMMM")})
    samples = pd.DataFrame({"sample": list("abc"), "group": list("AAB")})
    pd.testing.assert_frame_equal(
        count_types(cells.iloc[order], samples), count_types(cells, samples)
    )


def test_count_types__of_no_cells_is_empty():
    cells = pd.DataFrame({"sample": pd.Series(dtype=str), "cell_type": pd.Series(dtype=str)})
    table = count_types(cells, pd.DataFrame({"sample": ["a"], "group": ["A"]}))
    assert table.empty
    assert {"sample", "group", "cell_type", "n_cells", "fraction"} <= set(table.columns)


@pytest.mark.parametrize("transform", ["logit", "asin"])
def test_transform_proportions__equals_propeller(haber, transform):
    folder, counts, _ = haber
    original = read_tsv(folder / f"transformed_props_{transform}.tsv")
    original = original.pivot_table(index="sample", columns="clusters", values="Freq")
    ours = transform_proportions(counts, transform=transform)
    np.testing.assert_allclose(ours, original.loc[counts.index, counts.columns], rtol=1e-6)


@pytest.mark.parametrize("transform", ["logit", "asin"])
def test_compare_all_groups__equals_propeller(haber, transform):
    folder, counts, groups = haber
    ours = compare_all_groups(tidy(counts, groups), transform=transform).set_index("cell_type")
    original = read_tsv(folder / f"propeller_anova_4groups_{transform}.tsv", index_col=0)
    ours = ours.loc[original.index]
    np.testing.assert_allclose(ours["f"], original["Fstatistic"], rtol=1e-6)
    np.testing.assert_allclose(ours["pvalue"], original["P.Value"], rtol=1e-6)
    np.testing.assert_allclose(ours["padj"], original["FDR"], rtol=1e-6)
    assert set(ours["n_groups"]) == {4}
    assert set(ours["n_samples"]) == {10}


COUNTS = arrays(np.int64, (7, 4), elements=st.integers(0, 40))
GROUPS = list("AAABBBC")


@given(COUNTS)
@settings(derandomize=True, deadline=None, max_examples=40)
def test_comparisons__turn_with_the_contrast(values):
    table = tidy(pd.DataFrame(values, index=list("abcdefg"), columns=list("wxyz")), GROUPS)
    back = Contrast(test="A", reference="B")
    for compare in (
        lambda c: compare_samples(table, c, transform="logit", confidence=0.9),
        lambda c: compare_cells(table, c, confidence=0.9),
    ):
        there, again = compare(CONTRAST), compare(back)
        np.testing.assert_allclose(there["effect"], -again["effect"], atol=1e-9)
        np.testing.assert_allclose(there["ci_low"], -again["ci_high"], atol=1e-9)
        np.testing.assert_allclose(there["pvalue"], again["pvalue"], rtol=1e-6)
        known = there.dropna(subset="pvalue")
        assert (known["padj"] >= known["pvalue"]).all()
        assert (known["ci_low"] <= known["effect"]).all()
        assert (known["effect"] <= known["ci_high"]).all()
        assert (there["pvalue"].isna() == (there["reason"] != "")).all()


@given(COUNTS, st.permutations(range(7)))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_comparisons__do_not_depend_on_the_order_of_the_samples(values, order):
    counts = pd.DataFrame(values, index=list("abcdefg"), columns=list("wxyz"))
    shuffled = tidy(counts.iloc[order], [GROUPS[i] for i in order])
    plain = tidy(counts, GROUPS)
    one, other = (
        compare_groups(table, [CONTRAST], transform="asin", confidence=0.95).set_index(
            ["unit", "cell_type"]
        )
        for table in (plain, shuffled)
    )
    np.testing.assert_allclose(one["pvalue"], other.loc[one.index, "pvalue"], rtol=1e-6)


@given(st.integers(0, 60), st.integers(0, 40))
@settings(derandomize=True, deadline=None)
def test_compare_cells__equals_the_formula_with_ties_and_continuity(a, b):
    counts = pd.DataFrame({"x": [b, a], "y": [40 - b, 60 - a], "z": [1, 1]}, index=["a", "b"])
    table = compare_cells(tidy(counts, ["A", "B"]), CONTRAST, confidence=0.95)
    n, m = 61, 41
    # of all pairs, those won and half of those tied; R's wilcox.test(correct = TRUE)
    won = a * (m - b) + 0.5 * (a * b + (n - a) * (m - b))
    ones, both = a + b, n + m
    tied = (ones**3 - ones + (both - ones) ** 3 - (both - ones)) / (both * (both - 1))
    deviation = np.sqrt(n * m / 12 * (both + 1 - tied)) if ones else np.inf
    z = max(abs(won - n * m / 2) - 0.5, 0) / deviation
    row = table.set_index("cell_type").loc["x"]
    expected = 2 * stats.norm.sf(z) if ones else np.nan
    np.testing.assert_allclose(row["pvalue"], min(expected, 1.0), rtol=1e-9)


def test_compare_samples__of_two_types_is_students_t_test():
    # one share mirrors the other, so that there is nothing to moderate with
    counts = pd.DataFrame({"x": [20, 31, 12, 40, 44, 26], "y": [80, 69, 88, 60, 56, 74]},
                          index=list("abcdef"))  # fmt: skip
    table = compare_samples(tidy(counts, list("AAABBB")), CONTRAST, transform="logit",
                            confidence=0.95)  # fmt: skip
    logit = transform_proportions(counts, transform="logit")["x"]
    student = stats.ttest_ind(logit.iloc[3:], logit.iloc[:3])
    np.testing.assert_allclose(table["pvalue"], student.pvalue, rtol=1e-9)
    interval = student.confidence_interval()
    x = table.set_index("cell_type").loc["x"]
    np.testing.assert_allclose(
        x[["ci_low", "ci_high"]].astype(float), np.array([*interval]) / np.log(2)
    )


def test_compare_samples__takes_the_odds_from_the_logit_and_the_pvalue_from_the_transform():
    drawn = draw_cohort({"A": "CR", "B": "NCR"}, np.random.default_rng(6))
    logit, asin = (
        compare_samples(drawn, CONTRAST, transform=name, confidence=0.95)
        for name in ("logit", "asin")
    )
    np.testing.assert_array_equal(logit["effect"], asin["effect"])
    np.testing.assert_array_equal(logit["ci_low"], asin["ci_low"])
    assert (logit["pvalue"] != asin["pvalue"]).all()
    assert set(asin["test"]) == {"moderated t-test on asin proportions"}


def test_compare_samples__leaves_out_a_sample_without_cells():
    counts = pd.DataFrame({"x": [20, 31, 12, 40, 44, 26], "y": [80, 69, 88, 60, 56, 74],
                           "z": [9, 5, 7, 4, 8, 3]}, index=list("abcdef"))  # fmt: skip
    without = tidy(counts, list("AAABBB"))
    empty = pd.DataFrame(0, index=["g"], columns=counts.columns)
    table, expected = (
        compare_samples(part, CONTRAST, transform="logit", confidence=0.95)
        for part in (tidy(pd.concat([counts, empty]), list("AAABBBB")), without)
    )
    pd.testing.assert_frame_equal(table, expected)
    assert set(table["n_test"]) == {3}


def test_compare_samples__does_not_test_one_against_one_by_the_spread_of_a_third_group():
    counts = pd.DataFrame({"x": [20, 40, 30, 31], "y": [80, 60, 70, 60]}, index=list("abcd"))
    table = compare_samples(tidy(counts, list("ABCC")), CONTRAST, transform="logit",
                            confidence=0.95)  # fmt: skip
    assert set(table["reason"]) == {"1 and 1 samples: at least one group needs two"}
    assert table[["effect", "ci_low", "pvalue", "padj"]].isna().all(axis=None)


def test_compare_samples__tests_one_against_two():
    counts = pd.DataFrame({"x": [20, 40, 30], "y": [80, 60, 70], "z": [5, 8, 6]},
                          index=list("abc"))  # fmt: skip
    table = compare_samples(tidy(counts, list("ABB")), CONTRAST, transform="logit",
                            confidence=0.95)  # fmt: skip
    assert table["pvalue"].between(0, 1).all()
    assert (table["reason"] == "").all()


@pytest.mark.parametrize("unit", ["sample", "cell"])
def test_comparisons__say_where_a_type_cannot_be_compared(unit):
    # z is only in C, so that its odds in A and B tell how many cells those have
    counts = pd.DataFrame({"x": [20, 30, 40, 35, 1], "y": [80, 60, 60, 65, 2],
                           "z": [0, 0, 0, 0, 50]}, index=list("abcde"))  # fmt: skip
    table = compare_groups(tidy(counts, list("AABBC")), [CONTRAST], transform="logit",
                           confidence=0.95)  # fmt: skip
    rows = table[table["unit"] == unit].set_index("cell_type")
    assert rows["reason"].to_dict() == {"x": "", "y": "", "z": "no cell of this type in A or B"}
    assert rows.loc["z", ["effect", "ci_low", "ci_high", "pvalue", "padj"]].isna().all()
    tested = rows.loc[["x", "y"]]
    np.testing.assert_allclose(tested["padj"], tested["pvalue"].max())
    only = tidy(counts[["x", "z"]], list("AABBC"))
    table = compare_groups(only, [CONTRAST], transform="logit", confidence=0.95)
    rows = table[table["unit"] == unit].set_index("cell_type")
    assert rows.loc["x", "reason"] == "all cells of A and B are of this type"


def test_comparisons__of_one_type_have_nothing_to_compare():
    table = tidy(pd.DataFrame({"x": [20, 30, 40]}, index=list("abc")), list("ABB"))
    reason = "there is one cell type only: its share is 1 everywhere"
    row = compare_samples(table, CONTRAST, transform="logit", confidence=0.95).iloc[0]
    assert (row["reason"], np.isnan(row["effect"])) == (reason, True)
    row = compare_cells(table, CONTRAST, confidence=0.95).iloc[0]
    assert row["reason"] == "all cells of A and B are of this type"
    assert compare_all_groups(table, transform="logit").iloc[0]["reason"] == reason


def test_compare_cells__says_which_group_has_no_cells():
    counts = pd.DataFrame({"x": [20, 0], "y": [30, 0]}, index=list("ab"))
    for groups in (["A", "B"], ["A", "C"]):
        table = compare_cells(tidy(counts, groups), CONTRAST, confidence=0.95)
        assert set(table["reason"]) == {"no sample of group B has cells"}
        assert table["n_reference"].tolist() == [50, 50]
        assert table["n_test"].tolist() == [0, 0]
        assert table["padj"].isna().all()


def test_compare_all_groups__says_why_it_cannot_test():
    counts = pd.DataFrame({"x": [20, 40, 30], "y": [80, 60, 70]}, index=list("abc"))
    for groups, reason in (
        ("AAA", "1 group has cells: there is nothing to compare"),
        ("ABC", "one sample a group: at least one group needs two"),
    ):
        table = compare_all_groups(tidy(counts, list(groups)), transform="logit")
        assert set(table["reason"]) == {reason}
        assert table[["f", "pvalue", "padj"]].isna().all(axis=None)


@pytest.mark.slow
@pytest.mark.parametrize("n_types", [2, 3, 10])
def test_compare_samples__rejects_a_twentieth_of_nulls_however_few_the_types(n_types):
    rng = np.random.default_rng(n_types)
    mean = np.linspace(1, 3, n_types)
    pvalues = []
    for _ in range(400):
        shares = mean * np.exp(rng.normal(0, 0.25, (6, n_types)))
        counts = [rng.multinomial(1000, row / row.sum()) for row in shares]
        table = tidy(pd.DataFrame(counts, index=list("abcdef")), list("AAABBB"))
        pvalues += [*compare_samples(table, CONTRAST, transform="logit", confidence=0.95)["pvalue"]]
    assert 0.03 <= np.mean(np.array(pvalues) < 0.05) <= 0.07


@pytest.mark.slow
def test_measure_similarity__leans_to_neither_side_where_groups_do_not_differ():
    rng = np.random.default_rng(7)
    sides = []
    for _ in range(200):
        drawn = draw_cohort({"CK": "CK", "CR": "CK", "NCR": "CK"}, rng)
        row = measure_similarity(drawn, "CR", like="CK", unlike="NCR", confidence=0.95).iloc[0]
        sides.append((row["ci_low"] > 0) - int(row["ci_high"] < 0))
    assert np.mean(np.array(sides) > 0) <= 0.06
    assert np.mean(np.array(sides) < 0) <= 0.06


def test_measure_similarity__by_hand():
    # log of 1, e, e**2 about their mean is -1, 0, 1; the half cell is taken off before
    shares = np.exp([[0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2]]) * 1000 - 0.5
    counts = pd.DataFrame(shares, index=list("abcd"), columns=list("xyz"))
    row = measure_similarity(
        tidy(counts, ["like", "unlike", "mine", "mine"]),
        "mine",
        like="like",
        unlike="unlike",
        confidence=0.95,
    ).iloc[0]
    # (-1, 1, 0) is sqrt 2 from (-1, 0, 1) and sqrt 6 from (1, 0, -1); so is (0, -1, 1)
    assert row["effect"] == pytest.approx(np.log2(3) / 2)
    assert row["n_test"] == 2
    assert row["reason"] == "the samples do not differ: there is no interval"


def test_measure_similarity__leaves_out_samples_without_cells_and_says_which_group_has_none():
    counts = pd.DataFrame([[9, 5, 2], [8, 4, 1], [2, 3, 9], [7, 6, 2], [6, 5, 3], [0, 0, 0]],
                          index=list("abcdef"), columns=list("xyz"))  # fmt: skip
    groups = ["CK", "CK", "NCR", "CR", "CR", "CK"]
    with_empty, without = (
        measure_similarity(part, "CR", like="CK", unlike="NCR", confidence=0.95)
        for part in (tidy(counts, groups), tidy(counts[:5], groups[:5]))
    )
    pd.testing.assert_frame_equal(with_empty, without)
    gone = tidy(counts[:5], groups[:5])
    gone.loc[gone["group"] == "NCR", "n_cells"] = 0
    row = measure_similarity(gone, "CR", like="CK", unlike="NCR", confidence=0.95).iloc[0]
    assert row["reason"] == "no sample of group NCR has cells"
    assert row[["effect", "ci_low", "pvalue"]].isna().all()


def test_measure_similarity__has_no_number_where_a_sample_is_a_centre():
    counts = pd.DataFrame([[9, 5], [2, 9], [9, 5], [7, 6]], index=list("abcd"), columns=["x", "y"])
    row = measure_similarity(
        tidy(counts, ["CK", "NCR", "CR", "CR"]), "CR", like="CK", unlike="NCR", confidence=0.95
    ).iloc[0]
    assert row[["effect", "ci_low", "ci_high", "pvalue"]].isna().all()
    assert row["reason"] != ""


def test_measure_lead__adds_types_up_and_compares_with_the_largest_other():
    counts = pd.DataFrame({"x": [40, 30], "y": [40, 50], "z": [10, 60]}, index=["a", "b"])
    row = measure_lead(tidy(counts, ["A", "A"]), ("x", "y"), "A", confidence=0.95).iloc[0]
    assert row["effect"] == pytest.approx(np.log2([81 / 10.5, 81 / 60.5]).mean())
    assert row["cell_type"] == "x and y"
    assert (row["n_test"], row["unit"], row["reason"]) == (2, "sample", "")


@pytest.mark.parametrize(
    ("types", "group", "reason"),
    [
        (("x",), "B", "no sample of group B has cells"),
        (("x",), "Q", "no sample of group Q has cells"),
        (("x", "y"), "A", "no other cell type was found"),
        (("x", "q"), "A", "not all of these types were found"),
    ],
)
def test_measure_lead__says_why_there_is_none(types, group, reason):
    counts = pd.DataFrame({"x": [80, 70, 0], "y": [20, 30, 0]}, index=list("abc"))
    row = measure_lead(tidy(counts, list("AAB")), types, group, confidence=0.95).iloc[0]
    assert row["reason"] == reason
    assert row["n_test"] == 0
    assert row[["effect", "ci_low", "ci_high", "pvalue"]].isna().all()


def test_measure_lead__of_copies_has_no_interval():
    counts = pd.DataFrame({"x": [80, 80], "y": [20, 20]}, index=["a", "b"])
    row = measure_lead(tidy(counts, ["A", "A"]), ("x",), "A", confidence=0.95).iloc[0]
    assert row["effect"] == pytest.approx(np.log2(80.5 / 20.5))
    assert row[["ci_low", "ci_high", "pvalue"]].isna().all()
    assert row["reason"] == "the samples do not differ: there is no interval"


def test_measure_composition__of_one_group_or_of_no_cells_only_lacks_comparisons():
    one = draw_cohort({"CK": "CK"}, np.random.default_rng(8))
    contrasts = compare_groups(one, [], transform="logit", confidence=0.95)
    effects = measure_composition(one, contrasts, [], {"reference": "CK"}, confidence=0.95)
    assert set(effects["measure"]) == {"lead"}
    pair = effects.set_index("cell_type").loc["Naive CD4+ T and CD8+ NKT-like"]
    assert pair["ci_low"] > 0


def test_compare_samples__of_the_same_donors_sees_what_their_differences_hide():
    odds = np.array([0.1, 0.3, 1.0, 3.0])
    x = np.ravel([1000 * o / (1 + o) for o in (odds, 1.5 * odds)], order="F").round()
    counts = pd.DataFrame({"x": x, "y": 500.0, "z": 1000 - x}, index=list("abcdefgh"))
    table = tidy(counts, ["A", "B"] * 4)
    paired = table.assign(donor=table["sample"].map(dict(zip("abcdefgh", "11223344", strict=True))))
    alone, within = (
        compare_samples(part, CONTRAST, transform="logit", confidence=0.95).set_index("cell_type")
        for part in (table, paired)
    )
    assert alone.loc["x", "pvalue"] > 0.5 > 0.01 > within.loc["x", "pvalue"]
    assert within.loc["x", "test"] == "moderated t-test on logit proportions, within donors"
    assert within.loc["x", "effect"] == pytest.approx(alone.loc["x", "effect"])


def test_compare_samples__of_the_same_donors_holds_its_error_rate():
    rng = np.random.default_rng(1)
    rejected = []
    for _ in range(200):
        donor = rng.normal(0, 0.8, (6, 5)) + np.array([0, 0.5, 1, 0, 0.3])
        odds = np.exp(np.repeat(donor, 2, axis=0) + rng.normal(0, 0.2, (12, 5)))
        drawn = np.vstack([rng.multinomial(500, o / o.sum()) for o in odds])
        counts = pd.DataFrame(drawn, columns=list("vwxyz"), index=[f"s{i}" for i in range(12)])
        table = tidy(counts, ["A", "B"] * 6)
        table["donor"] = table["sample"].str[1:].astype(int) // 2
        tested = compare_samples(table, CONTRAST, transform="logit", confidence=0.95)
        rejected += list(tested["pvalue"] < 0.05)
    assert 0.03 <= np.mean(rejected) <= 0.07
