"""Objects: parts are read alone, columns are added without touching the matrix."""

import h5py
import numpy as np
import pandas as pd
import pytest
from tiny import count_differences, make_anndata, some_barcodes, some_counts, some_genes

from helpers.errors import DataError
from helpers.io.objects import (
    add_cells_columns,
    read_cells,
    read_counts,
    read_genes_of,
    read_map,
    read_markers,
    read_object,
    write_object,
)


@pytest.fixture
def path(tmp_path):
    """An object of 60 cells with totals and a map."""
    adata = make_anndata(some_counts())
    adata.obs["n_umis"] = np.asarray(some_counts().sum(axis=1)).ravel()
    adata.obs["sample"] = ["007", "NA"] * 30
    adata.obsm["X_map"] = np.arange(120.0).reshape(60, 2)
    write_object(adata, tmp_path / "x.h5ad")
    return tmp_path / "x.h5ad"


def matrix_bytes(path):
    with h5py.File(path) as file:
        return [file[f"X/{part}"][:].tobytes() for part in ("data", "indices", "indptr")]


def test_read_object__gives_back_what_was_written(path):
    adata = read_object(path)
    assert count_differences(adata.X, some_counts()) == 0
    assert adata.obs["sample"].tolist() == ["007", "NA"] * 30


def test_read_map__places_every_cell(path):
    cells = read_map(path)
    assert cells["x"].tolist() == list(range(0, 120, 2))
    assert cells["y"].tolist() == list(range(1, 120, 2))
    assert cells.index.tolist() == some_barcodes()


def test_read_genes_of__reads_the_genes_alone(path):
    assert read_genes_of(path).index.tolist() == some_genes()["gene"].tolist()


def test_read_counts__takes_genes_in_the_order_asked_for(path):
    names = some_genes()["gene"].tolist()
    counts, totals = read_counts(path, [names[7], names[2]])
    assert count_differences(counts, some_counts()[:, [7, 2]]) == 0
    assert totals.tolist() == np.asarray(some_counts().sum(axis=1)).ravel().tolist()


def test_read_counts__of_no_gene_has_the_totals(path):
    counts, totals = read_counts(path, [])
    assert counts.shape == (60, 0)
    assert totals.sum() == some_counts().sum()


def test_read_counts__names_genes_that_were_not_measured(path):
    with pytest.raises(DataError, match="NOGENE, NOTHER not measured"):
        read_counts(path, ["NOGENE", some_genes()["gene"][0], "NOTHER"])


def test_add_cells_columns__leaves_the_matrix_and_the_source(path, tmp_path):
    before = path.read_bytes()
    columns = pd.DataFrame({"kind": list("ab") * 30, "sample": "new"}, index=some_barcodes()[::-1])
    add_cells_columns(path, tmp_path / "y.h5ad", columns)
    cells = read_cells(tmp_path / "y.h5ad")
    assert cells["kind"].tolist() == list("ba") * 30  # joined by cell, not by place
    assert cells["sample"].tolist() == ["new"] * 60
    assert cells["n_umis"].tolist() == read_cells(path)["n_umis"].tolist()
    assert matrix_bytes(tmp_path / "y.h5ad") == matrix_bytes(path)
    assert path.read_bytes() == before


def test_add_cells_columns__leaves_nothing_where_it_fails(path, tmp_path):
    odd = pd.DataFrame({"kind": [object()] * 60}, index=some_barcodes())
    with pytest.raises(TypeError):
        add_cells_columns(path, tmp_path / "y.h5ad", odd)
    assert [file.name for file in tmp_path.iterdir()] == ["x.h5ad"]


def test_read_markers__by_hand(tmp_path):
    (tmp_path / "m.yml").write_text(
        "- {cell_type: B, positive: [CD19, MS4A1], negative: [CD3D]}\n"
        "- {cell_type: T, positive: [CD3D], source: a paper}\n"
    )
    positive, negative = read_markers(tmp_path / "m.yml")
    assert positive == {"B": ["CD19", "MS4A1"], "T": ["CD3D"]}
    assert negative == {"B": ["CD3D"], "T": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no list of cell types"),
        ("B: [CD19]", "holds no list of cell types"),
        (
            "- {cell_type: B, positive: [a]}\n- {cell_type: T}",
            r"entry 2 needs cell_type and positive",
        ),
        ("- {positive: [a]}", "entry 1 needs cell_type"),
        ("- {cell_type: B, positive: CD19}", "entry 1 needs"),
        ("- {cell_type: B, positive: [a], negative: CD3D}", "entry 1 needs"),
        ("- a: b: c", r"cannot be read as YAML \(mapping values are not allowed here"),
    ],
)
def test_read_markers__says_which_entry_is_wrong(text, message, tmp_path):
    (tmp_path / "m.yml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_markers(tmp_path / "m.yml")


def test_read_markers__says_that_a_file_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"m\.yml: cannot be read as YAML \(.*No such file"):
        read_markers(tmp_path / "m.yml")
