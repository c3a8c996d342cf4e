"""Log-normalisation, variable genes and principal components, as Seurat defines them, sparse."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, sparse

from helpers.compute.trend import can_fit_trend, fit_trend
from helpers.errors import DataError

SCALE_MAX = 10.0  # Seurat's ScaleData: standardised values are clipped here
SCORE_DECIMALS = 9  # variabilities (about 1) that agree so far are the same but for rounding


def log_normalise(
    counts: sparse.csr_matrix, *, target_sum: float = 10_000, totals: np.ndarray | None = None
) -> sparse.csr_matrix:
    """Natural log of one plus the counts scaled to ``target_sum`` per cell (LogNormalize).

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_genes).
    target_sum
        UMIs every cell is scaled to. A cell without counts stays zero.
    totals
        UMIs of every cell over all genes, where ``counts`` holds only some of them.

    Returns
    -------
    Same shape and sparsity, float64.
    """
    if totals is None:
        totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    scaled = counts.astype(np.float64, copy=True)
    # Divide first: 1 of 300 UMIs and 3 of 900 are then the same number to the last bit, as in R,
    # and stay tied in rank tests.
    scaled.data /= np.repeat(np.where(totals > 0, totals, 1.0), np.diff(scaled.indptr))
    scaled.data *= target_sum
    np.log1p(scaled.data, out=scaled.data)
    return scaled


def gene_moments(values: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased variance of every gene over cells, without making anything dense."""
    n_cells = values.shape[0]
    # Sum first: scipy's own mean divides every value, and equal means then differ in the last bit.
    mean = np.asarray(values.sum(axis=0, dtype=np.float64)).ravel() / n_cells
    squares = values.astype(np.float64, copy=True)
    squares.data **= 2
    mean_square = np.asarray(squares.sum(axis=0)).ravel()
    variance = (mean_square - n_cells * mean**2) / max(n_cells - 1, 1)
    return mean, np.maximum(variance, 0)


def score_variability(counts: sparse.csr_matrix, *, span: float = 0.3) -> pd.DataFrame:
    """Variance of each gene after the trend with its mean is taken out (Seurat's ``vst``).

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_genes).
    span
        Share of genes in each local regression of log10 variance on log10 mean.

    Returns
    -------
    One row a gene: ``mean``, ``variance``, ``variance_expected`` and ``variance_standardised``,
    the variance of counts standardised by the expected deviation and clipped at the square
    root of the number of cells. It is 0 for a gene that does not vary, and for all where too few
    vary for a trend (see :func:`helpers.compute.trend.can_fit_trend`).

    References
    ----------
    Hafemeister & Satija (2019); Stuart et al. (2019) Cell 177:1888.
    doi:10.1016/j.cell.2019.05.031
    """
    n_cells = counts.shape[0]
    mean, variance = gene_moments(counts)
    expected = np.zeros_like(variance)
    varies = variance > 0
    level = np.log10(mean[varies])
    if can_fit_trend(level, span=span):
        expected[varies] = 10 ** fit_trend(level, np.log10(variance[varies]), span=span)
    varies = expected > 0
    deviation = np.sqrt(expected, where=varies, out=np.ones_like(expected))
    ceiling = mean + deviation * np.sqrt(n_cells)
    columns = counts.tocsc()
    gene = np.repeat(np.arange(counts.shape[1]), np.diff(columns.indptr))
    clipped = np.minimum(columns.data, ceiling[gene])
    squares = np.bincount(gene, (clipped - mean[gene]) ** 2, minlength=counts.shape[1])
    n_zero = n_cells - np.diff(columns.indptr)
    standardised = (squares + n_zero * mean**2) / (max(n_cells - 1, 1) * deviation**2)
    return pd.DataFrame(
        {
            "mean": mean,
            "variance": variance,
            "variance_expected": expected,
            "variance_standardised": np.where(varies, standardised, 0.0),
        }
    )


def pick_variable_genes(
    counts: sparse.csr_matrix, *, n_genes: int, batches: np.ndarray | None = None
) -> np.ndarray:
    """Positions of the most variable genes, best first.

    With ``batches`` each is ranked by itself; genes variable in most batches come first, ties
    by their median rank (Seurat's SelectIntegrationFeatures), so that differences between
    samples do not pass for biology. A batch of too few cells to tell has no say. Genes whose
    variability is equal but for rounding come in their order, whatever the order of the cells.

    Raises
    ------
    DataError
        If no gene varies, or too few do in every batch.
    """
    groups = [np.arange(counts.shape[0])]
    if batches is not None:
        groups = [np.flatnonzero(batches == batch) for batch in pd.unique(batches)]
    ranks = []
    for rows in groups:
        score = score_variability(counts[rows])["variance_standardised"].to_numpy()
        score = score.round(SCORE_DECIMALS)
        position = np.empty(len(score))
        position[np.argsort(-score, kind="stable")] = np.arange(len(score))
        ranks.append(np.where((position < n_genes) & (score > 0), position, np.nan))
    table = np.array(ranks)
    n_batches = np.sum(~np.isnan(table), axis=0)
    if n_batches.max() == 0:
        msg = "no or too few genes vary between cells; variable genes cannot be chosen"
        raise DataError(msg)
    candidates = np.flatnonzero(n_batches)
    median = np.nanmedian(table[:, candidates], axis=0)
    order = np.lexsort((candidates, median, -n_batches[candidates]))
    return candidates[order][:n_genes]


