"""Tables of a simulated cohort: sound, readable, and without influence on the cells."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from helpers.io.bulk import inspect_bulk, read_clinical, read_expression
from helpers.io.dose_response import inspect_dose_response, read_dose_response
from helpers.stages.simulate_tables import write_tables
from helpers.synth.design import make_design


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("tables")
    return folder, yaml.safe_load(write_tables(folder, make_design("demo", n_cells=90)))


def test_write_tables__are_sound_and_named_in_the_cohort_file(written):
    folder, lines = written
    assert inspect_dose_response(folder / str(lines["dose_response"]), "x") == []
    for part in ("training", "validation"):
        paths = [folder / lines["bulk"][part][kind] for kind in ("expression", "clinical")]
        assert inspect_bulk(*paths, "x") == []
    assert lines["bulk"]["scale"] == "log2"


def test_write_tables__hold_the_patients_of_both_tables(written):
    folder, _ = written
    for part in ("training", "validation"):
        expression = read_expression(folder / "bulk" / f"{part}_expression.csv")
        clinical = read_clinical(folder / "bulk" / f"{part}_clinical.csv")
        assert expression.index.tolist() == clinical.index.tolist()


def test_write_tables__truth_is_of_the_lines_and_genes_written(written):
    folder, _ = written
    wells = read_dose_response(folder / "dose_response.csv")
    truth = pd.read_csv(folder / "truth" / "dose_response.csv")
    assert set(truth["line"]) == set(wells["line"])
    genes = pd.read_csv(folder / "truth" / "bulk.csv")["gene"]
    assert set(genes) == set(read_expression(folder / "bulk" / "training_expression.csv").columns)


def test_write_tables__resistance_has_a_dose_series_alone(tmp_path):
    design = replace(make_design("demo", n_cells=90), profile="resistance")
    assert write_tables(tmp_path, design) == "dose_response: dose_response.csv\n"
    assert not (tmp_path / "bulk").exists()
