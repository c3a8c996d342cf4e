"""Figures of open chromatin: what is drawn is what was given."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from helpers.plot.accessibility import (
    plot_agreement,
    plot_depth,
    plot_elements,
    plot_labels_of_clusters,
    plot_scores,
)

CELLS = pd.DataFrame(
    {
        "predicted": ["T", "T", "B", "B"],
        "cell_type": ["T", "unassigned", "B", "B"],
        "cluster": ["0", "0", "10", "2"],
        "score": [0.9, 0.4, 1.0, 0.8],
    }
)


def test_plot_scores__draws_a_dot_a_nucleus_and_the_cut():
    ax = plot_scores(CELLS, cut=0.5)
    drawn = [sorted(dots.get_offsets()[:, 0].tolist()) for dots in ax.collections]
    assert drawn == [[0.8, 1.0], [0.4, 0.9]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["B", "T"]
    medians = [line.get_xdata()[0] for line in ax.lines]
    assert medians == [0.9, 0.65, 0.5]


def test_plot_labels_of_clusters__draws_shares_of_each_cluster():
    ax = plot_labels_of_clusters(CELLS)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "2", "10"]
    shares = ax.images[0].get_array().tolist()
    assert shares == [[0, 1, 1], [0.5, 0, 0], [0.5, 0, 0]]
    assert [text.get_text() for text in ax.texts] == ["100", "100", "50", "50"]


def test_plot_depth__tells_dropped_components_by_colour_and_pattern():
    depth = pd.DataFrame(
        {"component": [1, 2, 3], "correlation": [0.95, -0.1, 0.2], "dropped": [True, False, False]}
    )
    ax = plot_depth(depth, cut=0.75)
    assert [bar.get_height() for bar in ax.patches] == [-0.1, 0.2, 0.95]
    assert [bar.get_hatch() or "" for bar in ax.patches] == ["", "", "///"]
    assert sorted(line.get_ydata()[0] for line in ax.lines) == [-0.75, 0, 0.75]


def test_plot_elements__draws_percent_with_numbers():
    elements = pd.DataFrame(
        {"element": ["promoter", "distal"], "n_peaks": [1500, 500], "fraction": [0.75, 0.25]}
    )
    ax = plot_elements(elements)
    assert [bar.get_width() for bar in ax.patches] == [75, 25]
    assert [text.get_text() for text in ax.texts] == ["1,500", "500"]


def test_plot_agreement__places_samples_by_both_shares():
    paired = pd.DataFrame(
        {
            "sample": ["A", "B"],
            "group": ["x", "y"],
            "cell_type": ["T", "T"],
            "fraction_atac": [0.3, 0.0],
            "fraction_rna": [0.2, 0.1],
        }
    )
    ax = plot_agreement(paired, groups=["x", "y"])
    dots = [d for d in ax.collections if len(d.get_offsets())]
    places = np.vstack([d.get_offsets() for d in dots])
    # shares of 0 lie at the edge of the logarithmic axis
    np.testing.assert_allclose(places, [[20, 30], [10, 0.2]])
    assert len({to_hex(d.get_facecolor()[0]) for d in dots}) == 1
    assert ax.lines[0].get_xdata() == pytest.approx(ax.lines[0].get_ydata())
