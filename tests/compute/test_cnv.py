"""inferCNV's transform: by hand, its laws, and inferCNV's own answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_tsv
from scipy import sparse

from helpers.compute.cnv import (
    find_expressed,
    fit_baseline,
    measure_ratios,
    place_genes,
    score_variability,
    smooth_genes,
)
from helpers.errors import DataError
from helpers.io.reference import arm_of_genes, read_genes

REFERENCES = ("Microglia/Macrophage", "Oligodendrocytes (non-malignant)")
RUNS = [("nodenoise", "none"), ("denoise_sd1.5", "cut"), ("denoise_logistic", "logistic")]


def test_smooth_genes__by_hand():
    values = np.array([[0, 0, 12, 0, 0, 4, 0]], dtype=np.float32)
    chroms = np.array(["chr1"] * 5 + ["chr2"] * 2)
    # Weights 1 2 3 2 1; at the ends of a chromosome those that lie on it are rescaled.
    # chr1: 12 of weights 1/6, 2/8, 3/9, 2/8, 1/6; chr2: 4 of weights 2/5 and 3/5.
    smoothed = smooth_genes(values, chroms, window=5)
    np.testing.assert_allclose(smoothed, [[2, 3, 4, 3, 2, 1.6 * 1.5, 1.6]], rtol=1e-6)


@given(st.integers(0, 2**31), st.sampled_from([3, 7, 9, 31, 101]))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_smooth_genes__is_the_pyramid_of_its_definition(seed, window):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 60, 4)
    chroms = np.repeat([f"chr{i}" for i in range(4)], sizes)
    values = rng.normal(size=(3, len(chroms))).astype(np.float32)
    place = np.arange(len(chroms))
    near = np.maximum(window // 2 + 1 - np.abs(place[:, None] - place[None, :]), 0)
    near = near * (chroms[:, None] == chroms[None, :])
    expected = values @ (near / near.sum(axis=0))
    np.testing.assert_allclose(smooth_genes(values, chroms, window=window), expected, atol=2e-5)


def test_measure_ratios__by_hand():
    # One gene a chromosome, so that nothing is smoothed; every cell has 8 UMIs.
    counts = sparse.csr_matrix([[3, 1, 1, 3], [3, 1, 1, 3], [0, 7, 1, 0]])
    level = fit_baseline(counts, np.array(list("abcd")), [np.array([0, 1])], window=3)
    assert level.depth == 8
    ratio = np.concatenate(list(measure_ratios(counts, level, denoise="none")))
    # Cell 2 against the reference: -2, +2, 0, -2; less its median of -1: -1, 3, 1, -1.
    np.testing.assert_allclose(ratio, [[1, 1, 1, 1], [1, 1, 1, 1], [0.5, 8, 2, 0.5]])
    assert score_variability(ratio)[2] == pytest.approx((0.25 + 49 + 1 + 0.25) / 4)


def test_measure_ratios__clip_strong_genes():
    counts = sparse.csr_matrix([[3, 1, 1, 3], [0, 7, 1, 0]])
    level = fit_baseline(counts, np.array(list("abcd")), [np.array([0])], window=3, clip=1.5)
    ratio = next(measure_ratios(counts, level, denoise="none"))
    np.testing.assert_allclose(ratio[1], 2.0 ** np.array([-0.75, 2.25, 0.75, -0.75]))


def test_measure_ratios__lie_at_1_between_several_references():
    counts = sparse.csr_matrix([[1, 3, 1, 3], [3, 1, 3, 1], [2, 2, 2, 2]])
    references = [np.array([0]), np.array([1])]
    level = fit_baseline(counts, np.array(list("abcd")), references, window=3)
    ratio = next(measure_ratios(counts, level, denoise="none"))
    np.testing.assert_allclose(ratio, 1)


def test_measure_ratios__do_not_depend_on_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(1.0, (20, 60)) + 1)
    chroms = np.repeat(["chr1", "chr2"], 30)
    whole = measure_ratios(counts, fit_baseline(counts, chroms, [np.arange(9)], window=11))
    whole = np.concatenate(list(whole))
    monkeypatch.setattr("helpers.compute.cnv.CHUNK", 7)
    parts = measure_ratios(counts, fit_baseline(counts, chroms, [np.arange(9)], window=11))
    np.testing.assert_allclose(np.concatenate(list(parts)), whole, rtol=1e-5)


@pytest.fixture(scope="module")
def oligo(oracles: Path) -> tuple[sparse.csr_matrix, pd.DataFrame, pd.Series]:
    """inferCNV's oligodendrogliomas: counts of its genes in its cells, their order, the cells."""
    folder = oracles / "infercnv"
    table = read_tsv(
        folder / "input/oligodendroglioma_expression_downsampled.counts.matrix.gz", index_col=0
    )
    order = read_tsv(folder / "output/nodenoise_gene_order.tsv.gz")
    cells = read_tsv(folder / "output/nodenoise_cell_scores.tsv.gz").set_index("cell")["group"]
    return sparse.csr_matrix(table.loc[order["gene"], cells.index].to_numpy().T), order, cells