@dataclass(frozen=True)
class Components:
    """Principal components; ``project`` puts other cells among them."""

    scores: np.ndarray
    """Shape (n_cells, n_components)."""
    loadings: np.ndarray
    """Shape (n_genes, n_components), orthonormal columns."""
    variance: np.ndarray
    """Variance of each component."""
    mean: np.ndarray
    deviation: np.ndarray
    centre: np.ndarray
    """Mean of each gene after clipping, from which scores are measured."""

    def project(self, values: sparse.csr_matrix, scale_max: float = SCALE_MAX) -> np.ndarray:
        """Scores of other cells, standardised by these genes' mean and deviation."""
        clipped = _clip(values, self.mean, self.deviation, scale_max)
        weights = self.loadings / self.deviation[:, None]
        return np.asarray(clipped @ weights) - self.centre @ weights


def find_components(
    values: sparse.csr_matrix,
    *,
    n_components: int,
    scale_max: float = SCALE_MAX,
    sample_variance: bool = True,
) -> Components:
    """Principal components of standardised genes, exact, from the gene-by-gene products.

    Genes are standardised (mean 0, variance 1) and clipped at ``scale_max`` as Seurat's
    ScaleData does, but implicitly: the matrix stays sparse and only (n_genes, n_genes) is dense.

    Parameters
    ----------
    values
        Log-normalised expression of the variable genes, shape (n_cells, n_genes).
    n_components
        At most ``min(n_cells, n_genes) - 1``.
    sample_variance
        Divide by n - 1 as R does; False divides by n as numpy and Scrublet do.

    Returns
    -------
    Components, the sign of each such that its largest loading is positive.

    Raises
    ------
    DataError
        If there are fewer cells or genes than components.
    """
    if n_components >= min(values.shape):
        msg = (
            f"{n_components} principal components need more cells and genes than "
            f"{values.shape[0]} and {values.shape[1]}; ask for fewer"
        )
        raise DataError(msg)
    n_cells, n_genes = values.shape
    mean, variance = gene_moments(values)
    if not sample_variance:
        variance *= (n_cells - 1) / n_cells
    deviation = np.where(variance > 0, np.sqrt(variance), 1.0)
    clipped = _clip(values, mean, deviation, scale_max)
    centre = np.asarray(clipped.sum(axis=0)).ravel() / n_cells
    products = (clipped.T @ clipped).toarray() - n_cells * np.outer(centre, centre)
    products /= np.outer(deviation, deviation)
    eigenvalues, loadings = linalg.eigh(
        products, subset_by_index=(n_genes - n_components, n_genes - 1)
    )
    eigenvalues, loadings = eigenvalues[::-1], loadings[:, ::-1]
    largest = np.abs(loadings).argmax(axis=0)
    loadings = loadings * np.sign(loadings[largest, np.arange(n_components)])
    weights = loadings / deviation[:, None]
    scores = np.asarray(clipped @ weights) - centre @ weights
    return Components(scores, loadings, eigenvalues / (n_cells - 1), mean, deviation, centre)


def _clip(
    values: sparse.csr_matrix,
    mean: np.ndarray,
    deviation: np.ndarray,
    scale_max: float = SCALE_MAX,
) -> sparse.csr_matrix:
    """Values cut where their standardised form would pass ``scale_max``; zeros cannot."""
    clipped = values.astype(np.float64, copy=True).tocsr()
    np.minimum(clipped.data, (mean + scale_max * deviation)[clipped.indices], out=clipped.data)
    return clipped


def standardise(values: sparse.csr_matrix, *, scale_max: float = SCALE_MAX) -> np.ndarray:
    """Dense standardised and clipped values; for a few hundred genes only.

    Genes without variance become zero.
    """
    mean, variance = gene_moments(values)
    deviation = np.sqrt(variance)
    dense = values.toarray().astype(np.float64) - mean
    np.divide(dense, deviation, out=dense, where=deviation > 0)
    dense[:, deviation == 0] = 0.0
    return np.minimum(dense, scale_max)
