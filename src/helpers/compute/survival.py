"""Survival: Kaplan-Meier, log-rank, Cox regression, concordance, time-dependent AUC, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from helpers.errors import DataError

Ties = Literal["efron", "breslow"]
MAX_STEPS, TOLERANCE = 50, 1e-10
LARGEST = 50.0  # log hazard ratio a standard deviation; beyond it the likelihood rises for ever
GLOBAL = "GLOBAL"  # all terms of a model tested together


@dataclass(frozen=True)
class CoxFit:
    """Proportional hazards fitted to patients."""

    names: tuple[str, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    loglik: float
    loglik_null: float
    n: int
    n_events: int

    def tabulate(self, *, confidence: float) -> pd.DataFrame:
        """Coefficients with Wald intervals.

        Returns
        -------
        ``term``, ``coefficient`` (natural logarithm), ``error``, ``effect`` (log2 hazard ratio),
        ``ci_low``, ``ci_high``, ``pvalue``.
        """
        error = np.sqrt(np.diag(self.covariance))
        half = stats.norm.ppf(0.5 + confidence / 2) * error
        table = pd.DataFrame({"term": self.names, "coefficient": self.coefficients, "error": error})
        log2 = 1 / np.log(2)
        return table.assign(
            effect=self.coefficients * log2,
            ci_low=(self.coefficients - half) * log2,
            ci_high=(self.coefficients + half) * log2,
            pvalue=2 * stats.norm.sf(np.abs(self.coefficients / error)),
        )


def fit_cox(
    covariates: pd.DataFrame, time: np.ndarray, event: np.ndarray, *, ties: Ties = "efron"
) -> CoxFit:
    """Cox regression by Newton's method on the partial likelihood.

    Parameters
    ----------
    covariates
        Shape (n_patients, n_terms), no value missing.
    time, event
        Time of the event or of the last visit, and whether it was an event, shape (n_patients,).

    Raises
    ------
    DataError
        If there is no event, or a term is a constant, a sum of others, or tells events from
        non-events without error, so that it has no estimate.

    References
    ----------
    Cox (1972) J. R. Stat. Soc. B 34:187; Efron (1977) J. Am. Stat. Assoc. 72:557.
    """
    x = covariates.to_numpy(dtype=float)
    time, event = np.asarray(time, dtype=float), np.asarray(event).astype(bool)
    if not event.any():
        msg = f"none of {len(time)} patients had an event: there is no hazard to model"
        raise DataError(msg)
    centre, scale = x.mean(axis=0), x.std(axis=0)
    if (scale == 0).any():
        name = covariates.columns[int(np.flatnonzero(scale == 0)[0])]
        msg = f"{name} is the same in all {len(x)} patients: leave it out of the model"
        raise DataError(msg)
    z = (x - centre) / scale
    beta = np.zeros(x.shape[1])
    value, gradient, information = _partial(z, time, event, beta, ties)
    null = value
    for _ in range(MAX_STEPS):
        if not np.isfinite(information).all() or np.linalg.cond(information) > 1e12:
            break
        step = np.linalg.solve(information, gradient)
        new = _partial(z, time, event, beta + step, ties)
        while not new[0] >= value - 1e-9 * abs(value):
            step = step / 2
            new = _partial(z, time, event, beta + step, ties)
        beta = beta + step
        if np.abs(beta).max() > LARGEST:
            break
        done = abs(new[0] - value) < TOLERANCE * abs(value)
        value, gradient, information = new
        if done and np.abs(step).max() < 1e-8:
            covariance = np.linalg.inv(information) / np.outer(scale, scale)
            names = tuple(map(str, covariates.columns))
            n_events = int(event.sum())
            return CoxFit(names, beta / scale, covariance, value, null, len(x), n_events)
    msg = (
        f"the hazard model of {', '.join(map(str, covariates.columns))} has no estimate: a term is a "
        f"sum of others, or separates the {int(event.sum())} events from the rest"
    )
    raise DataError(msg)


def _partial(
    x: np.ndarray, time: np.ndarray, event: np.ndarray, beta: np.ndarray, ties: Ties
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log partial likelihood, its gradient and the information."""
    values, gradients, information = _partial_steps(x, time, event, beta, ties)
    return float(values.sum()), gradients.sum(axis=0), information.sum(axis=0)


