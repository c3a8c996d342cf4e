"""Bulk expression and clinical tables of patients, read with the row of every defect."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.errors import DataError, Defect
from helpers.io.cohort import access_problem
from helpers.io.rows import Rows, limit, read_rows
from helpers.params import nearest
from helpers.schema import GENE, SAMPLE, compose, name_problem

REQUIRED = (SAMPLE, "time_months", "event")
OPTIONAL = ("response", "age", "cytogenetic_risk")
RESPONSES = ("resistant", "sensitive")
LOOK = 200  # genes whose values are looked at beforehand; reading looks at all


def inspect_bulk(expression: Path, clinical: Path, spot: str) -> list[Defect]:
    """What is wrong with one part of the patients, row and field.

    Parameters
    ----------
    expression, clinical
        The two tables.
    spot
        Where they are named in the cohort file.
    """
    patients, defects = _parse_clinical(clinical, f"{spot}.clinical")
    header, more = _look_at_expression(expression, f"{spot}.expression")
    defects += more
    if not defects and not set(header) & set(patients[SAMPLE]):
        what = f"names none of the patients of {clinical.name}"
        expected = "a column a patient, named as in the clinical table"
        defects.append(Defect(f"{expression.name}:1", what, expected, "correct the names"))
    return limit(defects)


def read_clinical(path: Path) -> pd.DataFrame:
    """Read a clinical table.

    Returns
    -------
    Indexed by ``sample``: ``time_months``, ``event`` (whether it was seen), ``response``
    (resistant, sensitive or empty), ``age`` (years or missing), ``cytogenetic_risk`` (or empty).

    Raises
    ------
    DataError
        At the first defect.
    """
    table, defects = _parse_clinical(path, str(path))
    if defects:
        raise DataError(str(defects[0]))
    return table.set_index(SAMPLE)


def read_expression(path: Path) -> pd.DataFrame:
    """Read an expression table: patients in rows, genes in columns.

    Raises
    ------
    DataError
        If a gene or patient stands twice, or a value is no number.
    """
    _, defects = _look_at_expression(path, str(path))
    if defects:
        raise DataError(str(defects[0]))
    try:
        table = pd.read_csv(path, index_col=GENE, keep_default_na=False, dtype={GENE: str})
        values = table.to_numpy(dtype=float)
    except ValueError as error:
        msg = f"{path}: {error}; every value must be a number"
        raise DataError(msg) from error
    if not np.isfinite(values).all():
        gene = table.index[~np.isfinite(values).all(axis=1)][0]
        msg = f"{path}: gene {gene!r} has a value that is missing or infinite; fill or delete it"
        raise DataError(msg)
    patients = [compose(str(name)) for name in table.columns]
    return pd.DataFrame(values.T, index=pd.Index(patients, name=SAMPLE), columns=table.index)


def _parse_clinical(path: Path, spot: str) -> tuple[pd.DataFrame, list[Defect]]:
    found = read_rows(path, spot, name="clinical table", required=REQUIRED, optional=OPTIONAL)
    patients = [_read_patient(found, row, record) for row, record in found.rows]
    first: dict[str, int] = {}
    for (row, _), patient in zip(found.rows, patients, strict=True):
        name = str(patient[SAMPLE])
        if first.setdefault(name, row) != row:
            what = f"{name!r} stands twice (also in row {first[name]})"
            found.fault(row, SAMPLE, what, "each patient once", "delete one of the rows")
    return pd.DataFrame(patients), found.defects


def _read_patient(found: Rows, row: int, record: dict[str, str]) -> dict[str, object]:
    patient: dict[str, object] = {SAMPLE: compose(found.text(row, record, SAMPLE))}
    problem = name_problem(str(patient[SAMPLE])) if patient[SAMPLE] else ""
    if problem:
        found.fault(row, SAMPLE, f"{record[SAMPLE]!r} {problem}", "a short name", "type it again")
    patient["time_months"] = found.number(
        row, record, "time_months", fits=lambda x: x > 0, expected="a number above 0"
    )
    patient["event"] = found.number(
        row, record, "event", fits=lambda x: x in (0, 1), expected="0 (not seen) or 1 (seen)"
    )
    response = record.get("response", "").casefold()
    if response and response not in RESPONSES:
        close = nearest(response, RESPONSES)
        remedy = f"did you mean {close!r}?" if close else "correct or clear it"
        what = f"unknown response {response!r}"
        found.fault(row, "response", what, " or ".join(RESPONSES), remedy)
    patient["response"] = response
    patient["age"] = np.nan
    if record.get("age", ""):
        patient["age"] = found.number(
            row, record, "age", fits=lambda x: 0 <= x <= 120, expected="an age of 0 to 120 years"
        )
    patient["cytogenetic_risk"] = compose(record.get("cytogenetic_risk", ""))
    return patient


def _look_at_expression(path: Path, spot: str) -> tuple[list[str], list[Defect]]:
    """Patients named in the header; repeated names, short rows, and the values of some genes."""
    found = Rows(path)
    problem = access_problem(path)
    if problem:
        expected = "an expression table"
        return [], [Defect(spot, f"{path} {problem}", expected, "correct the path")]
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as text:
            header = _look_at_rows(found, csv.reader(text, strict=True))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        what = f"cannot be read as CSV in UTF-8: {error}"
        expected, remedy = "an expression table", "save it again as UTF-8 CSV"
        return [], [Defect(path.name, what, expected, remedy)]
    return header, found.defects


def _look_at_rows(found: Rows, reader: Iterator[list[str]]) -> list[str]:
    header = [compose(cell) for cell in next(reader, [])]
    if not header or header[0] != GENE:
        what = f"the first column is {header[0]!r}" if header else "is empty"
        found.fault(1, "", what, f"{GENE!r}, then a column a patient", "name the columns so")
        return []
    twice = sorted({name for name in header[1:] if header.count(name) > 1})
    if twice:
        what = f"patient {twice[0]!r} has two columns"
        found.fault(1, twice[0], what, "each patient once", "delete one of the columns")
    seen: set[str] = set()
    for row, cells in enumerate(reader, start=2):
        if len(cells) != len(header):
            what = f"{len(cells)} fields where the header has {len(header)}"
            found.fault(row, "", what, f"{len(header)} fields", "count the commas")
            break
        if cells[0] in seen or not cells[0]:
            what = f"gene {cells[0]!r} stands twice" if cells[0] else "is empty"
            found.fault(row, GENE, what, "each gene once, with a name", "rename or delete one")
        seen.add(cells[0])
        if row <= LOOK:
            _look_at_values(found, row, dict(zip(header[1:], cells[1:], strict=True)))
    return header[1:]


def _look_at_values(found: Rows, row: int, values: dict[str, str]) -> None:
    for patient, value in values.items():
        before = len(found.defects)
        found.number(row, {patient: value}, patient, fits=lambda _: True, expected="a number")
        if len(found.defects) > before:
            return