@pytest.mark.parametrize(("run", "denoise"), RUNS)
def test_measure_ratios__are_infercnvs(oracles: Path, oligo, run, denoise):
    counts, order, cells = oligo
    references = [np.flatnonzero(cells == name) for name in REFERENCES]
    level = fit_baseline(counts, order["chr"].to_numpy(), references)
    ratio = np.concatenate(list(measure_ratios(counts, level, denoise=denoise)))
    folder = oracles / "infercnv/output"
    theirs = read_tsv(folder / f"{run}_expr.tsv.gz", index_col=0)  # five significant digits
    ours = ratio[cells.index.get_indexer(theirs.columns)]
    np.testing.assert_allclose(ours, theirs.to_numpy().T, atol=6e-5)
    score = read_tsv(folder / f"{run}_cell_scores.tsv.gz")["cnv_score_mean_sq"]
    np.testing.assert_allclose(score_variability(ratio), score, atol=1e-8)


def test_measure_ratios__are_those_of_infercnvs_example(real_data: Path):
    counts, genes, labels, theirs, kept = (
        pd.read_csv(real_data / f"cnv/infercnv_example_{name}.csv.gz", index_col=0)
        for name in ("data", "genes", "annots", "object_expr_data", "object_gene_order")
    )
    placed = genes[genes.index.isin(counts.index) & ~genes["V2"].isin(["chrX", "chrY", "chrM"])]
    matrix = sparse.csr_matrix(counts.loc[placed.index, theirs.columns].to_numpy().T)
    used = find_expressed(matrix, min_mean=1.0)
    assert placed.index[used].tolist() == kept.index.tolist()
    normal = np.flatnonzero(labels.loc[theirs.columns, "V2"] == "normal")
    level = fit_baseline(matrix[:, used], placed["V2"].to_numpy()[used], [normal])
    ratio = next(measure_ratios(matrix[:, used], level))
    np.testing.assert_allclose(ratio, theirs.to_numpy().T, atol=1e-5)


def test_find_expressed__by_hand():
    counts = sparse.csr_matrix([[4, 1, 0], [0, 1, 1], [0, 1, 0], [0, 1, 0]])
    assert find_expressed(counts, min_mean=1.0).tolist() == [False, True, False]
    assert find_expressed(counts, min_mean=1.0, min_cells=1).tolist() == [True, True, False]


def test_place_genes__leaves_out_what_b_and_t_cells_switch_on():
    reference = read_genes().assign(arm=arm_of_genes(read_genes()))
    names = ["HLA-A", "IGKC", "IGHM", "IGLL1", "VPREB1", "TRAC", "TRBC1", "XIST", "MT-ND1"]
    kept = ["RUNX1", "CD74", "TRADD", "IGF1R", "TRAF3", "IGHMBP2", "PTPRC"]
    measured = pd.Index([*names, *kept])
    placed = place_genes(measured, reference)
    assert placed["gene"].tolist() == [
        "PTPRC",
        "CD74",
        "IGHMBP2",
        "TRAF3",
        "IGF1R",
        "TRADD",
        "RUNX1",
    ]
    assert (measured[placed["column"]] == placed["gene"]).all()
    everything = place_genes(measured, reference, exclude_loci=False)
    assert set(everything["gene"]) == {*names, *kept} - {"XIST", "MT-ND1"}


def test_place_genes__says_when_names_are_not_symbols():
    with pytest.raises(DataError, match="are the names gene symbols"):
        place_genes(pd.Index(["g1"]), read_genes().assign(arm=""))


@pytest.mark.parametrize(
    ("references", "window", "words"),
    [([], 3, "at least one cell"), ([[]], 3, "at least one cell"), ([[0]], 4, "odd .* not 4")],
)
def test_fit_baseline__says_what_is_wrong(references, window, words):
    rows = [np.array(one, dtype=int) for one in references]
    with pytest.raises(DataError, match=words):
        fit_baseline(sparse.csr_matrix([[1, 2]]), np.array(["a", "a"]), rows, window=window)


def test_fit_baseline__refuses_cells_without_counts():
    with pytest.raises(DataError, match="1 cells have no count"):
        fit_baseline(sparse.csr_matrix([[1, 2], [0, 0]]), np.array(["a", "a"]), [np.array([0])])
