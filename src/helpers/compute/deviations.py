"""How open the peaks of a motif are in every nucleus, beyond depth and peaks alike (chromVAR)."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from helpers.errors import DataError

N_BINS, WIDTH = 50, 0.1  # chromVAR's grid of peaks alike, and how far a draw reaches on it
MIN_EXPECTED = 1.0  # insertions a motif must lead to expect of a nucleus to be judged
CHUNK = 2000  # nuclei worked on at a time


@dataclass(frozen=True)
class PeakBins:
    """Peaks sorted by accessibility and GC content, and which bins stand in for each other."""

    member: np.ndarray
    """Bin of every peak."""
    reach: np.ndarray
    """Probability that the background of a peak of one bin comes from another; rows add to 1."""
    place: np.ndarray
    """Accessibility and GC content of every peak, whitened, shape (n_peaks, 2)."""


@dataclass(frozen=True)
class Deviations:
    """Deviation of every nucleus (row) in the peaks of every motif (column)."""

    deviation: np.ndarray
    """Relative gain over expectation, less the mean gain of background peaks."""
    z: np.ndarray
    """The same over the standard deviation of background peaks."""


def bin_peaks(
    total: np.ndarray, gc: np.ndarray, *, n_bins: int = N_BINS, width: float = WIDTH
) -> PeakBins:
    """Sort peaks on a grid of accessibility and GC content, made round by whitening.

    Parameters
    ----------
    total
        Insertions of every peak in all nuclei, each above 0.
    gc
        Share of G and C of every peak.
    n_bins
        Bins a side.
    width
        Standard deviation of the distance, in whitened units, of peaks drawn as background.

    Raises
    ------
    DataError
        If a peak has no insertion, or peaks do not differ in both respects.

    References
    ----------
    Schep et al. (2017) Nat. Methods 14:975. doi:10.1038/nmeth.4401
    """
    if len(total) == 0 or total.min() <= 0:
        msg = f"{int((total <= 0).sum())} of {len(total)} peaks have no insertion: leave them out"
        raise DataError(msg)
    place = np.column_stack([np.log10(total), gc])
    covariance = np.cov(place, rowvar=False)
    if np.linalg.matrix_rank(covariance) < 2:
        msg = "peaks do not differ in both accessibility and GC content: no background can match"
        raise DataError(msg)
    white = np.linalg.solve(np.linalg.cholesky(covariance), place.T).T
    sides = [np.linspace(side.min(), side.max(), n_bins) for side in white.T]
    grid = np.array([(a, b) for a in sides[0] for b in sides[1]])
    used, member = np.unique(cKDTree(grid).query(white)[1], return_inverse=True)
    reach = np.exp(-0.5 * (cdist(grid[used], grid[used]) / width) ** 2)
    return PeakBins(member, reach / reach.sum(axis=1, keepdims=True), white)


def draw_background(bins: PeakBins, *, n_draws: int, seed: int) -> np.ndarray:
    """Peaks alike for every peak, drawn with replacement.

    Returns
    -------
    Numbers of peaks, shape (n_peaks, n_draws).
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(bins.member, kind="stable")
    sizes = np.bincount(bins.member)
    first = np.cumsum(sizes) - sizes
    drawn = np.empty((len(bins.member), n_draws), dtype=np.int64)
    for i, reach in enumerate(bins.reach):
        mine = order[first[i] : first[i] + sizes[i]]
        chosen = rng.choice(len(reach), (len(mine), n_draws), p=reach)
        drawn[mine] = order[first[chosen] + rng.integers(0, sizes[chosen])]
    return drawn


def measure_deviations(
    counts: sparse.csr_matrix,
    matches: sparse.csc_matrix,
    bins: PeakBins,
    *,
    n_draws: int,
    seed: int,
) -> Deviations:
    """Deviations against ``n_draws`` random background peaks, or, with 0, their limit."""
    if n_draws == 0:
        return expect_deviations(counts, matches, bins)
    background = draw_background(bins, n_draws=n_draws, seed=seed)
    return sample_deviations(counts, matches, background)


def sample_deviations(
    counts: sparse.csr_matrix, matches: sparse.csc_matrix, background: np.ndarray
) -> Deviations:
    """Deviations against background peaks that were drawn (chromVAR).

    Parameters
    ----------
    counts
        Insertions, shape (n_nuclei, n_peaks).
    matches
        Which peaks each motif matches, shape (n_peaks, n_motifs).
    background
        Peaks alike for every peak, shape (n_peaks, n_draws).

    Returns
    -------
    Missing where a motif leads to expect less than one insertion.

    References
    ----------
    Schep et al. (2017), see :func:`bin_peaks`.
    """
    share, depth = _expect(counts)
    motif = matches.astype(np.float64).tocsr()
    gain = _relative_gain(counts, motif, share, depth)
    n_peaks = counts.shape[1]
    mean, square = np.zeros_like(gain), np.zeros_like(gain)
    for drawn in background.T:
        move = sparse.csr_matrix((np.ones(n_peaks), (drawn, np.arange(n_peaks))), (n_peaks,) * 2)
        mine = _relative_gain(counts, move @ motif, share, depth)
        mean += mine
        square += mine**2
    n = background.shape[1]
    mean /= n
    spread = np.sqrt(np.maximum(square / n - mean**2, 0) * n / (n - 1))
    return _standardise(gain - mean, spread, np.outer(depth, motif.T @ share))


