"""Two drugs together: expectations by hand, real matrices, planted synergy, nothing where none is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.compute.dose_response import Curve, CurveSettings, normalise_wells
from helpers.compute.synergy import (
    METHODS,
    average_matrix,
    average_surfaces,
    describe_experiments,
    expect_bliss,
    expect_hsa,
    expect_loewe,
    measure_drugs,
    measure_excess,
    measure_reversal,
    measure_surfaces,
    measure_zip,
    name_pair,
    summarise_synergy,
)
from helpers.errors import DataError

DOSES = np.array([0.0, 0.03, 0.1, 0.3, 1.0, 3.0])
FIRST = Curve("LL.4", 1.4, 0.1, 1.0, 0.3, 1.0, 0.0, 6)
SECOND = Curve("LL.4", 1.0, 0.2, 1.0, 0.5, 1.0, 0.0, 6)


def make_matrix(values: np.ndarray) -> pd.DataFrame:
    index = pd.Index(DOSES, name="dose")
    return pd.DataFrame(values, index=index, columns=pd.Index(DOSES, name="dose_2"))


def make_wells(shift: float, *, sd: float, line: str = "L", seed: int = 0) -> pd.DataFrame:
    """Three plates of a matrix in which the second drug divides the first one's IC50 by ``shift``."""
    rng = np.random.default_rng(seed)
    a, b = (x.ravel() for x in np.meshgrid(DOSES, DOSES, indexing="ij"))
    gone = np.clip((1 - SECOND.predict(b)) / 0.1, 0, 1)
    left = FIRST.predict(a * shift**gone) * SECOND.predict(b)
    parts = [
        pd.DataFrame(
            {
                "line": line,
                "parental": "",
                "plate": f"{line}{plate}",
                "replicate": "1",
                "drug": "A",
                "dose": a,
                "unit": "uM",
                "drug_2": np.where((a == 0) & (b == 0), "", "B"),
                "dose_2": b,
                "unit_2": "uM",
                "response": 1000 * (left + rng.normal(0, sd, len(left))),
                "start": np.nan,
            }
        )
        for plate in range(3)
    ]
    return normalise_wells(pd.concat(parts, ignore_index=True))


# By hand


def test_expectations__by_hand():
    first, second = np.array([1.0, 0.5]), np.array([1.0, 0.8, 0.2])
    np.testing.assert_allclose(expect_bliss(first, second), [[1, 0.8, 0.2], [0.5, 0.4, 0.1]])
    np.testing.assert_allclose(expect_hsa(first, second), [[1, 0.8, 0.2], [0.5, 0.5, 0.2]])


def test_expect_loewe__a_drug_with_itself_is_its_own_dilution():
    doses = np.array([0.0, 0.1, 0.4])
    sham = expect_loewe(FIRST, FIRST, doses, doses)
    both = FIRST.predict(doses[:, None] + doses[None, :])
    np.testing.assert_allclose(sham, both, rtol=1e-9)


def test_expect_loewe__beyond_the_weaker_plateau_the_stronger_drug_counts_alone():
    # the second leaves 0.2 at most: at a dose of the first that leaves 0.15 it adds nothing
    dose = FIRST.find_dose(0.15)
    found = expect_loewe(FIRST, SECOND, np.array([dose]), np.array([5.0]))
    assert found[0, 0] == pytest.approx(0.15)


def test_average_matrix__needs_each_drug_alone_and_every_pair():
    wells = pd.DataFrame({"dose": [0, 1, 1], "dose_2": [0, 0, 1], "viability": [1, 0.5, 0.2]})
    with pytest.raises(DataError, match="no well with the doses 0 and 1"):
        average_matrix(wells)
    with pytest.raises(DataError, match="needs each drug alone"):
        average_matrix(wells[wells["dose_2"] == 1])


# Real matrices, computed by hand: response by response, with loops and nothing of the project


def by_hand(block: pd.DataFrame, row: str, column: str, left: pd.Series):
    """Excess over Bliss and HSA (percentage points) at every pair of doses above 0."""
    wells: dict[tuple[float, float], list[float]] = {}
    for a, b, value in zip(block[row], block[column], left, strict=True):
        wells.setdefault((a, b), []).append(value)
    seen = {pair: sum(values) / len(values) for pair, values in wells.items()}
    corner = seen[0.0, 0.0]
    expected = {}
    for (a, b), value in seen.items():
        if a > 0 and b > 0:
            one, two = seen[a, 0.0] / corner, seen[0.0, b] / corner
            both = value / corner
            expected[a, b] = (100 * (one * two - both), 100 * (min(one, two) - both))
    return expected


