"""Regularised negative binomial regression of counts on depth (SCTransform), genes in blocks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, special, stats

from helpers.errors import DataError

LN10 = np.log(10.0)
MIN_CELLS = 5  # cells a gene must be seen in
BANDWIDTHS = 3.0  # the smoother's width, in units of the best width for the genes' density
KERNEL_SD = 0.3706506  # a Gaussian whose quartiles lie a quarter of the width from its middle
KERNEL_REACH = 4.0  # standard deviations beyond which genes have no weight
OUTLIER = 10.0  # robust z-score beyond which a gene's fit is left out of the smoothing
MIN_THETA = 1e-7
BLOCK = 4_000_000  # values of the counts that are dense at a time


@dataclass(frozen=True)
class CountModel:
    """What every gene's count is expected to be in a cell of a given depth."""

    genes: np.ndarray
    """Columns of the counts that were modelled."""
    intercept: np.ndarray
    slope: np.ndarray
    """Change of the log count per unit of log10 depth."""
    theta: np.ndarray
    """Inverse overdispersion; infinite for a Poisson gene."""
    log_depth: np.ndarray
    """log10 of every cell's UMIs."""


def fit_counts(
    counts: sparse.csr_matrix,
    *,
    n_genes: int | None = 2000,
    n_cells: int | None = 5000,
    seed: int = 0,
) -> CountModel:
    """Negative binomial model of every gene given the cell's depth, smoothed over genes.

    A Poisson regression on log10 depth gives intercept and slope, maximum likelihood the
    overdispersion; all three are then smoothed along the genes' mean by a Gaussian kernel.

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_genes). Genes seen in fewer than five cells are left out.
    n_genes, n_cells
        How many genes and cells the first fit takes at most, genes drawn evenly over their
        means; None takes all.

    Raises
    ------
    DataError
        If fewer than 20 genes can be modelled, or all cells have the same depth.

    References
    ----------
    Hafemeister & Satija (2019) Genome Biol. 20:296. doi:10.1186/s13059-019-1874-1
    """
    rng = np.random.default_rng(seed)
    log_depth = np.log10(np.maximum(np.asarray(counts.sum(axis=1), dtype=float).ravel(), 1))
    columns = sparse.csc_matrix(counts)
    genes = np.flatnonzero(np.diff(columns.indptr) >= MIN_CELLS)
    if len(genes) < 20 or np.ptp(log_depth) == 0:
        msg = (
            f"{len(genes)} genes are seen in {MIN_CELLS} cells; a count model needs 20 genes and "
            "cells of different depth"
        )
        raise DataError(msg)
    means = _log_geometric_means(columns[:, genes])
    cells = np.arange(counts.shape[0])
    if n_cells is not None and n_cells < len(cells):
        cells = np.sort(rng.choice(cells, n_cells, replace=False))
    fitted = np.flatnonzero(np.diff(columns[cells][:, genes].indptr) >= MIN_CELLS)
    first = _log_geometric_means(columns[cells][:, genes[fitted]])
    if n_genes is not None and n_genes < len(fitted):
        drawn = _draw_evenly(first, n_genes, rng)
        fitted, first = fitted[drawn], first[drawn]
    pars = _fit_each(columns[cells][:, genes[fitted]], log_depth[cells])
    intercept, slope, theta = _smooth(pars, first, means)
    return CountModel(genes, intercept, slope, theta, log_depth)


def _log_geometric_means(columns: sparse.csc_matrix) -> np.ndarray:
    """log10 of the geometric mean of counts plus one, less one, of every gene."""
    logs = columns.astype(np.float64)
    logs.data = np.log1p(logs.data)
    mean = np.asarray(logs.sum(axis=0)).ravel() / columns.shape[0]
    return np.log10(np.expm1(mean))


