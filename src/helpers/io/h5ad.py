"""Raw counts of an ``.h5ad``: matrix, barcodes and gene names; nothing else of it is read."""

import h5py
import numpy as np

from helpers.errors import FileError
from helpers.io.counts import GENE_EXPRESSION, NO_SYMBOL, Features, is_count, not_a_count
from helpers.io.hdf5 import (
    NUMBERS,
    StoredMatrix,
    find_list,
    find_sparse,
    path_of,
    read_texts,
    refuse_outside,
)

COUNT_PLACES = ("X", "layers/counts", "raw/X")
LOOK = 100_000  # values by which a matrix is judged
SYMBOL_COLUMNS = ("gene_symbols", "gene_symbol", "symbol", "feature_name", "gene_name", "name")
ID_COLUMNS = ("gene_ids", "gene_id", "ensembl_id")


def open_h5ad(file: h5py.File) -> tuple[StoredMatrix, np.ndarray, Features]:
    """Counts, not read yet, barcodes and features.

    Raises
    ------
    FileError
        If the file points outside itself, may need pickle, or holds no raw counts.
    """
    refuse_outside(file)
    barcodes = read_names(find_frame(file, "obs"))
    place, matrix = find_counts(file, len(barcodes))
    var = find_frame(file, "raw/var" if place == "raw/X" else "var")
    features = read_var(var)
    if matrix.shape != (len(barcodes), len(features.ids)):
        what = (
            f"has {matrix.shape[0]} x {matrix.shape[1]} counts in {place}, but {len(barcodes)} cells "
            f"in obs and {len(features.ids)} genes in {var.name.strip('/')}"
        )
        remedy = "write it again with anndata"
        raise FileError(path_of(file), what, expected="lists that agree", remedy=remedy)
    return matrix, barcodes, features


def find_frame(file: h5py.File, name: str) -> h5py.Group:
    """A table of the file, such as ``obs``.

    Raises
    ------
    FileError
        If it is not there, or written as anndata did before 0.7.
    """
    frame = file.get(name)
    if isinstance(frame, h5py.Group):
        return frame
    what = f"has no table {name}" if frame is None else f"has an {name} older than anndata 0.7"
    remedy = "read it with scanpy and write it again"
    raise FileError(path_of(file), what, expected="obs and var", remedy=remedy)


def find_counts(file: h5py.File, n_barcodes: int) -> tuple[str, StoredMatrix]:
    """The place of the raw counts and the matrix there, judged by some of its values.

    Raises
    ------
    FileError
        If none of ``X``, ``layers["counts"]`` and ``raw`` holds raw counts.
    """
    found = []
    for place in COUNT_PLACES:
        item = file.get(place)
        if item is not None:
            matrix = _open_matrix(item, n_barcodes)
            values = matrix.look(LOOK)
            if is_count(values):
                return place, matrix
            found.append(f"{place} holds {not_a_count(values)}")
    what = f"holds no raw counts ({'; '.join(found) or 'neither X nor layers nor raw'})"
    expected = "whole numbers of UMIs in X, layers['counts'] or raw"
    remedy = "keep the counts in layers['counts'] when normalising"
    raise FileError(path_of(file), what, expected=expected, remedy=remedy)


def _open_matrix(item: h5py.Group | h5py.Dataset, n_barcodes: int) -> StoredMatrix:
    """A matrix as anndata writes it: compressed by row or column, or dense."""
    if isinstance(item, h5py.Group):
        kind = item.attrs.get("encoding-type", item.attrs.get("h5sparse_format", ""))
        shape = item.attrs.get("shape", item.attrs.get("h5sparse_shape", ()))
        if str(kind)[:3] in ("csr", "csc") and len(shape) == 2:
            n_rows, n_columns = (int(n) for n in shape)
            return find_sparse(item, (n_rows, n_columns), by_barcode=str(kind).startswith("csr"))
    elif item.ndim == 2 and item.dtype.kind in NUMBERS:
        return StoredMatrix(item.shape, item)
    what = f"has something else than a matrix of {n_barcodes} cells in {item.name.strip('/')}"
    remedy = "write it again with anndata"
    raise FileError(path_of(item), what, expected="cells x genes", remedy=remedy)


def read_var(var: h5py.Group) -> Features:
    """Symbols, ids, types and genome of the genes; what is not said is taken as usual."""
    names = read_names(var)
    ids = _first_column(var, ID_COLUMNS)
    symbols = _first_column(var, SYMBOL_COLUMNS)
    named_by_id = sum(bool(NO_SYMBOL.match(name)) for name in names) > len(names) / 2
    kinds = _first_column(var, ("feature_types",))
    genomes = _first_column(var, ("genome",))
    return Features(
        ids=names if ids is None else ids,
        names=symbols if named_by_id and symbols is not None else names,
        kinds=np.full(len(names), GENE_EXPRESSION, dtype=object) if kinds is None else kinds,
        genome="" if genomes is None else ",".join(sorted({*genomes} - {""})),
    )


def read_names(frame: h5py.Group) -> np.ndarray:
    """The index of a table: barcodes of ``obs``, genes of ``var``."""
    return read_column(frame, str(frame.attrs.get("_index", "_index")))


def _first_column(frame: h5py.Group, names: tuple[str, ...]) -> np.ndarray | None:
    found = [name for name in names if name in frame]
    return read_column(frame, found[0]) if found else None


def read_column(frame: h5py.Group, name: str) -> np.ndarray:
    """A column of a table as text; a missing value is empty.

    Raises
    ------
    FileError
        If it is not there or something else.
    """
    item = frame.get(name)
    if isinstance(item, h5py.Group) and "categories" in item:
        return _decode(find_list(item, "codes", kinds="iu"), read_texts(item, "categories"))
    if isinstance(item, h5py.Group) and "values" in item:
        missing = find_list(item, "mask", kinds="b")[:]
        return np.where(missing, "", read_texts(item, "values"))
    categories = None if item is None else item.attrs.get("categories")
    if isinstance(categories, h5py.Reference):  # anndata 0.7 kept them elsewhere in the file
        kept = item.file[categories]
        return _decode(find_list(frame, name, kinds="iu"), read_texts(kept.parent, kept.name))
    return read_texts(frame, name)


def _decode(codes: h5py.Dataset, categories: np.ndarray) -> np.ndarray:
    """Categories by code; -1 stands for a missing value."""
    numbers = codes[:].astype(np.int64)
    if np.any((numbers < -1) | (numbers >= len(categories))):
        what = f"has codes without a category in {codes.name}"
        remedy = "write it again with anndata"
        raise FileError(path_of(codes), what, expected=f"{len(categories)} codes", remedy=remedy)
    return np.append(categories, "")[numbers]
