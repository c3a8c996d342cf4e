"""Survival: R's survival, scikit-survival, cases by hand, laws."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_tsv
from sksurv.metrics import cumulative_dynamic_auc
from sksurv.util import Surv

from helpers.compute.survival import (
    bootstrap_auc,
    check_proportionality,
    compare_calibration,
    compare_models,
    compare_survival,
    estimate_hazard,
    estimate_survival,
    fit_cox,
    measure_auc,
    measure_concordance,
    rank_event_times,
    read_survival,
)
from helpers.errors import DataError

TERMS = ["age", "sex", "ph.ecog"]


@pytest.fixture
def lung(oracles) -> pd.DataFrame:
    return read_tsv(oracles / "survival/input/lung.tsv").assign(event=lambda t: t["status"] == 2)


@pytest.fixture
def complete(lung) -> pd.DataFrame:
    return lung.dropna(subset=TERMS)


def times_of(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return table["time"].to_numpy(dtype=float), table["event"].to_numpy()


def make_patients(seed: int, *, n: int = 80, effect: float = 0.0):
    """A score, times with ties, and events of patients whose log hazard is ``effect`` x score."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    time = np.ceil(20 * rng.exponential(size=n) / np.exp(effect * score))
    return score, time, rng.random(n) < 0.7


# The original tool


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_fit_cox__is_coxph(oracles, complete, ties):
    expected = read_tsv(oracles / f"survival/output/coxph_lung_{ties}.tsv")
    model = read_tsv(oracles / f"survival/output/coxph_lung_{ties}_model.tsv").iloc[0]
    fit = fit_cox(complete[TERMS], *times_of(complete), ties=ties)
    table = fit.tabulate(confidence=0.95)
    assert table["term"].tolist() == expected["term"].tolist()
    np.testing.assert_allclose(fit.coefficients, expected["coef"], rtol=1e-6)
    np.testing.assert_allclose(table["error"], expected["se(coef)"], rtol=1e-6)
    np.testing.assert_allclose(table["pvalue"], expected["Pr(>|z|)"], rtol=1e-6)
    np.testing.assert_allclose(np.exp2(table["ci_low"]), expected["lower .95"], rtol=1e-6)
    np.testing.assert_allclose(np.exp2(table["ci_high"]), expected["upper .95"], rtol=1e-6)
    assert (fit.n, fit.n_events) == (model["n"], model["nevent"])
    logliks = (fit.loglik_null, fit.loglik)
    assert logliks == pytest.approx((model["loglik0"], model["loglik1"]), rel=1e-9)


def test_measure_concordance__is_that_of_coxph_with_its_error(oracles, complete):
    expected = read_tsv(oracles / "survival/output/coxph_lung_efron_model.tsv").iloc[0]
    fit = fit_cox(complete[TERMS], *times_of(complete))
    found = measure_concordance(complete[TERMS].to_numpy() @ fit.coefficients, *times_of(complete))
    assert found.c_index == pytest.approx(expected["concordance"], abs=1e-9)
    assert found.error == pytest.approx(expected["concordance_se"], rel=1e-6)


