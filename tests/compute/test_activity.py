"""Specificity and comparison of regulon activity."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from helpers.compute.activity import (
    FLOOR,
    average_activity,
    compare_activity,
    measure_lead,
    measure_regulons,
    pick_changed,
    pick_specific,
    pool_support,
    rank_planted,
    rate_specificity,
    score_specificity,
)
from helpers.schema import Contrast

NCR_CR = Contrast(test="NCR", reference="CR")


def test_score_specificity__is_one_where_active_in_one_label_alone():
    activity = pd.DataFrame({"own": [1.0, 1, 0, 0], "none": [0.0] * 4, "all": [1.0] * 4})
    rss = score_specificity(activity, pd.Series(list("aabb"))).set_index(["regulon", "label"])[
        "rss"
    ]
    assert rss["own", "a"] == 1.0
    assert rss["own", "b"] == 0.0
    assert np.isnan(rss["none", "a"])
    # even over four cells against two: divergence 0.5 * (log2(4/3)) + 0.5 * (1 - log2(3) / 2 ...)
    assert rss["all", "a"] == pytest.approx(1 - jensenshannon([0.25] * 4, [0.5, 0.5, 0, 0], base=2))


def test_score_specificity__is_one_minus_the_distance_of_scipy():
    rng = np.random.default_rng(0)
    activity = pd.DataFrame(rng.gamma(0.5, 1, (200, 4)) * (rng.random((200, 4)) < 0.6))
    labels = pd.Series(rng.choice(list("abc"), 200))
    for row in score_specificity(activity, labels).itertuples():
        share = activity[row.regulon] / activity[row.regulon].sum()
        member = (labels == row.label) / (labels == row.label).sum()
        assert row.rss == pytest.approx(1 - jensenshannon(share, member, base=2))
        assert row.n_cells == (labels == row.label).sum()


def test_rate_specificity__scores_subclusters_among_the_cells_of_their_type():
    cells = pd.DataFrame(
        {"sample": "s", "barcode": list("123456"), "cell_type": ["A"] * 4 + ["B"] * 2}
    )
    activity = pd.DataFrame({"R": [1.0, 1, 0, 0, 5, 5]}, index=list("uvwxyz"))
    inside = pd.DataFrame({"sample": "s", "barcode": list("1234"), "subcluster": list("0011")})
    table = rate_specificity(activity, cells, {"A": inside, "C": inside.iloc[:0]})
    found = table.set_index(["level", "label"])
    assert set(table["level"]) == {"cell type", "subclusters of A"}
    assert found.loc[("subclusters of A", "0"), "rss"] == 1.0
    assert found.loc[("subclusters of A", "0"), "n_cells"] == 2
    assert found.loc[("cell type", "B"), "rss"] > found.loc[("cell type", "A"), "rss"]


def test_pick_specific__takes_the_first_of_every_label_once_and_no_unknown():
    table = pd.DataFrame(
        {
            "level": "cell type",
            "regulon": ["P", "Q", "P", "Q", "Z"],
            "label": ["a", "a", "b", "b", "unknown"],
            "rss": [0.9, 0.1, 0.6, 0.5, 1.0],
        }
    )
    assert pick_specific(table, level="cell type", n=1) == ["P"]
    assert pick_specific(table, level="cell type", n=2) == ["P", "Q"]


SAMPLES = pd.DataFrame(
    {
        "sample": ["K1", "K2", "K3", "R1", "R2", "R3", "N1", "N2", "N3"],
        "group": ["CK"] * 3 + ["CR"] * 3 + ["NCR"] * 3,
    }
)


def make_averages(seed: int, shift: float) -> pd.DataFrame:
    """Thirty regulons in two types; the first ten shift in type A of NCR, by log2."""
    rng = np.random.default_rng(seed)
    rows = []
    for sample, group in SAMPLES.to_numpy():
        for kind in "AB":
            level = -4 + rng.normal(0, 0.2, 30)
            level[:10] += shift * (kind == "A" and group == "NCR")
            rows += [
                (sample, group, kind, f"r{i:02}", 50, 2.0**value) for i, value in enumerate(level)
            ]
    columns = ["sample", "group", "cell_type", "regulon", "n_cells", "auc"]
    return pd.DataFrame(rows, columns=columns)


def test_average_activity__is_the_mean_of_a_types_cells_where_there_are_enough():
    cells = pd.DataFrame({"sample": ["N1", "N1", "K1"], "cell_type": ["A", "A", "A"]})
    activity = pd.DataFrame({"R": [0.1, 0.3, 0.5], "Q": [0.0, 0.0, 1.0]}, index=list("xyz"))
    table = average_activity(activity, cells, SAMPLES, min_cells=2)
    assert table.to_numpy().tolist() == [
        ["N1", "NCR", "A", "R", 2, 0.2],
        ["N1", "NCR", "A", "Q", 2, 0],
    ]
    both = average_activity(activity, cells, SAMPLES, min_cells=1)
    assert both["sample"].tolist() == ["K1", "K1", "N1", "N1"]


def test_compare_activity__intervals_cover_what_was_planted_as_often_as_they_say():
    covered = []
    for seed in range(20):
        compared = compare_activity(make_averages(seed, 1.0), [NCR_CR], confidence=0.95)
        mine = compared[(compared["cell_type"] == "A") & (compared["regulon"] < "r10")]
        # FLOOR draws the ratio of two to its side by little
        covered.append(((mine["ci_low"] < 0.99) & (mine["ci_high"] > 0.99)).mean())
    assert 0.9 < np.mean(covered) < 0.99


def test_compare_activity__finds_planted_shifts_by_sample():
    compared = compare_activity(make_averages(0, 1.0), [NCR_CR], confidence=0.95)
    mine = compared.set_index(["cell_type", "regulon"]).sort_index()
    shifted = mine.loc["A"].iloc[:10]
    assert (shifted["padj"] < 0.05).all()
    assert mine.loc["A"].iloc[10:]["padj"].min() > 0.05
    assert mine["n_test"].unique().tolist() == [3]
    assert compared["unit"].unique().tolist() == ["sample"]


def test_compare_activity__keeps_its_level_where_nothing_was_planted():
    rates = [
        (
            compare_activity(make_averages(seed, 0.0), [NCR_CR], confidence=0.95)["pvalue"] < 0.05
        ).mean()
        for seed in range(1, 13)
    ]
    assert np.mean(rates) < 0.075


def test_compare_activity__effect_is_the_log2_ratio_of_means():
    averages = make_averages(2, 0.5)
    compared = compare_activity(averages, [NCR_CR], confidence=0.95)
    row = compared[(compared["cell_type"] == "A") & (compared["regulon"] == "r00")].iloc[0]
    mine = averages.query("cell_type == 'A' and regulon == 'r00'")
    mean = np.log2(mine["auc"] + FLOOR).groupby(mine["group"]).mean()
    assert row["effect"] == pytest.approx(mean["NCR"] - mean["CR"])


def test_compare_activity__compares_samples_of_the_same_donors_within_them():
    rng = np.random.default_rng(0)
    averages = make_averages(0, 1.0).query("group != 'CK'")
    donor = averages["sample"].str[1:]
    own = donor.map({name: rng.normal(0, 3) for name in "123"})
    paired = averages.assign(donor=donor, auc=averages["auc"] * 2.0**own)
    both = compare_activity(paired, [NCR_CR], confidence=0.95)
    alone = compare_activity(paired.drop(columns="donor"), [NCR_CR], confidence=0.95)
    assert both["test"].unique().tolist() == ["moderated t-test on log2 mean AUC, within donors"]
    shifted = (both["cell_type"] == "A") & (both["regulon"] < "r10")
    assert (both.loc[shifted, "padj"] < 0.05).mean() > 0.5
    assert (alone.loc[shifted, "padj"] > 0.05).all()


def test_compare_activity__says_why_there_is_no_test():
    averages = make_averages(0, 0.0).query("sample in ['R1', 'N1']")
    compared = compare_activity(averages, [NCR_CR], confidence=0.95)
    assert compared["reason"].unique().tolist() == ["1 and 1 samples: at least one group needs two"]
    assert compared[["effect", "ci_low", "ci_high", "pvalue", "padj"]].isna().all(axis=None)
    alone = compare_activity(averages.query("group == 'CR'"), [NCR_CR], confidence=0.95)
    assert alone["reason"].unique().tolist() == [
        "no sample of group NCR has enough cells of this type"
    ]
    assert compare_activity(averages, [], confidence=0.95).empty


def test_pick_changed__orders_the_surest_by_effect():
    compared = compare_activity(make_averages(0, 1.0), [NCR_CR], confidence=0.95)
    changed = pick_changed(compared, "NCR vs CR", ["A"], n=5)
    assert len(changed) == 5
    assert changed["effect"].is_monotonic_increasing
    assert set(changed["regulon"]) <= {f"r{i:02}" for i in range(10)}
    assert pick_changed(compared, "other", ["A"], n=5).empty


def test_measure_lead__is_the_mean_over_samples_with_its_t_interval():
    averages = make_averages(3, 2.0)
    lead = measure_lead(averages, "NCR", "A", confidence=0.95).set_index("feature")
    logs = averages[averages["group"] == "NCR"].assign(log=lambda t: np.log2(t["auc"] + FLOOR))
    wide = logs[logs["regulon"] == "r00"].pivot_table(
        index="sample", columns="cell_type", values="log"
    )
    gap = wide["A"] - wide["B"]
    low, high = stats.t.interval(0.95, 2, gap.mean(), gap.std() / np.sqrt(3))
    row = lead.loc["r00"]
    assert [row["effect"], row["ci_low"], row["ci_high"]] == pytest.approx([gap.mean(), low, high])
    assert row["pvalue"] == pytest.approx(stats.ttest_1samp(gap, 0).pvalue)
    none = measure_lead(averages, "NCR", "absent", confidence=0.95)
    assert none["reason"].unique().tolist() == ["0 samples allow it: an interval needs two"]


SUPPORT = ["n_targets", "n_with_motif", "n_others", "others_with_motif"]


def make_support(seed: int, odds: float, n: int = 60) -> pd.DataFrame:
    """Factors whose motif is in few or in most genes, and ``odds`` times as likely in targets."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.05, 0.95, n)
    size = rng.integers(5, 60, n)
    inside = share * odds / (1 - share + share * odds)
    found = rng.binomial(size, inside), rng.binomial(500, share)
    return pd.DataFrame(dict(zip(SUPPORT, (size, found[0], 500, found[1]), strict=True)))


