"""Peaks called from fragments: planted ones, none in noise, and those of MACS2."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fragments import block

from helpers.compute.calling import call_peaks
from helpers.compute.fragments import Coverage
from helpers.errors import DataError
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
    with pytest.raises(DataError, match="no region passes an FDR"):
        call_peaks([block("chr1", rows)])


def test_call_peaks__needs_fragments():
    with pytest.raises(DataError, match="there are no fragments"):
        call_peaks([])


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