def check_block(block: pd.DataFrame, row: str, column: str, left: pd.Series) -> int:
    wells = pd.DataFrame(
        {"dose": block[row], "dose_2": block[column], "viability": left / left.max()}
    )
    matrix = average_matrix(wells)
    found = measure_excess(matrix / matrix.iloc[0, 0]).set_index(["dose", "dose_2"])
    expected = by_hand(block, row, column, left)
    assert len(found) == len(expected)
    for key, (bliss, hsa) in expected.items():
        assert found.loc[key, "Bliss"] == pytest.approx(bliss, abs=1e-9)
        assert found.loc[key, "HSA"] == pytest.approx(hsa, abs=1e-9)
    return len(found)


def test_measure_excess__mathews_matrices_are_as_by_hand(real_data):
    data = pd.read_csv(real_data / "drug" / "synergy_mathews_screening.csv")
    sizes = [
        check_block(block, "conc_r", "conc_c", block["response"])
        for _, block in data.groupby("block_id")
    ]
    assert sizes == [25, 25]


def test_measure_excess__oneil_matrices_are_as_by_hand(real_data):
    data = pd.read_csv(real_data / "drug" / "synergy_ONEIL_screening.csv")
    # responses are percent inhibition
    sizes = [
        check_block(block, "conc1", "conc2", 100 - block["response"])
        for _, block in data.groupby("block_id")
    ]
    assert len(data) == 200
    assert set(sizes) <= {16, 81}


# Laws


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.floats(0.05, 2.0), st.floats(0.05, 2.0), st.floats(0.7, 3.0))
def test_measure_excess__independent_drugs_exceed_neither_bliss_nor_zip(half, half_2, slope):
    first = Curve("LL.4", slope, 0.0, 1.0, half, 1.0, 0.0, 6).predict(DOSES)
    second = Curve("LL.4", 1.2, 0.0, 1.0, half_2, 1.0, 0.0, 6).predict(DOSES)
    excess = measure_excess(make_matrix(np.outer(first, second)))
    np.testing.assert_allclose(excess["Bliss"], 0, atol=1e-9)
    np.testing.assert_allclose(excess["ZIP"], 0, atol=0.05)
    assert (excess["HSA"] >= -1e-9).all()


def test_measure_excess__swapping_the_drugs_changes_nothing():
    matrix = make_matrix(np.outer(FIRST.predict(DOSES), SECOND.predict(DOSES)) ** 1.1)
    one = measure_excess(matrix).set_index(["dose", "dose_2"])[list(METHODS)]
    other = measure_excess(matrix.T.rename_axis(index="dose", columns="dose_2"))
    other = other.set_index(["dose_2", "dose"])[list(METHODS)].loc[one.index]
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_measure_zip__is_fitted_through_margins_and_plateaus():
    expected, fitted = measure_zip(
        make_matrix(np.outer(FIRST.predict(DOSES), SECOND.predict(DOSES)))
    )
    np.testing.assert_allclose(expected[:, 0], FIRST.predict(DOSES), atol=1e-5)
    np.testing.assert_allclose(fitted, expected, atol=0.01)


# Planted truth


def test_summarise_synergy__finds_planted_synergy_and_none_where_drugs_are_independent():
    wells = pd.concat(
        [make_wells(6.0, sd=0.03, line="S"), make_wells(1.0, sd=0.03, line="N", seed=1)]
    )
    surfaces = measure_surfaces(wells)
    assert surfaces["experiment"].nunique() == 6
    found = summarise_synergy(surfaces, confidence=0.95).set_index(["line", "method"])
    for method in ("Bliss", "ZIP"):
        assert found.loc[("S", method), "ci_low"] > 2
        assert abs(found.loc[("N", method), "effect"]) < 3
    assert found.loc[("N", "Bliss"), "ci_low"] < 0 < found.loc[("N", "Bliss"), "ci_high"]
    averaged = average_surfaces(surfaces)
    assert len(averaged) == 2 * 25
    mine = averaged[averaged["line"] == "S"]["Bliss"].mean()
    assert mine == pytest.approx(found.loc[("S", "Bliss"), "effect"])


def test_summarise_synergy__has_no_interval_from_one_experiment():
    wells = make_wells(1.0, sd=0.02)
    one = measure_surfaces(wells[wells["plate"] == "L0"])
    found = summarise_synergy(one, confidence=0.95)
    assert found["ci_low"].isna().all()
    assert set(found["reason"]) == {"an interval needs 2 experiments; there is 1"}


