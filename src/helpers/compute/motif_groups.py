"""Motifs so alike that a sequence cannot tell which of them it matches."""

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from helpers.schema import Motif

MAX_SHIFT = 10  # positions two motifs are moved against each other at most
LIKENESS = 0.75  # mean cosine from which on motifs form one group


def compare_matrices(motifs: list[Motif]) -> np.ndarray:
    """Likeness of every pair of motifs, at the best shift and strand.

    The cosine of the two matrices of letter shares less a quarter: positions that tell nothing
    do not count, positions of one motif alone count against it.

    Returns
    -------
    Symmetric, shape (n_motifs, n_motifs), 1 on the diagonal.
    """
    width = max(motif.counts.shape[1] for motif in motifs) + 2 * MAX_SHIFT
    forward, reverse = (np.zeros((len(motifs), width, 4), np.float32) for _ in range(2))
    for i, motif in enumerate(motifs):
        excess = (motif.counts / motif.counts.sum(axis=0) - 0.25).T
        unit = excess / np.linalg.norm(excess)
        forward[i, MAX_SHIFT : MAX_SHIFT + len(unit)] = unit
        reverse[i, MAX_SHIFT : MAX_SHIFT + len(unit)] = unit[::-1, ::-1]
    fixed = forward.reshape(len(motifs), -1)
    best = np.full((len(motifs), len(motifs)), -1.0, np.float32)
    for moving in (forward, reverse):
        for shift in range(-MAX_SHIFT, MAX_SHIFT + 1):
            moved = np.roll(moving, shift, axis=1).reshape(len(motifs), -1)
            np.maximum(best, fixed @ moved.T, out=best)
    return np.maximum(best, best.T)


def group_motifs(motifs: list[Motif], *, likeness: float = LIKENESS) -> list[str]:
    """Name of the group of every motif: the factor whose motif is most like all of its group.

    Groups are those of average linkage; with one member, the name is that motif's factor.
    """
    alike = compare_matrices(motifs).astype(np.float64)
    if len(motifs) == 1:
        return [motifs[0].tf]
    distance = squareform(np.clip(1 - alike, 0, 2), checks=False)
    member = fcluster(linkage(distance, "average"), 1 - likeness, "distance")
    names = np.empty(len(motifs), dtype=object)
    for group in np.unique(member):
        mine = np.flatnonzero(member == group)
        middle = mine[alike[np.ix_(mine, mine)].mean(axis=1).argmax()]
        names[mine] = f"{motifs[middle].tf} ({motifs[middle].id})"
    return [str(name) for name in names]
