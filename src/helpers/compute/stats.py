"""Statistics several subjects share: Benjamini-Hochberg, linear models with moderated variance."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from helpers.errors import DataError
from helpers.schema import Contrast

PAIRED = ", within donors"
NO_SPREAD = "the samples do not differ: there is no interval"
ROUNDING = 1e-14  # a residual smaller than this share of the values is one of floating point


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
        median (of 1 where the median is 0), as limma does.
    df
        Residual degrees of freedom of each.

    References
    ----------
    Smyth (2004) Stat. Appl. Genet. Mol. Biol. 3:3. doi:10.2202/1544-6115.1027
    """
    median = float(np.median(variances))
    lifted = np.maximum(variances, 1e-5 * (median if median > 0 else 1.0))
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


def moderate_variances(
    variances: np.ndarray, df: float, *, n_free: int | None = None
) -> tuple[np.ndarray, float]:
    """Variances drawn towards their prior, and the degrees of freedom they then have.

    Those are at most what the ``n_free`` features (all, if not given) that can vary freely have
    together, also where the prior is worth infinitely many: it was learnt from these features.
    """
    prior = fit_variance_prior(variances, df)
    df_total = min(df + prior.df, df * (n_free or len(variances)))
    if np.isinf(prior.df):
        return np.full(len(variances), prior.variance), df_total
    return (df * variances + prior.df * prior.variance) / (df + prior.df), df_total


def mean_interval(values: np.ndarray, *, confidence: float) -> dict[str, float]:
    """Mean of some samples with its t-interval, and the p-value of its being 0.

    Returns
    -------
    ``effect``, ``ci_low``, ``ci_high``, ``pvalue``; the mean is missing without a sample, all else
    with fewer than two or where they do not differ (:data:`NO_SPREAD`).
    """
    n = len(values)
    mean = float(values.mean()) if n else np.nan
    error = float(values.std(ddof=1)) / np.sqrt(n) if n >= 2 else np.nan
    if not error > 0:
        return {"effect": mean} | dict.fromkeys(("ci_low", "ci_high", "pvalue"), np.nan)
    half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * error
    pvalue = 2 * float(stats.t.sf(abs(mean) / error, n - 1))
    return {"effect": mean, "ci_low": mean - half, "ci_high": mean + half, "pvalue": pvalue}


def design_contrast(
    groups: pd.Series, contrast: Contrast, *, donors: pd.Series | None = None
) -> tuple[pd.DataFrame, pd.Series]:
    """Design of a linear model of samples, and the weights of its coefficients in a contrast.

    All groups are fitted, each with a level of its own. Where donors were sampled in both groups,
    such as before and after treatment, samples of a donor are no replicates of each other: then
    the pairs alone are fitted, with a level for each donor (:func:`pair_samples`).

    Parameters
    ----------
    groups
        Group of every sample.
    donors
        Donor of every sample; more samples than in ``groups`` are no matter.

    Returns
    -------
    Shape (n_samples, n_coefficients), full rank, and shape (n_coefficients,).
    """
    paired = pair_samples(groups, contrast, donors)
    design = pd.get_dummies(paired if len(paired) else groups, dtype=float)
    if donors is not None and len(paired):
        levels = pd.get_dummies(donors.reindex(paired.index), dtype=float).iloc[:, 1:]
        levels.columns = pd.Index([f"donor {i}" for i in range(levels.shape[1])])
        design = design.join(levels)
    weights = pd.Series({contrast.test: 1.0, contrast.reference: -1.0})
    return design, weights.reindex(design.columns, fill_value=0.0)


def pair_samples(groups: pd.Series, contrast: Contrast, donors: pd.Series | None) -> pd.Series:
    """Groups of the samples that a contrast compares within donors; none if it does not.

    It does if more donors were sampled in both groups than in one of them alone. The latter, such
    as a donor whose other sample lacks the cell type, are left out.

    Parameters
    ----------
    groups, donors
        Group and donor of every sample; None if donors are unknown.
    """
    sides = groups[groups.isin([contrast.test, contrast.reference])]
    if donors is None:
        return sides.iloc[:0]
    mine = donors.reindex(sides.index)
    n_groups = sides.groupby(mine).nunique()
    shared = n_groups.index[n_groups == 2]
    return sides[mine.isin(shared)] if 2 * len(shared) > len(n_groups) else sides.iloc[:0]


@dataclass(frozen=True)
class Sides:
    """How many samples a contrast compares."""

    n_reference: int
    n_test: int
    paired: bool
    """Whether within donors."""


def count_sides(groups: pd.Series, contrast: Contrast, donors: pd.Series | None) -> Sides:
    """Samples that :func:`design_contrast` compares."""
    paired = pair_samples(groups, contrast, donors)
    used = paired if len(paired) else groups
    return Sides(
        int((used == contrast.reference).sum()), int((used == contrast.test).sum()), len(paired) > 0
    )


@dataclass(frozen=True)
class LinearFit:
    """A linear model of every feature, its variances moderated across features."""

    coefficients: np.ndarray
    """Shape (n_coefficients, n_features)."""
    unscaled: np.ndarray
    """Covariance of the coefficients over the variance: (n_coefficients, n_coefficients) for all
    features, or with one such matrix each where values have weights."""
    variance: np.ndarray
    """Moderated variance of every feature."""
    df: float
    """Degrees of freedom of the moderated variances."""
    df_prior: float
    """Those of the prior: infinite where all features are given one variance."""


