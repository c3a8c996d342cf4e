"""Readers: every format gives the same counts, sparse and whole, or an error that says why."""

import gzip
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from tiny import (
    count_differences,
    make_anndata,
    some_barcodes,
    some_counts,
    some_genes,
    write_folder,
    write_h5_v2,
)

from helpers.errors import FileError
from helpers.io.inspect import inspect_rna
from helpers.io.tenx import damaged, read_rna, write_h5

Write = Callable[[Path, sparse.csr_matrix], None]


def write_v3(path: Path, counts: sparse.csr_matrix) -> None:
    n_cells, n_genes = counts.shape
    write_h5(path, counts, some_barcodes(n_cells), some_genes(n_genes), genome="GRCh38")


FORMATS: dict[str, tuple[str, Write]] = {
    "h5 of version 3": ("x.h5", write_v3),
    "h5 of version 2": ("x.h5", write_h5_v2),
    "folder of version 3": ("x", write_folder),
    "folder of version 2": ("x", lambda path, counts: write_folder(path, counts, version=2)),
    "h5ad": ("x.h5ad", lambda path, counts: make_anndata(counts).write_h5ad(path)),
}


def assert_same(found: ad.AnnData, counts: sparse.csr_matrix) -> None:
    """The same counts, names and types."""
    assert found.shape == counts.shape
    assert count_differences(found.X, counts) == 0
    assert (found.X.format, found.X.dtype) == ("csr", np.int32)
    genes = some_genes(counts.shape[1])
    assert found.obs_names.tolist() == some_barcodes(counts.shape[0])
    assert found.var_names.tolist() == genes["gene"].tolist()
    assert found.var["gene_id"].tolist() == genes["gene_id"].tolist()


@pytest.mark.parametrize(("name", "write"), FORMATS.values(), ids=FORMATS)
def test_read_rna__reads(name, write, tmp_path):
    write(tmp_path / name, some_counts())
    assert_same(read_rna(tmp_path / name), some_counts())


