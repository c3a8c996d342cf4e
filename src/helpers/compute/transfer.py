"""Transfer: labels of a reference carried to a query along their anchors."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.anchors import Anchors, weigh_anchors
from helpers.compute.canonical import SharedSpace
from helpers.compute.normalise import find_components
from helpers.errors import DataError
from helpers.schema import UNKNOWN


def project_query(
    reference: sparse.csr_matrix, query: sparse.csr_matrix, *, n_components: int = 30
) -> SharedSpace:
    """The query among the principal components of the reference (``pcaproject`` of Seurat).

    The query is standardised by the mean and deviation of each gene in the reference; the
    reference is centred once more after clipping, as an exact decomposition does. Pass the
    result to :func:`~helpers.compute.anchors.match_cells` for anchors, and its ``b`` to
    :func:`transfer_labels`.

    Parameters
    ----------
    reference, query
        Log-normalised expression of the same genes, each of shape (n_cells, n_genes).
    n_components
        Fewer than the cells and the genes of the reference.

    Returns
    -------
    The reference (``a``) and the query (``b``).

    Raises
    ------
    DataError
        If the two are not of the same genes, or too small for the components.

    References
    ----------
    Stuart et al. (2019) Cell 177:1888. doi:10.1016/j.cell.2019.05.031
    """
    if reference.shape[1] != query.shape[1]:
        msg = (
            f"reference and query have {reference.shape[1]} and {query.shape[1]} genes; "
            "pass the same genes of both, in the same order"
        )
        raise DataError(msg)
    components = find_components(reference, n_components=n_components)
    recentred = (components.centre - components.mean) / components.deviation
    projected = components.project(query) + recentred @ components.loadings
    return SharedSpace(components.scores, projected, components.loadings)


@dataclass(frozen=True)
class TransferredLabels:
    """Predictions for the cells of a query."""

    label: np.ndarray
    """The label with the highest score; ``unknown`` where no anchor says anything."""
    score: np.ndarray
    """Its score, in [0, 1]."""
    scores: pd.DataFrame
    """Score of every cell for every label of the reference, shape (n_cells, n_labels)."""


def transfer_labels(
    labels: np.ndarray,
    anchors: Anchors,
    embedding: np.ndarray,
    *,
    k_weight: int = 50,
    sd_weight: float = 1.0,
) -> TransferredLabels:
    """Label of every cell of a query, from the reference cells of the anchors around it.

    Seurat's TransferData: a label's score is the weight of the anchors whose reference cell
    bears it, so that scores sum to 1. They do not tell whether the query holds a type that the
    reference lacks: its cells too are labelled by the anchors nearest to them, some with a high
    score. That such cells have no anchors themselves (they are not among ``anchors.b``) does.

    Parameters
    ----------
    labels
        Label of every cell of the reference.
    anchors
        From the reference (``a``) to the query (``b``).
    embedding
        Where the query's cells lie, to find the anchors around each: projected components
        (``b`` of :func:`project_query`) or the query's own, or for accessible chromatin its LSI
        without the first, depth-driven component. Shape (n_cells, n_dims).
    k_weight, sd_weight
        See :func:`~helpers.compute.anchors.weigh_anchors`.

    Raises
    ------
    DataError
        If a cell of the reference has no label, anchors name a cell that ``labels`` or
        ``embedding`` lack, or fewer than ``k_weight`` cells of the query have an anchor.

    References
    ----------
    Stuart et al. (2019) Cell 177:1888. doi:10.1016/j.cell.2019.05.031
    """
    codes, kinds = pd.factorize(np.asarray(labels, dtype=object))
    _check(codes, anchors, embedding)
    weights = weigh_anchors(anchors, embedding, k_weight=k_weight, sd_weight=sd_weight)
    n_anchors = len(anchors.a)
    bears = sparse.csr_matrix(
        (np.ones(n_anchors), (np.arange(n_anchors), codes[anchors.a])),
        shape=(n_anchors, len(kinds)),
    )
    scores = (weights @ bears).toarray()
    label = np.where(scores.any(axis=1), kinds[scores.argmax(axis=1)], UNKNOWN)
    return TransferredLabels(label, scores.max(axis=1), pd.DataFrame(scores, columns=kinds))


def _check(codes: np.ndarray, anchors: Anchors, embedding: np.ndarray) -> None:
    if (codes < 0).any():
        msg = (
            f"{(codes < 0).sum()} cells of the reference have no label; "
            "leave them out before anchors are found"
        )
        raise DataError(msg)
    for name, rows, n_rows in (
        ("labels", anchors.a, len(codes)),
        ("embedding", anchors.b, len(embedding)),
    ):
        if rows.max(initial=-1) >= n_rows:
            msg = (
                f"anchors name cell {rows.max()}, but {name} has {n_rows} rows; "
                "pass those of all cells the anchors were found among"
            )
            raise DataError(msg)
