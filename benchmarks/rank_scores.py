"""How fast signatures are scored in every cell of a cohort of full size, and in how much memory.

    python benchmarks/rank_scores.py [--cells N] [--genes N] [--signatures N] [--seed S]

Counts are drawn at the depth and sparsity of 10x data; the bar is 60 signatures in 76,458 cells
in 60 s and 4 GB on two cores. The peak is that of the whole process, counts included.
"""

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.rank_scores import score_aucell, score_ucell

BLOCK = 2000  # cells drawn at a time
UMIS = 4200
SIZES = (10, 200)  # genes of a signature


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=76_458)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--signatures", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    counts = draw_counts(options.cells, options.genes, rng)
    genes = pd.Index([f"g{i}" for i in range(options.genes)])
    sets = {
        f"s{i}": list(rng.choice(genes, rng.integers(*SIZES), replace=False))
        for i in range(options.signatures)
    }
    print(
        f"{options.cells:,} cells, {options.genes:,} genes, {counts.nnz / options.cells:,.0f} seen a cell"
    )
    print(f"{options.signatures} signatures; counts alone: peak {peak_gb():.2f} GB")
    for name, score in (("AUCell", score_aucell), ("UCell", score_ucell)):
        clock(name, lambda score=score: score(counts, genes, sets))


def draw_counts(n_cells: int, n_genes: int, rng: np.random.Generator) -> sparse.csr_matrix:
    """Poisson counts with gene levels spread as in blood and cell depths spread twofold."""
    level = rng.lognormal(0, 1.8, n_genes)
    level *= UMIS / level.sum()
    blocks = []
    for start in range(0, n_cells, BLOCK):
        depth = rng.lognormal(0, 0.35, (min(BLOCK, n_cells - start), 1))
        blocks.append(sparse.csr_matrix(rng.poisson(depth * level).astype(np.float32)))
    return sparse.vstack(blocks, format="csr")


def clock(name: str, run: Callable[[], pd.DataFrame]) -> None:
    began = time.perf_counter()
    scores = run()
    seconds = time.perf_counter() - began
    print(f"{name}: {seconds:.1f} s, peak {peak_gb():.2f} GB, mean {scores.to_numpy().mean():.4f}")


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
