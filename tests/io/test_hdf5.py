"""HDF5 files: nothing outside a file is followed, lists are what they should be."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import sparse
from tiny import count_differences, some_counts

from helpers.errors import FileError
from helpers.io import hdf5
from helpers.io.hdf5 import (
    StoredMatrix,
    find_list,
    find_sparse,
    outside_references,
    read_texts,
    refuse_outside,
)


@pytest.fixture
def file(tmp_path: Path):
    with h5py.File(tmp_path / "x.h5", "w") as opened:
        yield opened


def store(file: h5py.File, matrix: sparse.csr_matrix | sparse.csc_matrix) -> h5py.Group:
    group = file.create_group("m")
    group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
    return group


def test_outside_references__names_each_and_its_reason(file, tmp_path):
    file["good"] = [1, 2]
    file["same"] = h5py.SoftLink("/good")
    file["deep/away"] = h5py.ExternalLink("other.h5", "/x")
    file["deep/gone"] = h5py.SoftLink("/nothing")
    file["bytes"] = np.zeros(2, "V5")
    file["table"] = np.zeros(2, [("a", "f8"), ("b", [("c", "V3")])])
    file["numbers"] = np.zeros(2, [("a", "f8", (3,)), ("b", "S4")])
    file.create_dataset("raw", (2,), "i4", external=[(str(tmp_path / "raw.bin"), 0, 8)])
    layout = h5py.VirtualLayout((2,), "i8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (2,))
    file.create_virtual_dataset("virtual", layout)
    file["pytables"] = [1]
    file["pytables"].attrs["PSEUDOATOM"] = "object"
    assert sorted(outside_references(file)) == [
        "/bytes (opaque bytes, such as a pickled object)",
        "/deep/away (link to another file)",
        "/deep/gone (link to nothing)",
        "/pytables (a pickled object)",
        "/raw (data kept in another file)",
        "/table (opaque bytes, such as a pickled object)",
        "/virtual (data kept in another file)",
    ]


def test_outside_references__ends_where_groups_hold_each_other(file):
    file.create_group("a/b")
    file["a/b/up"] = file["a"]
    file["a/b/top"] = h5py.SoftLink("/")
    assert outside_references(file) == []


def test_refuse_outside__lists_five_at_most(file):
    for i in range(7):
        file[f"l{i}"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(
        FileError, match=r"x.h5 does not stand alone: /l0 .*, /l4 \(.*\), \.\.\.; ex"
    ):
        refuse_outside(file)


def test_find_list__refuses_what_is_none(file):
    file["g/square"], file["g/text"] = np.eye(2), [b"a"]
    for name, message in (
        ("none", "has no g/none"),
        ("square", "something else than a list in g/square"),
        ("text", "something else than a list in g/text"),
    ):
        with pytest.raises(FileError, match=message):
            find_list(file["g"], name, kinds="iuf")
    with pytest.raises(FileError, match="something else than a list in g"):
        find_list(file, "g", kinds="iuf")


def test_read_texts__takes_every_way_to_write_text(file):
    file["fixed"] = np.array([b"\xc3\xa9", b"b"])
    file["free"] = ["é", "b"]
    file["numbers"] = [7, 12]
    assert read_texts(file, "fixed").tolist() == ["é", "b"]
    assert read_texts(file, "free").tolist() == ["é", "b"]
    assert read_texts(file, "numbers").tolist() == ["7", "12"]


def test_read_texts__refuses_lists_of_lists_and_endless_ones(file):
    file.create_dataset("lists", (2,), h5py.vlen_dtype(np.int32))
    file.create_dataset("endless", (10**12,), "S16", chunks=(10**6,))
    for name in ("lists", "endless"):
        with pytest.raises(FileError, match=f"something else than a list of names in /{name}"):
            read_texts(file, name)


@pytest.mark.parametrize("by_barcode", [True, False])
def test_find_sparse__reads_either_compression(file, by_barcode):
    counts = some_counts()
    group = store(file, counts if by_barcode else counts.tocsc())
    stored = find_sparse(group, counts.shape, by_barcode=by_barcode)
    assert count_differences(stored.read(), counts) == 0
    assert stored.read().format == "csr"


def test_find_sparse__refuses_lists_that_do_not_fit(file):
    group = store(file, some_counts())
    with pytest.raises(FileError, match=r"has 61 barcodes x 40 genes, but lists of .* do not fit"):
        find_sparse(group, (61, 40))


def test_stored_matrix__refuses_an_index_beyond_its_shape(file):
    counts = some_counts()
    group = store(file, counts)
    group["indices"][-1] = 40
    with pytest.raises(ValueError, match="indices"):
        find_sparse(group, counts.shape).read()


def test_stored_matrix__looks_at_both_ends(file):
    counts = some_counts()
    counts.data[:] = np.arange(counts.nnz)
    stored = find_sparse(store(file, counts), counts.shape)
    assert stored.look(2).tolist() == [0, 1, counts.nnz - 2, counts.nnz - 1]
    assert len(stored.look(10**9)) == 2 * counts.nnz


def test_stored_matrix__takes_a_dense_one_in_blocks(file, monkeypatch):
    dense = some_counts().toarray()
    file["dense"] = dense
    stored = StoredMatrix(dense.shape, file["dense"])
    assert stored.look(80).tolist() == np.r_[dense[:2], dense[-2:]].ravel().tolist()
    monkeypatch.setattr(hdf5, "BLOCK", 7 * 40)  # 60 cells in blocks of 7
    assert count_differences(stored.read(), some_counts()) == 0
