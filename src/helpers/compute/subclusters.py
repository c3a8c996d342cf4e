"""Subclusters of one cell type: how they are found, named and described."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import optimize, sparse
from scipy.sparse import linalg
from sklearn.metrics import adjusted_rand_score

from helpers.compute.composition import as_effects, measure_lead
from helpers.compute.enrichment import GeneSets, mean_rates
from helpers.compute.expression import sum_samples
from helpers.compute.integration import align_harmony
from helpers.compute.sctransform import (
    CountModel,
    find_residuals,
    fit_counts,
    regress_out,
    residual_variances,
    seurat_clip,
)
from helpers.compute.spectral import cluster_spectral, link_neighbors
from helpers.compute.stats import NO_SPREAD, mean_interval
from helpers.schema import CELL_TYPE, GENE, GROUP, SAMPLE, SUBCLUSTER, Contrast

# Subclusters the source names together for a group (Results, spectral clustering).
PAIRS = (("0", "3"), ("1", "4"))
RegressDonor = Literal["within_subclusters", "everywhere", "no"]


@dataclass(frozen=True)
class Division:
    """Cells of one type on their own map, and the parts they fall into."""

    points: np.ndarray
    """Aligned principal components, shape (n_cells, n_components)."""
    labels: np.ndarray
    """Subcluster of every cell, numbered from the largest."""
    genes: np.ndarray
    """Columns of the variable genes, most variable first."""


def divide_cells(
    counts: sparse.csr_matrix,
    *,
    donors: np.ndarray,
    pct_mito: np.ndarray,
    n_genes: int,
    n_components: int,
    regress_donor: RegressDonor,
    harmony: bool,
    n_neighbors: int,
    n_clusters: int,
    seed: int,
) -> Division:
    """Normalise, reduce, align and cluster the cells of one type.

    Residuals of a regularised negative binomial model; the genes that vary most inside donors;
    the mitochondrial share regressed out; principal components; Harmony on the donor; spectral
    clustering. A donor belongs to one group, so that taking a donor's mean out would take out
    the subcluster that marks its group. With ``within_subclusters`` donors are therefore
    regressed out beside the subclusters of this first pass, which leaves the difference between
    subclusters in place, and cells are clustered again. Donors are then aligned: a second
    Harmony would only bend the map.

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_genes).
    donors, pct_mito
        Donor and mitochondrial percentage of every cell.

    References
    ----------
    Hafemeister & Satija (2019) Genome Biol. 20:296. doi:10.1186/s13059-019-1874-1
    """
    model = fit_counts(counts, seed=seed)
    clip = seurat_clip(counts.shape[0])
    chosen = _variable_within(counts, model, donors, n_genes, clip)
    residuals = find_residuals(counts, model, columns=chosen, clip=clip)
    mito = pd.DataFrame({"pct_mito": pct_mito})
    both = mito.assign(donor=donors.astype(str))

    def cluster(values: np.ndarray, *, align: bool) -> tuple[np.ndarray, np.ndarray]:
        scores = _components(values, n_components)
        points = align_harmony(scores, donors, seed=seed) if align else scores
        graph = link_neighbors(points, n_neighbors=n_neighbors)
        return points, cluster_spectral(graph, n_clusters=n_clusters, seed=seed)

    covariates = both if regress_donor == "everywhere" else mito
    points, labels = cluster(regress_out(residuals, covariates), align=harmony)
    if regress_donor == "within_subclusters":
        points, labels = cluster(regress_out(residuals, both, beside=labels), align=False)
    return Division(points, labels, model.genes[chosen])


def _variable_within(
    counts: sparse.csr_matrix, model: CountModel, donors: np.ndarray, n: int, clip: float
) -> np.ndarray:
    """Genes whose residuals vary most inside donors, so that donors do not pass for biology."""
    variances = residual_variances(counts, model, clip=clip, within=donors)
    return np.argsort(-variances, kind="stable")[:n]


def _components(values: np.ndarray, n: int) -> np.ndarray:
    """Principal components from the gene-by-gene products, largest loading positive."""
    n_used = min(n, *(size - 1 for size in values.shape))
    products = values.T @ values
    _, loadings = linalg.eigsh(products, k=n_used, which="LA", v0=np.ones(len(products)))
    loadings = loadings[:, ::-1]
    largest = np.abs(loadings).argmax(axis=0)
    return values @ (loadings * np.sign(loadings[largest, np.arange(n_used)]))


def name_subclusters(
    labels: np.ndarray,
    expression: sparse.csr_matrix,
    genes: pd.Index,
    published: dict[str, list[str]],
) -> np.ndarray:
    """Subclusters numbered after the published ones whose genes they express most.

    Each gene's mean is standardised over the subclusters found; every published subcluster goes
    to the one found that is highest in its genes, each to another one, so that the sum is
    largest. A match below the mean of the subclusters does not count. Subclusters without a
    match take the free numbers, the largest first.

    Parameters
    ----------
    labels
        Subcluster of every cell, numbered from the largest.
    expression
        Log-normalised, shape (n_cells, n_genes).
    published
        Name of each published subcluster to its genes.

    Returns
    -------
    Name of every cell's subcluster, as text.
    """
    found = np.unique(labels)
    scores = _published_scores(labels, expression, genes, published)
    names: dict[int, str] = {}
    if len(scores):
        rows, columns = optimize.linear_sum_assignment(-scores.to_numpy())
        for row, column in zip(rows, columns, strict=True):
            if scores.iloc[row, column] > 0:
                names[found[column]] = str(scores.index[row])
    free = (str(i) for i in range(len(found) + len(published)) if str(i) not in names.values())
    for label in found:
        if label not in names:
            names[label] = next(free)
    return np.array([names[label] for label in labels], dtype=object)


def _published_scores(
    labels: np.ndarray,
    expression: sparse.csr_matrix,
    genes: pd.Index,
    published: dict[str, list[str]],
) -> pd.DataFrame:
    """Mean standardised expression of each published list in each subcluster found."""
    found, member = np.unique(labels, return_inverse=True)
    indicator = sparse.csr_matrix((np.ones(len(member)), (member, np.arange(len(member)))))
    rows = {}
    for name, listed in published.items():
        columns = genes.get_indexer(listed)
        columns = columns[columns >= 0]
        if len(columns):
            mean = (indicator @ expression[:, columns]).toarray() / np.bincount(member)[:, None]
            spread = mean.std(axis=0)
            z = (mean - mean.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
            rows[name] = z.mean(axis=1)
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(found))


def compare_partitions(cells: pd.DataFrame, *, columns: list[str]) -> pd.DataFrame:
    """How other clusterings agree with the subclusters.

    Returns
    -------
    One row a clustering: ``method``, ``n_clusters``, ``ari`` with the subclusters.
    """
    rows = [
        (name, cells[name].nunique(), adjusted_rand_score(cells[SUBCLUSTER], cells[name]))
        for name in columns
    ]
    return pd.DataFrame(rows, columns=["method", "n_clusters", "ari"])


def summarise_stability(draws: pd.DataFrame) -> pd.DataFrame:
    """Mean and range of every subcluster's agreement over the draws."""
    table = draws.groupby(SUBCLUSTER)["ari"].agg(["mean", "min", "max", "size"])
    named = {"mean": "ari", "min": "lowest", "max": "highest", "size": "n_draws"}
    return table.rename(columns=named).reset_index()


