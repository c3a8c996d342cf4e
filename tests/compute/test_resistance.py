"""Resistant against parental cells: rarefied genes, potential, stem-like clusters, order."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from helpers.compute.resistance import (
    choose_root,
    count_rarefied,
    find_stem_like,
    measure_stem_like,
    order_cells,
    rate_clusters,
    rate_recovery,
    score_potential,
    summarise_time,
)
from helpers.errors import DataError


def test_count_rarefied__by_hand():
    counts = sparse.csr_matrix([[2, 1, 1, 0], [4, 0, 0, 0], [1, 1, 0, 0]])
    # of 4 UMIs two are drawn: a gene of 2 is missed in 1 of 6 draws, a gene of 1 in 3 of 6
    assert count_rarefied(counts, depth=2) == pytest.approx([5 / 6 + 1 / 2 + 1 / 2, 1.0, 2.0])


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=8).filter(any), st.integers(1, 20))
def test_count_rarefied__is_the_hypergeometric_expectation(row: list[int], depth: int):
    total = sum(row)
    drawn = min(depth, total)
    expected = sum(1 - comb(total - x, drawn) / comb(total, drawn) for x in row)
    assert count_rarefied(sparse.csr_matrix([row]), depth=drawn)[0] == pytest.approx(expected)


def test_count_rarefied__does_not_grow_with_depth():
    rng = np.random.default_rng(0)
    rate = rng.lognormal(0, 1.5, 500)
    depth = np.repeat([1000, 4000], 40)
    counts = sparse.csr_matrix(rng.poisson(np.outer(depth, rate / rate.sum())))
    shallow, deep = np.split(count_rarefied(counts, depth=800), 2)
    assert deep.mean() == pytest.approx(shallow.mean(), rel=0.02)
    genes = np.asarray((counts > 0).sum(axis=1)).ravel()
    assert genes[40:].mean() > 1.3 * genes[:40].mean()


def test_score_potential__ranks_cells_that_express_more_genes_first():
    rng = np.random.default_rng(0)
    narrow, wide = rng.lognormal(0, 2.0, 400), rng.lognormal(0, 1.0, 400)
    rate = np.vstack([np.tile(narrow, (50, 1)), np.tile(wide, (50, 1))])
    counts = sparse.csr_matrix(rng.poisson(rate / rate.sum(axis=1, keepdims=True) * 1500))
    points = np.vstack([rng.normal(0, 1, (50, 3)), rng.normal(8, 1, (50, 3))])
    potential = score_potential(counts, points, n_neighbors=10, seed=0)
    assert potential.min() == 0.0
    assert potential.max() == 1.0
    assert potential[50:].min() > potential[:50].max()


# Stem-like clusters


def make_cells(shift: dict[str, float], *, n_samples: int = 4) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Three scores of cells in three clusters; those of cluster b are shifted."""
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(
        [(f"s{i}", c) for i in range(n_samples) for c in "abc" for _ in range(40)],
        columns=["sample", "cluster"],
    )
    names = ("stemness", "quiescence", "potential")
    scores = pd.DataFrame(rng.normal(0, 1, (len(cells), 3)), columns=names)
    for name, size in shift.items():
        scores.loc[cells["cluster"] == "b", name] += size
    return scores, cells


ALL = {"stemness": 1.5, "quiescence": 1.0, "potential": 2.0}


def test_rate_clusters__by_hand():
    scores = pd.DataFrame({"s": [0.0, 2, 4, 6, 1, 1, 1, 3]})
    cells = pd.DataFrame({"sample": list("xxxxyyyy"), "cluster": list("aabbaabb")})
    table = rate_clusters(scores, cells, min_cells=2, confidence=0.9).set_index("cluster")
    # x: (1 - 5) / 2.582, y: (1 - 2) / 1
    x, y = -4 / np.std([0, 2, 4, 6], ddof=1), -1.0
    assert table.loc["a", "effect"] == pytest.approx((x + y) / 2)
    assert table.loc["b", "effect"] == pytest.approx(-(x + y) / 2)
    half = stats.t.ppf(0.975, 1) * abs(x - y) / 2  # 0.9 for two clusters together
    assert table.loc["a", "ci_high"] == pytest.approx((x + y) / 2 + half)


def test_rate_clusters__has_no_interval_from_one_sample():
    scores, cells = make_cells(ALL, n_samples=1)
    table = rate_clusters(scores, cells, min_cells=5, confidence=0.95)
    assert table["n_samples"].tolist() == [1] * 9
    assert table["ci_low"].isna().all()
    assert find_stem_like(table, min_difference=0.3) == []


def test_rate_clusters__leaves_out_samples_with_too_few_cells():
    scores, cells = make_cells(ALL)
    table = rate_clusters(scores, cells, min_cells=41, confidence=0.95)
    assert table["n_samples"].tolist() == [0] * 9
    assert table["effect"].isna().all()


