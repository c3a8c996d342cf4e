"""Spectral clustering on a graph of nearest neighbours that is never made dense."""

from collections.abc import Iterator, Sequence

import igraph
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph, linalg
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from helpers.errors import DataError

DENSE_BELOW = 400  # cells up to which all eigenvectors are found at once
EIGEN_TOLERANCE = 1e-6
RESTARTS = 10  # starts of k-means; the best is kept
STABLE = 0.8  # adjusted Rand index from which a number of clusters counts as stable


def link_neighbors(points: np.ndarray, *, n_neighbors: int) -> sparse.csr_matrix:
    """Graph that joins every cell with its nearest neighbours.

    Parameters
    ----------
    points
        Shape (n_cells, n_components).
    n_neighbors
        Neighbours of each cell, itself not included; at most all others.

    Returns
    -------
    Symmetric weights, shape (n_cells, n_cells): 1 between cells that name each other, 0.5
    where one names the other, nothing on the diagonal.
    """
    nearest = min(n_neighbors, len(points) - 1)
    # Brute force is exact and, up to some 100,000 cells, faster than an index in 15 dimensions.
    search = NearestNeighbors(n_neighbors=nearest, algorithm="brute").fit(points)
    directed = search.kneighbors_graph(mode="connectivity")
    return sparse.csr_matrix((directed + directed.T) / 2)


