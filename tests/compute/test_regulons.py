"""Links, modules and regulons from expression."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.compute.boosting import Boosting
from helpers.compute.regulons import (
    build_modules,
    correlate_columns,
    count_regulons,
    describe_pruning,
    explain_unscored,
    infer_links,
    keep_top,
    list_regulons,
    pick_targets,
    rate_links,
)
from helpers.errors import NotPossibleError

QUICK = Boosting(learning_rate=0.05, max_rounds=200)


def interval(low: float, high: float) -> pd.DataFrame:
    """The part of a pooled effect that the sentence on pruning looks at."""
    return pd.DataFrame({"ci_low": [low], "ci_high": [high]})


def make_planted(seed: int) -> tuple[sparse.csr_matrix, pd.Index, pd.DataFrame]:
    """Two factors F and G with six targets each among sixty genes, and a third factor of nothing."""
    rng = np.random.default_rng(seed)
    genes = pd.Index(["F", "G", "H", *[f"g{i}" for i in range(60)]])
    rate = np.full((500, 63), 2.0)
    for factor, first in ((0, 3), (1, 9)):
        activity = np.exp(rng.normal(0, 0.6, 500))
        rate[:, [factor, *range(first, first + 6)]] *= activity[:, None]
    planted = pd.DataFrame({"tf": ["F"] * 6 + ["G"] * 6, "target": [f"g{i}" for i in range(12)]})
    return sparse.csr_matrix(np.log1p(rng.poisson(rate))), genes, planted


def test_infer_links__finds_planted_targets_and_their_direction():
    values, genes, planted = make_planted(0)
    links = infer_links(
        values, genes, factors=["F", "G", "H"], targets=list(genes), settings=QUICK, seed=0
    )
    rated = rate_links(links, planted).set_index("tf")
    assert rated.loc["all", "n_planted"] == 12
    assert rated.loc["all", "random"] == pytest.approx(12 / 124)
    assert rated.loc["all", "auprc"] > 0.9
    assert (links["tf"] != links["target"]).all()
    assert links["importance"].is_monotonic_decreasing
    top = links.merge(planted, on=["tf", "target"])
    assert (top["rho"] > 0.2).all()


def test_infer_links__gives_no_factor_targets_where_none_were_planted():
    rng = np.random.default_rng(3)
    genes = pd.Index(["F", "G", *[f"g{i}" for i in range(40)]])
    values = sparse.csr_matrix(np.log1p(rng.poisson(2.0, (500, 42))))
    links = infer_links(
        values, genes, factors=["F", "G"], targets=list(genes), settings=QUICK, seed=0
    )
    pairs = pd.DataFrame({"tf": "F", "target": [f"g{i}" for i in range(6)]})
    assert rate_links(links, pairs).set_index("tf").loc["F", "ratio"] < 3


def test_infer_links__says_what_is_missing():
    values, genes, _ = make_planted(1)
    with pytest.raises(NotPossibleError, match="1 transcription factors are expressed"):
        infer_links(values, genes, factors=["F"], targets=["g1"], settings=QUICK, seed=0)


def test_correlate_columns__is_pearsons_and_nothing_without_variation():
    rng = np.random.default_rng(0)
    a, b = rng.poisson(1.0, (50, 3)).astype(float), rng.poisson(1.0, (50, 2)).astype(float)
    b[:, 1] = 2.0
    found = correlate_columns(sparse.csc_matrix(a), sparse.csc_matrix(b))
    for i in range(3):
        assert found[i, 0] == pytest.approx(np.corrcoef(a[:, i], b[:, 0])[0, 1])
    assert found[:, 1].tolist() == [0.0, 0.0, 0.0]


LINKS = pd.DataFrame(
    [
        ("F", "a", 9.0, 0.5),
        ("F", "b", 8.0, -0.5),
        ("G", "a", 7.0, 0.5),
        ("F", "c", 6.0, 0.5),
        ("G", "c", 5.0, 0.01),
        ("G", "d", 1.0, 0.5),
    ],
    columns=["tf", "target", "importance", "rho"],
)


def test_build_modules__cuts_links_three_ways():
    modules = build_modules(
        LINKS, quantiles=[0.5], top_targets=2, top_factors=[1], min_rho=0.03, min_targets=1
    )
    found = {key: sorted(part["target"]) for key, part in modules.groupby(["tf", "module"])}
    # b is turned off by F, c does not follow G: both are left out everywhere
    assert found == {
        ("F", "above quantile 0.5"): ["a"],
        ("G", "above quantile 0.5"): ["a"],
        ("F", "top 2 targets"): ["a"],
        ("G", "top 2 targets"): ["a"],
        ("F", "top 1 factors"): ["a", "c"],
        ("G", "top 1 factors"): ["d"],
    }


def test_build_modules__leaves_out_those_too_small():
    modules = build_modules(
        LINKS, quantiles=[0.5], top_targets=2, top_factors=[1], min_rho=0.03, min_targets=2
    )
    assert modules["module"].unique().tolist() == ["top 1 factors"]
    assert modules["tf"].unique().tolist() == ["F"]


def test_keep_top__marks_regulons_as_not_pruned():
    modules = build_modules(
        LINKS, quantiles=[0.5], top_targets=4, top_factors=[1], min_rho=0.03, min_targets=1
    )
    kept = keep_top(modules, top_targets=4, min_importance=0.5)
    assert sorted(zip(kept["tf"], kept["target"], strict=True)) == [
        ("F", "a"), ("F", "c"), ("G", "a"), ("G", "d"),
    ]  # fmt: skip
    assert (~kept["pruned"]).all()
    assert kept["support"].tolist() == [0] * 4
    assert keep_top(modules, top_targets=4, min_importance=6.0)["target"].tolist() == ["a", "a"]
    assert "rest on expression alone" in describe_pruning(kept, interval(np.nan, np.nan))
    mixed = kept.assign(pruned=kept["tf"] == "F")
    assert describe_pruning(mixed, interval(np.nan, np.nan)) == (
        "Targets of 1 factors are supported by a motif. The other 1 rest on expression alone."
    )
    counted = count_regulons(kept, modules)
    assert counted.to_dict("list") == {
        "tf": ["F", "G"],
        "n_modules": [3, 3],
        "n_candidates": [2, 2],
        "n_targets": [2, 2],
        "pruned": [False, False],
    }


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.1, 0.4, "more often"), (-0.1, 0.4, "not more often"), (-0.4, -0.1, "more seldom")],
)
def test_describe_pruning__says_whether_targets_hold_motifs_more_often(low, high, said):
    pruned = pd.DataFrame({"tf": ["F", "G"], "target": "a", "pruned": True})
    assert describe_pruning(pruned, interval(low, high)) == (
        f"Targets of 2 factors hold a motif of their factor in a linked peak ({said} than other "
        "genes, all factors taken together; panel E)."
    )


def test_explain_unscored__names_the_targets_a_regulon_lacks():
    modules = pd.DataFrame({"tf": ["F", "F", "G", "H"], "target": list("abab")})
    regulons = pd.DataFrame({"tf": ["F", "F", "G"], "target": list("aba")})
    said = explain_unscored(regulons, modules, min_targets=2)
    assert said["measure"].tolist() == ["regulon"] * 2 + ["regulon_lead"] * 2
    assert said["feature"].tolist() == ["G", "H"] * 2
    assert said["reason"].tolist()[:2] == [
        "the regulon of G is too small to be scored (targets kept: 1; needed: 2)",
        "the regulon of H is too small to be scored (targets kept: 0; needed: 2)",
    ]
    assert set(said["cell_type"]) == {""}
    assert explain_unscored(regulons, modules.head(2), min_targets=2).empty


def test_list_regulons__holds_the_factor_and_leaves_out_small_ones():
    table = LINKS.assign(pruned=True).query("tf == 'F' or target == 'd'")
    assert list_regulons(table, min_targets=2) == {"F": ["F", "a", "b", "c"]}


def test_pick_targets__takes_the_most_important_of_each_factor():
    picked = pick_targets(LINKS, ["G", "F"], n=1)
    assert picked[["tf", "target"]].to_numpy().tolist() == [["F", "a"], ["G", "a"]]


def test_rate_links__by_hand():
    # Genes asked about: a, b, c, d. Importances for F order them a, b, c, d; planted a and c:
    # precision 1 at the first, 2/3 at the third.
    planted = pd.DataFrame({"tf": ["F", "F", "F"], "target": ["a", "c", "never asked"]})
    rated = rate_links(LINKS, planted).set_index("tf")
    assert rated.loc["F", ["n_planted", "n_genes"]].tolist() == [2, 4]
    assert rated.loc["F", "auprc"] == pytest.approx((1 + 2 / 3) / 2)
    assert rated.loc["F", "random"] == 0.5
    assert rated.loc["all", "ratio"] == pytest.approx(1 + 2 / 3)