def fit_moderated(
    values: pd.DataFrame,
    design: pd.DataFrame,
    *,
    n_free: int | None = None,
    weights: np.ndarray | None = None,
) -> LinearFit:
    """Least squares of every feature on a design, with moderated variances (limma).

    Parameters
    ----------
    values
        Shape (n_samples, n_features).
    design
        Shape (n_samples, n_coefficients), full rank.
    n_free
        Features that can vary freely, if not all: one fewer than there are proportions, which
        add up to 1. With two, one mirrors the other and nothing is learnt from both.
    weights
        Precision of every value, shape of ``values``; all alike if not given.

    Raises
    ------
    DataError
        If no degree of freedom is left for the variance.

    References
    ----------
    Ritchie et al. (2015) Nucleic Acids Res. 43:e47. doi:10.1093/nar/gkv007
    """
    matrix, observed = design.to_numpy(dtype=float), values.to_numpy(dtype=float)
    df = len(matrix) - np.linalg.matrix_rank(matrix)
    if df < 1:
        msg = f"{len(matrix)} samples for {matrix.shape[1]} groups leave nothing to test with"
        raise DataError(msg)
    coefficients, unscaled = _least_squares(observed, matrix, weights)
    squares = (observed - matrix @ coefficients) ** 2
    residual = (squares if weights is None else weights * squares).sum(axis=0)
    rounding = (ROUNDING * np.abs(observed).max(axis=0)) ** 2
    residual[squares.sum(axis=0) <= rounding * len(matrix)] = 0.0
    variance, df_total = moderate_variances(residual / df, df, n_free=n_free)
    df_prior = fit_variance_prior(residual / df, df).df
    return LinearFit(coefficients, unscaled, variance, df_total, df_prior)


def _least_squares(
    values: np.ndarray, design: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of every feature, and their covariance over the variance."""
    if weights is None:
        coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
        return coefficients, np.linalg.pinv(design.T @ design)
    products = np.einsum("sa,sf,sb->fab", design, weights, design)
    unscaled = np.linalg.pinv(products, hermitian=True)
    return np.einsum("fab,sb,sf->af", unscaled, design, weights * values), unscaled


def compare_moderated(
    values: pd.DataFrame,
    design: pd.DataFrame,
    contrast: pd.Series,
    *,
    confidence: float,
    n_free: int | None = None,
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
    n_free, weights
        Features that can vary freely, and precision of every value, see :func:`fit_moderated`.

    Returns
    -------
    One row a feature: ``effect``, ``ci_low``, ``ci_high``, ``t``, ``df``, ``pvalue``, ``df_prior``;
    ``t``, ``pvalue`` and the interval are missing where a lone feature does not vary within groups.

    Raises
    ------
    DataError
        If no degree of freedom is left for the variance.
    """
    fit = fit_moderated(values, design, n_free=n_free, weights=weights)
    vector = contrast.reindex(design.columns).to_numpy(dtype=float)
    error = np.sqrt(fit.variance * (vector @ fit.unscaled @ vector))
    error[error == 0] = np.nan
    effect = vector @ fit.coefficients
    distribution = stats.t(fit.df)
    half = distribution.ppf(0.5 + confidence / 2) * error
    return pd.DataFrame(
        {
            "effect": effect,
            "ci_low": effect - half,
            "ci_high": effect + half,
            "t": effect / error,
            "df": fit.df,
            "pvalue": 2 * distribution.sf(np.abs(effect / error)),
            "df_prior": fit.df_prior,
        },
        index=values.columns,
    )


def compare_means(
    values: pd.DataFrame, groups: pd.Series, *, n_free: int | None = None
) -> pd.DataFrame:
    """Moderated F-test of whether any group differs in every feature (one-way ANOVA).

    Parameters
    ----------
    values
        Shape (n_samples, n_features).
    groups
        Group of every sample, same index.
    n_free
        Features that can vary freely, see :func:`fit_moderated`.

    Returns
    -------
    One row a feature: ``f``, ``df_groups``, ``df``, ``pvalue``; ``f`` and ``pvalue`` are missing
    where a lone feature does not vary within groups.

    Raises
    ------
    DataError
        If there are fewer than two groups, or no group has two samples.
    """
    design = pd.get_dummies(groups.reindex(values.index), dtype=float)
    df_groups = design.shape[1] - 1
    if df_groups < 1:
        msg = f"{design.shape[1]} group: an overall test compares at least two"
        raise DataError(msg)
    fit = fit_moderated(values, design, n_free=n_free)
    fitted = design.to_numpy() @ fit.coefficients
    between = ((fitted - values.mean().to_numpy()) ** 2).sum(axis=0)
    f = between / df_groups / np.where(fit.variance > 0, fit.variance, np.nan)
    return pd.DataFrame(
        {
            "f": f,
            "df_groups": df_groups,
            "df": fit.df,
            "pvalue": stats.f.sf(f, df_groups, fit.df),
        },
        index=values.columns,
    )
