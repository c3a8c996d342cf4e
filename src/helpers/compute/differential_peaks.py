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
N_NODES = 256  # that stand for all nuclei
FEW = 4 * N_NODES  # nuclei that are taken as they are
STEEP = 50.0  # change of the predictor from least to greatest depth, below which nodes err by 1e-12
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
    mean_of = np.stack([sides.test / sides.test.sum(), sides.reference / sides.reference.sum()], 1)
    parts = []
    for first in range(0, counts.shape[1], BLOCK):
        block = counts[:, first : first + BLOCK]
        share = block.sign().T @ mean_of
        tested = np.flatnonzero(share.max(axis=1) >= min_share)
        weighed = weigh_insertions(block[:, tested], depth)
        level = np.log2(weighed.T @ mean_of + PSEUDOCOUNT)
        mine = weighed if len(rows) == len(depth) else weighed[rows]
        columns = {
            "log2fc": level[:, 0] - level[:, 1],
            "pct_test": share[tested, 0],
            "pct_reference": share[tested, 1],
            "pvalue": measure_likelihood(mine, depth[rows], sides.test[rows]),
        }
        parts.append(pd.DataFrame(columns, index=first + tested))
    found = pd.concat(parts)
    return found.assign(padj=adjust_pvalues(found["pvalue"]))


