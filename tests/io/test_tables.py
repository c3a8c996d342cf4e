"""Tables: the same numbers give the same bytes, names stay what they are."""

import os

import numpy as np
import pandas as pd
import pytest

from helpers.io.tables import (
    read_json,
    read_table,
    write_json,
    write_json_if_changed,
    write_table,
)

TABLE = pd.DataFrame(
    {
        "sample": ["NA", "007", "1e5", "True", 'a "b", c', "零"],
        "effect": [1 / 3, -0.0, 1e-20, np.nan, 123456789.0, 2.0],
        "n_cells": [1, 2, 3, 4, 5, 6],
    }
)


def test_write_table__by_hand(tmp_path):
    write_table(TABLE, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes().decode() == (
        "sample,effect,n_cells\n"
        "NA,0.333333,1\n007,-0,2\n1e5,1e-20,3\nTrue,,4\n"
        '"a ""b"", c",1.23457e+08,5\n零,2,6\n'
    )


def test_write_table__gives_the_same_bytes_for_the_same_table(tmp_path):
    write_table(TABLE, tmp_path / "a.csv")
    write_table(TABLE.set_index(pd.Index(range(5, -1, -1))), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_read_table__keeps_names_as_they_were_written(tmp_path):
    write_table(TABLE, tmp_path / "x.csv")
    found = read_table(tmp_path / "x.csv")
    assert found["sample"].tolist() == TABLE["sample"].tolist()
    assert found["n_cells"].tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(found["effect"], TABLE["effect"], rtol=1e-5)


@pytest.mark.parametrize(
    "column", ["sample", "donor", "group", "batch", "barcode", "cell_type", "cluster", "gene"]
)
def test_read_table__keeps_leading_zeros_of(column, tmp_path):
    write_table(pd.DataFrame({column: ["01", "002"], "x": ["01", "02"]}), tmp_path / "x.csv")
    found = read_table(tmp_path / "x.csv")
    assert found[column].tolist() == ["01", "002"]
    assert found["x"].tolist() == [1, 2]


def test_write_json__can_be_read_back(tmp_path):
    record = {"b": [1, 2.5, None], "a": {"é": True}}
    write_json(record, tmp_path / "x.json")
    assert read_json(tmp_path / "x.json") == record
    assert (tmp_path / "x.json").read_text(encoding="utf-8").startswith('{\n "b": [')


def test_write_json_if_changed__leaves_a_file_that_says_the_same(tmp_path):
    path = tmp_path / "x.json"
    write_json_if_changed({"a": (1, 2)}, path)
    os.utime(path, ns=(0, 0))
    write_json_if_changed({"a": [1, 2]}, path)
    assert path.stat().st_mtime_ns == 0
    write_json_if_changed({"a": [1, 3]}, path)
    assert path.stat().st_mtime_ns > 0
    assert read_json(path) == {"a": [1, 3]}
