"""Dose-response curves: fits within bounds, half-maximal doses with intervals, areas, resistance."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from helpers.errors import DataError

CurveModel = Literal["LL.3", "LL.4", "LL.5", "W1.4"]
Kind = Literal["relative", "absolute"]
HALF = 0.5
N_PARAMETERS = {"LL.3": 3, "LL.4": 4, "LL.5": 5, "W1.4": 4}
ASYMMETRY = (0.05, 20.0)  # of the fifth parameter of LL.5
BEYOND = np.log(100.0)  # half-maximal doses are looked for this far outside the doses tested
FIRST_STEPS, ZOOM_STEPS = {1: 41, 2: 41, 3: 21}, {1: 17, 2: 7, 3: 7}
SHRINK = {1: 0.125, 2: 0.5, 3: 0.5}  # of the window; on a line to the best candidate's neighbours
PRECISION = 1e-3  # of logarithms of slope and dose, where the grid stops
MAX_ROUNDS = 200
WELL = ["line", "parental", "plate", "replicate", "drug", "unit", "dose", "viability", "gr"]


@dataclass(frozen=True)
class Bounds:
    """Where the plateaus and the slope of a curve may lie, responses being shares of the control."""

    bottom: tuple[float, float] = (-np.inf, np.inf)
    top: tuple[float, float] = (-np.inf, np.inf)
    slope: tuple[float, float] = (0.05, 50.0)


@dataclass(frozen=True)
class Curve:
    """A fitted curve: response against dose."""

    model: CurveModel
    slope: float
    bottom: float
    """Response at infinite dose."""
    top: float
    """Response without drug."""
    half_dose: float
    """Dose halfway between the plateaus (relative IC50, drc's ED50)."""
    asymmetry: float
    rss: float
    n: int

    @property
    def df(self) -> int:
        return self.n - N_PARAMETERS[self.model]

    def predict(self, dose: np.ndarray) -> np.ndarray:
        """Response at each dose."""
        with np.errstate(divide="ignore"):
            z = self.slope * (np.log(dose) - np.log(self.half_dose))
        left = _remaining(z, np.log(self.asymmetry), self.model)
        return np.asarray(self.bottom + (self.top - self.bottom) * left)

    def find_dose(self, response: float) -> float:
        """Dose at which the curve takes a response; missing if it never does."""
        share = (response - self.bottom) / (self.top - self.bottom or np.nan)
        if not 0 < share < 1:
            return float("nan")
        z = _position(share, np.log(self.asymmetry), self.model)
        return float(self.half_dose * np.exp(z / self.slope))


def _remaining(z: np.ndarray, log_f: np.ndarray | float, model: CurveModel) -> np.ndarray:
    """Share of the effect still to come; one half at z = 0, falling from 1 to 0."""
    if model == "W1.4":
        return np.asarray(np.exp(-np.log(2) * np.exp(np.minimum(z, 700))))
    if model == "LL.5":
        f = np.exp(log_f)
        shift = np.log(np.expm1(np.log(2) / f))
        return np.asarray(np.exp(-f * np.logaddexp(0, z + shift)))
    return np.asarray(special.expit(-z))


def _position(share: float, log_f: float, model: CurveModel) -> float:
    """Inverse of :func:`_remaining`."""
    if model == "W1.4":
        return float(np.log(-np.log2(share)))
    if model == "LL.5":
        f = np.exp(log_f)
        shift = np.log(np.expm1(np.log(2) / f))
        return float(np.log(np.expm1(-np.log(share) / f)) - shift)
    return float(special.logit(1 - share))


@dataclass(frozen=True)
class _Problem:
    """A curve to fit; plateaus are solved for exactly, slope and dose are searched.

    Wells of one dose enter as their mean and number: with the sum of squares of all wells, that
    is the sum of squared residuals of every well, for a fraction of the work.
    """

    log_dose: np.ndarray
    """One entry a dose."""
    response: np.ndarray
    """Mean of the wells of each dose."""
    n_wells: np.ndarray
    total: float
    """Sum of squares of all wells' responses."""
    model: CurveModel
    bounds: Bounds
    half_at: float | None = None
    """Log dose at which half of the control must be left, for profiles of absolute doses."""

    def solve(self, theta: np.ndarray) -> np.ndarray:
        """Best plateaus of each candidate: bottom, top, residual sum of squares, shape (k, 3).

        ``theta`` holds log slope, log half dose and log asymmetry, shape (k, 3).
        """
        slope = np.exp(theta[:, :1])
        z = slope * (self.log_dose[None, :] - theta[:, 1:2])
        left = _remaining(z, theta[:, 2:], self.model)
        if self.half_at is None:
            return _fit_plateaus(left, self)
        z_half = slope[:, 0] * (self.half_at - theta[:, 1])
        left_half = _remaining(z_half, theta[:, 2], self.model)
        return _fit_through_half(left, left_half, self)

    def residual(self, theta: np.ndarray) -> np.ndarray:
        """What one candidate leaves of the means, dose by dose, weighted by their wells."""
        bottom, top, _ = self.solve(theta[None, :])[0]
        z = np.exp(theta[0]) * (self.log_dose - theta[1])
        left = _remaining(z, theta[2], self.model)
        off = bottom + (top - bottom) * left - self.response
        return np.asarray(np.sqrt(self.n_wells) * off)


def _fit_plateaus(left: np.ndarray, problem: _Problem) -> np.ndarray:
    """Least squares of ``bottom (1 - left) + top left`` within a box, for every row of ``left``.

    The minimum of a quadratic over a box is its own minimum or lies on an edge.
    """
    gone, bounds, n = 1 - left, problem.bounds, problem.n_wells
    gg, gl, ll = gone**2 @ n, (gone * left) @ n, left**2 @ n
    sums = n * problem.response
    gy, ly, yy = gone @ sums, left @ sums, problem.total
    candidates = []
    if _is_open(bounds.bottom) and _is_open(bounds.top):
        determinant = gg * ll - gl**2
        safe = np.where(determinant > 1e-12 * gg * ll, determinant, np.inf)
        inner = ((ll * gy - gl * ly) / safe, (gg * ly - gl * gy) / safe)
        inside = (
            np.isfinite(safe) & _within(inner[0], bounds.bottom) & _within(inner[1], bounds.top)
        )
        candidates.append((np.where(inside, inner[0], np.nan), np.where(inside, inner[1], np.nan)))
    # An edge of no width holds the minimum: the others need no look.
    for bottom in dict.fromkeys(bounds.bottom) if _is_open(bounds.top) else ():
        if np.isfinite(bottom):
            top = np.clip((ly - bottom * gl) / np.maximum(ll, 1e-300), *bounds.top)
            candidates.append((np.full(len(left), bottom), top))
    for top in dict.fromkeys(bounds.top) if _is_open(bounds.bottom) else ():
        if np.isfinite(top):
            bottom = np.clip((gy - top * gl) / np.maximum(gg, 1e-300), *bounds.bottom)
            candidates.append((bottom, np.full(len(left), top)))
    if not candidates:
        candidates = [(np.full(len(left), bounds.bottom[0]), np.full(len(left), bounds.top[0]))]
    table = np.stack([np.stack(pair, axis=-1) for pair in candidates])
    c, d = table[..., 0], table[..., 1]
    rss = yy - 2 * (c * gy + d * ly) + c**2 * gg + 2 * c * d * gl + d**2 * ll
    rss = np.where(np.isnan(rss), np.inf, np.maximum(rss, 0.0))
    best = rss.argmin(axis=0)
    row = np.arange(len(left))
    return np.column_stack([c[best, row], d[best, row], rss[best, row]])


def _fit_through_half(left: np.ndarray, left_half: np.ndarray, problem: _Problem) -> np.ndarray:
    """As :func:`_fit_plateaus` with the curve at one half where ``left`` is ``left_half``.

    The top then sets the bottom, so that the bounds of both are bounds of the top.
    """
    bounds, n, y = problem.bounds, problem.n_wells, problem.response
    possible = (left_half > 1e-9) & (left_half < 1 - 1e-9)
    here = np.where(possible, left_half, HALF)
    gone = (1 - left) / (1 - here)[:, None]
    offset, shape = HALF * gone, left - here[:, None] * gone
    lowest, highest = ((HALF - end * (1 - here)) / here for end in reversed(bounds.bottom))
    lowest, highest = np.maximum(lowest, bounds.top[0]), np.minimum(highest, bounds.top[1])
    best = ((y - offset) * shape) @ n / np.maximum(shape**2 @ n, 1e-300)
    top = np.clip(best, lowest, highest)
    bottom = (HALF - top * here) / (1 - here)
    within = max(problem.total - float(n @ y**2), 0.0)
    rss = (y - offset - top[:, None] * shape) ** 2 @ n + within
    allowed = possible & (lowest <= highest + 1e-12)
    return np.column_stack([bottom, top, np.where(allowed, rss, np.inf)])


def _is_open(bounds: tuple[float, float]) -> bool:
    return bounds[0] < bounds[1]


def _within(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return np.asarray((values >= bounds[0] - 1e-12) & (values <= bounds[1] + 1e-12))


def _search(problem: _Problem, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """Candidate with the least residual between two corners, by a grid that zooms in.

    The window moves to the best candidate and shrinks once that lies near its middle, so that it
    follows narrow valleys.
    """
    free = np.flatnonzero(highs > lows)
    n_first, n_steps = FIRST_STEPS.get(len(free), 1), ZOOM_STEPS.get(len(free), 1)
    best = _best_of(problem, lows, highs, n_first)
    width = 2 * (highs - lows) / max(1, n_first - 1)
    for _ in range(MAX_ROUNDS):
        low, high = np.maximum(lows, best - width), np.minimum(highs, best + width)
        found = _best_of(problem, low, high, n_steps)
        if (np.abs(found - best) <= width / 2).all():
            width = width * SHRINK.get(len(free), 0.5)
        best = found
        if width.max() < PRECISION:
            break
    return best


def _polish(
    problem: _Problem, theta: np.ndarray, lows: np.ndarray, highs: np.ndarray
) -> np.ndarray:
    """The minimum beside a candidate, by least squares; the plateaus follow slope and dose."""
    free = highs > lows
    inside = np.clip(theta, lows + 1e-9, highs - 1e-9)[free]

    def residual(values: np.ndarray) -> np.ndarray:
        full = theta.copy()
        full[free] = values
        return problem.residual(full)

    found = optimize.least_squares(
        residual, inside, bounds=(lows[free], highs[free]), xtol=1e-10, ftol=1e-12, gtol=1e-12
    )
    polished = theta.copy()
    polished[free] = found.x
    better = problem.solve(np.stack([theta, polished]))[:, 2].argmin()
    return polished if better else theta


def _best_of(problem: _Problem, lows: np.ndarray, highs: np.ndarray, n: int) -> np.ndarray:
    axes = [
        np.linspace(low, high, n) if high > low else np.array([low])
        for low, high in zip(lows, highs, strict=True)
    ]
    theta = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(theta[problem.solve(theta)[:, 2].argmin()])


def _limits(dose: np.ndarray, model: CurveModel, bounds: Bounds) -> tuple[np.ndarray, np.ndarray]:
    """Corners between which slope, half dose and asymmetry are searched, as logarithms."""
    tested = np.log(dose[dose > 0])
    f = np.log(ASYMMETRY) if model == "LL.5" else (0.0, 0.0)
    slope = np.log(bounds.slope)
    return (
        np.array([slope[0], tested.min() - BEYOND, f[0]]),
        np.array([slope[1], tested.max() + BEYOND, f[1]]),
    )


def fit_curve(
    dose: np.ndarray,
    response: np.ndarray,
    *,
    model: CurveModel = "LL.4",
    bounds: Bounds | None = None,
) -> Curve:
    """Least-squares fit of a sigmoid curve within bounds.

    Parameters
    ----------
    dose, response
        One entry a well, shape (n_wells,); dose 0 is a control.
    model
        Names as in R's drc: log-logistic with the bottom at 0 (``LL.3``), free (``LL.4``) or
        asymmetric (``LL.5``), or Weibull type 1 (``W1.4``).
    bounds
        Limits of plateaus and slope; none if left out. For ``LL.3`` the bottom is 0.

    Raises
    ------
    DataError
        If there are no more wells than parameters (a fixed top is none), or fewer than two doses
        above 0.

    References
    ----------
    Ritz et al. (2015) PLoS ONE 10:e0146021. doi:10.1371/journal.pone.0146021
    """
    dose, response = np.asarray(dose, dtype=float), np.asarray(response, dtype=float)
    bounds = bounds or Bounds()
    n_free = N_PARAMETERS[model] - (not _is_open(bounds.top))
    if len(dose) <= n_free or len(np.unique(dose[dose > 0])) < 2:
        msg = (
            f"{len(dose)} wells at {len(np.unique(dose[dose > 0]))} doses are too few for a curve of "
            f"{n_free} parameters"
        )
        raise DataError(msg)
    if model == "LL.3":
        bounds = replace(bounds, bottom=(0.0, 0.0))
    problem = _pose(dose, response, model, bounds)
    lows, highs = _limits(dose, model, bounds)
    theta = _polish(problem, _search(problem, lows, highs), lows, highs)
    bottom, top, rss = problem.solve(theta[None, :])[0]
    slope, half, f = np.exp(theta)
    return Curve(model, slope, bottom, top, half, f, float(rss), len(dose))


def _pose(dose: np.ndarray, response: np.ndarray, model: CurveModel, bounds: Bounds) -> _Problem:
    doses, place, n_wells = np.unique(dose, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=response) / n_wells
    with np.errstate(divide="ignore"):
        log_dose = np.log(doses)
    return _Problem(
        log_dose, mean, n_wells.astype(float), float(response @ response), model, bounds
    )


def profile_dose(
    dose: np.ndarray,
    response: np.ndarray,
    curve: Curve,
    *,
    bounds: Bounds | None = None,
    kind: Kind = "relative",
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Interval of the half-maximal dose by profile likelihood.

    A dose belongs to the interval if the best curve with its half there fits not significantly
    worse (F-test on the residual sums of squares).

    Parameters
    ----------
    curve
        The best fit, from :func:`fit_curve` with the same ``bounds``.
    kind
        ``relative``: halfway between the plateaus; ``absolute``: half of the control is left.

    Returns
    -------
    Lower and upper end; 0 or infinity where the data give no limit.

    References
    ----------
    Bates & Watts (1988) Nonlinear Regression Analysis, Wiley, chapter 6.
    """
    bounds = bounds or Bounds()
    if curve.model == "LL.3":
        bounds = replace(bounds, bottom=(0.0, 0.0))
    dose, response = np.asarray(dose, dtype=float), np.asarray(response, dtype=float)
    problem = _pose(dose, response, curve.model, bounds)
    limits = _limits(dose, curve.model, bounds)
    best = curve.half_dose if kind == "relative" else curve.find_dose(HALF)
    if np.isnan(best):
        return float("nan"), float("nan")
    cut = curve.rss * (1 + stats.f.ppf(confidence, 1, curve.df) / curve.df)
    start = np.log(best)
    ends = [
        _cross(problem, limits, kind, start, stop=stop, cut=cut)
        for stop in (limits[0][1], limits[1][1])
    ]
    low, high = (np.exp(end) if end is not None else None for end in ends)
    return (0.0 if low is None else float(low), np.inf if high is None else float(high))


def _cross(
    problem: _Problem,
    limits: tuple[np.ndarray, np.ndarray],
    kind: Kind,
    start: float,
    *,
    stop: float,
    cut: float,
) -> float | None:
    """Where the profile rises above ``cut`` on the way to ``stop``; none if it does not."""

    def excess(log_half: float) -> float:
        return min(_profile(problem, limits, kind, log_half), 1e6 * cut) - cut

    inside, step = start, 0.1 * np.sign(stop - start)
    while True:
        outside = inside + step
        if abs(outside - start) >= abs(stop - start):
            outside = stop
        if excess(outside) > 0:
            break
        if outside == stop:
            return None
        inside, step = outside, 2 * step
    if excess(inside) >= 0:
        return float(inside)
    return float(optimize.brentq(excess, inside, outside, xtol=1e-4))


def _profile(
    problem: _Problem, limits: tuple[np.ndarray, np.ndarray], kind: Kind, log_half: float
) -> float:
    """Least residual of all curves with their half at a dose."""
    lows, highs = limits[0].copy(), limits[1].copy()
    if kind == "relative":
        lows[1] = highs[1] = log_half
    else:
        problem = replace(problem, half_at=log_half)
    theta = _search(problem, lows, highs)
    return float(problem.solve(theta[None, :])[0, 2])


# From plates to tables


def normalise_wells(wells: pd.DataFrame) -> pd.DataFrame:
    """Responses as shares of the line's untreated wells on the same plate.

    Parameters
    ----------
    wells
        ``line``, ``plate``, ``dose``, ``dose_2``, ``response`` and ``start``, as
        :func:`helpers.io.dose_response.read_dose_response` gives them.

    Returns
    -------
    The wells with ``viability`` (1: as the control) and ``gr``, the growth rate against that of the
    control (1: as the control, 0: no growth, below: fewer cells than at the start), missing without
    ``start``.

    References
    ----------
    Hafner et al. (2016) Nat. Methods 13:521. doi:10.1038/nmeth.3853
    """
    untreated = (wells["dose"] == 0) & (wells["dose_2"] == 0)
    keys = [wells["line"], wells["plate"]]
    control = wells["response"].where(untreated).groupby(keys).transform("mean")
    viability = wells["response"] / control
    grown = np.log2(control / wells["start"])
    with np.errstate(divide="ignore"):
        growth = np.log2(wells["response"] / wells["start"]) / grown.where(grown > 0)
    gr = np.exp2(growth.astype(float)) - 1
    return wells.assign(viability=viability, gr=gr)


def list_single(wells: pd.DataFrame) -> pd.DataFrame:
    """Wells with at most one drug, one row for each drug they belong to.

    Untreated wells are controls of every drug measured on their line and plate. Of a well with a
    second drug at dose 0, and of one with the first at dose 0, the other drug is the one.
    """
    first = wells[(wells["dose"] > 0) & (wells["dose_2"] == 0)]
    second = wells[(wells["dose"] == 0) & (wells["dose_2"] > 0)]
    second = second.drop(columns=["drug", "dose", "unit"])
    second = second.rename(columns={"drug_2": "drug", "dose_2": "dose", "unit_2": "unit"})
    treated = pd.concat([first[WELL], second[WELL]], ignore_index=True)
    untreated = wells[(wells["dose"] == 0) & (wells["dose_2"] == 0)]
    drugs = treated[["line", "plate", "drug", "unit"]].drop_duplicates()
    controls = drugs.merge(untreated.drop(columns=["drug", "unit"]), on=["line", "plate"])
    single = pd.concat([treated, controls[WELL]], ignore_index=True)
    return single.sort_values(["drug", "line", "plate", "dose"], kind="stable", ignore_index=True)


@dataclass(frozen=True)
class CurveSettings:
    """How curves are fitted and when a half-maximal dose is given at all."""

    model: CurveModel = "LL.4"
    kind: Kind = "relative"
    bounds: Bounds = field(default_factory=lambda: Bounds((0.0, 1.0), (0.5, 1.5), (0.2, 15.0)))
    min_doses: int = 5
    min_effect: float = 0.2
    alpha: float = 0.05
    confidence: float = 0.95


def describe_curves(single: pd.DataFrame, settings: CurveSettings) -> pd.DataFrame:
    """Curve of every line and drug, all plates together: IC50 or the reason why there is none.

    Parameters
    ----------
    single
        From :func:`list_single`; the well is the unit.

    Returns
    -------
    One row a line and drug: ``ic50`` with ``ci_low``, ``ci_high`` (profile likelihood) in ``unit``,
    ``ic50_relative``, ``ic50_absolute``, ``slope``, ``bottom``, ``top``, ``auc`` with its interval
    (area under the measured responses over the log dose, 1: no effect), ``gr50`` with its
    interval, ``status`` (fitted, flat, dead, beyond, few doses) and ``reason``.
    """
    rows = []
    for (line, drug), mine in single.groupby(["line", "drug"], sort=False):
        head = {"line": line, "parental": mine["parental"].max(), "drug": drug}
        head |= {"unit": mine["unit"].iloc[0], "n_wells": len(mine)}
        head["n_plates"] = mine["plate"].nunique()
        tested = mine.loc[mine["dose"] > 0, "dose"]
        head |= {"n_doses": tested.nunique(), "dose_min": tested.min(), "dose_max": tested.max()}
        rows.append(head | describe_curve(mine, settings) | _describe_growth(mine, settings))
    return pd.DataFrame(rows, columns=CURVES)


CURVES = [
    "line", "parental", "drug", "ic50", "ci_low", "ci_high", "unit", "status", "auc", "auc_low",
    "auc_high", "gr50", "gr50_low", "gr50_high", "ic50_relative", "ic50_absolute", "slope",
    "bottom", "top", "asymmetry", "half_dose", "n_wells", "n_plates", "n_doses", "dose_min",
    "dose_max", "reason",
]  # fmt: skip
EMPTY = dict.fromkeys(
    ("ic50", "ci_low", "ci_high", "ic50_relative", "ic50_absolute", "slope", "bottom", "top",
     "asymmetry", "half_dose", "auc", "auc_low", "auc_high"), np.nan,
)  # fmt: skip


def describe_curve(mine: pd.DataFrame, settings: CurveSettings) -> dict[str, object]:
    """Area, curve and half-maximal dose of one line and drug."""
    dose, response = mine["dose"].to_numpy(), mine["viability"].to_numpy()
    n_doses = len(np.unique(dose[dose > 0]))
    if n_doses < settings.min_doses:
        reason = f"{n_doses} doses are too few for a curve; {settings.min_doses} are needed"
        return EMPTY | {"status": "few doses", "reason": reason}
    if len(dose) <= N_PARAMETERS[settings.model]:
        reason = f"{len(dose)} wells are too few for a curve of {N_PARAMETERS[settings.model]} parameters"
        return EMPTY | {"status": "few doses", "reason": reason}
    area = measure_area(dose, response, confidence=settings.confidence)
    row = EMPTY | dict(zip(("auc", "auc_low", "auc_high"), area, strict=True))
    curve = fit_curve(dose, response, model=settings.model, bounds=settings.bounds)
    row |= {"slope": curve.slope, "bottom": curve.bottom, "top": curve.top}
    row |= {"asymmetry": curve.asymmetry}
    status, reason = judge_curve(dose, response, curve, settings)
    if status != "fitted":
        return row | {"status": status, "reason": reason}
    row |= {"half_dose": curve.half_dose, "ic50_relative": curve.half_dose}
    row |= {"ic50_absolute": curve.find_dose(HALF)}
    low, high = profile_dose(
        dose,
        response,
        curve,
        bounds=settings.bounds,
        kind=settings.kind,
        confidence=settings.confidence,
    )
    ic50 = row[f"ic50_{settings.kind}"]
    return row | {"ic50": ic50, "ci_low": low, "ci_high": high, "status": status, "reason": reason}


def judge_curve(
    dose: np.ndarray, response: np.ndarray, curve: Curve, settings: CurveSettings
) -> tuple[str, str]:
    """Whether a curve has a half-maximal dose within what was tested, and the reason if not.

    Returns
    -------
    ``fitted``, ``flat`` (no effect to speak of), ``dead`` (below half at the lowest dose) or
    ``beyond`` (half is not reached), and a sentence.
    """
    low, high = dose[dose > 0].min(), dose.max()
    at_low = response[dose == low].mean()
    if at_low < HALF * curve.top and at_low < HALF:
        return "dead", f"{at_low:.0%} is left at the lowest dose ({low:g}): the IC50 lies below it"
    lost = 1 - float(curve.predict(np.array([high]))[0]) / curve.top
    total = ((response - response.mean()) ** 2).sum()
    df = N_PARAMETERS[curve.model] - 1
    f = (total - curve.rss) / df / (curve.rss / curve.df) if curve.rss > 0 else np.inf
    if lost < settings.min_effect or stats.f.sf(f, df, curve.df) >= settings.alpha:
        return "flat", f"the response falls by {max(lost, 0):.0%} up to {high:g}: there is no IC50"
    half = curve.half_dose if settings.kind == "relative" else curve.find_dose(HALF)
    if not low <= half <= high:
        left = float(curve.predict(np.array([high]))[0]) / curve.top
        side = "below the lowest" if half < low else "beyond the highest"
        edge = low if half < low else high
        return "beyond", f"{left:.0%} is left at {high:g}: the IC50 lies {side} dose ({edge:g})"
    return "fitted", ""


def measure_area(
    dose: np.ndarray, response: np.ndarray, *, confidence: float
) -> tuple[float, float, float]:
    """Mean response over the log doses tested, by trapezoids of the means at each dose.

    The area is a weighted sum of means, so that its interval is exact (t, pooled variance within
    doses); it is missing without a second well at any dose.

    Returns
    -------
    Area (1: as the control at every dose), lower and upper end.
    """
    tested = dose > 0
    groups = pd.Series(response[tested]).groupby(dose[tested])
    mean, n = groups.mean(), groups.size()
    log = np.log(mean.index.to_numpy(dtype=float))
    weight = np.gradient(log) if len(log) > 2 else np.ones(len(log))
    weight[0], weight[-1] = (log[1] - log[0]) / 2, (log[-1] - log[-2]) / 2
    weight[1:-1] = (log[2:] - log[:-2]) / 2
    weight /= weight.sum()
    area = float(weight @ mean.to_numpy())
    df = int((n - 1).sum())
    if df == 0:
        return area, float("nan"), float("nan")
    variance = float((groups.var(ddof=0) * n).sum() / df)
    half = stats.t.ppf(0.5 + confidence / 2, df) * np.sqrt(variance * (weight**2 / n).sum())
    return area, area - float(half), area + float(half)


def _describe_growth(mine: pd.DataFrame, settings: CurveSettings) -> dict[str, float]:
    """GR50: the dose at which the growth rate is half of the control's."""
    known = mine[np.isfinite(mine["gr"])]
    row = dict.fromkeys(("gr50", "gr50_low", "gr50_high"), np.nan)
    if known.loc[known["dose"] > 0, "dose"].nunique() < settings.min_doses:
        return row
    if len(known) <= N_PARAMETERS["LL.4"]:
        return row
    dose, gr = known["dose"].to_numpy(), known["gr"].to_numpy()
    bounds = Bounds((-1.0, 1.0), (1.0, 1.0), settings.bounds.slope)
    curve = fit_curve(dose, gr, model="LL.4", bounds=bounds)
    found = curve.find_dose(HALF)
    if not dose[dose > 0].min() <= found <= dose.max():
        return row
    ends = profile_dose(
        dose, gr, curve, bounds=bounds, kind="absolute", confidence=settings.confidence
    )
    return dict(zip(row, (found, *ends), strict=True))


def draw_curves(curves: pd.DataFrame, *, model: CurveModel, n_points: int = 80) -> pd.DataFrame:
    """Points of the fitted curves over the doses tested, for the eye.

    Returns
    -------
    ``line``, ``drug``, ``dose``, ``viability``; curves without an IC50 have no row.
    """
    parts = []
    for row in curves[curves["status"] == "fitted"].itertuples():
        dose = np.geomspace(row.dose_min, row.dose_max, n_points)
        shape = (row.slope, row.bottom, row.top, row.half_dose, row.asymmetry)
        curve = Curve(model, *shape, rss=0.0, n=row.n_wells)
        drawn = {"line": row.line, "drug": row.drug, "dose": dose}
        parts.append(pd.DataFrame(drawn | {"viability": curve.predict(dose)}))
    empty = pd.DataFrame(columns=["line", "drug", "dose", "viability"])
    return pd.concat(parts, ignore_index=True) if parts else empty


def span(numbers: pd.Series) -> str:
    """A whole number, or the least and the greatest of several."""
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low}" if low == high else f"{low} to {high}"


def summarise_wells(single: pd.DataFrame) -> pd.DataFrame:
    """Mean viability of every line and drug at every dose, with ``sd`` and ``n_wells``."""
    grouped = single.groupby(["line", "drug", "unit", "dose"], sort=False)["viability"]
    return grouped.agg(viability="mean", sd="std", n_wells="size").reset_index()


# Resistance


def describe_plates(single: pd.DataFrame, settings: CurveSettings) -> pd.DataFrame:
    """``ic50`` of every line and drug on every plate, where the plate's own wells give one."""
    rows = []
    for (line, drug, plate), mine in single.groupby(["line", "drug", "plate"], sort=False):
        dose, response = mine["dose"].to_numpy(), mine["viability"].to_numpy()
        if len(np.unique(dose[dose > 0])) < settings.min_doses:
            continue
        if len(dose) <= N_PARAMETERS[settings.model]:
            continue
        curve = fit_curve(dose, response, model=settings.model, bounds=settings.bounds)
        if judge_curve(dose, response, curve, settings)[0] != "fitted":
            continue
        relative = settings.kind == "relative"
        ic50 = curve.half_dose if relative else curve.find_dose(HALF)
        rows.append({"line": line, "drug": drug, "plate": plate, "ic50": ic50})
    return pd.DataFrame(rows, columns=["line", "drug", "plate", "ic50"])


def compare_lines(curves: pd.DataFrame, plates: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """Resistance index: IC50 of a line over that of its parental line, as log2 ratio.

    Twice: with the well as the unit (profile intervals of both IC50 combined), and with the plate,
    that is the experiment, as the unit (t-interval of the log ratio, Welch), where both lines have
    a curve on two plates.

    Parameters
    ----------
    curves
        From :func:`describe_curves`.
    plates
        From :func:`describe_plates`.

    Returns
    -------
    ``line``, ``parental``, ``drug``, ``unit`` (well or plate), ``n_reference``, ``n_test``,
    ``effect`` (log2) with ``ci_low``, ``ci_high``, ``index`` (ratio) with ``index_low``,
    ``index_high``, ``pvalue``, ``reason``.

    References
    ----------
    Donner & Zou (2012) Stat. Methods Med. Res. 21:347. doi:10.1177/0962280210383082
    """
    rows = []
    for row in curves[curves["parental"] != ""].to_dict("records"):
        parent = curves[(curves["line"] == row["parental"]) & (curves["drug"] == row["drug"])]
        if parent.empty:
            continue
        head = {name: row[name] for name in ("line", "parental", "drug")}
        other = parent.iloc[0].to_dict()
        rows.append(head | {"unit": "well"} | compare_wells(row, other))
        mine, theirs = (
            np.log2(plates.loc[(plates["line"] == name) & (plates["drug"] == row["drug"]), "ic50"])
            for name in (row["line"], row["parental"])
        )
        rows.append(head | {"unit": "plate"} | _compare_plates(mine, theirs, confidence))
    columns = ["line", "parental", "drug", "unit", "n_reference", "n_test", "effect"]
    columns += ["ci_low", "ci_high", "pvalue", "reason"]
    table = pd.DataFrame(rows, columns=columns)
    ends = ("effect", "ci_low", "ci_high")
    for name, end in zip(("index", "index_low", "index_high"), ends, strict=True):
        table[name] = np.exp2(table[end].astype(float))
    return table


def compare_wells(test: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """Log2 ratio of two IC50 with the interval their own intervals give (MOVER)."""
    sizes = {"n_reference": reference["n_wells"], "n_test": test["n_wells"], "pvalue": np.nan}
    missing = dict.fromkeys(("effect", "ci_low", "ci_high"), np.nan)
    for one in (test, reference):
        if one["status"] != "fitted":
            return sizes | missing | {"reason": f"{one['line']}: {one['reason']}"}
    with np.errstate(divide="ignore"):
        a, a_low, a_high = np.log2([test["ic50"], test["ci_low"], test["ci_high"]])
        b, b_low, b_high = np.log2([reference["ic50"], reference["ci_low"], reference["ci_high"]])
    low = a - b - np.hypot(a - a_low, b_high - b)
    high = a - b + np.hypot(a_high - a, b - b_low)
    reason = "" if np.isfinite([low, high]).all() else "an IC50 has no limit on one side"
    return sizes | {"effect": a - b, "ci_low": low, "ci_high": high, "reason": reason}


def _compare_plates(test: pd.Series, reference: pd.Series, confidence: float) -> dict[str, object]:
    sizes = {"n_reference": len(reference), "n_test": len(test)}
    if min(len(test), len(reference)) < 2:
        reason = (
            f"an interval between plates needs a curve on 2 plates of each line; there are {len(test)} "
            f"and {len(reference)}"
        )
        missing = dict.fromkeys(("effect", "ci_low", "ci_high", "pvalue"), np.nan)
        return sizes | missing | {"reason": reason}
    welch = stats.ttest_ind(test, reference, equal_var=False)
    low, high = welch.confidence_interval(confidence)
    effect = test.mean() - reference.mean()
    numbers = {"effect": effect, "ci_low": low, "ci_high": high, "pvalue": welch.pvalue}
    return sizes | numbers | {"reason": ""}


def rate_doses(truth: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Planted IC50 beside those found.

    Parameters
    ----------
    truth
        ``line``, ``drug``, ``ic50_um``.
    curves
        From :func:`describe_curves`.

    Returns
    -------
    ``line``, ``drug``, ``planted``, ``ic50``, ``ci_low``, ``ci_high``, ``covered``.
    """
    found = truth[["line", "drug", "ic50_um"]].merge(curves, on=["line", "drug"], how="left")
    found = found.rename(columns={"ic50_um": "planted"})
    covered = (found["ci_low"] <= found["planted"]) & (found["planted"] <= found["ci_high"])
    columns = ["line", "drug", "planted", "ic50", "ci_low", "ci_high"]
    return found[columns].assign(covered=covered)


def iterate_pairs(wells: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame]]:
    """Line and the two drugs of each matrix, with its wells."""
    two = wells[wells["drug_2"] != ""]
    for key, mine in two.groupby(["line", "drug", "drug_2"], sort=False):
        line, first, second = (str(name) for name in key)
        yield (line, first, second), mine
