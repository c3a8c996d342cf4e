"""Canonical components against a dense decomposition and Seurat's."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import aligned_correlation, read_names, read_tsv
from samples import read_pbmc
from scipy import sparse

from helpers.compute.canonical import find_canonical_components
from helpers.errors import DataError


def make_pair(
    seed: int, n_a: int = 30, n_b: int = 40, n_genes: int = 60
) -> tuple[np.ndarray, np.ndarray]:
    """Two samples that share three gradients, with zeros as in counts."""
    rng = np.random.default_rng(seed)
    genes = rng.normal(0, 1, (3, n_genes))
    return tuple(
        np.maximum(rng.normal(0, 2, (n, 3)) @ genes + rng.normal(0, 0.5, (n, n_genes)), 0)
        for n in (n_a, n_b)
    )


def standardise_genes(values: np.ndarray, *, scale: bool) -> np.ndarray:
    deviation = values.std(axis=0, ddof=1) if scale else 1.0
    return np.minimum((values - values.mean(axis=0)) / deviation, 10)


def standardise_cells(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=1, keepdims=True)
    return centred / centred.std(axis=1, ddof=1, keepdims=True)


@pytest.mark.parametrize("scale", [True, False])
def test_find_canonical_components__equal_a_dense_decomposition(scale):
    a, b = make_pair(0, n_a=150)
    a[:, 0] = 0.0
    a[7, 0] = 30.0  # one cell of 150: 12 deviations, or 30, over the mean; clipped at 10
    genes = [standardise_genes(x, scale=scale) for x in (a, b)]
    u, _, vt = np.linalg.svd(standardise_cells(genes[0]) @ standardise_cells(genes[1]).T)
    u, v = u[:, :4] * np.sign(u[0, :4]), vt[:4].T * np.sign(u[0, :4])
    space = find_canonical_components(
        sparse.csr_matrix(a), sparse.csr_matrix(b), n_components=4, scale=scale
    )
    np.testing.assert_allclose(space.a, u, atol=1e-9)
    np.testing.assert_allclose(space.b, v, atol=1e-9)
    np.testing.assert_allclose(space.loadings, genes[0].T @ u + genes[1].T @ v, atol=1e-7)


@given(st.integers(0, 2**31))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_find_canonical_components__have_length_1_and_start_positive(seed):
    a, b = make_pair(seed)
    space = find_canonical_components(sparse.csr_matrix(a), sparse.csr_matrix(b), n_components=3)
    for side in (space.a, space.b):
        np.testing.assert_allclose(side.T @ side, np.eye(3), atol=1e-8)
    assert (space.a[0] >= 0).all()


@given(st.integers(0, 2**31))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_find_canonical_components__do_not_depend_on_a_genes_unit(seed):
    a, b = make_pair(seed)
    unit = np.random.default_rng(seed).lognormal(0, 1, a.shape[1])
    plain = find_canonical_components(sparse.csr_matrix(a), sparse.csr_matrix(b), n_components=3)
    scaled = find_canonical_components(
        sparse.csr_matrix(a * unit), sparse.csr_matrix(b), n_components=3
    )
    np.testing.assert_allclose(scaled.a, plain.a, atol=1e-7)
    np.testing.assert_allclose(scaled.b, plain.b, atol=1e-7)


def test_find_canonical_components__leave_out_genes_that_do_not_vary():
    a, b = make_pair(2, n_b=30)
    # the variance of 30 times 0.7 is 4e-16 in floating point
    more_a, more_b = (sparse.csr_matrix(np.insert(x, 5, 0.7, axis=1)) for x in (a, b))
    space = find_canonical_components(more_a, more_b, n_components=3)
    without = find_canonical_components(sparse.csr_matrix(a), sparse.csr_matrix(b), n_components=3)
    np.testing.assert_allclose(space.a, without.a, atol=1e-9)
    assert (space.loadings[5] == 0).all()


def test_find_canonical_components__leave_their_arguments_as_they_are():
    a, b = (sparse.csr_matrix(x) for x in make_pair(3))
    before = a.toarray(), b.toarray()
    find_canonical_components(a, b, n_components=3)
    assert (a.toarray() == before[0]).all()
    assert (b.toarray() == before[1]).all()


def test_find_canonical_components__agree_with_seurat(oracles: Path):
    folder = oracles / "seurat_cca/output"
    features = read_names(folder / "integration_features.txt.gz")
    (a, cells_a, genes), (b, cells_b, _) = (read_pbmc(oracles, name) for name in ("ctrl", "stim"))
    columns = genes.get_indexer(features)
    space = find_canonical_components(a[:, columns], b[:, columns], n_components=20)
    theirs = read_tsv(folder / "cca_embeddings.tsv.gz", index_col=0)
    assert theirs.index.tolist() == [*cells_a, *cells_b]
    ours = np.vstack([space.a, space.b])
    assert aligned_correlation(ours, theirs.to_numpy()).min() > 0.9999
    # the same sign too; what is left is the tolerance of irlba
    np.testing.assert_allclose(ours, theirs.to_numpy(), atol=1e-3)


def test_find_canonical_components__need_the_same_genes():
    a, b = (sparse.csr_matrix(x) for x in make_pair(4))
    with pytest.raises(DataError, match=r"60 and 59 genes; pass the same genes"):
        find_canonical_components(a, b[:, 1:], n_components=3)


def test_find_canonical_components__need_more_cells_than_components():
    a, b = (sparse.csr_matrix(x) for x in make_pair(5, n_a=10))
    with pytest.raises(DataError, match=r"10 and 40 cells and 60 genes. Lower n_components"):
        find_canonical_components(a, b, n_components=10)
