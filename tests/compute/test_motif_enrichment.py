"""Motif enrichment: FindMotifs' answer, Fisher's exact test, backgrounds alike, nothing planted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracle import read_labelled_matrix, read_names
from scipy import sparse, stats

from helpers.compute.deviations import PeakBins, bin_peaks
from helpers.compute.motif_enrichment import enrich_motifs, find_motifs, match_background
from helpers.errors import DataError

TYPES = ("01HSC", "05CMPLMPP", "07GMP", "15CLP2", "17B", "19CD8N")


def test_find_motifs__by_hand():
    # the motif is in 3 of 4 peaks of interest and in 4 of 8: choose(4,3)*choose(4,1)/choose(8,4)
    # of exactly three, and choose(4,4)/choose(8,4) of four: 17/70
    matches = sparse.csc_matrix(np.array([[1, 1, 1, 0, 1, 0, 0, 0]], dtype=bool).T)
    found = find_motifs(matches, np.arange(4), np.arange(8)).iloc[0]
    assert found["pvalue"] == pytest.approx(17 / 70)
    assert found["fold"] == pytest.approx(1.5)
    assert found[["observed", "n_foreground", "background", "n_background"]].tolist() == [
        3,
        4,
        4,
        8,
    ]


@pytest.mark.parametrize("kind", TYPES)
def test_find_motifs__agrees_with_findmotifs(oracles: Path, kind: str):
    matches, motifs, peaks = read_labelled_matrix(oracles / "chromvar/input/hemato_tfbs")
    chosen = read_names(oracles / f"motifs/input/hemato_top400_{kind}.txt.gz")
    path = oracles / f"motifs/output/findmotifs_hemato_{kind}.tsv"
    answer = pd.read_csv(path, sep="\t").set_index("motif")
    found = find_motifs(
        matches.T.tocsc(), peaks.get_indexer(chosen), np.arange(len(peaks))
    ).set_index(motifs)
    mine = found.loc[answer.index]
    np.testing.assert_allclose(mine["pvalue"], answer["pvalue"], rtol=1e-6)
    np.testing.assert_allclose(mine["fold"], answer["fold.enrichment"], rtol=1e-6)
    np.testing.assert_allclose(mine["padj"], answer["p.adjust"], rtol=1e-6)
    assert mine["observed"].tolist() == answer["observed"].tolist()
    assert mine["background"].tolist() == answer["background"].tolist()


def test_enrich_motifs__is_fishers_exact_test():
    rng = np.random.default_rng(0)
    matches = sparse.csc_matrix(rng.random((120, 20)) < rng.uniform(0.1, 0.6, 20))
    found = enrich_motifs(matches, np.arange(50), np.arange(50, 120))
    for row in found.itertuples():
        table = [
            [row.observed, 50 - row.observed],
            [row.background, 70 - row.background],
        ]
        assert row.pvalue == pytest.approx(stats.fisher_exact(table, "greater").pvalue)
        assert row.fold == pytest.approx((row.observed + 0.5) / 51 / ((row.background + 0.5) / 71))
    alone = find_motifs(matches, np.arange(50), np.arange(50, 120))
    assert found["pvalue_findmotifs"].tolist() == alone["pvalue"].tolist()


def test_enrich_motifs__calls_nothing_where_nothing_is_planted_and_findmotifs_does():
    rng = np.random.default_rng(1)
    matches = sparse.csc_matrix(rng.random((800, 400)) < 0.2)
    found = enrich_motifs(matches, np.arange(300), np.arange(300, 800))
    assert (found["pvalue"] < 0.05).mean() < 0.06
    assert (found["padj"] < 0.05).sum() == 0
    # the original takes the background's share for known
    assert (found["pvalue_findmotifs"] < 0.05).mean() > 0.1


def make_peaks(n: int = 6000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Insertions, GC, and peaks of interest, which are richer in both."""
    rng = np.random.default_rng(0)
    total, gc = rng.lognormal(3, 0.8, n), rng.normal(0.45, 0.06, n)
    chance = 1 / (1 + np.exp(-(np.log(total) - 3.5) - 20 * (gc - 0.5)))
    return total, gc, np.flatnonzero(rng.random(n) < 0.15 * chance)


