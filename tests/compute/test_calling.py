"""Peaks called from fragments: planted ones, none in noise, and those of MACS2."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fragments import block

from helpers.compute.calling import call_peaks
from helpers.compute.fragments import Coverage
from helpers.io.fragments import FragmentFile


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    start = np.sort(rng.integers(0, 200_000, n))
    return np.column_stack([start, start + 200, np.zeros(n, dtype=int)])


def test_call_peaks__finds_planted_peaks_and_no_others():
    rng = np.random.default_rng(0)
    middles = np.array([30_000, 90_000, 150_000])
    inside = (middles[:, None] + rng.integers(-150, 150, (3, 60))).ravel()
    rows = np.vstack([noise(rng, 1000), np.column_stack([inside, inside + 60, inside * 0])])
    found = call_peaks([block("chr1", rows[np.argsort(rows[:, 0])].tolist())])
    assert len(found) == 3
    assert (np.abs((found["start"] + found["end"]) / 2 - middles) < 200).all()


def test_call_peaks__finds_none_in_noise():
    rows = noise(np.random.default_rng(1), 3000).tolist()
    found = call_peaks([block("chr1", rows)])
    assert found.empty
    assert found.columns.tolist() == ["chrom", "start", "end"]
    assert call_peaks([]).empty


def test_call_peaks__finds_none_at_the_ends_of_an_even_contig():
    # a contig denser than the genome, shorter and longer than the 10 kb looked at around a bin
    rng = np.random.default_rng(2)
    for length in (1873, 16_569):
        start = np.sort(rng.integers(0, length - 100, length * 2))
        even = np.column_stack([start, start + 100, start * 0]).tolist()
        noisy = block("chr1", noise(rng, 1000).tolist())
        assert call_peaks([noisy, block("chrUn_1", even)]).empty


def test_call_peaks__ends_with_the_last_cut():
    rng = np.random.default_rng(3)
    start = np.sort(rng.integers(199_600, 199_800, 100))
    rows = np.vstack([noise(rng, 1000), np.column_stack([start, start + 60, start * 0])])
    rows = rows[rows[:, 1] <= start.max() + 60]
    found = call_peaks([block("chr1", rows[np.argsort(rows[:, 0])].tolist())])
    assert found["end"].tolist() == [start.max() + 60]
    assert (start.max() + 60) % 50 > 0


def test_call_peaks__leaves_the_mitochondrial_chromosome_out():
    rng = np.random.default_rng(4)
    start = np.sort(rng.integers(5000, 5100, 200))
    peak = np.column_stack([start, start + 60, start * 0]).tolist()
    for name in ("chrM", "MT"):
        assert call_peaks([block("1", noise(rng, 1000).tolist()), block(name, peak)]).empty


@pytest.mark.parametrize(("gap", "n"), [(150, 1), (200, 2)])
def test_call_peaks__closes_gaps_up_to_the_extension(gap: int, n: int):
    # cuts reach one bin further on both sides: 100 bp of the distance are no gap
    rng = np.random.default_rng(5)
    cuts = np.repeat([100_020, 100_120 + gap + 50], 200)
    rows = np.vstack([noise(rng, 1000), np.column_stack([cuts, cuts + 1, cuts * 0])])
    found = call_peaks([block("chr1", rows[np.argsort(rows[:, 0])].tolist())])
    assert len(found) == n


def test_call_peaks__finds_those_of_macs2(oracles: Path):
    reader = FragmentFile(oracles / "inputs/pbsmall_fragments/fragments.tsv.gz")
    ours = call_peaks(reader.blocks())
    path = next((oracles / "macs2/output").glob("*arrowPeak*"))
    columns = ["chrom", "start", "end", "name", "score", "strand", "signal", "p", "q", "summit"]
    theirs = pd.read_csv(path, sep="\t", header=None, names=columns, comment="#")
    strong = theirs[theirs["q"] > theirs["q"].median()]
    cover = Coverage(ours)
    hit = [
        cover.overlap(row.chrom, np.array([row.start]), np.array([row.end]))[0] > 0
        for row in strong.itertuples()
    ]
    assert np.mean(hit) > 0.95
