"""Which motifs are over-represented in peaks, against peaks alike in GC content and openness."""

import numpy as np
import pandas as pd
from scipy import optimize, sparse, special, stats

from helpers.compute.deviations import PeakBins
from helpers.compute.stats import adjust_pvalues
from helpers.errors import DataError

# How far the mean of the background may lie from that of the foreground, in standard errors of
# their difference. A motif that GC content or accessibility explain with a correlation of r gains
# r times as much: of the strongest, at about 0.4, less than half a standard error.
LIKENESS = 1.0
STEEPEST = 3.0  # tilt of the log weights, a standard deviation: 20-fold corrects what bins leave
UNLIKELY = 1e-9  # a share of the largest weight: such peaks are as good as never drawn


def match_background(
    bins: PeakBins, foreground: np.ndarray, *, n_peaks: int, seed: int
) -> np.ndarray:
    """Peaks that are not of interest, drawn so that they resemble those that are.

    A peak is drawn with a probability proportional to how common its kind (bin of accessibility
    and GC content) is in the foreground over how common it is in the others, at most once. If so
    many peaks cannot be drawn without losing the likeness, fewer are; if no other peaks are alike,
    none.

    Parameters
    ----------
    bins
        From :func:`helpers.compute.deviations.bin_peaks`, of all peaks.
    foreground
        Numbers of the peaks of interest.
    n_peaks
        Background peaks wanted.

    Returns
    -------
    Numbers of the background peaks, in order.

    Raises
    ------
    DataError
        If nothing is of interest, or everything is.
    """
    others = np.setdiff1d(np.arange(len(bins.member)), foreground)
    if len(foreground) == 0 or len(others) == 0:
        msg = f"{len(foreground)} of {len(bins.member)} peaks are of interest: none to compare with"
        raise DataError(msg)
    n_bins = len(bins.reach)
    wanted = np.bincount(bins.member[foreground], minlength=n_bins) @ bins.reach
    there = np.bincount(bins.member[others], minlength=n_bins)
    weight = (wanted / np.maximum(there, 1))[bins.member[others]]
    likely = weight > UNLIKELY * weight.max()
    if not likely.any():
        return others[:0]
    others, weight = others[likely], weight[likely]
    gap = bins.place[others] - bins.place[foreground].mean(axis=0)
    weight, n_drawn = _keep_alike(_balance(weight, gap), gap, len(foreground), n_peaks)
    return np.sort(others[_draw_systematic(weight, n_drawn, seed)])


def _balance(weight: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Weights tilted so that the mean gap to the foreground is none (entropy balancing).

    Bins leave one: inside each, the other peaks lie nearer to where most peaks are.
    """
    level = np.log(weight)

    def add_up(slope: np.ndarray) -> tuple[float, np.ndarray]:
        tilted = level + gap @ slope
        total = special.logsumexp(tilted)
        return float(total), np.exp(tilted - total) @ gap

    bounds = [(-STEEPEST, STEEPEST)] * gap.shape[1]
    start = np.zeros(gap.shape[1])
    slope = optimize.minimize(add_up, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    tilted = level + gap @ slope
    return np.asarray(np.exp(tilted - tilted.max()))


def _keep_alike(
    weight: np.ndarray, gap: np.ndarray, n_foreground: int, n_peaks: int
) -> tuple[np.ndarray, int]:
    """Weights, cut so far as the mean stays that of the foreground, and how many they let be drawn.

    As no peak is drawn twice, at most the sum of the weights over the largest can be drawn: the
    lower they are cut, the more, and the less they are like the foreground.
    """
    order = np.argsort(-weight, kind="stable")
    cut, gap = weight[order], gap[order]
    rank = np.arange(1, len(cut) + 1)
    rest = weight.sum() - np.cumsum(cut)
    total = rank * cut + rest
    pull = cut[:, None] * gap
    mean = cut[:, None] * np.cumsum(gap, axis=0) + pull.sum(axis=0) - np.cumsum(pull, axis=0)
    mean /= total[:, None]
    n_drawn = np.minimum(n_peaks, total / cut + 1e-9).astype(int)  # 3.9999 is a rounded 4
    error = np.sqrt(1 / n_foreground + 1 / np.maximum(n_drawn, 1))
    n_drawn[np.linalg.norm(mean, axis=1) > LIKENESS * error] = 0
    best = int(n_drawn.argmax())
    return np.minimum(weight, cut[best]), int(n_drawn[best])


def _draw_systematic(weight: np.ndarray, n: int, seed: int) -> np.ndarray:
    """``n`` different places, each with a probability proportional to its weight."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(weight))
    ends = np.cumsum(weight[order]) / weight.sum() * n
    ends[-1] = n
    return order[np.searchsorted(ends, rng.random() + np.arange(n), side="right")]


def find_motifs(
    matches: sparse.csc_matrix, foreground: np.ndarray, background: np.ndarray
) -> pd.DataFrame:
    """Hypergeometric test of every motif (Signac's FindMotifs).

    Parameters
    ----------
    matches
        Which peaks each motif matches, shape (n_peaks, n_motifs).
    foreground
        Numbers of the peaks of interest.
    background
        Numbers of the peaks they are taken to be drawn from.

    Returns
    -------
    One row a motif: ``observed`` and ``background`` (peaks with the motif), ``n_foreground``,
    ``n_background``, ``fold`` (ratio of the shares; missing where no background peak has the
    motif), ``pvalue`` (at least so many), ``padj`` (Benjamini-Hochberg).
    """
    rows = matches.tocsr()
    observed, expected = (
        np.asarray(rows[chosen].sum(axis=0), dtype=np.int64).ravel()
        for chosen in (foreground, background)
    )
    n, total = len(foreground), len(background)
    pvalue = stats.hypergeom.sf(observed - 1, total, expected, n)
    share = np.where(expected > 0, expected / total, np.nan)
    return pd.DataFrame(
        {
            "observed": observed,
            "n_foreground": n,
            "background": expected,
            "n_background": total,
            "fold": observed / n / share,
            "pvalue": pvalue,
            "padj": adjust_pvalues(pvalue),
        }
    )


def enrich_motifs(
    matches: sparse.csc_matrix, foreground: np.ndarray, background: np.ndarray
) -> pd.DataFrame:
    """Fisher's exact test of every motif in peaks of interest against other peaks.

    FindMotifs takes the foreground to be drawn from the background. Where the two share no
    peak, and are of like size, its p-value takes the background's share for known and is far too
    small. Here the foreground is drawn from both together, which is Fisher's exact test; the
    other p-value is given beside it.

    Parameters
    ----------
    foreground, background
        Numbers of peaks, none in both.

    Returns
    -------
    As :func:`find_motifs`, and ``pvalue_findmotifs``. A pseudocount of half a peak keeps
    ``fold`` finite.
    """
    alone = find_motifs(matches, foreground, background)
    both = find_motifs(matches, foreground, np.concatenate([foreground, background]))
    share = (alone[["observed", "background"]] + 0.5) / (
        alone[["n_foreground", "n_background"]].to_numpy() + 1
    )
    return alone.assign(
        fold=share["observed"] / share["background"],
        pvalue=both["pvalue"],
        padj=both["padj"],
        pvalue_findmotifs=alone["pvalue"],
    )