def test_match_background__resembles_the_foreground():
    total, gc, foreground = make_peaks()
    chosen = match_background(bin_peaks(total, gc), foreground, n_peaks=800, seed=0)
    assert len(chosen) == len(set(chosen)) == 800
    assert not set(chosen) & set(foreground)
    for values in (np.log10(total), gc):
        apart = values[foreground].mean() - values.mean()
        left = values[foreground].mean() - values[chosen].mean()
        assert abs(left) < 0.2 * abs(apart)


def test_match_background__draws_in_proportion_to_the_likeness():
    # of the others, 4 are of the kind of the foreground, 40 of another kind
    member = np.repeat([0, 0, 1], [4, 4, 40])
    bins = PeakBins(member, np.eye(2), place=np.column_stack([member, member]).astype(float))
    chosen = match_background(bins, np.arange(4), n_peaks=30, seed=0)
    assert chosen.tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize("n_alike", [0, 20, 120])
@pytest.mark.parametrize("seed", range(3))
def test_match_background__draws_fewer_where_peaks_alike_are_rare(n_alike: int, seed: int):
    # 120 of 6,000 peaks are rich in GC, and a few of the others; motifs follow GC alone
    rng = np.random.default_rng(seed)
    total, gc = rng.lognormal(3, 0.8, 6000), rng.normal(0.45, 0.06, 6000)
    gc[: 120 + n_alike] = rng.normal(0.62, 0.03, 120 + n_alike)
    score = rng.normal(-1, 0.7, 400) + np.outer(gc - gc.mean(), rng.normal(0, 15, 400))
    matches = sparse.csc_matrix(rng.random(score.shape) < 1 / (1 + np.exp(-score)))
    foreground = np.arange(120)
    chosen = match_background(bin_peaks(total, gc), foreground, n_peaks=40_000, seed=seed)
    assert 10 < len(chosen) < 200
    assert abs(gc[chosen].mean() - gc[foreground].mean()) < 0.02
    assert (enrich_motifs(matches, foreground, chosen)["padj"] < 0.05).mean() < 0.01


def test_match_background__leaves_no_gap_where_half_of_the_peaks_are_of_interest():
    # in a bin the others lie nearer to where most peaks are: 0.06 of a standard deviation, else
    rng = np.random.default_rng(0)
    total, gc = rng.lognormal(3, 0.8, 40_000), rng.normal(0.45, 0.06, 40_000)
    foreground = np.flatnonzero(rng.random(40_000) < 1 / (1 + np.exp(-20 * (gc - 0.45))))
    chosen = match_background(bin_peaks(total, gc), foreground, n_peaks=40_000, seed=0)
    assert len(chosen) > 1000
    assert abs(gc[chosen].mean() - gc[foreground].mean()) < 0.002


def test_match_background__draws_none_where_no_peak_is_alike():
    rng = np.random.default_rng(0)
    total, gc = rng.lognormal(3, 0.8, 3000), rng.normal(0.45, 0.02, 3000)
    total[:15], gc[:15] = 1e4, 0.95
    chosen = match_background(bin_peaks(total, gc), np.arange(15), n_peaks=40_000, seed=0)
    assert len(chosen) == 0


def test_match_background__is_the_same_for_the_same_seed():
    total, gc, foreground = make_peaks(1500)
    bins = bin_peaks(total, gc)
    one, two, other = (match_background(bins, foreground, n_peaks=200, seed=s) for s in (1, 1, 2))
    assert one.tolist() == two.tolist()
    assert one.tolist() != other.tolist()


@pytest.mark.parametrize("foreground", [[], [0, 1, 2]])
def test_match_background__needs_peaks_on_both_sides(foreground: list[int]):
    bins = PeakBins(np.zeros(3, int), np.ones((1, 1)), place=np.zeros((3, 2)))
    with pytest.raises(DataError, match=f"{len(foreground)} of 3 peaks are of interest"):
        match_background(bins, np.array(foreground, dtype=int), n_peaks=5, seed=0)
