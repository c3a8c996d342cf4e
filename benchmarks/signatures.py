"""Sixty signatures scored in every cell at the size of the study, with random sets beside them.

    python benchmarks/signatures.py [OBJECT] [--signatures N] [--random N] [--cells N] [--genes N]

OBJECT is an annotated cohort (objects/rna.h5ad); without it counts are drawn. Scores are those of the
stage: combined z, UCell and AUCell of every signature and random set, and the calls of dormant cells.
Prints seconds and peak memory of the whole process.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.dormancy import call_dormant
from helpers.compute.signatures import log_moments, make_family, score_cells
from helpers.io.objects import read_object

SIZE = (5, 60)  # genes of a signature, at least and at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("object", nargs="?", type=Path)
    parser.add_argument("--signatures", type=int, default=60)
    parser.add_argument("--random", type=int, default=20)
    parser.add_argument("--cells", type=int, default=76_458)
    parser.add_argument("--genes", type=int, default=20_000)
    options = parser.parse_args()
    counts = read_counts(options)
    print(f"{counts.shape[0]:,} cells x {counts.shape[1]:,} genes, {counts.nnz / 1e6:.0f} M values")
    genes = pd.Index([f"gene{i}" for i in range(counts.shape[1])])
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    warm_up(counts[:200], genes)
    began = (time.monotonic(), time.process_time())
    levels, _ = log_moments(counts, totals=totals, target_sum=1e4)
    placed = draw_signatures(genes[levels > 0], options.signatures)
    family = make_family(placed, genes, levels, n_random=options.random, seed=0)
    units = np.arange(len(totals)) % 100
    score_cells(
        counts, genes, family, units, totals=totals, target_sum=1e4, max_rank=1500, top=0.05
    )
    report(f"{options.signatures} signatures, {options.random} random sets each", began)
    began = (time.monotonic(), time.process_time())
    axes = dict(list(placed.items())[:3])
    call_dormant(
        counts, genes, axes, totals=totals, target_sum=1e4, min_excess=1.645, n_draws=100, seed=0
    )
    report("calls of dormant cells, 100 draws", began)


def report(what: str, began: tuple[float, float]) -> None:
    """Seconds on the clock and of all cores since ``began``, and memory."""
    wall, cpu = time.monotonic() - began[0], time.process_time() - began[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{what}: {wall:.1f} s ({cpu:.1f} s of all cores); peak {peak:.1f} GB")


def read_counts(options: argparse.Namespace) -> sparse.csr_matrix:
    """Counts of the object, or drawn ones with levels as spread as in blood."""
    if options.object is not None:
        return read_object(options.object).X
    rng = np.random.default_rng(0)
    level = rng.lognormal(0, 1.8, options.genes)
    level *= 4000 / level.sum()
    blocks = [
        sparse.csr_matrix(
            rng.poisson(level, (min(2000, options.cells - i), options.genes)).astype(np.float32)
        )
        for i in range(0, options.cells, 2000)
    ]
    return sparse.vstack(blocks, format="csr")


def draw_signatures(genes: pd.Index, n: int) -> dict[str, pd.Series]:
    """Signatures of random genes, a quarter of them against."""
    rng = np.random.default_rng(0)
    drawn = {}
    for i in range(n):
        size = int(rng.integers(*SIZE))
        mine = genes[rng.choice(len(genes), size, replace=False)]
        drawn[f"signature{i}"] = pd.Series(np.where(rng.random(size) < 0.25, -1.0, 1.0), mine)
    return drawn


def warm_up(counts: sparse.csr_matrix, genes: pd.Index) -> None:
    """Have the loops compiled before the clock starts; a second run finds them on disk."""
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    levels, _ = log_moments(counts, totals=totals, target_sum=1e4)
    placed = draw_signatures(genes[levels > 0], 2)
    family = make_family(placed, genes, levels, n_random=10, seed=0)
    score_cells(
        counts, genes, family, np.zeros(len(totals), int), totals=totals, target_sum=1e4,
        max_rank=1500, top=0.05,
    )  # fmt: skip


if __name__ == "__main__":
    main()
