"""Learning a signature: what it may see, what it finds, and that it finds nothing in chance."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from helpers.compute.learning import (
    Recipe,
    Training,
    _fit_path,
    _logliks,
    assign_folds,
    check_labels,
    compare_response,
    cross_validate,
    freeze_signature,
    hash_name,
    join_patients,
    learn_signature,
    learn_weights,
    list_signature,
    list_training,
    log2_expression,
    mark_response,
    permute_fates,
    pool_folds,
    score_expression,
    score_left_out,
    summarise_training,
    thaw_signature,
)
from helpers.compute.survival import fit_cox
from helpers.errors import DataError, NotPossibleError

SMALL = Recipe(max_genes=60, n_candidates=20, n_penalties=15, outer_folds=4, inner_folds=4)
PLANTED = ("g0", "g1", "g2", "g3")


def make_training(seed: int = 0, *, n: int = 160, effect: float = 0.6) -> Training:
    """Patients with 60 genes, of which four carry the hazard, two of them the other way."""
    rng = np.random.default_rng(seed)
    names = [f"P{i}" for i in range(n)]
    z = rng.normal(size=(n, 60))
    risk = effect * (z[:, 0] + z[:, 1] - z[:, 2] - z[:, 3])
    death, end = 20 * rng.exponential(size=n) / np.exp(risk), rng.uniform(10, 60, n)
    clinical = pd.DataFrame(
        {
            "time_months": np.minimum(death, end),
            "event": (death <= end).astype(int),
            "response": np.where(risk + rng.normal(size=n) > 0, "resistant", "sensitive"),
        },
        index=names,
    )
    expression = pd.DataFrame(5 + 2 * z, index=names, columns=[f"g{i}" for i in range(60)])
    return Training(expression, clinical)


@pytest.fixture(scope="module")
def training() -> Training:
    return make_training()


# By hand


def test_log2_expression__by_hand():
    table = pd.DataFrame({"a": [1, 3], "b": [3, 1]}, index=["p", "q"])
    assert log2_expression(table, scale="log2").equals(table.astype(float))
    assert log2_expression(table, scale="linear").loc["p"].tolist() == [1.0, 2.0]
    counts = log2_expression(table, scale="counts")
    assert counts.loc["p"].tolist() == pytest.approx(np.log2([1 + 250_000, 1 + 750_000]).tolist())


def test_mark_response__by_hand():
    clinical = pd.DataFrame(
        {"time_months": [6, 6, 40, 40, 20], "event": [1, 0, 1, 0, 1], "response": ""},
        index=list("abcde"),
    )
    found = mark_response(clinical, resistant_within=12, sensitive_beyond=36)
    assert found.to_dict() == {
        "a": "resistant",
        "b": "",
        "c": "sensitive",
        "d": "sensitive",
        "e": "",
    }
    told = clinical.assign(response=["", "resistant", "", "", ""])
    assert mark_response(told, resistant_within=12, sensitive_beyond=36).tolist() == [
        "",
        "resistant",
        "",
        "",
        "",
    ]


def test_score_expression__by_hand(training):
    signature = replace(
        learn_signature(training, SMALL, seed=0),
        genes=("a", "b"),
        weights=(2.0, -1.0),
        centres=(1.0, 0.0),
        scales=(2.0, 0.5),
    )
    table = pd.DataFrame({"b": [1.0], "a": [5.0], "c": [9.0]}, index=["p"])
    # a lies two deviations above its mean, b too: twice two, less two
    assert score_expression(table, signature)["p"] == pytest.approx(4 - 2)


def test_logliks__are_those_of_a_cox_model():
    rng = np.random.default_rng(1)
    x, time = rng.normal(size=(60, 2)), np.ceil(10 * rng.exponential(size=60))
    event = rng.random(60) < 0.7
    fit = fit_cox(pd.DataFrame(x, columns=["a", "b"]), time, event, ties="breslow")
    found = _logliks(np.column_stack([np.zeros(60), x @ fit.coefficients]), time, event)
    np.testing.assert_allclose(found, [fit.loglik_null, fit.loglik], rtol=1e-9)


def test_fit_path__with_hardly_a_penalty_is_the_cox_model():
    rng = np.random.default_rng(1)
    x, time = rng.normal(size=(80, 2)), 10 * rng.exponential(size=80)
    event = rng.random(80) < 0.7
    penalties = np.array([np.inf, 1e-6])
    _, path = _fit_path(x, time, event, SMALL, penalties=penalties)
    expected = CoxPHSurvivalAnalysis().fit(x, Surv.from_arrays(event, time)).coef_
    assert path[:, 0].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(path[:, 1], expected, rtol=1e-3)


def test_pool_folds__counts_every_pair_once():
    folds = pd.DataFrame({"c_index": [0.6, 0.9], "error": [0.1, 0.2], "n_pairs": [300, 100]})
    pooled = pool_folds(folds)
    assert pooled.c_index == pytest.approx(0.675)
    assert pooled.error == pytest.approx(np.hypot(0.75 * 0.1, 0.25 * 0.2))


def test_summarise_training__p_counts_the_true_fates_as_one_shuffle():
    folds = pd.DataFrame({"n": [50, 50], "c_index": 0.7, "error": 0.05, "n_pairs": 100})
    drawn = pd.DataFrame({"c_index": [0.5, 0.71, 0.49, 0.5]})
    table = summarise_training(folds, drawn, confidence=0.95)
    assert table["pvalue"][0] == pytest.approx(2 / 5)
    assert table["value"].tolist() == pytest.approx([0.7, 0.55])


# What it may see


def test_assign_folds__spread_patients_and_events_and_hold_each_once(training):
    folds = assign_folds(training, 5, seed=3)
    assert (np.sum(folds, axis=0) == 1).all()
    events = [int(training.event[fold].sum()) for fold in folds]
    assert max(events) - min(events) <= 1
    resistant = (training.clinical["response"] == "resistant").to_numpy()
    numbers = [int(resistant[fold].sum()) for fold in folds]
    assert max(numbers) - min(numbers) <= 2  # of those with an event, and of those without


def test_learn_weights__patients_left_out_change_nothing(training):
    part = training.part(np.arange(100))
    other = training.expression.copy()
    other.iloc[100:] = 1e6
    changed = Training(other, training.clinical).part(np.arange(100))
    one, two = (learn_weights(t, SMALL, seed=0) for t in (part, changed))
    pd.testing.assert_series_equal(one, two)


def test_permuted__gives_the_same_fates_to_other_patients(training):
    other = training.permuted(np.random.default_rng(0))
    assert other.expression is training.expression
    assert other.clinical.index.equals(training.clinical.index)
    assert not np.array_equal(other.time, training.time)
    assert sorted(zip(other.time, other.event, strict=True)) == sorted(
        zip(training.time, training.event, strict=True)
    )


def test_thaw_signature__gives_back_what_was_frozen(training):
    signature = learn_signature(training, SMALL, seed=0)
    record = freeze_signature(signature)
    assert thaw_signature(record) == signature
    assert record["sha256"] == signature.digest
    assert set(signature.patients) == {hash_name(f"P{i}") for i in range(160)}


@pytest.mark.parametrize("part", ["weights", "cut", "genes"])
def test_thaw_signature__refuses_what_was_changed_after_freezing(training, part):
    record = freeze_signature(learn_signature(training, SMALL, seed=0))
    value = record[part]
    record[part] = (*value[:-1], "x") if isinstance(value, tuple) else value + 1e-9
    with pytest.raises(DataError, match="changed after it was frozen"):
        thaw_signature(record)


# What it finds


def test_learn_signature__finds_planted_genes_with_their_signs(training):
    signature = learn_signature(training, SMALL, seed=0)
    weights = dict(zip(signature.genes, signature.weights, strict=True))
    assert set(PLANTED) <= set(weights)
    assert [np.sign(weights[gene]) for gene in PLANTED] == [1, 1, -1, -1]
    strongest = sorted(weights, key=lambda gene: -abs(weights[gene]))[:4]
    assert set(strongest) == set(PLANTED)


@pytest.mark.slow
def test_learn_signature__expects_as_many_events_as_are_seen_in_patients_it_does_not_know():
    seen, expected = 0, 0.0
    for seed in range(24):
        patients = make_training(seed, n=280, effect=0.45)
        known, others = patients.part(np.arange(160)), patients.part(np.arange(160, 280))
        signature = learn_signature(known, SMALL, seed=seed)
        level = np.concatenate([[0.0], signature.hazard])
        baseline = level[np.searchsorted(signature.times, others.time, side="right")]
        scores = score_expression(others.expression, signature).to_numpy()
        seen += int(others.event.sum())
        expected += float((baseline * np.exp(scores)).sum())
    assert 0.95 < seen / expected < 1.05


def test_score_left_out__scores_every_patient_by_a_signature_of_the_others(training):
    table = score_left_out(training, SMALL, seed=0)
    folds = cross_validate(training, SMALL, seed=0)
    assert table["fold"].value_counts().sort_index().tolist() == folds["n"].tolist()
    first = (table["fold"] == 1).to_numpy()
    fates = training.clinical.copy()
    fates.loc[first, "time_months"] = 1.0  # their own fates change no score of theirs
    changed = score_left_out(Training(training.expression, fates), SMALL, seed=0)
    assert changed.loc[first, "score"].equals(table.loc[first, "score"])
    assert not changed.loc[~first, "score"].equals(table.loc[~first, "score"])


def test_learn_weights__finds_nothing_where_responses_are_read_from_fates_that_are_chance():
    """Candidates picked with the fates of patients left out would seem to predict them."""
    recipe = replace(SMALL, max_genes=500)
    n_genes = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        fates = make_training(seed, n=120, effect=0.0).clinical.assign(response="")
        response = mark_response(fates, resistant_within=12, sensitive_beyond=24)
        expression = pd.DataFrame(
            rng.normal(size=(120, 500)), fates.index, [f"g{i}" for i in range(500)]
        )
        chance = Training(expression, fates.assign(response=response))
        n_genes.append(len(learn_weights(chance, recipe, seed=seed)))
    assert np.mean(np.array(n_genes) == 0) >= 0.5
    assert np.median(n_genes) <= 2


def test_compare_response__puts_planted_genes_first_and_holds_its_level():
    table = compare_response(make_training(n=500), max_genes=60)
    assert set(table["gene"].head(4)) == set(PLANTED)
    assert (table["padj"].head(4) < 1e-2).all()
    false = []
    for seed in range(20):
        chance = make_training(seed, effect=0.0)
        false.append((compare_response(chance, max_genes=60)["padj"] < 0.05).any())
    assert np.mean(false) <= 0.2


def test_compare_response__tests_the_most_variable_genes(training):
    flat = training.expression.assign(flat=1.0, g5=training.expression["g5"] * 10)
    table = compare_response(Training(flat, training.clinical), max_genes=1)
    assert table["gene"].tolist() == ["g5"]


def test_cross_validate__tells_planted_from_chance(training):
    folds = cross_validate(training, SMALL, seed=0)
    assert folds["n"].sum() == 160
    assert pool_folds(folds).interval(0.95)[0] > 0.6


@pytest.mark.slow
def test_permute_fates__shuffled_fates_give_a_c_index_of_one_half(training):
    drawn = permute_fates(training, SMALL, n_draws=60, seed=0)
    assert drawn["n_genes"].mean() > 0.5
    assert drawn["c_index"].mean() == pytest.approx(0.5, abs=0.02)


def test_permute_fates__without_draws_has_its_columns(training):
    drawn = permute_fates(training, SMALL, n_draws=0, seed=0)
    assert drawn.columns.tolist() == ["draw", "c_index", "n_genes"]
    table = summarise_training(cross_validate(training, SMALL, seed=0), drawn, confidence=0.95)
    assert len(table) == 1
    assert np.isnan(table["pvalue"][0])


def test_learn_signature__the_same_seed_gives_the_same_signature(training):
    one, two = (learn_signature(training, SMALL, seed=4) for _ in range(2))
    assert one.digest == two.digest


def test_list_tables__hold_what_was_learnt(training):
    signature = learn_signature(training, SMALL, seed=0)
    genes = compare_response(training, max_genes=60)
    table = list_signature(signature, genes)
    assert table["weight"].abs().is_monotonic_decreasing
    assert table["padj"].notna().all()
    scores = list_training(training, signature)
    assert scores["score"].median() == pytest.approx(signature.cut)
    assert scores["sample"].tolist() == [f"P{i}" for i in range(160)]


# Errors


def test_log2_expression__refuses_values_that_cannot_be():
    table = pd.DataFrame({"a": [-1.0, 0.0]}, index=["p", "q"])
    with pytest.raises(DataError, match="write scale: log2"):
        log2_expression(table, scale="linear")
    with pytest.raises(DataError, match="patient 'p' has no count"):
        log2_expression(table.abs() * 0, scale="counts")


def test_join_patients__needs_events(training):
    with pytest.raises(NotPossibleError, match="needs 500 events, and"):
        join_patients(training.expression, training.clinical, min_events=500)
    values, clinical = join_patients(
        training.expression.iloc[::-1], training.clinical.iloc[5:], min_events=10
    )
    assert list(values.index) == list(clinical.index) == [f"P{i}" for i in range(5, 160)]


def test_compare_response__needs_both_responses(training):
    alike = training.clinical.assign(response="resistant")
    with pytest.raises(NotPossibleError, match="there are 160 and 0"):
        compare_response(Training(training.expression, alike), max_genes=10)


def test_assign_folds__needs_an_event_a_fold(training):
    few = Training(training.expression, training.clinical.assign(event=[1, 1] + [0] * 158))
    with pytest.raises(NotPossibleError, match="2 events cannot be spread over 5"):
        assign_folds(few, 5, seed=0)


def test_check_labels__asks_for_enough_in_every_part_that_is_learnt_from(training):
    def label(n_resistant: int) -> Training:
        response = ["resistant"] * n_resistant + ["sensitive"] * (160 - n_resistant)
        return Training(training.expression, training.clinical.assign(response=response))

    check_labels(training, SMALL, seed=0)
    with pytest.raises(NotPossibleError, match="of 6 and 154 in all, the smallest part holds 2"):
        check_labels(label(6), SMALL, seed=0)
    # what passes is learnt from, whatever the shuffle
    enough = next(n for n in range(6, 30) if _passes(label(n)))
    permute_fates(label(enough), SMALL, n_draws=3, seed=0)


def _passes(training: Training) -> bool:
    try:
        check_labels(training, SMALL, seed=0)
    except NotPossibleError:
        return False
    return True


def test_learn_signature__says_when_no_gene_is_left():
    chance = next(
        t
        for t in (make_training(seed, effect=0.0) for seed in range(20))
        if learn_weights(t, SMALL, seed=0).empty
    )
    with pytest.raises(NotPossibleError, match="under which no gene is left"):
        learn_signature(chance, SMALL, seed=0)


def test_score_expression__names_missing_genes(training):
    signature = learn_signature(training, SMALL, seed=0)
    with pytest.raises(DataError, match="genes of the signature are missing: g0"):
        score_expression(training.expression.drop(columns="g0"), signature)
