"""Chromatin: which nuclei of a sample are kept, one map of all samples, and what the nuclei are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.anchors import find_anchors
from helpers.compute.annotation import label_clusters, score_cells
from helpers.compute.calling import call_peaks
from helpers.compute.fragments import count_genes, count_peaks, list_starts, measure_fragments
from helpers.compute.integration import align_harmony
from helpers.compute.lsi import correlate_depth, find_lsi, pick_peaks, weigh_terms
from helpers.compute.normalise import log_normalise
from helpers.compute.nuclei import call_doublets, judge_nuclei, score_doublets
from helpers.compute.peaks import annotate_peaks, merge_peaks, name_peaks
from helpers.compute.quality import KEPT
from helpers.compute.transfer import transfer_labels
from helpers.errors import DataError, NotPossibleError
from helpers.io.atomic import replacing
from helpers.io.fragments import (
    FragmentBlock,
    FragmentFile,
    StoreWriter,
    read_store,
    read_store_barcodes,
)
from helpers.io.genome import read_annotation, read_regions
from helpers.io.objects import is_object, read_markers, read_object, write_object
from helpers.io.reference import GENES, read_genes
from helpers.io.tables import read_table, write_table
from helpers.params import ChromatinMapParams, SampleAtacParams, TransferParams
from helpers.schema import (
    BARCODE,
    CELL_TYPE,
    CLUSTER,
    DONOR,
    RESEMBLES,
    SAMPLE,
    UNASSIGNED,
    UNKNOWN,
)
from helpers.stages.rna import SampleRow
from helpers.stages.task import Task

MEASURES = ["n_fragments", "tss_enrichment", "frip", "nucleosome_signal"]
# Barcodes with a smaller share of the fragments a nucleus needs are empty droplets: not listed.
LISTED = 0.1
# With fewer nuclei a component is noise: of 150 real ones 5 tell the types, 30 no longer do.
NUCLEI_PER_COMPONENT, FEWEST_COMPONENTS = 30, 5
FEWEST_NUCLEI = 30
DOUBLETS = ["doublet_enrichment", "doublet_score"]


def run_atac_sample(task: Task) -> None:
    """The job ``atac_sample``."""
    row = SampleRow(**{name: str(value) for name, value in task.design.items()})
    stage_atac_sample(
        task.data["fragments"],
        *task.outputs,
        peaks=task.data.get("peaks"),
        annotation=task.data["annotation"],
        row=row,
        params=SampleAtacParams.model_validate(task.params),
    )


def run_atac_integrate(task: Task) -> None:
    """The job ``atac_integrate``."""
    barcodes, stores, peaks = (list(task.inputs[i::3]) for i in range(3))
    stage_atac_integrate(
        barcodes,
        stores,
        peaks,
        *task.outputs,
        annotation=task.data["annotation"],
        blacklist=task.data.get("blacklist"),
        params=ChromatinMapParams.model_validate(task.params),
    )


def run_atac_annotate(task: Task) -> None:
    """The job ``atac_annotate``."""
    integrated, activity, *rna = task.inputs
    annotated = next((path for path in rna if is_object(path)), None)
    stage_atac_annotate(
        integrated,
        activity,
        annotated,
        *task.outputs,
        markers=task.data["markers"],
        params=TransferParams.model_validate(task.params),
    )


def read_gene_model(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Genes and exons of an annotation, or of the table that comes with the project (no exons)."""
    return (read_genes(), read_genes().iloc[:0]) if path == GENES else read_annotation(path)