def find_eigenvectors(
    graph: sparse.csr_matrix, *, n_vectors: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Smallest eigenvalues of the graph's normalised Laplacian and their vectors.

    Pieces without a link between them have an eigenvalue of zero each, with known vectors; the
    others are found by Lanczos iteration on the normalised weights, which alone could miss
    repeated values. Memory grows with the number of links, not with the square of the cells.

    Returns
    -------
    Eigenvalues in rising order, shape (n_vectors,), and vectors (n_cells, n_vectors).
    """
    n_cells = graph.shape[0]
    degree = np.asarray(graph.sum(axis=1)).ravel()
    scale = sparse.diags(1 / np.sqrt(np.where(degree > 0, degree, 1.0)))
    normalised = scale @ graph @ scale
    pieces = _piece_vectors(graph, degree)
    n_more = n_vectors - pieces.shape[1]
    if n_more <= 0:
        return np.zeros(n_vectors), pieces[:, :n_vectors].toarray()

    def without_pieces(vector: np.ndarray) -> np.ndarray:
        # Shifted by one, so that the wanted end of the spectrum is also the largest in size.
        return normalised @ vector + vector - 2 * (pieces @ (pieces.T @ vector))

    operator = linalg.LinearOperator((n_cells, n_cells), matvec=without_pieces, dtype=float)
    if n_cells <= max(DENSE_BELOW, 3 * n_vectors):
        values, vectors = np.linalg.eigh(without_pieces(np.eye(n_cells)))
        values, vectors = values[-n_more:], vectors[:, -n_more:]
    else:
        start = np.random.default_rng(seed).random(n_cells)
        values, vectors = linalg.eigsh(operator, k=n_more, v0=start, tol=EIGEN_TOLERANCE)
    order = np.argsort(-values)
    found = np.maximum(2 - values[order], 0.0)
    zeros = np.zeros(pieces.shape[1])
    return np.concatenate([zeros, found]), np.hstack([pieces.toarray(), vectors[:, order]])


def _piece_vectors(graph: sparse.csr_matrix, degree: np.ndarray) -> sparse.csr_matrix:
    """Null vectors of the normalised Laplacian, one a connected piece, the largest first."""
    _, piece = csgraph.connected_components(graph, directed=False)
    piece = number_by_size(piece)
    weight = np.sqrt(np.where(degree > 0, degree, 1.0))
    length = np.sqrt(np.bincount(piece, weight**2))
    place = (np.arange(len(piece)), piece)
    return sparse.csr_matrix((weight / length[piece], place))


def cluster_spectral(graph: sparse.csr_matrix, *, n_clusters: int, seed: int) -> np.ndarray:
    """Spectral clustering: k-means on the rows of the Laplacian's first eigenvectors.

    Parameters
    ----------
    graph
        From :func:`link_neighbors`.

    Returns
    -------
    Cluster of every cell, numbered from the largest.

    Raises
    ------
    DataError
        If there are not more cells than clusters.

    References
    ----------
    Ng, Jordan & Weiss (2002) Adv. Neural Inf. Process. Syst. 14.
    """
    if graph.shape[0] <= n_clusters:
        msg = f"{graph.shape[0]} cells cannot form {n_clusters} clusters; lower n_clusters"
        raise DataError(msg)
    _, vectors = find_eigenvectors(graph, n_vectors=n_clusters, seed=seed)
    return _cut(vectors, n_clusters, seed)


def _cut(vectors: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """k-means on the first eigenvectors, every row scaled to length one."""
    rows = vectors[:, :n_clusters]
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(length > 0, length, 1.0)
    # A few columns only: threads would wait for one another longer than they work.
    with threadpool_limits(1):
        found = KMeans(n_clusters, n_init=RESTARTS, random_state=seed).fit_predict(rows)
    return number_by_size(found)


def number_by_size(labels: np.ndarray) -> np.ndarray:
    """The same partition, its parts numbered from the largest."""
    sizes = np.bincount(labels)
    rank = np.empty(len(sizes), dtype=int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank[labels]


def cluster_modular(
    graph: sparse.csr_matrix, *, method: str, resolution: float, seed: int
) -> np.ndarray:
    """Louvain or Leiden clusters of the same graph, for comparison.

    Parameters
    ----------
    method
        ``louvain`` or ``leiden``.

    References
    ----------
    Blondel et al. (2008) J. Stat. Mech. P10008. Traag et al. (2019) Sci. Rep. 9:5233.
    """
    import random

    upper = sparse.triu(graph, k=1).tocoo()
    edges = igraph.Graph(
        graph.shape[0], list(zip(upper.row.tolist(), upper.col.tolist(), strict=True))
    )
    igraph.set_random_number_generator(random.Random(seed))  # noqa: S311  no secret
    if method == "louvain":
        found = edges.community_multilevel(weights=upper.data, resolution=resolution)
    else:
        found = edges.community_leiden(
            objective_function="modularity",
            weights=upper.data,
            resolution=resolution,
            n_iterations=-1,
        )
    return number_by_size(np.array(found.membership))


def measure_stability(
    points: np.ndarray,
    labels: np.ndarray,
    *,
    n_neighbors: int,
    n_draws: int,
    max_cells: int,
    seed: int,
    share: float = 0.8,
) -> pd.DataFrame:
    """Whether every cluster comes back when cells are left out.

    Each draw keeps a random share of the cells, builds the graph anew and clusters it. Cells
    are drawn without replacement: a cell drawn twice would be its own nearest neighbour.

    Parameters
    ----------
    points
        What was clustered, shape (n_cells, n_components).
    labels
        Cluster of every cell.
    n_draws, max_cells
        Number of draws, and cells in one at most.

    Returns
    -------
    One row a draw and cluster: ``draw``, ``cluster``, ``ari`` (adjusted Rand index of being in
    this cluster or not, against the new cluster that shares most cells with it) and
    ``ari_all`` (of the whole partition).
    """
    names = np.unique(labels)
    draws = _redraw(
        points,
        n_vectors=len(names),
        n_neighbors=n_neighbors,
        n_draws=n_draws,
        n_drawn=min(int(share * len(points)), max_cells),
        seed=seed,
    )
    rows = []
    for draw, (drawn, vectors) in enumerate(draws):
        before, again = labels[drawn], _cut(vectors, len(names), seed)
        whole = adjusted_rand_score(before, again)
        for name in names:
            mine = before == name
            shared = [_jaccard(mine, again == other) for other in range(len(names))]
            best = again == int(np.argmax(shared))
            rows.append((draw, name, adjusted_rand_score(mine, best), whole))
    return pd.DataFrame(rows, columns=["draw", "cluster", "ari", "ari_all"])


def _redraw(
    points: np.ndarray,
    *,
    n_vectors: int,
    n_neighbors: int,
    n_draws: int,
    n_drawn: int,
    seed: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cells of each draw and the eigenvectors of their own graph."""
    rng = np.random.default_rng(seed)
    for _ in range(n_draws):
        drawn = np.sort(rng.choice(len(points), n_drawn, replace=False))
        graph = link_neighbors(points[drawn], n_neighbors=n_neighbors)
        yield drawn, find_eigenvectors(graph, n_vectors=n_vectors, seed=seed)[1]


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def rate_numbers(
    points: np.ndarray,
    *,
    candidates: Sequence[int],
    n_neighbors: int,
    n_draws: int,
    max_cells: int,
    seed: int,
    share: float = 0.8,
) -> pd.DataFrame:
    """How well each number of clusters fits: its eigengap and its stability.

    Returns
    -------
    One row a candidate: ``n_clusters``, ``eigenvalue`` (of the last vector used),
    ``eigengap`` (to the next eigenvalue), ``stability`` (mean adjusted Rand index over draws)
    and ``suggested``: the widest gap among the stable numbers, or the most stable number where
    none is stable.
    """
    graph = link_neighbors(points, n_neighbors=n_neighbors)
    values, vectors = find_eigenvectors(graph, n_vectors=max(candidates) + 1, seed=seed)
    whole = {k: _cut(vectors, k, seed) for k in candidates}
    agreement: dict[int, list[float]] = {k: [] for k in candidates}
    for drawn, again in _redraw(
        points,
        n_vectors=max(candidates),
        n_neighbors=n_neighbors,
        n_draws=n_draws,
        n_drawn=min(int(share * len(points)), max_cells),
        seed=seed,
    ):
        for k in candidates:
            agreement[k].append(adjusted_rand_score(whole[k][drawn], _cut(again, k, seed)))
    rows = [
        (k, values[k - 1], values[k] - values[k - 1], float(np.mean(agreement[k])))
        for k in candidates
    ]
    table = pd.DataFrame(rows, columns=["n_clusters", "eigenvalue", "eigengap", "stability"])
    stable = table[table["stability"] >= STABLE]
    best = table["stability"].idxmax() if stable.empty else stable["eigengap"].idxmax()
    return table.assign(suggested=table.index == best)
