"""Motif deviations: by hand, chromVAR's answer, the limit of many draws, planted openness."""

from pathlib import Path

import numpy as np
import pytest
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse

from helpers.compute import deviations
from helpers.compute.deviations import (
    PeakBins,
    bin_peaks,
    draw_background,
    expect_deviations,
    measure_deviations,
    sample_deviations,
)
from helpers.errors import DataError


def make_nuclei(
    *, n_nuclei: int = 80, n_peaks: int = 400, seed: int = 0
) -> tuple[sparse.csr_matrix, sparse.csc_matrix, np.ndarray]:
    """Counts, matches of three motifs, GC; the first motif is open in the first half of nuclei."""
    rng = np.random.default_rng(seed)
    gc = rng.uniform(0.3, 0.7, n_peaks)
    matches = rng.random((n_peaks, 3)) < 0.15
    rate = rng.lognormal(-1, 0.7, n_peaks) * np.exp(2 * (gc - 0.5))
    rate = np.tile(rate, (n_nuclei, 1)) * rng.lognormal(0, 0.3, (n_nuclei, 1))
    rate[: n_nuclei // 2, matches[:, 0]] *= 2.0
    counts = rng.poisson(rate)
    counts[0, counts.sum(axis=0) == 0] = 1
    return sparse.csr_matrix(counts), sparse.csc_matrix(matches), gc


def test_sample_deviations__by_hand():
    counts = sparse.csr_matrix([[4, 0, 0], [0, 2, 2]])
    matches = sparse.csc_matrix([[True], [False], [False]])
    # Peaks have shares 1/2, 1/4, 1/4 of 8; both nuclei have 4. Of the first peak 2 are expected:
    # gains are 4/2 - 1 = 1 and 0/2 - 1 = -1. Background: peak 1 (1 expected; gains -1 and 1) and
    # peak 0 (gains 1 and -1): mean 0, deviation over draws sqrt(2).
    background = np.array([[1, 0], [0, 1], [0, 1]])
    found = sample_deviations(counts, matches, background)
    assert found.deviation.ravel().tolist() == [1.0, -1.0]
    np.testing.assert_allclose(found.z.ravel(), [1 / np.sqrt(2), -1 / np.sqrt(2)])


def test_sample_deviations__is_missing_where_less_than_one_insertion_is_expected():
    counts = sparse.csr_matrix([[1, 1, 0], [3, 4, 3]])
    matches = sparse.csc_matrix([[True], [False], [False]])
    found = sample_deviations(counts, matches, np.array([[1, 2], [0, 2], [1, 0]]))
    # the first nucleus has 2 insertions, of which 4/12 are expected there
    assert np.isnan(found.deviation).ravel().tolist() == [True, False]


@pytest.mark.parametrize("data", ["mini", "hemato"])
def test_sample_deviations__agrees_with_chromvar(oracles: Path, data: str):
    folder = oracles / "chromvar"
    prefix = {"mini": "", "hemato": "hemato_"}[data]
    stems = {
        "mini": (folder / "input/counts", folder / "input/motif_matches"),
        "hemato": (oracles / "inputs/hemato/atac_counts", folder / "input/hemato_tfbs"),
    }
    counts, cells, peaks = read_labelled_matrix(stems[data][0])
    matches, motifs, _ = read_labelled_matrix(stems[data][1])
    drawn = read_tsv(folder / f"input/{prefix}background_peaks_1based.tsv.gz").set_index("peak")
    kept = np.flatnonzero(peaks.isin(drawn.index))
    found = sample_deviations(
        counts[:, kept], matches[:, kept].T.astype(bool).tocsc(), drawn.to_numpy() - 1
    )
    for name, mine in (("deviations", found.deviation), ("deviation_z", found.z)):
        answer = read_tsv(folder / f"output/{prefix}{name}.tsv.gz", index_col=0)
        theirs = (answer.T if data == "mini" else answer).loc[cells, motifs].to_numpy()
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_bin_peaks__draws_peaks_alike():
    rng = np.random.default_rng(0)
    total, gc = rng.lognormal(3, 1, 2000), rng.uniform(0.3, 0.7, 2000)
    bins = bin_peaks(total, gc)
    np.testing.assert_allclose(bins.reach.sum(axis=1), 1)
    drawn = draw_background(bins, n_draws=50, seed=0)
    assert np.corrcoef(np.log10(total), np.log10(total)[drawn].mean(axis=1))[0, 1] > 0.995
    assert np.corrcoef(gc, gc[drawn].mean(axis=1))[0, 1] > 0.995


def test_draw_background__agrees_with_chromvars_draws(oracles: Path):
    folder = oracles / "chromvar/input"
    counts, _, peaks = read_labelled_matrix(folder / "counts")
    gc = read_tsv(folder / "peaks.tsv.gz").set_index("peak")["bias"].loc[peaks].to_numpy()
    theirs = read_tsv(folder / "background_peaks_1based.tsv.gz").set_index("peak").to_numpy() - 1
    total = np.asarray(counts.sum(axis=0)).ravel()
    mine = draw_background(bin_peaks(total, gc), n_draws=50, seed=0)
    for values in (np.log10(total), gc):
        assert np.corrcoef(values[mine].mean(axis=1), values[theirs].mean(axis=1))[0, 1] > 0.99


def test_draw_background__follows_the_probabilities_of_bins():
    member = np.array([0, 0, 1, 1, 1, 1])
    bins = PeakBins(member, np.array([[0.75, 0.25], [0.0, 1.0]]), place=np.zeros((6, 2)))
    drawn = draw_background(bins, n_draws=8000, seed=1)
    share = np.array([(drawn[0] == peak).mean() for peak in range(6)])
    np.testing.assert_allclose(share, [0.375, 0.375, *[0.0625] * 4], atol=0.02)
    assert member[drawn[2:]].min() == 1


def test_expect_deviations__is_the_limit_of_many_draws(monkeypatch: pytest.MonkeyPatch):
    counts, matches, gc = make_nuclei()
    bins = bin_peaks(np.asarray(counts.sum(axis=0)).ravel(), gc)
    limit = expect_deviations(counts, matches, bins)
    many = measure_deviations(counts, matches, bins, n_draws=3000, seed=0)
    np.testing.assert_allclose(limit.deviation, many.deviation, atol=0.02)
    np.testing.assert_allclose(limit.z, many.z, atol=0.1, rtol=0.05)
    monkeypatch.setattr(deviations, "CHUNK", 7)
    again = measure_deviations(counts, matches, bins, n_draws=0, seed=0)
    np.testing.assert_allclose(again.z, limit.z, atol=1e-4)


def test_expect_deviations__finds_the_nuclei_where_a_motif_is_open():
    counts, matches, gc = make_nuclei(seed=5)
    bins = bin_peaks(np.asarray(counts.sum(axis=0)).ravel(), gc)
    z = expect_deviations(counts, matches, bins).z
    assert np.quantile(z[:40, 0], 0.1) > np.quantile(z[40:, 0], 0.9)
    assert np.abs(z[:40, 1:].mean(axis=0) - z[40:, 1:].mean(axis=0)).max() < 1.0


@pytest.mark.parametrize("n_draws", [0, 5])
def test_measure_deviations__is_missing_for_a_motif_without_any_match(n_draws: int):
    counts, matches, gc = make_nuclei()
    bins = bin_peaks(np.asarray(counts.sum(axis=0)).ravel(), gc)
    none = sparse.hstack([matches, sparse.csc_matrix((400, 1), dtype=bool)], format="csc")
    found = measure_deviations(counts, none, bins, n_draws=n_draws, seed=0)
    assert np.isnan(found.z[:, 3]).all()
    assert np.isfinite(found.z[:, :3]).all()


def test_bin_peaks__refuses_closed_peaks_and_peaks_all_alike():
    with pytest.raises(DataError, match="1 of 3 peaks have no insertion"):
        bin_peaks(np.array([0.0, 1, 2]), np.array([0.4, 0.5, 0.6]))
    with pytest.raises(DataError, match="do not differ"):
        bin_peaks(np.array([1.0, 2, 3]), np.array([0.5, 0.5, 0.5]))


def test_sample_deviations__refuses_empty_nuclei():
    with pytest.raises(DataError, match="no nucleus has an insertion"):
        sample_deviations(
            sparse.csr_matrix((2, 1)), sparse.csc_matrix([[True]]), np.array([[0, 0]])
        )
