"""Fragments: what they say of each barcode, and how many of their ends lie in each region.

Fragments come as blocks ``(chrom, start, end, barcode)``: one chromosome's name, and arrays of
0-based starts, ends behind the last base, and numbers of barcodes. Blocks are read once and not kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.errors import DataError

Blocks = Iterable[tuple[str, np.ndarray, np.ndarray, np.ndarray]]
NUCLEOSOME, TWO_NUCLEOSOMES = 147, 294  # bp; Signac's borders of free and mononucleosomal
# TSS enrichment. Signac: the middle 1,001 bp against the outer 100 bp on both sides of +-1,000.
# ArchR: 101 bp against 100 bp on both sides at 2,000, of which it expects 0.2 ends a bp at least.
SIGNAC_HALF, SIGNAC_REACH, FLANK = 500, 1000, 100
# Signac 1.9 sees both ends so many bp to the left, its middle one more to the left on the forward
# and to the right on the reverse strand. (At 998 to 1,000 bp it misses starts of fragments.)
SIGNAC_SHIFT = 3
ARCHR_WINDOW, ARCHR_REACH, ARCHR_LEAST = 101, 2000, 0.2


class Coverage:
    """How many of some regions hold a place."""

    def __init__(self, regions: pd.DataFrame) -> None:
        self._edges = {
            str(chrom): (np.sort(part["start"].to_numpy()), np.sort(part["end"].to_numpy()))
            for chrom, part in regions.groupby("chrom", sort=False)
        }

    def at(self, chrom: str, places: np.ndarray) -> np.ndarray:
        """Regions that hold each place, 0-based."""
        if chrom not in self._edges:
            return np.zeros(len(places), dtype=np.int64)
        starts, ends = self._edges[chrom]
        begun = np.searchsorted(starts, places, side="right")
        return begun - np.searchsorted(ends, places, side="right")

    def overlap(self, chrom: str, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Bases of each interval that lie in regions; a base in two regions counts twice."""
        return self._bases_before(chrom, end) - self._bases_before(chrom, start)

    def _bases_before(self, chrom: str, places: np.ndarray) -> np.ndarray:
        if chrom not in self._edges:
            return np.zeros(len(places), dtype=np.int64)
        total = np.zeros(len(places), dtype=np.int64)
        for sign, edges in zip((1, -1), self._edges[chrom], strict=True):
            n = np.searchsorted(edges, places, side="left")
            passed = np.concatenate([[0], np.cumsum(edges)])[n]
            total += sign * (n * places - passed)
        return total


def list_starts(genes: pd.DataFrame) -> pd.DataFrame:
    """Transcription start sites: ``chrom``, ``place`` (0-based base) and ``strand``, each once."""
    place = np.where(genes["strand"] == "-", genes["end"] - 1, genes["start"])
    return genes[["chrom", "strand"]].assign(place=place).drop_duplicates(ignore_index=True)


def measure_fragments(blocks: Blocks, *, starts: pd.DataFrame, peaks: pd.DataFrame) -> pd.DataFrame:
    """Fragments of every barcode, their lengths, and where they lie.

    Parameters
    ----------
    starts
        Transcription start sites, from :func:`list_starts`.
    peaks
        ``chrom, start, end``, of which none overlap.

    Returns
    -------
    One row a barcode by its number: ``n_fragments`` (unique), ``nucleosome_signal``,
    ``tss_signac``, ``tss_archr``, and ``frip``: share of the fragments with an end in a peak,
    as Cell Ranger's ``peak_region_fragments`` has it.

    ``nucleosome_signal`` is the ratio of fragments of 148 to 293 bp to those below 147 bp, as in
    Signac.

    References
    ----------
    Stuart et al. (2021) Nat. Methods 18:1333. doi:10.1038/s41592-021-01282-5
    Granja et al. (2021) Nat. Genet. 53:403. doi:10.1038/s41588-021-00790-6
    """
    inside = Coverage(peaks)
    windows = {name: Coverage(regions) for name, regions in _start_regions(starts).items()}
    names = ("n", "mono", "free", "in_peaks", *windows)
    sums = {name: np.zeros(0) for name in names}
    for chrom, start, end, barcode in blocks:
        length = end - start
        found = {
            "n": np.ones(len(start)),
            "mono": (length > NUCLEOSOME) & (length < TWO_NUCLEOSOMES),
            "free": length < NUCLEOSOME,
            "in_peaks": (inside.at(chrom, start) > 0) | (inside.at(chrom, end - 1) > 0),
        }
        for name, window in windows.items():
            left, right = (start, end - 1)
            if name.startswith("signac"):
                left, right = start - SIGNAC_SHIFT, end - SIGNAC_SHIFT
            found[name] = window.at(chrom, left) + window.at(chrom, right)
        for name, values in found.items():
            sums[name] = _add(sums[name], np.bincount(barcode, weights=values))
    return _summarise(sums)


