"""``.h5ad`` of raw counts: found wherever anndata keeps them, and nothing else is opened."""

from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from tiny import count_differences, log_counts, make_anndata, some_barcodes, some_counts, some_genes

from helpers.errors import FileError
from helpers.io.h5ad import open_h5ad, read_column
from helpers.io.tenx import read_rna


def read_back(adata: ad.AnnData, path: Path) -> ad.AnnData:
    adata.write_h5ad(path)
    return read_rna(path)


def normalise(adata: ad.AnnData) -> None:
    adata.X = log_counts(some_counts())


def in_layer(adata: ad.AnnData) -> None:
    adata.layers["counts"] = adata.X.copy()
    normalise(adata)


def in_raw(adata: ad.AnnData) -> None:
    adata.raw = adata.copy()
    normalise(adata)


def in_columns(adata: ad.AnnData) -> None:
    adata.X = adata.X.tocsc()


def densely(adata: ad.AnnData) -> None:
    adata.X = adata.X.toarray()


def as_doubles(adata: ad.AnnData) -> None:
    adata.X = adata.X.astype(np.float64)


PLACES = [lambda adata: None, in_layer, in_raw, in_columns, densely, as_doubles]
NAMES = ["X", "layers", "raw", "columns", "dense", "doubles"]


@pytest.mark.parametrize("keep", PLACES, ids=NAMES)
def test_read_rna__finds_the_counts_of_an_h5ad_in(keep, tmp_path):
    adata = make_anndata(some_counts())
    keep(adata)
    found = read_back(adata, tmp_path / "x.h5ad")
    assert count_differences(found.X, some_counts()) == 0
    assert found.X.dtype == np.int32
    assert found.X.format == "csr"
    assert found.obs_names.tolist() == some_barcodes()
    assert found.var_names.tolist() == some_genes()["gene"].tolist()
    assert found.var["gene_id"].tolist() == some_genes()["gene_id"].tolist()


def test_read_rna__takes_the_genes_of_raw_where_the_counts_are_there(tmp_path):
    adata = make_anndata(some_counts())
    in_raw(adata)
    found = read_back(adata[:, :10].copy(), tmp_path / "x.h5ad")
    assert found.shape == (60, 40)
    assert count_differences(found.X, some_counts()) == 0
    assert found.var_names.tolist() == some_genes()["gene"].tolist()


def test_read_rna__reads_an_h5ad_without_x(tmp_path):
    adata = make_anndata(some_counts())
    layers = {"counts": adata.X}
    found = read_back(ad.AnnData(obs=adata.obs, var=adata.var, layers=layers), tmp_path / "x.h5ad")
    assert count_differences(found.X, some_counts()) == 0


@pytest.mark.parametrize("column", ["gene_symbols", "feature_name", "gene_name", "symbol"])
def test_read_rna__takes_symbols_from_a_column_where_the_index_holds_ids(column, tmp_path):
    adata = make_anndata(some_counts())
    adata.var = pd.DataFrame({column: adata.var_names}, index=adata.var["gene_ids"])
    found = read_back(adata, tmp_path / "x.h5ad")
    assert found.var_names.tolist() == some_genes()["gene"].tolist()
    assert found.var["gene_id"].tolist() == some_genes()["gene_id"].tolist()


def test_read_rna__takes_symbols_from_a_column_where_the_index_counts_genes(tmp_path):
    adata = make_anndata(some_counts())
    adata.var = pd.DataFrame({"gene_symbols": adata.var_names}, index=map(str, range(40)))
    assert read_back(adata, tmp_path / "x.h5ad").var_names.tolist() == some_genes()["gene"].tolist()


def test_read_rna__translates_ids_where_there_are_no_symbols(tmp_path):
    adata = make_anndata(some_counts())
    adata.var_names = [f"{name}.3" for name in adata.var["gene_ids"]]
    found = read_back(adata, tmp_path / "x.h5ad")
    assert found.var_names.tolist() == some_genes()["gene"].tolist()


def test_read_rna__keeps_the_genes_of_an_h5ad_of_several_modalities(tmp_path):
    adata = make_anndata(some_counts())
    adata.var["feature_types"] = pd.Categorical(["Gene Expression", "Peaks"] * 20)
    found = read_back(adata, tmp_path / "x.h5ad")
    assert count_differences(found.X, some_counts()[:, ::2]) == 0


