"""Anchors: pairs of cells of two samples that are each other's nearest, found as Seurat does."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from helpers.compute.canonical import SharedSpace, find_canonical_components
from helpers.errors import DataError

MAX_GENES = 200  # genes in which an anchor must hold, as in Seurat (max.features)
MAX_PER_SIDE = 50  # of those, at most as many with the highest and the lowest loading of each axis
SCORE_RANGE = (0.01, 0.90)  # quantiles of shared neighbours that become scores 0 and 1


@dataclass(frozen=True)
class Anchors:
    """Pairs of cells, one entry a pair, in the order of ``a`` and then of nearness."""

    a: np.ndarray
    """Row of the cell in the first sample."""
    b: np.ndarray
    """Row of the cell in the second sample."""
    score: np.ndarray
    """How far the two cells share their neighbours, in [0, 1]."""


def find_anchors(
    a: sparse.csr_matrix,
    b: sparse.csr_matrix,
    *,
    n_components: int = 30,
    k_anchor: int = 5,
    k_filter: int | None = 200,
    k_score: int = 30,
    scale: bool = True,
) -> Anchors:
    """Anchors between two samples, found among their canonical components.

    Seurat's FindIntegrationAnchors, and FindTransferAnchors with ``reduction = "cca"``, where
    ``a`` is the reference and ``b`` the query. A type that only one sample has is left without
    anchors by the filter, as long as ``k_filter`` is not more than the cells of a type. But two
    samples without any type in common have anchors all the same, somewhat fewer: scores, being
    relative, do not show it.

    Parameters
    ----------
    a, b
        Log-normalised expression of the same genes, shapes (n_cells_a, n_genes) and
        (n_cells_b, n_genes). For a query of accessible chromatin, log-normalised gene activity.
    n_components, scale
        See :func:`find_canonical_components`.
    k_anchor, k_filter, k_score
        See :func:`match_cells`.

    Raises
    ------
    DataError
        If the samples are not of the same genes, or too small for what is asked.

    References
    ----------
    Stuart et al. (2019) Cell 177:1888. doi:10.1016/j.cell.2019.05.031
    """
    space = find_canonical_components(a, b, n_components=n_components, scale=scale)
    return match_cells(space, a, b, k_anchor=k_anchor, k_filter=k_filter, k_score=k_score)


def match_cells(
    space: SharedSpace,
    a: sparse.csr_matrix,
    b: sparse.csr_matrix,
    *,
    k_anchor: int = 5,
    k_filter: int | None = 200,
    k_score: int = 30,
) -> Anchors:
    """Anchors among cells that already lie on the same axes.

    Cells are normalised to length 1. Two that are in each other's ``k_anchor`` nearest
    neighbours in the other sample are an anchor, if ``b`` is also among the ``k_filter``
    nearest of ``a`` by the (cosine) expression of the up to 200 genes with the largest
    loadings. Its score is the number of cells, of both samples, in the ``k_score``
    neighbourhoods of both its cells, from the 1 % quantile over anchors (0) to the 90 % (1). A
    cell belongs to its own neighbourhood. Neighbours are exact.

    Parameters
    ----------
    space
        The cells of ``a`` and ``b``, in the same order.
    a, b
        Log-normalised expression, in which anchors are filtered.
    k_anchor, k_score
        Neighbours within which cells are paired, and anchors scored.
    k_filter
        None keeps all anchors, and so does a sample with fewer cells.

    Returns
    -------
    The anchors; there may be none.

    Raises
    ------
    DataError
        If a sample has no more cells than ``k_score`` or ``k_anchor``.

    References
    ----------
    Stuart et al. (2019) Cell 177:1888. doi:10.1016/j.cell.2019.05.031
    """
    k_near, smallest = max(k_anchor, k_score), min(len(space.a), len(space.b))
    if smallest <= k_near:
        msg = (
            f"{k_near} neighbours (k_anchor = {k_anchor}, k_score = {k_score}) need more cells "
            f"than the {smallest} of the smaller sample. Leave it out, or lower k_score."
        )
        raise DataError(msg)
    unit_a, unit_b = _normalise_rows(space.a), _normalise_rows(space.b)
    a_to_b, b_to_a = _nearest(unit_b, unit_a, k_near), _nearest(unit_a, unit_b, k_near)
    cells_a, cells_b = pair_mutual(a_to_b[:, :k_anchor], b_to_a[:, :k_anchor])
    if k_filter is not None and smallest >= k_filter:
        genes = pick_loaded_genes(space.loadings)
        kept = _agree(a[:, genes], b[:, genes], cells_a, cells_b, k_filter)
        cells_a, cells_b = cells_a[kept], cells_b[kept]
    around_a = [_nearest(unit_a, unit_a, k_score), a_to_b[:, :k_score]]
    around_b = [b_to_a[:, :k_score], _nearest(unit_b, unit_b, k_score)]
    shared = sum(
        count_shared(near_a[cells_a], near_b[cells_b])
        for near_a, near_b in zip(around_a, around_b, strict=True)
    )
    return Anchors(cells_a, cells_b, rescale_scores(np.asarray(shared, dtype=float)))


def _normalise_rows(values: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(np.divide(values, length, out=np.zeros_like(values), where=length > 0))


def _nearest(points: np.ndarray, asked: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` nearest ``points`` of each one asked, nearest first, exact and in chunks."""
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    return np.asarray(search.kneighbors(asked, return_distance=False))


