"""Cells on a map: every cell, every name, nothing on top of another."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from plots import HOSTILE, draw, faults, legend_names

from helpers.plot.embedding import (
    MAX_POINT_PT2,
    MOST_NAMED,
    _spread,
    plot_cells,
    plot_cells_by_group,
    point_size,
)
from helpers.plot.style import GREY, OKABE_ITO, TYPE_COLOURS, plain


def make_cells(types: list[str], *, per_type: int = 40, groups: list[str] | None = None):
    """Cells of each type around a place of its own."""
    rng = np.random.default_rng(0)
    kind = np.repeat(np.arange(len(types)), per_type)
    place = rng.normal(0, 5, (len(types), 2))[kind] + rng.normal(0, 0.6, (len(kind), 2))
    named = groups or ["a"]
    cells = pd.DataFrame({"x": place[:, 0], "y": place[:, 1]})
    cells["cell_type"] = np.array(types)[kind]
    cells["group"] = [named[i % len(named)] for i in range(len(cells))]
    return cells.assign(sample=cells["group"] + "1")


def test_point_size__shrinks_with_the_number_of_cells():
    assert point_size(0) == point_size(100) == MAX_POINT_PT2
    assert point_size(10_000) == 1.2
    assert point_size(1_000_000) == 0.4


def test_plot_cells__draws_every_cell_in_the_colour_of_its_type():
    cells = make_cells(["T", "B"])
    dots = plot_cells(cells, colour_by="cell_type").collections[0]
    drawn = {
        (x, y): to_hex(c).upper()
        for (x, y), c in zip(dots.get_offsets(), dots.get_facecolors(), strict=True)
    }
    colour = {"B": TYPE_COLOURS[0], "T": TYPE_COLOURS[1]}
    assert drawn == {(c.x, c.y): colour[c.cell_type] for c in cells.itertuples()}


def test_plot_cells__says_type_and_number_in_legend_and_names_on_the_map():
    cells = pd.concat([make_cells(["T"], per_type=1200), make_cells(["b", "unknown"], per_type=30)])
    ax = plot_cells(cells, colour_by="cell_type", map_name="t-SNE")
    assert legend_names(ax) == ["b (30)", "T (1,200)", "unknown (30)"]
    assert ax.get_legend().get_title().get_text() == "cell type"
    assert [text.get_text() for text in ax.texts] == ["b", "T", "unknown"]
    assert ax.get_xlabel() == "t-SNE 1 (arbitrary units)"
    assert ax.get_ylabel() == "t-SNE 2 (arbitrary units)"
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0


def test_plot_cells__unknown_cells_are_grey():
    dots = plot_cells(make_cells(["unknown"]), colour_by="cell_type").collections[0]
    assert {to_hex(c).upper() for c in dots.get_facecolors()} == {GREY}


def test_plot_cells__a_name_stands_among_its_cells():
    cells = make_cells(["T", "B"], per_type=300)
    ax = plot_cells(cells, colour_by="cell_type")
    for text in ax.texts:
        mine = cells.loc[cells["cell_type"] == text.get_text(), ["x", "y"]]
        low, high = mine.quantile(0.2), mine.quantile(0.8)
        assert (low <= text.get_position()).all()
        assert (text.get_position() <= high).all()


def test_plot_cells__a_name_stands_above_cells_it_would_hide():
    cells = make_cells(["T", "B"])
    few = pd.DataFrame({"x": 0.0, "y": 20 + np.linspace(0, 0.1, 9), "cell_type": "Progenitor"})
    ax = plot_cells(pd.concat([cells, few]), colour_by="cell_type")
    place = {text.get_text(): text.get_position() for text in ax.texts}
    assert place["Progenitor"][0] == 0
    assert 20.2 < place["Progenitor"][1] < 22


def test_plot_cells__names_every_island_of_a_type_but_no_specks():
    cells = make_cells(["T", "B"], per_type=300)
    far, speck = cells.iloc[:100], cells.iloc[100:105]
    moved = [part.assign(x=part["x"] + at) for part, at in ((far, 40.0), (speck, -40.0))]
    ax = plot_cells(pd.concat([cells, *moved]), colour_by="cell_type")
    assert [text.get_text() for text in ax.texts] == ["B", "T", "T"]
    middles = sorted(text.get_position()[0] for text in ax.texts if text.get_text() == "T")
    assert middles[1] - middles[0] == pytest.approx(40, abs=2)


def test_plot_cells__keeps_a_name_off_cells_of_other_types():
    rng = np.random.default_rng(0)
    places = rng.uniform(-3, 3, (1602, 2))
    places[800:1600, 0] += 6.2
    places[1600:] = [[-20, -20], [20, 20]]
    cells = pd.DataFrame(places, columns=["x", "y"])
    cells["cell_type"] = ["Naive CD8+ T"] * 800 + ["Memory CD4+ T"] * 800 + ["a", "z"]
    ax = plot_cells(cells, colour_by="cell_type")
    draw(ax)
    assert faults(ax) == []
    for text in ax.texts[1:3]:
        assert text.get_text() in {"Naive CD8+ T", "Memory CD4+ T"}
        box = text.get_window_extent()
        other = cells.loc[cells["cell_type"] != text.get_text(), ["x", "y"]]
        at = ax.transData.transform(other)
        inside = (at > box.min).all(axis=1) & (at < box.max).all(axis=1)
        assert inside.sum() == 0


def test_plot_cells__numbers_types_that_are_too_many_to_name():
    types = [f"type {i:02d}" for i in range(MOST_NAMED + 1)]
    ax = plot_cells(make_cells(types), colour_by="cell_type")
    assert [text.get_text() for text in ax.texts] == [str(i) for i in range(1, 17)]
    assert legend_names(ax)[4] == "5  type 04 (40)"


@pytest.mark.parametrize("n_types", [1, 2, 10, 15, 40])
def test_plot_cells__stays_legible_with_any_number_of_types(n_types):
    types = [f"Cell type number {i}" for i in range(n_types)]
    assert faults(plot_cells(make_cells(types), colour_by="cell_type")) == []


def test_plot_cells__shows_what_users_type_as_text():
    ax = plot_cells(make_cells(HOSTILE), colour_by="cell_type")
    assert faults(ax) == []
    names = sorted(HOSTILE, key=str.casefold)
    assert legend_names(ax) == [f"{plain(name, longest=30)} (40)" for name in names]
    assert "$x_1$" in " ".join(legend_names(ax))


def test_plot_cells__takes_one_cell_and_cells_on_one_point():
    one = make_cells(["B"], per_type=1)
    assert legend_names(plot_cells(one, colour_by="cell_type")) == ["B (1)"]
    stacked = pd.DataFrame({"x": 1.0, "y": 2.0, "cell_type": ["B", "T"]})
    assert faults(plot_cells(stacked, colour_by="cell_type")) == []


@given(st.integers(2, 15), st.integers(0, 2**31))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_spread__leaves_no_two_labels_on_each_other(n_labels, seed):
    rng = np.random.default_rng(seed)
    spots, widths = rng.normal(0, 1, (n_labels, 2)), rng.uniform(0.1, 1.5, n_labels)
    placed = _spread(spots, widths, 0.2)
    assert (placed[:, 0] == spots[:, 0]).all()
    apart = np.abs(placed[:, None] - placed[None])
    beside = apart[..., 0] >= (widths[:, None] + widths[None]) / 2
    touching = ~beside & (apart[..., 1] < 0.2 - 1e-6) & ~np.eye(n_labels, dtype=bool)
    assert touching.sum() == 0


def test_spread__leaves_labels_alone_that_do_not_touch():
    spots = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    assert (_spread(spots, np.array([1.0, 1.0, 1.0]), 0.2) == spots).all()


def test_plot_cells_by_group__shows_each_group_over_all_cells():
    cells = make_cells(["B", "T"], groups=["CK", "NCR"])
    figure = plot_cells_by_group(cells, groups=["CK", "NCR"])
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["CK\n40 cells, 1 sample", "NCR\n40 cells, 1 sample"]
    for ax, group, colour in zip(figure.axes, ["CK", "NCR"], OKABE_ITO, strict=False):
        everyone, mine = ax.collections
        assert len(everyone.get_offsets()) == 80
        assert to_hex(everyone.get_facecolors()[0]).upper() == GREY
        expected = cells.loc[cells["group"] == group, ["x", "y"]].to_numpy()
        assert (np.asarray(mine.get_offsets()) == expected).all()
        assert to_hex(mine.get_facecolors()[0]).upper() == colour
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_plot_cells_by_group__shows_a_group_without_cells_empty():
    figure = plot_cells_by_group(make_cells(["B"], groups=["CK"]), groups=["CK", "NCR"])
    assert figure.axes[1].get_title() == "NCR\n0 cells, 0 samples"
    assert len(figure.axes[1].collections[1].get_offsets()) == 0
    assert faults(figure) == []


@pytest.mark.parametrize("n_groups", [1, 2, 3, 5])
def test_plot_cells_by_group__has_one_map_a_group(n_groups):
    groups = [*HOSTILE[:5]][:n_groups]
    figure = plot_cells_by_group(make_cells(["B", "T"], groups=groups), groups=groups)
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title().split("\n")[0] for ax in shown] == [plain(g, longest=36) for g in groups]
    assert faults(figure) == []


def test_plot_cells__writes_no_name_among_unassigned_cells():
    cells = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 0.0]})
    ax = plot_cells(cells.assign(kind=["Pro-B", "unassigned", "unknown"]), colour_by="kind")
    assert [text.get_text() for text in ax.texts] == ["Pro-B", "unknown"]
    assert "unassigned (1)" in [t.get_text() for t in ax.get_legend().get_texts()]
    alone = plot_cells(cells.assign(kind="unassigned"), colour_by="kind")
    assert list(alone.texts) == []
