"""Small fragment files and what tests read of real ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pysam

Block = tuple[str, np.ndarray, np.ndarray, np.ndarray]


def block(chrom: str, rows: list[tuple[int, int, int]]) -> Block:
    """Fragments of one chromosome from (start, end, barcode)."""
    start, end, barcode = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return chrom, start, end, barcode


def pack(path: Path, lines: list[str], *, index: bool = True) -> Path:
    """Write lines bgzipped, with an index if they are in order."""
    with pysam.BGZFile(str(path), "wb") as stream:
        stream.write("".join(f"{line}\n" for line in lines).encode())
    if index:
        pysam.tabix_index(str(path), preset="bed", force=True)
    return path


def rows_of(barcodes: list[str], order: pd.Index) -> np.ndarray:
    """Row of each barcode in ``order``, -1 if it is not there."""
    return order.get_indexer(barcodes)
