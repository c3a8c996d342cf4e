"""Simulating by name: what is there already is left, what would differ is made anew."""

import hashlib
import json
from pathlib import Path

import pytest

from helpers.errors import ParamsError
from helpers.params import marker_file
from helpers.report.simulate import simulate_cohort
from helpers.stages.simulate import RECORD


def simulate(folder: Path, *, seed: int = 0) -> list[str]:
    """What is told while a tiny cohort is written."""
    told: list[str] = []
    made = simulate_cohort(
        "demo", folder, n_cells=45, seed=seed, difficulty="standard", say=told.append
    )
    assert made == folder / "cohort.yml"
    return told


def test_simulate_cohort__records_what_the_bytes_depend_on(tmp_path):
    assert simulate(tmp_path)[-1] == "[18/18] NCR3 chromatin"
    record = json.loads((tmp_path / RECORD).read_text(encoding="utf-8"))
    asked = {name: record[name] for name in ("profile", "cells", "seed", "difficulty")}
    assert asked == {"profile": "demo", "cells": 45, "seed": 0, "difficulty": "standard"}
    digest = hashlib.sha256(marker_file("markers.yml").read_bytes()).hexdigest()
    assert record["genes"]["markers.yml"] == digest
    assert set(record["versions"]) >= {"numpy", "scipy", "h5py"}
    assert {"helpers.synth.design", "helpers.synth.rna", "helpers.io.tenx"} <= set(record["code"])


def test_simulate_cohort__leaves_what_is_there(tmp_path):
    simulate(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert simulate(tmp_path) == [f"{tmp_path} holds this cohort already"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


def test_simulate_cohort__starts_anew_when_code_library_or_gene_list_changed(tmp_path):
    simulate(tmp_path)
    for part in ("code", "versions", "genes"):
        record = json.loads((tmp_path / RECORD).read_text(encoding="utf-8"))
        record[part][next(iter(record[part]))] = "another"
        (tmp_path / RECORD).write_text(json.dumps(record), encoding="utf-8")
        assert len(simulate(tmp_path)) == 18, part


@pytest.mark.slow
def test_simulate_cohort__starts_anew_for_another_seed(tmp_path):
    simulate(tmp_path)
    before = (tmp_path / "truth" / "cells.csv").read_bytes()
    assert len(simulate(tmp_path, seed=1)) == 18
    assert (tmp_path / "truth" / "cells.csv").read_bytes() != before


def test_simulate_cohort__writes_nothing_where_it_cannot(tmp_path):
    with pytest.raises(ParamsError, match="3 cells are too few"):
        simulate_cohort("demo", tmp_path / "x", n_cells=3, seed=0, difficulty="standard", say=print)
    assert list(tmp_path.iterdir()) == []
