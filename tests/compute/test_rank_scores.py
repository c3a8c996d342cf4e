"""AUCell and UCell: by hand, laws, and the original tools."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse

from helpers.compute.rank_scores import (
    list_members,
    score_aucell,
    score_aucell_ranked,
    score_ucell,
)
from helpers.errors import DataError

GENES = pd.Index([f"g{i}" for i in range(10)])
# ranks by hand: g0 is 1st, g1 2nd, g2 3rd, g3 4th; the others are tied at the bottom
ONE = sparse.csr_matrix([[9.0, 7, 5, 3, 0, 0, 0, 0, 0, 0]])


def test_list_members__counts_genes_once_and_names_those_missing():
    members = list_members(GENES, {"a": ["g1", "g1", "X"], "b": ["g9"]})
    assert members.names == ["a", "b"]
    assert members.sizes.tolist() == [1, 1]
    assert members.missing == [["X"], []]


def test_list_members__refuses_repeated_genes_and_nothing_to_score():
    with pytest.raises(DataError, match="gene 'g1' stands twice"):
        list_members(pd.Index(["g1", "g1"]), {"a": ["g1"]})
    with pytest.raises(DataError, match="no signature"):
        list_members(GENES, {})


def test_score_aucell__by_hand():
    # Half of ten genes: places 1 to 4 lie before the fifth. g1 and g3 give (5-2) + (5-4) = 4;
    # the best two genes could have is (5-1) + (5-2) = 7.
    scores = score_aucell(
        ONE, GENES, {"pair": ["g1", "g3"], "first": ["g0"], "none": ["X"]}, top=0.5
    )
    assert scores["pair"].tolist() == [4 / 7]
    assert scores["first"].tolist() == [1.0]
    assert scores["none"].isna().all()


def test_score_aucell__gives_tied_genes_the_mean_over_all_orders():
    # g4 and g5 are the 5th to 10th of ten with four others: with 60 % the sixth place ends it, so
    # only the 5th place gives anything, 1, and each of the six tied genes has it in 1 of 6 orders.
    tied = score_aucell(ONE, GENES, {"a": ["g4"], "b": ["g4", "g5"]}, top=0.6)
    assert tied["a"].tolist() == pytest.approx([1 / 6 / 5])
    assert tied["b"].tolist() == pytest.approx([2 / 6 / (5 + 4)])
    # two genes at the top: places 1 and 2, mean of (5-1) and (5-2)
    top = sparse.csr_matrix([[4.0, 4, 1, 0, 0, 0, 0, 0, 0, 0]])
    assert score_aucell(top, GENES, {"a": ["g0"]}, top=0.5)["a"].tolist() == [3.5 / 4]


def test_score_aucell__is_the_mean_over_random_orders():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.7, (3, 40))
    genes = pd.Index([f"g{i}" for i in range(40)])
    sets = {"a": ["g1", "g7", "g20", "g33"]}
    mean = score_aucell(sparse.csr_matrix(counts), genes, sets, top=0.3)["a"].to_numpy()
    drawn = []
    for _ in range(600):
        noise = counts + rng.random(counts.shape) * 0.5
        ranks = pd.DataFrame((-noise).argsort(axis=1).argsort(axis=1) + 1, columns=genes)
        drawn.append(score_aucell_ranked(ranks, sets, top=0.3)["a"].to_numpy())
    error = np.std(drawn, axis=0) / np.sqrt(600)
    assert (np.abs(np.mean(drawn, axis=0) - mean) < 5 * error + 1e-12).all()


def test_score_ucell__by_hand():
    # Ranks 2 and 4: their sum less 1 + 2 is 3, over 2 genes times 5 ranks.
    scores = score_ucell(ONE, GENES, {"pair": ["g1", "g3"], "none": ["X"]}, max_rank=5)
    assert scores["pair"].tolist() == [1 - 3 / 10]
    assert scores["none"].isna().all()


def test_score_ucell__ranks_beyond_the_last_are_as_good_as_absent():
    # g4 is tied on places 5 to 10: rank 7.5 lies beyond 5 and counts as 6.
    scores = score_ucell(ONE, GENES, {"far": ["g4"], "mixed": ["g0", "g4"]}, max_rank=5)
    assert scores["far"].tolist() == [0.0]
    assert scores["mixed"].tolist() == [1 - (1 + 6 - 3) / 10]


def test_score_ucell__subtracts_genes_against_and_stops_at_nothing():
    sets = {"up": ["g1"], "down": ["g1", "g3-"], "worse": ["g3", "g0-"], "plus": ["g1+"]}
    scores = score_ucell(ONE, GENES, sets, max_rank=5)
    # alone, rank r gives 1 - (r - 1) / 5
    assert scores.loc[0].tolist() == pytest.approx([0.8, 0.8 - 0.4, 0.0, 0.8])
    half = score_ucell(ONE, GENES, {"down": ["g1", "g3-"]}, max_rank=5, weight_against=0.5)
    assert half["down"].tolist() == pytest.approx([0.8 - 0.2])


COUNTS = st.lists(st.lists(st.integers(0, 6), min_size=10, max_size=10), min_size=1, max_size=4)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(COUNTS)
def test_scores__depend_on_the_order_alone_and_lie_between_nothing_and_one(rows):
    counts = np.array(rows, dtype=float)
    sets = {"a": ["g1", "g5", "g8"], "b": ["g0"]}
    for score in (score_aucell, score_ucell):
        option = {"top": 0.5} if score is score_aucell else {"max_rank": 6}
        plain = score(sparse.csr_matrix(counts), GENES, sets, **option)
        bent = score(sparse.csr_matrix(np.expm1(counts) * 3), GENES, sets, **option)
        pd.testing.assert_frame_equal(plain, bent)
        assert ((plain >= 0) & (plain <= 1)).all(axis=None)
        order = np.arange(10)[::-1]
        turned = score(sparse.csr_matrix(counts[:, order]), GENES[order], sets, **option)
        pd.testing.assert_frame_equal(plain, turned)


def test_scores__refuse_values_below_zero():
    with pytest.raises(DataError, match="smallest value is -1"):
        score_ucell(sparse.csr_matrix([[-1.0, 2.0]]), pd.Index(["a", "b"]), {"s": ["a"]})


def test_score_ucell__is_ucell(oracles: Path):
    counts, cells, genes = read_labelled_matrix(oracles / "inputs/ucell_melanoma/logcounts")
    folder = oracles / "ucell_aucell"
    sets = json.loads((folder / "input/signatures.json").read_text(encoding="utf-8"))
    theirs = read_tsv(folder / "output/ucell_scores.tsv.gz", index_col=0)
    theirs.columns = theirs.columns.str.removesuffix("_UCell")
    ours = score_ucell(counts, genes, sets).set_axis(cells)
    assert len(theirs.columns) == len(sets)
    np.testing.assert_allclose(ours.loc[theirs.index, theirs.columns], theirs, atol=1e-6)


def test_score_aucell__is_aucell_on_its_own_rankings(oracles: Path):
    folder = oracles / "ucell_aucell"
    sets = json.loads((folder / "input/signatures.json").read_text(encoding="utf-8"))
    ranks = read_tsv(folder / "output/aucell_rankings_first50cells.tsv.gz", index_col=0)
    theirs = read_tsv(folder / "output/aucell_scores_top5pct.tsv.gz", index_col=0).loc[ranks.index]
    ours = score_aucell_ranked(ranks, sets)
    np.testing.assert_allclose(ours[theirs.columns], theirs, atol=1e-10)


def test_score_aucell__lies_within_the_spread_of_aucells_seeds(oracles: Path):
    """Ties broken at random move AUCell's own scores by up to 0.146 between two seeds."""
    counts, cells, genes = read_labelled_matrix(oracles / "inputs/ucell_melanoma/logcounts")
    folder = oracles / "ucell_aucell"
    sets = json.loads((folder / "input/signatures.json").read_text(encoding="utf-8"))
    theirs = read_tsv(folder / "output/aucell_scores_top5pct.tsv.gz", index_col=0)
    spread = read_tsv(folder / "output/aucell_seed_spread.tsv")["max_abs_difference_two_seeds"][0]
    ours = score_aucell(counts, genes, sets).set_axis(cells)
    assert (ours.loc[theirs.index, theirs.columns] - theirs).abs().max(axis=None) < spread