def pick_top(markers: pd.DataFrame, *, n: int, fdr: float, min_log2fc: float) -> pd.DataFrame:
    """The first ``n`` markers of every subcluster: called, higher inside, smallest p-values."""
    called = markers[(markers["padj"] < fdr) & (markers["log2fc"] >= min_log2fc)]
    ranked = called.sort_values([SUBCLUSTER, "z"], ascending=[True, False], kind="stable")
    return ranked.groupby(SUBCLUSTER).head(n)


def list_top(markers: pd.DataFrame, *, n: int, fdr: float, min_log2fc: float) -> list[str]:
    """Genes of :func:`pick_top` in its order, each once."""
    return list(dict.fromkeys(pick_top(markers, n=n, fdr=fdr, min_log2fc=min_log2fc)[GENE]))


def compare_inside(
    counts: sparse.csr_matrix, cells: pd.DataFrame, subcluster: str, *, min_cells: int
) -> pd.DataFrame:
    """Sums of every sample inside and outside a subcluster, where both have enough cells.

    Returns
    -------
    log2 of counts per million plus one, shape (2 x n_samples, n_genes), indexed by (sample,
    inside); empty where no sample has both.
    """
    inside = (cells[SUBCLUSTER] == subcluster).to_numpy()
    key = cells[SAMPLE].astype(str).to_numpy() + np.where(inside, "\t1", "\t0")
    sums, names = sum_samples(counts, key, min_cells=min_cells)
    pairs = pd.MultiIndex.from_tuples(
        [(name[:-2], name[-1] == "1") for name in names], names=[SAMPLE, "inside"]
    )
    whole = pd.Series(1, index=pairs).groupby(level=0).transform("size").to_numpy() == 2
    rate = sums[whole] / np.maximum(sums[whole].sum(axis=1, keepdims=True), 1) * 1e6
    return pd.DataFrame(np.log2(rate + 1), index=pairs[whole])