def stage_atac_sample(
    source: Path,
    barcodes: Path,
    store: Path,
    called: Path,
    *,
    peaks: Path | None,
    annotation: Path,
    row: SampleRow,
    params: SampleAtacParams,
) -> None:
    """Read one sample's fragments once, judge its nuclei and call doublets.

    Parameters
    ----------
    source
        ``fragments.tsv.gz``.
    barcodes
        Written: CSV, one row a barcode with its measures, verdict and number (``code``) in the
        store. Barcodes with less than a tenth of the fragments a nucleus needs are not listed.
    store
        Written: the fragments, quick to read again.
    called
        Written: CSV of the sample's peaks.
    peaks
        BED of the peaks; None calls them from the fragments.

    Raises
    ------
    NotPossibleError
        If the sample has no fragments.
    """
    names = store_fragments(source, store)
    if not names:
        msg = f"sample {row.sample} has no fragments"
        raise NotPossibleError(msg)
    regions = find_peaks(peaks, store, fdr=params.peak_fdr)
    genes, _ = read_gene_model(annotation)
    measured = measure_fragments(read_store(store), starts=list_starts(genes), peaks=regions)
    table = measured.assign(tss_enrichment=measured[f"tss_{params.tss_definition}"])
    table = table.drop(columns=["tss_archr", "tss_signac"])
    table.insert(0, "code", np.arange(len(table)))
    table.insert(0, BARCODE, names)
    table = table[table["n_fragments"] >= LISTED * params.min_fragments].reset_index(drop=True)
    table["verdict"] = judge_nuclei(
        table,
        fragments=(params.min_fragments, params.max_fragments),
        min_tss=params.min_tss,
        min_frip=params.min_frip,
    )
    table = table.join(_rate_doublets(store, regions, table, len(names), params))
    doublet = call_doublets(
        table["doublet_enrichment"].fillna(0).to_numpy()[_passed(table)],
        cut=params.doublet_cut,
        expected_rate=params.doublet_rate,
    )
    table.loc[table.index[_passed(table)][doublet], "verdict"] = "doublet"
    for position, (name, value) in enumerate(vars(row).items()):
        table.insert(position, name, value)
    write_table(table, barcodes)
    write_table(regions, called)


def store_fragments(source: Path, store: Path) -> list[str]:
    """Copy fragments into the store; the barcodes in the order of their numbers."""
    reader = FragmentFile(source)
    with replacing(store) as partial, h5py.File(partial, "w") as file:
        writer = StoreWriter(file)
        for block in reader.blocks():
            writer.add(block)
        writer.finish(reader.barcodes)
    return reader.barcodes


def find_peaks(path: Path | None, store: Path, *, fdr: float) -> pd.DataFrame:
    """Peaks of a sample: those given, without overlaps, or called from its fragments.

    There may be none in a shallow sample: its nuclei have no share in peaks, and none is kept.
    """
    table = read_regions(path) if path else call_peaks(read_store(store), fdr=fdr)
    return merge_peaks([table], widths=(1, 1 << 30)) if len(table) else table


def _passed(table: pd.DataFrame) -> np.ndarray:
    return (table["verdict"] == KEPT).to_numpy()


def _rows(codes: pd.Series, n_barcodes: int) -> np.ndarray:
    """Row of every chosen barcode, by its number in the store; -1 for the others."""
    rows = np.full(n_barcodes, -1)
    rows[codes] = np.arange(len(codes))
    return rows


def _rate_doublets(
    store: Path,
    peaks: pd.DataFrame,
    table: pd.DataFrame,
    n_barcodes: int,
    params: SampleAtacParams,
) -> pd.DataFrame:
    """Doublet scores of the nuclei that passed; missing for the others."""
    passed = _passed(table)
    columns = pd.DataFrame(np.nan, index=table.index, columns=DOUBLETS)
    if passed.sum() < max(params.min_nuclei_doublets, params.doublet_lsi + 1):
        return columns
    rows = _rows(table.loc[passed, "code"], n_barcodes)
    counts = count_peaks(read_store(store), peaks, rows=rows)
    scores = score_doublets(counts, n_components=params.doublet_lsi, seed=params.seed)
    columns.loc[passed, DOUBLETS] = np.column_stack([scores.enrichment, scores.score])
    return columns


