"""Wilcoxon's test of every gene in every cell type at the size of the study, beside scanpy's.

    python benchmarks/expression.py [--cells N] [--genes N] [--types N] [--scanpy-genes N]

Draws sparse log-normalised expression and runs the project's test and scanpy's tie-corrected one in
one process. scanpy's time grows with the number of genes; by default it is given a part of them and
its time is scaled up, so that the benchmark ends in minutes (--scanpy-genes 20000 runs all).
"""

import argparse
import time

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse

from helpers.compute.expression import rank_cells
from helpers.compute.normalise import log_normalise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=76_458)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--types", type=int, default=10)
    parser.add_argument("--scanpy-genes", type=int, default=1_000)
    options = parser.parse_args()
    expression, labels = draw_cells(options.cells, options.genes, options.types)
    genes = pd.Index([f"gene{i}" for i in range(options.genes)])
    print(f"{options.cells:,} cells x {options.genes:,} genes x {options.types} types, ", end="")
    print(f"{expression.nnz / np.prod(expression.shape):.1%} of values above zero")
    began = time.monotonic()
    ours = rank_cells(expression, genes, labels)
    seconds = time.monotonic() - began
    print(f"this project: {seconds:.1f} s")
    part = np.sort(
        np.random.default_rng(1).choice(options.genes, options.scanpy_genes, replace=False)
    )
    cells = pd.RangeIndex(len(labels)).astype(str)
    types = pd.DataFrame({"type": pd.Categorical(labels)}, index=cells)
    adata = ad.AnnData(expression[:, part], obs=types)
    adata.var_names = genes[part]
    adata.uns["log1p"] = {"base": None}
    began = time.monotonic()
    sc.tl.rank_genes_groups(adata, "type", method="wilcoxon", tie_correct=True)
    theirs = (time.monotonic() - began) * options.genes / options.scanpy_genes
    print(f"scanpy, tie-corrected, from {options.scanpy_genes:,} genes: {theirs:.1f} s")
    print(f"ratio: {theirs / seconds:.1f}; {compare(adata, ours)}")


def draw_cells(n_cells: int, n_genes: int, n_types: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Log-normalised Poisson counts with levels as spread as in blood, and the cells' types."""
    rng = np.random.default_rng(0)
    level = rng.lognormal(0, 1.8, n_genes)
    level *= 4000 / level.sum()
    labels = np.array([f"type{i}" for i in rng.integers(0, n_types, n_cells)])
    blocks = []
    for start in range(0, n_cells, 2000):
        n = min(2000, n_cells - start)
        blocks.append(sparse.csr_matrix(rng.poisson(level, (n, n_genes)).astype(np.float32)))
    return log_normalise(sparse.vstack(blocks, format="csr")), labels


def compare(adata: ad.AnnData, ours: pd.DataFrame) -> str:
    """Largest difference of the z-scores from scanpy's, which has no continuity correction."""
    table = sc.get.rank_genes_groups_df(adata, group=None)
    both = table.merge(ours, left_on=["group", "names"], right_on=["label", "gene"])
    return f"largest difference of z: {np.abs(both['scores'] - both['z']).max():.2g}"


if __name__ == "__main__":
    main()
