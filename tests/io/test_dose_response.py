"""Dose series as users write them: units, controls, parental lines, matrices."""

import numpy as np
import pytest

from helpers.errors import DataError
from helpers.io.dose_response import inspect_dose_response, read_dose_response

HEADER = "line,parental,plate,drug,dose,unit,drug_2,dose_2,unit_2,response,start\n"
SOUND = HEADER + (
    "K562,,1,selinexor,0,nM,,,,1000,250\n"
    "K562,,1,selinexor,300,nM,,,,500,250\n"
    "K562,,1,selinexor,0.3,uM,RSL3,1,µM,200,\n"
    "K562,,1,selinexor,0,uM,RSL3,1,uM,700,\n"
    "K562,,1,selinexor,300,nM,RSL3,0,uM,510,\n"
    "SR,K562,2,selinexor,0,nM,,,,900,\n"
    "SR,K562,2,Ara-C,10,ng/ml,,,,800,\n"
)


@pytest.fixture
def write(tmp_path):
    def one(text: str):
        path = tmp_path / "doses.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return one


def test_read_dose_response__brings_doses_to_one_unit(write):
    table = read_dose_response(write(SOUND))
    assert table["dose"].tolist() == [0, 0.3, 0.3, 0, 0.3, 0, 0.01]
    assert table["unit"].tolist() == ["uM"] * 6 + ["ug/ml"]
    assert table["dose_2"].tolist() == [0, 0, 1, 1, 0, 0, 0]
    assert table["unit_2"].tolist() == ["", "", "uM", "uM", "uM", "", ""]
    assert table["parental"].tolist() == [""] * 5 + ["K562"] * 2
    np.testing.assert_array_equal(table["start"], [250, 250] + [np.nan] * 5)


def test_inspect_dose_response__finds_nothing_in_a_sound_table(write):
    assert inspect_dose_response(write(SOUND), "x") == []


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("300,nM,,,,500", "-3,nM,,,,500", "doses.csv:3/dose", "'-3' is not a number of at least 0"),
        ("300,nM,,,,500", "x,nM,,,,500", "doses.csv:3/dose", "'x' is not a number"),
        ("300,nM,,,,500", "300,nm,,,,500", "doses.csv:3/unit", "unknown unit 'nm'"),
        ("300,nM,,,,500", "300,nM,,,,nan", "doses.csv:3/response", "'nan' is not a number"),
        ("300,nM,,,,500", "300,nM,,,,", "doses.csv:3/response", "is empty"),
        ("300,nM,,,,500,250", "300,nM,,,,500,0", "doses.csv:3/start", "'0' is not a number above 0"),
        ("300,nM,,,,500", "300,nM,,7,nM,500", "doses.csv:3/drug_2", "but there is a dose_2"),
        ("300,nM,,,,500", "300,ng/ml,,,,500", "doses.csv:3/unit", "in ug/ml here and in uM before"),
        ("RSL3,1,µM", "selinexor,1,µM", "doses.csv:4/drug_2", "is also the first drug"),
        ("RSL3,1,µM", "RSL3,,µM", "doses.csv:4/dose_2", "is empty"),
        ("K562,,1,selinexor,300,nM,,", ",,1,selinexor,300,nM,,", "doses.csv:3/line", "is empty"),
        ("SR,K562,2,selinexor,0,", "SR,K562,2,selinexor,1,", "doses.csv:7/dose", "no well without drug"),
        (",,,,1000,", ",,,,0,", "doses.csv:2/response", "have a mean response of 0"),
        ("RSL3,0,uM,510", "RSL3,0.5,uM,510", "doses.csv:4/dose_2", "no well with selinexor 0 and RSL3 0.5"),
    ],
)  # fmt: skip
def test_inspect_dose_response__names_row_and_field_of(write, old, new, where, what):
    assert SOUND.count(old) == 1
    found = inspect_dose_response(write(SOUND.replace(old, new)), "x")
    assert [d.where for d in found][:1] == [where]
    assert what in found[0].what


def test_inspect_dose_response__parental_lines_must_be_other_lines_and_one_each(write):
    unknown = write(SOUND.replace("SR,K562", "SR,K526"))
    (found,) = inspect_dose_response(unknown, "x")
    assert (found.where, found.remedy) == ("doses.csv:7/parental", "did you mean 'K562'?")
    two = SOUND.replace("SR,K562,2,Ara", "SR,SR,2,Ara")
    (found,) = inspect_dose_response(write(two), "x")
    assert "has the parental lines 'K562' and 'SR'" in found.what


def test_inspect_dose_response__needs_a_treated_well(write):
    (found,) = inspect_dose_response(write(HEADER + "K562,,1,x,0,nM,,,,1000,\n"), "x")
    assert (found.where, found.what) == ("doses.csv:2/dose", "no well has a drug")


def test_read_dose_response__stops_at_the_first_defect(write):
    with pytest.raises(DataError, match=r"doses.csv:3/dose — '-3' is not a number"):
        read_dose_response(write(SOUND.replace("300,nM,,,,500", "-3,nM,,,,500")))
