"""Result tables as CSV: the same table gives the same bytes."""

import json
from pathlib import Path

import pandas as pd

from helpers.io.atomic import replacing, write_text
from helpers.schema import BARCODE, CELL_TYPE, CLUSTER, GENE, NAME_COLUMNS

TEXT_COLUMNS = (*NAME_COLUMNS, BARCODE, CELL_TYPE, CLUSTER, GENE)
DIGITS = "%.6g"


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a tidy table as CSV, without its index, numbers to six significant digits."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False, float_format=DIGITS, lineterminator="\n")


def read_table(path: Path) -> pd.DataFrame:
    """Read a result table; names stay text, so that samples ``NA`` and ``007`` keep theirs."""
    names = dict.fromkeys(TEXT_COLUMNS, str)
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=names)


def write_json(record: object, path: Path) -> None:
    """Write a record as JSON, keys in the order given."""
    write_text(path, dump_json(record))


def write_json_if_changed(record: object, path: Path) -> None:
    """Write a record only if it says something new, so that the file's time tells when."""
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) == json.loads(
        dump_json(record)
    ):
        return
    write_json(record, path)


def dump_json(record: object) -> str:
    """A record as JSON text, keys in the order given."""
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def read_json(path: Path) -> dict[str, object]:
    """A record written as JSON."""
    return dict(json.loads(path.read_text(encoding="utf-8")))
