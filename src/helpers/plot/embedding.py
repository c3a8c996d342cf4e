"""Cells on a two-dimensional map."""

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import ndimage

from helpers.plot.style import (
    GREY,
    LETTER_MM,
    LINE_MM,
    PAGE_WIDTH_MM,
    SMALL_PT,
    group_colours,
    hide_ticks,
    new_grid,
    own_axes,
    plain,
    side_legend,
    type_colours,
)
from helpers.schema import UNASSIGNED

MAX_POINT_PT2 = 6.0
WIDTH_MM, HEIGHT_MM = 130.0, 95.0
BESIDE_MM = 18.0  # of which axis names, margins and the dots of the legend take this much
MOST_NAMED = 15  # categories whose names fit on the map; more are numbered
GRID = 20  # squares along each side of the map; cells of neighbouring ones are one island
ISLAND_SHARE, ISLAND_CELLS = 0.08, 20  # of a type, for an island to be named
CROWD = 5000  # cells that labels are kept off
APART = 1.3  # lines between the middles of two names, so that the rim of one clears the other


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
        Column of the category; its values are written at every island of their cells and, with
        their numbers, in the legend. Unassigned cells lie anywhere: the legend alone names them.
    """
    names = sorted(cells[colour_by].unique(), key=str.casefold)
    height = max(HEIGHT_MM, 16 + 4.0 * len(names))
    ax = own_axes(ax, WIDTH_MM, height)
    colours = type_colours(names)
    numbered = len(names) > MOST_NAMED
    shuffled = cells.sample(frac=1, random_state=0)
    ax.scatter(
        shuffled["x"],
        shuffled["y"],
        s=point_size(len(cells)),
        c=shuffled[colour_by].map(colours),
        linewidths=0,
        rasterized=True,
    )
    sizes = cells[colour_by].value_counts()
    entries = [f"{plain(name, longest=30)} ({sizes[name]:,})" for name in names]
    shown = [str(i + 1) if numbered else plain(name, longest=24) for i, name in enumerate(names)]
    for name, entry, number in zip(names, entries, shown, strict=True):
        label = f"{number}  {entry}" if numbered else entry
        ax.scatter([], [], s=14, color=colours[name], label=label)
    side_legend(ax, title=colour_by.replace("_", " "))
    width = WIDTH_MM - BESIDE_MM - LETTER_MM * max(map(len, entries))
    labels = {n: text for n, text in zip(names, shown, strict=True) if n != UNASSIGNED}
    if labels:
        kinds = cells[colour_by].map(labels)
        _label_islands(ax, cells, kinds, list(labels.values()), (width, height - BESIDE_MM))
    _name_axes(ax, map_name)
    return ax


def _label_islands(
    ax: Axes,
    cells: pd.DataFrame,
    labels: pd.Series,
    names: list[str],
    size_mm: tuple[float, float],
) -> None:
    """Write each label at every island of its cells, off other cells and labels, and make room."""
    places = cells[["x", "y"]].to_numpy()
    islands = _find_islands(places, labels, names)
    written = [name for name, _ in islands]
    crowds = [_thin(places[(labels != name).to_numpy()]) for name in written]
    shown = places
    for _ in range(4):  # labels widen the map, on which they then take more room
        per_mm = 1.1 * (np.ptp(shown, axis=0) + 1e-9) / size_mm
        sizes = [((len(name) + 1) * LETTER_MM, APART * LINE_MM) for name in written] * per_mm
        placed = np.empty((0, 2))
        for (_, mine), crowd, size in zip(islands, crowds, sizes, strict=True):
            taken = np.hstack([placed, sizes[: len(placed)]])
            placed = np.vstack([placed, _place(mine, crowd, size, taken)])
        placed = _spread(placed, sizes[:, 0], sizes[0, 1])
        shown = np.vstack([places, placed - sizes / 2, placed + sizes / 2])
    outline = [patheffects.withStroke(linewidth=2.0, foreground="white")]
    for spot, name in zip(placed, written, strict=True):
        text = {"ha": "center", "va": "center", "fontsize": SMALL_PT}
        ax.text(*spot, name, **text, path_effects=outline, zorder=5)
    ax.update_datalim(shown)
    ax.autoscale_view()


def _find_islands(
    places: np.ndarray, labels: pd.Series, names: list[str]
) -> list[tuple[str, np.ndarray]]:
    """Each label's cells by island, from neighbouring squares of a grid; specks have no name."""
    low, span = places.min(axis=0), np.ptp(places, axis=0) + 1e-9
    square = np.minimum((GRID * (places - low) / span).astype(int), GRID - 1)
    islands = []
    for name in names:
        mine = (labels == name).to_numpy()
        taken = np.zeros((GRID, GRID), dtype=bool)
        taken[tuple(square[mine].T)] = True
        island = ndimage.label(taken, structure=np.ones((3, 3)))[0][tuple(square[mine].T)]
        sizes = pd.Series(island).value_counts()
        large = sizes.index[(sizes >= ISLAND_SHARE * mine.sum()) & (sizes >= ISLAND_CELLS)]
        kept = large if len(large) else sizes.index[:1]
        islands += [(name, places[mine][island == number]) for number in kept]
    return islands


