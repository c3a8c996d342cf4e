"""One look for every figure: sizes in millimetres, colours that all readers can tell apart."""

from collections.abc import Iterable

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

MM = 1 / 25.4
PAGE_WIDTH_MM = 180.0
# Okabe & Ito (2008): distinguishable with every kind of colour vision.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
# Twenty types need more than eight colours: Paul Tol's muted and light sets, in an order that
# keeps likely neighbours apart. Types are also labelled on the map, so colour is not alone.
TYPE_COLOURS = (
    "#332288",
    "#88CCEE",
    "#117733",
    "#DDCC77",
    "#CC6677",
    "#AA4499",
    "#44AA99",
    "#999933",
    "#882255",
    "#EE8866",
    "#77AADD",
    "#BBCC33",
    "#FFAABB",
    "#225555",
    "#AAAA00",
    "#663333",
    "#99DDFF",
    "#EEDD88",
    "#44BB99",
    "#222255",
)
GREY = "#BBBBBB"
DARK = "#333333"
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"

SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "lines.linewidth": 0.9,
    "patch.linewidth": 0.5,
    "figure.dpi": 120,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "relapse-book",
    "text.parse_math": False,
}


def new_figure(width_mm: float, height_mm: float) -> tuple[Figure, Axes]:
    """One pair of axes of the given size, in the house style."""
    figure, grid = new_grid(width_mm, height_mm, 1, 1)
    return figure, grid[0]


def new_grid(
    width_mm: float,
    height_mm: float,
    n_rows: int,
    n_columns: int,
    *,
    share: bool = False,
    width_ratios: list[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """A grid of axes of the given total size, row by row."""
    mpl.rcParams.update(SETTINGS)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(width_mm * MM, height_mm * MM),
        squeeze=False,
        sharex=share,
        sharey=share,
        width_ratios=width_ratios,
    )
    plt.close(figure)
    return figure, list(axes.ravel())


def own_axes(ax: Axes | None, width_mm: float, height_mm: float) -> Axes:
    """The axes given, or new ones of the given size."""
    return new_figure(width_mm, height_mm)[1] if ax is None else ax


def colour_of(names: Iterable[str], colours: tuple[str, ...] = TYPE_COLOURS) -> dict[str, str]:
    """A colour for each name, in order; beyond the palette it starts again."""
    return {name: colours[i % len(colours)] for i, name in enumerate(names)}


def group_colours(groups: Iterable[str]) -> dict[str, str]:
    return colour_of(groups, OKABE_ITO)


def use_log(axis: Axis) -> None:
    """A logarithmic axis whose ticks read 100, 1,000, 10,000 instead of powers."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def hide_ticks(ax: Axes) -> None:
    """No ticks on a map whose units mean nothing."""
    ax.set_xticks([])
    ax.set_yticks([])


def plain(text: str) -> str:
    """Text a user typed, made safe for a label: control characters out, long names cut."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable if len(printable) <= 40 else printable[:39] + "…"
