"""A shrunken genome with real genes in their order, its peaks, and where each peak is open."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.synth.design import CONTROLS, GROUPS, Design
from helpers.synth.programmes import CELL_TYPES, LINEAGE, ancestry, named_genes
from helpers.synth.rna import Landscape

# Every gene has a slot of this length, its body in the middle: neighbours are never so near that
# the flanks of one start site (2 kb) hold the peaks of another.
SLOT, BODY, MARGIN = 8000, (3500, 6500), 8000
EXONS = ((3500, 3800), (6000, 6500))
PEAK_WIDTH = 500
INTRONIC, DISTAL = 4700, 300  # begin of an enhancer in its slot, before strands are turned
CLOSED, PROMOTER_FLOOR = 0.04, 0.3  # openness, against 1 in the type where a peak is most open
SHARPNESS = 1.0  # of the openness of peaks against the expression of their gene
MARKER_RANGE = 1.5  # natural log between types above which a gene's enhancer follows the gene
SHARED_ENHANCERS = 0.35  # share of the other enhancers that are open in all types
GC = (0.36, 0.52)  # of a gene's slot
BLACKLISTED = 8  # chromosomes that end with a region full of artefacts
CHROMOSOMES = (*(f"chr{n}" for n in range(1, 23)), "chrX")

# JASPAR CORE identifiers of the factors whose motifs Liu et al. 2025 (Figures 7 and 8) name.
MOTIF_IDS = {
    "FOS": "MA0476",
    "FOSL1": "MA0477",
    "FOSL2": "MA0478",
    "JUN": "MA0488",
    "JUNB": "MA0490",
    "BATF": "MA1634",
    "EBF1": "MA0154",
    "EBF3": "MA1637",
    "MAZ": "MA1522",
    "ZNF148": "MA1653",
    "KLF5": "MA0599",
    "KLF15": "MA1513",
    "NHLH1": "MA0048",
    "SP1": "MA0079",
    "SP3": "MA0746",
    "NRF1": "MA0506",
    "ZBTB14": "MA1650",
    "EGR1": "MA0162",
    "EGR3": "MA0732",
}


@dataclass(frozen=True)
class MotifSet:
    """Factors whose motifs lie in the same peaks, and where those are open."""

    contrast: str
    cell_type: str
    direction: str
    """Of the contrast, in the peaks that hold the motifs."""
    n_peaks: int
    factors: tuple[str, ...]


MOTIF_SETS = (
    MotifSet(
        "HSC/MPP vs others", "HSC/MPP", "up", 120, ("FOS", "FOSL1", "FOSL2", "JUN", "JUNB", "BATF")
    ),
    MotifSet(
        "Pro-B vs others",
        "Pro-B",
        "up",
        140,
        ("EBF1", "EBF3", "MAZ", "ZNF148", "KLF5", "KLF15", "NHLH1"),
    ),
    MotifSet(
        "NCR vs CR",
        "Pro-B",
        "down",
        140,
        ("KLF15", "SP1", "SP3", "NRF1", "ZBTB14", "EGR1", "EGR3"),
    ),
)
MOTIFS_PER_PEAK = 4
NEAR, APART = (20, 90), 110  # bp of a motif from the middle of its peak, and from one behind it
# Peaks lost in Pro-B of NCR: so open there, and in all other types. The latter is about the mean
# over all Pro-B nuclei, most of which are of NCR: the type as a whole does not differ.
LOST_OPEN, ELSEWHERE_OPEN = 0.12, 0.25


@dataclass(frozen=True)
class Chromatin:
    """The genome of a cohort and how open its peaks are."""

    genes: pd.DataFrame
    """``chrom, start, end, strand, gene, gene_id`` on the shrunken genome."""
    lengths: dict[str, int]
    """Chromosome -> bp, in order."""
    peaks: pd.DataFrame
    """``chrom, start, end, kind, gene, open_in, groups``; sorted."""
    openness: dict[tuple[str, str], np.ndarray]
    """(cell type, group) -> weight of every peak."""
    motifs: pd.DataFrame
    """``peak`` (row of peaks), ``tf``, ``motif_id``, ``start`` (on the chromosome), ``strand``."""
    seed: int


def make_chromatin(
    landscape: Landscape, design: Design, *, wanted: set[str], motifs: Mapping[str, np.ndarray]
) -> Chromatin:
    """The genome and peaks of a cohort; random numbers are apart from those of its RNA.

    Parameters
    ----------
    landscape
        Expression of the cohort's cell states, which the peaks of its genes follow.
    wanted
        Genes to keep besides those the programmes name.
    motifs
        Factor -> probability of A, C, G, T at each position, shape (length, 4).
    """
    rng = np.random.default_rng([design.seed, 11])
    genes, expression = _place_genes(landscape, design, wanted, rng)
    lengths = {
        str(chrom): int(n * SLOT + 2 * MARGIN)
        for chrom, n in genes["chrom"].value_counts(sort=False).items()
    }
    peaks = _place_peaks(genes, lengths)
    openness = _open_peaks(peaks, expression, rng)
    planted = _plant_sets(peaks, expression, openness, rng, design=design)
    peaks["open_in"] = _list_types(openness)
    instances = _place_motifs(peaks, planted, motifs, rng)
    return Chromatin(genes, lengths, peaks, openness, instances, design.seed)


def _place_genes(
    landscape: Landscape, design: Design, wanted: set[str], rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Genes on the shrunken genome, and log level of each in each type."""
    symbols = landscape.genes["gene"]
    usable = landscape.genes["chrom"].isin(CHROMOSOMES).to_numpy()
    named = usable & symbols.isin(named_genes() | wanted).to_numpy()
    spare = np.flatnonzero(usable & ~named)
    n_more = min(len(spare), max(0, design.n_chromatin_genes - int(named.sum())))
    rows = np.union1d(np.flatnonzero(named), rng.choice(spare, n_more, replace=False))
    genes = landscape.genes.iloc[rows].reset_index(drop=True)
    order = genes["chrom"].map({c: i for i, c in enumerate(CHROMOSOMES)})
    order = np.lexsort((genes["start"], order))
    genes, rows = genes.iloc[order].reset_index(drop=True), rows[order]
    slot = genes.groupby("chrom", sort=False).cumcount().to_numpy() * SLOT + MARGIN
    genes["slot"] = slot
    genes["strand"] = genes["strand"].replace(".", "+")
    genes["start"], genes["end"] = _turn(genes, *BODY)
    levels = {t: landscape.log_rates[t, ""][rows] for t in CELL_TYPES}
    return genes, pd.DataFrame(levels)


