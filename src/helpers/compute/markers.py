"""Marker genes of cell types: mean expression and how many cells express them."""

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.schema import CELL_TYPE, GENE


def summarise_genes(
    expression: sparse.csr_matrix, genes: list[str], cell_types: np.ndarray
) -> pd.DataFrame:
    """Mean expression and share of expressing cells of each gene in each type.

    Parameters
    ----------
    expression
        Log-normalised, shape (n_cells, n_genes).
    genes
        Symbols of the columns.
    cell_types
        Type of every cell.

    Returns
    -------
    ``cell_type``, ``gene``, ``n_cells``, ``mean`` (log-normalised), ``fraction`` of cells with
    at least one UMI, ``scaled``: the mean as a share of the gene's range over types.
    """
    kinds, member = np.unique(cell_types, return_inverse=True)
    n_cells = np.bincount(member)
    indicator = sparse.csr_matrix((np.ones(len(member)), (member, np.arange(len(member)))))
    mean = np.asarray((indicator @ expression).todense()) / n_cells[:, None]
    fraction = np.asarray((indicator @ (expression > 0)).todense()) / n_cells[:, None]
    lowest, spread = mean.min(axis=0), np.ptp(mean, axis=0)
    scaled = np.divide(mean - lowest, spread, out=np.zeros_like(mean), where=spread > 0)
    return pd.DataFrame(
        {
            CELL_TYPE: np.repeat(kinds, len(genes)),
            GENE: np.tile(np.array(genes, dtype=object), len(kinds)),
            "n_cells": np.repeat(n_cells, len(genes)),
            "mean": mean.ravel(),
            "fraction": fraction.ravel(),
            "scaled": scaled.ravel(),
        }
    )


def pick_markers(
    positive: dict[str, list[str]], shown: list[str], measured: pd.Index, *, per_type: int
) -> list[str]:
    """The first measured markers of every type shown, in the types' order, each gene once."""
    picked: dict[str, None] = {}
    for cell_type in shown:
        present = [gene for gene in positive.get(cell_type, []) if gene in measured]
        picked |= dict.fromkeys(present[:per_type])
    return list(picked)
