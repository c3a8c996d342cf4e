"""RNA: which cells of a sample are kept, one map of all samples, and what the cells are."""

from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.annotation import label_clusters, score_cells
from helpers.compute.doublets import find_doublets
from helpers.compute.integration import align_cca, align_harmony
from helpers.compute.normalise import (
    find_components,
    log_normalise,
    pick_variable_genes,
)
from helpers.compute.quality import KEPT, choose_doublets, judge_cells, measure_cells
from helpers.errors import DataError, NotPossibleError
from helpers.io.objects import (
    add_cells_columns,
    read_cells,
    read_counts,
    read_genes_of,
    read_markers,
    read_object,
    write_object,
)
from helpers.io.tables import write_table
from helpers.io.tenx import read_rna
from helpers.params import AnnotationParams, MapParams, SampleRnaParams
from helpers.schema import BARCODE, CELL_TYPE, CLUSTER, DONOR, SAMPLE
from helpers.stages.task import Task


@dataclass(frozen=True)
class SampleRow:
    """What the sample sheet says of one sample."""

    sample: str
    donor: str
    group: str
    batch: str


def run_rna_sample(task: Task) -> None:
    """The job ``rna_sample``."""
    kept, barcodes = task.outputs
    row = SampleRow(**{name: str(value) for name, value in task.design.items()})
    params = SampleRnaParams.model_validate(task.params)
    stage_rna_sample(task.data["rna"], kept, barcodes, row=row, params=params)


def run_rna_integrate(task: Task) -> None:
    """The job ``rna_integrate``."""
    params = MapParams.model_validate(task.params)
    stage_rna_integrate(list(task.inputs), task.outputs[0], params=params)


def run_rna_annotate(task: Task) -> None:
    """The job ``rna_annotate``."""
    result, labels = task.outputs
    params = AnnotationParams.model_validate(task.params)
    stage_rna_annotate(task.inputs[0], task.data["markers"], result, labels, params=params)


def stage_rna_sample(
    source: Path, kept: Path, barcodes: Path, *, row: SampleRow, params: SampleRnaParams
) -> None:
    """Read one sample, judge its cells, call doublets and write the cells kept.

    Parameters
    ----------
    source
        Raw counts as :func:`helpers.io.tenx.read_rna` takes them.
    kept
        Written: AnnData of the kept cells, counts in ``X``, measures in ``obs``.
    barcodes
        Written: CSV, one row a barcode of the input with its measures and verdict.
    """
    adata = read_rna(source)
    table = measure_cells(adata.X, adata.var_names)
    table.index = adata.obs_names
    table["verdict"] = judge_cells(
        table,
        genes=(params.min_genes, params.max_genes),
        umis=(params.min_umis, params.max_umis),
        max_pct_mito=params.max_pct_mito,
    )
    table = table.join(_call_doublets(adata, table, params))
    doublet = choose_doublets(
        table["scrublet"].to_numpy(), table["doubletfinder"].to_numpy(), rule=params.remove_doublets
    )
    table.loc[doublet, "verdict"] = "doublet"
    for position, (name, value) in enumerate(vars(row).items()):
        table.insert(position, name, value)
    chosen = (table["verdict"] == KEPT).to_numpy()
    result = adata[chosen].copy()
    result.obs = table.loc[chosen].drop(columns="verdict")
    write_object(result, kept)
    write_table(table.rename_axis(BARCODE).reset_index(), barcodes)


def _call_doublets(adata: ad.AnnData, table: pd.DataFrame, params: SampleRnaParams) -> pd.DataFrame:
    """Scores and calls of both methods; missing scores and no call where they were not run."""
    passed = (table["verdict"] == KEPT).to_numpy()
    columns = pd.DataFrame(
        {
            "scrublet_score": np.nan,
            "doubletfinder_score": np.nan,
            "scrublet": False,
            "doubletfinder": False,
        },
        index=table.index,
    )
    if passed.sum() < max(params.min_cells_doublets, params.doublet_pcs + 1):
        return columns
    calls = find_doublets(
        adata.X[passed],
        expected_rate=params.doublet_rate,
        cut=params.doublet_cut,
        pn=params.doublet_pn,
        pk=params.doublet_pk,
        n_components=params.doublet_pcs,
        seed=params.seed,
    )
    for name, values in vars(calls).items():
        columns.loc[passed, name] = values
    return columns


