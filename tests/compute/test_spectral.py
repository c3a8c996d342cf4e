"""Spectral clustering: by hand, against scikit-learn's dense solution, stability, numbers."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from helpers.compute.spectral import (
    cluster_modular,
    cluster_spectral,
    find_eigenvectors,
    link_neighbors,
    measure_stability,
    number_by_size,
    rate_numbers,
)
from helpers.errors import DataError


def draw_clouds(
    sizes: list[int], *, distance: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    centres = distance * np.eye(max(len(sizes), 5))[: len(sizes)]
    return centres[truth] + rng.normal(0, 1, (len(truth), centres.shape[1])), truth


def test_link_neighbors__by_hand():
    # On a line at 0, 1, 3: 0 and 1 name each other, 3 names 1.
    graph = link_neighbors(np.array([[0.0], [1.0], [3.0]]), n_neighbors=1)
    assert graph.toarray().tolist() == [[0, 1, 0], [1, 0, 0.5], [0, 0.5, 0]]


def test_find_eigenvectors__of_two_pieces_has_two_zeros():
    points, _ = draw_clouds([300, 200], distance=60)
    graph = link_neighbors(points, n_neighbors=10)
    values, vectors = find_eigenvectors(graph, n_vectors=3, seed=0)
    np.testing.assert_allclose(values[:2], 0, atol=1e-6)
    assert values[2] > 0.01
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-5)


def test_find_eigenvectors__sparse_equals_dense():
    points, _ = draw_clouds([300, 200, 100], distance=4)
    graph = link_neighbors(points, n_neighbors=15)
    values, _ = find_eigenvectors(graph, n_vectors=5, seed=0)
    degree = np.asarray(graph.sum(axis=1)).ravel()
    dense = np.eye(600) - graph.toarray() / np.sqrt(np.outer(degree, degree))
    np.testing.assert_allclose(values, np.linalg.eigvalsh(dense)[:5], atol=1e-6)


def test_find_eigenvectors__of_more_pieces_than_vectors_are_the_largest_pieces():
    points, truth = draw_clouds([60, 50, 40], distance=60)
    values, vectors = find_eigenvectors(link_neighbors(points, n_neighbors=8), n_vectors=2, seed=0)
    assert values.tolist() == [0.0, 0.0]
    assert ((vectors != 0).sum(axis=0)).tolist() == [60, 50]
    assert not vectors[truth == 2].any()


def test_cluster_spectral__equals_the_dense_solution():
    points, _ = draw_clouds([1400, 900, 500, 200], distance=4.5)
    graph = link_neighbors(points, n_neighbors=30)
    ours = cluster_spectral(graph, n_clusters=4, seed=0)
    dense = SpectralClustering(4, affinity="precomputed", random_state=0)
    assert adjusted_rand_score(ours, dense.fit_predict(graph.toarray())) >= 0.98
    assert np.bincount(ours).tolist() == sorted(np.bincount(ours), reverse=True)


def test_cluster_spectral__finds_rings_that_k_means_cannot():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 600)
    radius = np.repeat([1.0, 4.0], 300) + rng.normal(0, 0.1, 600)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    found = cluster_spectral(link_neighbors(points, n_neighbors=10), n_clusters=2, seed=0)
    assert adjusted_rand_score(np.repeat([0, 1], 300), found) == 1.0


def test_cluster_spectral__needs_more_cells_than_clusters():
    with pytest.raises(DataError, match="3 cells cannot form 3 clusters"):
        cluster_spectral(sparse.csr_matrix(np.ones((3, 3))), n_clusters=3, seed=0)


@pytest.mark.parametrize("method", ["louvain", "leiden"])
def test_cluster_modular__finds_separate_clouds(method: str):
    points, truth = draw_clouds([200, 150, 100], distance=12)
    graph = link_neighbors(points, n_neighbors=15)
    found = cluster_modular(graph, method=method, resolution=0.1, seed=0)
    assert adjusted_rand_score(truth, found) == 1.0


def test_number_by_size__starts_with_the_largest():
    assert number_by_size(np.array([2, 0, 0, 2, 2, 1])).tolist() == [0, 1, 1, 0, 0, 2]


def test_measure_stability__is_high_for_clouds_and_low_for_a_cut_through_one():
    options = {"n_neighbors": 15, "n_draws": 4, "max_cells": 1000, "seed": 0}
    points, truth = draw_clouds([300, 200], distance=12)
    assert measure_stability(points, truth, **options)["ari"].min() == 1.0
    # Cut along a direction no neighbourhood knows of.
    noise = np.random.default_rng(1).integers(0, 2, 500)
    assert measure_stability(points, noise, **options)["ari"].max() < 0.1


def test_rate_numbers__suggests_the_planted_number():
    points, _ = draw_clouds([250, 200, 150, 100], distance=8)
    table = rate_numbers(
        points, candidates=range(2, 8), n_neighbors=20, n_draws=3, max_cells=1000, seed=0
    )
    assert table.loc[table["suggested"], "n_clusters"].tolist() == [4]
    assert table.set_index("n_clusters").loc[4, "stability"] > 0.95
