"""Neighbours, clusters and the map: Seurat, scanpy, by hand, planted clouds."""

import numpy as np
import pytest
from oracle import read_labelled_matrix, read_names, read_tsv
from scipy import io as scipy_io
from scipy import sparse
from sklearn.metrics import adjusted_rand_score, silhouette_score

from helpers.compute.embedding import (
    cluster_cells,
    connect_neighbors,
    embed_cells,
    share_neighbors,
)

SEURAT_DIMS, SEURAT_K = 20, 20  # of the stored answer, see its params.json


def test_share_neighbors__by_hand():
    # Five cells on a line; with two neighbours, each is joined to itself and the nearest other:
    # {0,1} {0,1} {2,3} {2,3} {3,4}. Cells 2 and 4 share cell 3 of three: 1/3.
    points = np.array([[0.0], [1.0], [10.0], [11.0], [12.5]])
    shared = share_neighbors(connect_neighbors(points, n_neighbors=2, seed=0)).toarray()
    expected = np.array(
        [
            [1, 1, 0, 0, 0],
            [1, 1, 0, 0, 0],
            [0, 0, 1, 1, 1 / 3],
            [0, 0, 1, 1, 1 / 3],
            [0, 0, 1 / 3, 1 / 3, 1],
        ]
    )
    np.testing.assert_allclose(shared, expected)


def test_share_neighbors__leaves_out_what_shares_less_than_a_fifteenth():
    points = np.random.default_rng(0).normal(size=(300, 5))
    shared = share_neighbors(connect_neighbors(points, n_neighbors=15, seed=0))
    assert shared.data.min() >= 1 / 15
    assert abs(shared - shared.T).max() == 0
    np.testing.assert_array_equal(shared.diagonal(), 1.0)


def test_share_neighbors__equals_seurat(oracles):
    folder = oracles / "seurat_basic" / "output"
    scores = read_tsv(folder / "pca_exact_embeddings.tsv.gz", index_col=0)
    points = scores.to_numpy()[:, :SEURAT_DIMS]
    shared = share_neighbors(connect_neighbors(points, n_neighbors=SEURAT_K, seed=0))
    seurat, _, _ = read_labelled_matrix(folder / "snn")
    assert abs(shared - seurat).max() < 1e-12


def test_cluster_cells__finds_separate_clouds_numbered_by_size_whatever_the_seed():
    rng = np.random.default_rng(1)
    sizes, centres = [150, 90, 40], [(0, 0), (30, 0), (0, 30)]
    truth = np.repeat([0, 1, 2], sizes)
    clouds = [rng.normal(c, 1.0, (n, 2)) for n, c in zip(sizes, centres, strict=True)]
    order = rng.permutation(len(truth))
    points = np.vstack(clouds)[order]
    graph = connect_neighbors(points, n_neighbors=20, seed=0)
    for seed in range(3):
        found = cluster_cells(graph, resolution=0.05, seed=seed)
        np.testing.assert_array_equal(found, truth[order])


def test_cluster_cells__agrees_with_seurat(oracles):
    folder = oracles / "seurat_basic" / "output"
    scores = read_tsv(folder / "pca_exact_embeddings.tsv.gz", index_col=0)
    seurat = read_tsv(folder / "clusters.tsv.gz").set_index("cell").loc[scores.index]
    graph = connect_neighbors(scores.to_numpy()[:, :SEURAT_DIMS], n_neighbors=SEURAT_K, seed=0)
    for resolution in (0.2, 0.5, 0.8, 1.2):
        found = cluster_cells(graph, resolution=resolution, seed=0)
        for method in ("louvain", "leiden"):
            theirs = seurat[f"{method}_res{resolution}"]
            # their own two methods agree to 0.98
            assert adjusted_rand_score(theirs, found) > 0.9


def test_connect_neighbors__are_exact_and_no_more_than_there_are_cells():
    points = np.array([[0.0], [1.0], [3.0]])
    graph = connect_neighbors(points, n_neighbors=15, seed=0)
    np.testing.assert_allclose(
        graph.obsp["distances"].toarray(), [[0, 1, 3], [1, 0, 2], [3, 2, 0]], atol=1e-6
    )


@pytest.mark.parametrize("method", ["umap", pytest.param("tsne", marks=pytest.mark.slow)])
def test_embed_cells__keeps_separate_clouds_apart_and_repeats_itself(method):
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1, 2], 60)
    points = rng.normal(size=(180, 5)) + 20 * np.eye(5)[truth]
    graph = connect_neighbors(points, n_neighbors=15, seed=0)
    placed = embed_cells(graph, method=method, seed=0)
    assert placed.shape == (180, 2)
    assert silhouette_score(placed, truth) > 0.5
    np.testing.assert_array_equal(placed, embed_cells(graph, method=method, seed=0))


def test_connect_neighbors__are_those_of_seurat(oracles):
    folder = oracles / "seurat_basic" / "output"
    scores = read_tsv(folder / "pca_exact_embeddings.tsv.gz", index_col=0)
    graph = connect_neighbors(scores.to_numpy()[:, :SEURAT_DIMS], n_neighbors=SEURAT_K, seed=0)
    ours = (graph.obsp["distances"] > 0).astype(int) + sparse.eye_array(len(scores), dtype=int)
    transposed, _, _ = read_labelled_matrix(folder / "knn")
    assert abs(ours - transposed.T).max() == 0


def test_connect_neighbors__have_the_distances_and_weights_of_scanpy(oracles):
    folder = oracles / "scanpy" / "output"
    scores = read_tsv(folder / "pca.tsv.gz", index_col=0)
    graph = connect_neighbors(scores.to_numpy()[:, :20], n_neighbors=15, seed=0)
    for ours, name in (("distances", "knn_distances"), ("connectivities", "umap_connectivities")):
        theirs = scipy_io.mmread(folder / f"{name}.mtx.gz").tocsr()
        assert read_names(folder / f"{name}.rows.txt.gz").equals(scores.index)
        assert abs(graph.obsp[ours] - theirs).max() < 1e-5


def test_connect_neighbors__weigh_the_nearest_other_cell_with_1():
    points = np.random.default_rng(4).normal(50, 1, (200, 10))  # far from 0, where rounding shows
    graph = connect_neighbors(points, n_neighbors=10, seed=0)
    weights = graph.obsp["connectivities"].toarray()
    np.testing.assert_allclose(weights.max(axis=1), 1.0, atol=1e-6)
    nearest = np.argmin(np.linalg.norm(points[:, None] - points[None], axis=2)
                        + 1e9 * np.eye(200), axis=1)  # fmt: skip
    np.testing.assert_allclose(weights[np.arange(200), nearest], 1.0, atol=1e-6)


def test_share_neighbors__cells_that_are_the_same_share_their_neighbours():
    points = np.repeat([[0.0, 0.0], [9.0, 0.0]], 3, axis=0)
    shared = share_neighbors(connect_neighbors(points, n_neighbors=3, seed=0)).toarray()
    # which of the copies is left out for the cell itself is open: two of three or all are shared
    same = np.kron(np.eye(2), np.ones((3, 3))) > 0
    assert shared[same].min() >= 2 / 3
    assert (shared[~same] == 0).all()


def test_cluster_cells__leaves_the_graph_as_it_is():
    points = np.random.default_rng(5).normal(size=(60, 3))
    graph = connect_neighbors(points, n_neighbors=10, seed=0)
    before = graph.obsp["connectivities"].copy()
    cluster_cells(graph, resolution=1.0, seed=0)
    assert abs(graph.obsp["connectivities"] - before).max() == 0
    assert list(graph.obs.columns) == []
