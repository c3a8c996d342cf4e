"""Boosting of many targets on the same regulators: by hand, laws, GRNBoost2 and GENIE3."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracle import read_tsv
from scipy import sparse, stats

from helpers.compute.boosting import MAX_BINS, Boosting, bin_columns, boost_importances

QUICK = Boosting(learning_rate=0.05, max_rounds=300)


def test_bin_columns__numbers_the_values_of_a_column_from_nothing_up():
    values = sparse.csc_matrix([[0.0, 2], [5, 2], [1, 0], [5, 7]])
    assert bin_columns(values).tolist() == [[0, 2, 1, 2], [1, 1, 0, 2]]


def test_bin_columns__cuts_many_values_at_quantiles_and_keeps_their_order():
    column = np.random.default_rng(0).permutation(np.arange(1.0, 1001))
    (levels,) = bin_columns(sparse.csc_matrix(column[:, None]))
    assert levels.max() < MAX_BINS
    assert levels.min() > 0
    order = np.argsort(column)
    assert (np.diff(levels[order].astype(int)) >= 0).all()
    assert np.bincount(levels)[1:].max() < 2 * 1000 / (MAX_BINS - 1) + 2


def make_regulated(seed: int, n_cells: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ten regulators, and targets: of 2, of 5 and 6 together, of none, and regulator 3 itself."""
    rng = np.random.default_rng(seed)
    regulators = rng.poisson(3, (n_cells, 10)).astype(float)
    noise = rng.normal(0, 1, (3, n_cells))
    targets = np.vstack(
        [
            2 * regulators[:, 2] + noise[0],
            regulators[:, 5] + regulators[:, 6] + noise[1],
            noise[2],
            regulators[:, 3],
        ]
    )
    return regulators, targets, np.array([-1, -1, -1, 3])


def test_boost_importances__finds_what_regulates_and_little_where_nothing_does():
    regulators, targets, own = make_regulated(0)
    found = boost_importances(
        bin_columns(sparse.csc_matrix(regulators)), targets, own, settings=QUICK, seed=1
    )
    assert found.argmax(axis=1)[:2].tolist()[0] == 2
    assert set(np.argsort(found[1])[-2:]) == {5, 6}
    assert found[3, 3] == 0.0
    assert found[0].sum() > 3 * found[2].sum()
    assert found[0, 2] / found[0].sum() > 0.7


def test_boost_importances__adds_up_to_the_number_of_trees():
    regulators, targets, own = make_regulated(1)
    few = Boosting(learning_rate=0.01, max_rounds=30)
    found = boost_importances(
        bin_columns(sparse.csc_matrix(regulators)), targets[:2], own[:2], settings=few, seed=0
    )
    np.testing.assert_allclose(found.sum(axis=1), 30.0)


def test_boost_importances__depends_on_the_seed_and_each_target_only_on_its_place():
    regulators, targets, own = make_regulated(2)
    levels = bin_columns(sparse.csc_matrix(regulators))
    first = boost_importances(levels, targets, own, settings=QUICK, seed=5)
    again = boost_importances(levels, targets, own, settings=QUICK, seed=5)
    other = boost_importances(levels, targets, own, settings=QUICK, seed=6)
    alone = boost_importances(levels, targets[:1], own[:1], settings=QUICK, seed=5)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[:1], alone)
    assert np.abs(first - other).max() > 0


def test_boost_importances__of_one_regulator_that_splits_in_two_is_all_its_own():
    levels = np.array([[0, 0, 1, 1] * 10], dtype=np.uint8)
    target = np.array([[0.0, 0, 4, 4] * 10])
    one = Boosting(learning_rate=1.0, max_rounds=1, features=1.0, sample=0.99)
    found = boost_importances(levels, target, np.array([-1]), settings=one, seed=0)
    assert found.tolist() == [[pytest.approx(1.0)]]


def test_boost_importances__of_a_constant_target_are_nothing():
    levels = np.array([[0, 1, 2, 3] * 10], dtype=np.uint8)
    found = boost_importances(levels, np.ones((1, 40)), np.array([-1]), settings=QUICK, seed=0)
    assert found.tolist() == [[0.0]]


def infer(expression: pd.DataFrame, factors: list[str], seed: int) -> pd.Series:
    """Importance of every pair above 0, by (TF, target)."""
    own = pd.Index(factors).get_indexer(expression.columns)
    found = boost_importances(
        bin_columns(sparse.csc_matrix(expression[factors].to_numpy())),
        expression.to_numpy().T,
        own,
        settings=Boosting(),
        seed=seed,
    )
    table = pd.DataFrame(found, expression.columns, factors).melt(
        ignore_index=False, var_name="TF", value_name="importance"
    )
    table = table.rename_axis("target").reset_index().set_index(["TF", "target"])["importance"]
    return table[table > 0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_boost_importances__agrees_with_grnboost2_as_its_seeds_agree(oracles: Path, seed: int):
    """Spearman 0.940, Pearson 0.967 and 403 of the first 500 links between two of its seeds."""
    folder = oracles / "pyscenic"
    expression = read_tsv(folder / "input/grn_expression.tsv.gz")
    factors = (folder / "input/grn_tfs.txt").read_text(encoding="utf-8").split()
    theirs = read_tsv(folder / "output/grnboost2_seed777.tsv.gz")
    theirs = theirs.set_index(["TF", "target"])["importance"]
    spread = read_tsv(folder / "output/grnboost2_seed_spread.tsv").iloc[0]
    ours = infer(expression, factors, seed)
    assert len(ours) == pytest.approx(len(theirs), rel=0.002)
    a, b = ours.align(theirs, join="inner")
    assert stats.spearmanr(a, b).statistic > spread["spearman_two_seeds"] - 0.01
    assert np.corrcoef(a, b)[0, 1] > spread["pearson_two_seeds"] - 0.01
    same = ours.nlargest(500).index.intersection(theirs.nlargest(500).index)
    assert len(same) / 500 > spread["top500_overlap_two_seeds"] - 0.02
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.02)  # as many trees in all


@pytest.mark.slow
def test_boost_importances__ranks_links_as_another_method_does(oracles: Path):
    """GENIE3 grows random forests: another method, that GRNBoost2 itself agrees with as far."""
    folder = oracles / "pyscenic"
    expression = read_tsv(folder / "input/grn_expression.tsv.gz")
    factors = (folder / "input/grn_tfs.txt").read_text(encoding="utf-8").split()
    boosted = read_tsv(folder / "output/grnboost2_seed777.tsv.gz")
    boosted = boosted.set_index(["TF", "target"])["importance"]
    forest = read_tsv(oracles / "genie3/output/genie3_links_seed1.tsv.gz")
    forest = forest.set_index(["regulatoryGene", "targetGene"])["weight"]
    forest.index.names = ["TF", "target"]
    a, b = infer(expression, factors, 0).align(forest, join="inner")
    reference = stats.spearmanr(*boosted.align(forest, join="inner")).statistic
    assert stats.spearmanr(a, b).statistic > reference - 0.02
