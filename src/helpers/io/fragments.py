"""Fragment files as Cell Ranger ATAC writes them, and the quick store stages keep of them."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd

from helpers.errors import DataError
from helpers.io.atomic import replacing
from helpers.io.tenx import damaged

BLOCK = 1_000_000  # fragments written, or kept in the store, at a time
BYTES = 1 << 25  # of text read at a time


class FragmentBlock(NamedTuple):
    """Some fragments of one chromosome, in order of their start."""

    chrom: str
    start: np.ndarray
    end: np.ndarray
    barcode: np.ndarray
    """Place of each fragment's barcode in the list of barcodes."""


class FragmentFile:
    """A ``fragments.tsv.gz``, read block by block so that its size does not matter.

    ``barcodes`` fills up while blocks are read; codes are given in order of appearance. With
    ``copies`` each fragment comes as often as it was read (fifth column), else once.
    """

    def __init__(self, path: Path, *, copies: bool = False) -> None:
        self.path = path
        self._copies = copies
        self._codes: dict[str, int] = {}

    @property
    def barcodes(self) -> list[str]:
        """Barcodes seen so far."""
        return list(self._codes)

    def blocks(self) -> Iterator[FragmentBlock]:
        """All fragments, each block of one chromosome.

        Raises
        ------
        DataError
            If the file is damaged, a line is not a fragment, or they are not in order.
        """
        finished: set[str] = set()
        last = ("", -1)
        try:
            for text in self._texts():
                for block in self._parse(text):
                    last = self._check_order(block, last, finished)
                    yield block
        except (OSError, EOFError, zlib.error) as error:
            raise damaged(self.path, error) from error

    def _texts(self) -> Iterator[bytes]:
        """Whole lines, comments left out."""
        rest = b""
        with gzip.open(self.path, "rb") as stream:
            while text := stream.read(BYTES):
                text = _drop_comments(rest + text)
                cut = text.rfind(b"\n") + 1
                rest = text[cut:]
                if cut:
                    yield text[:cut]
        if rest:
            yield rest + b"\n"

    def _parse(self, text: bytes) -> Iterator[FragmentBlock]:
        import pyarrow as pa
        from pyarrow import csv

        names = pa.dictionary(pa.int32(), pa.string())
        n_columns = text[: text.index(b"\n")].count(b"\t") + 1
        columns = ["chrom", "start", "end", "barcode", *map(str, range(4, n_columns))]
        try:
            table = csv.read_csv(
                pa.BufferReader(text),
                read_options=csv.ReadOptions(
                    use_threads=False, column_names=columns, block_size=len(text) + 1
                ),
                parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
                convert_options=csv.ConvertOptions(
                    include_columns=columns[: 5 if self._copies else 4],
                    column_types={
                        "chrom": names,
                        "start": pa.int32(),
                        "end": pa.int32(),
                        "barcode": names,
                    },
                ),
            )
        except pa.ArrowInvalid as error:
            msg = (
                f"{self.path}: a line is not chrom, start, end, barcode, count separated by tabs "
                f"({error}); pass Cell Ranger's fragments.tsv.gz"
            )
            raise DataError(msg) from error
        table = table.combine_chunks()
        barcode = table["barcode"].chunk(0)
        known = [
            self._codes.setdefault(b, len(self._codes)) for b in barcode.dictionary.to_pylist()
        ]
        codes = np.array(known, dtype=np.int32)[barcode.indices.to_numpy()]
        chrom = table["chrom"].chunk(0)
        labels, of_row = chrom.dictionary.to_pylist(), chrom.indices.to_numpy()
        start, end = table["start"].to_numpy(), table["end"].to_numpy()
        if self._copies:
            times = np.repeat(np.arange(len(start)), table["4"].to_numpy())
            start, end, codes, of_row = (x[times] for x in (start, end, codes, of_row))
        edges = np.flatnonzero(np.diff(of_row)) + 1
        for a, b in zip([0, *edges], [*edges, len(of_row)], strict=True):
            yield FragmentBlock(labels[of_row[a]], start[a:b], end[a:b], codes[a:b])

    def _check_order(
        self, block: FragmentBlock, last: tuple[str, int], finished: set[str]
    ) -> tuple[str, int]:
        chrom, place = last
        if block.chrom != chrom:
            finished.add(chrom)
            place = -1
        if block.chrom in finished or block.start[0] < place or np.any(np.diff(block.start) < 0):
            msg = (
                f"{self.path}: fragments are not in order on {block.chrom}; sort them: "
                "sort -k1,1 -k2,2n, then bgzip and tabix -p bed"
            )
            raise DataError(msg)
        return block.chrom, int(block.start[-1])


