"""Count matrices as Cell Ranger and scanpy write them, read sparse, and the reverse."""

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import h5py
import numpy as np
import pandas as pd
from scipy import io as scipy_io
from scipy import sparse

from helpers.errors import FileError
from helpers.io.atomic import replacing
from helpers.io.counts import GENE_EXPRESSION, Features, as_anndata
from helpers.io.h5ad import open_h5ad
from helpers.io.hdf5 import StoredMatrix, find_list, find_sparse, read_texts, refuse_outside

if TYPE_CHECKING:
    import anndata as ad

# File names of a matrix folder, Cell Ranger 3 and later first, then version 2.
FOLDER_NAMES = {
    "matrix": ("matrix.mtx.gz", "matrix.mtx"),
    "barcodes": ("barcodes.tsv.gz", "barcodes.tsv"),
    "features": ("features.tsv.gz", "features.tsv", "genes.tsv", "genes.tsv.gz"),
}
H5_SUFFIXES = (".h5", ".hdf5")
BANNER = "%%MatrixMarket matrix coordinate"
# What reading a damaged file can raise, from h5py, gzip, scipy or text that is none.
DAMAGE = (
    OSError,
    EOFError,
    zlib.error,
    KeyError,
    ValueError,
    TypeError,
    RuntimeError,
    OverflowError,
)


def read_rna(path: Path) -> "ad.AnnData":
    """Raw counts of one sample, whatever the format.

    Parameters
    ----------
    path
        A Cell Ranger ``.h5`` (version 2 or 3), a folder with ``matrix.mtx.gz``, or an ``.h5ad``
        that holds raw counts in ``X``, ``layers["counts"]`` or ``raw``.

    Returns
    -------
    AnnData of int32 counts, CSR, shape (n_barcodes, n_genes); ``var`` is indexed by unique gene
    symbol and has ``gene_id``. Ensembl ids in place of symbols are translated where known; of
    several feature types only gene expression is kept.

    Raises
    ------
    FileError
        If the file is not one of these, is damaged, points outside itself or holds no raw counts.
    """
    try:
        if path.is_dir():
            counts, barcodes, features = _read_folder(path)
        else:
            with h5py.File(path, "r") as file:
                matrix, barcodes, features = open_file(file)
                counts = matrix.read()
    except DAMAGE as error:
        raise damaged(path, error) from error
    return as_anndata(path, counts, barcodes, features)


def damaged(path: Path, error: Exception) -> FileError:
    """What an error on reading means for the user."""
    text = " ".join(str(error).split())[:120]
    cut = isinstance(error, EOFError) or "truncated" in text or "end-of-stream" in text
    if isinstance(error, PermissionError):
        return FileError(
            path, "may not be read", expected="a readable file", remedy="change its rights"
        )
    what = f"is {'cut short' if cut else 'damaged or not what it claims'} ({text})"
    remedy = "copy or export it again and compare checksums"
    return FileError(path, what, expected="a complete file", remedy=remedy)


def open_file(file: h5py.File) -> tuple[StoredMatrix, np.ndarray, Features]:
    """Matrix, not read yet, barcodes and features of an open ``.h5`` or ``.h5ad``."""
    return open_h5ad(file) if file.filename.lower().endswith(".h5ad") else open_h5(file)


def open_h5(file: h5py.File) -> tuple[StoredMatrix, np.ndarray, Features]:
    """The parts of a Cell Ranger file.

    Raises
    ------
    FileError
        If they are not there or do not agree.
    """
    refuse_outside(file)
    group = find_matrix(file)
    features = read_features(group)
    barcodes = read_texts(group, "barcodes")
    shape = tuple(int(n) for n in find_list(group, "shape", kinds="iu")[:])
    if shape != (len(features.ids), len(barcodes)):
        what = (
            f"has a matrix of shape {shape}, but lists {len(features.ids)} features and "
            f"{len(barcodes)} barcodes"
        )
        expected = "lists that agree with the shape"
        raise FileError(Path(file.filename), what, expected=expected, remedy="export it again")
    # genes x barcodes by column is barcodes x genes by row
    return find_sparse(group, (len(barcodes), len(features.ids))), barcodes, features