def _turn(
    genes: pd.DataFrame, start: int | np.ndarray, end: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """An interval of every slot as it lies on the gene's strand."""
    forward = (genes["strand"] == "+").to_numpy()
    slot = genes["slot"].to_numpy()
    return (
        slot + np.where(forward, start, SLOT - end),
        slot + np.where(forward, end, SLOT - start),
    )


def list_exons(genes: pd.DataFrame) -> pd.DataFrame:
    """The exons of every gene: ``chrom, start, end, strand, gene, gene_id``."""
    tables = []
    for exon in EXONS:
        start, end = _turn(genes, *exon)
        tables.append(genes.assign(start=start, end=end))
    return pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)


def _place_peaks(genes: pd.DataFrame, lengths: dict[str, int]) -> pd.DataFrame:
    """A promoter and an enhancer of every gene; artefacts at the ends of some chromosomes."""
    half = PEAK_WIDTH // 2
    enhancer = np.where(np.arange(len(genes)) % 2 == 0, INTRONIC, DISTAL)
    tables = []
    for kind, begin in (
        ("promoter", np.full(len(genes), BODY[0] - half)),
        ("enhancer", enhancer),
    ):
        start, end = _turn(genes, begin, begin + PEAK_WIDTH)
        table = genes[["chrom", "gene"]].assign(start=start, end=end, kind=kind)
        if kind == "enhancer":
            table["kind"] = np.where(enhancer == INTRONIC, "intronic", "distal")
        tables.append(table.assign(row=np.arange(len(genes))))
    ends = list(lengths.items())[:BLACKLISTED]
    tables.append(
        pd.DataFrame(
            {
                "chrom": [chrom for chrom, _ in ends],
                "gene": "",
                "start": [length - 3000 for _, length in ends],
                "end": [length - 2000 for _, length in ends],
                "kind": "artefact",
                "row": -1,
            }
        )
    )
    peaks = pd.concat(tables, ignore_index=True)
    order = peaks["chrom"].map({chrom: i for i, chrom in enumerate(lengths)})
    peaks = peaks.iloc[np.lexsort((peaks["start"], order))].reset_index(drop=True)
    return peaks[["chrom", "start", "end", "kind", "gene", "row"]].assign(groups="")


