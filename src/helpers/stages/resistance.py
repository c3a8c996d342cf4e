"""A resistant line against its parental one: genes, stem-like cluster, order of the cells."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from helpers.compute.resistance import (
    choose_root,
    find_stem_like,
    order_cells,
    rate_clusters,
    score_potential,
)
from helpers.errors import NotPossibleError
from helpers.io.objects import read_object
from helpers.io.tables import write_table
from helpers.params import ResistanceParams
from helpers.schema import BARCODE, CLUSTER, GROUP, SAMPLE, Contrast
from helpers.stages.expression import compare_by_cell, compare_by_sample
from helpers.stages.task import Task

CELLS = [SAMPLE, BARCODE, GROUP, CLUSTER]


def run_resistance(task: Task) -> None:
    """The job ``resistance``."""
    params = ResistanceParams.model_validate(task.params)
    contrast = Contrast(**dict(task.design["contrast"]))  # type: ignore[call-overload]
    stage_resistance(*task.inputs, *task.outputs, contrast=contrast, params=params)


def stage_resistance(
    annotated: Path,
    scored: Path,
    cells: Path,
    clusters: Path,
    genes: Path,
    *,
    contrast: Contrast,
    params: ResistanceParams,
) -> None:
    """Compare both conditions gene by gene, rate every cluster, and order the cells.

    Parameters
    ----------
    annotated
        Cells with counts, ``obs["cluster"]`` and aligned components.
    scored
        Signatures of the same cells.
    cells
        Written: CSV with cluster, stemness, quiescence, potential, pseudotime, whether the cell
        is in the stem-like cluster, and its place on the map.
    clusters
        Written: CSV, one row a cluster and score, and whether the cluster is stem-like.
    genes
        Written: CSV, every gene by cell and by sample.

    Raises
    ------
    NotPossibleError
        If stemness or quiescence was not scored, or there are too few cells.
    """
    adata, scores = read_object(annotated), read_object(scored)
    table = adata.obs[CELLS].astype(str).reset_index(drop=True)
    for name, wanted in (("stemness", params.stemness), ("quiescence", params.quiescence)):
        table[name] = _average(scores, name, wanted)
    points = adata.obsm["X_aligned"]
    table["potential"] = score_potential(
        adata.X, points, n_neighbors=params.n_neighbors, seed=params.seed
    )
    rated = rate_clusters(
        table[["stemness", "quiescence", "potential"]],
        table,
        min_cells=params.min_cells,
        confidence=params.confidence,
    )
    stem_like = find_stem_like(rated, min_difference=params.min_difference)
    table["stem_like"] = table[CLUSTER].isin(stem_like[:1])
    root = choose_root(table["potential"].to_numpy(), table["stem_like"].to_numpy())
    table["pseudotime"] = order_cells(
        points,
        root=root,
        n_neighbors=params.n_neighbors,
        n_components=params.n_diffusion,
        seed=params.seed,
    )
    table["x"], table["y"] = adata.obsm["X_map"].T
    write_table(table, cells)
    write_table(rated.assign(stem_like=rated[CLUSTER].isin(stem_like[:1])), clusters)
    tables = [
        compare(adata, contrast, params)[0] for compare in (compare_by_cell, compare_by_sample)
    ]
    found = [t for t in tables if len(t)]
    if not found:
        msg = f"{contrast.name}: a condition has fewer than {params.min_cells} cells."
        raise NotPossibleError(msg)
    write_table(pd.concat(found, ignore_index=True), genes)


def _average(scores: ad.AnnData, name: str, wanted: list[str]) -> np.ndarray:
    """Mean over signatures of the combined z over that of random sets in the same cell."""
    known = [signature for signature in wanted if signature in scores.var_names]
    if not known:
        msg = f"No signature of {name} was scored in this cohort ({', '.join(wanted)})."
        raise NotPossibleError(msg)
    mine = scores[:, known]
    spread = mine.layers["weighted z, random sd"]
    over = mine.layers["weighted z"] - mine.layers["weighted z, random mean"]
    return np.asarray((over / np.where(spread > 0, spread, 1.0)).mean(axis=1), dtype=float)
