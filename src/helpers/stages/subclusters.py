"""The cells of one type divided into subclusters, with their markers and stability."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from helpers.compute.embedding import connect_neighbors, embed_cells
from helpers.compute.expression import rank_cells
from helpers.compute.normalise import log_normalise
from helpers.compute.spectral import (
    cluster_modular,
    link_neighbors,
    measure_stability,
    rate_numbers,
)
from helpers.compute.subclusters import Division, divide_cells, name_subclusters
from helpers.errors import NotPossibleError
from helpers.io.gene_sets import read_published
from helpers.io.objects import read_object, write_object
from helpers.io.tables import write_table
from helpers.params import SubclusterParams
from helpers.schema import BARCODE, CELL_TYPE, DONOR, GROUP, SAMPLE, SUBCLUSTER
from helpers.stages.task import Task

CELLS_PER_CLUSTER = 20  # fewer cells than this a subcluster cannot be told from noise
NUMBERS = range(2, 9)  # numbers of subclusters that are rated


def run_subclusters(task: Task) -> None:
    """The job ``subclusters``."""
    params = SubclusterParams.model_validate(task.params)
    stage_subclusters(task.inputs[0], task.data["published"], *task.outputs, params=params)


def stage_subclusters(
    annotated: Path,
    published: Path,
    divided: Path,
    cells: Path,
    markers: Path,
    stability: Path,
    numbers: Path,
    *,
    params: SubclusterParams,
) -> None:
    """Divide the cells of a type, name the parts, rank their genes and measure stability.

    Parameters
    ----------
    annotated
        Cells with counts and ``obs["cell_type"]``.
    published
        Genes of published subclusters, YAML.
    divided
        Written: AnnData of the type's cells with ``obs["subcluster"]``, ``louvain`` and
        ``leiden``, ``obsm`` ``X_aligned`` and ``X_map``.
    cells
        Written: CSV with ``sample``, ``barcode``, ``group``, ``subcluster`` (text).
    markers
        Written: CSV, all genes of every subcluster against the other cells of the type.
    stability, numbers
        Written: CSV, agreement of draws by subcluster, and ratings of other numbers of
        subclusters.

    Raises
    ------
    NotPossibleError
        If the type has too few cells.
    """
    adata = read_object(annotated)
    adata = adata[(adata.obs[CELL_TYPE] == params.cell_type).to_numpy()].copy()
    needed = CELLS_PER_CLUSTER * max(params.n_clusters, 3)
    if adata.n_obs < needed:
        msg = (
            f"{adata.n_obs} cells were called {params.cell_type}; dividing them into subclusters "
            f"needs {needed}."
        )
        raise NotPossibleError(msg)
    division, rated = _divide(adata, params)
    expression = log_normalise(
        adata.X, target_sum=params.target_sum, totals=adata.obs["n_umis"].to_numpy(dtype=float)
    )
    known = read_published(published).get(params.cell_type, {})
    names = name_subclusters(division.labels, expression, adata.var_names, known)
    _describe(adata, division, names, params)
    write_object(adata, divided)
    listed = adata.obs[[SAMPLE, BARCODE, GROUP, SUBCLUSTER]].astype(str)
    write_table(listed, cells)
    seen = np.asarray((expression > 0).sum(axis=0)).ravel() > 0
    ranked = rank_cells(expression[:, seen], adata.var_names[seen], names.astype(str))
    write_table(
        ranked.rename(columns={"label": SUBCLUSTER}).sort_values(
            [SUBCLUSTER, "z"], ascending=[True, False], kind="stable"
        ),
        markers,
    )
    draws = measure_stability(
        division.points,
        division.labels,
        n_neighbors=params.n_neighbors,
        n_draws=params.n_draws,
        max_cells=params.max_cells_drawn,
        seed=params.seed,
    )
    name_of = dict(zip(division.labels, names, strict=True))
    draws.insert(1, SUBCLUSTER, draws.pop("cluster").map(name_of))
    write_table(draws, stability)
    write_table(rated, numbers)


def _divide(adata: ad.AnnData, params: SubclusterParams) -> tuple[Division, pd.DataFrame]:
    """Subclusters in the number asked for, or first in the number that fits best."""
    asked = params.n_clusters or NUMBERS[1]
    division = _divide_into(adata, asked, params)
    rated = rate_numbers(
        division.points,
        candidates=[k for k in NUMBERS if k * CELLS_PER_CLUSTER <= adata.n_obs],
        n_neighbors=params.n_neighbors,
        n_draws=max(2, params.n_draws // 4),
        max_cells=params.max_cells_drawn,
        seed=params.seed,
    )
    if params.n_clusters == 0:
        best = int(rated.loc[rated["suggested"], "n_clusters"].iloc[0])
        division = _divide_into(adata, best, params)
    return division, rated.assign(used=rated["n_clusters"] == division.labels.max() + 1)


def _divide_into(adata: ad.AnnData, n_clusters: int, params: SubclusterParams) -> Division:
    return divide_cells(
        adata.X,
        donors=adata.obs[DONOR].astype(str).to_numpy(),
        pct_mito=adata.obs["pct_mito"].fillna(0.0).to_numpy(dtype=float),
        n_genes=params.n_variable_genes,
        n_components=params.n_pcs,
        regress_donor=params.regress_donor,
        harmony=params.integration == "harmony",
        n_neighbors=params.n_neighbors,
        n_clusters=n_clusters,
        seed=params.seed,
    )


def _describe(
    adata: ad.AnnData, division: Division, names: np.ndarray, params: SubclusterParams
) -> None:
    """Add subclusters, other clusterings and the map to the object about to be written."""
    graph = link_neighbors(division.points, n_neighbors=params.n_neighbors)
    adata.obs[SUBCLUSTER] = pd.Categorical(names.astype(str))
    for method in ("louvain", "leiden"):
        adata.obs[method] = cluster_modular(
            graph, method=method, resolution=params.resolution, seed=params.seed
        )
    adata.var["variable_within"] = np.isin(np.arange(adata.n_vars), division.genes)
    adata.obsm["X_aligned"] = division.points.astype(np.float32)
    links = connect_neighbors(division.points, n_neighbors=params.n_neighbors, seed=params.seed)
    place = embed_cells(links, method="umap", seed=params.seed)
    adata.obsm["X_map"] = place.astype(np.float32)