def test_pool_support__by_hand():
    table = pd.DataFrame([[10, 6, 100, 30], [20, 10, 100, 25]], columns=SUPPORT)
    pooled = pool_support(table, confidence=0.95).iloc[0]
    # expected 3 and 5; 16 found of 8 expected; deviations from twice the expected: 0 and 0
    assert pooled[["effect", "ci_low", "ci_high"]].tolist() == [1.0, 1.0, 1.0]
    assert pooled["unit"] == "factor"


def test_pool_support__covers_nothing_as_often_as_it_says_and_finds_what_is_planted():
    nothing = [pool_support(make_support(s, 1.0), confidence=0.95).iloc[0] for s in range(100)]
    covered = [row["ci_low"] < 0 < row["ci_high"] for row in nothing]
    assert 0.89 <= np.mean(covered) <= 1.0
    planted = [pool_support(make_support(s, 3.0), confidence=0.95).iloc[0] for s in range(20)]
    assert min(row["ci_low"] for row in planted) > 0


def test_pool_support__says_what_is_missing():
    empty = pool_support(pd.DataFrame(columns=SUPPORT), confidence=0.95).iloc[0]
    assert "no chromatin" in empty["reason"]
    assert np.isnan(empty["effect"])
    one = pool_support(pd.DataFrame([[10, 6, 100, 30]], columns=SUPPORT), confidence=0.95).iloc[0]
    assert one["reason"] == "1 factors with a motif say too little"