def _open_peaks(
    peaks: pd.DataFrame, expression: pd.DataFrame, rng: np.random.Generator
) -> dict[tuple[str, str], np.ndarray]:
    """Weight of every peak in every type, the same in all groups."""
    strength = rng.lognormal(0, 0.4, len(peaks))
    row = peaks["row"].to_numpy()
    levels = expression.to_numpy()[row]
    relative = np.exp(SHARPNESS * (levels - levels.max(axis=1, keepdims=True)))
    varies = levels.max(axis=1) - levels.min(axis=1) > MARKER_RANGE
    promoter = (peaks["kind"] == "promoter").to_numpy()
    lineage = _draw_lineages(len(peaks), rng)
    weight = np.where(
        promoter[:, None],
        np.maximum(relative, PROMOTER_FLOOR),
        np.where(varies[:, None], np.maximum(relative, CLOSED), lineage),
    )
    weight = np.where((row < 0)[:, None], 4.0, weight)
    weight *= strength[:, None]
    return {(t, group): weight[:, i].copy() for i, t in enumerate(CELL_TYPES) for group in GROUPS}


def _draw_lineages(n: int, rng: np.random.Generator) -> np.ndarray:
    """Openness in each type of enhancers that belong to one branch of the lineage, or to all."""
    nodes = sorted(LINEAGE)
    below = np.array([[node in ancestry(t) for t in CELL_TYPES] for node in nodes])
    chosen = below[rng.integers(0, len(nodes), n)]
    everywhere = rng.random(n) < SHARED_ENHANCERS
    return np.where(chosen | everywhere[:, None], 1.0, CLOSED)


