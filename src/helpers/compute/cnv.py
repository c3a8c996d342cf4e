"""Copy number from expression as inferCNV estimates it: smoothed ratios to normal cells."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import ndimage, sparse

from helpers.errors import DataError
from helpers.schema import GENE

CHUNK = 256  # cells made dense at a time: tens of megabytes
LOGISTIC_SLOPE = 20.0  # inferCNV's own
AUTOSOMES = tuple(f"chr{number}" for number in range(1, 23))
# Loci that cells of one lineage switch on together, which looks like a gain: HLA, and the
# segments of immunoglobulins, their surrogate light chains and T-cell receptors.
VARIABLE_LOCI = (
    r"HLA-.*|IG[HKL](?:[VDJ]\d.*|C\d?|[ADEGM]P?\d?)|IGLL\d.*|VPREB\d|TR[ABDG](?:[VDJ]\d.*|C\d?)"
)
VARIABLE_BIOTYPES = r"(?:IG|TR)_[VDJC]_(?:gene|pseudogene)"
Denoise = Literal["none", "cut", "logistic"]


def place_genes(
    measured: pd.Index, genes: pd.DataFrame, *, exclude_loci: bool = True
) -> pd.DataFrame:
    """Measured autosomal genes in genomic order.

    Parameters
    ----------
    measured
        Symbols, in the order of the columns of the counts.
    genes
        ``gene``, ``chrom``, ``start``, ``end``, ``biotype`` and ``arm``.
    exclude_loci
        Leave out HLA, immunoglobulin and T-cell-receptor genes, which fake copy number.

    Returns
    -------
    Rows of ``genes`` with ``column``, the gene's position in ``measured``.

    Raises
    ------
    DataError
        If no gene has a known place.
    """
    column = pd.Series(measured.get_indexer(genes[GENE]), index=genes.index)
    kept = (column >= 0) & genes["chrom"].isin(AUTOSOMES)
    if exclude_loci:
        kept &= ~genes[GENE].str.fullmatch(VARIABLE_LOCI)
        kept &= ~genes["biotype"].str.fullmatch(VARIABLE_BIOTYPES)
    placed = genes.assign(column=column)[kept]
    if placed.empty:
        msg = "no measured gene has a known place on an autosome; are the names gene symbols?"
        raise DataError(msg)
    rank = placed["chrom"].map({name: i for i, name in enumerate(AUTOSOMES)})
    order = np.lexsort((placed["start"], rank))
    return placed.iloc[order].reset_index(drop=True)


def find_expressed(counts: sparse.csr_matrix, *, min_mean: float, min_cells: int = 3) -> np.ndarray:
    """Which genes have a mean count of ``min_mean`` and are seen in ``min_cells`` cells."""
    mean = np.asarray(counts.sum(axis=0), dtype=float).ravel() / counts.shape[0]
    return (mean >= min_mean) & (counts.getnnz(axis=0) >= min_cells)


@dataclass(frozen=True)
class Baseline:
    """What normal cells look like: the level from which ratios are measured."""

    chroms: np.ndarray
    """Chromosome of every gene, genes in genomic order."""
    depth: float
    """UMIs over these genes that every cell is scaled to."""
    window: int
    """Genes averaged, with weights that fall off linearly to both sides; odd."""
    clip: float
    """Log2 ratios beyond it are cut, so that no single gene decides."""
    expressed: np.ndarray
    """Lowest and highest mean log2 expression of the reference groups, shape (2, n_genes)."""
    smoothed: np.ndarray
    """The same of the smoothed and centred log2 ratios."""
    mean: float = 1.0
    """Mean ratio of the reference cells."""
    sd: float = 0.0
    """Mean over reference cells of the standard deviation of their ratios."""


def fit_baseline(
    counts: sparse.csr_matrix,
    chroms: np.ndarray,
    references: list[np.ndarray],
    *,
    window: int = 101,
    clip: float = 3.0,
) -> Baseline:
    """Learn the level of normal cells.

    Parameters
    ----------
    counts
        Raw counts of all cells, shape (n_cells, n_genes), genes in genomic order.
    chroms
        Chromosome of every gene.
    references
        Rows of the normal cells, one array a group. What lies between the lowest and the
        highest mean of the groups counts as no difference.

    Raises
    ------
    DataError
        If a reference group is empty, the window even, or a cell has no count.

    References
    ----------
    inferCNV 1.0.4 of the Trinity CTAT project, https://github.com/broadinstitute/inferCNV;
    Patel et al. (2014) Science 344:1396. doi:10.1126/science.1254257
    """
    if not references or min(len(rows) for rows in references) == 0:
        msg = "every reference group needs at least one cell"
        raise DataError(msg)
    if window % 2 == 0:
        msg = f"the window must be odd to have a gene in its middle, not {window}"
        raise DataError(msg)
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    if totals.min() == 0:
        msg = f"{(totals == 0).sum()} cells have no count in the genes used; leave them out"
        raise DataError(msg)
    nothing = np.zeros((2, len(chroms)), dtype=np.float32)
    level = Baseline(chroms, float(np.median(totals)), window, clip, nothing, nothing)
    level = replace(level, expressed=_mean_bounds(counts, references, _expression, level))
    level = replace(level, smoothed=_mean_bounds(counts, references, _smoothed_ratio, level))
    mean, sd = _measure_noise(counts[np.concatenate(references)], level)
    return replace(level, mean=mean, sd=sd)


def _mean_bounds(
    counts: sparse.csr_matrix,
    references: list[np.ndarray],
    measure: Callable[[sparse.csr_matrix, Baseline], np.ndarray],
    level: Baseline,
) -> np.ndarray:
    """Lowest and highest of the reference groups' means, gene by gene."""
    means = []
    for rows in references:
        total = np.zeros(counts.shape[1])
        for part in _chunks(counts[rows]):
            total += measure(part, level).sum(axis=0, dtype=np.float64)
        means.append(total / len(rows))
    return np.array([np.min(means, axis=0), np.max(means, axis=0)], dtype=np.float32)


