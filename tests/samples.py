"""Pairs of samples the tests of anchors share: real ones, and simulated ones with known types."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from oracle import read_labelled_matrix
from scipy import sparse

from helpers.compute.normalise import log_normalise

N_GENES = 400
UMIS = 1500


@cache
def read_pbmc(oracles: Path, name: str) -> tuple[sparse.csr_matrix, pd.Index, pd.Index]:
    """Log-normalised PBMC ("ctrl" or "stim"), its cells and genes."""
    counts, cells, genes = read_labelled_matrix(oracles / "inputs/kang_pbmc" / name)
    return log_normalise(counts), cells, genes


def make_batch(
    types: list[str], *, n_per_type: int, shift: float, seed: int
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Log-normalised expression of cells of known types, and the types.

    A type has its own 25 genes, the same in every batch; ``shift`` is the spread of the natural
    logarithm of what a batch does to each gene.
    """
    rng = np.random.default_rng(seed)
    genes = np.random.default_rng(0)  # the genes are those of every batch
    base = genes.gamma(0.5, 1.0, N_GENES) + 0.05
    markers = {kind: genes.choice(N_GENES, 25, replace=False) for kind in "ABCDEF"}
    truth = np.repeat(types, n_per_type)
    rate = np.tile(base, (len(truth), 1))
    for kind in types:
        rate[np.ix_(truth == kind, markers[kind])] += 4.0
    rate *= np.exp(rng.normal(0, shift, N_GENES))
    depth = UMIS * rng.lognormal(0, 0.2, (len(truth), 1))
    counts = rng.poisson(rate / rate.sum(axis=1, keepdims=True) * depth)
    return log_normalise(sparse.csr_matrix(counts.astype(float))), truth
