"""What the tests of figures ask of every figure: nothing overlaps, nothing is cut off."""

from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

# What a user may type as a name: markup, TeX, quotes, other scripts, and more than fits.
HOSTILE = [
    'CK "one"',
    "<script>window.owned = 1</script>",
    "CR & 'two' $x_1$ and $\\broken{",
    "Åsa Müller_{no} 零 *bold*",
    "a name of a patient that goes on and on and on and on",
    "=NCR2;{cite}`liu2025`",
]


def draw(drawn: Axes | Figure) -> Figure:
    """The figure of what a plot function gave, laid out."""
    figure = drawn.figure if isinstance(drawn, Axes) else drawn
    figure.draw_without_rendering()
    return figure


def tick_names(ax: Axes, axis: str = "x") -> list[str]:
    labels = ax.get_xticklabels() if axis == "x" else ax.get_yticklabels()
    return [label.get_text() for label in labels]


def legend_names(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def faults(drawn: Axes | Figure) -> list[str]:
    """Names that touch, legends over data, parts beyond the page."""
    figure = draw(drawn)
    found = [f"touching: {pair}" for ax in figure.axes for pair in _touching(ax)]
    found += [f"legend over data: {legend_names(ax)}" for ax in figure.axes if _covers(ax)]
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    sides = {"left": -box.x0, "right": box.x1 - width, "below": -box.y0, "above": box.y1 - height}
    return found + [f"cut off {side}: {over:.2f} in" for side, over in sides.items() if over > 0.01]


def _touching(ax: Axes) -> list[tuple[str, str]]:
    return [
        pair
        for texts in (ax.get_xticklabels(), ax.get_yticklabels(), ax.texts)
        for pair in _overlapping(list(texts))
    ]


def _overlapping(texts: list[Text]) -> list[tuple[str, str]]:
    """Pairs of texts that lie on each other, the empty margin around letters left out."""
    boxes = []
    for text in texts:
        box = text.get_window_extent()
        boxes.append((text.get_text(), box.padded(-0.12 * min(box.width, box.height))))
    straight = [(name, box) for name, box in boxes if name.strip()]
    if any(text.get_rotation() % 90 for text in texts):
        return []  # boxes of slanted texts overlap where letters do not
    return [(a, b) for (a, one), (b, other) in combinations(straight, 2) if one.overlaps(other)]


def _covers(ax: Axes) -> bool:
    legend = ax.get_legend()
    return legend is not None and legend.get_window_extent().overlaps(ax.get_window_extent())
