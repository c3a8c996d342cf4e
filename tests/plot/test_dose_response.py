"""Dose-response figures: what was drawn."""

import numpy as np
import pandas as pd
import pytest

from helpers.plot.dose_response import plot_curves, plot_resistance

MEANS = pd.DataFrame(
    {
        "line": ["A", "A", "B", "A"],
        "drug": ["x", "x", "x", "y"],
        "unit": "uM",
        "dose": [0.0, 1.0, 1.0, 2.0],
        "viability": [1.0, 0.5, 0.8, 0.9],
        "sd": [0.1, 0.1, np.nan, 0.1],
    }
)
DRAWN = pd.DataFrame({"line": "A", "drug": "x", "dose": [0.1, 1.0], "viability": [0.9, 0.5]})
CURVES = pd.DataFrame(
    {"line": ["A", "B", "A"], "drug": ["x", "x", "y"], "ic50": [1.0, np.nan, np.nan],
     "status": ["fitted", "flat", "flat"]}
)  # fmt: skip
RESISTANCE = pd.DataFrame(
    {
        "line": "B",
        "parental": "A",
        "drug": ["x", "x", "y", "y"],
        "unit": ["plate", "well", "plate", "well"],
        "effect": [3.0, 2.9, np.nan, np.nan],
        "ci_low": [2.5, 2.6, np.nan, np.nan],
        "ci_high": [3.5, 3.2, np.nan, np.nan],
    }
)


def test_plot_curves__has_axes_for_each_drug_and_the_ic50_of_fitted_curves_alone():
    figure = plot_curves(MEANS, DRAWN, CURVES)
    first, second = (ax for ax in figure.axes if ax.get_visible())
    assert [ax.get_title() for ax in (first, second)] == ["x", "y"]
    assert first.get_xlabel() == "dose (µM)"
    dashed = [line.get_xdata()[0] for line in first.lines if line.get_linestyle() == "--"]
    assert dashed == [1.0]
    assert [line for line in second.lines if line.get_linestyle() == "--"] == []


def test_plot_curves__leaves_controls_to_the_line_at_one_hundred_percent():
    figure = plot_curves(MEANS, DRAWN, CURVES)
    points = [c.lines[0].get_xdata().tolist() for c in figure.axes[0].containers]
    assert points == [[1.0], [1.0]]


def test_plot_resistance__draws_plate_and_well_and_names_those_without():
    ax = plot_resistance(RESISTANCE)
    drawn = [dots.get_offsets()[:, 0].tolist() for dots in ax.collections[::2]]
    assert drawn == [[3.0], [2.9]]
    assert [text.get_text() for text in ax.texts] == ["no IC50 (see the table)"]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["x: B / A", "y: B / A"]


def test_plot_resistance__ticks_read_as_ratios():
    ax = plot_resistance(RESISTANCE)
    assert ax.xaxis.get_major_formatter()(3.0, 0) == "8×"
    assert ax.xaxis.get_major_formatter()(-1.0, 0) == "0.5×"


def test_plot_resistance__all_missing_are_named():
    ax = plot_resistance(RESISTANCE[RESISTANCE["drug"] == "y"])
    assert len(ax.texts) == 1
    assert ax.get_xlabel().startswith("resistance index")


@pytest.mark.parametrize("n", [1, 3, 5])
def test_plot_curves__fits_any_number_of_drugs(n):
    parts = [MEANS[MEANS["drug"] == "x"].assign(drug=f"d{i}") for i in range(n)]
    figure = plot_curves(pd.concat(parts), DRAWN.iloc[:0], CURVES.iloc[:0])
    assert sum(ax.get_visible() for ax in figure.axes) == n
