"""Sequences and fragments of stretches of the genome."""

from pathlib import Path

import pandas as pd
import pysam
import pytest
from tiny import write_bgzipped

from helpers.errors import FileError
from helpers.io.region import read_region, read_sequences


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text(">chr1\nACGTACGTAC\nGGGGG\n>chr2\nTTTTT\n")
    pysam.faidx(str(path))
    return path


def regions(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"])


def test_read_sequences__by_hand(fasta: Path):
    found = read_sequences(fasta, regions(("chr1", 8, 12), ("chr2", 0, 5), ("chr1", 0, 1)))
    assert found == ["ACGG", "TTTTT", "A"]


def test_read_sequences__refuses_a_file_without_index(tmp_path: Path):
    path = tmp_path / "genome.fa"
    path.write_text(">chr1\nACGT\n")
    with pytest.raises(FileError, match=r"has no index \(.fai\).*samtools faidx genome.fa"):
        read_sequences(path, regions(("chr1", 0, 2)))


def test_read_sequences__gives_nothing_where_the_file_has_no_such_sequence(fasta: Path):
    found = read_sequences(fasta, regions(("chrUn_1", 0, 5), ("chr2", 0, 2), ("chr1", 0, 1)))
    assert found == ["", "TT", "A"]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([("chr1", 10, 16)], "does not reach chr1:16, where the cohort has a peak"),
        ([("1", 0, 5), ("chr1", 0, 5), ("2", 0, 5)], "has no 1; 2 of 3 peaks are on such"),
    ],
)
def test_read_sequences__refuses_another_genome(
    fasta: Path, rows: list[tuple[str, int, int]], what: str
):
    with pytest.raises(FileError, match=what):
        read_sequences(fasta, regions(*rows))


def test_read_region__gives_fragments_that_overlap(tmp_path: Path):
    path = tmp_path / "fragments.tsv.gz"
    write_bgzipped(
        path, ["chr1\t10\t30\tAA-1\t1", "chr1\t40\t90\tCC-1\t2", "chr1\t95\t99\tGG-1\t1"]
    )
    found = read_region(path, "chr1", 29, 80)
    assert found.to_numpy().tolist() == [[10, 30, "AA-1"], [40, 90, "CC-1"]]
    assert read_region(path, "chr9", 0, 100).empty