def _add(total: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Sum of two vectors, the shorter one filled up with zeros."""
    longer, shorter = (total, more) if len(total) >= len(more) else (more, total)
    longer = longer.astype(float)
    longer[: len(shorter)] += shorter
    return longer


def _start_regions(starts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Middle and flanks of all start sites, by each tool's definition."""
    half = ARCHR_WINDOW // 2
    turned = np.where(starts["strand"] == "-", 1, -1)
    middle = _around(starts, (-SIGNAC_HALF, SIGNAC_HALF + 1))
    middle[["start", "end"]] += turned[:, None]
    return {
        "signac_middle": middle,
        "signac_flank": _flanks(starts, SIGNAC_REACH),
        "archr_middle": _around(starts, (-half, half + 1)),
        "archr_flank": _flanks(starts, ARCHR_REACH),
    }


def _around(starts: pd.DataFrame, *edges: tuple[int, int]) -> pd.DataFrame:
    """Regions from the first to behind the second distance to every site."""
    place = starts["place"]
    return pd.concat([starts[["chrom"]].assign(start=place + a, end=place + b) for a, b in edges])


def _flanks(starts: pd.DataFrame, reach: int) -> pd.DataFrame:
    """The outermost bases within ``reach`` of every site, on both sides."""
    return _around(starts, (-reach, FLANK - reach), (reach - FLANK + 1, reach + 1))


def _summarise(sums: dict[str, np.ndarray]) -> pd.DataFrame:
    n = sums["n"]
    flank = sums["signac_flank"] / (2 * FLANK)
    # as in Signac, a barcode without an end in the flanks has the mean of all
    flank = np.where(flank > 0, flank, flank.mean() if len(flank) else 0.0)
    middle = sums["signac_middle"] / (2 * SIGNAC_HALF + 1)
    near = 2 * sums["archr_middle"] / ARCHR_WINDOW
    with np.errstate(invalid="ignore", divide="ignore"):
        table = {
            "n_fragments": n.astype(np.int64),
            "nucleosome_signal": np.where(sums["free"] > 0, sums["mono"] / sums["free"], np.nan),
            "tss_signac": np.where(flank > 0, middle / flank, np.nan),
            "tss_archr": near / np.maximum(sums["archr_flank"] / FLANK, ARCHR_LEAST),
            "frip": np.where(n > 0, sums["in_peaks"] / n, np.nan),
        }
    return pd.DataFrame(table)


def score_pileup(blocks: Blocks, *, starts: pd.DataFrame, n_barcodes: int) -> np.ndarray:
    """TSS enrichment by coverage (muon, after ENCODE): bases of fragments instead of their ends.

    Parameters
    ----------
    blocks
        Each fragment as often as it was read, as muon counts them.
    starts
        Transcription start sites, from :func:`list_starts`.

    Returns
    -------
    Mean coverage of the middle 1,001 bp over that of the outer 100 bp on both sides of +-1,000,
    one number a barcode. One without coverage in the flanks has the mean flank of all.

    References
    ----------
    Bredikhin et al. (2022) Genome Biol. 23:42. doi:10.1186/s13059-021-02577-8
    """
    middle = _around(starts, (-SIGNAC_HALF, SIGNAC_HALF + 1))
    flank = _flanks(starts, SIGNAC_REACH)
    sums = np.zeros((2, n_barcodes))
    covers = Coverage(middle), Coverage(flank)
    for chrom, start, end, barcode in blocks:
        for row, cover in enumerate(covers):
            bases = cover.overlap(chrom, start, end)
            sums[row] += np.bincount(barcode, weights=bases, minlength=n_barcodes)
    outer = sums[1] / (2 * FLANK)
    outer = np.where(outer > 0, outer, outer.mean())
    return np.divide(
        sums[0] / (2 * SIGNAC_HALF + 1), outer, out=np.full(n_barcodes, np.nan), where=outer > 0
    )


def count_peaks(
    blocks: Blocks, peaks: pd.DataFrame, *, rows: np.ndarray, by: str = "fragments"
) -> sparse.csr_matrix:
    """Counts of every nucleus in every peak.

    Parameters
    ----------
    peaks
        ``chrom, start, end``, sorted within chromosomes; none overlap.
    rows
        Row of the result for each number of a barcode, -1 for those to leave out.
    by
        ``fragments`` counts fragments that overlap the peak by a base or more, as Signac 1.9 does;
        ``ends`` counts cuts: a fragment twice where both its ends lie in the peak, as ArchR does.

    Returns
    -------
    Shape (n_nuclei, n_peaks), int32.

    Raises
    ------
    DataError
        If peaks overlap or are not sorted.
    """
    index = _index_peaks(peaks)
    shape = (int(rows.max(initial=-1)) + 1, len(peaks))
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    total = sparse.csr_matrix(shape, dtype=np.int32)
    waiting = 0
    for chrom, start, end, barcode in blocks:
        if chrom not in index:
            continue
        row = rows[barcode]
        hits = _find_ends if by == "ends" else _find_overlaps
        which, column = hits(index[chrom], start, end)
        kept = row[which] >= 0
        parts.append((row[which][kept], column[kept]))
        waiting += int(kept.sum())
        if waiting > MANY:
            total, parts, waiting = total + _tabulate(parts, shape), [], 0
    return total + _tabulate(parts, shape)


MANY = 50_000_000  # hits gathered before they are summed up


def _tabulate(
    parts: list[tuple[np.ndarray, np.ndarray]], shape: tuple[int, int]
) -> sparse.csr_matrix:
    if not parts:
        return sparse.csr_matrix(shape, dtype=np.int32)
    row = np.concatenate([part[0] for part in parts])
    column = np.concatenate([part[1] for part in parts])
    counts = sparse.coo_matrix((np.ones(len(row), dtype=np.int32), (row, column)), shape=shape)
    return counts.tocsr()


@dataclass(frozen=True)
class _ChromPeaks:
    start: np.ndarray
    end: np.ndarray
    first: int
    """Column of the first of them."""


def _index_peaks(peaks: pd.DataFrame) -> dict[str, _ChromPeaks]:
    index = {}
    chroms = peaks["chrom"].to_numpy()
    new = np.flatnonzero(np.append(True, chroms[1:] != chroms[:-1])[: len(chroms)])
    for first, last in zip(new, [*new[1:], len(chroms)], strict=True):
        start, end = (peaks[name].to_numpy()[first:last] for name in ("start", "end"))
        chrom = str(chroms[first])
        if chrom in index or np.any(start[1:] < end[:-1]):
            msg = f"peaks of {chrom} are not sorted, or overlap; merge them first"
            raise DataError(msg)
        index[chrom] = _ChromPeaks(start, end, int(first))
    return index


def _find_ends(
    peaks: _ChromPeaks, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(fragment, column) of every end that lies in a peak."""
    found = []
    for place in (start, end - 1):
        peak = np.searchsorted(peaks.start, place, side="right") - 1
        which = np.flatnonzero((peak >= 0) & (place < peaks.end[peak]))
        found.append((which, peak[which]))
    return (
        np.concatenate([which for which, _ in found]),
        np.concatenate([peak for _, peak in found]) + peaks.first,
    )


def _find_overlaps(
    peaks: _ChromPeaks, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(fragment, column) of every peak a fragment overlaps."""
    first = np.searchsorted(peaks.end, start, side="right")
    n = np.searchsorted(peaks.start, end, side="left") - first
    which = np.repeat(np.arange(len(start)), n)
    step = np.arange(len(which)) - np.repeat(np.cumsum(n) - n, n)
    return which, first[which] + step + peaks.first


def count_genes(
    blocks: Blocks, genes: pd.DataFrame, *, rows: np.ndarray, upstream: int = 2000
) -> sparse.csr_matrix:
    """Gene activity: fragments over every gene's body and what lies upstream (Signac).

    Parameters
    ----------
    genes
        ``chrom, start, end, strand``; they may overlap, and a fragment then counts for each.
    rows
        See :func:`count_peaks`.
    upstream
        bp before the start of the gene that count, too.

    Returns
    -------
    Shape (n_nuclei, n_genes), int32.
    """
    forward = (genes["strand"] != "-").to_numpy()
    regions = pd.DataFrame(
        {
            "chrom": genes["chrom"].to_numpy(),
            "start": np.maximum(genes["start"] - np.where(forward, upstream, 0), 0),
            "end": genes["end"] + np.where(forward, 0, upstream),
        }
    )
    return count_regions(blocks, regions, rows=rows)


def count_regions(blocks: Blocks, regions: pd.DataFrame, *, rows: np.ndarray) -> sparse.csr_matrix:
    """Fragments that overlap each region; unlike peaks, regions may overlap one another.

    A fragment overlaps the regions that hold its first base and those that begin behind it,
    within the fragment.

    Returns
    -------
    Shape (n_nuclei, n_regions), int32, columns in the order of ``regions``.
    """
    pieces, belongs = split_regions(regions)
    begins = regions.sort_values(["chrom", "start"], kind="stable")
    points = begins[["chrom"]].assign(start=begins["start"], end=begins["start"] + 1)
    distinct = points.drop_duplicates(ignore_index=True)
    of_point = pd.MultiIndex.from_frame(distinct[["chrom", "start"]]).get_indexer(
        pd.MultiIndex.from_frame(regions[["chrom", "start"]])
    )
    begun = sparse.csr_matrix(
        (np.ones(len(regions), dtype=np.int32), (of_point, np.arange(len(regions)))),
        shape=(len(distinct), len(regions)),
    )
    n_rows = int(rows.max(initial=-1)) + 1
    total = sparse.csr_matrix((n_rows, len(regions)), dtype=np.int32)
    for chrom, start, end, barcode in blocks:
        first = [(chrom, start, start + 1, barcode)]
        behind = [(chrom, start + 1, end, barcode)]
        total = total + count_peaks(first, pieces, rows=rows) @ belongs
        total = total + count_peaks(behind, distinct, rows=rows) @ begun
    return total.tocsr().astype(np.int32)


def split_regions(regions: pd.DataFrame) -> tuple[pd.DataFrame, sparse.csr_matrix]:
    """Regions that may overlap, cut into pieces that do not.

    Returns
    -------
    Pieces (``chrom, start, end``), sorted; and which region each belongs to, shape (n_pieces,
    n_regions), ones.
    """
    pieces, row, column, n = [], [], [], 0
    for chrom, part in regions.groupby("chrom", sort=False):
        edges = np.unique(part[["start", "end"]].to_numpy())
        first = np.searchsorted(edges, part["start"])
        length = np.searchsorted(edges, part["end"]) - first
        of_region = np.repeat(np.arange(len(part)), length)
        step = np.arange(len(of_region)) - np.repeat(np.cumsum(length) - length, length)
        row.append(n + first[of_region] + step)
        column.append(part.index.to_numpy()[of_region])
        pieces.append(pd.DataFrame({"chrom": chrom, "start": edges[:-1], "end": edges[1:]}))
        n += len(edges) - 1
    if not pieces:
        empty = regions[["chrom", "start", "end"]]
        return empty, sparse.csr_matrix((0, len(regions)), dtype=np.int32)
    rows, columns = np.concatenate(row), np.concatenate(column)
    belongs = sparse.csr_matrix(
        (np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=(n, len(regions))
    )
    return pd.concat(pieces, ignore_index=True), belongs