def test_compare_survival__is_survdiff(oracles, lung):
    expected = read_tsv(oracles / "survival/output/logrank_lung_sex.tsv")
    table, chi2, pvalue = compare_survival(*times_of(lung), lung["sex"].to_numpy())
    assert table["n"].tolist() == expected["n"].tolist()
    np.testing.assert_allclose(table["observed"], expected["observed"])
    np.testing.assert_allclose(table["expected"], expected["expected"], rtol=1e-6)
    assert chi2 == pytest.approx(expected["chisq"][0], rel=1e-6)
    assert pvalue == pytest.approx(expected["p"][0], rel=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_check_proportionality__is_cox_zph(oracles, complete, ties):
    expected = read_tsv(oracles / f"survival/output/coxzph_lung_{ties}.tsv")
    fit = fit_cox(complete[TERMS], *times_of(complete), ties=ties)
    found = check_proportionality(complete[TERMS], *times_of(complete), fit, ties=ties)
    assert found["term"].tolist() == expected["term"].tolist()
    assert found["df"].tolist() == expected["df"].tolist()
    np.testing.assert_allclose(found["chi2"], expected["chisq"], atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(found["pvalue"], expected["p"], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("sex", [1, 2])
def test_estimate_survival__is_survfit(oracles, lung, sex):
    expected = read_tsv(oracles / "survival/output/km_lung_sex.tsv.gz")
    expected = expected[expected["strata"] == f"sex={sex}"]
    found = estimate_survival(*times_of(lung[lung["sex"] == sex]))
    assert found["time"].tolist() == expected["time"].tolist()
    assert found["n_risk"].tolist() == expected["n.risk"].tolist()
    names = {"survival": "surv", "error": "std.err"}
    names |= {"ci_low": "lower_log", "ci_high": "upper_log"}
    for mine, theirs in names.items():
        np.testing.assert_allclose(found[mine], expected[theirs], rtol=1e-6, atol=1e-9)


def test_measure_auc__is_that_of_scikit_survival(complete):
    score = complete["age"].to_numpy() + 5 * complete["ph.ecog"].to_numpy()
    time, event = times_of(complete)
    outcome = Surv.from_arrays(event, time)
    expected, _ = cumulative_dynamic_auc(outcome, outcome, score, [200, 400, 600])
    found = measure_auc(score, time, event, horizons=[200, 400, 600])
    np.testing.assert_allclose(found["auc"], expected, rtol=1e-9)


# By hand


def test_estimate_survival__by_hand():
    curve = estimate_survival(np.array([1, 2, 2, 3.0]), np.array([1, 1, 0, 0]))
    # 3 of 4 live beyond 1; then 2 of 3
    assert curve["survival"].tolist() == pytest.approx([3 / 4, 1 / 2, 1 / 2])
    assert curve["n_risk"].tolist() == [4, 3, 1]
    assert [read_survival(curve, t) for t in (0.5, 1, 2.5, 9)] == [1.0, 0.75, 0.5, 0.5]


def test_measure_concordance__by_hand():
    # pairs: 1 before 2 (event), 1 before 3, 2 censored compares with nobody
    found = measure_concordance(np.array([3, 1, 3]), np.array([1, 2, 3]), np.array([1, 0, 1]))
    assert found.n_pairs == 2
    assert found.c_index == pytest.approx((1 + 0.5) / 2)


def test_measure_concordance__who_is_censored_when_another_dies_lives_longer():
    found = measure_concordance(np.array([2, 1]), np.array([5, 5]), np.array([1, 0]))
    assert (found.n_pairs, found.c_index) == (1, 1.0)


def test_estimate_hazard__by_hand():
    hazard = estimate_hazard(np.log([1.0, 2.0, 1.0]), np.array([1, 2, 3]), np.array([1, 0, 1]))
    assert hazard["hazard"].tolist() == pytest.approx([1 / 4, 1 / 4 + 1])


def test_measure_auc__by_hand_and_missing_without_controls():
    score, time = np.array([3, 1, 2, 0]), np.array([1, 2, 5, 6])
    table = measure_auc(score, time, np.ones(4), horizons=[3.0, 9.0])
    # cases 3 and 1 against controls 2 and 0: three of four pairs
    assert table["auc"][0] == pytest.approx(0.75)
    assert np.isnan(table["auc"][1])
    assert table["n_cases"].tolist() == [2, 4]


def test_compare_calibration__by_hand():
    predicted = np.array([0.9, 0.2, 0.8, 0.1])
    time, event = np.array([9, 1, 9, 9.0]), np.array([0, 1, 0, 0])
    found = compare_calibration(predicted, time, event, horizon=5, n_groups=2, confidence=0.95)
    assert found["predicted"].tolist() == pytest.approx([0.15, 0.85])
    assert found["observed"].tolist() == [0.5, 1.0]
    assert found["n_events"].tolist() == [1, 0]


def test_compare_calibration__sees_nothing_beyond_the_follow_up_of_a_group():
    predicted = np.array([0.9, 0.2, 0.8, 0.1])
    time, event = np.array([9, 1, 12, 3.0]), np.array([0, 1, 0, 1])
    found = compare_calibration(predicted, time, event, horizon=20, n_groups=2, confidence=0.95)
    # all of the first group had the event; the others were free of it when last seen
    assert found["observed"][0] == 0
    assert np.isnan(found.loc[1, ["observed", "ci_low", "ci_high"]].astype(float)).all()


# Laws


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_compare_survival__of_two_groups_is_the_score_test_of_cox_up_to_ties(seed):
    score, time, event = make_patients(seed)
    time = time + np.random.default_rng(seed).random(len(time))  # no ties: the two are the same
    group = (score > 0).astype(float)
    chi2 = compare_survival(time, event, group)[1]
    # score test by hand: U^2 / I at a coefficient of 0
    gradient = information = 0.0
    for t in time[event]:
        share = group[time >= t].mean()
        gradient += group[time == t][0] - share
        information += share * (1 - share)
    assert chi2 == pytest.approx(gradient**2 / information)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_measure_concordance__turning_the_score_mirrors_it(seed):
    score, time, event = make_patients(seed)
    one, other = (measure_concordance(s, time, event) for s in (score, -score))
    assert one.c_index == pytest.approx(1 - other.c_index)
    assert one.error == pytest.approx(other.error)


def test_fit_cox__does_not_depend_on_units():
    score, time, event = make_patients(3, effect=0.5)
    one = fit_cox(pd.DataFrame({"x": score}), time, event)
    other = fit_cox(pd.DataFrame({"x": 1000 * score + 5}), time, event)
    assert other.coefficients[0] * 1000 == pytest.approx(one.coefficients[0], rel=1e-8)


def test_compare_models__finds_what_matters_and_not_what_does_not():
    score, time, event = make_patients(5, n=300, effect=0.8)
    noise = np.random.default_rng(1).normal(size=300)
    small = fit_cox(pd.DataFrame({"noise": noise}), time, event)
    large = fit_cox(pd.DataFrame({"noise": noise, "score": score}), time, event)
    chi2, df, pvalue = compare_models(large, small)
    assert (df, pvalue < 1e-10) == (1, True)
    assert chi2 == pytest.approx(2 * (large.loglik - small.loglik))


def test_measure_concordance__interval_covers_one_half_of_scores_without_meaning():
    covered = []
    for seed in range(300):
        found = measure_concordance(*make_patients(seed))
        low, high = found.interval(0.95)
        covered.append(low <= 0.5 <= high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_bootstrap_auc__surrounds_the_estimate():
    score, time, event = make_patients(2, effect=1.0)
    table = bootstrap_auc(score, time, event, horizons=[10.0], n_draws=100, confidence=0.9, seed=0)
    assert table["ci_low"][0] < table["auc"][0] < table["ci_high"][0]
    assert table["ci_low"][0] > 0.5


# Proportional hazards


def make_changing(seed: int, *, n: int = 200, late: float):
    """Two scores; the first's log hazard ratio is 1 until month 10 and ``late`` after it."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(rng.normal(size=(n, 2)), columns=["first", "second"])
    drawn = 20 * rng.exponential(size=n) / np.exp(x["first"])  # time if nothing changed
    after = 10 + (drawn - 10) * np.exp(x["first"] * (1 - late))
    time = np.ceil(2 * np.where(drawn < 10, drawn, after)) / 2
    end = rng.uniform(5, 80, n)
    return x, np.minimum(time, end), time <= end


def test_rank_event_times__by_hand():
    # survival falls to 3/4 at 1, to 3/8 at 3; before the three events 0, 0 and 1/4 had been lost
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 1, 0])
    np.testing.assert_allclose(rank_event_times(time, event), [-0.125, 0.125])


def test_check_proportionality__finds_a_hazard_ratio_that_changes():
    x, time, event = make_changing(0, late=-0.5)
    found = check_proportionality(x, time, event, fit_cox(x, time, event)).set_index("term")
    assert found.loc["first", "pvalue"] < 1e-6
    assert found.loc["GLOBAL", "pvalue"] < 1e-6
    assert found.loc["second", "pvalue"] > 0.05


@pytest.mark.slow
def test_check_proportionality__errs_at_the_nominal_rate_where_nothing_changes():
    drawn = [make_changing(seed, n=120, late=1.0) for seed in range(400)]
    tables = [check_proportionality(*data, fit_cox(*data)) for data in drawn]
    rates = pd.concat(tables).groupby("term")["pvalue"].agg(lambda p: (p < 0.05).mean())
    # 1 in 20, give or take three standard errors of 400 draws
    assert rates.between(0.05 - 0.033, 0.05 + 0.033).all()
    assert set(rates.index) == {"first", "second", "GLOBAL"}


def test_check_proportionality__a_term_of_several_columns_is_the_same_whichever_is_left_out():
    rng = np.random.default_rng(3)
    _, time, event = make_patients(3)
    kinds = pd.get_dummies(rng.choice(list("abc"), len(time))).astype(float)
    kinds["age"] = rng.normal(size=len(time))
    found = []
    for columns in (["a", "b", "age"], ["b", "c", "age"]):
        x = kinds[columns]
        fit = fit_cox(x, time, event)
        found.append(check_proportionality(x, time, event, fit, terms=["kind", "kind", "age"]))
    assert found[0]["term"].tolist() == ["kind", "age", "GLOBAL"]
    assert found[0]["df"].tolist() == [2, 1, 3]
    np.testing.assert_allclose(found[0]["chi2"], found[1]["chi2"], rtol=1e-6)


@settings(max_examples=10)
@given(power=st.floats(0.2, 3))
def test_check_proportionality__looks_at_the_order_of_times_only(power):
    x, time, event = make_changing(1, n=40, late=0.0)
    fit = fit_cox(x, time, event)
    one = check_proportionality(x, time, event, fit)
    other = check_proportionality(x, time**power, event, fit)
    np.testing.assert_allclose(one["chi2"], other["chi2"], rtol=1e-9)


# Errors


def test_fit_cox__says_why_there_is_no_estimate():
    x = np.array([0.0, 1.0, 2.0, 3.0])
    time = np.array([4.0, 3.0, 2.0, 1.0])
    with pytest.raises(DataError, match="none of 4 patients had an event"):
        fit_cox(pd.DataFrame({"x": x}), time, np.zeros(4))
    with pytest.raises(DataError, match="flat is the same in all 4 patients"):
        fit_cox(pd.DataFrame({"flat": np.ones(4)}), time, np.ones(4))
    with pytest.raises(DataError, match="hazard model of a, b has no estimate"):
        fit_cox(pd.DataFrame({"a": x, "b": 2 * x}), time, np.array([1, 0, 1, 1]))


def test_measure_concordance__refuses_patients_of_whom_no_two_compare():
    with pytest.raises(DataError, match="no two of 2 patients can be compared"):
        measure_concordance(np.array([1, 2]), np.array([1, 2]), np.array([0, 1]))
