"""Fragment files: written and read again, kept, and refused where they are not what they claim."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pysam
import pytest
from fragments import pack

from helpers.errors import DataError, FileError
from helpers.io import fragments as module
from helpers.io.fragments import (
    FragmentFile,
    StoreWriter,
    read_store,
    read_store_barcodes,
    write_fragments,
)

LINES = [
    "chr1\t5\t90\tAC-1\t2",
    "chr1\t7\t30\tGT-1\t1",
    "chr1\t7\t35\tAC-1\t1",
    "chr2\t1\t9\tGT-1\t3",
]


def listed(reader: FragmentFile) -> list[tuple[str, int, int, str]]:
    rows = []
    for chrom, start, end, barcode in reader.blocks():
        names = np.array(reader.barcodes)[barcode]
        rows += list(zip([chrom] * len(start), start.tolist(), end.tolist(), names, strict=True))
    return rows


def test_write_fragments__writes_lines_that_tabix_finds(tmp_path):
    table = pd.DataFrame(
        {
            "chrom": [0, 0, 1],
            "start": [0, 105, 7],
            "end": [30, 1000, 99],
            "barcode": [1, 0, 1],
            "count": [1, 12, 3],
        }
    )
    path = tmp_path / "fragments.tsv.gz"
    write_fragments(table, path, chroms=["chr1", "chr10"], barcodes=["A-1", "CC-1"])
    with pysam.TabixFile(str(path)) as file:
        assert list(file.fetch("chr1")) == ["chr1\t0\t30\tCC-1\t1", "chr1\t105\t1000\tA-1\t12"]
        assert list(file.fetch("chr10", 0, 8)) == ["chr10\t7\t99\tCC-1\t3"]


@pytest.mark.parametrize("size", [20, 1 << 20])
def test_fragment_file__reads_blocks_of_any_size(tmp_path, monkeypatch, size):
    monkeypatch.setattr(module, "BYTES", size)
    reader = FragmentFile(pack(tmp_path / "f.tsv.gz", ["# a comment", "# another", *LINES]))
    expected = [(c, int(s), int(e), b) for c, s, e, b, _ in (x.split("\t") for x in LINES)]
    assert listed(reader) == expected
    assert reader.barcodes == ["AC-1", "GT-1"]


def test_fragment_file__repeats_copies_if_asked(tmp_path):
    reader = FragmentFile(pack(tmp_path / "f.tsv.gz", LINES), copies=True)
    assert [len(block.start) for block in reader.blocks()] == [4, 3]


def test_fragment_file__takes_four_columns(tmp_path):
    short = [line.rpartition("\t")[0] for line in LINES]
    assert len(listed(FragmentFile(pack(tmp_path / "f.tsv.gz", short)))) == 4


@pytest.mark.parametrize(
    "lines", [[LINES[1], LINES[0]], [LINES[0], LINES[3], LINES[1]]], ids=["start", "chromosome"]
)
def test_fragment_file__refuses_what_is_not_in_order(tmp_path, lines):
    path = pack(tmp_path / "f.tsv.gz", lines, index=False)
    with pytest.raises(DataError, match="fragments are not in order on chr1; sort them"):
        listed(FragmentFile(path))


def test_fragment_file__refuses_other_lines_and_damage(tmp_path):
    path = pack(tmp_path / "f.tsv.gz", [*LINES, "chr2\tfive\t9\tGT-1\t3"], index=False)
    with pytest.raises(DataError, match="a line is not chrom, start, end, barcode, count"):
        listed(FragmentFile(path))
    cut = tmp_path / "cut.tsv.gz"
    cut.write_bytes(path.read_bytes()[:40])
    with pytest.raises(FileError, match="is cut short"):
        listed(FragmentFile(cut))


def test_store__gives_back_what_it_was_given(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 2)
    reader = FragmentFile(pack(tmp_path / "f.tsv.gz", LINES))
    path = tmp_path / "store.h5"
    with h5py.File(path, "w") as file:
        writer = StoreWriter(file)
        for chrom, start, end, barcode in reader.blocks():
            for i in range(len(start)):
                part = slice(i, i + 1)
                writer.add(module.FragmentBlock(chrom, start[part], end[part], barcode[part]))
        writer.finish(reader.barcodes)
    assert read_store_barcodes(path) == ["AC-1", "GT-1"]
    blocks = [(c, s.tolist(), e.tolist(), b.tolist()) for c, s, e, b in read_store(path)]
    assert blocks == [
        ("chr1", [5, 7], [90, 30], [0, 1]),
        ("chr1", [7], [35], [0]),
        ("chr2", [1], [9], [1]),
    ]
    assert [block.chrom for block in read_store(path, ["chr2", "chr9"])] == ["chr2"]


@pytest.mark.parametrize("name", ["pbsmall/pbsmall", "multiome"])
def test_fragment_file__reads_all_of_a_real_file(real_data: Path, name: str):
    folder = real_data / ("cohorts" if "/" in name else "") / name
    with pysam.BGZFile(str(folder / "fragments.tsv.gz"), "rb") as stream:
        n_lines = sum(not line.startswith(b"#") for line in stream)
    reader = FragmentFile(folder / "fragments.tsv.gz")
    assert sum(len(block.start) for block in reader.blocks()) == n_lines