def test_find_stem_like__finds_the_cluster_by_its_scores():
    table = rate_clusters(*make_cells(ALL), min_cells=5, confidence=0.95)
    assert find_stem_like(table, min_difference=0.3) == ["b"]
    assert find_stem_like(table, min_difference=5.0) == []


@pytest.mark.parametrize("missing", [None, *ALL])
def test_find_stem_like__finds_none_that_lacks_a_score(missing: str | None):
    shift = {} if missing is None else {k: v for k, v in ALL.items() if k != missing}
    table = rate_clusters(*make_cells(shift), min_cells=5, confidence=0.95)
    assert find_stem_like(table, min_difference=0.3) == []


def test_measure_stem_like__is_the_score_it_stands_out_on_least():
    table = rate_clusters(*make_cells(ALL), min_cells=5, confidence=0.95)
    (row,) = measure_stem_like(table, ["b"], group="R", n_test=4).itertuples()
    least = table[(table["cluster"] == "b") & (table["score"] == "quiescence")].iloc[0]
    assert (row.measure, row.test_group, row.effect, row.ci_low) == (
        "stem_like", "R", least["effect"], least["ci_low"],
    )  # fmt: skip
    # not far enough for the limit: no interval that a claim could take for a find
    (none,) = measure_stem_like(table, [], group="R", n_test=4).itertuples()
    assert none.reason.startswith("no cluster stands out far enough")
    assert np.isnan(none.ci_low)


def test_measure_stem_like__gives_the_nearest_cluster_where_none_is_stem_like():
    table = rate_clusters(*make_cells({"potential": 2.0}), min_cells=5, confidence=0.95)
    assert find_stem_like(table, min_difference=0.3) == []
    (row,) = measure_stem_like(table, [], group="R", n_test=4).itertuples()
    least = table.loc[table.groupby("cluster")["effect"].idxmin()]
    assert row.effect == least["effect"].max()
    assert row.ci_low <= 0 < row.ci_high
    assert row.reason == ""


def test_measure_stem_like__says_when_no_cluster_was_tested():
    table = rate_clusters(*make_cells(ALL, n_samples=1), min_cells=5, confidence=0.95)
    (row,) = measure_stem_like(table, [], group="R", n_test=1).itertuples()
    assert row.reason == "no cluster has enough cells in two samples"


# Order


def test_order_cells__follows_a_line_from_its_root():
    rng = np.random.default_rng(0)
    place = np.sort(rng.uniform(0, 10, 300))
    points = np.column_stack([place, rng.normal(0, 0.1, 300), rng.normal(0, 0.1, 300)])
    time = order_cells(points, root=0, n_neighbors=15, n_components=10, seed=0)
    assert time[0] == 0.0
    assert stats.spearmanr(time, place).statistic > 0.99
    back = order_cells(points, root=299, n_neighbors=15, n_components=10, seed=0)
    assert stats.spearmanr(back, place).statistic < -0.99


def test_order_cells__needs_more_cells_than_components():
    with pytest.raises(DataError, match="5 cells are too few for 10 diffusion components"):
        order_cells(np.zeros((5, 2)), root=0, n_neighbors=3, n_components=10, seed=0)


def test_choose_root__is_the_highest_inside_or_of_all():
    potential = np.array([0.1, 0.9, 0.5])
    assert choose_root(potential, np.array([True, False, True])) == 2
    assert choose_root(potential, np.zeros(3, bool)) == 1


def test_summarise_time__leaves_unreached_cells_out():
    cells = pd.DataFrame(
        {"sample": "a", "group": "g", "cluster": "0", "pseudotime": [0.2, 0.4, np.inf]}
    )
    (row,) = summarise_time(cells).itertuples()
    assert (row.n_cells, row.pseudotime) == (2, pytest.approx(0.3))


def test_rate_recovery__by_hand():
    cells = pd.DataFrame({"sample": "a", "barcode": list("wxyz"), "cluster": ["4", "4", "0", "0"]})
    planted = pd.DataFrame(
        {"sample": "a", "barcode": list("wxyz"), "subcluster": ["6", "1", "6", "1"]}
    )
    truth = pd.DataFrame({"cluster": ["6", "1"], "stem_like": ["True", "False"]})
    (row,) = rate_recovery(cells, planted, truth, ["4"]).itertuples()
    assert (row.n_planted, row.n_found, row.precision, row.recall) == (2, 2, 0.5, 0.5)
    (none,) = rate_recovery(cells, planted, truth.assign(stem_like="False"), []).itertuples()
    assert (none.n_planted, none.n_found) == (0, 0)
    assert np.isnan([none.precision, none.recall]).all()
