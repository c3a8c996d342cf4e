"""Simulated patients: expression hangs together with survival where planted."""

import numpy as np
import pandas as pd
import pytest

from helpers.synth.bulk import BLAST_GENES, N_RISK_GENES, SIZES, SMALL, make_bulk

GENES = [f"G{i}" for i in range(3000)]


def planted_score(tables: dict[str, pd.DataFrame], truth: pd.DataFrame, part: str) -> np.ndarray:
    values = tables[f"{part}_expression"].set_index("gene").loc[truth["gene"]].to_numpy()
    z = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    return truth["log_hazard"].to_numpy() @ z


@pytest.mark.parametrize("profile", ["demo", "bulk"])
def test_make_bulk__has_the_size_of_its_profile(profile):
    tables, truth = make_bulk(profile, 0, GENES)
    n_training, n_validation, n_genes = SIZES.get(profile, SMALL)
    assert tables["training_expression"].shape == (n_genes, n_training + 1)
    assert tables["validation_expression"].shape == (n_genes, n_validation + 1)
    assert len(tables["training_clinical"]) == n_training
    assert (truth["log_hazard"] != 0).sum() == N_RISK_GENES


def test_make_bulk__no_patient_is_in_both_parts():
    tables, _ = make_bulk("demo", 0, GENES)
    parts = [set(tables[f"{part}_clinical"]["sample"]) for part in ("training", "validation")]
    assert parts[0] & parts[1] == set()
    for part, names in zip(("training", "validation"), parts, strict=True):
        assert set(tables[f"{part}_expression"].columns) - {"gene"} == names


@pytest.mark.parametrize("part", ["training", "validation"])
def test_make_bulk__planted_genes_shorten_life_in_both_parts(part):
    tables, truth = make_bulk("bulk", 0, GENES)
    clinical, score = tables[f"{part}_clinical"], planted_score(tables, truth, part)
    died = (clinical["event"] == 1).to_numpy()
    assert np.corrcoef(score[died], np.log(clinical["time_months"][died]))[0, 1] < -0.4
    resistant = (clinical["response"] == "resistant").to_numpy()
    assert score[resistant].mean() - score[~resistant].mean() > 0.5


def test_make_bulk__genes_of_the_blasts_are_measured_once_and_raise_the_hazard():
    for genes in ([*GENES[:296], *BLAST_GENES], [*GENES, *BLAST_GENES]):
        tables, truth = make_bulk("demo", 0, genes)
        hazard = truth.set_index("gene")["log_hazard"]
        assert (hazard[list(BLAST_GENES)] > 0).all()
        assert hazard.index.is_unique
        assert tables["training_expression"]["gene"].tolist() == truth["gene"].tolist()
        assert (hazard != 0).sum() == N_RISK_GENES


def test_make_bulk__names_alone_differ_where_the_blasts_genes_are_known():
    with_them, without = (
        make_bulk("bulk", 0, g)[0] for g in ([*GENES[:2996], *BLAST_GENES], GENES)
    )
    one, other = (t["training_clinical"] for t in (with_them, without))
    assert one.equals(other)


def test_make_bulk__null_plants_nothing_but_age_and_cytogenetics():
    tables, truth = make_bulk("null", 0, GENES, effects=False)
    assert (truth["log_hazard"] == 0).all()
    clinical = tables["training_clinical"]
    by_risk = clinical.groupby("cytogenetic_risk")["time_months"].median()
    assert by_risk["adverse"] < by_risk["intermediate"]


def test_make_bulk__follows_its_seed():
    one, same, other = (make_bulk("demo", s, GENES)[0]["training_clinical"] for s in (1, 1, 2))
    assert one.equals(same)
    assert not one["time_months"].equals(other["time_months"])