def _draw_evenly(means: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Genes drawn with a chance inverse to how many genes have such a mean."""
    density = stats.gaussian_kde(means)
    grid = np.linspace(means.min(), means.max(), 512)
    weight = 1 / (np.interp(means, grid, density(grid)) + np.finfo(float).eps)
    return np.sort(rng.choice(len(means), n, replace=False, p=weight / weight.sum()))


def _blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    step = max(1, BLOCK // max(n_rows, 1))
    for start in range(0, n_columns, step):
        yield slice(start, min(start + step, n_columns))


def _fit_each(columns: sparse.csc_matrix, log_depth: np.ndarray) -> np.ndarray:
    """Intercept, slope and theta of each gene by itself, shape (n_genes, 3)."""
    parts = []
    for block in _blocks(*columns.shape):
        y = columns[:, block].T.toarray().astype(float)
        intercept, slope = _fit_poisson(y, log_depth)
        mu = np.exp(intercept[:, None] + slope[:, None] * log_depth)
        parts.append(np.column_stack([intercept, slope, _fit_theta(y, mu)]))
    return np.vstack(parts)


def _fit_poisson(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poisson regression of every row of ``y`` on ``x``, by Newton's method."""
    centred = x - x.mean()
    a, b = np.log(y.mean(axis=1)), np.full(len(y), LN10)
    for _ in range(50):
        mu = np.exp(np.clip(a[:, None] + b[:, None] * centred, -50, 50))
        residual = y - mu
        g0, g1 = residual.sum(axis=1), residual @ centred
        h00, h01, h11 = mu.sum(axis=1), mu @ centred, mu @ centred**2
        determinant = h00 * h11 - h01**2
        step_a, step_b = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
        a, b = a + np.clip(step_a, -3, 3), b + np.clip(step_b, -3, 3)
        if max(np.abs(step_a).max(), np.abs(step_b).max()) < 1e-9:
            break
    return a - b * x.mean(), b


def _fit_theta(y: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Maximum likelihood of the inverse overdispersion of every row, given its means.

    Newton's method with MASS's stopping rule: a gene that is not overdispersed climbs for nine
    steps and then stands for Poisson.
    """
    n = y.shape[1]
    theta = n / ((y / mu - 1) ** 2).sum(axis=1)
    active = np.arange(len(y))
    for _ in range(9):
        t = np.abs(theta[active])
        score, information = _theta_slope(y[active], mu[active], t)
        step = score / information
        theta[active] = t + step
        active = active[np.abs(step) > np.finfo(float).eps ** 0.25]
        if not len(active):
            break
    return np.maximum(theta, MIN_THETA)


def _theta_slope(y: np.ndarray, mu: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First derivative of every row's log likelihood in theta, and minus the second."""
    t = theta[:, None]
    total = mu + t
    score = np.log(t / total) + 1 - (y + t) / total
    information = -1 / t + 2 / total - (y + t) / total**2
    # Both differences of gamma functions vanish where the count is zero, as most are.
    row, cell = np.nonzero(y)
    at = theta[row]
    above = at + y[row, cell]
    score[row, cell] += special.digamma(above) - special.digamma(theta)[row]
    information[row, cell] += special.polygamma(1, theta)[row] - special.polygamma(1, above)
    return score.sum(axis=1), information.sum(axis=1)


def _smooth(
    pars: np.ndarray, first: np.ndarray, means: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters of all genes from a kernel smooth of the fitted genes' over their mean."""
    values = np.column_stack([pars[:, :2], np.log10(1 + 10**first / pars[:, 2])])
    width = sheather_jones(first)
    kept = ~np.any([_is_outlier(column, first, width) for column in values.T], axis=0)
    sd = KERNEL_SD * BANDWIDTHS * sheather_jones(first[kept])
    at = np.clip(means, first[kept].min(), first[kept].max())
    smooth = np.empty((len(means), 3))
    for block in _blocks(int(kept.sum()), len(means)):
        distance = np.abs(at[block, None] - first[kept]) / sd
        weight = np.where(distance <= KERNEL_REACH, np.exp(-0.5 * distance**2), 0.0)
        smooth[block] = (weight @ values[kept]) / weight.sum(axis=1, keepdims=True)
    odds = 10 ** smooth[:, 2] - 1
    theta = np.divide(10**means, odds, out=np.full(len(means), np.inf), where=odds > 0)
    return smooth[:, 0], smooth[:, 1], theta


def _is_outlier(values: np.ndarray, along: np.ndarray, width: float) -> np.ndarray:
    """Values far from those of genes with a similar mean, in both of two shifted binnings."""
    bin_width = np.ptp(along) * width / 2
    scores = []
    for shift in (0.0, bin_width / 2):
        bins = np.floor((along - along.min() + shift) / bin_width).astype(int)
        table = pd.Series(values).groupby(bins)
        distance = values - table.transform("median").to_numpy()
        spread = pd.Series(np.abs(distance)).groupby(bins).transform("median").to_numpy()
        scores.append(np.abs(distance) / (1.4826 * spread + np.finfo(float).eps))
    return np.minimum(*scores) > OUTLIER


def sheather_jones(values: np.ndarray) -> float:
    """Bandwidth of a Gaussian kernel density that solves Sheather and Jones's equation.

    Pair distances are counted over a thousand bins.

    References
    ----------
    Sheather & Jones (1991) J. R. Stat. Soc. B 53:683. doi:10.1111/j.2517-6161.1991.tb01857.x
    """
    from scipy.optimize import brentq

    n, bins = len(values), 1000
    width = np.ptp(values) * 1.01 / bins
    place = (np.trunc(values / width) - np.trunc(values / width).min()).astype(int)
    hist = np.bincount(place, minlength=bins).astype(float)
    pairs = np.correlate(hist, hist, mode="full")[len(hist) - 1 :]
    pairs[0] = (hist * (hist - 1)).sum() / 2
    distance = width * np.arange(len(pairs))

    def fourth(h: float) -> float:
        d = (distance / h) ** 2
        kernel = np.where(d < 1000, np.exp(-d / 2) * (d * d - 6 * d + 3), 0.0)
        return float((2 * pairs @ kernel + n * 3) / (n * (n - 1) * h**5 * np.sqrt(2 * np.pi)))

    def sixth(h: float) -> float:
        d = (distance / h) ** 2
        kernel = np.where(d < 1000, np.exp(-d / 2) * (d**3 - 15 * d**2 + 45 * d - 15), 0.0)
        return float((2 * pairs @ kernel - 15 * n) / (n * (n - 1) * h**7 * np.sqrt(2 * np.pi)))

    spread = min(values.std(ddof=1), (np.subtract(*np.quantile(values, [0.75, 0.25]))) / 1.349)
    a, b = 1.24 * spread * n ** (-1 / 7), 1.23 * spread * n ** (-1 / 9)
    constant = 1 / (2 * np.sqrt(np.pi) * n)
    alpha = 1.357 * (fourth(a) / -sixth(b)) ** (1 / 7)
    upper = 1.144 * spread * n ** (-1 / 5)

    def excess(h: float) -> float:
        return float((constant / fourth(alpha * h ** (5 / 7))) ** 0.2 - h)

    low, high = 0.1 * upper, upper
    while excess(low) * excess(high) > 0:
        low, high = 0.8 * low, 1.2 * high
    # R stops here, too; the bins of the outlier search follow the last digits.
    return float(brentq(excess, low, high, xtol=0.1 * low))


def find_residuals(
    counts: sparse.csr_matrix, model: CountModel, *, columns: np.ndarray, clip: float
) -> np.ndarray:
    """Pearson residuals of some genes.

    Parameters
    ----------
    counts
        The counts the model was fitted to.
    columns
        Positions in ``model.genes``.
    clip
        Largest residual in size; Seurat uses the square root of a thirtieth of the cells.

    Returns
    -------
    Shape (n_cells, len(columns)).
    """
    observed = counts[:, model.genes[columns]].toarray().astype(float)
    mu = np.exp(model.intercept[columns] + np.outer(model.log_depth, model.slope[columns]))
    residuals = (observed - mu) / np.sqrt(mu + mu**2 / model.theta[columns])
    return np.clip(residuals, -clip, clip)


def residual_variances(
    counts: sparse.csr_matrix,
    model: CountModel,
    *,
    clip: float,
    within: np.ndarray | None = None,
) -> np.ndarray:
    """Variance of every modelled gene's residuals; genes that vary are above one.

    Parameters
    ----------
    within
        Batch of every cell; the variance is then that around the batches' means.
    """
    by_gene = sparse.csc_matrix(counts)
    variances = np.empty(len(model.genes))
    for block in _blocks(counts.shape[0], len(model.genes)):
        columns = np.arange(block.start, block.stop)
        residuals = find_residuals(by_gene, model, columns=columns, clip=clip)
        if within is not None:
            residuals = regress_out(residuals, pd.DataFrame({"batch": within.astype(str)}))
        variances[block] = residuals.var(axis=0, ddof=1)
    return variances


def regress_out(
    values: np.ndarray, covariates: pd.DataFrame, *, beside: np.ndarray | None = None
) -> np.ndarray:
    """What a linear model of the covariates leaves of every column, centred.

    Parameters
    ----------
    values
        Shape (n_cells, n_genes).
    covariates
        One row a cell; columns of text are taken as categories.
    beside
        Group of every cell whose differences are fitted together with the covariates and stay.
    """
    design = pd.get_dummies(covariates, drop_first=True, dtype=float).to_numpy(dtype=float)
    design = design - design.mean(axis=0)
    kept = np.ones((len(design), 1))
    if beside is not None:
        kept = pd.get_dummies(pd.Series(beside), dtype=float).to_numpy()
    fitted, *_ = np.linalg.lstsq(np.column_stack([kept, design]), values, rcond=None)
    return values - design @ fitted[kept.shape[1] :] - values.mean(axis=0)


def seurat_clip(n_cells: int) -> float:
    """Seurat's limit of a residual: the square root of a thirtieth of the cells."""
    return float(np.sqrt(n_cells / 30))
