"""Count matrices as Cell Ranger and scanpy write them, read sparse, and the reverse."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import io as scipy_io
from scipy import sparse

from helpers.errors import DataError
from helpers.io.atomic import replacing
from helpers.io.reference import symbol_of_id

GENE_EXPRESSION = "Gene Expression"
# File names of a matrix folder, Cell Ranger 3 and later first, then version 2.
FOLDER_NAMES = {
    "matrix": ("matrix.mtx.gz", "matrix.mtx"),
    "barcodes": ("barcodes.tsv.gz", "barcodes.tsv"),
    "features": ("features.tsv.gz", "features.tsv", "genes.tsv", "genes.tsv.gz"),
}


@dataclass(frozen=True)
class Features:
    """The rows of a Cell Ranger matrix; all arrays have one entry a feature."""

    ids: np.ndarray
    names: np.ndarray
    kinds: np.ndarray
    genome: str


def read_rna(path: Path) -> ad.AnnData:
    """Raw counts of one sample, whatever the format.

    Parameters
    ----------
    path
        A Cell Ranger ``.h5`` (version 2 or 3), a folder with ``matrix.mtx.gz``, or an ``.h5ad``
        that holds raw counts in ``X``, ``layers["counts"]`` or ``raw``.

    Returns
    -------
    AnnData of int32 counts, CSR, shape (n_barcodes, n_genes); ``var`` is indexed by unique gene
    symbol and has ``gene_id``. Ensembl ids in place of symbols are translated where known.

    Raises
    ------
    DataError
        If the file is not one of these, or holds no raw counts.
    """
    if path.is_dir():
        counts, barcodes, features = _read_folder(path)
    elif path.suffix == ".h5ad":
        return _read_h5ad(path)
    else:
        counts, barcodes, features = _read_h5(path)
    genes = np.flatnonzero(features.kinds == GENE_EXPRESSION)
    if len(genes) == 0:
        msg = f"{path}: no feature is of type {GENE_EXPRESSION!r}"
        raise DataError(msg)
    return _as_anndata(counts[:, genes], barcodes, features.ids[genes], features.names[genes])


def _as_anndata(
    counts: sparse.csr_matrix, barcodes: np.ndarray, ids: np.ndarray, names: np.ndarray
) -> ad.AnnData:
    var = pd.DataFrame({"gene_id": ids}, index=pd.Index(symbols_for(names), name="gene"))
    obs = pd.DataFrame(index=pd.Index(barcodes, name="barcode"))
    adata = ad.AnnData(counts, obs=obs, var=var)
    adata.var_names_make_unique()
    return adata


def symbols_for(names: np.ndarray) -> np.ndarray:
    """Gene symbols for names, translating Ensembl gene ids that are known."""
    known = symbol_of_id()
    return np.array([known.get(str(name).split(".")[0], str(name)) for name in names], dtype=object)


def _read_h5(path: Path) -> tuple[sparse.csr_matrix, np.ndarray, Features]:
    """Cell Ranger ``.h5``: version 3 has a group ``matrix``, version 2 one named by genome."""
    with h5py.File(path, "r") as file:
        group = matrix_group(file, path)
        features = read_features(group)
        barcodes = _text(group["barcodes"][:])
        counts = sparse.csc_matrix(
            (group["data"][:], group["indices"][:], group["indptr"][:]),
            shape=tuple(group["shape"][:]),
        )
    # Cell Ranger stores genes x barcodes by column: its transpose is barcodes x genes by row.
    return counts.T.astype(np.int32, copy=False).tocsr(), barcodes, features


def matrix_group(file: h5py.File, path: Path) -> h5py.Group:
    """The group of a Cell Ranger file that holds the matrix.

    Raises
    ------
    DataError
        If there is none, or several genomes.
    """
    if "matrix" in file:
        return file["matrix"]
    groups = [name for name in file if isinstance(file.get(name), h5py.Group)]
    found = [name for name in groups if "indptr" in file[name] and "barcodes" in file[name]]
    if len(found) == 1:
        return file[found[0]]
    if found:
        msg = f"{path}: holds several genomes ({', '.join(found)}); one is expected"
    else:
        msg = f"{path}: no Cell Ranger matrix inside (groups: {', '.join(file) or 'none'})"
    raise DataError(msg)


def read_features(group: h5py.Group) -> Features:
    """The features of a matrix group, version 2 or 3."""
    if "features" in group:
        features = group["features"]
        ids, names = _text(features["id"][:]), _text(features["name"][:])
        kinds = _text(features["feature_type"][:])
        genome = ",".join(sorted({*_text(features["genome"][:])} - {""}))
    else:
        ids, names = _text(group["genes"][:]), _text(group["gene_names"][:])
        kinds = np.full(len(ids), GENE_EXPRESSION, dtype=object)
        genome = group.name.strip("/")
    return Features(ids, names, kinds, genome)


def _text(values: np.ndarray) -> np.ndarray:
    return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values], dtype=object)


def folder_files(path: Path) -> dict[str, Path]:
    """The three files of a matrix folder that are there, by role."""
    return {
        role: path / name
        for role, names in FOLDER_NAMES.items()
        for name in names[::-1]
        if (path / name).is_file()
    }


def _read_folder(path: Path) -> tuple[sparse.csr_matrix, np.ndarray, Features]:
    files = folder_files(path)
    missing = [FOLDER_NAMES[role][0] for role in FOLDER_NAMES if role not in files]
    if missing:
        msg = f"{path}: no {' and no '.join(missing)} in this folder"
        raise DataError(msg)
    features = read_feature_list(files["features"])
    barcodes = np.array(_lines(files["barcodes"]), dtype=object)
    counts = sparse.csr_matrix(scipy_io.mmread(files["matrix"]).T)
    if counts.shape != (len(barcodes), len(features.ids)):
        msg = (
            f"{files['matrix']}: {counts.shape[1]} features x {counts.shape[0]} barcodes, but the "
            f"lists beside it name {len(features.ids)} and {len(barcodes)}"
        )
        raise DataError(msg)
    if not is_count(counts.data):
        msg = f"{files['matrix']}: holds fractions or negative numbers; raw counts are needed"
        raise DataError(msg)
    return counts.astype(np.int32), barcodes, features


def read_feature_list(path: Path) -> Features:
    """``features.tsv.gz`` (id, name, type) or version 2's ``genes.tsv`` (id, name)."""
    rows = [line.split("\t") for line in _lines(path)]
    ids = np.array([row[0] for row in rows], dtype=object)
    names = np.array([row[1] if len(row) > 1 else row[0] for row in rows], dtype=object)
    kinds = [row[2] if len(row) > 2 else GENE_EXPRESSION for row in rows]
    return Features(ids, names, np.array(kinds, dtype=object), "")


