"""Doublets: droplets that held two cells, scored by Scrublet's and DoubletFinder's rules."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse
from sklearn.neighbors import NearestNeighbors

from helpers.compute.normalise import (
    find_components,
    gene_moments,
    log_normalise,
    pick_variable_genes,
)
from helpers.errors import DataError

SCRUBLET_RATIO = 2.0  # artificial doublets per cell
N_VARIABLE = 2000  # DoubletFinder works on Seurat's default number of variable genes ...
FINDER_COMPONENTS = 10  # ... and, in its own examples, on this many components
SCRUBLET_MIN_CELLS = 3  # cells in which a gene must show at least ...
SCRUBLET_MIN_COUNTS = 2  # ... this many UMIs, scaled to the mean total, to be used
SCRUBLET_TOP = 0.15  # share of expressed genes kept, by variability
NOISE_BINS = 50  # pieces of the range of means in which the least variable genes are sought ...
NOISE_PERCENTILE = 0.1  # ... which are those below this percentile of the piece


def pair_cells(n_cells: int, n_pairs: int, *, seed: int) -> np.ndarray:
    """Random parents of artificial doublets, shape (n_pairs, 2), drawn with replacement."""
    return np.random.default_rng(seed).integers(0, n_cells, (n_pairs, 2))


@dataclass(frozen=True)
class ScrubletScores:
    """Scores of the cells and of the artificial doublets among them, in [0, 1]."""

    cells: np.ndarray
    artificial: np.ndarray


def score_scrublet(
    counts: sparse.csr_matrix,
    parents: np.ndarray,
    *,
    genes: np.ndarray,
    expected_rate: float,
    n_components: int = 30,
) -> ScrubletScores:
    """How much a cell's neighbourhood is made of artificial doublets (Scrublet).

    Cells are scaled to their mean total, genes standardised, components found on the cells and
    artificial doublets projected on them; a score is the posterior chance of being a doublet
    given the share of artificial ones among the nearest neighbours.

    Parameters
    ----------
    counts
        Raw counts of one sample, shape (n_cells, n_genes).
    parents
        Rows of the two cells each artificial doublet is the sum of, shape (n_artificial, 2).
    genes
        Columns to use, see :func:`pick_scrublet_genes`.
    expected_rate
        Fraction of doublets expected.

    Raises
    ------
    DataError
        If there are too few cells or genes for the components.

    References
    ----------
    Wolock, Lopez & Klein (2019) Cell Systems 8:281. doi:10.1016/j.cels.2018.11.005
    """
    chosen = counts[:, genes].astype(np.float64)
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    doublets = chosen[parents[:, 0]] + chosen[parents[:, 1]]
    doublet_totals = totals[parents].sum(axis=1)
    target = totals.mean()
    scaled = _scale_rows(chosen, target / totals)
    components = find_components(
        scaled, n_components=n_components, scale_max=np.inf, sample_variance=False
    )
    projected = components.project(_scale_rows(doublets, target / doublet_totals), np.inf)
    return _neighbour_scores(components.scores, projected, expected_rate)


def _scale_rows(values: sparse.csr_matrix, factor: np.ndarray) -> sparse.csr_matrix:
    scaled = values.copy()
    scaled.data *= np.repeat(factor, np.diff(scaled.indptr))
    return scaled


def _neighbour_scores(
    cells: np.ndarray, artificial: np.ndarray, expected_rate: float
) -> ScrubletScores:
    n_cells, n_artificial = len(cells), len(artificial)
    ratio = n_artificial / n_cells
    n_near = round(0.5 * np.sqrt(n_cells))
    n_adjusted = round(n_near * (1 + ratio))
    points = np.vstack([cells, artificial])
    near = _nearest(points, n_adjusted)
    n_doublets = (near >= n_cells).sum(axis=1)
    share = (n_doublets + 1) / (n_adjusted + 2)
    score = share * expected_rate / ratio
    score /= 1 - expected_rate - share * (1 - expected_rate - expected_rate / ratio)
    return ScrubletScores(score[:n_cells], score[n_cells:])


def _nearest(points: np.ndarray, n_near: int, rows: int | None = None) -> np.ndarray:
    """Exact nearest neighbours of the first ``rows`` points, themselves left out."""
    search = NearestNeighbors(n_neighbors=n_near + 1, algorithm="brute").fit(points)
    asked = points[:rows]
    near = search.kneighbors(asked, return_distance=False)
    own = near == np.arange(len(asked))[:, None]
    # A point that ties with others may be missing from its own list: then drop the farthest.
    own[~own.any(axis=1), -1] = True
    return near[~own].reshape(len(asked), n_near)


def pick_scrublet_genes(counts: sparse.csr_matrix) -> np.ndarray:
    """Columns Scrublet uses: well seen, and in the top 15 % of expressed genes by v-score.

    Parameters
    ----------
    counts
        Raw counts of one sample, shape (n_cells, n_genes); every cell has some.
    """
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    scaled = _scale_rows(counts.astype(np.float64), totals.mean() / totals)
    mean, variance = gene_moments(scaled)
    variance *= (counts.shape[0] - 1) / counts.shape[0]
    expressed = np.flatnonzero(variance > 0)
    score = score_noise(mean[expressed], variance[expressed])
    seen = np.asarray((scaled >= SCRUBLET_MIN_COUNTS).sum(axis=0)).ravel()[expressed]
    cut = np.percentile(score, 100 * (1 - SCRUBLET_TOP))
    return expressed[(score >= cut) & (seen >= SCRUBLET_MIN_CELLS)]


def score_noise(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """V-score of genes: their Fano factor over that of a gene with technical noise alone.

    Noise gives a squared coefficient of variation of ``c / mean + b``: ``c`` is the commonest
    Fano factor, ``b`` is fitted to the least variable genes at each level of expression.

    Parameters
    ----------
    mean, variance
        Of every gene; neither is 0.

    References
    ----------
    Klein et al. (2015) Cell 161:1187. doi:10.1016/j.cell.2015.04.044
    """
    fano = variance / mean
    level, floor = _noise_floor(np.log(mean), np.log(fano / mean))
    frequency, edges = np.histogram(np.log(fano), bins=200)
    commonest = frequency.argmax()
    c = max(float(np.exp(edges[commonest : commonest + 2].mean())), 1.0)

    def misfit(b: np.ndarray) -> float:
        noise = np.maximum(c * np.exp(-level) + b[0], np.finfo(float).tiny)
        return float(np.abs(np.log(noise) - floor).sum())

    b = float(optimize.fmin(misfit, x0=[0.1], disp=False)[0])
    return fano / (c + b * mean)


def _noise_floor(level: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle of equal pieces of the range of levels, and the lowest noise in each.

    An empty piece takes that of the one before; there is none before the first.
    """
    width = np.ptp(level) / NOISE_BINS
    middle = level.min() + width * (np.arange(NOISE_BINS) + 0.5)
    lowest = np.full(NOISE_BINS, np.nan)
    for i, place in enumerate(middle):
        inside = (level >= place - width / 2) & (level < place + width / 2)
        lowest[i] = (
            np.percentile(noise[inside], NOISE_PERCENTILE) if inside.any() else lowest[i - 1]
        )
    known = ~np.isnan(lowest)
    return middle[known], lowest[known]


