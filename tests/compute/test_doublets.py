import numpy as np
import pandas as pd
import pytest
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse
from sklearn.metrics import roc_auc_score

from helpers.compute.doublets import (
    call_doubletfinder,
    call_scrublet,
    find_doublets,
    pair_cells,
    pick_scrublet_genes,
    score_doubletfinder,
    score_scrublet,
)
from helpers.errors import DataError

SETTINGS = {"expected_rate": 0.08, "cut": 0.25, "pn": 0.25, "pk": 0.09, "n_components": 30}


@pytest.fixture(scope="module")
def pbmc(oracles):
    return read_labelled_matrix(oracles / "inputs" / "pbmc4k" / "pbmc4k_1200")


def test_scrublet__equals_the_original_on_the_same_parents(oracles, pbmc):
    counts, cells, genes = pbmc
    folder = oracles / "scrublet"
    parents = read_tsv(folder / "input/simulated_parents.tsv.gz").to_numpy()
    used = read_tsv(folder / "output/genes_used.tsv.gz")["gene"]
    scores = score_scrublet(
        counts, parents, genes=genes.get_indexer(used), expected_rate=0.06, n_components=30
    )
    original = read_tsv(folder / "output/scores.tsv.gz").set_index("cell").loc[cells]
    simulated = read_tsv(folder / "output/simulated_scores.tsv.gz")["sim_score"]
    np.testing.assert_allclose(scores.cells, original["doublet_score"], atol=1e-4)
    np.testing.assert_allclose(scores.artificial, simulated, atol=1e-4)


def test_scrublet_genes__are_those_of_the_original(oracles, pbmc):
    counts, _, genes = pbmc
    used = set(read_tsv(oracles / "scrublet/output/genes_used.tsv.gz")["gene"])
    picked = set(genes[pick_scrublet_genes(counts)])
    assert len(picked & used) / len(picked | used) >= 0.99


def test_doubletfinder__equals_the_original_on_the_same_pairs(oracles, pbmc):
    counts, cells, _ = pbmc
    pairs = read_tsv(oracles / "doubletfinder/input/artificial_pairs.tsv.gz")
    parents = np.column_stack([cells.get_indexer(pairs[f"parent{i}"]) for i in (1, 2)])
    score = score_doubletfinder(counts, parents, pk=0.09, n_components=10)
    folder = oracles / "doubletfinder" / "output"
    original = read_tsv(folder / "pann_pN0.25_pK0.09.tsv.gz").set_index("cell").loc[cells]
    assert np.corrcoef(score, original["pANN"])[0, 1] >= 0.99


def test_calls__by_hand():
    score = np.array([0.1, 0.3, 0.5, 0.26])
    assert call_scrublet(score, cut=0.25).tolist() == [False, True, True, True]
    called = call_doubletfinder(score, expected_rate=0.5, cut=0.25)
    assert called.tolist() == [False, True, True, False]  # half of four, those with the highest
    assert not call_doubletfinder(score, expected_rate=0.5, cut=0.6).any()


def mix(rate: float, seed: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Four clear types of 200 cells, a share of them with a second cell of another type in it."""
    rng = np.random.default_rng(seed)
    base = np.random.default_rng(0).gamma(0.6, 1.0, (4, 300)) * 2
    kind = np.repeat(range(4), 200)
    counts = rng.poisson(base[kind])
    doublet = rng.random(800) < rate
    other = (kind + rng.integers(1, 4, 800)) % 4
    counts[doublet] += rng.poisson(base[other[doublet]])
    return sparse.csr_matrix(counts), doublet


def test_find_doublets__ranks_planted_doublets_first_by_both_methods():
    counts, doublet = mix(0.06, seed=1)
    calls = find_doublets(counts, **SETTINGS, seed=0)
    assert roc_auc_score(doublet, calls.scrublet_score) >= 0.90
    assert roc_auc_score(doublet, calls.doubletfinder_score) >= 0.90
    assert calls.scrublet[doublet].mean() > 0.7


def test_find_doublets__calls_few_where_there_are_none():
    counts, _ = mix(0.0, seed=2)
    calls = find_doublets(counts, **SETTINGS, seed=0)
    assert calls.scrublet.mean() < 0.02
    assert calls.doubletfinder.mean() <= 0.08


def test_find_doublets__gives_the_same_for_the_same_seed():
    counts, _ = mix(0.06, seed=3)
    one, other = (pd.DataFrame(vars(find_doublets(counts, **SETTINGS, seed=4))) for _ in "ab")
    pd.testing.assert_frame_equal(one, other)


def test_find_doublets__refuses_fewer_cells_than_components():
    counts, _ = mix(0.0, seed=5)
    with pytest.raises(DataError, match="30 cells are too few for 30 components"):
        find_doublets(counts[:30], **SETTINGS, seed=0)


def test_pair_cells__draws_pairs_of_cells():
    pairs = pair_cells(10, 500, seed=0)
    assert pairs.shape == (500, 2)
    assert set(pairs.ravel()) == set(range(10))