@given(
    st.integers(1, 12), st.integers(1, 9), st.integers(0, 2**31 - 1), st.sampled_from([*FORMATS])
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_read_rna__gives_back_what_was_written(tmp_path_factory, n_cells, n_genes, largest, kind):
    name, write = FORMATS[kind]
    rng = np.random.default_rng(largest)
    chosen = rng.integers(0, largest, (n_cells, n_genes), endpoint=True)
    # floats of an .h5ad hold whole numbers up to 2**24 exactly
    chosen = np.minimum(chosen, 2**24) if kind == "h5ad" else chosen
    counts = sparse.csr_matrix((chosen * rng.integers(0, 2, chosen.shape)).astype(np.int32))
    path = tmp_path_factory.mktemp("x") / name
    write(path, counts)
    assert_same(read_rna(path), counts)


def test_read_rna__keeps_gene_expression_of_several_modalities(tmp_path):
    write_v3(tmp_path / "x.h5", some_counts())
    kinds = [b"Gene Expression", b"Antibody Capture", b"Peaks", b"Gene Expression"] * 10
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        del file["matrix/features/feature_type"]
        file["matrix/features/feature_type"] = kinds
    kept = np.flatnonzero(np.array(kinds) == b"Gene Expression")
    found = read_rna(tmp_path / "x.h5")
    assert count_differences(found.X, some_counts()[:, kept]) == 0
    assert found.var_names.tolist() == some_genes()["gene"].iloc[kept].tolist()


def test_read_rna__keeps_gene_expression_of_a_folder(tmp_path):
    write_folder(tmp_path / "x", some_counts())
    listed = gzip.decompress((tmp_path / "x/features.tsv.gz").read_bytes()).decode().splitlines()
    listed[3] = listed[3].replace("Gene Expression", "Peaks")
    (tmp_path / "x/features.tsv.gz").write_bytes(gzip.compress("\n".join(listed).encode()))
    found = read_rna(tmp_path / "x")
    assert count_differences(found.X, some_counts()[:, np.arange(40) != 3]) == 0


def test_read_rna__translates_ids_and_tells_equal_symbols_apart(tmp_path):
    genes = some_genes().assign(gene=lambda table: table["gene_id"])
    genes.loc[5, "gene"] = genes.loc[6, "gene"] = "TWICE"
    write_h5(tmp_path / "x.h5", some_counts(), some_barcodes(), genes, genome="GRCh38")
    expected = some_genes()["gene"].tolist()
    expected[5:7] = ["TWICE", "TWICE-1"]
    assert read_rna(tmp_path / "x.h5").var_names.tolist() == expected


def test_read_rna__reads_windows_line_ends_of_a_folder(tmp_path):
    write_folder(tmp_path / "x", some_counts(), version=2)
    for name in ("barcodes.tsv", "genes.tsv"):
        content = (tmp_path / "x" / name).read_bytes()
        (tmp_path / "x" / name).write_bytes(content.replace(b"\n", b"\r\n"))
    assert_same(read_rna(tmp_path / "x"), some_counts())


def test_read_rna__prefers_the_packed_files_of_a_folder(tmp_path):
    write_folder(tmp_path / "x", some_counts())
    (tmp_path / "x/barcodes.tsv").write_text("an older list\n")
    assert_same(read_rna(tmp_path / "x"), some_counts())


def test_read_rna__never_holds_a_dense_matrix(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("made dense")

    for name, write in dict(FORMATS.values()).items():
        write(tmp_path / name, some_counts())
    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix):
        monkeypatch.setattr(kind, "toarray", refuse)
        monkeypatch.setattr(kind, "todense", refuse)
    for name in ("x", "x.h5", "x.h5ad"):
        assert read_rna(tmp_path / name).X.nnz == some_counts().nnz


def test_write_h5__gives_the_same_bytes_twice(tmp_path):
    shuffled = some_counts()
    shuffled.indices[:2] = shuffled.indices[:2][::-1]  # the order within a cell is not told
    shuffled.data[:2] = shuffled.data[:2][::-1]
    write_v3(tmp_path / "a.h5", some_counts())
    write_v3(tmp_path / "b.h5", shuffled)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_write_h5__is_read_by_scanpy(tmp_path):
    import scanpy as sc

    write_v3(tmp_path / "x.h5", some_counts())
    adata = sc.read_10x_h5(tmp_path / "x.h5")
    assert count_differences(adata.X, some_counts()) == 0
    assert adata.var["gene_ids"].tolist() == some_genes()["gene_id"].tolist()
    assert adata.var["genome"].unique().tolist() == ["GRCh38"]


# Damage


@pytest.mark.parametrize(("name", "write"), FORMATS.values(), ids=FORMATS)
def test_read_rna__says_what_is_damaged_wherever_a_file_is_cut(name, write, tmp_path):
    write(tmp_path / name, some_counts())
    parts = sorted((tmp_path / name).iterdir()) if name == "x" else [tmp_path / name]
    for part in parts:
        content = part.read_bytes()
        # not within the last line, which in plain text looks like a shorter name
        for share in np.linspace(0, 0.95, 25):
            part.write_bytes(content[: int(len(content) * share)])
            with pytest.raises(FileError, match=r"cut short|damaged|has|does not|holds"):
                read_rna(tmp_path / name)
            assert len(inspect_rna(tmp_path / name, assembly="GRCh38")) == 1
        part.write_bytes(content)


def test_read_rna__says_that_an_index_is_beyond_the_genes(tmp_path):
    write_v3(tmp_path / "x.h5", some_counts())
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file["matrix/indices"][7] = 40
    with pytest.raises(FileError, match=r"x.h5 is damaged or not what it claims \(.*indices"):
        read_rna(tmp_path / "x.h5")


def test_read_rna__refuses_normalised_values(tmp_path):
    write_v3(tmp_path / "x.h5", some_counts())
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        values = np.log1p(file["matrix/data"][:])
        del file["matrix/data"]
        file["matrix/data"] = values
    with pytest.raises(FileError, match=r"holds \d\.\d+: normalised, not raw, counts"):
        read_rna(tmp_path / "x.h5")


def test_read_rna__refuses_a_folder_whose_lists_do_not_fit(tmp_path):
    write_folder(tmp_path / "x", some_counts(), version=2)
    (tmp_path / "x/barcodes.tsv").write_text("A\nB\n")
    with pytest.raises(FileError, match=r"has 40 x 60 entries, but .* 40 features and 2 barcodes"):
        read_rna(tmp_path / "x")


def test_damaged__tells_rights_from_damage():
    error = damaged(Path("x.h5"), PermissionError(13, "Permission denied"))
    assert str(error) == "x.h5 may not be read; expected a readable file: change its rights"


# Real data


@pytest.mark.parametrize(
    ("name", "shape"),
    [  # number of genes and cells from the README of the data
        ("kang/ctrl101", (454, 1267)),
        ("pbmc3k/pbmc3k", (2638, 13714)),
        ("pbsmall/pbsmall", (150, 2164)),
    ],
)
def test_read_rna__reads_real_cells(name, shape, real_data):
    path = real_data / "cohorts" / name / "filtered_feature_bc_matrix.h5"
    adata = read_rna(path)
    with h5py.File(path) as file:
        total = int(file["matrix/data"][:].sum())
    assert adata.shape == shape
    assert int(adata.X.sum()) == total
    assert adata.var_names.is_unique
    assert (adata.X.format, adata.X.dtype) == ("csr", np.int32)


@pytest.mark.parametrize("cohort", ["kang", "pbmc3k", "pbsmall"])
def test_read_rna__finds_every_labelled_cell(cohort, real_data):
    folder = real_data / "cohorts" / cohort
    (labels,) = folder.glob("labels*.csv.gz")
    labelled = pd.read_csv(labels)
    found = set()
    for row in pd.read_csv(folder / "samples.csv").itertuples():
        found |= {(row.sample, barcode) for barcode in read_rna(folder / row.rna).obs_names}
    listed = labelled.get("sample", pd.Series(cohort, index=labelled.index))
    assert {*zip(listed, labelled["barcode"], strict=True)} == found


def test_read_rna__finds_what_is_known_of_real_cells(real_data):
    folder = real_data / "cohorts" / "pbmc3k"
    adata = read_rna(folder / "pbmc3k" / "filtered_feature_bc_matrix.h5")
    labels = pd.read_csv(folder / "labels.csv.gz", index_col="barcode")["cell_type"]
    b_cells = (labels.reindex(adata.obs_names) == "B").to_numpy()
    gene = adata[:, "CD79A"].X.toarray().ravel()
    assert gene[b_cells].mean() > 20 * gene[~b_cells].mean()