def test_open_h5ad__names_the_genomes(tmp_path):
    adata = make_anndata(some_counts())
    adata.var["genome"] = pd.Categorical(["mm10", "GRCh38"] * 20)
    adata.write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad") as file:
        assert open_h5ad(file)[2].genome == "GRCh38,mm10"


def test_read_rna__reads_no_more_than_it_needs(tmp_path):
    adata = make_anndata(some_counts())
    adata.write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        # of a kind that no version of anndata knows
        file["obs/odd"] = [1, 2, 3]
        file["obs/odd"].attrs["encoding-type"] = "of-the-future"
        file["obsm"].attrs["encoding-version"] = "99"
        file["uns/model"] = b"text"
    assert count_differences(read_rna(tmp_path / "x.h5ad").X, some_counts()) == 0


@pytest.fixture
def frame(tmp_path: Path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        yield file.create_group("obs")


def test_read_column__decodes_categories(frame):
    frame["c/categories"], frame["c/codes"] = ["a", "b"], np.array([1, -1, 0], np.int8)
    assert read_column(frame, "c").tolist() == ["b", "", "a"]


def test_read_column__decodes_categories_as_anndata_07_wrote_them(frame):
    frame["__categories/c"] = ["a", "b"]
    frame["c"] = np.array([1, -1, 0], np.int8)
    frame["c"].attrs["categories"] = frame["__categories/c"].ref
    assert read_column(frame, "c").tolist() == ["b", "", "a"]


def test_read_column__leaves_missing_values_empty(frame):
    frame["c/values"], frame["c/mask"] = ["a", "?", "b"], np.array([False, True, False])
    assert read_column(frame, "c").tolist() == ["a", "", "b"]


@pytest.mark.parametrize("code", [2, -2])
def test_read_column__refuses_codes_without_category(code, frame):
    frame["c/categories"], frame["c/codes"] = ["a", "b"], np.array([code], np.int8)
    with pytest.raises(FileError, match=r"x.h5 has codes without a category in /obs/c/codes"):
        read_column(frame, "c")


def test_read_rna__refuses_what_holds_no_counts(tmp_path):
    adata = make_anndata(some_counts())
    normalise(adata)
    adata.layers["counts"] = adata.X * -1
    message = (
        r"x.h5ad holds no raw counts \(X holds \d.*; layers/counts holds -.*\); expected whole .*: "
        r"keep the counts in layers\['counts'\]"
    )
    with pytest.raises(FileError, match=message):
        read_back(adata, tmp_path / "x.h5ad")


def test_read_rna__judges_all_values_of_an_h5ad(tmp_path):
    # whole at both ends, so that a look finds nothing: the middle is not
    counts = sparse.csr_matrix(np.ones((6000, 40), dtype=np.float32))
    counts.data[120_000] = 0.5
    adata = ad.AnnData(counts, obs=pd.DataFrame(index=some_barcodes(6000)))
    adata.var_names = some_genes()["gene"].to_numpy()
    with pytest.raises(FileError, match=r"holds 0\.5: normalised, not raw, counts"):
        read_back(adata, tmp_path / "x.h5ad")


@pytest.mark.parametrize("name", ["obs", "var"])
def test_read_rna__refuses_an_h5ad_without(name, tmp_path):
    make_anndata(some_counts()).write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        del file[name]
    with pytest.raises(FileError, match=f"has no table {name}"):
        read_rna(tmp_path / "x.h5ad")


def test_read_rna__refuses_an_h5ad_that_points_outside_itself(tmp_path):
    make_anndata(some_counts()).write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        file["uns/away"] = h5py.ExternalLink("other.h5ad", "/X")
        file["uns/pickle"] = np.zeros(1, "V9")
    message = r"does not stand alone: /uns/away \(link to .*\), /uns/pickle \(opaque bytes"
    with pytest.raises(FileError, match=message):
        read_rna(tmp_path / "x.h5ad")


def test_read_rna__refuses_a_matrix_of_another_kind(tmp_path):
    make_anndata(some_counts()).write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        file["X"].attrs["encoding-type"] = "of-the-future"
    with pytest.raises(FileError, match="has something else than a matrix of 60 cells in X"):
        read_rna(tmp_path / "x.h5ad")