def _drop_comments(text: bytes) -> bytes:
    """Comments stand at the top of the file only."""
    while text.startswith(b"#"):
        cut = text.find(b"\n") + 1
        if not cut:
            return text
        text = text[cut:]
    return text


class StoreWriter:
    """Writes fragments into HDF5, by chromosome, as they are read."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    def add(self, block: FragmentBlock) -> None:
        group = self._file.require_group(f"fragments/{block.chrom}")
        for name in ("start", "end", "barcode"):
            values = getattr(block, name).astype(np.int32)
            if name not in group:
                group.create_dataset(
                    name,
                    data=values,
                    maxshape=(None,),
                    chunks=(1 << 17,),
                    compression="lzf",
                    shuffle=True,
                )
                continue
            before = len(group[name])
            group[name].resize(before + len(values), axis=0)
            group[name][before:] = values

    def finish(self, barcodes: list[str]) -> None:
        self._file.create_dataset("barcodes", data=np.array(barcodes, dtype=bytes))


def read_store(path: Path, chroms: list[str] | None = None) -> Iterator[FragmentBlock]:
    """Fragments of a sample from the store :class:`StoreWriter` made, a block at a time.

    Parameters
    ----------
    chroms
        Only these chromosomes; those the sample has no fragment on are left out.
    """
    with h5py.File(path, "r") as file:
        kept = file.get("fragments", {})
        for chrom in kept if chroms is None else [c for c in chroms if c in kept]:
            group = kept[chrom]
            for begin in range(0, len(group["start"]), BLOCK):
                part = slice(begin, begin + BLOCK)
                yield FragmentBlock(
                    chrom, group["start"][part], group["end"][part], group["barcode"][part]
                )


def read_store_barcodes(path: Path) -> list[str]:
    """Barcodes of a store, in the order of their codes."""
    with h5py.File(path, "r") as file:
        return [barcode.decode() for barcode in file["barcodes"][:]]


def write_fragments(
    fragments: pd.DataFrame, path: Path, *, chroms: list[str], barcodes: list[str]
) -> None:
    """Write fragments bgzipped, with a tabix index beside them.

    Parameters
    ----------
    fragments
        ``chrom`` and ``barcode`` (places in the lists), ``start, end, count``, in order of place.
    """
    import pysam

    names = _letters(chroms), _letters(barcodes)
    with replacing(path) as partial:
        # level 1 of gzip: four times faster than the usual 6 for half as many bytes again
        with pysam.BGZFile(str(partial), "w1", None) as stream:  # type: ignore[arg-type]
            for begin in range(0, len(fragments), BLOCK):
                stream.write(_format_lines(fragments.iloc[begin : begin + BLOCK], *names))
        pysam.tabix_index(str(partial), preset="bed", force=True)
        index = partial.with_name(partial.name + ".tbi")
        index.replace(path.with_name(path.name + ".tbi"))


def _letters(names: list[str]) -> np.ndarray:
    """ASCII codes of names, one a row, 0 behind the shorter ones."""
    texts = np.array([name.encode() for name in names])
    return texts.view(np.uint8).reshape(len(names), -1)


def _format_lines(part: pd.DataFrame, chroms: np.ndarray, barcodes: np.ndarray) -> bytes:
    """Lines of a fragment file: letters side by side in a table, from which gaps are dropped."""
    tab = np.full((len(part), 1), ord("\t"), dtype=np.uint8)
    fields = (
        chroms[part["chrom"].to_numpy()],
        _digits(part["start"].to_numpy()),
        _digits(part["end"].to_numpy()),
        barcodes[part["barcode"].to_numpy()],
        _digits(part["count"].to_numpy()),
    )
    columns = [column for field in fields for column in (field, tab)]
    columns[-1] = np.full_like(tab, ord("\n"))
    letters = np.hstack(columns).ravel()
    return letters[letters != 0].tobytes()


def _digits(numbers: np.ndarray) -> np.ndarray:
    """ASCII digits of whole numbers, one number a row, 0 before the shorter ones."""
    width = len(str(int(numbers.max(initial=0))))
    rest = numbers.astype(np.int64)
    letters = np.zeros((len(numbers), width), dtype=np.uint8)
    for place in range(width - 1, -1, -1):
        letters[:, place] = np.where((rest > 0) | (place == width - 1), rest % 10 + ord("0"), 0)
        rest //= 10
    return letters