def _plant_sets(
    peaks: pd.DataFrame,
    expression: pd.DataFrame,
    openness: dict[tuple[str, str], np.ndarray],
    rng: np.random.Generator,
    *,
    design: Design,
) -> list[np.ndarray]:
    """Open some enhancers of inconspicuous genes by the motif sets; which of them."""
    spread = expression.max(axis=1) - expression.min(axis=1)
    quiet = np.append(spread.to_numpy() <= MARKER_RANGE, [False])[peaks["row"]]
    free = np.flatnonzero(quiet & peaks["kind"].isin(["distal", "intronic"]).to_numpy())
    wanted = np.array([motif_set.n_peaks for motif_set in MOTIF_SETS])
    sizes = np.minimum(wanted, wanted * len(free) // wanted.sum())
    chosen = rng.permutation(free)[: sizes.sum()]
    planted = [np.sort(part) for part in np.split(chosen, np.cumsum(sizes)[:-1])]
    strength = rng.lognormal(0, 0.3, len(peaks))
    for motif_set, rows in zip(MOTIF_SETS, planted, strict=True):
        lost = motif_set.contrast == "NCR vs CR"
        for (cell_type, group), weight in openness.items():
            weight[rows] = strength[rows] * _openness(
                motif_set, cell_type, design.drawn_as(group), lost=lost
            )
        kept = ";".join(g for g in GROUPS if not lost or design.drawn_as(g) != "NCR")
        peaks.loc[rows, "groups"] = kept
    return planted


def _openness(motif_set: MotifSet, cell_type: str, group: str, *, lost: bool) -> float:
    mine = cell_type == motif_set.cell_type
    if not lost:
        return 1.0 if mine else CLOSED
    if not mine:
        return ELSEWHERE_OPEN
    return LOST_OPEN if group == "NCR" else 1.0


def _list_types(openness: dict[tuple[str, str], np.ndarray]) -> list[str]:
    """Types in which each peak is open at half its height or more, in the controls."""
    weight = np.column_stack([openness[t, CONTROLS] for t in CELL_TYPES])
    is_open = weight >= 0.5 * weight.max(axis=1, keepdims=True)
    return [";".join(np.array(CELL_TYPES)[row]) for row in is_open]


def _place_motifs(
    peaks: pd.DataFrame,
    planted: list[np.ndarray],
    motifs: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Several factors' motifs in every planted peak, in turn on each side of its middle."""
    rows = []
    for motif_set, chosen in zip(MOTIF_SETS, planted, strict=True):
        for number, peak in enumerate(chosen):
            middle = int(peaks["start"].iloc[peak]) + PEAK_WIDTH // 2
            for place in range(MOTIFS_PER_PEAK):
                step = number * MOTIFS_PER_PEAK + place
                tf = motif_set.factors[step % len(motif_set.factors)]
                offset = int(rng.integers(*NEAR)) + place // 2 * APART
                start = middle + offset if place % 2 else middle - offset - len(motifs[tf])
                strand = "+" if rng.random() < 0.5 else "-"
                rows.append((int(peak), tf, MOTIF_IDS[tf], start, strand))
    return pd.DataFrame(rows, columns=["peak", "tf", "motif_id", "start", "strand"])


def make_sequences(chromatin: Chromatin, motifs: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """Random sequence of every chromosome with the motifs written into it.

    GC varies from slot to slot, and is higher in promoters, as in blood.

    Returns
    -------
    Chromosome -> upper-case ASCII bases.
    """
    rng = np.random.default_rng([chromatin.seed, 12])
    bases = np.frombuffer(b"ACGT", dtype=np.uint8)
    sequences = {}
    for chrom, length in chromatin.lengths.items():
        gc = np.repeat(rng.uniform(*GC, length // SLOT + 1), SLOT)[:length]
        here = chromatin.peaks[
            (chromatin.peaks["chrom"] == chrom) & (chromatin.peaks["kind"] == "promoter")
        ]
        for start, end in zip(here["start"], here["end"], strict=True):
            gc[start:end] += 0.1
        strong = rng.random(length) < gc
        side = rng.random(length) < 0.5
        code = np.where(strong, np.where(side, 1, 2), np.where(side, 0, 3))
        sequences[chrom] = bases[code]
    _write_motifs(sequences, chromatin, motifs, rng)
    return {chrom: sequence.tobytes() for chrom, sequence in sequences.items()}


def _write_motifs(
    sequences: dict[str, np.ndarray],
    chromatin: Chromatin,
    motifs: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> None:
    """An instance drawn from each motif's frequencies; the best of three, as sites in use are."""
    chroms = chromatin.peaks["chrom"].to_numpy()
    for row in chromatin.motifs.itertuples():
        frequencies = motifs[row.tf]
        draws = np.array([[rng.choice(4, p=p) for p in frequencies] for _ in range(3)])
        place = np.arange(len(frequencies))
        site = draws[np.argmax(np.log(frequencies[place, draws] + 1e-9).sum(axis=1))]
        site = site if row.strand == "+" else (3 - site)[::-1]
        sequences[chroms[row.peak]][row.start : row.start + len(site)] = np.frombuffer(
            b"ACGT", dtype=np.uint8
        )[site]


def list_peaks(chromatin: Chromatin) -> pd.DataFrame:
    """Truth: every peak with the types and groups in which it is open."""
    keys = ["chrom", "start", "end", "kind", "gene", "open_in", "groups"]
    sets = chromatin.motifs.groupby("peak")["tf"].agg(";".join)
    table = chromatin.peaks[keys].assign(motifs=chromatin.peaks.index.map(sets))
    return table.fillna({"motifs": ""})


def list_motifs(design: Design, identifiers: Mapping[str, str]) -> pd.DataFrame:
    """Truth: the factors whose motifs are in the peaks that a contrast opens or closes.

    Without group effects the contrast of groups has none.
    """
    rows = [
        (motif_set.contrast, motif_set.cell_type, tf, identifiers[tf], motif_set.direction)
        for motif_set in MOTIF_SETS
        for tf in motif_set.factors
        if design.group_effects or motif_set.contrast != "NCR vs CR"
    ]
    return pd.DataFrame(rows, columns=["contrast", "cell_type", "tf", "motif_id", "direction"])
