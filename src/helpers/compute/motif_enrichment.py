"""Which motifs are over-represented in peaks, against peaks alike in GC content and openness."""

import numpy as np
import pandas as pd
from scipy import sparse, stats

from helpers.compute.deviations import PeakBins
from helpers.compute.stats import adjust_pvalues
from helpers.errors import DataError

RAREST = 0.95  # weights above this quantile are cut: rare kinds of peaks must not decide the size


def match_background(
    bins: PeakBins, foreground: np.ndarray, *, n_peaks: int, seed: int
) -> np.ndarray:
    """Peaks that are not of interest, drawn so that they resemble those that are.

    A peak is drawn with a probability proportional to how common its kind (bin of accessibility
    and GC content) is in the foreground over how common it is in the others, at most once. If so
    many peaks cannot be drawn without losing the likeness, fewer are.

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
    weight = np.minimum(weight, np.quantile(weight, RAREST))
    n_drawn = min(n_peaks, int(weight.sum() / weight.max()))
    return np.sort(others[_draw_systematic(weight, n_drawn, seed)])


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
