"""Peaks that differ in accessibility: nucleus by nucleus, and sample by sample."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd
from scipy import sparse, stats

from helpers.compute.expression import weigh_counts
from helpers.compute.stats import adjust_pvalues, compare_moderated, design_contrast
from helpers.errors import DataError
from helpers.schema import DONOR, GENE, GROUP, SAMPLE, Contrast

SCALE = 1e4  # of the term frequency, as Signac's
PSEUDOCOUNT = 1e-4  # added to mean TF-IDF before its ratio is taken, as Signac does
CELL_TEST = "likelihood ratio, logistic regression with depth (nuclei as if independent)"
SAMPLE_TEST = "voom: moderated t-test of log counts per million, samples being the unit"
MAX_STEPS = 25  # of Newton's method, as many as R's glm takes
SETTLED = 1e-12  # relative change of the deviance at which it stops
FLAT = 1e-14  # share of a curvature below which what is left of it is rounding
BLOCK = 2000  # peaks worked on at a time
MIN_SUM = 10  # insertions a peak needs in all samples together to be tested by sample


def weigh_insertions(counts: sparse.csc_matrix, depth: np.ndarray) -> sparse.csc_matrix:
    """TF-IDF of insertions: log1p of the share of the nucleus over that of all, times 10,000.

    Parameters
    ----------
    counts
        Insertions of all nuclei in some peaks, shape (n_nuclei, n_peaks).
    depth
        Insertions of every nucleus in all peaks.

    References
    ----------
    Stuart et al. (2021) Nat. Methods 18:1333. doi:10.1038/s41592-021-01282-5
    """
    matrix = sparse.csc_matrix(counts, dtype=np.float64)
    total = np.asarray(matrix.sum(axis=0)).ravel()
    inverse = np.repeat(matrix.shape[0] / np.maximum(total, 1), np.diff(matrix.indptr))
    values = np.log1p(matrix.data / depth[matrix.indices] * inverse * SCALE)
    return sparse.csc_matrix((values, matrix.indices, matrix.indptr), matrix.shape)


@dataclass(frozen=True)
class Sides:
    """Which nuclei are compared."""

    test: np.ndarray
    """True for nuclei of interest."""
    reference: np.ndarray
    """True for those they are compared with."""

    @property
    def rows(self) -> np.ndarray:
        return np.flatnonzero(self.test | self.reference)


def compare_nuclei(
    counts: sparse.csc_matrix, depth: np.ndarray, sides: Sides, *, min_share: float
) -> pd.DataFrame:
    """Likelihood-ratio test of whether a peak tells the sides apart beyond depth, for every peak.

    The side is regressed on the peak's TF-IDF and the nucleus's insertions (logistic), and
    compared with the regression on insertions alone, as Signac does. Peaks are worked on a block
    at a time, so that no second matrix of the size of the counts is made.

    Parameters
    ----------
    counts
        Insertions of all nuclei, also of those on neither side, shape (n_nuclei, n_peaks).
    depth
        Insertions of every nucleus.
    min_share
        Share of nuclei of either side a peak must be open in to be tested.

    Returns
    -------
    One row a tested peak, indexed by its number: ``log2fc`` (Signac's: ratio of mean TF-IDF),
    ``pct_test`` and ``pct_reference`` (share of nuclei, 0 to 1), ``pvalue``, ``padj``
    (Benjamini-Hochberg).

    Raises
    ------
    DataError
        If a side has no nucleus.

    References
    ----------
    Ntranos et al. (2019) Nat. Methods 16:163. doi:10.1038/s41592-018-0303-9
    """
    for name, chosen in (("test", sides.test), ("reference", sides.reference)):
        if not chosen.any():
            msg = f"no nucleus is on the {name} side of the comparison"
            raise DataError(msg)
    rows = sides.rows
    parts = []
    for first in range(0, counts.shape[1], BLOCK):
        weighed = weigh_insertions(counts[:, first : first + BLOCK], depth)
        table = _summarise(weighed, sides)
        table = table[table[["pct_test", "pct_reference"]].max(axis=1) >= min_share]
        mine = weighed[:, table.index.to_numpy()][rows]
        pvalue = measure_likelihood(mine, depth[rows], sides.test[rows])
        parts.append(table.assign(pvalue=pvalue).set_index(table.index + first))
    found = pd.concat(parts)
    return found.assign(padj=adjust_pvalues(found["pvalue"]))


def _summarise(weighed: sparse.csc_matrix, sides: Sides) -> pd.DataFrame:
    """Fold change and share of open nuclei of every peak."""
    side = np.stack([sides.test, sides.reference]).astype(np.float64)
    side = sparse.csr_matrix(side / side.sum(axis=1, keepdims=True))
    mean = (side @ weighed).toarray()
    share = (side @ weighed.sign()).toarray()
    fold = np.log2(mean[0] + PSEUDOCOUNT) - np.log2(mean[1] + PSEUDOCOUNT)
    return pd.DataFrame({"log2fc": fold, "pct_test": share[0], "pct_reference": share[1]})


def measure_likelihood(
    weighed: sparse.csc_matrix, depth: np.ndarray, is_test: np.ndarray
) -> np.ndarray:
    """p-value of every column as a predictor of the side beside depth (chi-square, 1 df)."""
    spread = depth.std()
    scaled = (depth - depth.mean()) / (spread if spread > 0 else 1.0)
    side = is_test.astype(np.float64)
    empty = sparse.csc_matrix((len(side), 1))
    null, start = _fit_all(
        empty.indptr, empty.indices, empty.data, scaled, side, np.array([0.0, 0.0, 0.0])
    )

    def fit(columns: slice) -> np.ndarray:
        part = weighed[:, columns]
        return _fit_all(part.indptr, part.indices, part.data, scaled, side, start[0])[0]

    step = max(1, -(-weighed.shape[1] // numba.get_num_threads()))
    blocks = [slice(i, i + step) for i in range(0, weighed.shape[1], step)]
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        full = np.concatenate([np.empty(0), *pool.map(fit, blocks)])
    return stats.chi2.sf(np.maximum(null[0] - full, 0), 1)


@numba.njit(nogil=True, cache=True)
def _deviance(peak: np.ndarray, depth: np.ndarray, side: np.ndarray, beta: np.ndarray) -> float:
    total = 0.0
    for i in range(len(side)):
        eta = beta[0] + beta[1] * peak[i] + beta[2] * depth[i]
        signed = -eta if side[i] > 0.5 else eta
        total += max(signed, 0.0) + np.log1p(np.exp(-abs(signed)))
    return 2.0 * total


@numba.njit(nogil=True, cache=True)
def _slopes(
    peak: np.ndarray, depth: np.ndarray, side: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and curvature of half the deviance; an absent peak has a curvature of 1."""
    gradient, curvature = np.zeros(3), np.zeros((3, 3))
    for i in range(len(side)):
        eta = beta[0] + beta[1] * peak[i] + beta[2] * depth[i]
        chance = 1.0 / (1.0 + np.exp(-eta))
        missing, weight = side[i] - chance, chance * (1.0 - chance)
        one, two = peak[i], depth[i]
        gradient[0] += missing
        gradient[1] += missing * one
        gradient[2] += missing * two
        curvature[0, 0] += weight
        curvature[0, 1] += weight * one
        curvature[0, 2] += weight * two
        curvature[1, 1] += weight * one * one
        curvature[1, 2] += weight * one * two
        curvature[2, 2] += weight * two * two
    for i in range(3):
        for j in range(i):
            curvature[i, j] = curvature[j, i]
        if curvature[i, i] == 0.0:
            curvature[i, i] = 1.0
    return gradient, curvature


@numba.njit(nogil=True, cache=True)
def _solve(curvature: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Newton's step by Cholesky; no step in a direction without curvature left."""
    root, step = np.zeros((3, 3)), gradient.copy()
    for i in range(3):
        for j in range(i + 1):
            left = curvature[i, j] - (root[i, :j] * root[j, :j]).sum()
            if i > j:
                root[i, j] = left / root[j, j]
            else:
                root[i, i] = np.sqrt(left) if left > FLAT * curvature[i, i] else np.inf
        step[i] = (step[i] - (root[i, :i] * step[:i]).sum()) / root[i, i]
    for i in range(2, -1, -1):
        step[i] = (step[i] - (root[i + 1 :, i] * step[i + 1 :]).sum()) / root[i, i]
    return step


@numba.njit(nogil=True, cache=True)
def _fit(
    peak: np.ndarray, depth: np.ndarray, side: np.ndarray, start: np.ndarray
) -> tuple[float, np.ndarray]:
    """Newton's method; a step that does not improve is halved. Stops where the sides separate."""
    beta = start.copy()
    deviance = _deviance(peak, depth, side, beta)
    for _ in range(MAX_STEPS):
        gradient, curvature = _slopes(peak, depth, side, beta)
        step = _solve(curvature, gradient)
        after = _deviance(peak, depth, side, beta + step)
        for _half in range(10):
            if after <= deviance:
                break
            step = step / 2
            after = _deviance(peak, depth, side, beta + step)
        if after > deviance:
            break
        beta = beta + step
        change = (deviance - after) / (after + 0.1)
        deviance = after
        if change < SETTLED:
            break
    return deviance, beta


@numba.njit(nogil=True, cache=True)
def _fit_all(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    depth: np.ndarray,
    side: np.ndarray,
    start: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Deviance and coefficients of the logistic regression on each column and depth."""
    n_columns = len(indptr) - 1
    deviance = np.empty(n_columns)
    coefficients = np.empty((n_columns, 3))
    for j in range(n_columns):
        peak = np.zeros(len(side))
        for k in range(indptr[j], indptr[j + 1]):
            peak[indices[k]] = data[k]
        deviance[j], coefficients[j] = _fit(peak, depth, side, start)
    return deviance, coefficients


def sum_units(
    counts: sparse.csr_matrix, units: pd.DataFrame, *, min_nuclei: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Counts added up over the nuclei that agree in every column of a table.

    Parameters
    ----------
    counts
        Shape (n_nuclei, n_features).
    units
        What a nucleus belongs to, such as its sample and type, one row a nucleus.
    min_nuclei
        Nuclei a unit must have; smaller ones are left out.

    Returns
    -------
    Sums, shape (n_units, n_features), and the table of the units with ``n_nuclei``.
    """
    grouped = units.groupby(list(units.columns), sort=True, observed=True)
    member, size = grouped.ngroup().to_numpy(), grouped.size()
    kept = size.to_numpy() >= min_nuclei
    ones = (np.ones(len(member)), (member, np.arange(len(member))))
    indicator = sparse.csr_matrix(ones, (len(size), len(member)))
    table = size[kept].rename("n_nuclei").reset_index()
    return (indicator[np.flatnonzero(kept)] @ counts).toarray(), table


@dataclass(frozen=True)
class Comparison:
    """A linear model of units and what of it is asked for."""

    rows: np.ndarray
    """Units that take part."""
    design: pd.DataFrame
    weights: pd.Series
    """Of each coefficient."""

    @property
    def possible(self) -> bool:
        """Whether both sides are there and replicates are left for the variance."""
        full_rank = np.linalg.matrix_rank(self.design.to_numpy()) == self.design.shape[1]
        asked = self.weights[self.weights != 0].index.isin(self.design.columns).all()
        return bool(len(self.design) > self.design.shape[1] and full_rank and asked)


def pair_sides(units: pd.DataFrame) -> Comparison:
    """The two sides of every sample that has both, compared within the sample.

    Parameters
    ----------
    units
        ``sample`` and ``test`` (which side) of every unit.
    """
    rows = np.flatnonzero(units.groupby(SAMPLE)["test"].transform("nunique") == 2)
    mine = units.iloc[rows]
    design = pd.get_dummies(mine[SAMPLE], prefix="sample", dtype=float)
    design["test"] = mine["test"].astype(float)
    return Comparison(rows, design, pd.Series({"test": 1.0}))


def oppose_groups(units: pd.DataFrame, contrast: Contrast) -> Comparison:
    """Two groups of samples compared, within donors where all were sampled in both.

    Parameters
    ----------
    units
        ``group`` and ``donor`` of every unit.
    """
    place = units.reset_index(drop=True).astype({GROUP: str, DONOR: str})
    design, _ = design_contrast(place[GROUP], contrast, donors=place[DONOR])
    weights = pd.Series({contrast.test: 1.0, contrast.reference: -1.0})
    return Comparison(design.index.to_numpy(), design, weights)


def compare_units(sums: np.ndarray, comparison: Comparison, *, confidence: float) -> pd.DataFrame:
    """Difference in every feature, samples being the unit (voom).

    Parameters
    ----------
    sums
        Counts, shape (n_units, n_features).
    confidence
        Coverage of the interval.

    Returns
    -------
    One row a tested feature, indexed by its number: ``log2fc``, ``ci_low``, ``ci_high``,
    ``pvalue``, ``padj`` (Benjamini-Hochberg). No row where samples do not allow a test.

    References
    ----------
    Law et al. (2014) Genome Biol. 15:R29. doi:10.1186/gb-2014-15-2-r29
    """
    columns = ["log2fc", "ci_low", "ci_high", "pvalue", "padj"]
    mine = sums[comparison.rows]
    tested = np.flatnonzero(mine.sum(axis=0) >= MIN_SUM)
    if not comparison.possible or len(tested) < 2:
        return pd.DataFrame(columns=columns, dtype=float)
    values, precision = weigh_counts(mine[:, tested], comparison.design.to_numpy())
    weights = comparison.weights.reindex(comparison.design.columns, fill_value=0.0)
    found = compare_moderated(
        pd.DataFrame(values, index=comparison.design.index, columns=tested),
        comparison.design,
        weights,
        confidence=confidence,
        weights=precision,
    ).rename(columns={"effect": "log2fc"})
    return found.assign(padj=adjust_pvalues(found["pvalue"]))[columns]


def name_nearest(peaks: pd.DataFrame, genes: pd.DataFrame) -> pd.DataFrame:
    """Gene whose start of transcription lies nearest to the middle of each peak.

    Parameters
    ----------
    peaks
        ``chrom, start, end``.
    genes
        ``chrom, start, end, strand, gene``.

    Returns
    -------
    ``gene`` and ``distance_bp``, indexed like the peaks; empty and missing where the chromosome
    has no gene.
    """
    site = np.where(genes["strand"] == "-", genes["end"] - 1, genes["start"])
    starts = genes.assign(site=site).sort_values("site", kind="stable")
    by_chrom = dict(iter(starts.groupby("chrom")))
    result = pd.DataFrame({GENE: "", "distance_bp": np.nan}, index=peaks.index)
    for chrom, mine in peaks.groupby("chrom", observed=True):
        if chrom not in by_chrom:
            continue
        sites = by_chrom[chrom]["site"].to_numpy()
        middle = ((mine["start"] + mine["end"]) // 2).to_numpy()
        right = np.clip(np.searchsorted(sites, middle), 1, max(len(sites) - 1, 1))
        pair = np.stack([right - 1, np.minimum(right, len(sites) - 1)])
        nearest = pair[np.abs(sites[pair] - middle).argmin(axis=0), np.arange(len(middle))]
        result.loc[mine.index, GENE] = by_chrom[chrom][GENE].to_numpy()[nearest]
        result.loc[mine.index, "distance_bp"] = np.abs(sites[nearest] - middle)
    return result