def test_measure_regulons__holds_contrasts_leads_and_motif_support():
    averages = make_averages(0, 1.0)
    compared = compare_activity(averages, [NCR_CR], confidence=0.95)
    effects = measure_regulons(
        averages, compared, pd.DataFrame(columns=SUPPORT), contrasts=[NCR_CR],
        groups=["CK", "CR", "NCR"], confidence=0.95,
    )  # fmt: skip
    counts = effects["measure"].value_counts().to_dict()
    assert counts == {"regulon": 60, "regulon_lead": 180, "motif_support": 1}
    between = effects[effects["measure"] == "regulon"]
    assert between["test_group"].unique().tolist() == ["NCR"]
    assert between["reference_group"].unique().tolist() == ["CR"]


def test_compare_activity__of_one_group_is_a_table_without_rows_to_pick_from():
    averages = pd.DataFrame(
        {"sample": ["a"], "group": ["A"], "cell_type": ["T"], "regulon": ["r"], "auc": [0.1]}
    )
    table = compare_activity(averages, [], confidence=0.95)
    assert len(table) == 0
    assert len(pick_changed(table, "", ["T"], n=4)) == 0


def test_rank_planted__gives_the_place_in_the_best_type():
    specificity = pd.DataFrame(
        {
            "level": ["cell type"] * 6 + ["cell type", "subclusters of A"],
            "label": ["A"] * 3 + ["B"] * 3 + ["unknown", "0"],
            "regulon": ["F", "G", "H"] * 2 + ["H", "H"],
            "rss": [0.9, 0.5, 0.1, 0.9, 0.1, 0.5, 1.0, 1.0],
        }
    )
    planted = pd.DataFrame({"tf": ["H", "G", "H", "never scored"]})
    ranked = rank_planted(specificity, planted)
    assert ranked["tf"].tolist() == ["H", "G", "never scored"]
    assert ranked.head(2).to_numpy().tolist() == [["H", "B", 2, 3], ["G", "A", 2, 3]]
    assert ranked.tail(1)["rank"].isna().all()
