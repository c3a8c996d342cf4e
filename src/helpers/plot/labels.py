"""Names beside points, placed where they touch neither one another nor the edge of the axes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import ConnectionPatch
from matplotlib.transforms import ScaledTranslation

from helpers.plot.style import DARK, plain

NAME_PT = 5.5
MARGIN_PT = 1.0  # kept free around every name
NEAR_PT = 8.0  # from where on a line leads from the name to its point
SIDES = ((1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
STEPS_PT = (3.0, 6.0, 10.0, 15.0, 21.0, 28.0, 36.0, 45.0, 55.0)
LONGEST_NAME = 20  # letters


def name_points(
    ax: Axes,
    points: np.ndarray,
    names: Sequence[str],
    *,
    others: np.ndarray | None = None,
) -> None:
    """Write names beside points, the first ones nearest to theirs.

    To be called when all else is drawn: places depend on the layout.

    Parameters
    ----------
    points
        Shape (n_names, 2), in data coordinates.
    others
        More points that names are kept off where there is room, shape (n, 2).
    """
    figure = ax.figure
    figure.draw_without_rendering()
    per_pt = figure.dpi / 72
    spots = ax.transData.transform(points) / per_pt
    crowd = spots if others is None else ax.transData.transform(others) / per_pt
    frame = ax.get_window_extent().extents / per_pt
    taken = np.empty((0, 4))
    for spot, point, name in zip(spots, points, names, strict=True):
        shown = plain(name, longest=LONGEST_NAME)
        size = _measure(ax, shown) / per_pt
        offsets, boxes = _candidates(spot, size)
        costs = 1e6 * _overlaps(boxes, taken).sum(axis=1) + 1e6 * _beyond(boxes, frame)
        costs += 10.0 * _covered(boxes, crowd) + np.abs(offsets).max(axis=1)
        best = int(costs.argmin())
        taken = np.vstack([taken, boxes[best]])
        _write(ax, shown, point, offsets[best])


def _measure(ax: Axes, name: str) -> np.ndarray:
    """Width and height of a name in pixels."""
    text = ax.text(0, 0, name, fontsize=NAME_PT, transform=None)
    box = text.get_window_extent()
    text.remove()
    return np.array([box.width, box.height])


def _candidates(spot: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets from a point, and the boxes a name would fill there, margin included; in points."""
    sides = np.array(SIDES, dtype=float)
    offsets = np.concatenate([step * sides for step in STEPS_PT])
    low = spot + offsets - size * (1 - np.sign(offsets)) / 2
    return offsets, np.hstack([low - MARGIN_PT, low + size + MARGIN_PT])


def _overlaps(boxes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Area that every box shares with every other, shape (n_boxes, n_taken)."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2))


def _beyond(boxes: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """How far each box sticks out of the frame."""
    low = np.clip(frame[:2] - boxes[:, :2], 0, None)
    high = np.clip(boxes[:, 2:] - frame[2:], 0, None)
    return np.asarray((low + high).sum(axis=1))


def _covered(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How many points each box lies over."""
    inside = (points[None] > boxes[:, None, :2]) & (points[None] < boxes[:, None, 2:])
    return np.asarray(inside.all(axis=2).sum(axis=1))


def _write(ax: Axes, name: str, point: np.ndarray, offset: np.ndarray) -> None:
    across = {1: "left", 0: "center", -1: "right"}[int(np.sign(offset[0]))]
    upward = {1: "bottom", 0: "center", -1: "top"}[int(np.sign(offset[1]))]
    if np.abs(offset).max() > NEAR_PT:
        moved = ScaledTranslation(*(offset / 72), ax.figure.dpi_scale_trans)
        ends = {"coordsA": ax.transData, "coordsB": ax.transData + moved}
        line = ConnectionPatch(tuple(point), tuple(point), **ends, linewidth=0.3, color=DARK)
        line.set_in_layout(False)
        ax.add_artist(line)
    ax.annotate(
        name,
        tuple(point),
        xytext=tuple(offset),
        textcoords="offset points",
        fontsize=NAME_PT,
        ha=across,
        va=upward,
    )
