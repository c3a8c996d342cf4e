"""Peaks called from fragments, for samples that come without: a local Poisson test as in MACS."""

import re

import numpy as np
import pandas as pd
from scipy import stats

from helpers.compute.fragments import Blocks

BIN = 50  # bp
EXTENSION = 150  # bp around each cut, as `macs2 callpeak --shift -75 --extsize 150`
LOCAL = 10_000  # bp the background is looked for around a peak
PLACE = {"chrom": object, "start": np.int64, "end": np.int64}
# Mitochondrial DNA is bare of nucleosomes: all of it is open, and none of it a peak.
MITOCHONDRIAL = re.compile(r"(?:chr)?MT?")


def call_peaks(blocks: Blocks, *, fdr: float = 0.05) -> pd.DataFrame:
    """Regions with more cuts than their surroundings.

    Cuts are counted in bins of 50 bp and summed over 150 bp. A bin's expectation is the larger
    of the genome's and of the 10 kb around it; bins whose Poisson p-value passes Benjamini and
    Hochberg are joined. The mitochondrial chromosome is left out.

    Returns
    -------
    ``chrom, start, end``, sorted within chromosomes; no row if nothing passes.

    References
    ----------
    Zhang et al. (2008) Genome Biol. 9:R137. doi:10.1186/gb-2008-9-9-r137
    """
    cuts, ends = _count_cuts(blocks)
    peaks = [pd.DataFrame({"chrom": [], "start": [], "end": []}).astype(PLACE)]
    covered = sum(len(values) for values in cuts.values())
    mean = sum(values.sum() for values in cuts.values()) / max(covered, 1)
    tested = {chrom: _test_bins(values, mean) for chrom, values in cuts.items()}
    pvalues = np.concatenate([p for _, p in tested.values()] or [np.zeros(0)])
    # bins without cuts are tests, too
    limit = _find_limit(pvalues, n_tests=covered, fdr=fdr)
    for chrom, (bins, p) in tested.items():
        joined = _join_bins(bins[p <= limit])
        joined["end"] = joined["end"].clip(upper=ends[chrom])
        peaks.append(joined.assign(chrom=chrom)[list(PLACE)].astype(PLACE))
    return pd.concat(peaks, ignore_index=True)


def _count_cuts(blocks: Blocks) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Cuts in the bins of every chromosome, and the place behind its last one."""
    cuts: dict[str, np.ndarray] = {}
    ends: dict[str, int] = {}
    for chrom, start, end, _ in blocks:
        if MITOCHONDRIAL.fullmatch(chrom):
            continue
        more = np.bincount(np.concatenate([start, end - 1]) // BIN)
        old = cuts.get(chrom, np.zeros(0, dtype=np.int64))
        total = np.zeros(max(len(old), len(more)), dtype=np.int64)
        total[: len(old)] += old
        total[: len(more)] += more
        cuts[chrom] = total
        ends[chrom] = max(ends.get(chrom, 0), int(end.max()))
    return cuts, ends


def _moving_sum(values: np.ndarray, width: int) -> np.ndarray:
    """Sum over ``width`` bins around each, fewer at the ends."""
    total = np.concatenate([[0], np.cumsum(values)])
    place = np.arange(len(values))
    left = np.maximum(place - width // 2, 0)
    right = np.minimum(place + width // 2 + 1, len(values))
    return total[right] - total[left]


def _test_bins(values: np.ndarray, mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Bins with cuts around them, and the p-value of each, ``mean`` cuts being in a bin."""
    near, far = EXTENSION // BIN, LOCAL // BIN
    signal = _moving_sum(values, near)
    # at the ends of a chromosome there are fewer bins around
    there = np.ones(len(values))
    local = _moving_sum(values, far) / _moving_sum(there, far)
    expected = np.maximum(local, mean) * _moving_sum(there, near)
    bins = np.flatnonzero(signal)
    return bins, stats.poisson.sf(signal[bins] - 1, expected[bins])


def _find_limit(pvalues: np.ndarray, *, n_tests: int, fdr: float) -> float:
    """The largest p-value Benjamini and Hochberg let pass; below 0 if none."""
    ordered = np.sort(pvalues)
    passed = ordered <= fdr * np.arange(1, len(ordered) + 1) / n_tests
    return float(ordered[passed][-1]) if passed.any() else -1.0


def _join_bins(bins: np.ndarray) -> pd.DataFrame:
    """Neighbouring bins as one region, with gaps of up to the extension closed."""
    if len(bins) == 0:
        return pd.DataFrame({"start": [], "end": []}, dtype=np.int64)
    first = np.append(True, np.diff(bins) - 1 > EXTENSION // BIN)
    last = np.append(np.flatnonzero(first)[1:] - 1, len(bins) - 1)
    return pd.DataFrame({"start": bins[first] * BIN, "end": (bins[last] + 1) * BIN})
