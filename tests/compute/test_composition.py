import numpy as np
import pandas as pd
import pytest
from oracle import read_tsv
from scipy import stats

from helpers.compute.composition import (
    compare_all_groups,
    compare_cells,
    compare_groups,
    compare_samples,
    count_types,
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
