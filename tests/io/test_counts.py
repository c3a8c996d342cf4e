"""Count matrices: which numbers are counts, how genes are named."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from tiny import count_differences, some_barcodes, some_counts, some_genes

from helpers.errors import FileError
from helpers.io.counts import (
    Features,
    as_anndata,
    is_count,
    not_a_count,
    repeated_name,
    symbols_for,
    unique_names,
)

NAMES = st.lists(st.sampled_from(["A", "A-1", "A-2", "B", "B-1", "C", ""]), max_size=12)


def some_features(kinds: list[str] | None = None) -> Features:
    genes = some_genes()
    kinds = ["Gene Expression"] * len(genes) if kinds is None else kinds
    ids, names = genes["gene_id"].to_numpy(), genes["gene"].to_numpy()
    return Features(ids, names, np.array(kinds, dtype=object), "")


def test_is_count__by_hand():
    assert is_count(np.array([0, 1, 2**31 - 1]))
    assert is_count(np.array([3.0, 0.0]))
    assert is_count(np.array([]))
    for wrong in (0.5, -1.0, np.nan, np.inf, 2.0**31):
        assert not is_count(np.array([1.0, wrong])), wrong


def test_not_a_count__shows_the_first():
    assert not_a_count(np.array([1.0, 0.69314, -2.0])) == "0.6931"
    assert not_a_count(np.array([2.0, np.nan])) == "nan"


def test_unique_names__by_hand():
    names = np.array(["A", "B", "A", "A-1", "A"], dtype=object)
    # the second A cannot be A-1, which is another gene's name
    assert unique_names(names).tolist() == ["A", "B", "A-2", "A-1", "A-3"]


@given(NAMES)
@settings(derandomize=True, deadline=None)
def test_unique_names__differ_and_leave_the_first_of_each(names: list[str]):
    unique = unique_names(np.array(names, dtype=object)).tolist()
    assert len(set(unique)) == len(names)
    firsts = [names.index(name) for name in dict.fromkeys(names)]
    assert [unique[i] for i in firsts] == list(dict.fromkeys(names))


def test_symbols_for__translates_known_ids_and_nothing_else():
    names = np.array(["ENSG00000141510", "ENSG00000010610.9", "ENSG99999999999", "TP53", ""])
    ids = np.array(["", "", "", "", "ENSG00000153563"])
    # ids from Ensembl: TP53, CD4; the last has no name, and CD8A is that of its id
    expected = ["TP53", "CD4", "ENSG99999999999", "TP53", "CD8A"]
    assert symbols_for(names, ids).tolist() == expected


def test_repeated_name__finds_one():
    assert repeated_name(np.array(["a", "b", "a"], dtype=object)) == "a"
    assert repeated_name(np.array(["a", "b"], dtype=object)) is None


def test_as_anndata__keeps_gene_expression_alone():
    kinds = ["Gene Expression", "Antibody Capture"] * 20
    adata = as_anndata(
        Path("x"), some_counts(), np.array(some_barcodes(), dtype=object), some_features(kinds)
    )
    assert count_differences(adata.X, some_counts()[:, ::2]) == 0
    assert adata.var_names.tolist() == some_genes()["gene"][::2].tolist()
    assert adata.var["gene_id"].tolist() == some_genes()["gene_id"][::2].tolist()


def test_as_anndata__refuses_what_is_no_count():
    barcodes = np.array(some_barcodes(), dtype=object)
    halved = sparse.csr_matrix(some_counts() / 2)
    with pytest.raises(
        FileError, match=r"x holds 0.5: normalised, not raw, counts; expected whole"
    ):
        as_anndata(Path("x"), halved, barcodes, some_features())
    with pytest.raises(FileError, match=r"x has no gene expression \(feature types: Peaks\)"):
        as_anndata(Path("x"), some_counts(), barcodes, some_features(["Peaks"] * 40))
    barcodes[5] = barcodes[0]
    with pytest.raises(FileError, match=r"x has the barcode 'AAAAAAAA-1' twice"):
        as_anndata(Path("x"), some_counts(), barcodes, some_features())
