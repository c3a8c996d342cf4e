"""Cell types from marker genes, by ScType's scores."""

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.normalise import standardise
from helpers.errors import DataError
from helpers.schema import UNKNOWN

CLOSE_MARGIN = 0.1  # a best score that exceeds the second by less than this share decides little


def weigh_markers(positive: dict[str, list[str]]) -> pd.Series:
    """How specific each positive marker is: 1 for one type only, 0 for all types.

    Parameters
    ----------
    positive
        Cell type to positive marker genes.

    References
    ----------
    Ianevski, Giri & Aittokallio (2022) Nat. Commun. 13:1246. doi:10.1038/s41467-022-28803-w
    """
    listed = pd.Series([gene for genes in positive.values() for gene in genes], dtype=object)
    n_types = listed.value_counts(sort=False)
    if len(positive) == 1:
        return pd.Series(1.0, index=n_types.index)
    return (len(positive) - n_types) / (len(positive) - 1)


def score_cells(
    expression: sparse.csr_matrix,
    genes: pd.Index,
    *,
    positive: dict[str, list[str]],
    negative: dict[str, list[str]],
) -> pd.DataFrame:
    """ScType score of every cell for every type.

    A type's score is the sum of its markers' standardised expression, each weighted by its
    specificity, over the square root of their number, minus the same for its negative markers.

    Parameters
    ----------
    expression
        Log-normalised, shape (n_cells, n_genes).
    genes
        Symbols of the columns; markers that are not among them are passed over.
    positive, negative
        Cell type to marker genes. A gene listed twice counts twice against its specificity and
        once in the score, as in ScType.

    Returns
    -------
    Shape (n_cells, n_types); a type none of whose positive markers was measured is left out.

    Raises
    ------
    DataError
        If no type has a measured marker.
    """
    weight = weigh_markers(positive)
    present = {kind: _measured(listed, genes) for kind, listed in positive.items()}
    present = {kind: listed for kind, listed in present.items() if listed}
    if not present:
        msg = "none of the marker genes was measured; are the gene names symbols?"
        raise DataError(msg)
    absent = {kind: _measured(negative.get(kind, []), genes) for kind in present}
    used = pd.Index(sorted({g for table in (present, absent) for gs in table.values() for g in gs}))
    mixing = np.zeros((len(used), len(present)))
    for column, kind in enumerate(present):
        for listed, sign in ((present[kind], 1.0), (absent[kind], -1.0)):
            for gene in listed:
                mixing[used.get_loc(gene), column] += sign / np.sqrt(len(listed))
    mixing *= weight.reindex(used).fillna(1.0).to_numpy()[:, None]
    scores = standardise(expression[:, genes.get_indexer(used)]) @ mixing
    return pd.DataFrame(scores, columns=list(present))


def _measured(listed: list[str], genes: pd.Index) -> list[str]:
    return [gene for gene in dict.fromkeys(listed) if gene in genes]


def label_clusters(
    scores: pd.DataFrame, clusters: np.ndarray, *, unknown_below: float
) -> pd.DataFrame:
    """The best type of every cluster, by the sum of its cells' scores.

    Parameters
    ----------
    scores
        Score of every cell for every type.
    clusters
        Cluster of every cell.
    unknown_below
        Mean score per cell under which a cluster is ``unknown`` (ScType: 0.25).

    Returns
    -------
    One row a cluster: ``cluster``, ``n_cells``, ``cell_type``, ``score`` (mean per cell) and
    ``runner_up`` with ``runner_up_score``.
    """
    mean = scores.groupby(clusters, sort=True).mean()
    order = np.argsort(-mean.to_numpy(), axis=1, kind="stable")
    rows = np.arange(len(mean))
    best = mean.to_numpy()[rows, order[:, 0]]
    second = order[:, 1] if mean.shape[1] > 1 else order[:, 0]
    names = mean.columns.to_numpy()
    labels = np.where(best < unknown_below, UNKNOWN, names[order[:, 0]])
    return pd.DataFrame(
        {
            "cluster": mean.index,
            "n_cells": pd.Series(clusters).value_counts().reindex(mean.index).to_numpy(),
            "cell_type": labels,
            "score": best,
            "runner_up": names[second],
            "runner_up_score": mean.to_numpy()[rows, second],
        }
    )


def measure_margins(clusters: pd.DataFrame) -> pd.DataFrame:
    """The table of clusters with how clearly each was named.

    Parameters
    ----------
    clusters
        From :func:`label_clusters`.

    Returns
    -------
    ``clusters`` with ``margin``, the share of the best score by which it exceeds the second, and
    ``uncertain``, whether that is less than :data:`CLOSE_MARGIN`; both tell nothing of unknown
    clusters, nor where there is one type only.
    """
    named = (clusters["cell_type"] != UNKNOWN) & (clusters["cell_type"] != clusters["runner_up"])
    share = 1 - clusters["runner_up_score"] / clusters["score"]
    margin = share.where(named)
    return clusters.assign(margin=margin, uncertain=margin < CLOSE_MARGIN)


def describe_uncertain(clusters: pd.DataFrame) -> str:
    """Clusters whose second-best type scores nearly as high, as a sentence; else nothing.

    Parameters
    ----------
    clusters
        From :func:`measure_margins`.
    """
    listed = [
        f"cluster {row.cluster} ({row.n_cells:,} cells: {row.cell_type} {row.score:.3g}, "
        f"{row.runner_up} {row.runner_up_score:.3g})"
        for row in clusters[clusters["uncertain"]].itertuples()
    ]
    return f"Named with little certainty, by mean score: {', '.join(listed)}." if listed else ""
