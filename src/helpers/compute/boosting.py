"""Stochastic gradient boosting of small trees, many targets on the same regulators (GRNBoost2).

scikit-learn's boosting takes one target at a time and, since it changed how it judges
out-of-bag gain, stops long before GRNBoost2 did; here regulators are cut into bins once and
every target's trees are grown on the bins, targets in parallel.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from scipy import sparse

N_THREADS = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
MAX_BINS = 64  # levels a regulator's expression is cut into at most
DEPTH = 3
N_NODES = 2 ** (DEPTH + 1) - 1
N_INNER = 2**DEPTH - 1
GOLDEN = 0x9E3779B97F4A7C15  # what SplitMix64 adds at each step
STREAM = 0xD1342543DE82EF95  # between the starts of two targets, so that their numbers differ
WINDOW = 25  # rounds over which the gain on cells left out is averaged


@dataclass(frozen=True)
class Boosting:
    """How trees are grown; the defaults are GRNBoost2's.

    Moerman et al. (2019) Bioinformatics 35:2159. doi:10.1093/bioinformatics/bty916
    """

    learning_rate: float = 0.01
    max_rounds: int = 5000
    features: float = 0.1
    """Share of the regulators each split may choose from."""
    sample: float = 0.9
    """Share of the cells each tree is grown on; the others say when to stop."""


def bin_columns(values: sparse.csc_matrix) -> np.ndarray:
    """Level of every value among those of its column, from 0, at most :data:`MAX_BINS`.

    Parameters
    ----------
    values
        At least 0, shape (n_cells, n_regulators). Zeros are the lowest level; the others are cut
        at their quantiles where they take more values than there are levels.

    Returns
    -------
    Shape (n_regulators, n_cells), uint8.
    """
    levels = np.zeros(values.shape[::-1], dtype=np.uint8)
    for column in range(values.shape[1]):
        inside = slice(values.indptr[column], values.indptr[column + 1])
        stored, rows = values.data[inside], values.indices[inside]
        shown = stored > 0
        edges = np.unique(stored[shown])
        if len(edges) >= MAX_BINS:
            edges = np.unique(np.quantile(stored[shown], np.linspace(0, 1, MAX_BINS - 1)))
        levels[column, rows[shown]] = np.searchsorted(edges, stored[shown]) + 1
    return levels


def boost_importances(
    levels: np.ndarray,
    targets: np.ndarray,
    own: np.ndarray,
    *,
    settings: Boosting,
    seed: int,
) -> np.ndarray:
    """Importance of every regulator for every target.

    Parameters
    ----------
    levels
        From :func:`bin_columns`, shape (n_regulators, n_cells).
    targets
        Expression of the targets, shape (n_targets, n_cells).
    own
        Number of the regulator each target itself is, which is left out; -1 where it is none.
    seed
        The result depends on it and not on how targets are shared out.

    Returns
    -------
    Shape (n_targets, n_regulators). The rows of a target's regulators add up to the number of
    trees it took, so that targets that can be told from regulators weigh more.
    """
    importances = np.zeros((len(targets), len(levels)))
    places = np.arange(len(levels))

    def boost(target: int) -> None:
        """One target, with random numbers of its own."""
        mix = (seed + target * STREAM) % 2**64
        _boost(
            levels, targets[target].astype(np.float64), places[places != own[target]],
            settings.learning_rate, settings.max_rounds, settings.features, settings.sample,
            np.array([mix], dtype=np.uint64), importances[target],
        )  # fmt: skip

    with ThreadPoolExecutor(N_THREADS) as pool:
        for _ in pool.map(boost, range(len(targets))):
            pass
    return importances


@numba.njit(cache=True)
def _next(state: np.ndarray) -> np.uint64:
    """SplitMix64: the next 64 random bits."""
    state[0] += np.uint64(GOLDEN)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True)
def _draw_first(items: np.ndarray, n: int, state: np.ndarray) -> None:
    """Put a random choice of ``n`` items in front."""
    for i in range(n):
        j = i + int(_next(state) % np.uint64(len(items) - i))
        items[i], items[j] = items[j], items[i]


@numba.njit(nogil=True, cache=True)
def _boost(
    levels: np.ndarray,
    target: np.ndarray,
    usable: np.ndarray,
    rate: float,
    max_rounds: int,
    features: float,
    sample: float,
    state: np.ndarray,
    importance: np.ndarray,
) -> None:
    """Boost one target and add up what every regulator explains."""
    n = len(target)
    residual = target - target.mean()
    n_in = max(1, int(sample * n))
    n_tried = max(1, int(features * len(usable)))
    cells, order = np.arange(n), np.empty(n, dtype=np.int64)
    recent, n_rounds = np.zeros(WINDOW), 0
    split, cut, leaf = _new_tree()
    for turn in range(max_rounds):
        _draw_first(cells, n_in, state)
        order[:n_in] = cells[:n_in]
        _grow(levels, residual, order[:n_in], usable, n_tried, state, split, cut, leaf, importance)
        gain = 0.0
        for place in range(n):
            cell = cells[place]
            step = rate * leaf[_find_leaf(levels, cell, split, cut)]
            if place >= n_in:
                gain += residual[cell] ** 2 - (residual[cell] - step) ** 2
            residual[cell] -= step
        n_rounds = turn + 1
        recent[turn % WINDOW] = gain
        if n_rounds >= WINDOW and recent.sum() < 0:
            break
    total = importance.sum()
    if total > 0:
        importance *= n_rounds / total


@numba.njit(cache=True)
def _new_tree() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Regulator (-1: none) and level each node splits at, and the mean of each node."""
    return np.full(N_NODES, -1), np.zeros(N_NODES, dtype=np.int64), np.zeros(N_NODES)


