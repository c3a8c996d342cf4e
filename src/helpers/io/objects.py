"""The annotated matrices stages hand to one another and to chapters."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import pandas as pd
import yaml
from scipy import sparse

from helpers.errors import DataError
from helpers.io.atomic import replacing

if TYPE_CHECKING:
    import anndata as ad  # takes a second: imported where it is used


def write_object(adata: "ad.AnnData", path: Path) -> None:
    """Write an AnnData whole or not at all."""
    with replacing(path) as partial:
        adata.write_h5ad(partial)


def read_object(path: Path) -> "ad.AnnData":
    """Read an AnnData this project wrote."""
    import anndata as ad

    return ad.read_h5ad(path)


def is_object(path: Path) -> bool:
    """Whether a file is an object: in place of one that could not be made stands the reason."""
    return bool(h5py.is_hdf5(path))


def read_cells(path: Path) -> pd.DataFrame:
    """Only the cells' table of an object; the matrix is not touched."""
    import anndata as ad

    with h5py.File(path, "r") as file:
        return ad.io.read_elem(file["obs"])


def read_map(path: Path) -> pd.DataFrame:
    """The cells' table with their place ``x``, ``y`` on the map."""
    import anndata as ad

    with h5py.File(path, "r") as file:
        cells = ad.io.read_elem(file["obs"])
        place = file["obsm/X_map"][:]
    return cells.assign(x=place[:, 0], y=place[:, 1])


def read_genes_of(path: Path) -> pd.DataFrame:
    """Only the genes' table of an object."""
    import anndata as ad

    with h5py.File(path, "r") as file:
        return ad.io.read_elem(file["var"])


def read_counts(
    path: Path, genes: list[str], *, total: str = "n_umis"
) -> tuple[sparse.csr_matrix, pd.Series]:
    """Counts of some genes, and every cell's total over all genes.

    Parameters
    ----------
    total
        Column of ``obs`` that holds the total.

    Raises
    ------
    DataError
        If a gene is not in the object.
    """
    import anndata as ad

    adata = ad.read_h5ad(path, backed="r")
    missing = [gene for gene in genes if gene not in adata.var_names]
    if missing:
        adata.file.close()
        msg = f"{path}: {', '.join(missing)} not measured"
        raise DataError(msg)
    counts = (
        sparse.csr_matrix(adata[:, genes].X[:]) if genes else sparse.csr_matrix((adata.n_obs, 0))
    )
    totals = adata.obs[total].copy()
    adata.file.close()
    return counts, totals


def add_cells_columns(source: Path, path: Path, columns: pd.DataFrame) -> None:
    """Copy an object and add columns to its cells' table; the matrix is copied as bytes."""
    import anndata as ad

    with replacing(path) as partial:
        shutil.copyfile(source, partial)
        with h5py.File(partial, "r+") as file:
            cells = ad.io.read_elem(file["obs"])
            added = cells.drop(columns=columns.columns.intersection(cells.columns)).join(columns)
            del file["obs"]
            ad.io.write_elem(file, "obs", added)


def read_markers(path: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Positive and negative marker genes of every type.

    Raises
    ------
    DataError
        If the table is not a list of types with their genes.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as YAML ({' '.join(str(error).split())})"
        raise DataError(msg) from error
    positive: dict[str, list[str]] = {}
    negative: dict[str, list[str]] = {}
    for number, entry in enumerate(entries if isinstance(entries, list) else [], start=1):
        if not _is_marker_entry(entry):
            msg = f"{path}: entry {number} needs cell_type and positive (a list of genes)"
            raise DataError(msg)
        name = str(entry["cell_type"])
        positive[name] = [str(gene) for gene in entry["positive"]]
        negative[name] = [str(gene) for gene in entry.get("negative") or []]
    if not positive:
        msg = f"{path}: holds no list of cell types"
        raise DataError(msg)
    return positive, negative


def _is_marker_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and bool(entry.get("cell_type"))
        and bool(entry.get("positive"))
        and isinstance(entry["positive"], list)
        and isinstance(entry.get("negative") or [], list)
    )