def pair_mutual(a_to_b: np.ndarray, b_to_a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of cells that name each other as neighbours.

    Parameters
    ----------
    a_to_b, b_to_a
        Nearest cells in the other sample, nearest first, shapes (n_cells_a, k), (n_cells_b, k).

    Returns
    -------
    Rows in a and rows in b, ordered by the row in a and then by nearness.
    """
    n_b, k = b_to_a.shape
    there = np.repeat(np.arange(len(a_to_b)), a_to_b.shape[1]) * n_b + a_to_b.ravel()
    back = b_to_a.ravel() * n_b + np.repeat(np.arange(n_b), k)
    mutual = there[np.isin(there, back)]
    return mutual // n_b, mutual % n_b


def pick_loaded_genes(loadings: np.ndarray, *, max_genes: int = MAX_GENES) -> np.ndarray:
    """Genes with the largest loadings, as many of every axis and of either sign.

    The number taken from each end of each axis is the largest, up to 50, for which fewer than
    ``max_genes`` different genes come together (twice the number of axes, if that is more).

    Returns
    -------
    Sorted positions of the genes.
    """
    n_genes, n_axes = loadings.shape
    order = np.argsort(-loadings, axis=0, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(n_genes)[:, None], axis=0)
    best = np.minimum(rank, n_genes - 1 - rank).min(axis=1)
    n_taken = np.array([(best < depth).sum() for depth in range(1, MAX_PER_SIDE + 1)])
    depth = max(1, int((n_taken < max(max_genes, 2 * n_axes)).sum()))
    return np.flatnonzero(best < depth)


def _agree(
    a: sparse.csr_matrix,
    b: sparse.csr_matrix,
    cells_a: np.ndarray,
    cells_b: np.ndarray,
    k_filter: int,
) -> np.ndarray:
    """Whether each pair's cell in ``b`` is among the ``k_filter`` nearest of that in ``a``."""
    asked, position = np.unique(cells_a, return_inverse=True)
    if len(asked) == 0:
        return np.zeros(0, dtype=bool)
    dense_a, dense_b = (_normalise_rows(x.toarray()) for x in (a[asked], b))
    near = _nearest(dense_b, dense_a, k_filter)
    return np.asarray((near[position] == cells_b[:, None]).any(axis=1))


def count_shared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Number of cells that stand in the same row of both lists, none twice in a list."""
    n_rows = len(one)
    width = int(max(one.max(initial=0), other.max(initial=0))) + 1
    sets = []
    for near in (one, other):
        rows = np.repeat(np.arange(n_rows), near.shape[1])
        sets.append(
            sparse.csr_matrix((np.ones(near.size), (rows, near.ravel())), shape=(n_rows, width))
        )
    return np.asarray(sets[0].multiply(sets[1]).sum(axis=1)).ravel()


def rescale_scores(shared: np.ndarray) -> np.ndarray:
    """Shared neighbours between their 1 % and 90 % quantile, as scores in [0, 1].

    Where the quantiles coincide all anchors are alike and score 1 (Seurat: not a number).
    """
    if len(shared) == 0:
        return shared
    low, high = np.quantile(shared, SCORE_RANGE)
    if high == low:
        return np.ones_like(shared)
    return np.asarray(np.clip((shared - low) / (high - low), 0, 1))


def weigh_anchors(
    anchors: Anchors, embedding: np.ndarray, *, k_weight: int, sd_weight: float = 1.0
) -> sparse.csr_matrix:
    """How much each anchor tells about each cell of the second sample (Seurat's FindWeights).

    The ``k_weight`` anchor cells nearest to a cell are ranked by distance; the first
    ``k_weight`` anchors they belong to count, each by 1 - exp(-s d (sd_weight / 2)^2), where s
    is the anchor's score and d is 1 minus its distance over that of the last of the ranked
    cells. As in Seurat 4.3, a cell with several anchors fills several of the ``k_weight``
    places, while the distances are still measured by the last cell ranked.

    Seurat looks the neighbours up with an approximate search (annoy), which misses one in some
    cells; they are exact here. Of the 600 nuclei the tests use, the labels of 548 score the
    same to 1e-6, and those of the other 52 do so once a neighbour or two are taken away.

    Parameters
    ----------
    anchors
        Between a reference and the sample of ``embedding``.
    embedding
        Where distances are measured, for every cell of the second sample, shape
        (n_cells, n_dims).
    k_weight
        Nearest anchor cells to rank, and anchors to use.
    sd_weight
        The larger, the less an anchor's distance and score matter.

    Returns
    -------
    Shape (n_cells, n_anchors); a row sums to 1, or to 0 if all its anchors have score 0.

    Raises
    ------
    DataError
        If fewer than ``k_weight`` cells have an anchor.
    """
    cells, inverse, n_anchors = np.unique(anchors.b, return_inverse=True, return_counts=True)
    if len(cells) < k_weight:
        msg = (
            f"k_weight = {k_weight}, but only {len(cells)} cells of the sample have an anchor. "
            f"Lower k_weight to at most {len(cells)}, raise k_anchor, or leave the sample out."
        )
        raise DataError(msg)
    search = NearestNeighbors(n_neighbors=k_weight, algorithm="brute").fit(embedding[cells])
    distance, near = search.kneighbors(embedding)
    last = distance[:, -1:]
    nearness = 1 - np.divide(distance, last, out=np.zeros_like(distance), where=last > 0)
    rank, among = _fill_places(near, n_anchors, k_weight)
    place = np.argsort(inverse, kind="stable")[among]
    exponent = np.take_along_axis(nearness, rank, axis=1) * anchors.score[place]
    weight = 1 - np.exp(-exponent * (sd_weight / 2) ** 2)
    total = weight.sum(axis=1, keepdims=True)
    weight = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    ends = np.arange(0, weight.size + 1, k_weight)
    return sparse.csr_matrix(
        (weight.ravel(), place.ravel(), ends), shape=(len(embedding), len(anchors.score))
    )


def _fill_places(
    near: np.ndarray, n_anchors: np.ndarray, n_places: int
) -> tuple[np.ndarray, np.ndarray]:
    """Anchors of the nearest cells, cell by cell, until ``n_places`` of each row are filled.

    Parameters
    ----------
    near
        Nearest anchor cells of every cell, nearest first, shape (n_cells, n_places).
    n_anchors
        Anchors of each anchor cell, at least 1.
    n_places
        Anchors to use for each cell.

    Returns
    -------
    For every place the rank of the anchor cell, and the anchor's position where anchors are
    sorted by their cell; both of shape (n_cells, n_places).
    """
    n_brought = n_anchors[near]
    n_before = np.cumsum(n_brought, axis=1) - n_brought
    n_taken = np.clip(n_places - n_before, 0, n_brought).ravel()
    first = (np.cumsum(n_anchors) - n_anchors)[near].ravel()
    within = np.arange(n_taken.sum()) - np.repeat(np.cumsum(n_taken) - n_taken, n_taken)
    rank = np.repeat(np.tile(np.arange(near.shape[1]), len(near)), n_taken)
    among = np.repeat(first, n_taken) + within
    return rank.reshape(-1, n_places), among.reshape(-1, n_places)
