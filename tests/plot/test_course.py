"""Figures of a course over days: what was drawn."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from plots import HOSTILE, faults, legend_names, tick_names

from helpers.plot.course import plot_course, plot_pseudotime_course, plot_trends

SAMPLES = pd.DataFrame(
    {
        "sample": list("pqabc"),
        "group": ["P", "P", "R", "R", "R"],
        "time_days": [0.0, 0.0, 30.0, 60.0, 90.0],
    }
)


def make_values(names: list[str]) -> pd.DataFrame:
    return pd.concat(
        [SAMPLES.assign(feature=name, value=[-1.0, 0.0, 1.0, 2.0, 3.0]) for name in names]
    )


def make_trends(names: list[str], course: str = "R from P", effect: float = 0.04) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "course": course, "feature": names, "effect": effect, "ci_low": effect - 0.01,
            "ci_high": effect + 0.01, "padj": [0.01 if i == 0 else 0.5 for i in range(len(names))],
            "first_day": 0.0, "last_day": 90.0, "value_first": -1.0, "value_last": 3.0,
        }
    )  # fmt: skip


def test_plot_course__draws_samples_by_condition_and_the_fitted_line():
    figure = plot_course(
        make_values(["x"]), make_trends(["x"]), names={"x": "a score"}, groups=["P", "R"], label="y"
    )
    (ax,) = figure.axes
    parental, resistant = (np.asarray(dots.get_offsets()) for dots in ax.collections)
    assert parental.tolist() == [[0, -1], [0, 0]]
    assert resistant.tolist() == [[30, 1], [60, 2], [90, 3]]
    (line,) = ax.lines
    assert line.get_xdata()[[0, -1]].tolist() == [0, 90]
    assert line.get_ydata()[[0, -1]].tolist() == [-1, 3]
    assert ax.get_title() == "a score"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["P", "R", "fitted line"]


def test_plot_course__turns_log_odds_to_percent():
    figure = plot_course(
        make_values(["4"]), make_trends(["4"]), names={"4": "cluster 4"}, groups=["P", "R"],
        label="cells (%)", percent=True,
    )  # fmt: skip
    (ax,) = figure.axes
    # odds of 1/2, 1 and 8
    assert np.asarray(ax.collections[0].get_offsets())[:, 1] == pytest.approx([100 / 3, 50])
    assert ax.lines[0].get_ydata()[-1] == pytest.approx(800 / 9)
    assert ax.get_ylim()[0] == 0


def test_plot_course__draws_no_line_where_there_is_no_trend():
    trends = make_trends(["x"]).assign(value_first=np.nan, value_last=np.nan)
    figure = plot_course(make_values(["x"]), trends, names={"x": "x"}, groups=["P", "R"], label="y")
    assert len(figure.axes[0].lines) == 0


def test_plot_course__names_of_any_kind_fit_above_their_axes():
    names = {f"f{i}": name for i, name in enumerate(HOSTILE)}
    figure = plot_course(
        make_values(list(names)),
        make_trends(list(names)),
        names=names,
        groups=["P", "R"],
        label="y",
    )
    assert [ax.get_visible() for ax in figure.axes] == [True] * 6 + [False] * 2
    assert faults(figure) == []
    boxes = [ax.title.get_window_extent() for ax in figure.axes[:4]]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_plot_trends__draws_one_marker_a_course_and_fills_what_is_called():
    both = pd.concat([make_trends(["x", "y"]), make_trends(["x", "y"], "R", -0.02)])
    ax = plot_trends(both, names={"x": "first", "y": "second"}, fdr=0.05, label="change a day")
    assert legend_names(ax) == ["R from P", "R"]
    assert tick_names(ax, "y") == ["first", "second"]
    dots = [c for c in ax.collections if len(getattr(c, "get_offsets", list)())][1]
    assert np.asarray(dots.get_offsets())[:, 0].tolist() == [0.04, 0.04]
    assert dots.get_facecolors()[1].tolist() == [1, 1, 1, 1]
    assert dots.get_facecolors()[0].tolist() != [1, 1, 1, 1]
    assert faults(ax) == []


def test_plot_pseudotime_course__draws_medians_and_moves_samples_of_one_day_apart():
    cells = pd.DataFrame(
        {"sample": np.repeat(list("pqabc"), 4), "pseudotime": [0.1, 0.2, 0.4, np.inf] * 5}
    )
    trends = make_trends(["pseudotime"]).assign(value_first=0.4, value_last=0.1)
    ax = plot_pseudotime_course(cells, SAMPLES, trends, groups=["P", "R"])
    parental = np.asarray(ax.collections[1].get_offsets())
    assert parental[:, 1].tolist() == [0.2, 0.2]
    assert parental[0, 0] < 0 < parental[1, 0]
    assert np.asarray(ax.collections[3].get_offsets())[:, 0].tolist() == [30, 60, 90]
    assert ax.lines[0].get_ydata()[[0, -1]].tolist() == [0.4, 0.1]
    assert faults(ax) == []