def test_measure_surfaces__replicates_of_one_plate_are_experiments():
    wells = make_wells(1.0, sd=0.02)
    single = wells.assign(replicate=wells["plate"], plate="P")
    assert measure_surfaces(single)["experiment"].nunique() == 3
    found = summarise_synergy(measure_surfaces(single), confidence=0.95)
    assert set(found["unit"]) == {"replicate"}
    assert describe_experiments(found) == (
        "n = 3 replicates of one plate, and so of that plate alone, for each line and pair of drugs."
    )
    single["replicate"] = single["replicate"].astype(str)
    gap = single[~((single["replicate"] == "L2") & (single["dose"] == 3) & (single["dose_2"] == 3))]
    assert set(measure_surfaces(gap)["experiment"]) == {"P"}


def test_describe_experiments__counts_the_plates_of_each_mean():
    two = pd.concat([make_wells(1.0, sd=0.02), make_wells(1.0, sd=0.02, line="M", seed=1)])
    found = summarise_synergy(measure_surfaces(two), confidence=0.95)
    assert describe_experiments(found) == "n = 3 plates, for each line and pair of drugs."
    fewer = summarise_synergy(
        measure_surfaces(two[~two["plate"].isin(["L0", "L1"])]), confidence=0.95
    )
    assert describe_experiments(fewer).startswith("n = 1 to 3 plates")


def test_measure_surfaces__three_doses_are_enough():
    wells = make_wells(1.0, sd=0.02)
    few = [0.0, 0.1, 0.3, 1.0]
    table = measure_surfaces(wells[wells["dose"].isin(few) & wells["dose_2"].isin(few)])
    assert len(table) == 3 * 9
    assert np.isfinite(table[["Bliss", "HSA", "Loewe", "ZIP"]]).all(axis=None)
    # independent drugs, and so little noise that nothing exceeds Bliss by much
    assert table["Bliss"].abs().mean() < 5


def test_measure_surfaces__small_matrices_have_no_row():
    wells = make_wells(1.0, sd=0.02)
    assert measure_surfaces(wells[wells["dose"].isin([0.0, 0.1, 1.0])]).empty


def test_measure_reversal__is_the_planted_shift_of_the_ic50():
    settings_ = CurveSettings()
    found = measure_reversal(make_wells(6.0, sd=0.01), max_own_effect=0.2, settings=settings_)
    row = found.set_index("drug").loc["A"]
    # the highest dose of B that leaves 80 %: 0.1; B then has shown all of its help
    assert row["with_dose"] == pytest.approx(0.1)
    assert row["ci_low"] < np.log2(6) < row["ci_high"]
    none = measure_reversal(make_wells(1.0, sd=0.01), max_own_effect=0.2, settings=settings_)
    assert none.set_index("drug").loc["A", "effect"] == pytest.approx(0, abs=0.25)


def test_measure_reversal__says_when_every_dose_of_the_second_kills():
    wells = make_wells(1.0, sd=0.0)
    strong = wells[wells["dose_2"].isin([0.0, 1.0, 3.0])]
    found = measure_reversal(strong, max_own_effect=0.2, settings=CurveSettings())
    reason = found.set_index("drug").loc["A", "reason"]
    assert reason == "every dose of B alone costs more than 20%"


def test_measure_drugs__takes_the_plate_where_it_gives_an_interval():
    resistance = pd.DataFrame(
        {
            "line": ["R", "R", "Q", "Q"],
            "drug": ["Selinexor", "Selinexor", "X", "X"],
            "unit": ["well", "plate", "well", "plate"],
            "n_reference": 3,
            "n_test": 3,
            "effect": [1.0, 2.0, 3.0, np.nan],
            "ci_low": [0.5, 1.5, 2.5, np.nan],
            "ci_high": [1.5, 2.5, 3.5, np.nan],
            "pvalue": np.nan,
            "reason": "",
        }
    )
    reversal = pd.DataFrame(
        {
            "line": ["R", "P"],
            "drug": "Selinexor",
            "with_drug": "RSL3",
            "n_reference": 4,
            "n_test": 4,
            "effect": [2.5, 9.0],
            "ci_low": 2.0,
            "ci_high": 3.0,
            "pvalue": np.nan,
            "reason": "",
        }
    )
    found = measure_drugs(resistance, reversal).set_index(["measure", "feature"])["effect"]
    # the parental line P has nothing to reverse
    assert found.to_dict() == {
        ("resistance_index", "selinexor"): 2.0,
        ("resistance_index", "x"): 3.0,
        ("reversal", "selinexor with rsl3"): 2.5,
    }


def test_name_pair__is_the_same_whichever_comes_first():
    assert name_pair("selinexor", "RSL3") == name_pair("RSL3", "selinexor") == "RSL3 + selinexor"