@dataclass(frozen=True)
class Nuclei:
    """The nuclei kept of one sample."""

    cells: pd.DataFrame
    rows: np.ndarray
    """Row in ``cells`` for each barcode of the store, by its number; -1 for those left out."""
    store: Path

    def blocks(self) -> Iterator[FragmentBlock]:
        return read_store(self.store)


def stage_atac_integrate(
    barcodes: list[Path],
    stores: list[Path],
    peaks: list[Path],
    result: Path,
    activity: Path,
    depth: Path,
    *,
    annotation: Path,
    blacklist: Path | None,
    params: ChromatinMapParams,
) -> None:
    """Count all nuclei in the peaks of all samples and put them on one map.

    Parameters
    ----------
    barcodes, stores, peaks
        From :func:`stage_atac_sample`, in the same order.
    result
        Written: AnnData of counts, ``obs["cluster"]``, ``obsm`` ``X_lsi`` (all components),
        ``X_unaligned`` (those that do not follow depth), ``X_aligned`` and ``X_map``; ``var`` the peaks.
    activity
        Written: AnnData of fragments over each gene.
    depth
        Written: CSV of every component's correlation with depth, and whether it is dropped.

    Raises
    ------
    NotPossibleError
        If fewer nuclei are left than a map needs.
    """
    from helpers.compute.embedding import cluster_cells, connect_neighbors, embed_cells

    samples = [read_nuclei(*pair) for pair in zip(barcodes, stores, strict=True)]
    n_nuclei = sum(len(sample.cells) for sample in samples)
    if n_nuclei <= FEWEST_NUCLEI:
        msg = (
            f"{n_nuclei} nuclei passed quality control; a map needs more than {FEWEST_NUCLEI}. "
            "Loosen the thresholds under overrides.fig2_accessibility."
        )
        raise NotPossibleError(msg)
    samples = [sample for sample in samples if len(sample.cells)]
    obs = pd.concat([sample.cells for sample in samples])
    merged = merge_peaks(
        [table for table in map(read_table, peaks) if len(table)],
        blacklist=read_regions(blacklist) if blacklist else None,
        widths=(20, params.max_peak_width),
    )
    counts = _stack(samples, lambda s: count_peaks(s.blocks(), merged, rows=s.rows))
    genes, exons = read_gene_model(annotation)
    promoter = (params.promoter_upstream, params.promoter_downstream)
    var = merged.join(annotate_peaks(merged, genes, exons, promoter=promoter))
    adata = ad.AnnData(counts, obs=obs, var=var.set_index(name_peaks(merged)))
    _project(adata, depth, params)
    graph = connect_neighbors(
        adata.obsm["X_aligned"], n_neighbors=params.n_neighbors, seed=params.seed
    )
    adata.obs[CLUSTER] = cluster_cells(graph, resolution=params.resolution, seed=params.seed)
    adata.obs[CLUSTER] = adata.obs[CLUSTER].astype(str)
    adata.obsm["X_map"] = embed_cells(graph, method="umap", seed=params.seed).astype(np.float32)
    write_object(adata, result)
    del adata, counts, graph
    genes = genes[genes["chrom"].isin(merged["chrom"].unique())].reset_index(drop=True)
    over_genes = _stack(
        samples, lambda s: count_genes(s.blocks(), genes, rows=s.rows, upstream=params.upstream)
    )
    var = genes.set_index(pd.Index(genes["gene"], name="gene_name"))
    var = var[["chrom", "start", "end", "strand"]]
    write_object(ad.AnnData(over_genes, obs=obs, var=var), activity)


