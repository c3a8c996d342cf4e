"""Normalisation, variable genes and components: by hand, laws, Seurat and scanpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracle import aligned_correlation, read_labelled_matrix, read_tsv
from scipy import sparse

from helpers.compute.normalise import (
    find_components,
    gene_moments,
    log_normalise,
    pick_variable_genes,
    score_variability,
    standardise,
)
from helpers.errors import DataError
from helpers.io.tenx import read_rna

COUNTS = arrays(np.int64, (5, 4), elements=st.integers(0, 50))


@pytest.fixture(scope="module")
def pbmc(oracles):
    return read_labelled_matrix(oracles / "inputs" / "kang_pbmc" / "ctrl")


def test_log_normalise__by_hand():
    counts = sparse.csr_matrix([[1, 3, 0], [0, 0, 0]])
    # 1 and 3 of 4 UMIs, scaled to 8, are 2 and 6; an empty cell stays empty
    expected = [[np.log(3), np.log(7), 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(log_normalise(counts, target_sum=8).toarray(), expected)


def test_log_normalise__takes_totals_of_all_genes_where_given():
    counts = sparse.csr_matrix([[1, 3]])
    scaled = log_normalise(counts, target_sum=8, totals=np.array([8.0]))
    np.testing.assert_allclose(scaled.toarray(), np.log([[2, 4]]))


@given(COUNTS)
@settings(derandomize=True, deadline=None)
def test_log_normalise__cells_add_up_to_the_target(counts):
    scaled = np.expm1(log_normalise(sparse.csr_matrix(counts)).toarray()).sum(axis=1)
    np.testing.assert_allclose(scaled, np.where(counts.sum(axis=1) > 0, 10_000, 0), rtol=1e-9)


@given(COUNTS)
@settings(derandomize=True, deadline=None)
def test_gene_moments__equal_numpy(counts):
    mean, variance = gene_moments(sparse.csr_matrix(counts))
    np.testing.assert_allclose(mean, counts.mean(axis=0))
    np.testing.assert_allclose(variance, counts.var(axis=0, ddof=1), atol=1e-9)


def test_standardise__by_hand_and_clips_and_leaves_constant_genes_at_zero():
    values = sparse.csr_matrix([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    np.testing.assert_allclose(standardise(values), [[-1, 0], [0, 0], [1, 0]])
    np.testing.assert_allclose(standardise(values, scale_max=0.5)[:, 0], [-1, 0, 0.5])


def test_variability__equals_seurat(oracles, pbmc):
    counts, _, genes = pbmc
    seurat = read_tsv(oracles / "seurat_basic/output/hvg_vst.tsv.gz").set_index("gene").loc[genes]
    ours = score_variability(counts)
    for mine, theirs in (
        ("mean", "mean"),
        ("variance", "variance"),
        ("variance_standardised", "variance.standardized"),
    ):
        np.testing.assert_allclose(ours[mine], seurat[theirs], rtol=1e-6, atol=1e-9)
    chosen = set(genes[pick_variable_genes(counts, n_genes=2000)])
    theirs = set(seurat.index[seurat["variable"]])
    # Genes that tie at the cut are equally variable, and either may be taken.
    tied = seurat.loc[sorted(chosen ^ theirs), "variance.standardized"]
    cut = seurat.loc[sorted(theirs), "variance.standardized"].min()
    np.testing.assert_allclose(tied, cut, rtol=1e-9)
    assert len(chosen) == len(theirs) == 2000


def test_components__equal_seurat_up_to_sign(oracles, pbmc):
    counts, cells, genes = pbmc
    folder = oracles / "seurat_basic" / "output"
    seurat = read_tsv(folder / "pca_exact_embeddings.tsv.gz", index_col=0).loc[cells]
    loadings = read_tsv(folder / "pca_exact_loadings.tsv.gz", index_col=0)
    columns = genes.get_indexer(loadings.index)
    found = find_components(log_normalise(counts)[:, columns], n_components=30)
    assert aligned_correlation(found.scores, seurat.to_numpy()).min() > 1 - 1e-9
    np.testing.assert_allclose(
        np.abs(found.scores), np.abs(seurat.to_numpy()), atol=1e-5 * seurat.to_numpy().std()
    )
    deviations = read_tsv(folder / "pca_exact_stdev.tsv")["stdev"].iloc[:30]
    np.testing.assert_allclose(np.sqrt(found.variance), deviations, rtol=1e-6)


def test_components__project_the_cells_they_were_found_on_where_they_are():
    rng = np.random.default_rng(0)
    values = sparse.csr_matrix(rng.poisson(1.0, (60, 20)).astype(float))
    found = find_components(values, n_components=5)
    np.testing.assert_allclose(found.project(values), found.scores, atol=1e-9)
    np.testing.assert_allclose(found.loadings.T @ found.loadings, np.eye(5), atol=1e-9)


def test_components__refuse_more_than_there_are_cells():
    with pytest.raises(DataError, match="9 principal components need more cells"):
        find_components(sparse.csr_matrix(np.eye(5)), n_components=9)


def test_pick_variable_genes__finds_planted_ones_and_refuses_none():
    rng = np.random.default_rng(1)
    level = np.linspace(0.5, 30.0, 300)
    counts = rng.poisson(level, (400, 300))
    planted = [30, 60, 90]
    counts[:200, planted] += rng.poisson(8.0, (200, 3))
    assert set(pick_variable_genes(sparse.csr_matrix(counts), n_genes=3)) == set(planted)
    with pytest.raises(DataError, match="too few genes vary"):
        pick_variable_genes(sparse.csr_matrix(np.ones((50, 30), dtype=int)), n_genes=5)


def test_pick_variable_genes__prefers_what_varies_within_samples_to_what_sets_them_apart():
    rng = np.random.default_rng(2)
    counts = rng.poisson(np.linspace(0.5, 30.0, 300), (600, 300))
    batches = np.repeat(["a", "b"], 300)
    counts[batches == "b", 50] += 30  # differs between samples only
    for start in (0, 300):
        counts[start : start + 150, 90] += rng.poisson(8.0, 150)  # differs within both
    picked = pick_variable_genes(sparse.csr_matrix(counts), n_genes=1, batches=batches)
    assert picked.tolist() == [90]


def test_variable_genes__are_scaled_as_seurat_scales_them(oracles, pbmc):
    counts, cells, genes = pbmc
    name = "seurat_basic/output/scaled_top100genes_first200cells.tsv.gz"
    seurat = read_tsv(oracles / name, index_col=0).T
    scaled = standardise(log_normalise(counts)[:, genes.get_indexer(seurat.columns)])
    rows = cells.get_indexer(seurat.index)
    np.testing.assert_allclose(scaled[rows], seurat, atol=1e-6)


def test_variability__of_every_gene_picked_is_that_of_seurats_in_order(oracles, pbmc):
    counts, _, genes = pbmc
    seurat = read_tsv(oracles / "seurat_basic/output/hvg_vst.tsv.gz").set_index("gene")
    picked = genes[pick_variable_genes(counts, n_genes=2000)]
    theirs = seurat.dropna(subset="rank").sort_values("rank")["variance.standardized"]
    np.testing.assert_allclose(seurat.loc[picked, "variance.standardized"], theirs, rtol=1e-9)


def test_components__have_seurats_loadings(oracles, pbmc):
    counts, _, genes = pbmc
    loadings = read_tsv(oracles / "seurat_basic/output/pca_exact_loadings.tsv.gz", index_col=0)
    found = find_components(
        log_normalise(counts)[:, genes.get_indexer(loadings.index)], n_components=30
    )
    np.testing.assert_allclose(np.abs(found.loadings), np.abs(loadings), atol=1e-6)


def test_components__equal_scanpy_up_to_sign(oracles, pbmc):
    counts, cells, _ = pbmc
    folder = oracles / "scanpy" / "output"
    variable = read_tsv(folder / "hvg_seurat.tsv.gz")["highly_variable"].to_numpy()
    scanpy = read_tsv(folder / "pca.tsv.gz", index_col=0).loc[cells].to_numpy()
    found = find_components(log_normalise(counts)[:, variable], n_components=30)
    deviations = np.sqrt(read_tsv(folder / "pca_variance.tsv")["variance"].iloc[:30])
    np.testing.assert_allclose(np.sqrt(found.variance), deviations, rtol=1e-5)
    assert aligned_correlation(found.scores, scanpy).min() > 1 - 1e-5
    # scanpy computes in single precision, which turns components of nearly equal variance into
    # one another; the first ten stand apart
    first, largest = np.s_[:, :10], np.abs(scanpy).max()
    np.testing.assert_allclose(
        np.abs(found.scores[first]), np.abs(scanpy[first]), atol=1e-5 * largest
    )


def test_components__equal_a_dense_decomposition_of_clipped_genes():
    rng = np.random.default_rng(3)
    values = rng.poisson(0.3, (80, 12)) * rng.gamma(1.0, 2.0, (80, 12))
    values[:, 4] = 7.0  # a gene that is constant
    deviation = values.std(axis=0, ddof=1)
    scaled = (values - values.mean(axis=0)) / np.where(deviation > 1e-9, deviation, 1)
    scaled = np.minimum(scaled, 2.0)
    centred = scaled - scaled.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    found = find_components(sparse.csr_matrix(values), n_components=4, scale_max=2.0)
    np.testing.assert_allclose(np.abs(found.scores), np.abs(u[:, :4] * s[:4]), atol=1e-9)
    np.testing.assert_allclose(found.variance, s[:4] ** 2 / 79)
    np.testing.assert_allclose(found.loadings[4], 0, atol=1e-12)
    largest = np.abs(found.loadings).argmax(axis=0)
    assert (found.loadings[largest, range(4)] > 0).all()


def make_counts(seed: int, n_cells: int = 120, n_genes: int = 200) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    return sparse.csr_matrix(rng.poisson(rng.gamma(0.5, 1.0, n_genes), (n_cells, n_genes)))


@pytest.mark.parametrize("seed", range(5))
def test_pick_variable_genes__does_not_depend_on_the_order_of_the_cells(seed):
    counts = make_counts(seed)
    order = np.random.default_rng(seed).permutation(counts.shape[0])
    np.testing.assert_array_equal(
        pick_variable_genes(counts, n_genes=60), pick_variable_genes(counts[order], n_genes=60)
    )


def test_pick_variable_genes__does_not_mind_a_gene_that_no_cell_has():
    counts = make_counts(5)
    more = sparse.hstack([counts, sparse.csr_matrix((120, 1))], format="csr")
    np.testing.assert_array_equal(
        pick_variable_genes(more, n_genes=60), pick_variable_genes(counts, n_genes=60)
    )


def test_pick_variable_genes__takes_genes_that_tie_in_their_order():
    counts = make_counts(6).tolil()
    counts[:, 150] = counts[::-1, 10]  # the same numbers in other cells
    ranks = pick_variable_genes(counts.tocsr(), n_genes=200).tolist()
    assert ranks.index(150) == ranks.index(10) + 1


def test_pick_variable_genes__a_batch_of_one_cell_has_no_say():
    counts = make_counts(7)
    batches = np.repeat(["many", "single"], [119, 1])
    np.testing.assert_array_equal(
        pick_variable_genes(counts, n_genes=40, batches=batches),
        pick_variable_genes(counts[:119], n_genes=40),
    )


def test_pick_variable_genes__can_be_found_in_a_sample_of_a_hundred_cells(real_data):
    # most genes show one or two UMIs there, so that their means are tied
    sample = read_rna(real_data / "cohorts/pbmc3k/pbmc3k/filtered_feature_bc_matrix.h5")[:100]
    genes = sample.var_names[pick_variable_genes(sample.X, n_genes=200)]
    assert {"LYZ", "S100A9", "NKG7", "CD74"} <= set(genes)


def test_pick_variable_genes__what_most_samples_agree_on_comes_before_the_first_of_one():
    rng = np.random.default_rng(8)
    counts = rng.poisson(np.linspace(0.5, 30.0, 300), (600, 300))
    batches = np.repeat(["a", "b"], 300)
    for start, own in ((0, 60), (300, 120)):
        counts[start : start + 150, 90] += rng.poisson(8.0, 150)  # second in both
        counts[start : start + 150, own] += rng.poisson(30.0, 150)  # first in one of them
    for_each = [
        pick_variable_genes(sparse.csr_matrix(counts[batches == name]), n_genes=2).tolist()
        for name in "ab"
    ]
    assert for_each == [[60, 90], [120, 90]]
    picked = pick_variable_genes(sparse.csr_matrix(counts), n_genes=3, batches=batches)
    assert picked[0] == 90
