"""Coverage along a stretch: by hand, and depth that must not show."""

import pandas as pd

from helpers.compute.tracks import measure_coverage

NUCLEI = pd.DataFrame(
    {
        "cell_type": ["B", "B", "T"],
        "group": ["CR", "CR", "CR"],
        "depth": [1000.0, 1000.0, 4000.0],
    },
    index=["s:1", "s:2", "s:3"],
)
FRAGMENTS = pd.DataFrame(
    {
        "start": [1010, 950, 1150, 1120],
        "end": [1160, 1030, 1700, 1300],
        "nucleus": ["s:1", "s:2", "s:3", "s:unknown"],
    }
)


def test_measure_coverage__by_hand():
    found = measure_coverage(FRAGMENTS, NUCLEI, start=1000, end=1250)
    # B: ends at 1010, 1159 and 1029 of 2,000 fragments; T: 1150 of 4,000; windows of 100 bp
    assert found["start"].tolist() == [1000, 1100, 1200] * 2
    assert found["cell_type"].tolist() == ["B"] * 3 + ["T"] * 3
    assert found["coverage"].tolist() == [1000, 500, 0, 0, 250, 0]


def test_measure_coverage__counts_insertions_of_the_stretch_alone():
    found = measure_coverage(FRAGMENTS, NUCLEI, start=1100, end=1160, bin_bp=60)
    assert found["coverage"].tolist() == [500, 250]
