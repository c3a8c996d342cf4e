"""Names of genes beside points, placed where they touch neither one another nor the edge of the axes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import ConnectionPatch
from matplotlib.transforms import ScaledTranslation

from helpers.plot.style import DARK, plain

NAME_PT = 5.5
MARGIN_PT = 1.0  # kept free around every name
NEAR_PT = 4.0  # from where on a line leads from the name to its point
SIDES = (
    *((1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0)),
    *((1, 0.5), (-1, 0.5), (1, -0.5), (-1, -0.5), (0.5, 1), (-0.5, 1), (0.5, -1), (-0.5, -1)),
)
STEPS_PT = (3.0, 6.0, 10.0, 15.0, 21.0, 28.0, 36.0, 45.0, 55.0)
LINE_DOTS = 12  # points a line is taken for where names keep off it
CLEAR_PT = 2.0  # kept free beside a line where there is room
CROSSED = 1e3  # cost of a line over another; of one through a point it is 3, of its length 1 a pt
WORST = 40.0  # the most that a name may cost where some can be spared
LONGEST_NAME = 20  # letters


def name_points(
    ax: Axes,
    points: np.ndarray,
    names: Sequence[str],
    *,
    others: np.ndarray | None = None,
    sparing: bool = False,
) -> None:
    """Write genes beside their points, in italics, the first ones nearest to theirs.

    To be called when all else is drawn: places depend on the layout.

    Parameters
    ----------
    points
        Shape (n_names, 2), in data coordinates.
    others
        More points that names are kept off where there is room, shape (n, 2).
    sparing
        Leave out a name whose line would cross another or lead through many points.
    """
    figure = ax.figure
    figure.draw_without_rendering()
    per_pt = figure.dpi / 72
    spots = ax.transData.transform(points) / per_pt
    crowd = spots if others is None else ax.transData.transform(others) / per_pt
    frame = ax.get_window_extent().extents / per_pt
    taken, drawn = np.empty((0, 4)), np.empty((0, 2, 2))
    for spot, point, name in zip(spots, points, names, strict=True):
        shown = plain(name, longest=LONGEST_NAME)
        offsets, boxes = _candidates(spot, _measure(ax, shown) / per_pt)
        lines = spot + offsets[:, None] * np.linspace(0, 1, LINE_DOTS)[:, None]
        cost = _rate(boxes, lines, taken, _within(crowd, boxes), frame)
        cost += CROSSED * _cross(lines[:, [0, -1]], drawn)
        best = int(cost.argmin())
        if sparing and cost[best] > WORST:
            continue
        taken, crowd = np.vstack([taken, boxes[best]]), np.vstack([crowd, lines[best]])
        if np.abs(offsets[best]).max() > NEAR_PT:
            drawn = np.vstack([drawn, lines[best][None, [0, -1]]])
        _write(ax, shown, point, offsets[best])


def _rate(
    boxes: np.ndarray, lines: np.ndarray, taken: np.ndarray, crowd: np.ndarray, frame: np.ndarray
) -> np.ndarray:
    """How bad each place is: over a name or beyond the frame, a line over a name, over points, far."""
    crossed = _inside(lines.reshape(-1, 2), taken).any(axis=1).reshape(len(lines), -1).any(axis=1)
    cost = 1e6 * (_overlaps(boxes, taken).sum(axis=1) + _beyond(boxes, frame)) + 1e4 * crossed
    length = np.abs(lines[:, -1] - lines[:, 0]).max(axis=1)
    # the line starts among its own point's marks, which it cannot keep off
    dots = lines[:, LINE_DOTS // 4 :].reshape(-1, 2)
    near = np.hstack([dots - CLEAR_PT, dots + CLEAR_PT])
    passed = _inside(crowd, near).sum(axis=0).reshape(len(lines), -1).sum(axis=1)
    passed = np.where(length > NEAR_PT, passed, 0)
    return np.asarray(cost + 30.0 * _inside(crowd, boxes).sum(axis=0) + 3.0 * passed + length)


def _within(crowd: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Points that a place of a name or its line can touch: few of all."""
    reach = np.hstack([boxes[:, :2].min(axis=0) - CLEAR_PT, boxes[:, 2:].max(axis=0) + CLEAR_PT])
    return crowd[_inside(crowd, reach[None])[:, 0]]


def _cross(lines: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """How many lines drawn before every line would cross; a name right at its point has none."""
    a, b = lines[:, None, 0], lines[:, None, 1]
    c, d = drawn[None, :, 0], drawn[None, :, 1]
    parted = (_turn(a, b, c) * _turn(a, b, d) < 0) & (_turn(c, d, a) * _turn(c, d, b) < 0)
    return np.where(np.abs(b - a).max(axis=(1, 2)) > NEAR_PT, parted.sum(axis=1), 0)


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """On which side of the line from a to b a point lies: the sign tells."""
    return np.asarray(
        (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1])
        - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
    )


def _measure(ax: Axes, name: str) -> np.ndarray:
    """Width and height of a name in pixels."""
    text = ax.text(0, 0, name, fontsize=NAME_PT, fontstyle="italic", transform=None)
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


def _inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which points lie in which box, shape (n_points, n_boxes)."""
    x, y = points[:, 0, None], points[:, 1, None]
    left, bottom, right, top = boxes.T
    return np.asarray((x > left) & (x < right) & (y > bottom) & (y < top))


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
        fontstyle="italic",
        ha=across,
        va=upward,
    )
