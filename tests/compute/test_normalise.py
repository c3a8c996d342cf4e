import numpy as np
import pytest
from hypothesis import given
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
def test_log_normalise__cells_add_up_to_the_target(counts):
    scaled = np.expm1(log_normalise(sparse.csr_matrix(counts)).toarray()).sum(axis=1)
    np.testing.assert_allclose(scaled, np.where(counts.sum(axis=1) > 0, 10_000, 0), rtol=1e-9)


@given(COUNTS)
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
