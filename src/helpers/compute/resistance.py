"""A resistant line against its parental one: developmental potential, stem-like clusters, order."""

import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse, special, stats

from helpers.compute.embedding import connect_neighbors
from helpers.errors import DataError
from helpers.schema import CLUSTER, GROUP, SAMPLE

CHUNK = 8192
ALL_SCORES = ("stemness", "quiescence", "potential")


def count_rarefied(counts: sparse.csr_matrix, *, depth: int) -> np.ndarray:
    """Genes a cell is expected to show among ``depth`` of its UMIs, drawn without replacement.

    Unlike the number of genes it does not grow with a cell's depth; cells of fewer UMIs keep
    the genes they have.

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_genes).

    References
    ----------
    Hurlbert (1971) Ecology 52:577. doi:10.2307/1934145
    """
    total = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    of_cell = np.repeat(total, np.diff(counts.indptr))
    rest = of_cell - counts.data
    # Chance that a gene is missed: C(total - x, depth) / C(total, depth).
    left = np.maximum(rest - depth, 0.0)
    log_missed = (
        special.gammaln(rest + 1) - special.gammaln(left + 1)
        - special.gammaln(of_cell + 1) + special.gammaln(np.maximum(of_cell - depth, 0.0) + 1)
    )  # fmt: skip
    missed = np.where(rest >= depth, np.exp(log_missed), 0.0)
    shown = np.where(counts.data > 0, 1 - missed, 0.0)
    table = sparse.csr_matrix((shown, counts.indices, counts.indptr), shape=counts.shape)
    return np.asarray(table.sum(axis=1)).ravel()


def score_potential(
    counts: sparse.csr_matrix, points: np.ndarray, *, n_neighbors: int, seed: int
) -> np.ndarray:
    """Developmental potential of every cell: how many genes are on, shared among neighbours.

    Cells early in development express more genes (CytoTRACE's observation). Genes are counted at
    the same depth in all cells, the fifth percentile, and averaged over a cell's neighbours;
    CytoTRACE's own regression on the genes that follow the number is not made.

    Parameters
    ----------
    points
        Aligned components, shape (n_cells, n_components).

    Returns
    -------
    Rank from 0 (least) to 1, shape (n_cells,).

    References
    ----------
    Gulati et al. (2020) Science 367:405. doi:10.1126/science.aax0249
    """
    total = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    depth = max(1, int(np.percentile(total, 5)))
    parts = [
        count_rarefied(counts[start : start + CHUNK], depth=depth)
        for start in range(0, counts.shape[0], CHUNK)
    ]
    graph = connect_neighbors(points, n_neighbors=n_neighbors, seed=seed)
    weights = graph.obsp["connectivities"] + sparse.eye_array(graph.n_obs)
    smooth = (weights @ np.concatenate(parts)) / np.asarray(weights.sum(axis=1)).ravel()
    return (stats.rankdata(smooth) - 1) / max(len(smooth) - 1, 1)


def rate_clusters(
    scores: pd.DataFrame, cells: pd.DataFrame, *, min_cells: int, confidence: float
) -> pd.DataFrame:
    """How far the cells of every cluster lie over the others of the same sample, score by score.

    Parameters
    ----------
    scores
        Shape (n_cells, n_scores).
    cells
        ``sample``, ``cluster`` of every cell, same order.
    min_cells
        Cells of a cluster a sample needs.
    confidence
        Coverage of the intervals of all clusters of a score together (Bonferroni).

    Returns
    -------
    One row a cluster and score: ``cluster``, ``score``, ``n_samples``, ``effect`` (mean over
    samples of the difference, in standard deviations of the sample's cells), ``ci_low``,
    ``ci_high``, ``pvalue``; no interval where fewer than two samples have the cells.
    """
    frame = scores.reset_index(drop=True)
    samples, clusters = cells[SAMPLE].to_numpy(), cells[CLUSTER].to_numpy()
    names = sorted(set(clusters), key=lambda name: (len(str(name)), str(name)))
    level = 1 - (1 - confidence) / len(names)
    rows = []
    for name in names:
        differences = [
            _stand_out(frame[samples == sample], clusters[samples == sample] == name, min_cells)
            for sample in np.unique(samples)
        ]
        table = pd.DataFrame([d for d in differences if d is not None], columns=frame.columns)
        rows += [
            {CLUSTER: name, "score": score, "n_samples": len(table)}
            | _interval(table[score], level)
            for score in frame
        ]
    return pd.DataFrame(rows)


def _stand_out(values: pd.DataFrame, inside: np.ndarray, min_cells: int) -> pd.Series | None:
    """Mean inside less mean outside over the deviation, if both have enough cells."""
    if min(inside.sum(), (~inside).sum()) < min_cells:
        return None
    spread = values.std(ddof=1)
    return (values[inside].mean() - values[~inside].mean()) / spread.where(spread > 0)


def _interval(values: pd.Series, level: float) -> dict[str, float]:
    known = values.dropna()
    numbers = {"effect": float(known.mean()) if len(known) else np.nan}
    if len(known) < 2 or known.std() == 0:
        return numbers | dict.fromkeys(("ci_low", "ci_high", "pvalue"), np.nan)
    result = stats.ttest_1samp(known, 0.0)
    low, high = result.confidence_interval(level)
    return numbers | {"ci_low": low, "ci_high": high, "pvalue": result.pvalue}