def measure_likelihood(
    weighed: sparse.csc_matrix, depth: np.ndarray, is_test: np.ndarray
) -> np.ndarray:
    """p-value of every column as a predictor of the side beside depth (chi-square, 1 df).

    A nucleus in which a peak is closed tells of its depth alone, and depths are the same for all
    peaks: sums over all nuclei are therefore taken at a few nodes (:func:`place_nodes`), and only
    those in which a peak is open are gone through one by one.
    """
    spread = depth.std()
    scaled = (depth - depth.mean()) / (spread if spread > 0 else 1.0)
    side = is_test.astype(np.float64)
    closed = sparse.csc_matrix((len(side), 1))
    everyone = (scaled, np.ones(len(scaled)))
    nodes = place_nodes(scaled)
    null, start = _fit_columns(closed, scaled, side, nodes, np.zeros(3))
    if _is_steep(start, scaled).any():
        nodes = everyone
        null, start = _fit_columns(closed, scaled, side, nodes, np.zeros(3))

    def fit(columns: slice) -> np.ndarray:
        mine = weighed[:, columns]
        deviance, beta = _fit_columns(mine, scaled, side, nodes, start[0])
        steep = _is_steep(beta, scaled)
        if steep.any() and len(nodes[0]) < len(scaled):
            deviance[steep] = _fit_columns(mine[:, steep], scaled, side, everyone, start[0])[0]
        return deviance

    step = max(1, -(-weighed.shape[1] // numba.get_num_threads()))
    blocks = [slice(i, i + step) for i in range(0, weighed.shape[1], step)]
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        full = np.concatenate([np.empty(0), *pool.map(fit, blocks)])
    return stats.chi2.sf(np.maximum(null[0] - full, 0), 1)


def place_nodes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights whose weighted sum of a smooth function is its sum over many values.

    Returns
    -------
    256 Chebyshev points between the least and the greatest value and the weights that interpolation
    between them gives; few values as they are, each with weight 1.

    References
    ----------
    Trefethen (2013) Approximation Theory and Approximation Practice, chapters 3, 8 and 19.
    """
    if len(values) <= FEW:
        return values, np.ones(len(values))
    middle, half = (values.max() + values.min()) / 2, np.ptp(values) / 2 or 1.0
    place = (values - middle) / half
    before, polynomial = np.ones(len(values)), place
    moments = [float(len(values))]
    for _ in range(1, N_NODES):
        moments.append(2 * polynomial.sum())
        before, polynomial = polynomial, 2 * place * polynomial - before
    at = (np.arange(N_NODES) + 0.5) * np.pi / N_NODES
    weights = np.cos(np.outer(at, np.arange(N_NODES))) @ moments / N_NODES
    return middle + half * np.cos(at), weights


def _is_steep(beta: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Which fits change so much with depth that nodes may not stand for all nuclei."""
    return np.asarray(np.abs(beta[:, 2]) * np.ptp(depth) > STEEP)


@numba.njit(nogil=True, cache=True)
def _add(sums: np.ndarray, weight: float, eta: float, one: float, two: float) -> None:
    """Add nuclei of one linear predictor to deviance, gradient and curvature of the model."""
    small = np.exp(-abs(eta))
    chance = (1.0 if eta > 0 else small) / (1.0 + small)
    spread = weight * chance * (1.0 - chance)
    chance *= weight
    sums[0] += weight * (max(eta, 0.0) + np.log1p(small))
    sums[1] -= chance
    sums[2] -= chance * one
    sums[3] -= chance * two
    sums[4] += spread
    sums[5] += spread * one
    sums[6] += spread * two
    sums[7] += spread * one * one
    sums[8] += spread * one * two
    sums[9] += spread * two * two


@numba.njit(nogil=True, cache=True)
def _measure(
    peak: np.ndarray,
    depth: np.ndarray,
    totals: np.ndarray,
    points: np.ndarray,
    weights: np.ndarray,
    beta: np.ndarray,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Deviance, and gradient and curvature of half of it; an absent peak has a curvature of 1.

    ``peak`` and ``depth`` are of the nuclei in which the peak is open, ``totals`` the sums of 1,
    peak and depth over the nuclei of the side of interest.
    """
    sums = np.zeros(10)
    for i in range(len(points)):
        _add(sums, weights[i], beta[0] + beta[2] * points[i], 0.0, points[i])
    for i in range(len(peak)):
        closed = beta[0] + beta[2] * depth[i]
        _add(sums, -1.0, closed, 0.0, depth[i])
        _add(sums, 1.0, closed + beta[1] * peak[i], peak[i], depth[i])
    curvature = np.empty((3, 3))
    place = 4
    for i in range(3):
        for j in range(i, 3):
            curvature[i, j] = curvature[j, i] = sums[place]
            place += 1
        if curvature[i, i] <= 0.0:
            curvature[i, i] = 1.0
    return 2.0 * (sums[0] - (totals * beta).sum()), sums[1:4] + totals, curvature


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
    peak: np.ndarray,
    depth: np.ndarray,
    totals: np.ndarray,
    points: np.ndarray,
    weights: np.ndarray,
    start: np.ndarray,
) -> tuple[float, np.ndarray]:
    """Newton's method; a step that does not improve is halved. Stops where the sides separate."""
    beta = start.copy()
    deviance, gradient, curvature = _measure(peak, depth, totals, points, weights, beta)
    for _ in range(MAX_STEPS):
        step = _solve(curvature, gradient)
        for _half in range(11):
            after, gradient, curvature = _measure(peak, depth, totals, points, weights, beta + step)
            if after <= deviance:
                break
            step = step / 2
        if not after <= deviance:
            break
        beta = beta + step
        change = (deviance - after) / (after + 0.1)
        deviance = after
        if change < SETTLED:
            break
    return deviance, beta


def _fit_columns(
    weighed: sparse.csc_matrix,
    depth: np.ndarray,
    side: np.ndarray,
    nodes: tuple[np.ndarray, np.ndarray],
    start: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Deviance and coefficients of the logistic regression on each column and depth."""
    columns = (weighed.indptr, weighed.indices, weighed.data)
    return _fit_all(*columns, depth, side, *nodes, start)


@numba.njit(nogil=True, cache=True)
def _fit_all(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    depth: np.ndarray,
    side: np.ndarray,
    points: np.ndarray,
    weights: np.ndarray,
    start: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`_fit_columns` gives."""
    n_columns = len(indptr) - 1
    deviance = np.empty(n_columns)
    coefficients = np.empty((n_columns, 3))
    all_sides, all_depths = side.sum(), (side * depth).sum()
    for j in range(n_columns):
        opened = indices[indptr[j] : indptr[j + 1]]
        peak = data[indptr[j] : indptr[j + 1]]
        totals = np.array([all_sides, (side[opened] * peak).sum(), all_depths])
        deviance[j], coefficients[j] = _fit(peak, depth[opened], totals, points, weights, start)
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
