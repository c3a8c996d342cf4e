"""Transcription factors, and the motif rankings of cisTarget that a user may supply."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from helpers.errors import DataError
from helpers.schema import TF

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

MOTIF_COLUMNS = ("motifs", "features")  # how versions 2 and 1 of the format name the motif
MAX_QVALUE = 0.001  # likeness of a motif to one of a factor's own, SCENIC's default


def read_factors(path: Path) -> list[str]:
    """Symbols of transcription factors: column ``tf`` of a tab-separated table.

    Raises
    ------
    DataError
        If there is no such column or no row.
    """
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if TF not in table or table.empty:
        msg = f"{path}: needs a column {TF!r} with at least one transcription factor"
        raise DataError(msg)
    return list(dict.fromkeys(table[TF]))


def read_rankings(path: Path) -> pd.DataFrame:
    """Place of every gene in the ranking of every motif, from 0 (cisTarget, feather or parquet).

    Returns
    -------
    Shape (n_motifs, n_genes), whole numbers.

    Raises
    ------
    DataError
        As :func:`check_rankings`.
    """
    named = check_rankings(path)
    return _open(path).to_table().to_pandas().set_index(named).rename_axis(None)


def check_rankings(path: Path) -> str:
    """Look at the columns of a file of rankings alone; the name of the one with the motifs.

    Raises
    ------
    DataError
        If it cannot be read, no column names the motifs, or a place is no whole number.
    """
    import pyarrow as pa

    try:
        columns = _open(path).schema
    except pa.ArrowInvalid as error:
        msg = f"{path}: is neither feather nor parquet ({' '.join(str(error).split())})"
        raise DataError(msg) from error
    named = [name for name in MOTIF_COLUMNS if name in columns.names]
    if not named:
        msg = f"{path}: no column {' or '.join(MOTIF_COLUMNS)}; is it a ranking of genes by motif?"
        raise DataError(msg)
    odd = [c.name for c in columns if c.name != named[0] and not pa.types.is_integer(c.type)]
    if odd:
        msg = f"{path}: the places of gene {odd[0]!r} are no whole numbers; is it a ranking?"
        raise DataError(msg)
    return named[0]


def _open(path: Path) -> "Dataset":
    from pyarrow import dataset

    kind = "parquet" if path.suffix == ".parquet" else "feather"
    return dataset.dataset(path, format=kind)


def read_motif_factors(path: Path) -> pd.DataFrame:
    """Which motifs speak for which factor (cisTarget's ``motifs-….tbl``).

    Motifs taken over by likeness count up to a q-value of 0.001.

    Returns
    -------
    ``motif`` and ``tf``, one row a pair.

    Raises
    ------
    DataError
        If the columns of the format are missing.
    """
    table = pd.read_csv(path, sep="\t", low_memory=False)
    missing = {"#motif_id", "gene_name"} - set(table.columns)
    if missing:
        msg = f"{path}: lacks {', '.join(sorted(missing))}; is it cisTarget's table of motifs?"
        raise DataError(msg)
    if "motif_similarity_qvalue" in table:
        table = table[table["motif_similarity_qvalue"].fillna(0) <= MAX_QVALUE]
    pairs = table.rename(columns={"#motif_id": "motif", "gene_name": TF})[["motif", TF]]
    return pairs.drop_duplicates(ignore_index=True)