def _lines(path: Path) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as text:
        return [line.rstrip("\r\n") for line in text if line.strip()]


def is_count(values: np.ndarray) -> bool:
    """Whether numbers can be raw counts: whole and not negative."""
    return bool(np.all(values >= 0) and np.all(values == np.floor(values)))


def counts_element(file: h5py.File) -> str | None:
    """Where an ``.h5ad`` keeps raw counts, judged by its first hundred thousand values."""
    for name in ("X", "layers/counts", "raw/X"):
        if name in file:
            element = file[name]
            data = element["data"] if isinstance(element, h5py.Group) else element
            rows = 100_000 if data.ndim == 1 else max(1, 100_000 // max(1, data.shape[1]))
            if is_count(data[:rows]):
                return name
    return None


def outside_references(file: h5py.Group) -> list[str]:
    """Parts of an HDF5 file that point to other files or hold pickled objects."""
    found: list[str] = []
    for name in file:
        link = file.get(name, getlink=True)
        where = f"{(file.name or '').rstrip('/')}/{name}"
        if isinstance(link, h5py.ExternalLink):
            found.append(f"{where} (link to another file)")
        elif isinstance(link, h5py.SoftLink):
            if file.get(name) is None:
                found.append(f"{where} (link to nothing)")
        elif isinstance(file[name], h5py.Group):
            found += outside_references(file[name])
        else:
            problem = _outside_data(file[name])
            found += [f"{where} ({problem})"] * bool(problem)
    return found


def _outside_data(item: h5py.Dataset) -> str:
    """Why a dataset does not stand alone, or nothing."""
    if item.external or item.is_virtual:
        return "data kept in another file"
    if item.dtype.kind == "V" and item.dtype.fields is None:
        return "opaque bytes, such as a pickled object"
    if item.attrs.get("PSEUDOATOM") in ("object", b"object"):
        return "a pickled object"
    return ""


def _read_h5ad(path: Path) -> ad.AnnData:
    """Raw counts, barcodes and gene names of an ``.h5ad``; nothing else of it is opened."""
    with h5py.File(path, "r") as file:
        outside = outside_references(file)
        if outside:
            msg = f"{path}: refused, it does not stand alone: {', '.join(outside)}"
            raise DataError(msg)
        element = counts_element(file)
        if element is None:
            msg = f"{path}: X, layers/counts and raw/X hold no raw counts"
            raise DataError(msg)
        counts = sparse.csr_matrix(ad.io.read_elem(file[element]))
        obs = ad.io.read_elem(file["obs"])
        var = ad.io.read_elem(file["raw/var" if element == "raw/X" else "var"])
    names = gene_names(var)
    ids = var.get("gene_ids", var.index)
    return _as_anndata(
        counts.astype(np.int32),
        obs.index.astype(str).to_numpy(),
        np.asarray(ids, dtype=object),
        names,
    )


def gene_names(var: pd.DataFrame) -> np.ndarray:
    """Gene symbols of an ``.h5ad``: its index, or the column that has them if that holds ids."""
    index = var.index.astype(str)
    if index.str.match(r"ENS[A-Z]*G\d{11}").mean() > 0.5:
        for column in (
            "gene_symbols",
            "gene_symbol",
            "symbol",
            "feature_name",
            "gene_name",
            "name",
        ):
            if column in var:
                return var[column].astype(str).to_numpy(dtype=object)
    return index.to_numpy(dtype=object)


def write_h5(
    path: Path, counts: sparse.csr_matrix, barcodes: list[str], genes: pd.DataFrame, *, genome: str
) -> None:
    """Write counts as Cell Ranger 3 and later do (``filtered_feature_bc_matrix.h5``).

    Parameters
    ----------
    counts
        Whole numbers, shape (n_barcodes, n_genes).
    genes
        ``gene_id`` and ``gene``, one row a column of ``counts``.
    """
    by_barcode = counts.tocsr()
    by_barcode.sort_indices()
    columns = {
        "id": genes["gene_id"],
        "name": genes["gene"],
        "feature_type": [GENE_EXPRESSION] * len(genes),
        "genome": [genome] * len(genes),
    }
    options = {"track_times": False, "compression": "gzip", "compression_opts": 4, "shuffle": True}
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        matrix = file.create_group("matrix")
        for name, values in (
            ("barcodes", np.array(barcodes, dtype="S")),
            ("data", by_barcode.data.astype(np.int32)),
            ("indices", by_barcode.indices.astype(np.int64)),
            ("indptr", by_barcode.indptr.astype(np.int64)),
        ):
            matrix.create_dataset(name, data=values, **options)
        shape = np.array(by_barcode.shape[::-1], dtype=np.int32)
        matrix.create_dataset("shape", data=shape, track_times=False)
        features = matrix.create_group("features")
        for name, column in columns.items():
            features.create_dataset(name, data=np.array([*map(str, column)], dtype="S"), **options)
        features.create_dataset("_all_tag_keys", data=np.array([b"genome"]), track_times=False)
