"""A course over days: slopes of samples, what counts as a course, planted trends and their absence."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.compute.course import (
    SCORE,
    SHARE,
    STEM_LIKE,
    design_course,
    fit_trends,
    follow_line,
    list_courses,
    main_course,
    measure_course,
    rate_course,
    score_values,
    share_values,
    state_values,
)
from helpers.schema import Contrast

CONTRAST = Contrast(test="R", reference="P")


def sheet(rows: list[tuple[str, str, float]], donors: list[str] | None = None) -> pd.DataFrame:
    """Samples (name, group, day), each of its own donor unless donors are given."""
    table = pd.DataFrame(rows, columns=["sample", "group", "time_days"])
    return table.assign(donor=table["sample"] if donors is None else donors)


def fit(samples: pd.DataFrame, values: list[float]) -> pd.DataFrame:
    table = pd.DataFrame({"x": values}, index=samples["sample"])
    return fit_trends(table, samples, CONTRAST, confidence=0.95).set_index("course")


ALONE = sheet([("a", "R", 0), ("b", "R", 1), ("c", "R", 2), ("d", "R", 3)])
FROM_START = sheet(
    [("p", "P", 0), ("q", "P", 0), ("a", "R", 30), ("b", "R", 60), ("c", "R", 90), ("d", "R", 90)]
)
PARALLEL = sheet([(f"{g}{d}{i}", g, d) for g in "PR" for d in (0, 10, 20) for i in (1, 2)])


# The slope


def test_fit_trends__by_hand():
    row = fit(ALONE, [1.0, 2.0, 2.0, 5.0]).loc["R"]
    # days lie -1.5, -0.5, 0.5, 1.5 off their mean, values -1.5, -0.5, -0.5, 2.5: 6 / 5
    assert row["effect"] == pytest.approx(1.2)
    # residuals 0.3, 0.1, -1.1, 0.7: squares 1.8 over 2 degrees of freedom, over 5
    half = stats.t.ppf(0.975, 2) * np.sqrt(1.8 / 2 / 5)
    assert row["ci_low"] == pytest.approx(1.2 - half)
    assert row["ci_high"] == pytest.approx(1.2 + half)
    assert row["pvalue"] == pytest.approx(2 * stats.t.sf(1.2 / np.sqrt(0.18), 2))
    assert row[["value_first", "value_last"]].tolist() == pytest.approx([0.7, 4.3])
    assert row[["n_samples", "n_times", "first_day", "last_day"]].tolist() == [4, 4, 0, 3]


def test_fit_trends__agrees_with_simple_regression():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, len(FROM_START))
    row = fit(FROM_START, list(values)).loc["R from P"]
    known = stats.linregress(FROM_START["time_days"], values)
    assert row["effect"] == pytest.approx(known.slope)
    assert row["pvalue"] == pytest.approx(known.pvalue)
    half = stats.t.ppf(0.975, len(values) - 2) * known.stderr
    assert row["ci_high"] - row["effect"] == pytest.approx(half)


def test_fit_trends__difference_of_slopes_is_that_of_two_lines():
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, len(PARALLEL))
    table = fit(PARALLEL, list(values))
    lines = {
        group: stats.linregress(PARALLEL["time_days"][mine], values[mine])
        for group in "RP"
        if (mine := (PARALLEL["group"] == group).to_numpy()).any()
    }
    assert list(table.index) == ["R", "P", "R vs P"]
    assert table["effect"].tolist() == pytest.approx(
        [lines["R"].slope, lines["P"].slope, lines["R"].slope - lines["P"].slope]
    )
    # residuals of both lines together, 12 samples less 4 coefficients
    off = [
        values[(PARALLEL["group"] == g).to_numpy()]
        - lines[g].intercept
        - lines[g].slope * PARALLEL["time_days"][(PARALLEL["group"] == g).to_numpy()]
        for g in "RP"
    ]
    variance = sum((o**2).sum() for o in off) / 8
    error = np.sqrt(variance * 2 / (4 * 100))  # of days: 4 samples lie 10 off their mean, each
    half = table.loc["R vs P", "ci_high"] - table.loc["R vs P", "effect"]
    assert half == pytest.approx(stats.t.ppf(0.975, 8) * error)
    assert np.isnan(table.loc["R vs P", "value_first"])


def test_fit_trends__counts_change_within_donors_alone_where_they_are_followed():
    # two flasks at different levels, both rising by 1 a day, one of them seen late
    samples = sheet(
        [("a0", "R", 0), ("a1", "R", 1), ("a2", "R", 2), ("b2", "R", 2), ("b3", "R", 3)],
        donors=["a", "a", "a", "b", "b"],
    )
    row = fit(samples, [0.0, 1.0, 2.1, -7.0, -6.0]).loc["R"]
    # within flasks days lie -1, 0, 1 and -0.5, 0.5 off; their products with values: 2.1 + 0.5
    assert row["effect"] == pytest.approx((2.1 + 0.5) / 2.5)
    assert row["test"].endswith("within donors")


@pytest.mark.parametrize(
    ("rows", "course", "reason"),
    [
        ([("a", "R", 0), ("b", "R", 7), ("c", "R", 7)], "R", "2 time points: a trend needs 3"),
        ([("a", "R", np.nan)], "R", "0 time points: a trend needs 3"),
        ([("p", "P", 0), ("a", "R", 7)], "R from P", "2 time points: a trend needs 3"),
    ],
)
def test_fit_trends__says_why_there_is_no_trend(rows, course, reason):
    row = fit(sheet(rows), [1.0] * len(rows)).loc[course]
    assert row["reason"] == reason
    assert np.isnan(row["effect"])


def test_fit_trends__has_no_interval_where_samples_do_not_differ():
    row = fit(ALONE, [2.0] * 4).loc["R"]
    assert row["reason"] == "the samples do not differ: there is no interval"
    assert np.isnan(row[["ci_low", "ci_high", "pvalue"]].astype(float)).all()


def test_fit_trends__leaves_nothing_to_test_with_where_each_flask_was_seen_once_but_one():
    samples = sheet(
        [("a0", "R", 0), ("a1", "R", 1), ("b2", "R", 2), ("c3", "R", 3)], donors=list("aabc")
    )
    row = fit(samples, [0.0, 1.0, 2.0, 4.0]).loc["R"]
    assert row["reason"] == "4 samples for 4 coefficients leave nothing to test with"


def test_fit_trends__calls_five_percent_where_nothing_changes():
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.normal(0, 1, (6, 800)), index=FROM_START["sample"])
    table = fit_trends(values, FROM_START, CONTRAST, confidence=0.95)
    called = (table["pvalue"] < 0.05).groupby(table["course"]).mean()
    assert called["R from P"] == pytest.approx(0.05, abs=0.02)
    assert called["R"] == pytest.approx(0.05, abs=0.02)


# What counts as a course


def test_list_courses__parental_samples_of_one_day_are_the_start():
    assert [course.name for course in list_courses(FROM_START, CONTRAST)] == ["R from P", "R"]
    late = FROM_START.assign(time_days=[60, 60, 30, 60, 90, 90])
    assert [course.name for course in list_courses(late, CONTRAST)] == ["R"]


def test_list_courses__samples_without_a_day_take_no_part():
    some = FROM_START.assign(time_days=[np.nan, np.nan, 30, 60, 90, 90])
    (course,) = list_courses(some, CONTRAST)
    assert course.samples["sample"].tolist() == ["a", "b", "c", "d"]
    assert course.n_times == 3


def test_design_course__has_a_level_and_a_slope_for_each_condition_that_is_compared():
    *_, both = list_courses(PARALLEL, CONTRAST)
    design, weights = design_course(both)
    assert weights[weights != 0].to_dict() == {"slope R": 1.0, "slope P": -1.0}
    assert design.filter(like="level").sum(axis=1).tolist() == [1.0] * 12
    assert (design["slope R"] + design["slope P"] == both.samples["time_days"].to_numpy()).all()
    assert np.linalg.matrix_rank(design) == 4


# What is followed


def test_share_values__are_log2_odds_by_hand():
    counts = pd.DataFrame(
        {"sample": ["a", "a", "b", "b"], "cell_type": ["0", "1"] * 2, "n_cells": [3, 0, 0, 0]}
    )
    table = share_values(counts)
    # (3 + 0.5) to (0 + 0.5); sample b has no cells
    assert table.loc["a"].tolist() == pytest.approx([np.log2(7), -np.log2(7)])
    assert list(table.index) == ["a"]


def test_share_values__of_one_cluster_are_none():
    counts = pd.DataFrame({"sample": ["a", "b"], "cell_type": "0", "n_cells": [3, 4]})
    assert share_values(counts).shape == (2, 0)


def test_score_values__take_all_cells_of_the_first_method_over_random_sets():
    scores = pd.DataFrame(
        {
            "sample": "a", "cell_type": ["all cells", "all cells", "Pro-B"], "signature": "s",
            "method": ["weighted z", "UCell", "weighted z"], "score": [1.0, 9.0, 9.0],
            "null_mean": [0.25, 0.0, 0.0],
        }
    )  # fmt: skip
    assert score_values(scores).loc["a", "s"] == 0.75


def test_state_values__are_means_and_the_median_of_reached_cells():
    cells = pd.DataFrame(
        {"sample": "a", "stemness": [1.0, 3.0, 2.0], "quiescence": 0.5, "potential": [0.0, 0.5, 1.0],
         "pseudotime": [0.2, 0.4, np.inf]}
    )  # fmt: skip
    row = state_values(cells).loc["a"]
    assert row.to_dict() == pytest.approx(
        {"stemness score": 2.0, "quiescence score": 0.5, "potential": 0.5, "pseudotime": 0.3}
    )


def make_line(rise: float, fall: float) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Proportions, scores and cells of FROM_START: odds and a score change with days."""
    rng = np.random.default_rng(3)
    days, names = FROM_START["time_days"].to_numpy(), FROM_START["sample"]
    stem = 2000 / (1 + np.exp2(3 - rise * days - rng.normal(0, 0.2, 6)))
    counts = pd.DataFrame({"sample": names, "4": stem.round(), "0": 2000 - stem.round()})
    proportions = counts.melt("sample", var_name="cell_type", value_name="n_cells")
    score = pd.DataFrame({"sample": names, "score": -fall * days + rng.normal(0, 0.2, 6)})
    scores = score.assign(
        signature="ferroptosis_drivers", cell_type="all cells", method="weighted z", null_mean=0.0
    )
    columns = ["stemness", "quiescence", "potential", "pseudotime"]
    cells = pd.DataFrame(rng.random((60, 4)), columns=columns).assign(
        sample=np.repeat(names, 10).to_numpy()
    )
    return proportions, scores, cells