def _measure_noise(counts: sparse.csr_matrix, level: Baseline) -> tuple[float, float]:
    means, deviations = [], []
    for part in _chunks(counts):
        ratio = _ratio(part, level)
        means.append(ratio.mean(axis=1, dtype=np.float64))
        deviations.append(ratio.std(axis=1, ddof=1, dtype=np.float64))
    return float(np.concatenate(means).mean()), float(np.concatenate(deviations).mean())


def measure_ratios(
    counts: sparse.csr_matrix,
    level: Baseline,
    *,
    denoise: Denoise = "cut",
    noise_sd: float = 1.5,
) -> Iterator[np.ndarray]:
    """Ratio of every cell to normal cells along the genome, a few hundred cells at a time.

    Parameters
    ----------
    counts
        Raw counts of the genes the baseline was learnt from, shape (n_cells, n_genes).
    denoise
        ``cut``: ratios within ``noise_sd`` standard deviations of the reference become its
        mean; ``logistic``: they are drawn towards it; ``none``.

    Yields
    ------
    Ratios, shape (up to 256, n_genes), float32; 1 is two copies.
    """
    threshold = noise_sd * level.sd
    for part in _chunks(counts):
        ratio = _ratio(part, level)
        if denoise != "none":
            ratio -= np.float32(level.mean)
            distance = np.abs(ratio)
            if denoise == "cut":
                ratio[distance < threshold] = 0
            else:
                ratio /= 1 + np.exp(-LOGISTIC_SLOPE * (distance - threshold))
            ratio += np.float32(level.mean)
        yield ratio


def score_variability(ratio: np.ndarray) -> np.ndarray:
    """The source's measure of a cell: mean square of the ratio's distance from 1.

    It grows with everything that sets a cell apart from the reference: copy number, but also
    lineage and a low number of UMIs.
    """
    return np.square(ratio - 1, dtype=np.float64).mean(axis=1)


def _chunks(counts: sparse.csr_matrix) -> Iterator[sparse.csr_matrix]:
    for start in range(0, counts.shape[0], CHUNK):
        yield counts[start : start + CHUNK]


def _expression(counts: sparse.csr_matrix, level: Baseline) -> np.ndarray:
    """Log2 of one plus counts scaled to the baseline's depth, dense."""
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    scaled = counts.astype(np.float32)
    scaled.data *= np.repeat((level.depth / totals).astype(np.float32), np.diff(counts.indptr))
    scaled.data = np.log2(1 + scaled.data)
    return scaled.toarray()


def _smoothed_ratio(counts: sparse.csr_matrix, level: Baseline) -> np.ndarray:
    """Log2 ratio to the reference, clipped, smoothed and centred on each cell's median."""
    ratio = _outside(_expression(counts, level), level.expressed)
    np.clip(ratio, -level.clip, level.clip, out=ratio)
    smoothed = smooth_genes(ratio, level.chroms, window=level.window)
    smoothed -= np.median(smoothed, axis=1, keepdims=True)
    return smoothed


def _ratio(counts: sparse.csr_matrix, level: Baseline) -> np.ndarray:
    return np.exp2(_outside(_smoothed_ratio(counts, level), level.smoothed))


def _outside(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """How far values lie above the upper or below the lower bound; 0 between. In place."""
    values -= np.clip(values, bounds[0], bounds[1])
    return values


def smooth_genes(values: np.ndarray, chroms: np.ndarray, *, window: int) -> np.ndarray:
    """Average of neighbouring genes on a chromosome, weights falling off linearly.

    Two running means of half the window make the pyramid. Gaps of zeros keep chromosomes apart;
    the same smoothing of ones says how much of the window lies on the chromosome.

    Parameters
    ----------
    values
        Shape (n_cells, n_genes), genes in genomic order.
    window
        Genes from the first to the last with any weight; odd.
    """
    gap = window // 2
    number = np.concatenate([[0], np.cumsum(chroms[1:] != chroms[:-1])])
    position = np.arange(len(chroms)) + gap * (number + 1)
    width = int(position[-1]) + 1 + gap
    inside = np.zeros((1, width), dtype=np.float32)
    inside[0, position] = 1
    weight = _pyramid(inside, gap + 1)[:, position]
    spread = np.zeros((len(values), width), dtype=np.float32)
    spread[:, position] = values
    smoothed = _pyramid(spread, gap + 1)[:, position]
    smoothed /= weight
    return smoothed


def _pyramid(values: np.ndarray, size: int) -> np.ndarray:
    """Two running means over ``size`` columns; an even one is shifted there and back."""
    once = ndimage.uniform_filter1d(values, size, axis=1, mode="constant")
    return ndimage.uniform_filter1d(
        once, size, axis=1, mode="constant", origin=-1 if size % 2 == 0 else 0
    )
