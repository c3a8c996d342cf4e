"""Figures of copy number: what is drawn is what was given."""

import numpy as np
import pandas as pd

from helpers.plot.cnv import order_cells, plot_arms, plot_levels, plot_profiles, plot_settings

CELLS = pd.DataFrame(
    {"group": ["t", "h", "h"], "cell_type": ["A", "B", "A"], "sample": ["t1", "h1", "h1"]}
)


def test_order_cells__by_group_type_and_sample():
    assert order_cells(CELLS, ["h", "t"]).tolist() == [2, 1, 0]


def test_plot_profiles__draws_cells_in_order_and_marks_arms():
    bins = pd.DataFrame({"chrom": ["chr1"] * 3 + ["chr2"], "arm": ["1p", "1p", "1q", "2p"]})
    values = np.arange(12.0).reshape(3, 4)
    figure = plot_profiles(values, CELLS, bins, groups=["h", "t"])
    heat = figure.axes[2]
    assert heat.images[0].get_array().tolist() == values[[2, 1, 0]].tolist()
    lines = [(line.get_xdata()[0], line.get_linestyle()) for line in heat.lines[:2]]
    assert lines == [(1.5, ":"), (2.5, "-")]
    assert [label.get_text() for label in heat.get_xticklabels()] == ["1", "2"]


def test_plot_arms__marks_calls_with_signs():
    table = pd.DataFrame(
        {
            "sample": "t1",
            "group": "t",
            "cell_type": "A",
            "arm": ["1p", "1q", "2p"],
            "log2fc": [0.5, 0.0, -0.4],
            "state": ["gain", "neutral", "loss"],
        }
    )
    ax = plot_arms(table, groups=["t"], types=["A"])
    marks = [(text.get_position(), text.get_text()) for text in ax.texts]
    assert marks == [((0, 0), "+"), ((2, 0), "–")]
    assert ax.images[0].get_array().tolist() == [[0.5, 0.0, -0.4]]


def test_plot_levels__draws_every_sample():
    table = pd.DataFrame(
        {
            "sample": ["h1", "t1"],
            "group": ["h", "t"],
            "subcluster": ["0", "1"],
            "cnv_level": [0.1, 0.3],
        }
    )
    ax = plot_levels(table, column="subcluster", order=["0", "1"], groups=["h", "t"])
    offsets = [tuple(np.round(dots.get_offsets()[0], 2)) for dots in ax.collections[::2]]
    assert offsets == [(-0.2, 0.1), (1.2, 0.3)]
    assert "signed root" in ax.get_ylabel()  # a root mean square would not be negative


def test_plot_settings__draws_effects_by_setting():
    table = pd.DataFrame(
        {
            "setting": ["as shown", "window 51"],
            "measure": "infercnv_score",
            "cell_type": "A",
            "effect": [0.1, 0.2],
            "ci_low": 0.0,
            "ci_high": 0.4,
        }
    )
    figure = plot_settings(table, contrast="t vs r")
    drawn = figure.axes[0].collections[-1].get_offsets()
    np.testing.assert_allclose(drawn, [[0.1, 0.84], [0.2, -0.16]])