def expect_deviations(
    counts: sparse.csr_matrix, matches: sparse.csc_matrix, bins: PeakBins
) -> Deviations:
    """Deviations against all draws of background peaks at once, by their mean and variance.

    The limit of :func:`sample_deviations` for many draws: peaks of a bin are equally likely to
    be drawn, so moments of bins suffice, and the ratio's moments follow to second order. Nuclei
    are worked on a chunk at a time; nothing of the size nuclei x peaks is made.

    Parameters
    ----------
    counts
        Insertions, shape (n_nuclei, n_peaks).
    matches
        Which peaks each motif matches, shape (n_peaks, n_motifs).

    Returns
    -------
    In single precision, missing where a motif leads to expect less than one insertion.
    """
    share, depth = _expect(counts)
    motif = matches.astype(np.float64).tocsr()
    background = _Background(share, motif, bins)
    shape = (counts.shape[0], matches.shape[1])
    result = Deviations(np.empty(shape, np.float32), np.empty(shape, np.float32))
    expected = motif.T @ share
    for first in range(0, shape[0], CHUNK):
        rows = slice(first, first + CHUNK)
        gain = _relative_gain(counts[rows], motif, share, depth[rows])
        mean, spread = background.measure(counts[rows], depth[rows])
        part = _standardise(gain - mean, spread, np.outer(depth[rows], expected))
        result.deviation[rows], result.z[rows] = part.deviation, part.z
    return result


class _Background:
    """Mean and spread of the relative gain of random background peaks."""

    def __init__(self, share: np.ndarray, motif: sparse.csr_matrix, bins: PeakBins) -> None:
        n_peaks, n_bins = len(bins.member), len(bins.reach)
        size = np.bincount(bins.member)
        each = (1 / size[bins.member], (np.arange(n_peaks), bins.member))
        self.average = sparse.csr_matrix(each, shape=(n_peaks, n_bins))
        self.share = share
        self.reach = bins.reach
        self.number = (self.average.sign().T @ motif).toarray().T  # motifs x bins
        self.spread = self.number @ bins.reach
        self.level = bins.reach @ (self.average.T @ share)
        self.mean = self.number @ self.level
        self.variance = self.spread @ (self.average.T @ share**2) - self.number @ self.level**2

    def measure(
        self, counts: sparse.csr_matrix, depth: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the gain, shape (n_nuclei, n_motifs).

        With X the insertions drawn and Y what they lead to expect, the gain is X / Y - 1; moments
        of a ratio are expanded around those of X and Y.
        """
        squared = counts.astype(np.float64)
        squared.data **= 2
        shared = counts.multiply(self.share).tocsr()
        one, two, both = ((m @ self.average).toarray() for m in (counts, squared, shared))
        level = one @ self.reach.T
        x = level @ self.number.T
        var_x = two @ self.spread.T - level**2 @ self.number.T
        cov = both @ self.spread.T - (level * self.level) @ self.number.T
        scale = np.maximum(depth, 1)[:, None]
        # a motif without any match has no mean to divide by, and is not judged
        y, var_y = np.where(self.mean > 0, self.mean, 1.0), self.variance
        ratio = x / y / scale
        mean = ratio * (1 + var_y / y**2) - cov / y**2 / scale - 1
        variance = (var_x / scale**2 - 2 * ratio * cov / scale + ratio**2 * var_y) / y**2
        return mean, np.sqrt(np.maximum(variance, 0))


def _expect(counts: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Share of all insertions each peak has, and the depth of every nucleus."""
    total = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    if total.sum() == 0:
        msg = "no nucleus has an insertion in a peak: there is nothing to deviate from"
        raise DataError(msg)
    return total / total.sum(), np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()


def _relative_gain(
    counts: sparse.csr_matrix, motif: sparse.csr_matrix, share: np.ndarray, depth: np.ndarray
) -> np.ndarray:
    """Insertions in the peaks of each motif, over those expected of the depth, less one."""
    expected = np.outer(depth, motif.T @ share)
    observed = (counts @ motif).toarray()
    return observed / np.maximum(expected, np.finfo(float).tiny) - 1


def _standardise(deviation: np.ndarray, spread: np.ndarray, expected: np.ndarray) -> Deviations:
    judged = expected >= MIN_EXPECTED
    deviation = np.where(judged, deviation, np.nan)
    z = np.where(judged & (spread > 0), deviation / np.where(spread > 0, spread, 1), np.nan)
    return Deviations(deviation, z)