@numba.njit(cache=True)
def _find_leaf(levels: np.ndarray, cell: int, split: np.ndarray, cut: np.ndarray) -> int:
    node = 0
    while split[node] >= 0:
        node = 2 * node + (1 if levels[split[node], cell] <= cut[node] else 2)
    return node


@numba.njit(cache=True)
def _grow(
    levels: np.ndarray,
    residual: np.ndarray,
    order: np.ndarray,
    usable: np.ndarray,
    n_tried: int,
    state: np.ndarray,
    split: np.ndarray,
    cut: np.ndarray,
    leaf: np.ndarray,
    importance: np.ndarray,
) -> None:
    """Grow one tree on the cells of ``order``, adding each split's gain to the importance."""
    first, last = np.zeros(N_NODES, dtype=np.int64), np.zeros(N_NODES, dtype=np.int64)
    last[0] = len(order)
    split[:] = -1
    for node in range(N_NODES):
        inside = order[first[node] : last[node]]
        if len(inside) == 0:
            continue
        total = 0.0
        for cell in inside:
            total += residual[cell]
        leaf[node] = total / len(inside)
        if node >= N_INNER or len(inside) < 2:
            continue
        best, regulator, level = _find_split(
            levels, residual, inside, total, usable, n_tried, state
        )
        if regulator < 0:
            continue
        split[node], cut[node] = regulator, level
        importance[regulator] += best / len(order)
        middle = first[node] + _part(levels[regulator], inside, level)
        first[2 * node + 1], last[2 * node + 1] = first[node], middle
        first[2 * node + 2], last[2 * node + 2] = middle, last[node]


@numba.njit(cache=True)
def _find_split(
    levels: np.ndarray,
    residual: np.ndarray,
    inside: np.ndarray,
    total: float,
    usable: np.ndarray,
    n_tried: int,
    state: np.ndarray,
) -> tuple[float, int, int]:
    """The split that leaves the least variance, among regulators drawn that vary here.

    A regulator that does not vary in the node is passed over and another is drawn.
    """
    best, regulator, level = 0.0, -1, 0
    sums, counts = np.zeros(MAX_BINS), np.zeros(MAX_BINS, dtype=np.int64)
    n_seen, n_varying, n = 0, 0, len(inside)
    whole = total * total / n
    while n_seen < len(usable) and n_varying < n_tried:
        pick = n_seen + int(_next(state) % np.uint64(len(usable) - n_seen))
        usable[n_seen], usable[pick] = usable[pick], usable[n_seen]
        row = levels[usable[n_seen]]
        n_seen += 1
        sums[:] = 0.0
        counts[:] = 0
        for cell in inside:
            sums[row[cell]] += residual[cell]
            counts[row[cell]] += 1
        if counts.max() == n:
            continue
        n_varying += 1
        left, n_left = 0.0, 0
        for here in range(MAX_BINS - 1):
            if counts[here] == 0:
                continue
            left += sums[here]
            n_left += counts[here]
            if n_left == n:
                break
            gain = left * left / n_left + (total - left) ** 2 / (n - n_left) - whole
            if gain > best:
                best, regulator, level = gain, usable[n_seen - 1], here
    return best, regulator, level


@numba.njit(cache=True)
def _part(row: np.ndarray, inside: np.ndarray, level: int) -> int:
    """Put cells up to a level in front; how many those are."""
    left = 0
    for place in range(len(inside)):
        if row[inside[place]] <= level:
            inside[left], inside[place] = inside[place], inside[left]
            left += 1
    return left