def find_stem_like(rated: pd.DataFrame, *, min_difference: float) -> list[str]:
    """Clusters that stand out on every score, strongest first; often none.

    Parameters
    ----------
    rated
        From :func:`rate_clusters`.
    min_difference
        Standard deviations by which a cluster stands out at least, on every score, besides an
        interval above 0.
    """
    wide = rated.assign(ok=(rated["ci_low"] > 0) & (rated["effect"] >= min_difference))
    grouped = wide.groupby(CLUSTER, sort=False)
    passing = grouped["ok"].all()
    strength = grouped["effect"].mean()
    return [str(name) for name in strength[passing].sort_values(ascending=False).index]


def order_cells(
    points: np.ndarray, *, root: int, n_neighbors: int, n_components: int, seed: int
) -> np.ndarray:
    """Diffusion pseudotime of every cell from a root cell, 0 to 1; infinite where not reached.

    Parameters
    ----------
    points
        Aligned components, shape (n_cells, n_components).

    Raises
    ------
    DataError
        If there are fewer cells than diffusion components.

    References
    ----------
    Haghverdi et al. (2016) Nat. Methods 13:845. doi:10.1038/nmeth.3971
    """
    if len(points) <= n_components + 1:
        msg = f"{len(points)} cells are too few for {n_components} diffusion components"
        raise DataError(msg)
    graph = connect_neighbors(points, n_neighbors=n_neighbors, seed=seed)
    graph.uns["iroot"] = root
    sc.tl.diffmap(graph, n_comps=n_components, random_state=seed)
    sc.tl.dpt(graph, n_dcs=n_components)
    return graph.obs["dpt_pseudotime"].to_numpy(dtype=float)


def choose_root(potential: np.ndarray, inside: np.ndarray) -> int:
    """The cell of highest potential among those inside, or among all if none is."""
    chosen = np.flatnonzero(inside) if inside.any() else np.arange(len(potential))
    return int(chosen[potential[chosen].argmax()])


def summarise_time(cells: pd.DataFrame) -> pd.DataFrame:
    """Median pseudotime of every sample and cluster.

    Parameters
    ----------
    cells
        ``sample``, ``group``, ``cluster``, ``pseudotime``.
    """
    reached = cells[np.isfinite(cells["pseudotime"])]
    grouped = reached.groupby([SAMPLE, GROUP, CLUSTER], sort=True)["pseudotime"]
    table = grouped.agg(n_cells="size", pseudotime="median")
    return table.reset_index()


def measure_stem_like(
    rated: pd.DataFrame, stem_like: list[str], *, group: str, n_test: int
) -> pd.DataFrame:
    """The stem-like cluster as claims look it up: the score it stands out on least.

    Where no cluster is stem-like, the same of the cluster that comes nearest.

    Parameters
    ----------
    stem_like
        From :func:`find_stem_like`.
    group
        Label of the resistant group, for the row.
    """
    head = {
        "measure": "stem_like", "cell_type": "", "test_group": group, "reference_group": "",
        "unit": SAMPLE, "n_reference": 0, "n_test": n_test,
    }  # fmt: skip
    tested = rated.dropna(subset="ci_low")
    if tested.empty:
        missing = dict.fromkeys(("effect", "ci_low", "ci_high", "pvalue"), np.nan)
        reason = "no cluster has enough cells in two samples"
        return pd.DataFrame([head | missing | {"reason": reason}])
    weakest = tested.sort_values("effect", kind="stable").drop_duplicates(CLUSTER)
    nearest = weakest[CLUSTER].iloc[-1] if not stem_like else stem_like[0]
    mine = weakest[weakest[CLUSTER].astype(str) == str(nearest)].iloc[0]
    numbers = {name: mine[name] for name in ("effect", "ci_low", "ci_high", "pvalue")}
    reason = ""
    if not stem_like and mine["ci_low"] > 0:
        reason = "no cluster stands out far enough in stemness, quiescence and potential at once"
        numbers |= dict.fromkeys(("ci_low", "ci_high", "pvalue"), np.nan)
    return pd.DataFrame([head | numbers | {"reason": reason}])


def rate_recovery(
    cells: pd.DataFrame, planted: pd.DataFrame, truth: pd.DataFrame, stem_like: list[str]
) -> pd.DataFrame:
    """Whether the stem-like cluster found is the one planted, cell by cell.

    Parameters
    ----------
    cells
        ``sample``, ``barcode``, ``cluster`` found.
    planted
        ``sample``, ``barcode``, ``subcluster`` planted.
    truth
        ``cluster``, ``stem_like``, from the simulation.

    Returns
    -------
    One row: ``n_planted`` and ``n_found`` stem-like cells, ``precision``, ``recall``.
    """
    both = cells.merge(planted, on=[SAMPLE, "barcode"], how="inner")
    names = set(truth.loc[truth["stem_like"].astype(str) == "True", CLUSTER].astype(str))
    real = both["subcluster"].astype(str).isin(names)
    found = both[CLUSTER].astype(str).isin(stem_like[:1])
    hits = int((real & found).sum())
    return pd.DataFrame(
        [
            {
                "n_planted": int(real.sum()),
                "n_found": int(found.sum()),
                "precision": hits / found.sum() if found.any() else np.nan,
                "recall": hits / real.sum() if real.any() else np.nan,
            }
        ]
    )