def _partial_steps(
    x: np.ndarray, time: np.ndarray, event: np.ndarray, beta: np.ndarray, ties: Ties
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each distinct event time, in order, adds to the three of :func:`_partial`.

    The gradients are Schoenfeld's residuals, summed over the patients who died at the time.
    """
    eta = x @ beta
    risk = np.exp(eta - eta.max())
    times = np.unique(time[event])
    values, gradients = np.zeros(len(times)), np.zeros((len(times), x.shape[1]))
    information = np.zeros((len(times), x.shape[1], x.shape[1]))
    for i, t in enumerate(times):
        at_risk, dying = time >= t, (time == t) & event
        d = int(dying.sum())
        share = np.arange(d) / d if ties == "efron" else np.zeros(d)
        s0, s1, s2 = _moments(x[at_risk], risk[at_risk])
        d0, d1, d2 = _moments(x[dying], risk[dying])
        total = s0 - share * d0
        mean = (s1[None, :] - share[:, None] * d1) / total[:, None]
        values[i] = float(eta[dying].sum() - (np.log(total) + eta.max()).sum())
        gradients[i] = x[dying].sum(axis=0) - mean.sum(axis=0)
        second = ((s2[None] - share[:, None, None] * d2) / total[:, None, None]).sum(axis=0)
        information[i] = second - mean.T @ mean
    return values, gradients, information


def _moments(x: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    weighted = x * weight[:, None]
    return float(weight.sum()), weighted.sum(axis=0), weighted.T @ x


def compare_models(larger: CoxFit, smaller: CoxFit) -> tuple[float, int, float]:
    """Likelihood-ratio test of nested models: chi-square, degrees of freedom, p-value."""
    chi2 = 2 * (larger.loglik - smaller.loglik)
    df = len(larger.names) - len(smaller.names)
    return chi2, df, float(stats.chi2.sf(chi2, df))


def check_proportionality(
    covariates: pd.DataFrame,
    time: np.ndarray,
    event: np.ndarray,
    fit: CoxFit,
    *,
    ties: Ties = "efron",
    terms: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Score test of hazard ratios that change with time, as R's ``cox.zph`` makes it.

    Every column of a term is given a second coefficient, of its product with
    :func:`rank_event_times`; the test is whether the likelihood rises where that is 0.

    Parameters
    ----------
    covariates, time, event, ties
        What the model was fitted to, and how, see :func:`fit_cox`.
    terms
        Term of each column, where several columns are one term (classes); each its own if missing.

    Returns
    -------
    One row a term and ``GLOBAL``, all of them together: ``term``, ``chi2``, ``df``, ``pvalue``.

    References
    ----------
    Grambsch & Therneau (1994) Biometrika 81:515. doi:10.1093/biomet/81.3.515
    """
    x, time = covariates.to_numpy(dtype=float), np.asarray(time, dtype=float)
    event = np.asarray(event).astype(bool)
    scale = x.std(axis=0)
    z = (x - x.mean(axis=0)) / scale
    _, gradients, information = _partial_steps(z, time, event, fit.coefficients * scale, ties)
    g = rank_event_times(time, event)
    score = g @ gradients
    once, twice = np.tensordot(g, information, 1), np.tensordot(g**2, information, 1)
    fixed = information.sum(axis=0)
    # the information on the second coefficients that the first leave
    left = twice - once @ np.linalg.solve(fixed, once)
    score = score - once @ np.linalg.solve(fixed, gradients.sum(axis=0))
    named = np.array([str(name) for name in (covariates.columns if terms is None else terms)])
    parts = {term: named == term for term in dict.fromkeys(named)}
    rows = [
        (term, score[mine] @ np.linalg.solve(left[np.ix_(mine, mine)], score[mine]), mine.sum())
        for term, mine in (parts | {GLOBAL: np.ones(len(named), dtype=bool)}).items()
    ]
    table = pd.DataFrame(rows, columns=["term", "chi2", "df"])
    return table.assign(pvalue=stats.chi2.sf(table["chi2"], table["df"]))


def rank_event_times(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Share of patients with an event before each distinct event time (Kaplan-Meier), centred.

    The scale of time on which outliers in follow-up weigh little; its mean over events is 0.
    """
    curve = estimate_survival(time, event)
    before = 1 - np.concatenate([[1.0], curve["survival"].to_numpy()[:-1]])
    seen = curve["n_event"].to_numpy() > 0
    return before[seen] - np.average(before[seen], weights=curve["n_event"].to_numpy()[seen])


def estimate_hazard(score: np.ndarray, time: np.ndarray, event: np.ndarray) -> pd.DataFrame:
    """Breslow's cumulative baseline hazard for patients with a linear predictor.

    Returns
    -------
    ``time`` of each event and the ``hazard`` accumulated until then, of a patient with score 0.
    """
    event, risk = np.asarray(event).astype(bool), np.exp(score)
    times = np.unique(time[event])
    steps = [((time == t) & event).sum() / risk[time >= t].sum() for t in times]
    return pd.DataFrame({"time": times, "hazard": np.cumsum(steps)})


def estimate_survival(
    time: np.ndarray, event: np.ndarray, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Kaplan-Meier estimate with Greenwood's error and the interval of the logarithm.

    Returns
    -------
    One row a distinct time: ``time``, ``n_risk``, ``n_event``, ``survival``, ``error`` (of the
    logarithm, as R's survfit keeps it, times survival), ``ci_low``, ``ci_high``.

    References
    ----------
    Kaplan & Meier (1958) J. Am. Stat. Assoc. 53:457. doi:10.1080/01621459.1958.10501452
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event).astype(bool)
    times, place, n = np.unique(time, return_inverse=True, return_counts=True)
    n_event = np.bincount(place, weights=event, minlength=len(times)).astype(int)
    n_risk = len(time) - np.concatenate([[0], np.cumsum(n)[:-1]])
    survival = np.cumprod(1 - n_event / n_risk)
    left = np.where(n_risk > n_event, n_risk - n_event, np.nan)
    error = np.sqrt(np.cumsum(n_event / n_risk / left))
    half = stats.norm.ppf(0.5 + confidence / 2) * error
    return pd.DataFrame(
        {
            "time": times,
            "n_risk": n_risk,
            "n_event": n_event,
            "survival": survival,
            "error": survival * error,
            "ci_low": survival * np.exp(-half),
            "ci_high": np.minimum(1, survival * np.exp(half)),
        }
    )


def read_survival(curve: pd.DataFrame, at: float, column: str = "survival") -> float:
    """Value of a Kaplan-Meier curve at a time; 1 before the first."""
    before = curve[curve["time"] <= at]
    return 1.0 if before.empty else float(before[column].iloc[-1])


def compare_survival(
    time: np.ndarray, event: np.ndarray, groups: np.ndarray
) -> tuple[pd.DataFrame, float, float]:
    """Log-rank test of two or more groups.

    Returns
    -------
    ``group``, ``n``, ``observed``, ``expected`` of each group; chi-square; p-value.

    References
    ----------
    Mantel (1966) Cancer Chemother. Rep. 50:163.
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event).astype(bool)
    labels = np.array(sorted(set(groups)))
    member = groups[None, :] == labels[:, None]
    observed, expected = np.zeros(len(labels)), np.zeros(len(labels))
    variance = np.zeros((len(labels), len(labels)))
    for t in np.unique(time[event]):
        at_risk, dying = time >= t, (time == t) & event
        n, d = at_risk.sum(), dying.sum()
        share = (member & at_risk).sum(axis=1) / n
        observed += (member & dying).sum(axis=1)
        expected += d * share
        factor = d * (n - d) / (n - 1) if n > 1 else 0.0
        variance += factor * (np.diag(share) - np.outer(share, share))
    difference = (observed - expected)[:-1]
    chi2 = float(difference @ np.linalg.pinv(variance[:-1, :-1]) @ difference)
    table = pd.DataFrame(
        {"group": labels, "n": member.sum(axis=1), "observed": observed, "expected": expected}
    )
    return table, chi2, float(stats.chi2.sf(chi2, len(labels) - 1))


@dataclass(frozen=True)
class Concordance:
    """How often, of two patients, the one with the higher score has the event first."""

    c_index: float
    error: float
    n_pairs: int

    def interval(self, confidence: float) -> tuple[float, float]:
        """Normal interval, cut at 0 and 1."""
        half = stats.norm.ppf(0.5 + confidence / 2) * self.error
        return max(0.0, self.c_index - half), min(1.0, self.c_index + half)


def measure_concordance(score: np.ndarray, time: np.ndarray, event: np.ndarray) -> Concordance:
    """Harrell's C-index with its infinitesimal-jackknife standard error.

    A pair counts if the shorter time is an event; a patient censored at the time of another's event
    counts as the longer. Equal scores count one half.

    Raises
    ------
    DataError
        If no pair can be compared.

    References
    ----------
    Harrell et al. (1996) Stat. Med. 15:361; the error as in R's survival 3.
    """
    score, time = np.asarray(score, dtype=float), np.asarray(time, dtype=float)
    event = np.asarray(event).astype(bool)
    later = (time[None, :] > time[:, None]) | ((time[None, :] == time[:, None]) & ~event[None, :])
    comparable = event[:, None] & later
    if not comparable.any():
        msg = f"no two of {len(time)} patients can be compared: none had an event before another's end"
        raise DataError(msg)
    higher = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
    concordant = np.where(comparable, higher, 0.0)
    n_pairs = int(comparable.sum())
    c_index = float(concordant.sum()) / n_pairs
    mine = concordant.sum(axis=0) + concordant.sum(axis=1)
    pairs = comparable.sum(axis=0) + comparable.sum(axis=1)
    influence = (mine - c_index * pairs) / n_pairs
    return Concordance(c_index, float(np.sqrt((influence**2).sum())), n_pairs)


def measure_auc(
    score: np.ndarray, time: np.ndarray, event: np.ndarray, *, horizons: list[float]
) -> pd.DataFrame:
    """Time-dependent AUC: how often an early event scores higher than a later one.

    Cases are weighted by the inverse probability of not being censored before their event.

    Returns
    -------
    ``time``, ``n_cases``, ``n_controls``, ``auc``; missing where there is no case or no control.

    References
    ----------
    Uno et al. (2007) J. Am. Stat. Assoc. 102:527. doi:10.1198/016214507000000149
    """
    score, time = np.asarray(score, dtype=float), np.asarray(time, dtype=float)
    event = np.asarray(event).astype(bool)
    # who is censored at the time of an event leaves after it
    end = np.nextafter(time, np.inf)
    censoring = estimate_survival(np.where(event, time, end), ~event)
    free = np.concatenate([[1.0], censoring["survival"].to_numpy()])
    free = free[np.searchsorted(censoring["time"].to_numpy(), end, side="right")]
    weight = 1 / np.where(free > 0, free, np.nan)
    rows = []
    for horizon in horizons:
        case, control = event & (time <= horizon), time > horizon
        row = {"time": horizon, "n_cases": int(case.sum()), "n_controls": int(control.sum())}
        auc = float("nan")
        if case.any() and control.any():
            higher = score[case][:, None] > score[control][None, :]
            ties = score[case][:, None] == score[control][None, :]
            won = (higher + 0.5 * ties).mean(axis=1)
            auc = float(np.average(won, weights=weight[case]))
        rows.append(row | {"auc": auc})
    return pd.DataFrame(rows)


def bootstrap_auc(
    score: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    *,
    horizons: list[float],
    n_draws: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """:func:`measure_auc` with intervals from patients drawn with replacement (percentiles)."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(n_draws):
        rows = rng.integers(0, len(time), len(time))
        part = measure_auc(score[rows], time[rows], event[rows], horizons=horizons)
        drawn.append(part["auc"].to_numpy())
    tail = (1 - confidence) / 2
    known = np.ma.masked_invalid(np.array(drawn))
    ends = [
        np.quantile(column.compressed(), [tail, 1 - tail]) if column.count() else [np.nan] * 2
        for column in known.T
    ]
    low, high = np.array(ends).T
    table = measure_auc(score, time, event, horizons=horizons)
    return table.assign(ci_low=low, ci_high=high)


def compare_calibration(
    predicted: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    *,
    horizon: float,
    n_groups: int,
    confidence: float,
) -> pd.DataFrame:
    """Predicted and seen survival until a time, in groups of patients of like prediction.

    Parameters
    ----------
    predicted
        Probability to have had no event until ``horizon``, shape (n_patients,).

    Returns
    -------
    One row a group, from the lowest prediction up: ``group``, ``n``, ``n_events``, ``predicted``
    (mean), ``observed`` (Kaplan-Meier) with ``ci_low``, ``ci_high``; these are missing where the
    follow-up of a group ends before ``horizon`` with patients still free of the event.
    """
    rank = pd.Series(predicted).rank(method="first").to_numpy()
    group = np.minimum((rank - 1) * n_groups // len(rank), n_groups - 1).astype(int)
    rows = []
    for k in range(n_groups):
        mine = group == k
        curve = estimate_survival(time[mine], event[mine], confidence=confidence)
        seen = {c: read_survival(curve, horizon, c) for c in ("survival", "ci_low", "ci_high")}
        if time[mine].max() < horizon and seen["survival"] > 0:
            seen = dict.fromkeys(seen, np.nan)
        row = {"group": k + 1, "n": int(mine.sum()), "predicted": float(predicted[mine].mean())}
        row["n_events"] = int(((time <= horizon) & event.astype(bool))[mine].sum())
        row |= {"observed": seen["survival"], "ci_low": seen["ci_low"], "ci_high": seen["ci_high"]}
        rows.append(row)
    return pd.DataFrame(rows)
