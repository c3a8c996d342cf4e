"""Dose series: wells with one or two drugs, read with the row of every defect."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.errors import DataError, Defect
from helpers.io.rows import Rows, limit, read_rows
from helpers.params import nearest
from helpers.schema import compose, name_problem

REQUIRED = ("line", "drug", "dose", "unit", "response")
OPTIONAL = ("drug_2", "dose_2", "unit_2", "replicate", "plate", "parental", "start")
# Unit as written -> the unit everything is shown in, and the factor to it.
UNITS = {
    "pM": ("uM", 1e-6),
    "nM": ("uM", 1e-3),
    "uM": ("uM", 1.0),
    "µM": ("uM", 1.0),  # micro sign
    "μM": ("uM", 1.0),  # Greek letter mu
    "mM": ("uM", 1e3),
    "M": ("uM", 1e6),
    "pg/ml": ("ug/ml", 1e-6),
    "ng/ml": ("ug/ml", 1e-3),
    "ug/ml": ("ug/ml", 1.0),
    "mg/ml": ("ug/ml", 1e3),
}
NAME = "dose series"
NAMES = ("line", "drug", "drug_2", "replicate", "plate", "parental")


def inspect_dose_response(path: Path, spot: str) -> list[Defect]:
    """What is wrong with a dose series, row and field; ``spot`` is where its path is named."""
    return limit(_parse(path, spot)[1])


def read_dose_response(path: Path) -> pd.DataFrame:
    """Read a dose series.

    Returns
    -------
    One row a well: ``line``, ``parental`` (line it was derived from, or empty), ``plate``,
    ``replicate``, ``drug``, ``dose``, ``unit`` (uM or ug/ml), ``drug_2``, ``dose_2``, ``unit_2``
    (empty and 0 where there is one drug), ``response`` and ``start`` (signal when the drug was
    added, or missing).

    Raises
    ------
    DataError
        At the first defect.
    """
    table, defects = _parse(path, str(path))
    if defects:
        raise DataError(str(defects[0]))
    return table


def _parse(path: Path, spot: str) -> tuple[pd.DataFrame, list[Defect]]:
    found = read_rows(path, spot, name=NAME, required=REQUIRED, optional=OPTIONAL)
    wells = [_read_well(found, row, record) for row, record in found.rows]
    table = pd.DataFrame(wells)
    if not found.defects:
        _check_units(found, table)
        _check_lines(found, table)
        _check_controls(found, table)
        _check_matrices(found, table)
    return table.drop(columns="row", errors="ignore"), found.defects


def _read_well(found: Rows, row: int, record: dict[str, str]) -> dict[str, object]:
    """One well; what cannot be read is noted and stands as missing."""
    well: dict[str, object] = {"row": row}
    for name in NAMES:
        well[name] = compose(record.get(name, ""))
        if well[name] and name_problem(str(well[name])):
            what = f"{record[name]!r} {name_problem(str(well[name]))}"
            found.fault(row, name, what, "a short printable name", "type it again")
    for name in ("line", "drug"):
        found.text(row, record, name)
    well["dose"], well["unit"] = _read_dose(found, row, record, "")
    two = bool(well["drug_2"])
    well["dose_2"], well["unit_2"] = _read_dose(found, row, record, "_2") if two else (0.0, "")
    if two and well["drug_2"] == well["drug"]:
        what = f"{well['drug_2']!r} is also the first drug"
        found.fault(row, "drug_2", what, "another drug", "correct or clear it")
    if not two and record.get("dose_2", "") not in ("", "0", "0.0"):
        found.fault(row, "drug_2", "is empty, but there is a dose_2", "a drug_2", "fill it in")
    well["response"] = found.number(
        row, record, "response", fits=lambda x: x >= 0, expected="a number of at least 0"
    )
    well["start"] = np.nan
    if record.get("start", ""):
        well["start"] = found.number(
            row, record, "start", fits=lambda x: x > 0, expected="a number above 0"
        )
    return well


def _read_dose(found: Rows, row: int, record: dict[str, str], suffix: str) -> tuple[float, str]:
    """A dose in the unit all are shown in, and that unit."""
    dose = found.number(
        row, record, f"dose{suffix}", fits=lambda x: x >= 0, expected="a number of at least 0"
    )
    unit = record.get(f"unit{suffix}", "")
    if unit not in UNITS:
        close = nearest(unit, UNITS)
        remedy = f"did you mean {close!r}?" if close else "correct the unit"
        what = f"unknown unit {unit!r}" if unit else "is empty"
        found.fault(row, f"unit{suffix}", what, f"one of {', '.join(UNITS)}", remedy)
        return dose, ""
    shown, factor = UNITS[unit]
    # rounded, so that 300 nM and 0.3 uM are one dose
    return float(f"{dose * factor:.10g}"), shown


def _check_units(found: Rows, table: pd.DataFrame) -> None:
    """A drug is given in moles or in grams, not in both."""
    first: dict[str, str] = {}
    for suffix in ("", "_2"):
        for well in table[table[f"drug{suffix}"] != ""].to_dict("records"):
            drug, unit = str(well[f"drug{suffix}"]), str(well[f"unit{suffix}"])
            if first.setdefault(drug, unit) != unit:
                what = f"{drug!r} is given in {unit} here and in {first[drug]} before"
                remedy = "convert one of them"
                found.fault(int(well["row"]), f"unit{suffix}", what, "one kind of unit", remedy)
                return


def _check_lines(found: Rows, table: pd.DataFrame) -> None:
    """A line has one parental line, which was measured, too."""
    lines = set(table["line"])
    for line, mine in table.groupby("line", sort=False):
        row = int(mine["row"].iloc[0])
        named = sorted(set(mine["parental"]) - {""})
        if len(named) > 1:
            what = f"{line!r} has the parental lines {named[0]!r} and {named[1]!r}"
            found.fault(row, "parental", what, "one parental line", "correct one of them")
        elif named and (named[0] not in lines or named[0] == line):
            close = nearest(named[0], lines - {str(line)})
            remedy = f"did you mean {close!r}?" if close else "add its wells, or clear the column"
            what = f"{named[0]!r} is no other line of this table"
            found.fault(row, "parental", what, "the name of a line that was measured", remedy)


def _check_controls(found: Rows, table: pd.DataFrame) -> None:
    """Every plate has wells of every line on it without any drug: they are what 100 % is."""
    if not (table[["dose", "dose_2"]] > 0).to_numpy().any():
        found.fault(2, "dose", "no well has a drug", "doses above 0", "add the treated wells")
    for (line, plate), mine in table.groupby(["line", "plate"], sort=False):
        control = mine[(mine["dose"] == 0) & (mine["dose_2"] == 0)]
        on = f" on plate {plate!r}" if plate else ""
        row = int(mine["row"].iloc[0])
        if control.empty:
            what = f"{line!r} has no well without drug{on}"
            found.fault(row, "dose", what, "control wells of dose 0", "add the control wells")
        elif control["response"].mean() <= 0:
            what = f"the wells of {line!r} without drug{on} have a mean response of 0"
            found.fault(row, "response", what, "a signal above 0", "check the plate")


def _check_matrices(found: Rows, table: pd.DataFrame) -> None:
    """Two drugs on a plate are tested at every pair of their doses, each drug alone included."""
    two = table[table["drug_2"] != ""]
    for (line, plate, first, second), mine in two.groupby(
        ["line", "plate", "drug", "drug_2"], sort=False
    ):
        tested = set(zip(mine["dose"], mine["dose_2"], strict=True)) | {(0.0, 0.0)}
        doses, doses_2 = sorted({0.0, *mine["dose"]}), sorted({0.0, *mine["dose_2"]})
        missing = [pair for pair in itertools.product(doses, doses_2) if pair not in tested]
        if missing:
            a, b = missing[0]
            on = f" on plate {plate!r}" if plate else ""
            what = f"{line!r} has no well with {first} {a:g} and {second} {b:g}{on}"
            expected = "a well at every pair of doses, each drug alone included"
            row = int(mine["row"].iloc[0])
            remedy = "add the well, or leave these doses out"
            if 0 in missing[0]:
                remedy = "a well of one drug alone names the other, too, at dose 0; or leave these doses out"
            found.fault(row, "dose_2", what, expected, remedy)
