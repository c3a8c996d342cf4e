"""Fragments of a simulated sample: peaks, noise, nucleosomes, doublets, bad nuclei, debris."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.synth.chromatin import PEAK_WIDTH, Chromatin
from helpers.synth.design import (
    CHROMATIN_COMPOSITION,
    COMPOSITION,
    Design,
    SampleDesign,
    draw_proportions,
    split_total,
)
from helpers.synth.rna import draw_barcodes

# Liu et al. 2025, Results: the median nucleus has 5,071 high-quality fragments. Those of nuclei
# with few or doubled fragments are drawn around the same median.
MEDIAN_FRAGMENTS, FRAGMENTS_SD = 5071, 0.2
DOUBLETS, FEW_FRAGMENTS, HIGH_NOISE = 0.05, 0.04, 0.04
DEBRIS = 0.3  # barcodes of droplets without a nucleus, as share of the nuclei
DEBRIS_FRAGMENTS = 60
IN_PEAKS, IN_PEAKS_OF_NOISY = 0.55, 0.1  # share of fragments
DONOR_SIMILARITY = 0.8  # how far a donor's own proportions of cells carry over to nuclei
DUPLICATES = 0.6  # copies of a fragment beyond the first, on average
# Length of fragments by the number of nucleosomes they span: mean and sd in bp, share inside and
# outside of peaks (Buenrostro et al. 2013, doi:10.1038/nmeth.2688, Figure 2).
LENGTHS = (
    (75, 22, 0.70, 0.40),
    (198, 22, 0.23, 0.40),
    (390, 32, 0.05, 0.14),
    (580, 40, 0.02, 0.06),
)
SHORTEST, LONGEST = 25, 1000  # bp
NEAR_PEAK_SD, BESIDE_PEAK = 75, 180  # bp from the middle of a peak: free of nucleosomes, with them


@dataclass(frozen=True)
class SampleFragments:
    """What a sequencing run of one sample gives."""

    fragments: pd.DataFrame
    """``chrom`` (row of the genome's chromosomes), ``start, end, barcode`` (row of ``nuclei``),
    ``count``; sorted by place."""
    nuclei: pd.DataFrame
    """Truth, one row a barcode: ``barcode, cell_type, kind, partner``."""
    peaks: pd.DataFrame
    """Peaks as called in this sample: ``chrom, start, end``."""
    metrics: pd.DataFrame
    """One row a barcode with the columns of Cell Ranger's ``singlecell.csv``."""


def make_nuclei(chromatin: Chromatin, design: Design, sample: SampleDesign) -> SampleFragments:
    """Fragments of one sample with the truth of its nuclei.

    A nucleus is good, a doublet (fragments of two nuclei under one barcode), has ``few``
    fragments, is ``noisy`` (few of them in peaks), or is ``debris``.
    """
    rng = np.random.default_rng([design.seed, 13, sample.seed])
    table = _draw_nuclei(design, sample, rng)
    inside, target = _draw_in_peaks(chromatin, design, sample, table, rng)
    outside = _draw_noise(chromatin, table, rng)
    parts = [np.concatenate(pair) for pair in zip(inside, outside, strict=True)]
    nuclei, owner = _name_nuclei(table, rng)
    fragments = _sort(parts, owner, list(chromatin.lengths.values()), rng)
    peaks = _call_peaks(chromatin, target, rng)
    return SampleFragments(fragments, nuclei, peaks, _measure(fragments, nuclei, chromatin))


def expected_proportions(design: Design, sample: SampleDesign) -> pd.Series:
    """Share of each type among a sample's nuclei: its group's, shifted as its RNA is."""
    group = design.drawn_as(sample.group)
    rna = np.random.default_rng([design.seed, 3, sample.seed])
    sd = design.difficulty.proportion_sd
    own = draw_proportions(group, proportion_sd=sd, rng=rna)
    deviation = own / (COMPOSITION[group] / COMPOSITION[group].sum())
    share = CHROMATIN_COMPOSITION[group] * deviation**DONOR_SIMILARITY
    return share / share.sum()


def _draw_nuclei(design: Design, sample: SampleDesign, rng: np.random.Generator) -> pd.DataFrame:
    """One row a nucleus to draw; the two of a doublet have the same number in ``pair``."""
    n_doublets = round(DOUBLETS * sample.n_nuclei)
    n_rows = sample.n_nuclei + n_doublets
    n_debris = round(DEBRIS * sample.n_nuclei)
    share = expected_proportions(design, sample)
    types = np.repeat(share.index.to_numpy(), split_total(n_rows, share.to_numpy()))
    scraps = rng.choice(share.index.to_numpy(), n_debris, p=share.to_numpy())
    table = pd.DataFrame({"cell_type": np.concatenate([rng.permutation(types), scraps])})
    table["pair"] = np.arange(len(table))
    table.loc[sample.n_nuclei : n_rows - 1, "pair"] = np.arange(n_doublets)
    fate = rng.random(len(table))
    alone = (table["pair"] >= n_doublets).to_numpy()
    table["kind"] = np.select(
        [
            np.arange(len(table)) >= n_rows,
            ~alone,
            fate < FEW_FRAGMENTS,
            fate < FEW_FRAGMENTS + HIGH_NOISE,
        ],
        ["debris", "doublet", "few", "noisy"],
        "good",
    )
    median = MEDIAN_FRAGMENTS * np.sqrt(design.difficulty.depth / 4200)
    n = median * rng.lognormal(0, FRAGMENTS_SD, len(table))
    few = np.where(table["kind"] == "few", 0.35, 1.0)
    scrap = DEBRIS_FRAGMENTS * rng.lognormal(0, 0.6, len(table))
    drawn = np.where(table["kind"] == "debris", scrap, n * few)
    table["n"] = np.maximum(drawn.round(), 1).astype(int)
    noisy = table["kind"].isin(["noisy", "debris"]).to_numpy()
    in_peaks = np.where(noisy, IN_PEAKS_OF_NOISY, IN_PEAKS) * rng.lognormal(0, 0.08, len(table))
    table["n_inside"] = rng.binomial(table["n"], np.minimum(in_peaks, 0.9))
    return table


def _draw_in_peaks(
    chromatin: Chromatin,
    design: Design,
    sample: SampleDesign,
    table: pd.DataFrame,
    rng: np.random.Generator,
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Fragments in peaks as (nucleus, chromosome, middle, length), and fragments of each peak."""
    n_peaks = len(chromatin.peaks)
    donor = rng.lognormal(0, design.difficulty.donor_sd, n_peaks)
    nucleus = np.repeat(np.arange(len(table)), table["n_inside"])
    peak = np.empty(len(nucleus), dtype=np.int32)
    types = table["cell_type"].to_numpy()[nucleus]
    for cell_type in pd.unique(table["cell_type"]):
        mine = types == cell_type
        weight = np.cumsum(chromatin.openness[cell_type, sample.group] * donor)
        peak[mine] = np.searchsorted(weight, rng.random(mine.sum()) * weight[-1], side="right")
    n_nucleosomes, length = _draw_lengths(len(peak), rng, inside=True)
    centre = ((chromatin.peaks["start"] + chromatin.peaks["end"]) // 2).to_numpy()[peak]
    side = np.where(rng.random(len(peak)) < 0.5, -1, 1)
    free = rng.normal(0, NEAR_PEAK_SD, len(peak))
    beside = side * rng.normal(BESIDE_PEAK, 35, len(peak))
    middle = centre + np.where(n_nucleosomes == 0, free, beside).astype(np.int64)
    numbers = {chrom: i for i, chrom in enumerate(chromatin.lengths)}
    chrom = chromatin.peaks["chrom"].map(numbers).to_numpy()[peak]
    return (nucleus, chrom, middle, length), np.bincount(peak, minlength=n_peaks)


def _draw_noise(
    chromatin: Chromatin, table: pd.DataFrame, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Fragments anywhere on the genome."""
    nucleus = np.repeat(np.arange(len(table)), table["n"] - table["n_inside"])
    ends = np.cumsum(list(chromatin.lengths.values()))
    place = rng.integers(0, ends[-1], len(nucleus))
    chrom = np.searchsorted(ends, place, side="right")
    middle = place - np.concatenate([[0], ends[:-1]])[chrom]
    _, length = _draw_lengths(len(nucleus), rng, inside=False)
    return nucleus, chrom, middle, length


def _draw_lengths(
    n: int, rng: np.random.Generator, *, inside: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Nucleosomes a fragment spans, and its length."""
    mean, sd, in_peaks, elsewhere = np.array(LENGTHS).T
    share = in_peaks if inside else elsewhere
    n_nucleosomes = np.searchsorted(np.cumsum(share)[:-1], rng.random(n), side="right")
    length = rng.normal(mean[n_nucleosomes], sd[n_nucleosomes])
    return n_nucleosomes, np.clip(length, SHORTEST, LONGEST - 1).astype(np.int64)


def _name_nuclei(table: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Barcodes in alphabetical order with the truth, and the row of each drawn nucleus."""
    second = table["pair"].duplicated(keep="first").to_numpy()
    first = table[~second]
    barcodes = np.sort(draw_barcodes(len(first), rng))
    partner = table.loc[second].set_index("pair")["cell_type"]
    nuclei = pd.DataFrame(
        {
            "barcode": barcodes,
            "cell_type": first["cell_type"].to_numpy(),
            "kind": first["kind"].to_numpy(),
            "partner": first["pair"].map(partner).fillna("").to_numpy(),
        }
    )
    order = rng.permutation(len(first))
    nuclei[["cell_type", "kind", "partner"]] = (
        nuclei[["cell_type", "kind", "partner"]].iloc[order].to_numpy()
    )
    row = pd.Series(np.argsort(order), index=first["pair"].to_numpy())
    return nuclei, row[table["pair"]].to_numpy()


def _sort(
    parts: list[np.ndarray], owner: np.ndarray, lengths: list[int], rng: np.random.Generator
) -> pd.DataFrame:
    """Fragments within their chromosomes, in order of place; equal ones become one with copies."""
    nucleus, chrom, middle, length = parts
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    start = np.maximum(middle - length // 2, 0)
    end = np.minimum(start + length, np.array(lengths)[chrom])
    start = np.minimum(start, end - SHORTEST)
    # one number that sorts by place, then length, then barcode, and can be taken apart again
    n_barcodes = int(owner.max()) + 1
    key = ((begins[chrom] + start) * LONGEST + (end - start)) * n_barcodes + owner[nucleus]
    key, copies = np.unique(key, return_counts=True)
    key, barcode = np.divmod(key, n_barcodes)
    place, length = np.divmod(key, LONGEST)
    chrom = np.searchsorted(begins, place, side="right") - 1
    start = place - begins[chrom]
    table = {
        "chrom": chrom.astype(np.int16),
        "start": start.astype(np.int32),
        "end": (start + length).astype(np.int32),
        "barcode": barcode.astype(np.int32),
        "count": (copies + rng.poisson(DUPLICATES, len(copies))).astype(np.int32),
    }
    return pd.DataFrame(table)


def _call_peaks(
    chromatin: Chromatin, n_fragments: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """Peaks with enough fragments in this sample, their ends blurred."""
    called = n_fragments >= max(3, 0.1 * np.median(n_fragments))
    peaks = chromatin.peaks.loc[called, ["chrom", "start", "end"]].copy()
    peaks["start"] -= rng.integers(0, 40, len(peaks))
    peaks["end"] += rng.integers(0, 40, len(peaks))
    return peaks


def _measure(fragments: pd.DataFrame, nuclei: pd.DataFrame, chromatin: Chromatin) -> pd.DataFrame:
    """Counts of every barcode as in Cell Ranger's table, reads without a barcode first."""
    n = len(nuclei)
    passed = np.bincount(fragments["barcode"], minlength=n)
    total = np.bincount(fragments["barcode"], weights=fragments["count"], minlength=n).astype(int)
    in_peaks = np.bincount(
        fragments["barcode"], weights=_in_peaks(fragments, chromatin), minlength=n
    ).astype(int)
    table = pd.DataFrame(
        {
            "barcode": nuclei["barcode"],
            "total": total,
            "duplicate": total - passed,
            "chimeric": 0,
            "unmapped": 0,
            "lowmapq": 0,
            "mitochondrial": 0,
            "passed_filters": passed,
            "is__cell_barcode": (nuclei["kind"] != "debris").astype(int),
            "peak_region_fragments": in_peaks,
        }
    )
    none = dict.fromkeys(table.columns, 0) | {"barcode": "NO_BARCODE"}
    return pd.concat([pd.DataFrame([none]), table], ignore_index=True)


def _in_peaks(fragments: pd.DataFrame, chromatin: Chromatin) -> np.ndarray:
    """Whether either end of each fragment lies in a peak."""
    numbers = {chrom: i for i, chrom in enumerate(chromatin.lengths)}
    span = np.int64(max(chromatin.lengths.values()) + PEAK_WIDTH)
    chrom = chromatin.peaks["chrom"].map(numbers).to_numpy() * span
    start, end = chrom + chromatin.peaks["start"], chrom + chromatin.peaks["end"]
    inside = np.zeros(len(fragments), dtype=bool)
    for place in (fragments["start"], fragments["end"] - 1):
        position = fragments["chrom"].to_numpy() * span + place.to_numpy()
        peak = np.searchsorted(start, position, side="right") - 1
        inside |= (peak >= 0) & (position < end.to_numpy()[peak])
    return inside