def find_matrix(file: h5py.File) -> h5py.Group:
    """The group that holds the matrix: ``matrix`` since version 3, before named by genome.

    Raises
    ------
    FileError
        If there is none, or several genomes.
    """
    groups = {name: item for name in file if isinstance(item := file.get(name), h5py.Group)}
    if "matrix" in groups:
        return groups["matrix"]
    found = [name for name, group in groups.items() if "indptr" in group and "barcodes" in group]
    if len(found) == 1:
        return groups[found[0]]
    if found:
        what, expected = f"holds several genomes ({', '.join(found)})", "one"
    else:
        what = f"has no Cell Ranger matrix inside (but {', '.join(file) or 'nothing'})"
        expected = "a group matrix"
    raise FileError(
        Path(file.filename), what, expected=expected, remedy="pass filtered_feature_bc_matrix.h5"
    )


def read_features(group: h5py.Group) -> Features:
    """The features of a matrix group, version 2 or 3.

    Raises
    ------
    FileError
        If their lists are missing or differ in length.
    """
    features = group.get("features")
    if isinstance(features, h5py.Group):
        ids, names, kinds, genomes = (
            read_texts(features, name) for name in ("id", "name", "feature_type", "genome")
        )
        genome = ",".join(sorted({*genomes} - {""}))
    else:
        ids, names = read_texts(group, "genes"), read_texts(group, "gene_names")
        kinds = np.full(len(ids), GENE_EXPRESSION, dtype=object)
        genome = group.name.strip("/")
    if not len(ids) == len(names) == len(kinds):
        what = f"lists {len(ids)} feature ids, {len(names)} names and {len(kinds)} types"
        path = Path(group.file.filename)
        raise FileError(path, what, expected="one of each", remedy="export it again")
    return Features(ids, names, kinds, genome)


def find_files(path: Path) -> dict[str, Path]:
    """The three files of a matrix folder by role.

    Raises
    ------
    FileError
        If one is missing.
    """
    files = {
        role: path / name
        for role, names in FOLDER_NAMES.items()
        for name in names[::-1]
        if (path / name).is_file()
    }
    missing = [FOLDER_NAMES[role][0] for role in FOLDER_NAMES if role not in files]
    if missing:
        what = f"has no {' and no '.join(missing)}"
        expected = ", ".join(names[0] for names in FOLDER_NAMES.values())
        raise FileError(path, what, expected=expected, remedy=_hint(path))
    return files


def _hint(path: Path) -> str:
    """What to do about a folder that holds no matrix: often its parent was named."""
    for pattern in ("filtered*matrix*.h5", "filtered*/matrix.mtx*", "*.h5", "*/matrix.mtx*"):
        for found in sorted(path.glob(pattern)):
            inside = found if found.suffix == ".h5" else found.parent
            return f"did you mean {inside.relative_to(path.parent)}?"
    return "copy the whole folder, or name its files so"


def _read_folder(path: Path) -> tuple[sparse.csr_matrix, np.ndarray, Features]:
    files = find_files(path)
    features, barcodes = read_feature_list(files["features"]), read_lines(files["barcodes"])
    counts = sparse.csr_matrix(scipy_io.mmread(files["matrix"]).T)
    require_lists(files["matrix"], counts.shape[::-1], features, barcodes)
    return counts, np.array(barcodes, dtype=object), features


def require_lists(
    path: Path, shape: tuple[int, ...], features: Features, barcodes: list[str]
) -> None:
    """Refuse a matrix of features x barcodes that the lists beside it do not fit.

    Raises
    ------
    FileError
        If it has other numbers of them.
    """
    if shape != (len(features.ids), len(barcodes)):
        what = (
            f"has {shape[0]} x {shape[1]} entries, but the lists beside it name "
            f"{len(features.ids)} features and {len(barcodes)} barcodes"
        )
        raise FileError(
            path, what, expected="three files of one run", remedy="copy the folder again"
        )


def read_feature_list(path: Path) -> Features:
    """``features.tsv.gz`` (id, name, type) or version 2's ``genes.tsv`` (id, name)."""
    rows = [line.split("\t") for line in read_lines(path)]
    ids = np.array([row[0] for row in rows], dtype=object)
    names = np.array([row[1] if len(row) > 1 else row[0] for row in rows], dtype=object)
    kinds = [row[2] if len(row) > 2 else GENE_EXPRESSION for row in rows]
    return Features(ids, names, np.array(kinds, dtype=object), "")


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, gzipped or not, without the empty ones."""
    with open_bytes(path) as stream:
        lines = stream.read().decode("utf-8").split("\n")
    return [line.rstrip("\r") for line in lines if line.strip()]


def open_bytes(path: Path) -> BinaryIO:
    """A file opened for reading, unpacked if it is gzipped."""
    return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


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
