"""Figures of resistant against parental cells: what was drawn."""

import numpy as np
import pandas as pd
from plots import draw, faults, legend_names, tick_names

from helpers.plot.resistance import plot_clusters, plot_time, plot_volcano


def test_plot_volcano__colours_what_is_called_by_direction_and_names_the_strongest():
    genes = pd.DataFrame(
        {
            "gene": ["UP", "UP2", "DOWN", "SMALL", "NOT"],
            "log2fc": [2.0, 1.0, -1.5, 0.1, 3.0],
            "pvalue": [1e-9, 1e-4, 1e-6, 1e-8, 0.5],
            "padj": [1e-8, 1e-3, 1e-5, 1e-7, 0.5],
        }
    )
    ax = plot_volcano(genes, fdr=0.05, min_log2fc=0.25, named=1)
    assert legend_names(ax) == ["not called (2)", "up (2)", "down (1)"]
    np.testing.assert_allclose(np.asarray(ax.collections[2].get_offsets()), [[-1.5, 6.0]])
    assert [text.get_text() for text in ax.texts] == ["UP", "DOWN"]
    assert faults(ax) == []


def test_plot_clusters__marks_the_stem_like_one():
    rows = [
        (cluster, score, effect, effect - 0.2, effect + 0.2, cluster == "b")
        for cluster, effect in (("a", 0.0), ("b", 1.0))
        for score in ("stemness", "quiescence", "potential")
    ]
    columns = ["cluster", "score", "effect", "ci_low", "ci_high", "stem_like"]
    ax = plot_clusters(pd.DataFrame(rows, columns=columns))
    (ground,) = ax.patches
    assert ground.get_x() == 0.55
    assert legend_names(ax) == ["stemness", "quiescence", "potential"]
    np.testing.assert_allclose(np.asarray(ax.collections[1].get_offsets()), [[-0.25, 0], [0.75, 1]])
    assert tick_names(ax) == ["a", "b"]
    assert faults(ax) == []


def test_plot_time__draws_medians_and_leaves_unreached_cells_grey():
    cells = pd.DataFrame(
        {
            "x": np.arange(7.0),
            "y": 0.0,
            "group": ["p", "p", "p", "r", "r", "r", "r"],
            "pseudotime": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, np.inf],
        }
    )
    figure = plot_time(cells, groups=["p", "r"])
    left, right = figure.axes[:2]
    assert len(left.collections[0].get_offsets()) == 7
    assert len(left.collections[1].get_offsets()) == 6
    medians = [line.get_segments()[0][0][1] for line in right.collections[1::2]]
    assert medians == [0.2, 0.8]
    draw(figure)
    assert tick_names(right) == ["p", "r"]
