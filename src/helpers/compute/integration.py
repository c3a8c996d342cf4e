"""Aligning donors: Harmony on principal components, or anchors between pairs of donors."""

from itertools import combinations

import harmonypy
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.anchors import find_anchors
from helpers.compute.correction import find_corrected_components, integrate
from helpers.compute.normalise import find_components

K_WEIGHT = 100  # Seurat's k.weight: anchors that move a cell

CELLS_PER_CLUSTER, MOST_CLUSTERS = 30, 100  # Harmony's own; at least one where cells are few
# Harmony 0.1.0's own settings, the version the study used; newer releases stop earlier.
HARMONY = {
    "theta": 2.0,
    "lamb": 1.0,
    "sigma": 0.1,
    "max_iter_harmony": 10,
    "max_iter_kmeans": 20,
    "epsilon_cluster": 1e-5,
    "epsilon_harmony": 1e-4,
}


def align_harmony(scores: np.ndarray, batches: np.ndarray, *, seed: int) -> np.ndarray:
    """Principal components with what sets batches apart taken out (Harmony).

    Parameters
    ----------
    scores
        Principal components, shape (n_cells, n_components).
    batches
        Donor of every cell. With one donor there is nothing to align and a copy is returned.

    Returns
    -------
    Corrected components, same shape.

    References
    ----------
    Korsunsky et al. (2019) Nat. Methods 16:1289. doi:10.1038/s41592-019-0619-0
    """
    if len(np.unique(batches)) == 1:
        return scores.copy()
    design = pd.DataFrame({"batch": pd.Categorical(batches)})
    n_clusters = min(max(round(len(scores) / CELLS_PER_CLUSTER), 1), MOST_CLUSTERS)
    result = harmonypy.run_harmony(
        scores, design, "batch", nclust=n_clusters, random_state=seed, verbose=False, **HARMONY
    )
    return np.asarray(result.Z_corr)


def align_cca(
    expression: sparse.csr_matrix, batches: np.ndarray, *, n_components: int
) -> np.ndarray:
    """Principal components of expression corrected along anchors (Seurat's CCA integration).

    Parameters
    ----------
    expression
        Log-normalised expression of the variable genes, shape (n_cells, n_genes).
    batches
        Donor of every cell; with one donor its principal components are returned as they are.
    n_components
        Canonical and principal components.

    Returns
    -------
    Shape (n_cells, n_components), cells in the order of ``expression``.

    Raises
    ------
    DataError
        If a donor has too few cells for anchors.

    References
    ----------
    Stuart et al. (2019) Cell 177:1888. doi:10.1016/j.cell.2019.05.031
    """
    donors = pd.unique(batches)
    if len(donors) == 1:
        return find_components(expression, n_components=n_components).scores
    rows = [np.flatnonzero(batches == donor) for donor in donors]
    parts = [expression[mine] for mine in rows]
    anchors = {
        (i, j): find_anchors(parts[i], parts[j], n_components=n_components)
        for i, j in combinations(range(len(parts)), 2)
    }
    # Seurat lowers k.weight where fewer cells have an anchor; so do we.
    fewest = min(min(len(np.unique(a.a)), len(np.unique(a.b))) for a in anchors.values())
    corrected = integrate(
        parts, anchors, n_components=n_components, k_weight=max(1, min(K_WEIGHT, fewest))
    )
    scores = find_corrected_components(corrected, n_components=n_components).scores
    ordered = np.empty_like(scores)
    ordered[np.concatenate(rows)] = scores
    return ordered
