"""Cells on a two-dimensional map."""

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plot.style import (
    GREY,
    PAGE_WIDTH_MM,
    group_colours,
    hide_ticks,
    new_grid,
    own_axes,
    plain,
    side_legend,
    type_colours,
)

MAX_POINT_PT2 = 6.0
# Size of a label's letters as a share of the map, at the size maps are drawn here.
LETTER_WIDTH, LINE_HEIGHT = 0.0165, 0.042


def point_size(n_cells: int) -> float:
    """Area of a dot in square points, smaller the more there are."""
    return float(np.clip(12_000 / max(n_cells, 1), 0.4, MAX_POINT_PT2))


def plot_cells(
    cells: pd.DataFrame, *, colour_by: str, map_name: str = "UMAP", ax: Axes | None = None
) -> Axes:
    """Every cell as a dot, coloured and labelled by a category.

    Parameters
    ----------
    cells
        ``x``, ``y`` and the category, one row a cell.
    colour_by
        Column of the category; its values are written at the middle of their cells and, with
        their numbers, in the legend.
    """
    names = sorted(cells[colour_by].unique(), key=str.casefold)
    ax = own_axes(ax, 130, max(95, 16 + 4.0 * len(names)))
    colours = type_colours(names)
    shuffled = cells.sample(frac=1, random_state=0)
    ax.scatter(
        shuffled["x"],
        shuffled["y"],
        s=point_size(len(cells)),
        c=shuffled[colour_by].map(colours),
        linewidths=0,
        rasterized=True,
    )
    for name in names:
        mine = cells[cells[colour_by] == name]
        ax.scatter(
            [], [], s=14, color=colours[name], label=f"{plain(name, longest=30)} ({len(mine):,})"
        )
    _label_middles(ax, cells, names, colour_by)
    side_legend(ax)
    _name_axes(ax, map_name)
    return ax


def _label_middles(ax: Axes, cells: pd.DataFrame, names: list[str], column: str) -> None:
    """Write each name where its cells are densest, moved apart where two would touch."""
    spots = np.array(
        [_densest(cells[cells[column] == name][["x", "y"]].to_numpy()) for name in names]
    )
    tall = (np.ptp(cells["y"].to_numpy()) or 1.0) * LINE_HEIGHT
    wide = (np.ptp(cells["x"].to_numpy()) or 1.0) * LETTER_WIDTH
    widths = np.array([len(plain(name)) for name in names]) * wide
    outline = [patheffects.withStroke(linewidth=2.0, foreground="white")]
    for spot, name in zip(_spread(spots, widths, tall), names, strict=True):
        ax.text(
            *spot,
            plain(name),
            ha="center",
            va="center",
            fontsize=6.5,
            path_effects=outline,
            zorder=5,
        )


def _densest(points: np.ndarray) -> np.ndarray:
    """The cell nearest the median: always among its kind, even where they form two islands."""
    middle = np.median(points, axis=0)
    return points[np.argmin(((points - middle) ** 2).sum(axis=1))]


def _spread(spots: np.ndarray, widths: np.ndarray, height: float) -> np.ndarray:
    """Push labels up or down until no two overlap."""
    placed = spots.astype(float).copy()
    for _ in range(60):
        moved = False
        for i in range(len(placed)):
            for j in range(i):
                dx, dy = placed[i] - placed[j]
                if abs(dx) < (widths[i] + widths[j]) / 2 and abs(dy) < height:
                    shift = (height - abs(dy)) / 2 + 1e-9
                    sign = 1.0 if dy >= 0 else -1.0
                    placed[i, 1] += sign * shift
                    placed[j, 1] -= sign * shift
                    moved = True
        if not moved:
            break
    return placed


def plot_cells_by_group(
    cells: pd.DataFrame, *, groups: list[str], map_name: str = "UMAP"
) -> Figure:
    """The same map once a group, its cells in colour over all others in grey.

    Parameters
    ----------
    cells
        ``x``, ``y``, ``group``, ``sample``, one row a cell.
    groups
        Groups in the order to show; one that has no cell is shown empty.
    """
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    width = PAGE_WIDTH_MM * columns / 3
    figure, axes = new_grid(max(width, 75), 62 * rows, rows, columns, share=True)
    colours = group_colours(groups)
    size = point_size(len(cells))
    for i, (ax, group) in enumerate(zip(axes, groups, strict=False)):
        mine = cells[cells["group"] == group]
        ax.scatter(
            cells["x"], cells["y"], s=size, c=GREY, alpha=0.35, linewidths=0, rasterized=True
        )
        ax.scatter(mine["x"], mine["y"], s=size, c=colours[group], linewidths=0, rasterized=True)
        samples = mine["sample"].nunique()
        ax.set_title(f"{plain(group, longest=36)}\n{len(mine):,} cells, {samples} samples")
        _name_axes(ax, map_name)
        if i % columns:
            ax.set_ylabel("")
    for ax in axes[len(groups) :]:
        ax.set_visible(False)
    return figure


def _name_axes(ax: Axes, map_name: str) -> None:
    ax.set_xlabel(f"{map_name} 1 (arbitrary units)")
    ax.set_ylabel(f"{map_name} 2 (arbitrary units)")
    hide_ticks(ax)
