"""Statistics several subjects share: Benjamini-Hochberg, linear models with moderated variance."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from helpers.errors import DataError


def adjust_pvalues(pvalues: np.ndarray | pd.Series) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values; missing ones stay missing and do not count.

    References
    ----------
    Benjamini & Hochberg (1995) J. R. Stat. Soc. B 57:289. doi:10.1111/j.2517-6161.1995.tb02031.x
    """
    values = np.asarray(pvalues, dtype=float)
    adjusted = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    if known.any():
        adjusted[known] = stats.false_discovery_control(values[known], method="bh")
    return adjusted


@dataclass(frozen=True)
class Prior:
    """What the features say together about the variance of one: its mean and weight."""

    variance: float
    df: float
    """Degrees of freedom the prior is worth; infinite if all features vary alike."""


def fit_variance_prior(variances: np.ndarray, df: float) -> Prior:
    """Scaled inverse chi-square prior of the features' variances, by moments of their logs.

    Parameters
    ----------
    variances
        Residual variance of every feature; zeros are lifted to a hundred-thousandth of their
        median, as limma does.
    df
        Residual degrees of freedom of each.

    References
    ----------
    Smyth (2004) Stat. Appl. Genet. Mol. Biol. 3:3. doi:10.2202/1544-6115.1027
    """
    median = float(np.median(variances))
    lifted = np.maximum(variances, 1e-5 * median if median > 0 else 1e-300)
    if len(lifted) < 2:
        return Prior(float(lifted.mean()), 0.0)
    log = np.log(lifted) - special.digamma(df / 2) + np.log(df / 2)
    spread = log.var(ddof=1) - special.polygamma(1, df / 2)
    if spread <= 0:
        return Prior(float(lifted.mean()), np.inf)
    prior_df = 2 * _inverse_trigamma(float(spread))
    mean = np.exp(log.mean() + special.digamma(prior_df / 2) - np.log(prior_df / 2))
    return Prior(float(mean), prior_df)


def _inverse_trigamma(value: float) -> float:
    """Where the trigamma function takes a value, by Newton's method on its reciprocal."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x


def moderate_variances(variances: np.ndarray, df: float) -> tuple[np.ndarray, float]:
    """Variances drawn towards their prior, and the degrees of freedom they then have."""
    prior = fit_variance_prior(variances, df)
    if np.isinf(prior.df):
        return np.full(len(variances), prior.variance), np.inf
    posterior = (df * variances + prior.df * prior.variance) / (df + prior.df)
    return posterior, min(df + prior.df, df * len(variances))


def compare_moderated(
    values: pd.DataFrame,
    design: pd.DataFrame,
    contrast: pd.Series,
    *,
    confidence: float,
    weights: np.ndarray | None = None,
) -> pd.DataFrame:
    """Moderated t-test of a contrast in a linear model of every feature (limma).

    Parameters
    ----------
    values
        Shape (n_samples, n_features).
    design
        Shape (n_samples, n_coefficients), full rank.
    contrast
        Weight of each coefficient.
    confidence
        Coverage of the interval.
    weights
        Precision of every value, shape of ``values``; all alike if not given.

    Returns
    -------
    One row a feature: ``effect``, ``ci_low``, ``ci_high``, ``t``, ``df``, ``pvalue``.

    Raises
    ------
    DataError
        If no degree of freedom is left for the variance.

    References
    ----------
    Ritchie et al. (2015) Nucleic Acids Res. 43:e47. doi:10.1093/nar/gkv007
    """
    matrix = design.to_numpy(dtype=float)
    df = len(matrix) - np.linalg.matrix_rank(matrix)
    if df < 1:
        msg = f"{len(matrix)} samples for {matrix.shape[1]} groups leave nothing to test with"
        raise DataError(msg)
    observed = values.to_numpy(dtype=float)
    vector = contrast.reindex(design.columns).to_numpy(dtype=float)
    effect, residual, scale = _fit_linear(observed, matrix, vector, weights)
    posterior, df_total = moderate_variances(residual / df, df)
    error = np.sqrt(posterior * scale)
    t = np.divide(effect, error, out=np.zeros_like(effect), where=error > 0)
    distribution = stats.norm() if np.isinf(df_total) else stats.t(df_total)
    half = distribution.ppf(0.5 + confidence / 2) * error
    return pd.DataFrame(
        {
            "effect": effect,
            "ci_low": effect - half,
            "ci_high": effect + half,
            "t": t,
            "df": df_total,
            "pvalue": 2 * distribution.sf(np.abs(t)),
        },
        index=values.columns,
    )


def _fit_linear(
    values: np.ndarray, design: np.ndarray, contrast: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contrast, residual sum of squares and unscaled variance of the contrast, each feature."""
    if weights is None:
        weights = np.ones_like(values)
    products = np.einsum("sa,sf,sb->fab", design, weights, design)
    inverse = np.linalg.pinv(products, hermitian=True)
    coefficients = np.einsum("fab,sb,sf->fa", inverse, design, weights * values)
    residuals = values - design @ coefficients.T
    scale = np.einsum("a,fab,b->f", contrast, inverse, contrast)
    return coefficients @ contrast, (weights * residuals**2).sum(axis=0), scale
