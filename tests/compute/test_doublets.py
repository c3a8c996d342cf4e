"""Doublets: the original programs, by hand, planted doublets, and none."""

from dataclasses import replace
from functools import cache

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse
from sklearn.metrics import roc_auc_score

from helpers.compute.doublets import (
    call_doublets,
    find_doublets,
    pair_cells,
    pick_scrublet_genes,
    score_doubletfinder,
    score_noise,
    score_scrublet,
)
from helpers.compute.quality import choose_doublets
from helpers.compute.recovery import rate_doublets
from helpers.errors import DataError
from helpers.io.reference import arm_of_genes, read_genes
from helpers.params import load_params
from helpers.synth.design import make_design
from helpers.synth.rna import choose_genes, make_landscape, make_sample

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
    used = read_tsv(oracles / "scrublet/output/genes_used.tsv.gz")["gene"]
    assert sorted(genes[pick_scrublet_genes(counts)]) == sorted(used)


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
    assert call_doublets(score, expected_rate=1.0, cut=0.25).tolist() == [False, True, True, True]
    called = call_doublets(score, expected_rate=0.5, cut=0.25)
    assert called.tolist() == [False, True, True, False]  # half of four, those with the highest
    assert not call_doublets(score, expected_rate=0.5, cut=0.6).any()


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


def test_find_doublets__takes_no_more_of_a_continuum_than_loading_can_have_made():
    rng = np.random.default_rng(4)
    ends = rng.gamma(0.6, 2.0, (2, 300))
    share = rng.random((800, 1))
    counts = sparse.csr_matrix(rng.poisson(share * ends[0] + (1 - share) * ends[1]))
    calls = find_doublets(counts, **SETTINGS, seed=0)
    assert (calls.scrublet_score > SETTINGS["cut"]).mean() > 0.15
    assert calls.scrublet.mean() <= SETTINGS["expected_rate"]


def test_find_doublets__is_made_of_its_parts():
    counts, _ = mix(0.06, seed=8)
    calls = find_doublets(counts, **SETTINGS, seed=3)
    # two artificial doublets a cell for Scrublet; a quarter of all points for DoubletFinder
    scrublet = score_scrublet(
        counts, pair_cells(800, 1600, seed=3), genes=pick_scrublet_genes(counts), expected_rate=0.08
    )
    finder = score_doubletfinder(
        counts, pair_cells(800, round(800 / 3), seed=4), pk=0.09, n_components=10
    )
    np.testing.assert_array_equal(calls.scrublet_score, scrublet.cells)
    np.testing.assert_array_equal(calls.doubletfinder_score, finder)
    np.testing.assert_array_equal(calls.scrublet, scrublet.cells > 0.25)
    called = call_doublets(finder, expected_rate=0.08, cut=0.25)
    np.testing.assert_array_equal(calls.doubletfinder, called)


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


def test_call_doublets__calls_the_cells_of_the_original(oracles):
    path = oracles / "doubletfinder/output/pann_pN0.25_pK0.09.tsv.gz"
    original = read_tsv(path).set_index("cell")
    called = call_doublets(original["pANN"].to_numpy(), expected_rate=0.06, cut=0.0)
    np.testing.assert_array_equal(called, original["class"] == "Doublet")


def test_score_scrublet__by_hand():
    # Two clear types of 8 cells, 32 artificial doublets, all of both types: none lies near a cell.
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1], 8)
    counts = rng.poisson(np.where(kind[:, None] == np.repeat([0, 1], 20), 30.0, 1.0))
    parents = np.column_stack([rng.integers(0, 8, 32), rng.integers(8, 16, 32)])
    scores = score_scrublet(
        sparse.csr_matrix(counts), parents, genes=np.arange(40), expected_rate=0.1, n_components=2
    )
    # round(0.5 * 4) = 2 neighbours, times 1 + 2 = 6; none of 6 artificial is (0 + 1) / (6 + 2)
    share = 1 / 8
    expected = share * 0.1 / 2 / (0.9 - share * (0.9 - 0.1 / 2))
    np.testing.assert_allclose(scores.cells, expected)
    share = 7 / 8
    expected = share * 0.1 / 2 / (0.9 - share * (0.9 - 0.1 / 2))
    np.testing.assert_allclose(scores.artificial, expected)


@given(st.integers(0, 2**31))
@settings(derandomize=True, deadline=None, max_examples=5)
def test_scores__are_shares_and_go_with_their_cells(seed):
    counts, _ = mix(0.05, seed=seed % 1000)
    counts = counts[::4]
    n_cells = counts.shape[0]
    # no cell is paired with itself: the two would lie on one point and tie
    parents = np.column_stack([np.arange(60), np.arange(60) + 60])
    order = np.random.default_rng(seed).permutation(n_cells)
    place = np.argsort(order)
    genes = np.arange(counts.shape[1])
    for score in (
        lambda x, p: score_scrublet(x, p, genes=genes, expected_rate=0.08, n_components=5).cells,
        lambda x, p: score_doubletfinder(x, p, pk=0.09, n_components=5),
    ):
        plain, moved = score(counts, parents), score(counts[order], place[parents])
        assert ((plain >= 0) & (plain <= 1)).all()
        np.testing.assert_allclose(moved, plain[order], atol=1e-9)


