"""Peaks: one set for all samples, and what lies where they do."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.compute.fragments import Coverage
from helpers.errors import DataError

ELEMENTS = ("promoter", "exonic", "intronic", "distal")


def merge_peaks(
    parts: Sequence[pd.DataFrame],
    *,
    blacklist: pd.DataFrame | None = None,
    widths: tuple[int, int] = (20, 10_000),
) -> pd.DataFrame:
    """Peaks of several samples made one set: those that overlap or touch become one.

    Parameters
    ----------
    parts
        ``chrom, start, end`` of every sample's peaks.
    blacklist
        Regions whose peaks are left out.
    widths
        Smallest and largest width kept, in bp, both included; Signac's documentation.

    Returns
    -------
    ``chrom, start, end``, sorted, chromosomes in natural order.

    Raises
    ------
    DataError
        If no peak is left.
    """
    table = pd.concat([part[["chrom", "start", "end"]] for part in parts], ignore_index=True)
    merged = []
    for chrom in sorted(table["chrom"].unique(), key=_natural):
        part = table[table["chrom"] == chrom].sort_values("start", kind="stable")
        start = part["start"].to_numpy()
        reach = np.maximum.accumulate(part["end"].to_numpy())
        new = np.append(True, start[1:] > reach[:-1])
        last = np.append(np.flatnonzero(new)[1:] - 1, len(start) - 1)
        merged.append(pd.DataFrame({"chrom": chrom, "start": start[new], "end": reach[last]}))
    peaks = pd.concat(merged, ignore_index=True) if merged else table
    width = peaks["end"] - peaks["start"]
    kept = width.between(*widths)
    if blacklist is not None and len(blacklist):
        kept &= ~_overlaps(peaks, blacklist)
    if not kept.any():
        msg = (
            f"no peak is left of {len(table)}: they must be {widths[0]} to {widths[1]} bp wide "
            "and outside the blacklist"
        )
        raise DataError(msg)
    return peaks[kept].reset_index(drop=True)


def _natural(chrom: str) -> tuple[int, int, str]:
    """Order of chromosomes: by number, then X, Y, M, then all others."""
    match = re.fullmatch(r"(?:chr)?(\d+)", chrom)
    if match:
        return 0, int(match[1]), ""
    return (1, 0, chrom) if re.fullmatch(r"(?:chr)?[XYM]T?", chrom) else (2, 0, chrom)


def _overlaps(peaks: pd.DataFrame, regions: pd.DataFrame) -> np.ndarray:
    """Which peaks share a base with a region."""
    found = np.zeros(len(peaks), dtype=bool)
    for chrom, mine in peaks.groupby("chrom", sort=False):
        other = regions[regions["chrom"] == chrom]
        begun = np.searchsorted(np.sort(other["start"].to_numpy()), mine["end"], side="left")
        ended = np.searchsorted(np.sort(other["end"].to_numpy()), mine["start"], side="right")
        found[mine.index] = begun > ended
    return found


def name_peaks(peaks: pd.DataFrame) -> pd.Index:
    """Names such as ``chr1:100-600``."""
    text = peaks["chrom"].astype(str) + ":" + peaks["start"].astype(str)
    return pd.Index(text + "-" + peaks["end"].astype(str), name="peak")


def annotate_peaks(
    peaks: pd.DataFrame,
    genes: pd.DataFrame,
    exons: pd.DataFrame,
    *,
    promoter: tuple[int, int] = (2000, 100),
) -> pd.DataFrame:
    """The genomic element each peak's middle lies in, and the nearest gene.

    Parameters
    ----------
    genes, exons
        ``chrom, start, end, strand, gene``. Without exons, all of a gene counts as ``intronic``.
    promoter
        bp before and behind a start site that are promoter, as in ArchR.

    Returns
    -------
    ``element`` (promoter, exonic, intronic or distal; the first that applies), ``nearest_gene``
    and ``distance`` (bp to its start site, negative upstream); rows as in ``peaks``. Both are
    missing on a chromosome without genes.
    """
    middle = ((peaks["start"] + peaks["end"]) // 2).to_numpy()
    forward = (genes["strand"] != "-").to_numpy()
    place = np.where(forward, genes["start"], genes["end"] - 1)
    before, behind = promoter
    promoters = genes[["chrom"]].assign(
        start=place - np.where(forward, before, behind),
        end=place + np.where(forward, behind, before) + 1,
    )
    covers = {"promoter": promoters, "exonic": exons, "intronic": genes}
    element = np.full(len(peaks), "distal", dtype=object)
    for name in ("intronic", "exonic", "promoter"):
        coverage = Coverage(covers[name])
        for chrom, rows in peaks.groupby("chrom", sort=False).indices.items():
            element[rows[coverage.at(str(chrom), middle[rows]) > 0]] = name
    return pd.DataFrame({"element": element}, index=peaks.index).join(
        _nearest_genes(peaks, genes.assign(place=place), middle)
    )


def _nearest_genes(peaks: pd.DataFrame, genes: pd.DataFrame, middle: np.ndarray) -> pd.DataFrame:
    found = pd.DataFrame({"nearest_gene": "", "distance": np.nan}, index=peaks.index)
    for chrom, rows in peaks.groupby("chrom", sort=False).indices.items():
        near = genes[genes["chrom"] == chrom].sort_values("place", kind="stable")
        if near.empty:
            continue
        place = near["place"].to_numpy()
        right = np.minimum(np.searchsorted(place, middle[rows]), len(place) - 1)
        left = np.maximum(right - 1, 0)
        nearer = np.abs(place[left] - middle[rows]) <= np.abs(place[right] - middle[rows])
        best = np.where(nearer, left, right)
        sign = np.where(near["strand"].to_numpy()[best] == "-", -1, 1)
        index = peaks.index[rows]
        found.loc[index, "nearest_gene"] = near["gene"].to_numpy()[best]
        found.loc[index, "distance"] = sign * (middle[rows] - place[best])
    return found


def count_elements(elements: pd.Series) -> pd.DataFrame:
    """Peaks in each genomic element: ``element, n_peaks, fraction``."""
    n = elements.value_counts().reindex(list(ELEMENTS), fill_value=0)
    table = pd.DataFrame({"element": n.index, "n_peaks": n.to_numpy()})
    return table.assign(fraction=table["n_peaks"] / max(1, table["n_peaks"].sum()))
