"""Dose-response curves: R's drc, coverage of intervals, curves that have no IC50, resistance."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_tsv
from scipy import optimize

from helpers.compute.dose_response import (
    Bounds,
    Curve,
    CurveSettings,
    compare_lines,
    describe_curve,
    describe_curves,
    describe_plates,
    draw_curves,
    fit_curve,
    iterate_pairs,
    judge_curve,
    list_single,
    measure_area,
    normalise_wells,
    profile_dose,
    rate_doses,
    summarise_wells,
)
from helpers.errors import DataError

DOSES = np.repeat([0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0], 3)


def curve_of(
    *, half: float = 0.3, slope: float = 1.5, bottom: float = 0.1, model: str = "LL.4"
) -> Curve:
    return Curve(model, slope, bottom, 1.0, half, 1.0, 0.0, 24)


def draw(curve: Curve, *, sd: float, seed: int) -> np.ndarray:
    return curve.predict(DOSES) + np.random.default_rng(seed).normal(0, sd, len(DOSES))


def make_wells(curves: dict[tuple[str, str], Curve], *, sd: float = 0.03, plates: int = 3):
    """Wells of several lines and drugs, each on plates of its own; K562-SR comes from K562."""
    rng = np.random.default_rng(3)
    parts = []
    for (line, drug), curve in curves.items():
        for plate in range(plates):
            signal = 1000 * (curve.predict(DOSES) + rng.normal(0, sd, len(DOSES)))
            parts.append(
                pd.DataFrame(
                    {
                        "line": line,
                        "parental": "K562" if line == "K562-SR" else "",
                        "plate": f"{line}{plate}",
                        "replicate": "1",
                        "drug": drug,
                        "dose": DOSES,
                        "unit": "uM",
                        "drug_2": "",
                        "dose_2": 0.0,
                        "unit_2": "",
                        "response": signal,
                        "start": np.nan,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


# By hand


def test_curve__by_hand():
    curve = curve_of(half=2.0, slope=1.0, bottom=0.2)
    # at the half dose midway between 1 and 0.2; at three times it 0.2 + 0.8 / (1 + 3)
    np.testing.assert_allclose(curve.predict(np.array([0.0, 2.0, 6.0])), [1.0, 0.6, 0.4])
    # 0.5 = 0.2 + 0.8 / (1 + x / 2) at x = 2 (0.8 / 0.3 - 1)
    assert curve.find_dose(0.5) == pytest.approx(2 * (0.8 / 0.3 - 1))
    assert np.isnan(curve.find_dose(0.2))
    assert np.isnan(curve.find_dose(1.0))


@pytest.mark.parametrize(("model", "asymmetry"), [("LL.4", 1.0), ("LL.5", 0.4), ("W1.4", 1.0)])
def test_curve__half_of_the_effect_is_gone_at_its_half_dose(model, asymmetry):
    curve = Curve(model, 1.7, 0.1, 0.9, 0.25, asymmetry, 0.0, 10)
    assert curve.predict(np.array([0.25]))[0] == pytest.approx(0.5)
    assert curve.find_dose(0.7) == pytest.approx(
        optimize.brentq(lambda x: curve.predict(np.array([x]))[0] - 0.7, 1e-6, 10), rel=1e-6
    )


def test_measure_area__by_hand():
    # doses a decade apart: weights 1/4, 1/2, 1/4 of the means 1, 0.6, 0.2
    dose = np.array([0, 1, 1, 10, 10, 100, 100.0])
    area, low, high = measure_area(
        dose, np.array([1, 1.1, 0.9, 0.6, 0.6, 0.2, 0.2]), confidence=0.95
    )
    assert area == pytest.approx(0.6)
    # pooled variance 0.02 / 3 within doses, three degrees of freedom (t 3.18245)
    half = 3.182446 * np.sqrt(0.02 / 3 * (1 / 16 + 1 / 4 + 1 / 16) / 2)
    assert (low, high) == pytest.approx((0.6 - half, 0.6 + half))


def test_measure_area__has_no_interval_without_a_second_well():
    area, low, high = measure_area(np.array([1, 10, 100.0]), np.array([1, 1, 1.0]), confidence=0.95)
    assert area == pytest.approx(1.0)
    assert np.isnan([low, high]).all()


# The original tool


@pytest.mark.parametrize("model", ["LL.3", "LL.4", "LL.5", "W1.4"])
def test_fit_curve__has_the_ed50_of_drc(oracles, model):
    data = read_tsv(oracles / "drc/input/ryegrass.tsv")
    expected = read_tsv(oracles / f"drc/output/ryegrass_{model.replace('.', '')}_ED.tsv")
    fit = read_tsv(oracles / f"drc/output/ryegrass_{model.replace('.', '')}_fit.tsv")
    curve = fit_curve(data["conc"], data["rootl"], model=model)
    # asked for within 1 %; the same minimum is found
    assert curve.half_dose == pytest.approx(expected["Estimate"][1], rel=1e-4)
    assert np.sqrt(curve.rss / curve.df) == pytest.approx(fit["residual_se"][0], rel=1e-6)
    # ED10 and ED90 are where a tenth and nine tenths of the effect are gone
    at = [curve.top + share * (curve.bottom - curve.top) for share in (0.1, 0.9)]
    found = [curve.find_dose(response) for response in at]
    np.testing.assert_allclose(found, expected["Estimate"][[0, 2]], rtol=2e-3)


@pytest.mark.parametrize("herbicide", ["Glyphosate", "Bentazone"])
def test_fit_curve__has_the_ed50_of_drc_for_two_herbicides(oracles, herbicide):
    data = read_tsv(oracles / "drc/input/S.alba.tsv").query("Herbicide == @herbicide")
    expected = read_tsv(oracles / "drc/output/salba_two_herbicides_LL4_ED.tsv").set_index("ED")
    curve = fit_curve(data["Dose"], data["DryMatter"])
    assert curve.half_dose == pytest.approx(expected["Estimate"][f"e:{herbicide}:50"], rel=1e-3)


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize("axis", ["row", "col"])
def test_fit_curve__fits_matrix_margins_no_worse_than_drc(oracles, block, axis):
    # six wells for four parameters: in three of the four drc stops short of the minimum
    data = read_tsv(oracles / "drc/input/mathews.tsv")
    expected = read_tsv(oracles / "drc/output/mathews_single_agents_LL4.tsv")
    row = expected.query("block == @block and axis == @axis").iloc[0]
    dose, other = ("conc_r", "conc_c") if axis == "row" else ("conc_c", "conc_r")
    single = data[(data["block_id"] == block) & (data[other] == 0)]
    assert fit_curve(single[dose], single["response"]).rss <= row["rss"] * (1 + 1e-6)


def test_fit_curve__has_the_ed50_of_drc_where_a_margin_determines_it(oracles):
    data = read_tsv(oracles / "drc/input/mathews.tsv").query("block_id == 2 and conc_r == 0")
    expected = read_tsv(oracles / "drc/output/mathews_single_agents_LL4.tsv")
    row = expected.query("block == 2 and axis == 'col'").iloc[0]
    curve = fit_curve(data["conc_c"], data["response"])
    assert curve.half_dose == pytest.approx(row["ec50"], rel=0.001)


def test_fit_curve__finds_a_better_minimum_than_scipy_from_a_guess():
    response = draw(curve_of(), sd=0.05, seed=1)
    fitted = fit_curve(DOSES, response)

    def left(theta: np.ndarray) -> np.ndarray:
        slope, half, bottom, top = theta
        return Curve("LL.4", slope, bottom, top, np.exp(half), 1, 0, 24).predict(DOSES) - response

    other = optimize.least_squares(left, [1.0, np.log(0.5), 0.0, 1.0], xtol=1e-12, ftol=1e-12)
    assert fitted.rss == pytest.approx(2 * other.cost, rel=1e-9)
    assert fitted.half_dose == pytest.approx(np.exp(other.x[1]), rel=1e-4)


# Laws


@settings(derandomize=True, deadline=None, max_examples=15)
@given(
    half=st.floats(0.05, 3.0),
    slope=st.floats(0.5, 4.0),
    bottom=st.floats(0.0, 0.5),
    factor=st.floats(0.01, 100.0),
)
def test_fit_curve__finds_exact_curves_in_any_unit(half, slope, bottom, factor):
    curve = curve_of(half=half, slope=slope, bottom=bottom)
    fitted = fit_curve(DOSES * factor, curve.predict(DOSES))
    assert fitted.half_dose == pytest.approx(half * factor, rel=1e-3)
    assert fitted.rss < 1e-8


def test_fit_curve__keeps_within_its_bounds():
    response = draw(curve_of(bottom=-0.3, slope=6.0), sd=0.02, seed=2)
    fitted = fit_curve(DOSES, response, bounds=Bounds((0.0, 0.5), (0.9, 1.0), (0.5, 3.0)))
    assert fitted.bottom == 0.0
    assert 0.9 <= fitted.top <= 1.0
    assert 0.5 <= fitted.slope <= 3.0 + 1e-9


def test_fit_curve__rising_responses_are_curves_with_the_bottom_above():
    fitted = fit_curve(DOSES, 2.0 - curve_of().predict(DOSES))
    assert fitted.bottom > fitted.top
    assert fitted.half_dose == pytest.approx(0.3, rel=1e-3)


def test_fit_curve__refuses_too_few_wells_or_doses():
    with pytest.raises(DataError, match="4 wells at 4 doses are too few for a curve of 4"):
        fit_curve(np.array([1, 2, 3, 4.0]), np.ones(4))
    with pytest.raises(DataError, match="8 wells at 1 doses"):
        fit_curve(np.repeat([0.0, 1.0], 4), np.ones(8))
    with pytest.raises(DataError, match="3 wells at 3 doses are too few for a curve of 3"):
        fit_curve(np.array([1, 2, 3.0]), np.ones(3), bounds=Bounds(top=(1.0, 1.0)))


# Intervals


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "n", "margin"), [("relative", 500, 0.02), ("absolute", 200, 0.03)]
)
def test_profile_dose__interval_covers_the_truth_in_95_of_100_curves(kind, n, margin):
    rng = np.random.default_rng(12)
    covered = []
    for seed in range(n):
        half, slope, bottom = np.exp(rng.normal(-1.2, 0.6)), rng.uniform(0.8, 2.5), 0.1
        # half of the control is another dose than half of the upper plateau
        top = 1.0 if kind == "relative" else 1.15
        truth = replace(curve_of(half=half, slope=slope, bottom=bottom), top=top)
        response = draw(truth, sd=0.05, seed=1000 + seed)
        fitted = fit_curve(DOSES, response)
        low, high = profile_dose(DOSES, response, fitted, kind=kind)
        planted = half if kind == "relative" else truth.find_dose(0.5)
        covered.append(low <= planted <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=margin)


def test_profile_dose__ends_fit_just_as_badly_as_the_f_test_allows():
    response = draw(curve_of(), sd=0.05, seed=5)
    fitted = fit_curve(DOSES, response)
    low, high = profile_dose(DOSES, response, fitted)
    assert low < fitted.half_dose < high
    # 5 % quantile of F with 1 and 20 degrees of freedom: 4.35124
    cut = fitted.rss * (1 + 4.351244 / 20)
    for end in (low, high):

        def left(theta: np.ndarray, end: float = end) -> np.ndarray:
            curve = Curve("LL.4", np.exp(theta[0]), theta[1], theta[2], end, 1, 0, 24)
            return curve.predict(DOSES) - response

        best = optimize.least_squares(left, [0.4, 0.1, 1.0], xtol=1e-12, ftol=1e-12)
        assert 2 * best.cost == pytest.approx(cut, rel=1e-3)


def test_profile_dose__is_open_where_the_data_give_no_limit():
    # no dose is high enough to show the lower plateau
    curve = curve_of(half=40.0, slope=1.0, bottom=0.0)
    response = draw(curve, sd=0.05, seed=1)
    fitted = fit_curve(DOSES, response)
    assert profile_dose(DOSES, response, fitted)[1] == np.inf


# Curves without an IC50


@pytest.mark.parametrize(
    ("curve", "status", "reason"),
    [
        (curve_of(), "fitted", ""),
        (curve_of(bottom=0.95), "flat", "there is no IC50"),
        (curve_of(half=0.0005, bottom=0.02), "dead", "the IC50 lies below it"),
        (curve_of(half=30.0, slope=1.0, bottom=0.0), "beyond", "beyond the highest dose (10)"),
    ],
    ids=["fitted", "flat", "dead", "beyond"],
)
def test_judge_curve__says_what_a_curve_is(curve, status, reason):
    response = draw(curve, sd=0.03, seed=1)
    chosen = CurveSettings(kind="absolute")
    fitted = fit_curve(DOSES, response, bounds=chosen.bounds)
    found, why = judge_curve(DOSES, response, fitted, chosen)
    assert (found, reason in why) == (status, True)


def test_describe_curves__noise_alone_gets_an_ic50_in_none_of_30():
    flat = {(f"line{i}", "water"): curve_of(bottom=1.0) for i in range(30)}
    single = list_single(normalise_wells(make_wells(flat, sd=0.08, plates=1)))
    curves = describe_curves(single, CurveSettings())
    assert curves["status"].value_counts().to_dict() == {"flat": 30}
    assert curves["ic50"].isna().all()


def test_describe_curves__says_when_there_are_too_few_doses():
    wells = make_wells({("K562", "selinexor"): curve_of()})
    single = list_single(normalise_wells(wells[wells["dose"] < 0.2]))
    row = describe_curves(single, CurveSettings()).iloc[0]
    assert row["status"] == "few doses"
    assert row["reason"] == "3 doses are too few for a curve; 5 are needed"


# Plates


def test_normalise_wells__by_hand():
    wells = pd.DataFrame(
        {
            "line": "A",
            "plate": ["1", "1", "1", "2", "2"],
            "dose": [0.0, 0.0, 1.0, 0.0, 1.0],
            "dose_2": 0.0,
            "response": [900.0, 1100.0, 500.0, 200.0, 50.0],
            "start": [250.0, 250.0, 250.0, 50.0, 50.0],
        }
    )
    found = normalise_wells(wells)
    assert found["viability"].tolist() == [0.9, 1.1, 0.5, 1.0, 0.25]
    # control doubled twice: 500 from 250 is half of that rate, 50 from 50 none
    assert found["gr"][2] == pytest.approx(2**0.5 - 1)
    assert found["gr"][4] == pytest.approx(0.0)


def test_list_single__gives_controls_to_every_drug_of_a_plate_and_leaves_pairs_out():
    wells = pd.DataFrame(
        [
            ("A", 0.0, "", 0.0),
            ("A", 1.0, "", 0.0),
            ("A", 0.0, "B", 2.0),
            ("A", 1.0, "B", 2.0),
            ("A", 1.0, "B", 0.0),
        ],
        columns=["drug", "dose", "drug_2", "dose_2"],
    )
    wells = wells.assign(line="L", parental="", plate="1", replicate="1", unit="uM", unit_2="uM")
    single = list_single(wells.assign(viability=1.0, gr=np.nan))
    listed = sorted(zip(single["drug"], single["dose"], strict=True))
    assert listed == [("A", 0.0), ("A", 1.0), ("A", 1.0), ("B", 0.0), ("B", 2.0)]


def test_describe_curves__gr50_is_where_the_growth_rate_is_halved():
    # growth rates follow a curve with their half at 0.3: log2 of the signal is linear in them
    rate = curve_of(bottom=0.0).predict(DOSES)
    wells = make_wells({("K562", "selinexor"): curve_of()}, plates=1)
    wells = wells.assign(start=250.0, response=250.0 * 2 ** (2 * np.log2(1 + rate)))
    curves = describe_curves(list_single(normalise_wells(wells)), CurveSettings())
    assert curves["gr50"][0] == pytest.approx(0.3, rel=1e-3)


def test_summarise_wells__is_the_mean_of_each_dose():
    single = list_single(normalise_wells(make_wells({("K562", "x"): curve_of()}, sd=0.0)))
    means = summarise_wells(single).set_index("dose")["viability"]
    np.testing.assert_allclose(means, curve_of().predict(means.index.to_numpy()), rtol=1e-9)


def make_few_wells(n_wells: int) -> pd.DataFrame:
    """A line at three doses and without drug."""
    return pd.DataFrame(
        {
            "line": "K562",
            "parental": "",
            "plate": "p",
            "drug": "x",
            "unit": "uM",
            "dose": np.repeat([0.0, 0.1, 1.0, 10.0], n_wells),
            "replicate": "1",
            "viability": np.repeat([1.0, 0.9, 0.5, 0.1], n_wells),
            "gr": np.repeat([1.0, 0.8, 0.2, -0.3], n_wells),
        }
    )


def test_describe_curves__gives_no_curve_to_wells_as_few_as_its_parameters():
    row = describe_curves(make_few_wells(1), CurveSettings(min_doses=3)).iloc[0]
    assert row["status"] == "few doses"
    assert row["reason"] == "4 wells are too few for a curve of 4 parameters"
    assert np.isnan(row["gr50"])


def test_describe_curves__fits_three_doses_in_duplicate_where_three_are_enough():
    row = describe_curves(make_few_wells(2), CurveSettings(min_doses=3)).iloc[0]
    assert row["status"] == "fitted"
    assert 0.1 < row["gr50"] < 1


def test_describe_curve__absolute_is_half_of_the_control_whatever_the_plateau():
    truth = replace(curve_of(), top=1.2)
    doses = np.repeat(np.geomspace(0.01, 30, 12), 3)
    mine = pd.DataFrame({"dose": doses, "viability": truth.predict(doses)})
    row = describe_curve(mine, CurveSettings(kind="absolute"))
    # (half of what is lost between the plateaus) 0.1 + 1.1 / (1 + (d / half)^slope) = 0.5
    expected = truth.half_dose * (1.1 / 0.4 - 1) ** (1 / truth.slope)
    assert row["ic50"] == pytest.approx(expected, rel=1e-3)
    assert row["ci_low"] <= row["ic50"] <= row["ci_high"]


@pytest.mark.parametrize("model", ["LL.3", "LL.4", "LL.5", "W1.4"])
def test_draw_curves__draw_what_was_fitted(model):
    dose = np.repeat(np.geomspace(0.01, 30, 12), 3)
    steep = 1 - 0.9 * (1 - np.exp(-((dose / 0.6) ** 0.7)))  # no logistic curve
    mine = pd.DataFrame({"line": "K562", "drug": "x", "dose": dose, "viability": steep})
    chosen = CurveSettings(model=model)
    row = {"line": "K562", "drug": "x", "dose_min": 0.01, "dose_max": 30.0, "n_wells": 36}
    curves = pd.DataFrame([row | describe_curve(mine, chosen)])
    fitted = fit_curve(dose, steep, model=model, bounds=chosen.bounds)
    drawn = draw_curves(curves, model=model, n_points=7)
    np.testing.assert_allclose(drawn["viability"], fitted.predict(drawn["dose"]), atol=1e-9)


def test_draw_curves__follow_the_fit_and_leave_flat_ones_out():
    wells = make_wells({("K562", "x"): curve_of(), ("HL60", "y"): curve_of(bottom=1.0)}, sd=0.01)
    curves = describe_curves(list_single(normalise_wells(wells)), CurveSettings())
    drawn = draw_curves(curves, model="LL.4", n_points=5)
    assert set(drawn["line"]) == {"K562"}
    row = curves.set_index("line").loc["K562"]
    middle = drawn.iloc[(drawn["dose"] - row["half_dose"]).abs().argmin()]
    assert middle["viability"] == pytest.approx((row["top"] + row["bottom"]) / 2, abs=0.2)


# Resistance


def test_compare_lines__finds_a_planted_ratio_by_plate_and_by_well():
    curves = {
        ("K562", "selinexor"): curve_of(half=0.1),
        ("K562-SR", "selinexor"): curve_of(half=0.8),
    }
    single = list_single(normalise_wells(make_wells(curves)))
    described = describe_curves(single, CurveSettings())
    plates = describe_plates(single, CurveSettings())
    found = compare_lines(described, plates, confidence=0.95).set_index("unit")
    assert found["n_test"].to_dict() == {"well": 72, "plate": 3}
    assert (found["ci_low"] < 3).all()
    assert (found["ci_high"] > 3).all()
    assert found["effect"].to_numpy() == pytest.approx([3.0, 3.0], abs=0.25)
    np.testing.assert_allclose(found["index"], np.exp2(found["effect"]))


@pytest.mark.slow
def test_compare_lines__interval_by_well_covers_a_ratio_of_one_in_95_of_100():
    covered = []
    for seed in range(300):
        lines = [draw(curve_of(), sd=0.05, seed=2 * seed + i) for i in range(2)]
        parts = [
            pd.DataFrame({"line": name, "dose": DOSES, "viability": values})
            for name, values in zip(("K562", "K562-SR"), lines, strict=True)
        ]
        single = pd.concat(parts, ignore_index=True).assign(
            drug="x", unit="uM", plate="1", replicate="1", gr=np.nan
        )
        single["parental"] = np.where(single["line"] == "K562-SR", "K562", "")
        free = CurveSettings(bounds=Bounds())
        found = compare_lines(
            describe_curves(single, free),
            pd.DataFrame(columns=["line", "drug", "plate", "ic50"]),
            confidence=0.95,
        )
        row = found[found["unit"] == "well"].iloc[0]
        covered.append(row["ci_low"] <= 0 <= row["ci_high"])
    assert 0.92 <= np.mean(covered) <= 0.98


def test_compare_lines__says_why_a_flat_line_has_no_index():
    curves = {
        ("K562", "selinexor"): curve_of(half=0.1),
        ("K562-SR", "selinexor"): curve_of(bottom=1.0),
    }
    single = list_single(normalise_wells(make_wells(curves)))
    described = describe_curves(single, CurveSettings())
    found = compare_lines(described, describe_plates(single, CurveSettings()), confidence=0.95)
    assert found["effect"].isna().all()
    by_unit = found.set_index("unit")["reason"]
    assert by_unit["well"].startswith("K562-SR: the response falls by")
    assert "there are 0 and 3" in by_unit["plate"]


def test_rate_doses__tells_which_intervals_cover():
    truth = pd.DataFrame({"line": ["A", "B"], "drug": "x", "ic50_um": [1.0, 1.0]})
    curves = pd.DataFrame(
        {"line": ["A", "B"], "drug": "x", "ic50": [1.1, 2.0], "ci_low": [0.9, 1.5],
         "ci_high": [1.2, 2.5]}
    )  # fmt: skip
    assert rate_doses(truth, curves)["covered"].tolist() == [True, False]


def test_iterate_pairs__leaves_single_drugs_out():
    wells = pd.DataFrame(
        {"line": "L", "drug": ["A", "A", "A"], "drug_2": ["", "B", "B"], "n": [1, 2, 3]}
    )
    ((key, mine),) = iterate_pairs(wells)
    assert key == ("L", "A", "B")
    assert mine["n"].tolist() == [2, 3]


def test_fit_curve__counts_every_well_of_a_dose():
    rng = np.random.default_rng(0)
    dose = np.repeat([0.0, 0.1, 1.0, 10.0, 100.0], [1, 2, 3, 4, 5])
    response = 0.1 + 0.8 / (1 + dose) + rng.normal(0, 0.05, len(dose))
    curve = fit_curve(dose, response, bounds=Bounds((0.0, 1.0), (0.5, 1.5), (0.2, 15.0)))
    assert curve.rss == pytest.approx(((response - curve.predict(dose)) ** 2).sum(), rel=1e-9)
    assert curve.n == 15
    order = rng.permutation(len(dose))
    shuffled = fit_curve(
        dose[order], response[order], bounds=Bounds((0.0, 1.0), (0.5, 1.5), (0.2, 15.0))
    )
    assert shuffled.half_dose == pytest.approx(curve.half_dose, rel=1e-7)


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds((0.2, 0.2), (0.5, 1.5)),
        Bounds((0.0, 1.0), (1.0, 1.0)),
        Bounds((0.0, 0.0), (1.0, 1.0)),
    ],
)
def test_fit_curve__finds_the_least_squares_of_plateaus_that_are_fixed(bounds: Bounds):
    rng = np.random.default_rng(1)
    dose = np.repeat(np.geomspace(0.01, 100, 8), 2)
    response = 0.1 + 0.85 / (1 + dose**1.3) + rng.normal(0, 0.03, len(dose))
    limits = replace(bounds, slope=(0.2, 15.0))
    curve = fit_curve(dose, response, bounds=limits)

    def squares(theta: np.ndarray) -> float:
        bottom, top = np.clip(
            theta[:2], [limits.bottom[0], limits.top[0]], [limits.bottom[1], limits.top[1]]
        )
        left = 1 / (1 + (dose / np.exp(theta[3])) ** np.exp(theta[2]))
        return float(((bottom + (top - bottom) * left - response) ** 2).sum())

    known = optimize.minimize(
        squares, [0.1, 0.95, 0.2, 0.0], method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 20_000, "maxfev": 20_000},
    )  # fmt: skip
    assert curve.rss == pytest.approx(known.fun, rel=1e-5)
