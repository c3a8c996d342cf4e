"""Anchors: the rules by hand, Seurat's answer, and planted types."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_names, read_tsv
from samples import make_batch, read_pbmc
from scipy import sparse

from helpers.compute.anchors import (
    Anchors,
    count_shared,
    find_anchors,
    match_cells,
    pair_mutual,
    pick_loaded_genes,
    rescale_scores,
    weigh_anchors,
)
from helpers.compute.canonical import SharedSpace, find_canonical_components
from helpers.errors import DataError

DEGREES_A, DEGREES_B = (0, 10, 22), (1, 14, 40)


def on_circle(degrees: tuple[int, ...]) -> np.ndarray:
    radians = np.deg2rad(degrees)
    return np.column_stack([np.cos(radians), np.sin(radians)])


@pytest.fixture
def circle() -> tuple[SharedSpace, sparse.csr_matrix, sparse.csr_matrix]:
    """Three cells of each sample on a quarter of a circle; expression is where they lie."""
    a, b = on_circle(DEGREES_A), on_circle(DEGREES_B)
    return SharedSpace(a, b, np.eye(2)), sparse.csr_matrix(a), sparse.csr_matrix(b)


def test_pair_mutual__by_hand():
    a_to_b = np.array([[0, 1], [1, 0], [1, 2]])
    b_to_a = np.array([[0, 1], [1, 2], [2, 1]])
    # a0 and b0; a1 with b1 and then b0; a2 with b1 and b2. b1 is near a0, but not a0 near b1.
    rows_a, rows_b = pair_mutual(a_to_b, b_to_a)
    assert rows_a.tolist() == [0, 1, 1, 2, 2]
    assert rows_b.tolist() == [0, 1, 0, 1, 2]


def test_count_shared__by_hand():
    one = np.array([[0, 1, 2], [5, 6, 7]])
    other = np.array([[2, 9, 1], [0, 1, 2]])
    assert count_shared(one, other).tolist() == [2, 0]


def test_rescale_scores__by_hand():
    # of 0 to 100 the 1 % quantile is 1 and the 90 % quantile 90
    scores = rescale_scores(np.arange(101.0))
    assert scores[[0, 1, 90, 100]].tolist() == [0, 0, 1, 1]
    assert scores[[2, 46]].tolist() == [1 / 89, 45 / 89]


def test_rescale_scores__are_1_where_all_anchors_are_alike():
    assert rescale_scores(np.full(5, 7.0)).tolist() == [1] * 5


def test_pick_loaded_genes__takes_both_ends_of_every_axis():
    first = np.array([9.0, 8, 7, 1, 0, -1, -7, -8, -9, 0])
    second = np.array([0.0, 0, 0, 9, 8, 7, -1, -2, -3, -4])
    loadings = np.column_stack([first, second])
    # one from each end: 0, 8 and 3, 9; two: also 1, 7 and 4 (8 is there already): 7 < 8 in all
    assert pick_loaded_genes(loadings, max_genes=8).tolist() == [0, 1, 3, 4, 7, 8, 9]
    assert pick_loaded_genes(loadings, max_genes=7).tolist() == [0, 3, 8, 9]


def test_pick_loaded_genes__takes_at_most_50_from_each_end():
    assert len(pick_loaded_genes(np.arange(1000.0)[:, None])) == 100


def test_pick_loaded_genes__allows_two_genes_an_axis():
    # three axes allow fewer than 6 genes, and these three name the same ones: 4
    loadings = np.tile(np.arange(9.0)[:, None], 3)
    assert pick_loaded_genes(loadings, max_genes=1).tolist() == [0, 1, 7, 8]


def test_pick_loaded_genes__takes_fewer_than_200_together():
    loadings = np.zeros((900, 3))
    for axis in range(3):  # every axis has its own genes: 33 from each of 6 ends are 198
        loadings[300 * axis : 300 * (axis + 1), axis] = np.arange(-150, 150)
    assert len(pick_loaded_genes(loadings)) == 198


def test_match_cells__by_hand(circle):
    anchors = match_cells(*circle, k_anchor=2, k_filter=None, k_score=2)
    assert anchors.a.tolist() == [0, 1, 1, 2, 2]
    assert anchors.b.tolist() == [0, 1, 0, 1, 2]
    # Neighbours in a and in b of both cells of the five pairs, each cell its own neighbour:
    # a0 {0,1} {0,1}, a1 {1,0} {1,0}, a2 {2,1} {1,2}; b0 {0,1} {0,1}, b1 {1,2} {1,0},
    # b2 {2,1} {2,1}. Shared: 4, 3, 4, 3, 4; their 1 % quantile is 3 and the 90 % quantile 4.
    np.testing.assert_allclose(anchors.score, [1, 0, 1, 0, 1], atol=0.05)


def test_match_cells__keeps_anchors_that_are_near_in_expression(circle):
    space, a, b = circle
    # nearest in expression: b0 of a0, b1 of a1 and of a2
    anchors = match_cells(space, a, b, k_anchor=2, k_filter=1, k_score=2)
    assert anchors.a.tolist() == [0, 1, 2]
    assert anchors.b.tolist() == [0, 1, 1]


def test_match_cells__compares_directions_not_lengths(circle):
    space, a, b = circle
    longer = sparse.diags_array([1.0, 5.0, 0.1]).tocsr()
    scaled = SharedSpace(longer @ space.a, space.b, space.loadings)
    plain = match_cells(space, a, b, k_anchor=2, k_filter=1, k_score=2)
    other = match_cells(scaled, sparse.csr_matrix(longer @ a), b, k_anchor=2, k_filter=1, k_score=2)
    assert other.a.tolist() == plain.a.tolist()
    assert other.b.tolist() == plain.b.tolist()


def test_match_cells__does_not_filter_a_sample_smaller_than_the_filter(circle):
    assert len(match_cells(*circle, k_anchor=2, k_filter=4, k_score=2).a) == 5


def test_match_cells__filters_a_sample_as_large_as_the_filter(circle):
    space, a, _ = circle
    more = SharedSpace(space.a, np.vstack([space.b, -space.b[:1]]), space.loadings)
    # In expression b lies at 40, 14, 1 and 2 degrees; the three nearest are 2, 3, 1 of a0, 1, 3,
    # 2 of a1 and 1, 0, 3 of a2: only the anchors with b1 hold.
    wider = sparse.csr_matrix(on_circle((40, 14, 1, 2)))
    assert len(match_cells(more, a, wider, k_anchor=2, k_filter=None, k_score=2).a) == 5
    assert match_cells(more, a, wider, k_anchor=2, k_filter=3, k_score=2).a.tolist() == [1, 2]


def test_match_cells__may_find_none():
    # in expression every cell of a is nearest to b0, which is not its neighbour in the space
    space = SharedSpace(on_circle((50, 60, 70)), on_circle((0, 51, 61)), np.eye(2))
    a, b = on_circle((0, 0, 0)), on_circle((0, 80, 90))
    anchors = match_cells(
        space, sparse.csr_matrix(a), sparse.csr_matrix(b), k_anchor=1, k_filter=1, k_score=1
    )
    assert len(anchors.a) == len(anchors.b) == len(anchors.score) == 0


@given(st.integers(0, 2**31))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_match_cells__finds_the_same_from_either_side(seed):
    rng = np.random.default_rng(seed)
    space = SharedSpace(rng.normal(size=(20, 3)), rng.normal(size=(25, 3)), np.eye(3))
    turned = SharedSpace(space.b, space.a, space.loadings)
    chosen = {"k_anchor": 3, "k_filter": None, "k_score": 6}
    found = match_cells(space, *(sparse.csr_matrix(x) for x in (space.a, space.b)), **chosen)
    back = match_cells(turned, *(sparse.csr_matrix(x) for x in (space.b, space.a)), **chosen)
    assert sorted(zip(found.a, found.b, found.score, strict=True)) == sorted(
        zip(back.b, back.a, back.score, strict=True)
    )


def test_match_cells__needs_more_cells_than_neighbours(circle):
    with pytest.raises(DataError, match=r"30 neighbours .* the 3 of the smaller sample"):
        match_cells(*circle)
    with pytest.raises(DataError, match=r"3 neighbours .* the 3 of the smaller sample"):
        match_cells(*circle, k_anchor=1, k_score=3)


def test_match_cells__gives_seurats_anchors_on_seurats_components(oracles: Path):
    folder = oracles / "seurat_cca/output"
    a, b, cells_a, cells_b = read_pair(oracles)
    space = find_canonical_components(a, b, n_components=20)
    theirs = read_tsv(folder / "cca_embeddings.tsv.gz", index_col=0).to_numpy()
    space = replace(space, a=theirs[: len(cells_a)], b=theirs[len(cells_a) :])
    both = join_seurats(match_cells(space, a, b), cells_a, cells_b, folder)
    assert len(both) == 2435
    np.testing.assert_allclose(both["score"], both["theirs"], atol=1e-9)


def test_find_anchors__agree_with_seurat(oracles: Path):
    a, b, cells_a, cells_b = read_pair(oracles)
    anchors = find_anchors(a, b, n_components=20)
    both = join_seurats(anchors, cells_a, cells_b, oracles / "seurat_cca/output")
    shared = both.dropna()
    assert len(shared) / len(both) > 0.99  # the rest hangs on the tolerance of irlba
    assert np.corrcoef(shared["score"], shared["theirs"])[0, 1] > 0.999


def read_pair(
    oracles: Path,
) -> tuple[sparse.csr_matrix, sparse.csr_matrix, pd.Index, pd.Index]:
    features = read_names(oracles / "seurat_cca/output/integration_features.txt.gz")
    (a, cells_a, genes), (b, cells_b, _) = (read_pbmc(oracles, name) for name in ("ctrl", "stim"))
    columns = genes.get_indexer(features)
    return a[:, columns], b[:, columns], cells_a, cells_b


def join_seurats(
    anchors: Anchors, cells_a: pd.Index, cells_b: pd.Index, folder: Path
) -> pd.DataFrame:
    """Ours and theirs side by side; Seurat lists every anchor in both directions."""
    theirs = read_tsv(folder / "anchors.tsv.gz").query("dataset1 == 1")
    ours = pd.DataFrame(
        {"cell1": cells_a[anchors.a], "cell2": cells_b[anchors.b], "score": anchors.score}
    )
    theirs = theirs[["cell1", "cell2", "score"]].rename(columns={"score": "theirs"})
    return ours.merge(theirs, on=["cell1", "cell2"], how="outer")


def test_find_anchors__join_cells_of_one_type_across_batches():
    a, types_a = make_batch(list("ABC"), n_per_type=100, shift=0.6, seed=1)
    b, types_b = make_batch(list("ABC"), n_per_type=100, shift=0.6, seed=2)
    anchors = find_anchors(a, b, n_components=10, k_filter=50)
    same = types_a[anchors.a] == types_b[anchors.b]
    assert same.mean() > 0.99
    assert len(np.unique(anchors.b)) > 200  # of 300 cells


def test_find_anchors__leave_a_type_alone_that_only_one_sample_has():
    a, _ = make_batch(list("ABC"), n_per_type=100, shift=0.6, seed=1)
    b, types_b = make_batch(list("ABCD"), n_per_type=100, shift=0.6, seed=2)
    anchors = find_anchors(a, b, n_components=10, k_filter=50)
    n_anchors = pd.Series(types_b[anchors.b]).value_counts()
    assert n_anchors.get("D", 0) == 0
    assert n_anchors.loc[list("ABC")].min() > 100


def test_find_anchors__are_fewer_where_no_type_is_shared():
    a, _ = make_batch(list("ABC"), n_per_type=100, shift=0.6, seed=1)
    alike, _ = make_batch(list("ABC"), n_per_type=100, shift=0.6, seed=2)
    foreign, _ = make_batch(list("DEF"), n_per_type=100, shift=0.6, seed=2)
    found, without_reason = (
        find_anchors(a, b, n_components=10, k_filter=50) for b in (alike, foreign)
    )
    assert len(without_reason.a) < 0.7 * len(found.a)


@pytest.fixture
def line() -> Anchors:
    """Anchors of three cells of the query; cell 1 has two of them."""
    return Anchors(
        a=np.array([0, 1, 2, 3]), b=np.array([1, 1, 2, 3]), score=np.array([0.4, 0.8, 1.0, 0.5])
    )


def test_weigh_anchors__by_hand(line):
    embedding = np.array([[0.0], [1.0], [3.0], [4.0]])
    weights = weigh_anchors(line, embedding, k_weight=3).toarray()
    # Cell 0 is 1, 3 and 4 from cells 1, 2, 3: nearness 3/4, 1/4, 0. The two anchors of cell 1
    # and the one of cell 2 fill the three places: 1 - exp(-nearness * score / 4).
    expected = 1 - np.exp([-0.75 * 0.4 / 4, -0.75 * 0.8 / 4, -0.25 * 1.0 / 4, 0])
    np.testing.assert_allclose(weights[0], expected / expected.sum())
    # Cell 3 is 0, 1 and 3 from cells 3, 2, 1: nearness 1, 2/3, 0; one anchor of cell 1 has a
    # place, but at nearness 0.
    expected = 1 - np.exp([0, 0, -2 / 3 * 1.0 / 4, -0.5 / 4])
    np.testing.assert_allclose(weights[3], expected / expected.sum())


def test_weigh_anchors__fills_places_before_the_farthest_cell_counts(line):
    weights = weigh_anchors(line, np.array([[0.0], [1.0], [3.0], [4.0]]), k_weight=2).toarray()
    # both places of cell 0 go to cell 1, nearness 2/3, although the distance is cell 2's
    expected = 1 - np.exp([-2 / 3 * 0.4 / 4, -2 / 3 * 0.8 / 4, 0, 0])
    np.testing.assert_allclose(weights[0], expected / expected.sum())


def test_weigh_anchors__a_wider_kernel_evens_out(line):
    embedding = np.array([[0.0], [1.0], [3.0], [4.0]])
    weights = weigh_anchors(line, embedding, k_weight=2, sd_weight=4.0).toarray()
    expected = 1 - np.exp([-2 / 3 * 0.4 * 4, -2 / 3 * 0.8 * 4])  # (4 / 2) squared
    np.testing.assert_allclose(weights[0, :2], expected / expected.sum())


@given(st.integers(0, 2**31))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_weigh_anchors__sum_to_1_over_k_anchors(seed):
    rng = np.random.default_rng(seed)
    anchors = Anchors(rng.integers(0, 50, 80), rng.integers(0, 40, 80), rng.uniform(0.1, 1, 80))
    weights = weigh_anchors(anchors, rng.normal(size=(40, 3)), k_weight=10)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert np.diff(weights.indptr).max() == 10


def test_weigh_anchors__are_0_where_no_anchor_has_a_score(line):
    weights = weigh_anchors(replace(line, score=np.zeros(4)), np.eye(4), k_weight=2)
    assert weights.sum() == 0


def test_weigh_anchors__count_alike_where_all_lie_on_one_point(line):
    weights = weigh_anchors(replace(line, score=np.ones(4)), np.zeros((4, 2)), k_weight=3)
    assert sorted(weights.toarray()[0]) == [0, 1 / 3, 1 / 3, 1 / 3]


def test_weigh_anchors__need_k_weight_cells(line):
    with pytest.raises(DataError, match=r"only 3 cells .* Lower k_weight to at most 3"):
        weigh_anchors(line, np.eye(4), k_weight=4)
