"""A frozen signature in other patients: by hand, planted truth, chance, and no patient twice."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.compute.discovery import (
    SCORE,
    Validation,
    adjust_score,
    check_hazards,
    compare_risk_groups,
    describe_adjustment,
    describe_proportionality,
    draw_survival,
    list_patients,
    measure_signature,
    open_validation,
    predict_hazard,
    predict_survival,
    rate_calibration,
    rate_horizons,
    rate_signature,
    summarise_validation,
)
from helpers.compute.learning import Signature, hash_name
from helpers.errors import DataError

SIGNATURE = Signature(
    genes=("a", "b"),
    weights=(0.5, -0.5),
    centres=(1.0, 2.0),
    scales=(1.0, 2.0),
    cut=0.25,
    spread=0.5,
    times=(2.0, 10.0),
    hazard=(0.1, 0.5),
    patients=(hash_name("T1"),),
)


def make_validation(effect: float, *, n: int = 200, seed: int = 0) -> Validation:
    """Patients whose log hazard is ``effect`` times their linear predictor; older ones die earlier."""
    rng = np.random.default_rng(seed)
    names = [f"V{i}" for i in range(n)]
    values = pd.DataFrame(
        {"a": 1 + rng.normal(size=n), "b": 2 + 2 * rng.normal(size=n)}, index=names
    )
    predictor = 0.5 * (values["a"] - 1) - 0.5 * (values["b"] - 2) / 2
    age = rng.uniform(30, 80, n)
    risk = rng.choice(["good", "poor", ""], n, p=[0.5, 0.4, 0.1])
    hazard = np.exp(effect * predictor + 0.03 * (age - 55) + 0.7 * (risk == "poor"))
    death, end = 20 * rng.exponential(size=n) / hazard, rng.uniform(10, 60, n)
    clinical = pd.DataFrame(
        {
            "time_months": np.minimum(death, end),
            "event": (death <= end).astype(int),
            "response": "",
            "age": age,
            "cytogenetic_risk": risk,
        },
        index=names,
    )
    return open_validation(SIGNATURE, values, clinical)


@pytest.fixture(scope="module")
def planted() -> Validation:
    return make_validation(2.0)


@pytest.fixture(scope="module")
def chance() -> Validation:
    return make_validation(0.0, seed=1)


# By hand


def test_open_validation__by_hand():
    values = pd.DataFrame({"a": [2.0, 1.0], "b": [2.0, 2.0]}, index=["V1", "V2"])
    clinical = pd.DataFrame({"time_months": [1.0, 2.0], "event": [1, 1]}, index=["V1", "V2"])
    patients = open_validation(SIGNATURE, values, clinical).patients
    # raw scores 0.5 and 0, less the cut of 0.25, over 0.5
    assert patients["score"].tolist() == [0.5, -0.5]
    assert patients["group"].tolist() == ["high risk", "low risk"]


def test_predict_survival__by_hand(planted):
    raw = planted.patients["score"].to_numpy() * 0.5 + 0.25
    np.testing.assert_allclose(predict_survival(planted, 1.0), 1.0)
    np.testing.assert_allclose(predict_survival(planted, 5.0), np.exp(-0.1 * np.exp(raw)))
    np.testing.assert_allclose(predict_survival(planted, 10.0), np.exp(-0.5 * np.exp(raw)))


def test_predict_hazard__until_a_time_of_ones_own():
    names = ["V1", "V2", "V3"]
    patients = pd.DataFrame({"score": [-0.5, -0.5, 1.5]}, index=names)
    # raw scores of 0, 0 and 1; the hazard is 0 before 2, 0.1 until 10 and 0.5 after
    found = predict_hazard(Validation(SIGNATURE, patients), np.array([1.9, 2.0, 99.0]))
    np.testing.assert_allclose(found, [0.0, 0.1, 0.5 * np.e])


def test_summarise_validation__counts_events_against_those_expected():
    patients = make_validation(1.0).patients.iloc[:40].assign(score=-0.5, time_months=10.0, event=1)
    patients["score"] += np.tile([0.001, -0.001], 20)  # a model needs scores that differ
    patients.loc[patients.index[:5], "event"] = 0
    found = summarise_validation(Validation(SIGNATURE, patients), confidence=0.95)
    row = found.set_index("measure").loc["events, seen / expected"]
    # 35 seen, 40 x 0.5 expected; 24.4 to 48.7 is the exact interval of a Poisson count of 35
    assert row["value"] == pytest.approx(1.75, rel=1e-4)
    assert (20 * row["ci_low"], 20 * row["ci_high"]) == pytest.approx((24.379, 48.677), rel=1e-4)
    assert row["pvalue"] == pytest.approx(2 * stats.poisson.sf(34, 20), rel=1e-3)
    assert found["null"].tolist()[-2:] == [1.0, 1.0]


def test_rate_signature__by_hand():
    truth = pd.DataFrame({"gene": list("abcd"), "log_hazard": [0.5, -0.5, 0.3, 0.0]})
    genes = pd.DataFrame({"gene": list("abcd"), "padj": [0.01, 0.2, 0.5, 0.01]})
    genes["candidate"] = [True, True, False, True]
    weights = pd.DataFrame({"gene": list("abd"), "weight": [1.0, 1.0, 1.0]})
    table = rate_signature(truth, genes, weights)
    assert table["n"].tolist() == [3, 2, 1, 3, 2, 3, 2, 1]


# No patient twice


def test_open_validation__refuses_a_patient_the_signature_was_learnt_from():
    values = pd.DataFrame({"a": [1.0, 1.0], "b": 1.0}, index=["V1", "T1"])
    clinical = pd.DataFrame({"time_months": 1.0, "event": 1}, index=["V1", "T1"])
    with pytest.raises(DataError, match=r"1 patients of the validation .* training .*\(T1\)"):
        open_validation(SIGNATURE, values, clinical)


def test_open_validation__does_not_look_at_the_outcomes(planted):
    values = pd.DataFrame({"a": [0.0, 1, 2], "b": [2.0, 2, 2]}, index=["V1", "V2", "V3"])
    fates = pd.DataFrame({"time_months": [1.0, 2, 3], "event": [1, 1, 0]}, index=values.index)
    one = open_validation(SIGNATURE, values, fates).score
    other = open_validation(SIGNATURE, values, fates.assign(time_months=9.0, event=0)).score
    assert one.tolist() == other.tolist()
    alone = open_validation(SIGNATURE, values.iloc[:1], fates.iloc[:1]).score
    assert alone[0] == one[0]  # a patient's score does not depend on the others


# Planted truth and chance


def test_summarise_validation__tells_planted_from_chance(planted, chance):
    found, none = (
        summarise_validation(v, confidence=0.95).set_index("measure") for v in (planted, chance)
    )
    assert found.loc["C-index", "ci_low"] > 0.6
    assert none.loc["C-index", "ci_low"] < 0.5 < none.loc["C-index", "ci_high"]
    assert found.loc["log-rank chi-square", "pvalue"] < 1e-6
    assert found.loc["log-rank chi-square", "pvalue"] == compare_risk_groups(planted)
    # hazards differ about twice as much as the signature says
    assert found.loc["calibration slope", "ci_low"] < 2 < found.loc["calibration slope", "ci_high"]


def test_adjust_score__keeps_the_score_beside_age_and_risk(planted, chance):
    table = adjust_score(planted, confidence=0.95)
    mine = table[table["term"] == SCORE].set_index("model")
    assert (mine["ci_low"] > 0).all()
    every = table[table["model"] == "score, age and risk"].set_index("term")
    age = every.loc["age (per 10 years)"]
    # 0.03 a year, 0.43 log2 per ten
    assert age["ci_low"] < 0.3 / np.log(2) < age["ci_high"]
    assert every.loc["cytogenetic risk: poor (vs good)", "ci_low"] > 0
    assert (every["n"] == (planted.patients["cytogenetic_risk"] != "").sum()).all()
    assert every["added_pvalue"].iloc[0] < 1e-6
    none = adjust_score(chance, confidence=0.95)
    row = none[(none["term"] == SCORE) & (none["model"] == "score")].iloc[0]
    assert row["ci_low"] < 0 < row["ci_high"]


def test_adjust_score__leaves_out_what_nobody_knows(planted):
    bare = Validation(SIGNATURE, planted.patients.assign(age=np.nan, cytogenetic_risk=""))
    table = adjust_score(bare, confidence=0.95)
    assert table.dropna(subset="effect")["model"].tolist() == ["score"]
    assert describe_adjustment(table).startswith("Not adjusted: neither age nor cytogenetic risk")
    claimed = measure_signature(table).set_index("measure")
    assert "neither age nor" in claimed.loc["signature_adjusted", "reason"]
    assert set(check_hazards(bare)["model"]) == {"score"}


@pytest.mark.parametrize("n_known", [0, 2, 4, 60])
def test_adjust_score__leaves_out_an_age_that_is_known_of_few(planted, n_known):
    patients = planted.patients.copy()
    patients.loc[patients.index[n_known:], "age"] = np.nan
    table = adjust_score(Validation(SIGNATURE, patients), confidence=0.95)
    every = table[table["model"] == "score, age and risk"].set_index("term")
    assert every.index.tolist() == [SCORE, "cytogenetic risk: poor (vs good)"]
    assert np.isfinite(every["effect"]).all()


def test_adjust_score__takes_no_class_whose_events_have_no_age(planted):
    patients = planted.patients.copy()
    rare = patients.index[:6]
    patients.loc[rare, ["cytogenetic_risk", "event"]] = ["rare", 0]
    patients.loc[rare[0], ["event", "age"]] = [1, np.nan]
    table = adjust_score(Validation(SIGNATURE, patients), confidence=0.95)
    assert not table["term"].str.contains("rare").any()
    assert table["reason"].eq("").all()


def test_adjust_score__keeps_the_score_where_a_covariate_has_no_estimate(planted):
    patients = planted.patients.copy()
    patients["age"] = np.where(patients["event"] == 1, 80.0, 30.0) - 0.01 * patients["time_months"]
    table = adjust_score(Validation(SIGNATURE, patients), confidence=0.95)
    assert table.loc[table["model"] == "score", "ci_low"].item() > 0
    assert "has no estimate" in describe_adjustment(table)


def test_adjust_score__leaves_out_classes_without_an_event(planted):
    rare = planted.patients.copy()
    rare.loc[rare.index[:6], ["cytogenetic_risk", "event"]] = ["never", 0]
    table = adjust_score(Validation(SIGNATURE, rare), confidence=0.95)
    assert not table["term"].str.contains("never").any()
    n_known = rare["cytogenetic_risk"].isin(["good", "poor"]).sum()
    assert set(table["n"]) == {200, n_known}


def test_check_hazards__rates_every_term_of_every_model_of_the_hazards(planted):
    checks = check_hazards(planted)
    hazards = adjust_score(planted, confidence=0.95)
    assert checks["model"].drop_duplicates().tolist() == hazards["model"].unique().tolist()
    every = checks[checks["model"] == "score, age and risk"].set_index("term")
    assert every["df"].to_dict() == {SCORE: 1, "age (per 10 years)": 1, "cytogenetic risk": 1,
                                     "GLOBAL": 3}  # fmt: skip
    n_known = int((planted.patients["cytogenetic_risk"] != "").sum())
    assert checks["n"].tolist() == [200] * 2 + [n_known] * 7
    assert checks["n_events"][0] == planted.event.sum()


def test_check_hazards__finds_a_score_that_tells_early_events_only():
    patients = make_validation(0.0, n=400).patients
    rng = np.random.default_rng(5)
    early = 20 * rng.exponential(size=400) / np.exp(patients["score"])
    time = np.where(early < 8, early, 8 + 20 * rng.exponential(size=400))
    changed = Validation(SIGNATURE, patients.assign(time_months=time, event=1))
    checks = check_hazards(changed)
    found = checks[checks["term"] == SCORE]
    assert (found["pvalue"] < 1e-4).tolist() == [True, True]
    assert checks[checks["model"] == "age and risk"]["pvalue"].min() > 0.05


def test_describe_proportionality__names_the_doubtful_or_says_there_is_none():
    checks = pd.DataFrame(
        {"model": ["score", "score", "both"], "term": ["s", "GLOBAL", "age"],
         "pvalue": [0.2, 0.3, 0.012]}
    )  # fmt: skip
    every = describe_proportionality(checks.assign(pvalue=[0.2, 0.01, 0.3]))
    assert "p < 0.05 in all terms together in the model of score (p = 0.01)." in every
    assert (
        "of 3 tests, p < 0.05 in age in the model of both (p = 0.012)."
        in describe_proportionality(checks)
    )
    none = describe_proportionality(checks.iloc[:2])
    assert none == "No test speaks against proportional hazards (smallest p = 0.2)."


def test_rate_calibration__is_right_for_hazards_as_predicted():
    right = make_validation(1.0, n=2000, seed=3)
    patients = right.patients
    rng = np.random.default_rng(0)
    raw = right.score * SIGNATURE.spread + SIGNATURE.cut
    # baseline hazard of 0.05 a month, as the signature has it at 10 months
    death = rng.exponential(size=2000) / (0.05 * np.exp(raw))
    exact = Validation(SIGNATURE, patients.assign(time_months=death, event=1))
    table = rate_calibration(exact, horizons=[10.0], n_groups=4, confidence=0.99)
    assert (table["ci_low"] < table["predicted"]).all()
    assert (table["predicted"] < table["ci_high"]).all()
    # up to the last time of the frozen hazard, as many events as expected, and as different
    seen = patients.assign(time_months=np.minimum(death, 10.0), event=(death <= 10.0).astype(int))
    found = summarise_validation(Validation(SIGNATURE, seen), confidence=0.99).set_index("measure")
    slope = found.loc["calibration slope"]
    assert slope["ci_low"] < 1 < slope["ci_high"]
    assert slope["pvalue"] > 0.01


def test_rate_horizons__are_above_one_half_where_planted(planted, chance):
    options = {"horizons": [12.0, 24.0], "n_draws": 100, "confidence": 0.95, "seed": 0}
    assert (rate_horizons(planted, **options)["ci_low"] > 0.5).all()
    none = rate_horizons(chance, **options)
    assert ((none["ci_low"] < 0.5) & (none["ci_high"] > 0.5)).all()


def test_draw_survival__has_a_curve_of_each_group(planted):
    curves = draw_survival(planted, confidence=0.95)
    ends = curves.groupby("group")["survival"].last()
    assert ends["high risk"] < ends["low risk"]
    patients = list_patients(planted)
    assert patients["score"].is_monotonic_increasing
    first = curves.groupby("group")["n_risk"].first()
    assert first.to_dict() == patients["group"].value_counts().to_dict()


def test_compare_risk_groups__is_missing_with_one_group(planted):
    one = Validation(SIGNATURE, planted.patients.assign(group="low risk"))
    assert np.isnan(compare_risk_groups(one))


def test_measure_signature__is_what_the_claim_asks_for(planted):
    table = measure_signature(adjust_score(planted, confidence=0.95)).set_index("measure")
    assert set(table.index) == {"signature_hazard", "signature_adjusted"}
    row = table.loc["signature_hazard"]
    n_events = int(planted.event.sum())
    assert (row["n_test"], row["n_reference"]) == (n_events, 200 - n_events)