def _thin(points: np.ndarray) -> np.ndarray:
    """Some thousand of the points, evenly taken: enough to tell where they lie."""
    return points[:: max(1, len(points) // CROWD)]


def _place(
    points: np.ndarray, crowd: np.ndarray, size: np.ndarray, taken: np.ndarray
) -> np.ndarray:
    """Where a label hides neither other cells nor labels, as near the middle of its own as may be.

    Above its cells, or on another side, where they are too few to be seen behind the label.

    Parameters
    ----------
    points, crowd
        Cells of the island, and others.
    size
        Width and height of the label.
    taken
        Middle, width and height of labels written before, shape (n, 4).
    """
    middle = _densest(points)
    low, high = np.percentile(points, [5, 95], axis=0)
    beyond = high + size * (0.52, 1.0), low - size * (0.52, 1.0)
    above = np.array([middle[0], beyond[0][1]])
    sides = np.array(
        [above, (middle[0], beyond[1][1]), (beyond[0][0], middle[1]), (beyond[1][0], middle[1])]
    )
    inside = np.vstack([middle, points[:: max(1, len(points) // 40)]])
    small = bool(np.all(high - low < size * (1.0, 1.5)))
    spots = sides if small else np.vstack([inside, sides])
    start = above if small else middle
    far = np.abs((spots - start) / size[1]).max(axis=1)
    # a logarithm: a few other cells matter, many do not drive a label off without end
    hidden = np.log1p(_count_inside(crowd, spots, size))
    touched = _count_inside(taken[:, :2], spots, size + taken[:, 2:])
    return np.asarray(spots[np.argmin(3 * hidden + 50 * touched + far)])


def _count_inside(points: np.ndarray, spots: np.ndarray, size: np.ndarray) -> np.ndarray:
    """How many points lie in a box around each spot; a box for all, or one for each point."""
    off = np.abs(points[None] - spots[:, None])
    return np.asarray((2 * off < size).all(axis=2).sum(axis=1))


def _densest(points: np.ndarray) -> np.ndarray:
    """The cell nearest the median: always among its kind, even where they form a ring."""
    middle = np.median(points, axis=0)
    return np.asarray(points[np.argmin(((points - middle) ** 2).sum(axis=1))])


def _spread(spots: np.ndarray, widths: np.ndarray, height: float) -> np.ndarray:
    """Push labels up or down until no two overlap."""
    placed = spots.astype(float).copy()
    for _ in range(200):
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
    cells: pd.DataFrame, *, groups: list[str], map_name: str = "UMAP", unit: str = "cells"
) -> Figure:
    """The same map once a group, its cells in colour over all others in grey.

    Parameters
    ----------
    cells
        ``x``, ``y``, ``group``, ``sample``, one row a cell.
    groups
        Groups in the order to show; one that has no cell is shown empty.
    unit
        What the points are.
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
        n_samples = mine["sample"].nunique()
        size_text = f"{len(mine):,} {unit}, {n_samples} sample{'s' * (n_samples != 1)}"
        ax.set_title(f"{plain(group, longest=36)}\n{size_text}")
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
