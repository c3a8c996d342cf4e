"""Simulated dose series: what is planted is in the wells."""

import numpy as np
import pytest

from helpers.synth.dose_response import LINES, PLATES, Potency, make_dose_series


def left_at(wells, line: str, drug: str, dose: float) -> float:
    """Mean share left at a dose of one drug alone."""
    mine = wells[(wells["line"] == line) & (wells["dose_2"].isin(["", 0]))]
    control = mine[mine["dose"] == 0].groupby("plate")["response"].mean()
    at = mine[(mine["drug"] == drug) & (mine["dose"] == dose)].groupby("plate")["response"].mean()
    return float((at / control).mean())


def test_potency__by_hand():
    drug = Potency(100.0, 1.0, 0.2)
    np.testing.assert_allclose(drug.leave(np.array([0, 100, 300])), [1.0, 0.6, 0.4])
    assert drug.leave(np.array([300]), 3.0)[0] == pytest.approx(0.6)


def test_make_dose_series__holds_every_line_on_its_plates():
    wells, truth = make_dose_series(0)
    assert set(wells["line"]) == set(LINES)
    assert (wells.groupby("line")["plate"].nunique() == PLATES).all()
    assert (wells["response"] > 0).all()
    planted = truth.set_index(["line", "drug"])["ic50_um"]
    assert planted["K562-SR", "selinexor"] / planted["K562", "selinexor"] > 5
    assert planted["HL60-R", "cytarabine"] / planted["HL60", "cytarabine"] > 10


def test_make_dose_series__resistant_lines_survive_what_kills_their_parents():
    wells, _ = make_dose_series(0)
    assert left_at(wells, "K562", "selinexor", 300) < 0.4
    assert left_at(wells, "K562-SR", "selinexor", 300) > 0.7


def test_make_dose_series__null_lines_are_like_their_parents():
    wells, truth = make_dose_series(0, effects=False)
    assert set(truth["potentiation"]) == {1.0}
    for child, parent in (("K562-SR", "K562"), ("HL60-R", "HL60")):
        mine, theirs = (
            truth[truth["line"] == name]["ic50_um"].tolist() for name in (child, parent)
        )
        assert mine == theirs
    difference = left_at(wells, "K562-SR", "selinexor", 100) - left_at(
        wells, "K562", "selinexor", 100
    )
    assert abs(difference) < 0.1


def test_make_dose_series__follows_its_seed():
    one, same, other = (make_dose_series(seed)[0] for seed in (1, 1, 2))
    assert one.equals(same)
    assert not one["response"].equals(other["response"])
