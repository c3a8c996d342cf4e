"""Learning a signature from files: planted truth, chance, and a real cohort."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.compute.discovery import open_validation, summarise_validation
from helpers.compute.learning import (
    join_patients,
    log2_expression,
    summarise_training,
    thaw_signature,
)
from helpers.errors import DataError, NotPossibleError
from helpers.io.bulk import read_clinical, read_expression
from helpers.io.tables import read_table
from helpers.params import SignatureParams, load_defaults
from helpers.stages.discovery import read_training, stage_discovery
from helpers.stages.simulate_tables import write_tables
from helpers.synth.design import make_design

OUTPUTS = ("signature.json", "genes.csv", "folds.csv", "permutations.csv", "scores.csv")


def params(**changes: object) -> SignatureParams:
    fields = SignatureParams.model_fields
    values = {k: v for k, v in load_defaults("discovery").items() if k in fields}
    return SignatureParams.model_validate(values | {"n_permutations": 3} | changes)


def learn(folder: Path, out: str = "out", *, scale: str = "log2", **changes: object) -> Path:
    """Run the stage on the tables of a folder; the folder of what it wrote."""
    written = [folder / out / name for name in OUTPUTS]
    tables = [folder / "bulk" / f"training_{kind}.csv" for kind in ("expression", "clinical")]
    stage_discovery(*tables, *written, scale=scale, params=params(**changes))
    return folder / out


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """Folder of the demonstration cohort's tables, the signature learnt from them in ``out``."""
    folder = tmp_path_factory.mktemp("demo")
    write_tables(folder, make_design("demo", n_cells=90))
    learn(folder, n_permutations=10)
    return folder


def validate(folder: Path):
    signature = thaw_signature(json.loads((folder / "out" / "signature.json").read_text()))
    parts = [folder / "bulk" / f"validation_{kind}.csv" for kind in ("expression", "clinical")]
    return open_validation(
        signature, *join_patients(read_expression(parts[0]), read_clinical(parts[1]), min_events=10)
    )


def test_stage_discovery__finds_what_was_planted(demo):
    found = summarise_validation(validate(demo), confidence=0.95).set_index("measure")
    genes = read_table(demo / "out" / "genes.csv")
    planted = set(read_table(demo / "truth" / "bulk.csv").query("log_hazard != 0")["gene"])
    called = set(genes.loc[genes["padj"] < 0.05, "gene"])
    assert found.loc["C-index", "ci_low"] > 0.55
    assert len(called & planted) >= 2
    # genes of a planted gene's module differ with it, less than it does
    assert genes["gene"][0] in planted


def test_stage_discovery__finds_nothing_in_a_null(tmp_path):
    write_tables(tmp_path, make_design("null", n_cells=90))
    with pytest.raises(NotPossibleError, match="No signature"):
        learn(tmp_path)
    assert not (tmp_path / "out").exists()


def test_stage_discovery__shuffled_fates_give_a_c_index_of_one_half(demo):
    drawn = read_table(demo / "out" / "permutations.csv")
    assert len(drawn) == 10
    assert drawn["c_index"].mean() == pytest.approx(0.5, abs=0.02)


def test_stage_discovery__writes_the_same_bytes_for_the_same_seed(demo):
    fast = {"n_permutations": 1, "outer_folds": 2, "inner_folds": 2}
    one, other = (learn(demo, name, **fast) for name in ("one", "other"))
    assert [(one / n).read_bytes() for n in OUTPUTS] == [(other / n).read_bytes() for n in OUTPUTS]


def test_stage_discovery__its_patients_are_refused_as_validation(demo):
    signature = thaw_signature(json.loads((demo / "out" / "signature.json").read_text()))
    expression = read_expression(demo / "bulk" / "training_expression.csv")
    clinical = read_clinical(demo / "bulk" / "training_clinical.csv")
    with pytest.raises(DataError, match="140 patients of the validation tables are training"):
        open_validation(signature, expression, clinical)


def test_read_training__needs_events(demo):
    folder = demo / "bulk"
    with pytest.raises(NotPossibleError, match="A signature needs 5000 events"):
        read_training(
            folder / "training_expression.csv",
            folder / "training_clinical.csv",
            scale="log2",
            params=params(min_events=5000),
        )


@pytest.fixture(scope="module")
def laml(real_data, tmp_path_factory) -> Path:
    """TCGA-LAML in the project's tables: every third patient is kept for validation."""
    folder = tmp_path_factory.mktemp("laml")
    clinical = pd.read_csv(real_data / "bulk" / "tcga_laml_clinical_170.csv", index_col=0)
    expression = pd.read_csv(real_data / "bulk" / "tcga_laml_expr_170x500.csv", index_col=0)
    table = pd.DataFrame(
        {
            "sample": clinical.index,
            "time_months": clinical["OS_MONTHS"].clip(lower=0.05),
            "event": clinical["OS_STATUS"].astype(int),
            "age": clinical["AGE"],
            "cytogenetic_risk": clinical["RISK_CYTO"].replace("N.D.", ""),
        }
    )
    (folder / "bulk").mkdir()
    held = np.arange(len(table)) % 3 == 0
    for part, rows in (("training", ~held), ("validation", held)):
        names = table.index[rows]
        values = expression.loc[names].T.rename_axis("gene").reset_index()
        values.to_csv(folder / "bulk" / f"{part}_expression.csv", index=False)
        table[rows].to_csv(folder / "bulk" / f"{part}_clinical.csv", index=False)
    return folder


@pytest.mark.slow
def test_stage_discovery__real_patients_of_tcga_laml(laml):
    out = learn(laml, scale="linear", n_permutations=20)
    drawn = read_table(out / "permutations.csv")
    trained = summarise_training(read_table(out / "folds.csv"), drawn, confidence=0.95)
    assert drawn["c_index"].mean() == pytest.approx(0.5, abs=0.02)
    signature = thaw_signature(json.loads((out / "signature.json").read_text()))
    values = read_expression(laml / "bulk" / "validation_expression.csv")
    clinical = read_clinical(laml / "bulk" / "validation_clinical.csv")
    validation = open_validation(
        signature,
        *join_patients(log2_expression(values, scale="linear"), clinical, min_events=10),
    )
    found = summarise_validation(validation, confidence=0.95).set_index("measure")
    # 113 training and 57 validation patients: what is found is told, not wished for
    assert trained["value"][0] > 0.55
    assert found.loc["C-index", "value"] > 0.5
    assert found.loc["C-index", "n"] == 57
