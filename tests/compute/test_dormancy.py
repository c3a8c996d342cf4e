"""Dormant cells: axes joined, calls of planted cells and of none, frequencies, intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from helpers.compute.dormancy import (
    Calls,
    call_dormant,
    count_dormant,
    join_axes,
    measure_dormant,
    name_calls,
    rate_calls,
)
from helpers.errors import DataError
from helpers.schema import Contrast, Signature

GENES = pd.Index([f"g{i}" for i in range(400)])
AXES = {
    axis: pd.Series([1.0] * 8 + [-1.0] * 6, GENES[14 * i : 14 * i + 14])
    for i, axis in enumerate(("dormancy", "resistance", "stemness"))
}
SETTINGS = {"target_sum": 1e4, "min_excess": 1.645, "n_draws": 60, "seed": 0}


def make_signature(name: str, weights: dict[str, float]) -> Signature:
    return Signature(name, name, "other", weights, linear=False, status="exact", source="")


def make_cells(axes: list[str], *, n_cells: int = 300, n_planted: int = 30) -> sparse.csr_matrix:
    """Counts in which the first cells have the named axes turned up fourfold, and down."""
    rng = np.random.default_rng(0)
    rate = np.tile(rng.lognormal(0.3, 0.6, len(GENES)), (n_cells, 1))
    for axis in axes:
        rate[:n_planted, GENES.get_indexer(AXES[axis].index)] *= 4.0 ** AXES[axis].to_numpy()
    return sparse.csr_matrix(rng.poisson(rate).astype(np.float32))


def call(counts: sparse.csr_matrix, **changes: object) -> Calls:
    totals = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    return call_dormant(counts, GENES, AXES, totals=totals, **(SETTINGS | changes))


# Axes


def test_join_axes__takes_signs_and_leaves_out_genes_that_two_signatures_dispute():
    placed = {
        "a": pd.Series({"A": 0.5, "B": -2.0, "C": 1.0}),
        "b": pd.Series({"C": -1.0, "D": 1.0, "A": 1.0}),
    }
    signatures = [make_signature(name, {}) for name in ("a", "b", "absent")]
    joined, missing = join_axes({"x": ["a", "b", "absent"]}, placed, signatures)
    assert joined["x"].to_dict() == {"A": 1.0, "B": -1.0, "D": 1.0}
    assert missing == ""


def test_join_axes__names_what_it_does_not_know_or_cannot_score():
    with pytest.raises(DataError, match="x: the registry has no signature nonsense"):
        join_axes({"x": ["nonsense"]}, {}, [])
    joined, missing = join_axes({"x": ["a"]}, {}, [make_signature("a", {})])
    assert (joined, missing) == ({}, "x: none of a can be scored in this cohort")


# Calls


def test_call_dormant__finds_cells_planted_on_all_axes():
    calls = call(make_cells(list(AXES)))
    planted = np.arange(300) < 30
    named = name_calls(calls.probability, sure=0.8)
    (row,) = rate_calls(
        planted, pd.DataFrame({"probability": calls.probability, "call": named}), confidence=0.95
    ).itertuples()
    assert row.auroc > 0.99
    assert row.recall > 0.9
    assert row.precision == 1.0


@pytest.mark.parametrize("axes", [[], ["dormancy"], ["dormancy", "stemness"]])
def test_call_dormant__finds_none_that_lack_an_axis(axes: list[str]):
    calls = call(make_cells(axes))
    # of thirty cells planted on two axes, one in twenty lies beyond random sets on the third
    assert (calls.probability >= 0.8).sum() <= 1
    assert calls.passes.mean() < 0.02


def test_call_dormant__random_genes_pass_as_often_as_axes_of_nothing():
    """Chance is measured as the axes are: drawing genes anew lets both pass more often."""
    fractions, chances = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        counts = sparse.csr_matrix(rng.poisson(1.3, (400, len(GENES))).astype(np.float32))
        calls = call(counts, seed=seed, min_excess=1.0)
        fractions.append(calls.passes.mean())
        chances.append(calls.chance.mean())
    over = np.array(fractions) - np.array(chances)
    assert np.mean(fractions) > 0.003
    assert 0.6 < np.mean(chances) / np.mean(fractions) < 1.6
    assert abs(over.mean()) < 3 * over.std(ddof=1) / np.sqrt(len(over))


def test_call_dormant__excess_is_that_over_random_sets_of_the_same_cell():
    calls = call(make_cells(["dormancy"]))
    planted = calls.excess[:30].mean()
    assert planted["dormancy"] > 3
    assert calls.excess[30:].abs().mean().max() < 1.2
    assert abs(planted["stemness"]) < 1


def test_call_dormant__gives_the_same_for_a_seed_and_whatever_the_parts(monkeypatch):
    counts = make_cells(list(AXES))
    first = call(counts)
    monkeypatch.setattr("helpers.compute.dormancy.CHUNK", 37)
    again = call(counts)
    np.testing.assert_allclose(again.excess, first.excess, atol=1e-9)
    assert (again.passes == first.passes).all()
    assert (call(counts, seed=1).passes != first.passes).any()


def test_call_dormant__draws_of_one_strong_gene_disagree():
    """A cell whose dormancy rests on one gene passes in the draws that take the gene often."""
    counts = make_cells(["resistance", "stemness"]).toarray()
    counts[:, 0] = 0
    counts[:5, 0] = 60
    calls = call(sparse.csr_matrix(counts))
    inside = calls.probability[:5]
    assert calls.excess["dormancy"][:5].mean() > 2
    assert 0.2 < inside.mean() < 0.8


def test_name_calls__by_hand():
    assert name_calls(np.array([0.8, 0.5, 0.21, 0.2, 0.0]), sure=0.8).tolist() == [
        "called",
        "possible",
        "possible",
        "other",
        "other",
    ]


# Frequencies


def test_count_dormant__by_hand():
    passes = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], bool)
    chance = np.zeros((4, 4), bool)
    chance[0, 0] = True
    calls = Calls(pd.DataFrame(), passes.mean(axis=1), passes, chance)
    units = pd.DataFrame({"sample": ["a", "a", "b", "b"]})
    table = count_dormant(calls, units, sure=0.75, confidence=0.5).set_index("sample")
    assert table["n_called"].tolist() == [2, 0]
    assert table["fraction"].tolist() == [0.875, 0.125]
    # draws give a: 1, 1, 1, 1/2 and b: 0, 0, 1/2, 0; quartiles between them
    assert table.loc["a", ["ci_low", "ci_high"]].tolist() == [0.875, 1.0]
    assert table.loc["b", ["ci_low", "ci_high"]].tolist() == [0.0, 0.125]
    assert table["chance"].tolist() == [0.125, 0.0]


def test_measure_dormant__is_t_intervals_over_samples():
    counted = pd.DataFrame(
        {
            "sample": list("abcdef"),
            "group": ["CR"] * 3 + ["NCR"] * 3,
            "fraction": [0.01, 0.02, 0.03, 0.10, 0.14, 0.12],
            "chance": 0.01,
        }
    )
    contrast = Contrast(test="NCR", reference="CR")
    table = measure_dormant(counted, [contrast], confidence=0.95)
    excess = table[table["measure"] == "dormant_excess"].set_index("test_group")
    assert excess.loc["NCR", "effect"] == pytest.approx(0.11)
    # mean 0.11, deviation 0.02 of three samples
    half = stats.t.ppf(0.975, 2) * 0.02 / np.sqrt(3)
    assert excess.loc["NCR", "ci_low"] == pytest.approx(0.11 - half)
    (row,) = table[table["measure"] == "dormant"].itertuples()
    assert (row.test_group, row.reference_group, row.n_test, row.n_reference) == ("NCR", "CR", 3, 3)
    assert row.effect == pytest.approx(0.10)
    assert row.ci_low > 0


def test_measure_dormant__is_of_differences_within_donors_sampled_twice():
    counted = pd.DataFrame(
        {
            "sample": list("abcdef"),
            "group": ["CR"] * 3 + ["NCR"] * 3,
            "fraction": [0.01, 0.10, 0.30, 0.02, 0.12, 0.33],
            "chance": 0.0,
        }
    )
    donors = pd.Series(list("xyz") * 2, list("abcdef"))
    contrast = Contrast(test="NCR", reference="CR")
    table = measure_dormant(counted, [contrast], confidence=0.95, donors=donors)
    (row,) = table[table["measure"] == "dormant"].itertuples()
    # 0.01, 0.02 and 0.03
    assert row.effect == pytest.approx(0.02)
    assert row.ci_low == pytest.approx(0.02 - stats.t.ppf(0.975, 2) * 0.01 / np.sqrt(3))
    assert (row.n_reference, row.n_test) == (3, 3)


def test_measure_dormant__says_when_there_is_one_sample():
    counted = pd.DataFrame(
        {"sample": ["a", "b"], "group": ["CR", "NCR"], "fraction": 0.1, "chance": 0.0}
    )
    table = measure_dormant(counted, [Contrast(test="NCR", reference="CR")], confidence=0.95)
    assert table["reason"].tolist() == ["1 sample: an interval needs two"] * 2 + [
        "1 and 1 samples: a group needs two"
    ]
    assert table["effect"].isna().all()


def test_rate_calls__has_no_area_without_planted_cells():
    cells = pd.DataFrame({"probability": [0.1, 0.2], "call": "other"})
    (row,) = rate_calls(np.array([False, False]), cells, confidence=0.95).itertuples()
    assert np.isnan([row.auroc, row.recall, row.precision]).all()
    assert (row.n_cells, row.n_planted, row.n_called) == (2, 0, 0)
