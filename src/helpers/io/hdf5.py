"""Parts of HDF5 files, each checked before it is used: a file may hold anything."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

from helpers.errors import FileError

NUMBERS = "iuf"  # numpy's kinds of numbers
MAX_LIST = 20_000_000  # more barcodes or genes than any file has
BLOCK = 20_000_000  # values of a dense matrix taken into memory at once
AGAIN = "export the file again"


@dataclass(frozen=True)
class StoredMatrix:
    """A matrix in a file whose numbers have not been read; shape (n_barcodes, n_genes).

    ``values`` are the non-zero ones of a compressed matrix, or all of a dense one, which has no
    ``indices``. ``starts`` tell where each barcode begins, or each gene if not ``by_barcode``.
    """

    shape: tuple[int, int]
    values: h5py.Dataset
    indices: h5py.Dataset | None = None
    starts: np.ndarray | None = None
    by_barcode: bool = True

    def look(self, n: int) -> np.ndarray:
        """About ``n`` values of the beginning and as many of the end."""
        if self.indices is None:
            n = max(1, n // max(1, self.shape[1]))
        else:
            self.indices[-n:]  # a damaged end shows itself when it is read
        return np.concatenate([self.values[:n], self.values[-n:]], axis=None)

    def read(self) -> sparse.csr_matrix:
        """The whole matrix, compressed by barcode; a dense one never is whole in memory.

        Raises
        ------
        ValueError
            If an index lies outside the shape.
        """
        if self.indices is None:
            step = max(1, BLOCK // max(1, self.shape[1]))
            rows = range(0, max(1, self.shape[0]), step)
            blocks = [sparse.csr_matrix(self.values[i : i + step]) for i in rows]
            return sparse.vstack(blocks, format="csr")
        compressed = sparse.csr_matrix if self.by_barcode else sparse.csc_matrix
        parts = (self.values[:], self.indices[:], self.starts)
        matrix = compressed(parts, shape=self.shape)
        matrix.check_format(full_check=True)
        return matrix.tocsr()


def path_of(item: h5py.Group | h5py.Dataset) -> Path:
    """The file a group or dataset is in."""
    return Path(item.file.filename)


def find_list(group: h5py.Group, name: str, *, kinds: str) -> h5py.Dataset:
    """A one-dimensional list of a group, of one of numpy's ``kinds``.

    Raises
    ------
    FileError
        If it is not there or something else.
    """
    item = group.get(name)
    place = f"{(group.name or '').rstrip('/')}/{name}".lstrip("/")
    if item is None:
        what = f"has no {place}"
    elif not isinstance(item, h5py.Dataset) or item.ndim != 1 or item.dtype.kind not in kinds:
        what = f"has something else than a list in {place}"
    else:
        return item
    raise FileError(path_of(group), what, expected=f"a list {place}", remedy=AGAIN)


def find_sparse(
    group: h5py.Group, shape: tuple[int, int], *, by_barcode: bool = True
) -> StoredMatrix:
    """A compressed matrix: lists ``data``, ``indices`` and ``indptr``, which must agree.

    Raises
    ------
    FileError
        If a list is missing, or they do not fit each other and the shape.
    """
    values = find_list(group, "data", kinds=NUMBERS)
    indices = find_list(group, "indices", kinds="iu")
    starts = find_list(group, "indptr", kinds="iu")[:].astype(np.int64)
    n_parts = shape[0] if by_barcode else shape[1]
    grows = len(starts) > 0 and starts[0] == 0 and bool(np.all(np.diff(starts) >= 0))
    if len(starts) != n_parts + 1 or not grows or not starts[-1] == len(values) == len(indices):
        what = (
            f"has {shape[0]} barcodes x {shape[1]} genes, but lists of {len(values)} values, "
            f"{len(indices)} indices and {len(starts)} starts that do not fit"
        )
        raise FileError(
            path_of(group), what, expected="lists that agree with the shape", remedy=AGAIN
        )
    return StoredMatrix(shape, values, indices, starts, by_barcode)


def read_texts(group: h5py.Group, name: str) -> np.ndarray:
    """A list of texts (or of numbers, as text), shape (n,).

    Raises
    ------
    FileError
        If it is not there or something else.
    """
    item = find_list(group, name, kinds="SO" + NUMBERS)
    if len(item) > MAX_LIST or (item.dtype.kind == "O" and not h5py.check_string_dtype(item.dtype)):
        what = f"has something else than a list of names in {item.name}"
        raise FileError(path_of(group), what, expected="names", remedy=AGAIN)
    values = item[:]
    if item.dtype.kind == "S":
        return np.char.decode(values, "utf-8").astype(object)
    return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values], dtype=object)


def refuse_outside(file: h5py.File) -> None:
    """Refuse a file that does not stand alone.

    Raises
    ------
    FileError
        If a part of it points to another file or to nothing, or may be a pickled object.
    """
    outside = outside_references(file)
    if outside:
        listed = ", ".join(outside[:5]) + (", ..." if len(outside) > 5 else "")
        raise FileError(
            path_of(file),
            f"does not stand alone: {listed}",
            expected="a file without links to others and without pickled objects",
            remedy="write it again with anndata",
        )


def outside_references(group: h5py.Group) -> list[str]:
    """Parts that point to other files or to nothing, or hold opaque bytes, with the reason."""
    return [*_walk(group, set())]


def _walk(group: h5py.Group, seen: set[int]) -> list[str]:
    """As :func:`outside_references`; ``seen`` are the addresses of groups walked already."""
    found: list[str] = []
    seen.add(h5py.h5o.get_info(group.id).addr)
    for name in group:
        where = f"{(group.name or '').rstrip('/')}/{name}"
        link = group.get(name, getlink=True)
        item = None if isinstance(link, h5py.ExternalLink) else group.get(name)
        if isinstance(link, h5py.ExternalLink):
            found.append(f"{where} (link to another file)")
        elif item is None:
            found.append(f"{where} (link to nothing)")
        elif isinstance(item, h5py.Dataset):
            problem = _outside_data(item)
            found += [f"{where} ({problem})"] * bool(problem)
        elif isinstance(item, h5py.Group) and h5py.h5o.get_info(item.id).addr not in seen:
            found += _walk(item, seen)
    return found


def _outside_data(item: h5py.Dataset) -> str:
    """Why a dataset does not stand alone, or nothing."""
    if item.external or item.is_virtual:
        return "data kept in another file"
    if _is_opaque(item.dtype):
        return "opaque bytes, such as a pickled object"
    if item.attrs.get("PSEUDOATOM") in ("object", b"object"):
        return "a pickled object"
    return ""


def _is_opaque(dtype: np.dtype) -> bool:
    """Whether a type, or a field of it, is bytes of which HDF5 does not know the meaning."""
    if dtype.subdtype is not None:
        return _is_opaque(dtype.subdtype[0])
    if dtype.fields is not None:
        return any(_is_opaque(field[0]) for field in dtype.fields.values())
    return dtype.kind == "V"
