"""Tables a user wrote: every defect has its row and field."""

import gzip

import pytest

from helpers.errors import Defect
from helpers.io.rows import MOST, Rows, limit, read_rows


def read(path, **options):
    columns = {"required": ("line", "dose"), "optional": ("plate",)}
    return read_rows(path, "cohort.yml:3/table", name="table", **(columns | options))


def write(folder, text: str, name: str = "t.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def places(rows: Rows) -> list[tuple[str, str]]:
    return [(defect.where, defect.what) for defect in rows.defects]


def test_read_rows__keeps_the_line_of_every_row(tmp_path):
    found = read(write(tmp_path, "line,dose,other\nA,1,x\n\nB,2,y\n"))
    assert found.defects == []
    assert found.rows == [
        (2, {"line": "A", "dose": "1", "other": "x"}),
        (4, {"line": "B", "dose": "2", "other": "y"}),
    ]


def test_read_rows__reads_packed_tables_and_byte_order_marks(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress("line,dose\nÄ,1\n".encode("utf-8-sig")))
    assert read(path).rows == [(2, {"line": "Ä", "dose": "1"})]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "t.csv:1", "is empty"),
        ("line,dose\n", "t.csv:2", "no row below the header"),
        ("line\nA\n", "t.csv:1", "no column 'dose'"),
        ("line,dosis\nA,1\n", "t.csv:1", "no column 'dose'"),
        ("line,dose,plat\nA,1,1\n", "t.csv:1/plat", "unknown column 'plat'"),
        ("line,dose,dose\nA,1,1\n", "t.csv:1/dose", "stands twice"),
        ("line,dose\nA,1\nB\n", "t.csv:3", "1 fields where the header has 2"),
        ('line,dose\nA,"1\n', "t.csv", "cannot be read as CSV in UTF-8"),
    ],
)
def test_read_rows__names_row_and_field_of(tmp_path, text, where, what):
    ((place, said),) = places(read(write(tmp_path, text)))
    assert (place, what in said) == (where, True)


def test_read_rows__takes_no_known_column_for_a_missing_one(tmp_path):
    path = write(tmp_path, "line,dose_2,doze\nA,,1\n")
    (defect,) = read(path, optional=("dose_2",)).defects
    assert (defect.what, defect.remedy) == ("no column 'dose'", "rename 'doze' to 'dose'")


def test_read_rows__says_where_a_missing_file_is_named(tmp_path):
    ((where, what),) = places(read(tmp_path / "none.csv"))
    assert where == "cohort.yml:3/table"
    assert what.endswith("none.csv does not exist")


def test_read_rows__refuses_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"line,dose\n\xff\xfe,1\n")
    ((where, what),) = places(read(path))
    assert (where, "cannot be read" in what) == ("t.csv", True)


@pytest.mark.parametrize("value", ["x", "nan", "inf", "-1", "", "1,5"])
def test_rows_number__notes_what_is_no_number_that_fits(tmp_path, value):
    rows = Rows(tmp_path / "t.csv")
    found = rows.number(4, {"dose": value}, "dose", fits=lambda x: x >= 0, expected="0 or more")
    assert found != found
    assert rows.defects[0].where == "t.csv:4/dose"


def test_limit__tells_the_first_and_how_many_more():
    many = [Defect(f"t.csv:{i}", "is empty", "x", "y") for i in range(30)]
    told = limit(many)
    assert len(told) == MOST
    assert told[-1].what == "is empty (and 10 more in this table)"
    assert limit(many[:5]) == many[:5]
