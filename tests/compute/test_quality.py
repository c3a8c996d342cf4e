"""Quality of cells: the source's thresholds by hand, laws, scanpy's measures."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse

from helpers.compute.nuclei import count_nuclei
from helpers.compute.quality import (
    choose_doublets,
    count_cells,
    join_counts,
    judge_cells,
    measure_cells,
)

LIMITS = {"genes": (200, 5000), "umis": (500, 25_000), "max_pct_mito": 10.0}


def test_measure_cells__by_hand():
    counts = sparse.csr_matrix([[3, 0, 1], [0, 0, 0], [2, 2, 0]])
    table = measure_cells(counts, pd.Index(["CD3D", "LYZ", "MT-CO1"]))
    assert table["n_umis"].tolist() == [4, 0, 4]
    assert table["n_genes"].tolist() == [2, 0, 2]
    assert table["pct_mito"].tolist() == [25.0, 0.0, 0.0]


def test_measure_cells__without_mitochondrial_genes_has_no_share_of_them():
    table = measure_cells(sparse.csr_matrix([[1, 2]]), pd.Index(["CD3D", "MTOR"]))
    assert table["pct_mito"].isna().all()


@pytest.mark.parametrize(
    ("n_umis", "n_genes", "pct_mito", "verdict"),
    [
        (500, 200, 9.99, "kept"),
        (25_000, 5000, 0.0, "kept"),
        (499, 200, 0.0, "few_umis"),
        (25_001, 5000, 0.0, "many_umis"),
        (500, 199, 0.0, "few_genes"),
        (25_000, 5001, 0.0, "many_genes"),
        (500, 200, 10.0, "mitochondrial"),
        (499, 199, 50.0, "few_umis"),
        (500, 200, np.nan, "kept"),
    ],
)
def test_judge_cells__at_the_thresholds_of_the_source(n_umis, n_genes, pct_mito, verdict):
    measures = pd.DataFrame({"n_umis": [n_umis], "n_genes": [n_genes], "pct_mito": [pct_mito]})
    assert judge_cells(measures, **LIMITS).tolist() == [verdict]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("either", [True, True, True, False]),
        ("both", [True, False, False, False]),
        ("scrublet", [True, True, False, False]),
        ("doubletfinder", [True, False, True, False]),
        ("none", [False] * 4),
    ],
)
def test_choose_doublets__by_rule(rule, expected):
    scrublet = np.array([True, True, False, False])
    finder = np.array([True, False, True, False])
    assert choose_doublets(scrublet, finder, rule=rule).tolist() == expected


def test_count_cells__adds_up():
    barcodes = pd.DataFrame(
        {
            "sample": ["b", "b", "b", "a"],
            "verdict": ["kept", "doublet", "few_umis", "kept"],
            "scrublet": [False, True, False, False],
            "doubletfinder": [True, True, False, False],
        }
    )
    table = count_cells(barcodes).set_index("sample")
    assert table.index.tolist() == ["b", "a"]
    b = table.loc["b"]
    assert (b["n_input"], b["n_kept"], b["n_doublets"], b["few_umis"]) == (3, 1, 1, 1)
    assert (b["called_scrublet"], b["called_doubletfinder"]) == (1, 2)
    reasons = ["n_kept", "n_doublets", "few_umis", "many_umis", "few_genes", "many_genes"]
    np.testing.assert_array_equal(
        table[[*reasons, "mitochondrial"]].sum(axis=1).astype(int), table["n_input"]
    )


def test_measure_cells__equals_scanpy(oracles):
    counts, cells, genes = read_labelled_matrix(oracles / "inputs" / "kang_pbmc" / "ctrl")
    scanpy = read_tsv(oracles / "scanpy/output/qc.tsv.gz", index_col=0).loc[cells]
    table = measure_cells(counts, genes)
    np.testing.assert_array_equal(table["n_umis"], scanpy["total_counts"])
    np.testing.assert_array_equal(table["n_genes"], scanpy["n_genes_by_counts"])


COUNTS = arrays(np.int64, (6, 5), elements=st.integers(0, 9))
GENES = pd.Index(["CD3D", "MT-ND1", "LYZ", "MT-CO1", "MS4A1"])


@given(COUNTS, st.permutations(range(6)))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_measure_cells__is_of_each_cell_alone(counts, order):
    table = measure_cells(sparse.csr_matrix(counts), GENES)
    shuffled = measure_cells(sparse.csr_matrix(counts[order]), GENES)
    pd.testing.assert_frame_equal(shuffled, table.iloc[order].reset_index(drop=True))
    more = sparse.csr_matrix(np.column_stack([counts, np.zeros(6, dtype=int)]))
    pd.testing.assert_frame_equal(measure_cells(more, GENES.append(pd.Index(["AVP"]))), table)
    assert table["pct_mito"].between(0, 100).all()
    assert (table["n_genes"] <= table["n_umis"]).all()


def test_measure_cells__does_not_count_zeros_that_are_stored():
    stored = sparse.csr_matrix(([0, 2], [0, 1], [0, 2]), shape=(1, 3))
    table = measure_cells(stored, pd.Index(["CD3D", "LYZ", "MT-CO1"]))
    assert table.loc[0].tolist() == [2, 1, 0]


def test_judge_cells__keeps_the_names_of_the_cells():
    measures = pd.DataFrame(
        {"n_umis": [1000, 9], "n_genes": [500, 9], "pct_mito": [1.0, 1.0]}, index=["b1", "b2"]
    )
    assert judge_cells(measures, **LIMITS).to_dict() == {"b1": "kept", "b2": "few_umis"}


def test_count_cells__lists_a_sample_of_which_nothing_was_kept():
    barcodes = pd.DataFrame(
        {"sample": ["a"], "verdict": ["few_umis"], "scrublet": [False], "doubletfinder": [False]}
    )
    row = count_cells(barcodes).iloc[0]
    assert (row["modality"], row["n_input"], row["n_kept"], row["few_umis"]) == ("RNA", 1, 0, 1)


def counted() -> pd.DataFrame:
    return count_cells(
        pd.DataFrame(
            {
                "sample": ["A", "A"],
                "verdict": ["kept", "doublet"],
                "scrublet": [False, True],
                "doubletfinder": [False, False],
            }
        )
    )


def test_join_counts__puts_nuclei_below_cells():
    barcodes = pd.DataFrame({"sample": ["A", "B"], "verdict": ["low_tss", "kept"]})
    nuclei = count_nuclei(barcodes, ["A", "B"])
    table = join_counts(counted(), nuclei).set_index(["sample", "modality"])
    assert table["n_input"].to_dict() == {("A", "RNA"): 2, ("A", "ATAC"): 1, ("B", "ATAC"): 1}
    assert table["n_doublets"].tolist() == [1, 0, 0]
    assert table["low_tss"].isna().tolist() == [True, False, False]
    assert table["low_tss"].tolist()[1:] == [1, 0]


def test_join_counts__leaves_cells_alone_where_no_nuclei_were_measured():
    none = count_nuclei(pd.DataFrame(columns=["sample", "group", "verdict"]), [])
    table = join_counts(counted(), none)
    assert table["modality"].tolist() == ["RNA"]
    assert "low_tss" not in table
