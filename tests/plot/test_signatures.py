"""Figures of signatures: what was drawn."""

import numpy as np
import pandas as pd
from plots import draw, faults, legend_names, tick_names

from helpers.plot.signatures import (
    CALL_COLOURS,
    LIMIT,
    plot_agreement,
    plot_calls,
    plot_contrasts,
    plot_coverage,
    plot_frequency,
    plot_heat,
    plot_score_maps,
)

NAMES = {"a": "First signature", "b": "Second signature"}


def test_plot_coverage__leaves_bars_of_refused_signatures_hollow():
    table = pd.DataFrame(
        {
            "name": ["one", "two", "three"],
            "status": ["exact", "proxy", "pending"],
            "n_genes": [4, 4, 0],
            "n_present": [3, 1, 0],
            "coverage": [0.75, 0.25, np.nan],
            "scored": [True, False, False],
        }
    )
    ax = plot_coverage(table, min_coverage=0.6)
    assert [bar.get_width() for bar in ax.patches] == [0.75, 0.25, 0.0]
    assert [bar.get_facecolor() == (1, 1, 1, 1) for bar in ax.patches] == [False, True, True]
    assert [text.get_text() for text in ax.texts] == ["3/4", "1/4", "no list"]
    assert legend_names(ax) == ["exact", "partial", "proxy", "pending"]
    assert faults(ax) == []


def test_plot_score_maps__colours_cells_by_score_on_one_scale():
    cells = pd.DataFrame({"x": [0.0, 1, 2], "y": [0.0, 1, 2]})
    scores = pd.DataFrame({"a": [1.0, -5.0, 0.0], "b": [0.0, 0.5, 9.0]})
    figure = plot_score_maps(cells, scores, names=NAMES)
    left, right = figure.axes[:2]
    # weakest first, so that strong scores lie on top
    assert np.asarray(left.collections[0].get_array()).tolist() == [0.0, 1.0, -5.0]
    assert np.asarray(left.collections[0].get_offsets()).tolist() == [[2, 2], [0, 0], [1, 1]]
    assert {ax.collections[0].get_clim() for ax in (left, right)} == {(-LIMIT, LIMIT)}
    assert [ax.get_title() for ax in (left, right)] == list(NAMES.values())


def test_plot_heat__is_centred_and_names_blocks_of_columns():
    columns = pd.MultiIndex.from_tuples([("T", "CR"), ("T", "NCR"), ("B", "CR")])
    values = pd.DataFrame([[2.0, -4.0, 0.0], [1.0, 1.0, 1.0]], index=["a", "b"], columns=columns)
    figure = plot_heat(values, names=NAMES, label="score", columns="group")
    ax = figure.axes[0]
    assert ax.images[0].get_clim() == (-4.0, 4.0)
    assert [text.get_text() for text in ax.texts] == ["T", "B"]
    draw(figure)
    assert tick_names(ax, "y") == list(NAMES.values())
    assert tick_names(ax) == ["CR", "NCR", "CR"]


def test_plot_heat__breaks_long_names_of_columns_instead_of_cutting_them():
    names = {f"s{i}": f"Oxidative phosphorylation {i} (AML)" for i in range(20)} | {"x": "X"}
    values = pd.DataFrame(0.5, index=list(names), columns=list(names))
    figure = plot_heat(values, names=names, label="correlation", columns="signature", limit=1.0)
    shown = tick_names(figure.axes[0])
    assert [name.replace("\n", " ") for name in shown] == list(names.values())
    assert shown[-2:] == ["Oxidative\nphosphorylation 19 (AML)", "X"]
    assert faults(figure) == []


def test_plot_contrasts__fills_what_is_called_and_shows_random_sets():
    table = pd.DataFrame(
        {
            "cell_type": "T",
            "signature": ["a", "b"],
            "effect": [1.0, 0.1],
            "ci_low": [0.5, -0.4],
            "ci_high": [1.5, 0.6],
            "padj": [0.01, 0.7],
            "null_low": -0.2,
            "null_high": 0.3,
        }
    )
    figure = plot_contrasts(table, types=["T"], names=NAMES, contrast="NCR vs CR", fdr=0.05)
    (ax,) = figure.axes
    assert [(bar.get_x(), bar.get_width()) for bar in ax.patches] == [(-0.2, 0.5)] * 2
    filled, hollow = ax.collections[1:3]
    assert np.asarray(filled.get_offsets()).tolist() == [[1.0, 1.0]]
    assert np.asarray(hollow.get_offsets()).tolist() == [[0.1, 0.0]]
    assert faults(figure) == []


def test_plot_agreement__draws_a_dot_a_pair_of_methods():
    table = pd.DataFrame(
        {
            "signature": ["a", "b", "a"],
            "first": "z",
            "second": ["U", "U", "A"],
            "correlation": [0.9, 0.5, 0.2],
        }
    )
    ax = plot_agreement(table, names=NAMES)
    assert np.asarray(ax.collections[0].get_offsets()).tolist() == [[0.9, 0], [0.5, 1]]
    assert legend_names(ax) == ["z and U", "z and A"]
    assert faults(ax) == []


def test_plot_calls__puts_called_cells_on_top_with_their_numbers():
    cells = pd.DataFrame({"x": [0.0, 1, 2], "y": 0.0, "call": ["called", "other", "other"]})
    ax = plot_calls(cells)
    assert list(CALL_COLOURS) == ["other", "possible", "called"]
    assert legend_names(ax) == ["other (2)", "possible (0)", "called (1)"]
    assert np.asarray(ax.collections[4].get_offsets()).tolist() == [[0.0, 0.0]]


def test_plot_frequency__is_in_percent_by_group():
    table = pd.DataFrame(
        {
            "sample": ["N1", "C1"],
            "group": ["NCR", "CR"],
            "fraction": [0.2, 0.01],
            "ci_low": [0.1, 0.0],
            "ci_high": [0.3, 0.02],
            "chance": 0.005,
        }
    )
    ax = plot_frequency(table, column="sample", groups=["CR", "NCR"])
    assert tick_names(ax, "y") == ["C1", "N1"]
    dots = [c for c in ax.collections if len(c.get_offsets())]
    assert np.asarray(dots[1].get_offsets()).tolist() == [[1.0, 0.0]]
    assert legend_names(ax) == ["CR", "NCR", "random genes"]
    assert faults(ax) == []
