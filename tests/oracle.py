"""Reading the original tools' inputs and answers."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import io as scipy_io
from scipy import sparse


def read_labelled_matrix(stem: Path) -> tuple[sparse.csr_matrix, pd.Index, pd.Index]:
    """Cells x features of ``stem.mtx.gz`` with its cell and feature names."""
    matrix = sparse.csr_matrix(scipy_io.mmread(f"{stem}.mtx.gz").T)
    columns, rows = (Path(f"{stem}.{side}.txt.gz") for side in ("cols", "rows"))
    return matrix, read_names(columns), read_names(rows)


def read_names(path: Path) -> pd.Index:
    """Names of cells or features, one a line."""
    with gzip.open(path, "rt", encoding="utf-8") as text:
        return pd.Index([line.strip() for line in text])


def read_tsv(path: Path, **options: object) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", **options)


def aligned_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Absolute correlation of each column of ``a`` with the same of ``b``."""
    return np.array([abs(np.corrcoef(x, y)[0, 1]) for x, y in zip(a.T, b.T, strict=True)])