def test_score_noise__is_about_1_for_genes_with_technical_noise_alone():
    rng = np.random.default_rng(1)
    level = np.exp(rng.uniform(-3, 3, 2000))
    counts = rng.poisson(level * rng.gamma(20, 1 / 20, (500, 1)), (500, 2000))
    counts[:250, :20] = rng.poisson(4 * level[:20], (250, 20))
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    seen = variance > 0
    score = score_noise(mean[seen], variance[seen])
    assert 0.9 < np.median(score) < 1.2
    planted = np.flatnonzero(seen) < 20
    assert np.median(score[planted]) > 1.3 * np.median(score[~planted])


def test_pick_scrublet_genes__leaves_out_genes_hardly_seen_and_genes_nobody_has():
    counts, _ = mix(0.0, seed=6)
    dense = np.column_stack([counts.toarray(), np.zeros((800, 2), dtype=int)])
    dense[0, 300] = 50  # a single cell has it
    picked = pick_scrublet_genes(sparse.csr_matrix(dense))
    assert picked.max() < 300
    assert len(picked) == pytest.approx(0.15 * 301, abs=2)


def test_find_doublets__refuses_a_panel_with_fewer_genes_than_components():
    counts, _ = mix(0.0, seed=7)
    with pytest.raises(DataError, match="30 principal components need more cells and genes"):
        find_doublets(counts[:, :40], **SETTINGS, seed=0)


@cache
def simulated(rate: float | None) -> dict[str, ad.AnnData]:
    """Good cells and doublets of the samples of the demonstration cohort."""
    design = make_design("demo")
    if rate is not None:
        design = replace(design, difficulty=replace(design.difficulty, doublet_rate=rate))
    landscape = make_landscape(choose_genes(read_genes(), design, wanted=set()), design)
    arms = arm_of_genes(landscape.genes)
    samples = {s.sample: make_sample(landscape, design, s, arms=arms) for s in design.samples}
    return {name: s[s.obs["kind"].isin(["good", "doublet"])] for name, s in samples.items()}


def call(sample: ad.AnnData) -> pd.DataFrame:
    chosen = load_params("quality")
    calls = find_doublets(
        sample.X,
        expected_rate=chosen.doublet_rate,
        cut=chosen.doublet_cut,
        pn=chosen.doublet_pn,
        pk=chosen.doublet_pk,
        n_components=chosen.doublet_pcs,
        seed=chosen.seed,
    )
    return pd.DataFrame({"barcode": sample.obs_names, **vars(calls)})


@pytest.mark.slow
def test_find_doublets__finds_those_of_the_demonstration_cohort():
    samples = simulated(None)
    called = pd.concat([call(s).assign(sample=name) for name, s in samples.items()])
    planted = pd.concat(
        [s.obs.rename_axis("barcode").reset_index().assign(sample=n) for n, s in samples.items()]
    )
    table = rate_doublets(called, planted).set_index("method")
    assert table.loc["scrublet", "auroc"] >= 0.90
    assert table.loc["doubletfinder", "auroc"] >= 0.90
    # two cells of one type look like one: doublets of different types are found more surely
    assert (table["auroc_different"] > table["auroc"] + 0.02).all()
    assert table.loc["scrublet", "specificity"] > 0.97


@pytest.mark.slow
def test_default_removal__leaves_the_proportions_of_every_group_as_they_are():
    samples = simulated(None)
    rule = load_params("quality").remove_doublets
    cells = []
    for name, sample in samples.items():
        called = call(sample)
        removed = choose_doublets(
            called["scrublet"].to_numpy(), called["doubletfinder"].to_numpy(), rule=rule
        )
        truth = sample.obs.reset_index().assign(group=name.rstrip("123"), removed=removed)
        cells.append(truth[truth["kind"] == "good"])
    good = pd.concat(cells)
    before, after = (
        part.groupby("group")["cell_type"].value_counts(normalize=True)
        for part in (good, good[~good["removed"]])
    )
    # 2.1 where cells called by either method are removed; one of 26 cells is 0.06
    assert np.log2(after / before).abs().max() < 0.2


@pytest.mark.slow
def test_find_doublets__calls_no_more_than_expected_where_none_were_planted():
    for sample in [*simulated(0.0).values()][::3]:
        called = call(sample)
        assert called["scrublet"].mean() <= 0.05
        assert called["doubletfinder"].mean() <= 0.081  # a whole number of cells
