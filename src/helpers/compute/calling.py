"""Peaks called from fragments, for samples that come without: a local Poisson test as in MACS."""

import numpy as np
import pandas as pd
from scipy import stats

from helpers.compute.fragments import Blocks
from helpers.errors import DataError

BIN = 50  # bp
EXTENSION = 150  # bp around each cut, as `macs2 callpeak --shift -75 --extsize 150`
LOCAL = 10_000  # bp the background is looked for around a peak


def call_peaks(blocks: Blocks, *, fdr: float = 0.05) -> pd.DataFrame:
    """Regions with more cuts than their surroundings.

    Cuts are counted in bins of 50 bp and summed over 150 bp. A bin's expectation is the larger
    of the genome's and of the 10 kb around it; bins whose Poisson p-value passes Benjamini and
    Hochberg are joined.

    Returns
    -------
    ``chrom, start, end``, sorted within chromosomes.

    Raises
    ------
    DataError
        If there is no fragment, or no peak.

    References
    ----------
    Zhang et al. (2008) Genome Biol. 9:R137. doi:10.1186/gb-2008-9-9-r137
    """
    cuts = _count_cuts(blocks)
    if not cuts:
        msg = "there are no fragments to call peaks from"
        raise DataError(msg)
    covered = sum(len(values) for values in cuts.values())
    mean = sum(values.sum() for values in cuts.values()) / covered * (EXTENSION // BIN)
    tested = {chrom: _test_bins(values, mean) for chrom, values in cuts.items()}
    pvalues = np.concatenate([p for _, p in tested.values()])
    # bins without cuts are tests, too
    limit = _find_limit(pvalues, n_tests=covered, fdr=fdr)
    peaks = [
        _join_bins(bins[p <= limit]).assign(chrom=chrom) for chrom, (bins, p) in tested.items()
    ]
    table = pd.concat(peaks, ignore_index=True)[["chrom", "start", "end"]]
    if table.empty:
        msg = (
            f"no region passes an FDR of {fdr:g}; give the peaks Cell Ranger called (column peaks)"
        )
        raise DataError(msg)
    return table


def _count_cuts(blocks: Blocks) -> dict[str, np.ndarray]:
    cuts: dict[str, np.ndarray] = {}
    for chrom, start, end, _ in blocks:
        bins = np.concatenate([start, end - 1]) // BIN
        more = np.bincount(bins)
        old = cuts.get(chrom, np.zeros(0, dtype=np.int64))
        total = np.zeros(max(len(old), len(more)), dtype=np.int64)
        total[: len(old)] += old
        total[: len(more)] += more
        cuts[chrom] = total
    return cuts


def _moving_sum(values: np.ndarray, width: int) -> np.ndarray:
    """Sum over ``width`` bins around each, fewer at the ends."""
    total = np.concatenate([[0], np.cumsum(values)])
    place = np.arange(len(values))
    left = np.maximum(place - width // 2, 0)
    right = np.minimum(place + width // 2 + 1, len(values))
    return total[right] - total[left]


def _test_bins(values: np.ndarray, mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Bins with cuts around them, and the p-value of each."""
    width = EXTENSION // BIN
    signal = _moving_sum(values, width)
    local = _moving_sum(values, LOCAL // BIN) * width / (LOCAL // BIN)
    bins = np.flatnonzero(signal)
    return bins, stats.poisson.sf(signal[bins] - 1, np.maximum(local[bins], mean))


def _find_limit(pvalues: np.ndarray, *, n_tests: int, fdr: float) -> float:
    """The largest p-value Benjamini and Hochberg let pass; below 0 if none."""
    ordered = np.sort(pvalues)
    passed = ordered <= fdr * np.arange(1, len(ordered) + 1) / n_tests
    return float(ordered[passed][-1]) if passed.any() else -1.0


def _join_bins(bins: np.ndarray) -> pd.DataFrame:
    """Neighbouring bins as one region, with gaps of up to the extension closed."""
    if len(bins) == 0:
        return pd.DataFrame({"start": [], "end": []}, dtype=np.int64)
    first = np.append(True, np.diff(bins) > EXTENSION // BIN)
    last = np.append(np.flatnonzero(first)[1:] - 1, len(bins) - 1)
    return pd.DataFrame({"start": bins[first] * BIN, "end": (bins[last] + 1) * BIN})
