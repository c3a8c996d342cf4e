"""Dot plot: area and colour say what the table says."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from plots import HOSTILE, faults, legend_names, tick_names

from helpers.plot.markers import LARGEST_PT2, drawn_shares, plot_dots
from helpers.plot.style import plain

DOTS = pd.DataFrame(
    [
        ("B", "CD79A", 0.9, 1.0),
        ("B", "CD3D", 0.1, 0.0),
        ("T", "CD79A", 0.2, 0.0),
        ("T", "CD3D", 0.8, 1.0),
    ],
    columns=["cell_type", "gene", "fraction", "scaled"],
)


def test_plot_dots__puts_genes_and_types_in_the_order_asked_for():
    ax = plot_dots(DOTS, genes=["CD3D", "CD79A"], cell_types=["B", "T"])
    assert ax.collections[0].get_offsets().tolist() == [[1, 0], [0, 0], [1, 1], [0, 1]]
    assert tick_names(ax) == ["CD3D", "CD79A"]
    assert tick_names(ax, "y") == ["B", "T"]
    assert {label.get_fontstyle() for label in ax.get_xticklabels()} == {"italic"}
    assert ax.yaxis_inverted()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("marker gene", "cell type")


def test_plot_dots__areas_are_shares_and_colours_levels():
    ax = plot_dots(DOTS, genes=["CD3D", "CD79A"], cell_types=["B", "T"])
    np.testing.assert_allclose(drawn_shares(ax), DOTS["fraction"])
    dots = ax.collections[0]
    dots.update_scalarmappable()
    viridis = colormaps["viridis"]
    np.testing.assert_allclose(dots.get_facecolors(), viridis(DOTS["scaled"].to_numpy()), atol=0.01)
    assert (dots.norm.vmin, dots.norm.vmax) == (0, 1)


def test_plot_dots__with_a_unit_colours_all_genes_on_one_scale():
    levels = DOTS.assign(mean=np.arange(len(DOTS)) / 2)
    ax = plot_dots(levels, genes=["CD3D", "CD79A"], cell_types=["B", "T"], level="log")
    dots = ax.collections[0]
    assert dots.get_array().tolist() == levels["mean"].tolist()
    assert (dots.norm.vmin, dots.norm.vmax) == (0, levels["mean"].max())
    (bar,) = ax.child_axes
    assert bar.get_title(loc="left") == "mean expression\n(log)"


def test_plot_dots__explains_area_and_colour():
    ax = plot_dots(DOTS, genes=["CD3D", "CD79A"], cell_types=["B", "T"])
    assert legend_names(ax) == ["25%", "50%", "100%"]
    areas = [c.get_sizes()[0] / LARGEST_PT2 for c in ax.collections[1:]]
    np.testing.assert_allclose(areas, [0.25, 0.5, 1.0])
    (bar,) = ax.child_axes
    assert bar.get_title(loc="left") == "mean expression\n(share of range)"


@pytest.mark.parametrize(("n_types", "n_genes"), [(1, 1), (2, 6), (11, 30), (40, 120)])
def test_plot_dots__stays_legible(n_types, n_genes):
    types, genes = (
        [f"Cell type {i}" for i in range(n_types)],
        [f"LINC0{i:04d}" for i in range(n_genes)],
    )
    rows = [(t, g, 0.5, 0.5) for t in types for g in genes]
    ax = plot_dots(pd.DataFrame(rows, columns=DOTS.columns), genes=genes, cell_types=types)
    assert faults(ax) == []
    legend, bar = ax.get_legend().get_window_extent(), ax.child_axes[0].get_tightbbox()
    assert not legend.overlaps(bar)


def test_plot_dots__shows_what_users_type_as_text():
    rows = [(name, "CD3D", 0.5, 0.5) for name in HOSTILE]
    table = pd.DataFrame(rows, columns=DOTS.columns)
    ax = plot_dots(table, genes=["CD3D"], cell_types=HOSTILE)
    assert faults(ax) == []
    assert tick_names(ax, "y") == [plain(name) for name in HOSTILE]