def read_nuclei(barcodes: Path, store: Path) -> Nuclei:
    """The nuclei kept of a sample, from what :func:`stage_atac_sample` wrote.

    Raises
    ------
    DataError
        If the two files are not of the same barcodes.
    """
    table = read_table(barcodes)
    names = np.array(read_store_barcodes(store), dtype=object)
    if table["code"].max() >= len(names) or (names[table["code"]] != table[BARCODE]).any():
        msg = f"{barcodes} and {store} are not of the same barcodes; make both again"
        raise DataError(msg)
    kept = table.loc[_passed(table)]
    cells = kept.drop(columns=["verdict", "code"])
    text = list(vars(SampleRow("", "", "", "")))
    cells[text] = cells[text].fillna("").astype(str)
    cells.index = pd.Index(cells[SAMPLE] + ":" + cells[BARCODE], name="cell")
    return Nuclei(cells, _rows(kept["code"], len(names)), store)


def _stack(
    samples: list[Nuclei], count: Callable[[Nuclei], sparse.csr_matrix]
) -> sparse.csr_matrix:
    """Counts of all samples, one below the other."""
    blocks = [count(sample) for sample in samples]
    return sparse.vstack(blocks, format="csr", dtype=np.int32)


def _project(adata: ad.AnnData, depth: Path, params: ChromatinMapParams) -> None:
    """LSI, from which components that follow depth are dropped, donors aligned."""
    columns = pick_peaks(adata.X, n_peaks=params.n_lsi_peaks, min_nuclei=params.min_nuclei_peak)
    adata.var["informative"] = np.isin(np.arange(adata.n_vars), columns)
    counts = adata.X[:, columns]
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    if (totals == 0).any():
        msg = f"{(totals == 0).sum()} nuclei have no fragment in the peaks that all are compared by"
        raise NotPossibleError(msg)
    weighted = weigh_terms(counts, method=params.tfidf_method)
    enough = max(FEWEST_COMPONENTS, len(totals) // NUCLEI_PER_COMPONENT)
    n_components = min(params.n_lsi, enough, min(counts.shape) - 1)
    lsi = find_lsi(weighted.astype(np.float32), n_components=n_components, seed=params.seed)
    table = correlate_depth(lsi.scores, totals)
    table["dropped"] = table["correlation"].abs() > params.max_depth_correlation
    kept = lsi.scores[:, ~table["dropped"].to_numpy()]
    write_table(table, depth)
    adata.obsm["X_lsi"] = lsi.scores.astype(np.float32)
    adata.obsm["X_unaligned"] = kept.astype(np.float32)
    donors = adata.obs[DONOR].to_numpy()
    aligned = (
        align_harmony(kept, donors, seed=params.seed) if params.integration != "none" else kept
    )
    adata.obsm["X_aligned"] = aligned.astype(np.float32)


def stage_atac_annotate(
    integrated: Path,
    activity: Path,
    rna: Path | None,
    result: Path,
    activity_result: Path,
    both: Path,
    *,
    markers: Path,
    params: TransferParams,
) -> None:
    """Name the nuclei by labels transferred from RNA, or by their clusters where there is none.

    Parameters
    ----------
    integrated, activity
        From :func:`stage_atac_integrate`.
    rna
        Annotated RNA; None where the cohort has none.
    result
        Written: the integrated object with ``obs`` ``predicted``, ``score``, ``cell_type``
        (``unassigned`` below the cut) and whether a nucleus is an anchor itself.
    activity_result
        Written: gene activity with the same ``obs``.
    both
        Written: MuData of RNA and chromatin.
    markers
        Marker genes of the types, YAML: which type a cluster resembles where there is no RNA.
    """
    adata = read_object(integrated)
    genes = read_object(activity)
    reference = read_object(rna) if rna else None
    if reference is None:
        label = "cluster " + adata.obs[CLUSTER].astype(str)
        adata.obs["predicted"], adata.obs["score"] = label, np.nan
        adata.obs["anchor"] = False
        adata.obs[CELL_TYPE] = label
        adata.obs[RESEMBLES] = _find_alike(genes, adata.obs[CLUSTER], markers)
    else:
        columns = transfer_types(reference, genes, adata.obsm["X_unaligned"], params=params)
        adata.obs[columns.columns] = columns
    genes.obs = adata.obs.assign(n_activity=np.asarray(genes.X.sum(axis=1)).ravel())
    write_object(adata, result)
    write_object(genes, activity_result)
    write_pair({"rna": reference, "atac": adata}, both)


def transfer_types(
    reference: ad.AnnData, activity: ad.AnnData, embedding: np.ndarray, *, params: TransferParams
) -> pd.DataFrame:
    """Label and score of every nucleus, along anchors between RNA and gene activity.

    Returns
    -------
    ``predicted``, ``score``, ``anchor``, ``cell_type``, index as that of ``activity``.

    Raises
    ------
    NotPossibleError
        If the two have too few genes, or cells, in common.
    """
    shared = reference.var_names[reference.var["variable"]].intersection(activity.var_names)
    labelled = (reference.obs[CELL_TYPE].astype(str) != UNKNOWN).to_numpy()
    chosen = pick_reference(np.flatnonzero(labelled), most=params.max_reference, seed=params.seed)
    smallest = min(len(chosen), activity.n_obs)
    k_score = min(params.k_score, smallest - 1)
    if len(shared) <= params.n_cca or smallest <= max(params.n_cca, params.k_anchor):
        msg = (
            f"labels cannot be transferred: {len(chosen)} labelled cells, {activity.n_obs} nuclei and "
            f"{len(shared)} variable genes in common; more than {params.n_cca} of each are needed"
        )
        raise NotPossibleError(msg)
    expressed = _log_expression(reference[chosen], shared)
    anchors = find_anchors(
        expressed,
        _log_expression(activity, shared),
        n_components=params.n_cca,
        k_anchor=params.k_anchor,
        k_filter=params.k_filter,
        k_score=k_score,
    )
    labels = reference.obs[CELL_TYPE].astype(str).to_numpy()[chosen]
    k_weight = max(1, min(params.k_weight, len(np.unique(anchors.b))))
    found = transfer_labels(labels, anchors, embedding, k_weight=k_weight)
    sure = found.score >= params.min_score
    return pd.DataFrame(
        {
            "predicted": found.label.astype(str),
            "score": found.score,
            "anchor": np.isin(np.arange(activity.n_obs), anchors.b),
            CELL_TYPE: np.where(sure, found.label, UNASSIGNED).astype(str),
        },
        index=activity.obs_names,
    )


def _find_alike(activity: ad.AnnData, clusters: pd.Series, markers: Path) -> pd.Series:
    """The type whose marker genes are most active in the cluster of every nucleus."""
    positive, negative = read_markers(markers)
    listed = [{g for genes in table.values() for g in genes} for table in (positive, negative)]
    if not activity.var_names.isin(listed[0]).any():
        return pd.Series(UNKNOWN, index=clusters.index)
    genes = activity.var_names[activity.var_names.isin(set.union(*listed))]
    scores = score_cells(
        _log_expression(activity, genes), genes, positive=positive, negative=negative
    )
    types = label_clusters(scores, clusters.to_numpy(), unknown_below=0.0)
    return clusters.map(types.set_index(CLUSTER)[CELL_TYPE]).astype(str)


def pick_reference(rows: np.ndarray, *, most: int, seed: int) -> np.ndarray:
    """At most so many rows, in order, drawn at random."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _log_expression(adata: ad.AnnData, genes: pd.Index) -> sparse.csr_matrix:
    totals = np.asarray(adata.X.sum(axis=1), dtype=float).ravel()
    return log_normalise(adata[:, genes].X.tocsr(), totals=totals)


def write_pair(modalities: dict[str, ad.AnnData | None], path: Path) -> None:
    """Write modalities as one MuData file; those that are None are left out."""
    import mudata

    kept = {name: adata for name, adata in modalities.items() if adata is not None}
    with mudata.set_options(pull_on_update=False), replacing(path) as partial:
        mudata.MuData(kept).write(partial)