def score_doubletfinder(
    counts: sparse.csr_matrix,
    parents: np.ndarray,
    *,
    pk: float,
    n_components: int,
) -> np.ndarray:
    """Share of artificial doublets among a cell's nearest neighbours (pANN of DoubletFinder).

    Artificial doublets are the mean of two cells' counts; cells and doublets are normalised and
    reduced to principal components together.

    Parameters
    ----------
    parents
        Rows of the two cells each doublet is the mean of, shape (n_artificial, 2). For an
        artificial share ``pN`` of all points there are ``n_cells * pN / (1 - pN)`` of them.
    pk
        Neighbours, as a share of cells and artificial doublets together.

    Returns
    -------
    pANN of each cell in [0, 1]; a cell like any other has about pN.

    References
    ----------
    McGinnis, Murrow & Gartner (2019) Cell Systems 8:329. doi:10.1016/j.cels.2019.03.003
    """
    n_cells = counts.shape[0]
    doublets = (counts[parents[:, 0]] + counts[parents[:, 1]]).astype(np.float64) / 2
    merged = sparse.vstack([counts.astype(np.float64), doublets], format="csr")
    genes = pick_variable_genes(merged, n_genes=N_VARIABLE)
    expression = log_normalise(merged)[:, genes]
    points = find_components(expression, n_components=n_components).scores
    near = _nearest(points, max(1, round(pk * len(points))), rows=n_cells)
    return np.asarray((near >= n_cells).mean(axis=1))


def call_doublets(score: np.ndarray, *, expected_rate: float, cut: float) -> np.ndarray:
    """The cells with the highest scores that pass ``cut``, no more than the expected number.

    pANN has no scale, so that DoubletFinder calls a fixed number; the cut keeps it from calling
    cells whose surroundings hold no more artificial doublets than chance puts there. Scrublet's
    posterior has one where types lie apart. Along a continuum, as in a cell line, cells between two
    states look like doublets of them, a fifth of all cells at times; loading cannot have made
    more than the expected number.

    Parameters
    ----------
    score
        Of one method, higher for likelier doublets, shape (n_cells,).
    """
    n_expected = round(expected_rate * len(score))
    called = np.zeros(len(score), dtype=bool)
    called[np.argsort(-score, kind="stable")[:n_expected]] = True
    return called & (score > cut)


@dataclass(frozen=True)
class DoubletCalls:
    """Scores and calls of both methods, one entry a cell."""

    scrublet_score: np.ndarray
    doubletfinder_score: np.ndarray
    scrublet: np.ndarray
    doubletfinder: np.ndarray


def find_doublets(
    counts: sparse.csr_matrix,
    *,
    expected_rate: float,
    cut: float,
    pn: float,
    pk: float,
    n_components: int,
    seed: int,
) -> DoubletCalls:
    """Doublets of one sample by both methods.

    Parameters
    ----------
    counts
        Raw counts of the cells that passed quality control, shape (n_cells, n_genes).
    pn, pk
        DoubletFinder: share of artificial doublets, and of neighbours.
    n_components
        Principal components of Scrublet; DoubletFinder takes its own ten, if they are fewer.

    Raises
    ------
    DataError
        If there are not more cells than components.
    """
    n_cells = counts.shape[0]
    if n_cells <= n_components:
        msg = f"{n_cells} cells are too few for {n_components} components; lower doublet_pcs"
        raise DataError(msg)
    scrublet_pairs = pair_cells(n_cells, round(SCRUBLET_RATIO * n_cells), seed=seed)
    scrublet = score_scrublet(
        counts,
        scrublet_pairs,
        genes=pick_scrublet_genes(counts),
        expected_rate=expected_rate,
        n_components=n_components,
    ).cells
    pairs = pair_cells(n_cells, round(n_cells * pn / (1 - pn)), seed=seed + 1)
    finder = score_doubletfinder(
        counts, pairs, pk=pk, n_components=min(n_components, FINDER_COMPONENTS)
    )
    return DoubletCalls(
        scrublet,
        finder,
        call_doublets(scrublet, expected_rate=expected_rate, cut=cut),
        call_doublets(finder, expected_rate=expected_rate, cut=cut),
    )
