"""Tidy CSV tables a user wrote: rows as text with the line each stands on, defects collected."""

import csv
import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from helpers.errors import Defect
from helpers.io.cohort import access_problem
from helpers.params import nearest, shorten

LIKENESS = 0.7  # of a column to a known one to be taken for a slip of the pen
MOST = 20  # defects of one table that are told; more are of the same kind


@dataclass
class Rows:
    """What reading a table found: its rows, and every defect on the way."""

    path: Path
    header: list[str] = field(default_factory=list)
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Line in the file, and column to text."""
    defects: list[Defect] = field(default_factory=list)

    def fault(self, row: int, column: str, what: str, expected: str, remedy: str) -> None:
        """Note a defect of one field."""
        spot = f"{self.path.name}:{row}" + (f"/{column}" if column else "")
        self.defects.append(Defect(spot, what, expected, remedy))

    def text(self, row: int, record: dict[str, str], column: str) -> str:
        """A field that must not be empty."""
        value = record.get(column, "")
        if not value:
            self.fault(row, column, "is empty", f"a {column}", "fill it in")
        return value

    def number(
        self,
        row: int,
        record: dict[str, str],
        column: str,
        *,
        fits: Callable[[float], bool],
        expected: str,
    ) -> float:
        """A field that must be a number that fits; what does not is noted and read as missing."""
        value = record.get(column, "")
        number = _to_number(value)
        if number is not None and fits(number):
            return number
        what = f"{shorten(value)} is not {expected}" if value else "is empty"
        self.fault(row, column, what, expected, "correct the number")
        return float("nan")


def _to_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def read_rows(
    path: Path, spot: str, *, name: str, required: tuple[str, ...], optional: tuple[str, ...]
) -> Rows:
    """Read a table with a header, collecting defects instead of stopping.

    Parameters
    ----------
    path
        CSV in UTF-8.
    spot
        Where the path is named, for a file that is not there.
    name
        What the table is, such as ``dose series``.
    required, optional
        Columns; any other is left alone unless it is nearly one of these.
    """
    found = Rows(path)
    problem = access_problem(path)
    if problem:
        found.defects.append(Defect(spot, f"{path} {problem}", f"a {name}", "correct the path"))
        return found
    try:
        with _open(path) as text:
            reader = csv.reader(text, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        what = f"cannot be read as CSV in UTF-8: {error}"
        found.defects.append(Defect(path.name, what, f"a {name}", "save it again as UTF-8 CSV"))
        return found
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if not lines:
        found.fault(1, "", "is empty", "a header and rows", "fill in the table")
        return found
    if _check_header(found, lines[0], required, optional):
        _take_rows(found, lines[1:])
    return found


def _open(path: Path) -> TextIO:
    """Text of a file, packed or plain."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _check_header(
    found: Rows, line: tuple[int, list[str]], required: tuple[str, ...], optional: tuple[str, ...]
) -> bool:
    number, found.header = line
    for column in sorted({c for c in found.header if c and found.header.count(c) > 1}):
        found.fault(number, column, "stands twice", "each column once", "delete or rename one")
    unknown = [c for c in found.header if c not in (*required, *optional)]
    for column in required:
        if column not in found.header:
            close = nearest(column, unknown, likeness=LIKENESS)
            remedy = f"rename {close!r} to {column!r}" if close else f"add a column {column!r}"
            found.fault(number, "", f"no column {column!r}", ", ".join(required), remedy)
    free = [column for column in optional if column not in found.header]
    for column in unknown:
        if close := nearest(column, free, likeness=LIKENESS):
            what = f"unknown column {column!r}"
            found.fault(number, column, what, repr(close), f"did you mean {close!r}?")
    return not found.defects


def _take_rows(found: Rows, lines: list[tuple[int, list[str]]]) -> None:
    width = len(found.header)
    for number, cells in lines:
        if len(cells) != width:
            what = f"{len(cells)} fields where the header has {width}"
            found.fault(number, "", what, f"{width} fields", "count the commas")
        else:
            found.rows.append((number, dict(zip(found.header, cells, strict=True))))
    if not lines:
        found.fault(2, "", "no row below the header", "at least one row", "add rows")


def limit(defects: list[Defect]) -> list[Defect]:
    """The first defects of a table, and how many more there are."""
    more = len(defects) - MOST
    if more <= 0:
        return defects
    last = defects[MOST - 1]
    told = f"{last.what} (and {more} more in this table)"
    return [*defects[: MOST - 1], Defect(last.where, told, last.expected, last.remedy)]
