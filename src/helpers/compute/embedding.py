"""Neighbours, clusters and the two-dimensional map of cells."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse

LEAST_SHARED = 1 / 15  # Seurat's prune.SNN


def connect_neighbors(points: np.ndarray, *, n_neighbors: int, seed: int) -> ad.AnnData:
    """Graph of nearest neighbours, exact, weighted as UMAP does.

    Parameters
    ----------
    points
        Aligned principal components, shape (n_cells, n_components).
    n_neighbors
        Neighbours of each cell, itself included; at most the number of cells.

    Returns
    -------
    AnnData without genes whose ``obsp`` holds the graph and ``obsm["X_pca"]`` the points.
    """
    adata = ad.AnnData(obs=pd.DataFrame(index=pd.RangeIndex(len(points)).astype(str)))
    adata.obsm["X_pca"] = np.asarray(points, dtype=np.float32)
    nearest = min(n_neighbors, len(points))
    # Scikit-learn searches by brute force: exact and, up to some 100,000 cells, faster than an
    # index. Asked for by name, since only then scanpy sets a cell's distance to itself to 0;
    # else its rounding error passes for the nearest neighbour and spoils the weights.
    _keep_compiled()
    sc.pp.neighbors(
        adata, n_neighbors=nearest, use_rep="X_pca", transformer="sklearn", random_state=seed
    )
    return adata


def _keep_compiled() -> None:
    """Keep on disk what numba makes of UMAP's weights: 7 s to compile, in every process anew."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # of a part of umap that wants tensorflow
        from umap.umap_ import compute_membership_strengths, smooth_knn_dist

    for function in (smooth_knn_dist, compute_membership_strengths):
        function.enable_caching()


def share_neighbors(graph: ad.AnnData) -> sparse.csr_matrix:
    """How far cells share their nearest neighbours: the graph clusters are sought in.

    Parameters
    ----------
    graph
        From :func:`connect_neighbors`.

    Returns
    -------
    Jaccard index of the neighbourhoods of every two cells, each cell a neighbour of itself,
    shape (n_cells, n_cells), symmetric; below 1/15 it is 0, as in Seurat's FindNeighbors.
    """
    distances = graph.obsp["distances"].copy()
    distances.data[:] = 1.0  # also where two cells are the same
    near = (distances + sparse.eye_array(graph.n_obs)).tocsr()
    near.data[:] = 1.0
    size = np.diff(near.indptr)
    shared = (near @ near.T).tocoo()
    index = shared.data / (size[shared.row] + size[shared.col] - shared.data)
    kept = index >= LEAST_SHARED
    return sparse.csr_matrix(
        (index[kept], (shared.row[kept], shared.col[kept])), shape=shared.shape
    )


def cluster_cells(graph: ad.AnnData, *, resolution: float, seed: int) -> np.ndarray:
    """Leiden cluster of every cell, numbered from the largest.

    Communities are sought among shared neighbours, as Seurat does: from seed to seed they differ
    far less than those of the graph the map is drawn from.

    References
    ----------
    Traag, Waltman & van Eck (2019) Sci. Rep. 9:5233. doi:10.1038/s41598-019-41695-z
    """
    found = sc.tl.leiden(
        graph,
        resolution=resolution,
        flavor="igraph",
        n_iterations=2,
        directed=False,
        random_state=seed,
        adjacency=share_neighbors(graph),
        copy=True,
    )
    cluster = found.obs["leiden"].astype(int).to_numpy()
    sizes = np.bincount(cluster)
    number = np.empty_like(sizes)
    number[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return number[cluster]


def embed_cells(graph: ad.AnnData, *, method: str, seed: int) -> np.ndarray:
    """Two-dimensional map of the cells, shape (n_cells, 2).

    Parameters
    ----------
    graph
        From :func:`connect_neighbors`.
    method
        ``umap`` or ``tsne``.

    References
    ----------
    McInnes, Healy & Melville (2018) arXiv:1802.03426. Policar, Strazar & Zupan (2024)
    J. Stat. Softw. 109:1 (openTSNE). doi:10.18637/jss.v109.i03
    """
    if method == "tsne":
        from openTSNE import TSNE

        perplexity = min(30, (graph.n_obs - 1) / 3)
        fitted = TSNE(perplexity=perplexity, random_state=seed, n_jobs=-1).fit(
            graph.obsm["X_pca"].astype(np.float64)
        )
        return np.asarray(fitted)
    mapped = sc.tl.umap(graph, random_state=seed, copy=True)
    return np.asarray(mapped.obsm["X_umap"])
