"""Figures of regulons: what is drawn is what was given."""

import numpy as np
import pandas as pd
from plots import HOSTILE, draw, faults, legend_names, tick_names

from helpers.plot.regulons import (
    FLOOR,
    plot_differences,
    plot_network,
    plot_sample_activity,
    plot_specificity,
    plot_support,
)

LINKS = pd.DataFrame(
    [("F", "a", 4.0, True), ("F", "G", 2.0, True), ("G", "b", 1.0, False)],
    columns=["tf", "target", "importance", "pruned"],
)


def test_plot_network__joins_factors_to_targets_by_lines_as_wide_as_important():
    ax = plot_network(LINKS, seed=0)
    np.testing.assert_allclose([line.get_linewidth() for line in ax.lines], [2.0, 1.2, 0.8])
    assert [line.is_dashed() for line in ax.lines] == [False, False, True]
    assert [len(dots.get_offsets()) for dots in ax.collections] == [2, 2]
    assert [text.get_text() for text in ax.texts] == ["F", "G", "a", "b"]
    ends = np.array([ax.lines[0].get_xdata()[0], ax.lines[0].get_ydata()[0]])
    np.testing.assert_array_equal(ends, ax.collections[0].get_offsets()[0])
    assert legend_names(ax) == ["factor", "target", "motif and expression", "expression alone"]


def test_plot_network__is_the_same_for_the_same_seed():
    first, again, other = (
        plot_network(LINKS, seed=seed).collections[0].get_offsets().tolist() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_plot_network__names_only_the_kinds_of_lines_there_are():
    ax = plot_network(LINKS.assign(pruned=False), seed=0)
    assert legend_names(ax) == ["factor", "target", "expression alone"]


def test_plot_specificity__draws_labels_by_regulons_in_the_order_asked():
    table = pd.DataFrame(
        {
            "regulon": ["F", "G", "F", "G"],
            "label": ["x", "x", "y", "y"],
            "rss": [0.1, 0.2, 0.3, 0.4],
        }
    )
    figure = plot_specificity(table, ["G", "F"])
    assert figure.axes[0].images[0].get_array().tolist() == [[0.2, 0.1], [0.4, 0.3]]
    assert tick_names(figure.axes[0]) == ["G", "F"]
    assert tick_names(figure.axes[0], "y") == ["x", "y"]
    assert faults(figure) == []


AVERAGES = pd.DataFrame(
    [
        ("h1", "h", "A", "F", 0.1),
        ("t1", "t", "A", "F", 0.4),
        ("h1", "h", "B", "F", 0.2),
    ],
    columns=["sample", "group", "cell_type", "regulon", "auc"],
)


def test_plot_sample_activity__centres_each_regulon_and_leaves_absent_samples_blank():
    figure = plot_sample_activity(AVERAGES, ["F"], types=["A", "B"], groups=["h", "t"])
    left, right = figure.axes[0].images[0].get_array(), figure.axes[1].images[0].get_array()
    logs = np.log2(np.array([0.1, 0.4]) + FLOOR)
    np.testing.assert_allclose(left, [logs - logs.mean()])
    assert np.ma.masked_invalid(right).tolist() == [[0.0, None]]
    assert tick_names(figure.axes[0]) == ["h1", "t1"]
    assert [ax.get_title() for ax in figure.axes[:2]] == ["A", "B"]


def test_plots_by_type__have_no_empty_axes_for_a_type_that_is_not_there():
    figure = plot_sample_activity(AVERAGES, ["F"], types=["A"], groups=["h", "t"])
    assert [ax.get_title() for ax in figure.axes] == ["A", ""]  # and the colour bar
    assert faults(figure) == []


def test_plot_differences__fills_what_is_called():
    table = pd.DataFrame(
        {
            "cell_type": ["A", "A", "B"],
            "regulon": ["F", "G", "F"],
            "effect": [-1.0, 0.5, 0.2],
            "ci_low": [-1.5, -0.5, -1],
            "ci_high": [-0.5, 1.5, 1],
            "padj": [0.01, 0.5, 0.9],
        }
    )
    figure = plot_differences(table, contrast="t vs h", fdr=0.05)
    left, right = figure.axes
    assert left.collections[1].get_offsets().tolist() == [[-1.0, 0], [0.5, 1]]
    fills = [tuple(colour) == (1, 1, 1, 1) for colour in left.collections[1].get_facecolors()]
    assert fills == [False, True]
    assert tick_names(left, "y") == ["F", "G"]
    assert tick_names(right, "y") == ["F"]
    assert left.get_xlabel() == "t vs h (log2 mean AUC)"
    assert faults(figure) == []


def test_plot_support__draws_all_by_effect_with_their_intervals():
    table = pd.DataFrame(
        {
            "tf": ["F", "G"],
            "log2_odds": [1.0, -0.5],
            "ci_low": [0.5, -2.0],
            "ci_high": [1.5, 1.0],
            "padj": [0.01, 0.9],
        }
    )
    ax = plot_support(table, fdr=0.05)
    assert tick_names(ax, "y") == ["G", "F"]
    assert ax.collections[1].get_offsets().tolist() == [[-0.5, 0], [1.0, 1]]
    lines = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert lines == [[-2.0, 1.0], [0.5, 1.5]]
    fills = [tuple(colour) == (1, 1, 1, 1) for colour in ax.collections[1].get_facecolors()]
    assert fills == [True, False]
    assert faults(ax) == []


def test_plots__survive_names_that_look_like_code():
    table = pd.DataFrame({"regulon": "F", "label": HOSTILE, "rss": 0.5})
    averages = pd.concat([AVERAGES.assign(sample=name, group=name) for name in HOSTILE])
    drawn = [
        plot_specificity(table, ["F"]),
        plot_sample_activity(averages, ["F"], types=["A"], groups=HOSTILE),
    ]
    assert [len(draw(figure).axes) for figure in drawn] == [2, 2]
