"""A smooth trend through points: local quadratic regression, computed as R's loess does."""

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from helpers.errors import DataError

CELL = 0.2  # loess: share of a neighbourhood's points that one piece of the curve may hold
MARGIN = 0.005  # loess: the curve reaches this share of the range beyond the points
N_COEFFICIENTS = 3  # of a quadratic


def fit_trend(x: np.ndarray, y: np.ndarray, *, span: float) -> np.ndarray:
    """Local quadratic regression of ``y`` on ``x``, evaluated at every ``x``.

    The range is cut into pieces, a quadratic is fitted at each knot to the nearest points, and
    values and slopes at the knots are joined by cubics: loess of degree 2 with its surface
    interpolated. Where several ``x`` are equal and leave a fit underdetermined, the smallest
    coefficients are taken, as in R; where R gives up because the nearest points all lie on the
    edge of the neighbourhood, the neighbourhood is widened.

    Parameters
    ----------
    x, y
        Shape (n_points,).
    span
        Share of the points in each neighbourhood, at most 1.

    Raises
    ------
    DataError
        If there are too few points for a quadratic, see :func:`can_fit_trend`.

    References
    ----------
    Cleveland & Grosse (1991) Stat. Comput. 1:47. doi:10.1007/BF01890836
    """
    if not can_fit_trend(x, span=span):
        msg = (
            f"{len(x)} points at {len(np.unique(x))} places are too few for a trend of span {span}"
        )
        raise DataError(msg)
    order = np.argsort(x, kind="stable")
    x_sorted, y_sorted = x[order], y[order]
    knots = _cut(x_sorted, n_most=int(len(x) * span * CELL))
    n_near = int(len(x) * span + 1e-5)
    fits = np.array([_fit_at(knot, x_sorted, y_sorted, n_near) for knot in knots])
    return np.asarray(CubicHermiteSpline(knots, fits[:, 0], fits[:, 1])(x))


def can_fit_trend(x: np.ndarray, *, span: float) -> bool:
    """Whether a neighbourhood holds three points, and the points lie at three places or more."""
    return len(x) * span >= N_COEFFICIENTS and len(np.unique(x)) >= N_COEFFICIENTS


def _cut(x: np.ndarray, *, n_most: int) -> np.ndarray:
    """Knots that cut sorted points into pieces of at most ``n_most``, equal ones kept together."""
    margin = MARGIN * (x[-1] - x[0])
    knots = {x[0] - margin, x[-1] + margin}
    pieces = [(0, len(x) - 1)]
    while pieces:
        first, last = pieces.pop()
        middle = _middle(x, first, last) if last - first >= n_most else None
        if middle is not None:
            knots.add(x[middle])
            pieces += [(first, middle), (middle + 1, last)]
    return np.array(sorted(knots))


def _middle(x: np.ndarray, first: int, last: int) -> int | None:
    """The point nearest the middle of a piece that the next one is not equal to, if any."""
    middle = (first + last) // 2
    ends = np.flatnonzero(x[first:last] < x[first + 1 : last + 1]) + first
    if len(ends) == 0:
        return None
    # Of two equally near the later one, as loess steps right first.
    distance = np.abs(ends - middle) - 0.5 * (ends > middle)
    return int(ends[distance.argmin()])


def _fit_at(knot: float, x: np.ndarray, y: np.ndarray, n_near: int) -> tuple[float, float]:
    """Value and slope at a knot of the quadratic through its neighbours, tricube-weighted."""
    distance = np.abs(x - knot)
    radius = np.partition(distance, n_near - 1)[n_near - 1]
    if not (distance < radius).any():
        radius = _widened(distance)
    near = distance < radius
    root = (1 - (distance[near] / radius) ** 3) ** 1.5
    terms = root[:, None] * (x[near] - knot)[:, None] ** np.arange(N_COEFFICIENTS)
    scale = np.linalg.norm(terms, axis=0)
    scale[scale == 0] = 1.0
    # Singular values below a hundred roundings are taken for zero.
    inverse = np.linalg.pinv(terms / scale, rcond=100 * np.finfo(float).eps)
    value, slope, _ = inverse @ (root * y[near]) / scale
    return float(value), float(slope)


def _widened(distance: np.ndarray) -> float:
    """A radius that leaves points at three distances inside, or all there are."""
    different = np.unique(distance)
    if len(different) > N_COEFFICIENTS:
        return float(different[N_COEFFICIENTS])
    return float(2 * different[-1])