def stage_rna_integrate(samples: list[Path], result: Path, *, params: MapParams) -> None:
    """Put all samples on one map: variable genes, components, donors aligned, clusters.

    Parameters
    ----------
    samples
        Kept cells of every sample, from :func:`stage_rna_sample`.
    result
        Written: AnnData with counts in ``X``, ``obs["cluster"]``, ``obsm`` ``X_pca``,
        ``X_aligned`` and ``X_map``.

    Raises
    ------
    NotPossibleError
        If fewer cells are left than a map needs.
    """
    from helpers.compute.embedding import cluster_cells, connect_neighbors, embed_cells

    adata = merge_samples(samples)
    if adata.n_obs <= params.n_pcs + 1:
        msg = (
            f"{adata.n_obs} cells passed quality control; a map needs more than {params.n_pcs + 1}. "
            "Loosen the thresholds under overrides.quality, or lower n_pcs under "
            "overrides.fig1_composition."
        )
        raise NotPossibleError(msg)
    expression = _variable_expression(adata, params)
    scores = find_components(expression, n_components=params.n_pcs).scores
    adata.obsm["X_pca"] = scores.astype(np.float32)
    adata.obsm["X_aligned"] = _align(adata, expression, scores, params).astype(np.float32)
    graph = connect_neighbors(
        adata.obsm["X_aligned"], n_neighbors=params.n_neighbors, seed=params.seed
    )
    adata.obs[CLUSTER] = cluster_cells(graph, resolution=params.resolution, seed=params.seed)
    place = embed_cells(graph, method=params.embedding, seed=params.seed)
    adata.obsm["X_map"] = place.astype(np.float32)
    write_object(adata, result)


def merge_samples(paths: list[Path]) -> ad.AnnData:
    """All samples in one object, over the genes measured in every one of them.

    Samples without a cell have no say.

    Raises
    ------
    DataError
        If the samples have no gene in common.
    """
    parts = [part for part in map(read_object, paths) if part.n_obs] or [read_object(paths[0])]
    shared = parts[0].var_names
    for part in parts[1:]:
        shared = shared[shared.isin(part.var_names)]
    if len(shared) == 0:
        msg = "the samples have no gene in common; were they aligned to different genomes?"
        raise DataError(msg)
    var = parts[0].var.loc[shared]
    obs = pd.concat([part.obs for part in parts])
    obs.insert(0, BARCODE, obs.index)
    obs.index = pd.Index(obs[SAMPLE].astype(str) + ":" + obs[BARCODE].astype(str), name="cell")
    blocks = []
    while parts:
        part = parts.pop(0)
        same = part.var_names.equals(shared)
        blocks.append(part.X if same else part[:, shared].X.tocsr())
    return ad.AnnData(sparse.vstack(blocks, format="csr"), obs=obs, var=var)


def _variable_expression(adata: ad.AnnData, params: MapParams) -> sparse.csr_matrix:
    """Log-normalised expression of the variable genes, which are marked in ``var``."""
    genes = pick_variable_genes(
        adata.X, n_genes=params.n_variable_genes, batches=adata.obs[SAMPLE].to_numpy()
    )
    adata.var["variable"] = np.isin(np.arange(adata.n_vars), genes)
    return log_normalise(
        adata.X[:, genes],
        target_sum=params.target_sum,
        totals=adata.obs["n_umis"].to_numpy(dtype=float),
    )


def _align(
    adata: ad.AnnData, expression: sparse.csr_matrix, scores: np.ndarray, params: MapParams
) -> np.ndarray:
    donors = adata.obs[DONOR].to_numpy()
    if params.integration == "harmony":
        return align_harmony(scores, donors, seed=params.seed)
    if params.integration == "cca":
        return align_cca(expression, donors, n_components=params.n_pcs)
    return scores


def stage_rna_annotate(
    integrated: Path, markers: Path, result: Path, labels: Path, *, params: AnnotationParams
) -> None:
    """Name the clusters by their marker genes.

    Parameters
    ----------
    integrated
        From :func:`stage_rna_integrate`.
    markers
        Marker genes of the types, YAML.
    result
        Written: the same object with ``obs["cell_type"]`` and ``obs["type_score"]``, the cell's
        own score for its cluster's type.
    labels
        Written: CSV, one row a cluster with its best and second type.
    """
    positive, negative = read_markers(markers)
    measured = set(read_genes_of(integrated).index)
    listed = {g for table in (positive, negative) for genes in table.values() for g in genes}
    genes = sorted(listed & measured)
    counts, totals = read_counts(integrated, genes)
    cells = read_cells(integrated)
    expression = log_normalise(
        counts, target_sum=params.target_sum, totals=totals.to_numpy(dtype=float)
    )
    scores = score_cells(expression, pd.Index(genes), positive=positive, negative=negative)
    named = label_clusters(scores, cells[CLUSTER].to_numpy(), unknown_below=params.unknown_below)
    of_cluster = named.set_index(CLUSTER)
    types = cells[CLUSTER].map(of_cluster[CELL_TYPE])
    best = scores.to_numpy().argmax(axis=1)
    column = scores.columns.get_indexer(types)
    own = scores.to_numpy()[np.arange(len(scores)), np.where(column >= 0, column, best)]
    columns = pd.DataFrame(
        {CELL_TYPE: types.astype(str), "type_score": own, "best_type": scores.columns[best]},
        index=cells.index,
    )
    add_cells_columns(integrated, result, columns)
    write_table(named, labels)
