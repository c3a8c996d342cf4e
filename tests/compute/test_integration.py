"""Aligning donors: the original Harmony, planted types and donors, small inputs."""

import numpy as np
import pytest
from oracle import aligned_correlation, read_names, read_tsv
from samples import make_batch, read_pbmc
from scipy import sparse
from sklearn.metrics import silhouette_score

from helpers.compute.integration import align_cca, align_harmony
from helpers.compute.normalise import find_components
from helpers.errors import DataError

SLACK = 0.02  # below the spread between seeds of the original


@pytest.mark.parametrize(("name", "batch"), [("pbmc1200", "donor"), ("cell_lines", "dataset")])
def test_align_harmony__agrees_with_the_original_as_its_own_seeds_do(oracles, name, batch):
    folder = oracles / "harmony"
    scores = read_tsv(folder / f"input/{name}_pcs.tsv.gz", index_col=0)
    meta = read_tsv(folder / f"input/{name}_meta.tsv.gz")
    original = read_tsv(folder / f"output/{name}_corrected_pcs.tsv.gz", index_col=0)
    spread = read_tsv(folder / f"output/{name}_seed_spread.tsv")["min_pc_correlation_with_seed1"]
    ours = align_harmony(scores.to_numpy(), meta[batch].to_numpy(), seed=0)
    correlation = aligned_correlation(ours, original.to_numpy())
    assert correlation.min() >= spread.min() - SLACK


def test_align_harmony__with_one_donor_changes_nothing():
    scores = np.random.default_rng(0).normal(size=(30, 4))
    aligned = align_harmony(scores, np.repeat("a", 30), seed=0)
    np.testing.assert_array_equal(aligned, scores)
    assert aligned is not scores


@pytest.fixture(scope="module")
def two_donors():
    """Two donors with the same three types, set apart by what each does to every gene."""
    parts = [make_batch(list("ABC"), n_per_type=80, shift=0.3, seed=s) for s in (1, 2)]
    expression = sparse.vstack([part for part, _ in parts], format="csr")
    types = np.concatenate([truth for _, truth in parts])
    return expression, types, np.repeat(["one", "two"], 240)


@pytest.mark.parametrize("method", ["harmony", "cca"])
def test_alignment__joins_donors_and_keeps_types_apart(two_donors, method):
    expression, types, donors = two_donors
    before = find_components(expression, n_components=10).scores
    after = (
        align_harmony(before, donors, seed=0)
        if method == "harmony"
        else align_cca(expression, donors, n_components=10)
    )
    assert silhouette_score(before, donors) > 0.15
    assert silhouette_score(after, donors) < 0.05
    assert silhouette_score(after, types) > 0.3


def test_align_cca__returns_cells_in_their_order(two_donors):
    expression, types, donors = two_donors
    order = np.random.default_rng(3).permutation(len(donors))
    shuffled = align_cca(expression[order], donors[order], n_components=10)
    assert silhouette_score(shuffled, types[order]) > 0.3


def test_align_cca__with_one_donor_gives_its_components(two_donors):
    expression, _, donors = two_donors
    mine = expression[donors == "one"]
    aligned = align_cca(mine, np.repeat("one", 240), n_components=5)
    np.testing.assert_allclose(aligned, find_components(mine, n_components=5).scores)


@pytest.mark.parametrize(("name", "batch"), [("pbmc1200", "donor"), ("cell_lines", "dataset")])
def test_align_harmony__agrees_with_its_first_translation(oracles, name, batch):
    folder = oracles / "harmony"
    scores = read_tsv(folder / f"input/{name}_pcs.tsv.gz", index_col=0)
    meta = read_tsv(folder / f"input/{name}_meta.tsv.gz")
    spread = read_tsv(folder / f"output/{name}_seed_spread.tsv")["min_pc_correlation_with_seed1"]
    other = read_tsv(oracles / f"harmonypy/output/{name}_corrected_pcs.tsv.gz", index_col=0)
    for seed in range(3):
        ours = align_harmony(scores.to_numpy(), meta[batch].to_numpy(), seed=seed)
        assert aligned_correlation(ours, other.to_numpy()).min() >= spread.min() - SLACK


def test_align_harmony__repeats_itself_and_leaves_its_argument(two_donors):
    expression, _, donors = two_donors
    scores = find_components(expression, n_components=6).scores
    before = scores.copy()
    one, other = (align_harmony(scores, donors, seed=1) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize("n_cells", [12, 21, 40])
def test_align_harmony__works_on_a_few_cells_and_as_many_components(n_cells):
    # 12 cells are too few for a cluster of 30, and as many as there are components
    rng = np.random.default_rng(n_cells)
    scores = rng.normal(size=(n_cells, 12))
    donors = np.where(np.arange(n_cells) % 2, "one", "two")
    scores[donors == "one", 0] += 3.0
    aligned = align_harmony(scores, donors, seed=0)
    assert aligned.shape == scores.shape
    apart = [
        abs(x[donors == "one", 0].mean() - x[donors == "two", 0].mean()) for x in (scores, aligned)
    ]
    assert apart[1] < apart[0]
    assert np.corrcoef(aligned[:, 3], scores[:, 3])[0, 1] > 0.5


def test_align_cca__says_which_donor_is_too_small(two_donors):
    expression, _, donors = two_donors
    kept = np.concatenate([np.flatnonzero(donors == "one"), np.flatnonzero(donors == "two")[:8]])
    with pytest.raises(DataError, match="8"):
        align_cca(expression[kept], donors[kept], n_components=5)


@pytest.mark.slow
def test_align_cca__gives_seurats_components(oracles):
    folder = oracles / "seurat_cca" / "output"
    features = read_names(folder / "integration_features.txt.gz")
    read = [read_pbmc(oracles, name) for name in ("ctrl", "stim")]
    expression = sparse.vstack(
        [values[:, genes.get_indexer(features)] for values, _, genes in read], format="csr"
    )
    batches = np.repeat(["ctrl", "stim"], [len(cells) for _, cells, _ in read])
    ours = align_cca(expression, batches, n_components=20)
    theirs = read_tsv(folder / "integrated_pca20.tsv.gz", index_col=0)
    assert aligned_correlation(ours, theirs.to_numpy()).min() > 0.999
