"""Spectral clustering of many cells: seconds, peak memory, and agreement with a dense solution.

python benchmarks/spectral.py [--cells N] [--clusters N]
"""

import argparse
import resource
import time

import numpy as np
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from helpers.compute.spectral import cluster_spectral, link_neighbors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=50_000)
    parser.add_argument("--clusters", type=int, default=5)
    options = parser.parse_args()
    points, truth = draw_points(options.cells, options.clusters)
    began = time.monotonic()
    graph = link_neighbors(points, n_neighbors=30)
    linked = time.monotonic()
    found = cluster_spectral(graph, n_clusters=options.clusters, seed=0)
    ended = time.monotonic()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{options.cells:,} cells: graph {linked - began:.1f} s, clusters {ended - linked:.1f} s")
    print(
        f"peak {peak:.2f} GB; adjusted Rand index with the truth {adjusted_rand_score(truth, found):.4f}"
    )
    points, _ = draw_points(3000, options.clusters)
    graph = link_neighbors(points, n_neighbors=30)
    ours = cluster_spectral(graph, n_clusters=options.clusters, seed=0)
    dense = SpectralClustering(options.clusters, affinity="precomputed", random_state=0)
    theirs = dense.fit_predict(graph.toarray())
    print(f"3,000 cells, dense: adjusted Rand index {adjusted_rand_score(ours, theirs):.4f}")


def draw_points(n_cells: int, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping Gaussian clouds of unequal size in 15 dimensions, as after components."""
    rng = np.random.default_rng(0)
    share = np.geomspace(1, 0.1, n_clusters)
    truth = rng.choice(n_clusters, n_cells, p=share / share.sum())
    centres = rng.normal(0, 2.0, (n_clusters, 15))
    return centres[truth] + rng.normal(0, 1.0, (n_cells, 15)), truth


if __name__ == "__main__":
    main()
