"""Correction: the expression of several samples brought together along their anchors."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

import numpy as np
from scipy import linalg, sparse
from scipy.cluster.hierarchy import linkage

from helpers.compute.anchors import Anchors, weigh_anchors
from helpers.compute.canonical import NO_VARIANCE
from helpers.compute.normalise import SCALE_MAX, Components
from helpers.errors import DataError

CHUNK = 4096  # cells whose dense standardised values are held at a time

Merge = tuple[tuple[int, ...], tuple[int, ...]]
"""Samples that stay where they are, and samples that are moved to them."""


def integrate(
    samples: Sequence[sparse.csr_matrix],
    anchors: Mapping[tuple[int, int], Anchors],
    *,
    n_components: int = 30,
    k_weight: int = 100,
    sd_weight: float = 1.0,
) -> np.ndarray:
    """Expression of all samples, corrected for what sets them apart (Seurat's IntegrateData).

    Samples are joined two by two, those with the most anchors first (:func:`order_merges`). Of
    each two the smaller is moved: every cell by the mean difference along the anchors around it,
    weighed by :func:`~helpers.compute.anchors.weigh_anchors` by its distance to them among the
    principal components of both. A cell whose anchors all have score 0 stays where it is.

    Parameters
    ----------
    samples
        Log-normalised expression of the same genes, each of shape (n_cells, n_genes).
    anchors
        Of every pair (i, j) of positions in ``samples``, i < j.
    n_components
        Of the genes standardised over both, in which the nearest anchors are looked up.
    k_weight, sd_weight
        See :func:`~helpers.compute.anchors.weigh_anchors`.

    Returns
    -------
    Corrected log-expression, the cells in the order of ``samples``, shape (n_cells, n_genes),
    float32; it may be negative. The sample that is never moved keeps its values.

    Raises
    ------
    DataError
        If there are fewer than two samples, they are not of the same genes, a pair has no entry
        in ``anchors``, or fewer than ``k_weight`` cells to be moved have an anchor (Seurat lowers
        k.weight to the number of anchors and warns).

    References
    ----------
    Stuart et al. (2019) Cell 177:1888. doi:10.1016/j.cell.2019.05.031
    """
    _check(samples, anchors)
    sizes = [sample.shape[0] for sample in samples]
    cells = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    corrected = sparse.vstack(samples, format="csr", dtype=np.float32).toarray()
    for kept, moved in order_merges(anchors, sizes):
        pairs = _collect(anchors, kept, moved, cells)
        rows = np.concatenate([cells[sample] for sample in (*kept, *moved)])
        n_moved = sum(sizes[sample] for sample in moved)
        scores = _find_components(corrected[rows], n_components, centred=False).scores[-n_moved:]
        weights = weigh_anchors(pairs, scores, k_weight=k_weight, sd_weight=sd_weight)
        moves = weights @ _differences(pairs.a, rows[-n_moved:][pairs.b], len(corrected))
        corrected[rows[-n_moved:]] += moves.astype(np.float32) @ corrected
    return corrected


def _check(
    samples: Sequence[sparse.csr_matrix], anchors: Mapping[tuple[int, int], Anchors]
) -> None:
    if len(samples) < 2:
        msg = f"{len(samples)} sample(s) to integrate; at least two are needed"
        raise DataError(msg)
    n_genes = sorted({sample.shape[1] for sample in samples})
    if len(n_genes) > 1:
        msg = f"samples have {n_genes} genes; pass the same genes of all, in the same order"
        raise DataError(msg)
    missing = [pair for pair in combinations(range(len(samples)), 2) if pair not in anchors]
    if missing:
        msg = f"samples {missing[0]} have no entry in anchors; call find_anchors on every pair"
        raise DataError(msg)


def order_merges(anchors: Mapping[tuple[int, int], Anchors], sizes: Sequence[int]) -> list[Merge]:
    """In which order samples are joined, and which of two is moved.

    The distance of two samples is the number of cells of the smaller over the number of their
    anchors; complete linkage joins the nearest first. Of two the one with fewer cells is moved,
    the second if they are equal. Samples without anchors are ten times as far apart as the
    farthest with anchors (Seurat stops there), so that others may join them.

    Parameters
    ----------
    anchors
        Of every pair (i, j) of samples, i < j.
    sizes
        Cells of every sample.

    Returns
    -------
    One entry a merge: the samples that stay, and those moved to them.
    """
    pairs = list(combinations(range(len(sizes)), 2))
    n_anchors = np.array([len(anchors[pair].score) for pair in pairs], dtype=float)
    smaller = np.array([min(sizes[i], sizes[j]) for i, j in pairs], dtype=float)
    distance = np.divide(smaller, n_anchors, out=np.zeros_like(smaller), where=n_anchors > 0)
    distance[n_anchors == 0] = 10 * max(distance.max(), 1.0)
    groups: list[tuple[int, ...]] = [(sample,) for sample in range(len(sizes))]
    merges = []
    for first, second in linkage(distance, method="complete")[:, :2].astype(int):
        kept, moved = groups[first], groups[second]
        if sum(sizes[i] for i in moved) > sum(sizes[i] for i in kept):
            kept, moved = moved, kept
        merges.append((kept, moved))
        groups.append(kept + moved)
    return merges


def _collect(
    anchors: Mapping[tuple[int, int], Anchors],
    kept: tuple[int, ...],
    moved: tuple[int, ...],
    cells: list[np.ndarray],
) -> Anchors:
    """Anchors from samples kept (rows of all cells) to samples moved (rows of those moved).

    Where a cell has more anchors than can count, those to the first samples do, as in Seurat.
    """
    n_before = np.cumsum([0, *(len(cells[sample]) for sample in moved)])
    start = dict(zip(moved, n_before[:-1], strict=True))
    ends, scores = [], []
    for i, j in product(sorted(kept), moved):
        pairs = anchors[min(i, j), max(i, j)]
        there, here = (pairs.a, pairs.b) if i < j else (pairs.b, pairs.a)
        ends.append(np.stack([cells[i][there], start[j] + here]))
        scores.append(pairs.score)
    joined = np.concatenate(ends, axis=1)
    return Anchors(joined[0], joined[1], np.concatenate(scores))


def _differences(plus: np.ndarray, minus: np.ndarray, n_cells: int) -> sparse.csr_matrix:
    """Rows that subtract one cell's values from another's, shape (n_pairs, n_cells)."""
    values = np.tile(np.array([1, -1], dtype=np.float32), len(plus))
    columns = np.column_stack([plus, minus]).ravel()
    return sparse.csr_matrix(
        (values, columns, np.arange(0, values.size + 1, 2)), shape=(len(plus), n_cells)
    )


def find_corrected_components(corrected: np.ndarray, *, n_components: int) -> Components:
    """Principal components of corrected expression, exact.

    As :func:`~helpers.compute.normalise.find_components`, for values that are dense: genes are
    standardised and clipped at 10, and only some cells' standardised values are held at a time.

    Parameters
    ----------
    corrected
        What :func:`integrate` gives, shape (n_cells, n_genes).
    n_components
        At most ``min(n_cells, n_genes) - 1``.

    Raises
    ------
    DataError
        If there are fewer cells or genes than components.
    """
    return _find_components(corrected, n_components, centred=True)


def _find_components(values: np.ndarray, n_components: int, *, centred: bool) -> Components:
    """Components of dense values; not centred anew after clipping where Seurat does not."""
    if n_components >= min(values.shape):
        msg = (
            f"{n_components} principal components need more cells and genes than "
            f"{values.shape[0]} and {values.shape[1]}; lower n_components"
        )
        raise DataError(msg)
    mean = values.mean(axis=0, dtype=np.float64)
    variance = sum(((part - mean) ** 2).sum(axis=0) for part in _chunks(values))
    variance = np.asarray(variance) / (len(values) - 1)
    deviation = np.sqrt(np.where(variance > NO_VARIANCE * mean**2, variance, 1.0))
    total, products = np.zeros(len(mean)), np.zeros((len(mean), len(mean)))
    for part in _chunks(values):
        standard = np.minimum((part - mean) / deviation, SCALE_MAX)
        total += standard.sum(axis=0)
        products += standard.T @ standard
    centre = total / len(values) if centred else np.zeros_like(total)
    products -= len(values) * np.outer(centre, centre)
    eigenvalues, loadings = _largest_eigenvectors(products, n_components)
    scores = [
        np.minimum((part - mean) / deviation, SCALE_MAX) @ loadings for part in _chunks(values)
    ]
    return Components(
        scores=np.vstack(scores) - centre @ loadings,
        loadings=loadings,
        variance=eigenvalues / (len(values) - 1),
        mean=mean,
        deviation=deviation,
        centre=mean + centre * deviation,
    )


def _chunks(values: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK].astype(np.float64)


def _largest_eigenvectors(products: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and vectors, largest first, each with its largest entry positive."""
    last = len(products) - 1
    values, vectors = linalg.eigh(products, subset_by_index=(last - n + 1, last))
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    return values, vectors * np.sign(vectors[largest, np.arange(n)])
