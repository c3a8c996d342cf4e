"""Peaks of several samples made one set, and what lies where they do."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.compute.peaks import annotate_peaks, count_elements, merge_peaks, name_peaks
from helpers.errors import DataError

GENES = pd.DataFrame(
    {
        "chrom": "chr1",
        "start": [10_000, 50_000],
        "end": [20_000, 60_000],
        "strand": ["+", "-"],
        "gene": ["A", "B"],
    }
)
EXONS = GENES.assign(end=[10_500, 51_000], start=[10_000, 50_000])


def peaks(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["chrom", "start", "end"])


def test_merge_peaks__joins_what_overlaps_or_touches_in_natural_order():
    one = peaks(("chr10", 5, 50), ("chr2", 100, 200), ("chr2", 300, 400))
    other = peaks(("chr2", 150, 260), ("chr2", 400, 450), ("chrX", 1, 40))
    found = merge_peaks([one, other])
    assert name_peaks(found).tolist() == [
        "chr2:100-260",
        "chr2:300-450",
        "chr10:5-50",
        "chrX:1-40",
    ]


def test_merge_peaks__joins_peaks_inside_a_longer_one():
    found = merge_peaks([peaks(("chr1", 0, 500), ("chr1", 10, 20), ("chr1", 400, 600))])
    assert found[["start", "end"]].to_numpy().tolist() == [[0, 600]]


def test_merge_peaks__leaves_out_blacklist_and_extreme_widths():
    table = peaks(("chr1", 0, 100), ("chr1", 200, 210), ("chr1", 300, 900), ("chr2", 0, 100))
    found = merge_peaks([table], blacklist=peaks(("chr1", 99, 150)), widths=(20, 500))
    assert name_peaks(found).tolist() == ["chr2:0-100"]
    touching = merge_peaks([table], blacklist=peaks(("chr1", 100, 150)), widths=(20, 500))
    assert name_peaks(touching).tolist() == ["chr1:0-100", "chr2:0-100"]


def test_merge_peaks__says_if_none_is_left():
    with pytest.raises(DataError, match="no peak is left of 1: they must be 20 to 10000 bp wide"):
        merge_peaks([peaks(("chr1", 0, 5))])


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), min_size=1, max_size=20))
@settings(derandomize=True, deadline=None)
def test_merge_peaks__covers_the_same_bases_without_overlaps(pairs):
    table = peaks(*(("chr1", start, start + length) for start, length in pairs))
    found = merge_peaks([table], widths=(1, 1000))
    covered = np.zeros(400, dtype=int)
    for row in table.itertuples():
        covered[row.start : row.end] = 1
    ours = np.zeros(400, dtype=int)
    for row in found.itertuples():
        ours[row.start : row.end] += 1
    assert (ours == covered).all()


def test_annotate_peaks__by_hand():
    # middles: 8,000 is 2,000 before the start of A; 10,100 is 100 behind it; 10,400 lies in its
    # exon; 61,000 is 1,001 before the start of B (its last base, 59,999); 30,000 is nowhere near
    middles = [8_000, 7_999, 10_100, 10_400, 15_000, 50_500, 61_000, 30_000]
    table = peaks(*(("chr1", m - 50, m + 50) for m in middles), ("chr7", 0, 100))
    found = annotate_peaks(table, GENES, EXONS)
    assert found["element"].tolist() == [
        "promoter",
        "distal",
        "promoter",
        "exonic",
        "intronic",
        "exonic",
        "promoter",
        "distal",
        "distal",
    ]
    assert found["nearest_gene"].tolist() == ["A", "A", "A", "A", "A", "B", "B", "A", ""]
    assert found["distance"][:1].tolist() == [-2000]
    assert found["distance"][6] == -1001
    assert np.isnan(found["distance"][8])


def test_count_elements__names_those_without_peaks():
    found = count_elements(pd.Series(["promoter", "distal", "promoter"]))
    assert found["n_peaks"].tolist() == [2, 0, 0, 1]
    assert found["fraction"].tolist() == [2 / 3, 0, 0, 1 / 3]
