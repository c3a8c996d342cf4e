import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.compute.quality import choose_doublets, count_cells, judge_cells, measure_cells

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