def follow(rise: float, fall: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    return follow_line(*make_line(rise, fall), FROM_START, CONTRAST, confidence=0.95)


PLANTED = pd.DataFrame({"feature": [STEM_LIKE, "ferroptosis_drivers"], "direction": [1, -1]})


def test_follow_line__finds_planted_trends_with_their_sign():
    _, trends = follow(0.03, 0.02)
    main = main_course(trends).set_index(["kind", "feature"])
    stem, ferroptosis = main.loc[(SHARE, "4")], main.loc[(SCORE, "ferroptosis_drivers")]
    assert stem["ci_low"] < 0.03 < stem["ci_high"]
    assert stem["ci_low"] > 0
    assert ferroptosis["ci_high"] < 0
    assert rate_course(trends, PLANTED, ["4"])["as_planted"].tolist() == [True, True]


def test_follow_line__finds_no_trend_where_none_was_planted():
    _, trends = follow(0.0, 0.0)
    none = PLANTED.assign(direction=0)
    assert rate_course(trends, none, ["4"])["as_planted"].tolist() == [True, True]
    assert rate_course(trends, PLANTED, ["4"])["as_planted"].tolist() == [False, False]


def test_follow_line__lists_every_value_of_both_conditions():
    values, _ = follow(0.03, 0.02)
    assert values.groupby("kind").size().to_dict() == {
        "cluster share": 12, "signature": 6, "state of cells": 24,
    }  # fmt: skip
    assert values[values["sample"] == "a"]["time_days"].unique().tolist() == [30]


def test_follow_line__without_days_has_reasons_and_no_value():
    none = FROM_START.assign(time_days=np.nan)
    values, trends = follow_line(*make_line(0.0, 0.0), none, CONTRAST, confidence=0.95)
    assert values.empty
    assert trends["reason"].unique().tolist() == ["0 time points: a trend needs 3"]


def test_measure_course__gives_the_change_from_the_first_day_to_the_last():
    _, trends = follow(0.03, 0.02)
    rows = measure_course(trends, ["4"], CONTRAST).set_index("measure")
    slope = main_course(trends).set_index("feature").loc["4", "effect"]
    assert rows.loc["course_share", "effect"] == pytest.approx(90 * slope)
    assert rows.loc["course_share", ["feature", "n_reference", "n_test"]].tolist() == [
        STEM_LIKE, 2, 4,
    ]  # fmt: skip
    assert rows.loc["course_score", "ci_high"] < 0


def test_measure_course__says_that_there_is_no_cluster_to_follow():
    _, trends = follow(0.0, 0.0)
    row = measure_course(trends, [], CONTRAST).set_index("measure").loc["course_share"]
    assert row["reason"] == "there is no stem-like cluster to follow"
    assert np.isnan(row["ci_low"])
