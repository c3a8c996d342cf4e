"""Bulk expression and follow-up as users write them."""

import numpy as np
import pytest

from helpers.errors import DataError
from helpers.io.bulk import inspect_bulk, read_clinical, read_expression

CLINICAL = (
    "sample,time_months,event,response,age,cytogenetic_risk\n"
    "P1,12.5,1,Resistant,60,adverse\n"
    "P2,40,0,sensitive,,\n"
    "P3,7,1,,45,good\n"
)
EXPRESSION = "gene,P1,P2,P4\nFLT3,1.5,2,3\nMYC,0,4,5\n"


@pytest.fixture
def write(tmp_path):
    def both(expression: str = EXPRESSION, clinical: str = CLINICAL):
        paths = tmp_path / "e.csv", tmp_path / "c.csv"
        for path, text in zip(paths, (expression, clinical), strict=True):
            path.write_text(text, encoding="utf-8")
        return paths

    return both


def test_read_clinical__gives_typed_columns(write):
    table = read_clinical(write()[1])
    assert table.index.tolist() == ["P1", "P2", "P3"]
    assert table["time_months"].tolist() == [12.5, 40.0, 7.0]
    assert table["event"].tolist() == [1, 0, 1]
    assert table["response"].tolist() == ["resistant", "sensitive", ""]
    np.testing.assert_array_equal(table["age"], [60, np.nan, 45])
    assert table["cytogenetic_risk"].tolist() == ["adverse", "", "good"]


def test_read_expression__has_patients_in_rows(write):
    table = read_expression(write()[0])
    assert table.loc["P4"].to_dict() == {"FLT3": 3.0, "MYC": 5.0}
    assert table.shape == (3, 2)


def test_read_expression__genes_named_na_stay_genes(write):
    table = read_expression(write("gene,P1\nNA,1\nNaN,2\n")[0])
    assert table.columns.tolist() == ["NA", "NaN"]


def test_inspect_bulk__finds_nothing_in_sound_tables(write):
    assert inspect_bulk(*write(), "cohort.yml:5/bulk.training") == []


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("P1,12.5", "P1,0", "c.csv:2/time_months", "'0' is not a number above 0"),
        ("P2,40,0", "P2,40,2", "c.csv:3/event", "'2' is not 0 (not seen) or 1 (seen)"),
        ("sensitive", "sensitiv", "c.csv:3/response", "unknown response 'sensitiv'"),
        ("1,,45", "1,,145", "c.csv:4/age", "'145' is not an age"),
        ("P3,7", "P1,7", "c.csv:4/sample", "'P1' stands twice (also in row 2)"),
        ("P3,7", ",7", "c.csv:4/sample", "is empty"),
        ("sample,time_months", "sample,time", "c.csv:1", "no column 'time_months'"),
    ],
)
def test_inspect_bulk__names_row_and_field_of_the_clinical_table(write, old, new, where, what):
    assert CLINICAL.count(old) == 1
    found = inspect_bulk(*write(clinical=CLINICAL.replace(old, new)), "x")
    assert (found[0].where, what in found[0].what) == (where, True)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("symbol,P1\nMYC,1\n", "e.csv:1", "the first column is 'symbol'"),
        ("gene,P1,P1\nMYC,1,1\n", "e.csv:1/P1", "patient 'P1' has two columns"),
        ("gene,P1\nMYC,1\nMYC,2\n", "e.csv:3/gene", "gene 'MYC' stands twice"),
        ("gene,P1,P2\nMYC,1\n", "e.csv:2", "2 fields where the header has 3"),
        ("gene,P1,P2\nMYC,1,x\n", "e.csv:2/P2", "'x' is not a number"),
        ("gene,X1\nMYC,1\n", "e.csv:1", "names none of the patients of c.csv"),
        ("", "e.csv:1", "is empty"),
    ],
)
def test_inspect_bulk__names_row_and_field_of_the_expression_table(write, text, where, what):
    (found,) = inspect_bulk(*write(expression=text), "x")
    assert (found.where, what in found.what) == (where, True)


def test_inspect_bulk__says_where_missing_files_are_named(tmp_path):
    found = inspect_bulk(tmp_path / "e.csv", tmp_path / "c.csv", "cohort.yml:5/bulk.training")
    assert sorted(d.where for d in found) == [
        "cohort.yml:5/bulk.training.clinical",
        "cohort.yml:5/bulk.training.expression",
    ]


def test_read__stops_at_the_first_defect(write, tmp_path):
    with pytest.raises(DataError, match=r"c.csv:2/time_months"):
        read_clinical(write(clinical=CLINICAL.replace("12.5", "-1"))[1])
    late = "gene,P1\n" + "".join(f"g{i},1\n" for i in range(400)) + "last,x\n"
    with pytest.raises(DataError, match="every value must be a number"):
        read_expression(write(expression=late)[0])
    with pytest.raises(DataError, match="gene 'last' has a value that is missing"):
        read_expression(write(expression=late.replace("last,x", "last,inf"))[0])
