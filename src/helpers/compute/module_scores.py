"""Mean expression of a gene set above that of genes as strongly expressed (AddModuleScore)."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.rank_scores import list_members
from helpers.errors import DataError


def score_modules(
    expression: sparse.csr_matrix,
    genes: pd.Index,
    signatures: Mapping[str, Iterable[str]],
    *,
    n_bins: int = 24,
    n_controls: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """Seurat's AddModuleScore: a set's mean expression less that of control genes.

    Genes are cut into bins of equally many by their mean; for every gene of the set,
    ``n_controls`` genes of its bin are drawn, and each gene drawn counts once.

    Parameters
    ----------
    expression
        Log-normalised expression, shape (n_cells, n_genes).
    signatures
        Name to genes; genes that were not measured do not count.

    Returns
    -------
    In units of ``expression``, shape (n_cells, n_signatures), indexed by position; missing where
    no gene of the signature was measured.

    Raises
    ------
    DataError
        If a bin has fewer than ``n_controls`` genes, or as
        :func:`helpers.compute.rank_scores.list_members`.

    References
    ----------
    Tirosh et al. (2016) Science 352:189. doi:10.1126/science.aad0501
    """
    members = list_members(genes, signatures)
    bins = cut_expression(expression, n_bins=n_bins, seed=seed)
    smallest = int(np.bincount(bins).min())
    if smallest < n_controls:
        msg = (
            f"a bin of genes holds {smallest}, and {n_controls} controls are to be drawn from it; "
            f"lower n_controls or n_bins ({n_bins})"
        )
        raise DataError(msg)
    rng = np.random.default_rng(seed)
    in_bin = [np.flatnonzero(bins == number) for number in range(bins.max() + 1)]
    table = sparse.csr_matrix(
        (np.ones(len(members.signature)), members.signature, members.indptr),
        shape=(len(genes), len(members.names)),
    ).tocsc()
    weights = np.zeros(table.shape)
    for number in range(table.shape[1]):
        own = table.indices[table.indptr[number] : table.indptr[number + 1]]
        if len(own) == 0:
            weights[:, number] = np.nan
            continue
        drawn = [rng.choice(in_bin[bins[gene]], n_controls, replace=False) for gene in own]
        controls = np.unique(np.concatenate(drawn))
        weights[controls, number] = -1 / len(controls)
        weights[own, number] += 1 / len(own)
    return pd.DataFrame(expression @ weights, columns=members.names)


def cut_expression(expression: sparse.csr_matrix, *, n_bins: int, seed: int = 0) -> np.ndarray:
    """Bin of every gene by its mean expression, bins holding equally many genes.

    Genes of the same mean are put in order at random, as Seurat does for genes no cell shows.
    """
    mean = np.asarray(expression.mean(axis=0)).ravel()
    shuffled = np.random.default_rng(seed).permutation(len(mean))
    order = shuffled[np.argsort(mean[shuffled], kind="stable")]
    bins = np.empty(len(mean), dtype=int)
    bins[order] = np.arange(len(mean)) * n_bins // len(mean)
    return bins