def measure_inside(
    values: pd.Series,
    *,
    cell_type: str,
    subcluster: str,
    feature: str,
    measure: str,
    confidence: float,
) -> dict[str, object]:
    """Mean over samples of a number inside a subcluster less outside, with its t-interval.

    Parameters
    ----------
    values
        Indexed by (sample, inside), both for every sample.
    """
    row: dict[str, object] = {
        "measure": measure,
        CELL_TYPE: cell_type,
        SUBCLUSTER: subcluster,
        "feature": feature,
        "test_group": "",
        "reference_group": "",
        "unit": SAMPLE,
        **dict.fromkeys(("effect", "ci_low", "ci_high", "pvalue"), np.nan),
    }
    inside = values.index.get_level_values("inside").to_numpy(dtype=bool)
    difference = values[inside].droplevel("inside") - values[~inside].droplevel("inside")
    n = len(difference)
    row |= {"n_test": n, "n_reference": n}
    if n < 2:
        return row | {
            "reason": f"{n} samples have enough cells inside and outside: an interval needs two"
        }
    numbers = mean_interval(difference.to_numpy(), confidence=confidence)
    return row | numbers | {"reason": "" if np.isfinite(numbers["pvalue"]) else NO_SPREAD}


def as_types(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with their subclusters in place of types, for what works on types."""
    return cells[[SAMPLE, GROUP]].astype(str).assign(**{CELL_TYPE: cells[SUBCLUSTER].astype(str)})


def rate_markers(
    markers: pd.DataFrame, published: dict[str, list[str]], *, n: int, fdr: float, min_log2fc: float
) -> pd.DataFrame:
    """How many published genes of every subcluster are among its first ``n`` markers."""
    top = pick_top(markers, n=n, fdr=fdr, min_log2fc=min_log2fc)
    rows = []
    for name, genes in published.items():
        first = set(top.loc[top[SUBCLUSTER] == name, GENE])
        missed = [gene for gene in genes if gene not in first]
        rows.append((name, len(genes), len(genes) - len(missed), ", ".join(missed)))
    return pd.DataFrame(rows, columns=[SUBCLUSTER, "n_published", f"in_top_{n}", "missed"])


def measure_subclusters(
    counts: sparse.csr_matrix,
    genes: pd.Index,
    cells: pd.DataFrame,
    *,
    cell_type: str,
    published: dict[str, list[str]],
    sets: GeneSets,
    min_cells: int,
    min_size: int,
    confidence: float,
) -> pd.DataFrame:
    """Published genes and terms inside each subcluster against the same sample's other cells.

    Parameters
    ----------
    counts
        Raw counts of the type's cells, shape (n_cells, n_genes).
    cells
        ``sample`` and ``subcluster`` of every cell.
    published
        Genes a source names for each subcluster.

    Returns
    -------
    Effects in log2 as claims are looked up in: measure ``markers`` (mean over the published
    genes; feature ``published``) and ``activity`` (of every term; feature is library and term).
    """
    rows = []
    for name in sorted(cells[SUBCLUSTER].unique()):
        rates = compare_inside(counts, cells, name, min_cells=min_cells)
        rates.columns = genes
        listed = {("", "published"): [g for g in published.get(name, []) if g in genes]}
        for measure, found in (
            ("markers", _mean_published(rates, listed[("", "published")])),
            ("activity", mean_rates(rates.T, sets, min_size=min_size)),
        ):
            rows += [
                measure_inside(
                    values,
                    cell_type=cell_type,
                    subcluster=name,
                    feature=": ".join(part for part in key if part),
                    measure=measure,
                    confidence=confidence,
                )
                for key, values in found.iterrows()
            ]
    return pd.DataFrame(rows)


def _mean_published(rates: pd.DataFrame, listed: list[str]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples([("", "published")] if listed else [], names=["", "term"])
    values = rates[listed].mean(axis=1).to_numpy()[None, :] if listed else np.empty((0, len(rates)))
    return pd.DataFrame(values, index=index, columns=rates.index)


def measure_shares(
    proportions: pd.DataFrame,
    contrasts: pd.DataFrame,
    asked: list[Contrast],
    groups: list[str],
    *,
    cell_type: str,
    confidence: float,
) -> pd.DataFrame:
    """Which subclusters lead in each group, and how their shares differ between groups.

    Parameters
    ----------
    proportions, contrasts
        From :func:`~helpers.compute.composition.count_types` and ``compare_groups``, the
        subclusters standing in for types.

    Returns
    -------
    Effects by sample as claims are looked up in: measures ``lead`` and ``proportion``.
    """
    names = list(dict.fromkeys(proportions[CELL_TYPE]))
    together = [(name,) for name in names] + [p for p in PAIRS if set(p) < set(names)]
    parts = [
        measure_lead(proportions, parts, group, confidence=confidence)
        for group in groups
        for parts in together
    ]
    parts += [as_effects(contrasts, contrast) for contrast in asked]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return table.assign(**{SUBCLUSTER: table[CELL_TYPE], CELL_TYPE: cell_type, "feature": ""})


def score_subclusters(
    counts: sparse.csr_matrix, cells: pd.DataFrame, *, min_cells: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Sums of every sample's cells in every subcluster with enough of them.

    Returns
    -------
    Sums, shape (n_columns, n_genes), and ``sample``, ``group``, ``subcluster`` of each, indexed
    by a name; ordered by subcluster.
    """
    key = cells[SUBCLUSTER].astype(str) + "\t" + cells[SAMPLE].astype(str)
    sums, names = sum_samples(counts, key.to_numpy(), min_cells=min_cells)
    columns = pd.DataFrame(
        [name.split("\t", 1)[::-1] for name in names], columns=[SAMPLE, SUBCLUSTER], index=names
    )
    group_of = cells.drop_duplicates(SAMPLE).set_index(SAMPLE)[GROUP].astype(str)
    columns.insert(1, GROUP, columns[SAMPLE].map(group_of))
    return sums, columns


def table_called(
    ranked: pd.DataFrame, terms: list[tuple[str, str]], *, values: str
) -> pd.DataFrame:
    """A column of a ranking as terms against subclusters, in the order of ``terms``."""
    wide = ranked.pivot_table(index=["library", "term"], columns=SUBCLUSTER, values=values)
    return wide.reindex(pd.MultiIndex.from_tuples(terms, names=["library", "term"]))


def find_marker_terms(terms: pd.DataFrame, *, n: int, fdr: float) -> pd.DataFrame:
    """The dots of a panel: terms called in any subcluster that stand for themselves, ``n`` at most.

    Parameters
    ----------
    terms
        ``subcluster``, ``direction``, ``library``, ``term``, ``pvalue``, ``padj`` and
        ``represented_by``.
    """
    up = terms[(terms["direction"] == "up") & (terms["padj"] < fdr)]
    own = up[up["represented_by"] == up["term"]].copy()
    own["rank"] = own["pvalue"].groupby(own[SUBCLUSTER]).rank(method="first")
    ordered = own.sort_values(["rank", SUBCLUSTER], kind="stable")
    chosen = list(dict.fromkeys(zip(ordered["library"], ordered["term"], strict=True)))[:n]
    pairs = pd.MultiIndex.from_frame(up[["library", "term"]])
    shown = up[pairs.isin(chosen)]
    place = {pair: i for i, pair in enumerate(chosen)}
    order = [place[pair] for pair in zip(shown["library"], shown["term"], strict=True)]
    return shown.iloc[np.argsort(order, kind="stable")]


def merge_effects(*tables: pd.DataFrame) -> pd.DataFrame:
    """Effects of several kinds in one table."""
    return pd.concat([table for table in tables if len(table)], ignore_index=True)
