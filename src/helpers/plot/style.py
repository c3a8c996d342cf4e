"""One look for every figure: sizes in millimetres, colours that all readers can tell apart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, floor, log10

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter

from helpers.schema import UNASSIGNED, UNKNOWN

MM = 1 / 25.4
PT_MM = 25.4 / 72
PAGE_WIDTH_MM = 180.0
# Okabe & Ito (2008): distinguishable with every kind of colour vision.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
# Twenty types need more than eight colours: Paul Tol's muted set, then colours each as far as can
# be from all before it, to normal eyes and with either red, green or blue cones missing.
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
    "#8888FF",
    "#664400",
    "#55EEAA",
    "#DD9977",
    "#333311",
    "#9988CC",
    "#550055",
    "#CC4444",
    "#0055BB",
    "#CCAA22",
    "#113333",
)
HATCHES = ("", "////", "....", "xxxx")  # for names beyond the palette, where areas are drawn
GREY = "#C4C4C4"
DARK = "#333333"
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"
THOUSANDS = FuncFormatter(lambda value, _: f"{value:,g}")  # 1,000 instead of powers

TEXT_PT, SMALL_PT, SMALLEST_PT = 7.0, 6.5, 4.0
LETTER_MM = 0.6 * SMALL_PT * PT_MM  # mean width of a small letter
LINE_MM = 1.1 * SMALL_PT * PT_MM  # height of a line of small letters
LONGEST, LONGEST_TURNED = 40, 24  # letters of a name that are shown, and of one below a column
# DejaVu Sans comes with matplotlib; names in Chinese or Japanese need one of the others.
MAIN_FONT = "DejaVu Sans"
OTHER_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "Arial Unicode MS",
)

SETTINGS = {
    "font.size": TEXT_PT,
    "axes.titlesize": 8,
    "axes.labelsize": TEXT_PT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": SMALL_PT,
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
    widths: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """A grid of axes of the given total size, row by row; columns as wide as ``widths`` say."""
    mpl.rcParams.update(SETTINGS | {"font.family": fonts()})
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(width_mm * MM, height_mm * MM),
        squeeze=False,
        sharex=share,
        sharey=share,
        width_ratios=widths,
    )
    plt.close(figure)
    return figure, list(axes.ravel())


def own_axes(ax: Axes | None, width_mm: float, height_mm: float) -> Axes:
    """The axes given, or new ones of the given size."""
    return new_figure(width_mm, height_mm)[1] if ax is None else ax


def colour_of(names: Iterable[str], colours: tuple[str, ...]) -> dict[str, str]:
    """A colour for each name, in order; beyond the palette it starts again."""
    return {name: colours[i % len(colours)] for i, name in enumerate(names)}


def type_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each cell type; cells of no known type are grey."""
    ordered = list(names)
    known = [name for name in ordered if name not in (UNKNOWN, UNASSIGNED)]
    colours = colour_of(known, TYPE_COLOURS)
    return {name: colours.get(name, GREY) for name in ordered}


def type_hatches(names: Iterable[str]) -> dict[str, str]:
    """A pattern for each cell type that tells it from one with the same colour."""
    known = [name for name in names if name not in (UNKNOWN, UNASSIGNED)]
    rounds = {name: i // len(TYPE_COLOURS) for i, name in enumerate(known)}
    patterns = {name: HATCHES[n % len(HATCHES)] for name, n in rounds.items()}
    return patterns | {UNKNOWN: "", UNASSIGNED: ""}


def group_colours(groups: Iterable[str]) -> dict[str, str]:
    """A colour for each group, in order; beyond eight it starts again."""
    return colour_of(groups, OKABE_ITO)


def side_legend(
    ax: Axes, *, title: str | None = None, handles: list[Artist] | None = None, top: bool = False
) -> Legend:
    """A legend right of the axes, at the middle or the top, where it hides nothing."""
    place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    if not top:
        place = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    drawn = ax.get_legend_handles_labels()[0] if handles is None else handles
    return ax.legend(handles=drawn, title=title, alignment="left", borderaxespad=0, **place)


@dataclass(frozen=True)
class ColumnNames:
    """How names fit below columns: turned, then smaller, then fewer, lest they touch."""

    shown: list[str]
    turned: bool
    size_pt: float
    every: int

    @property
    def height_mm(self) -> float:
        """Room they take below the axes."""
        letters = max(map(len, self.shown)) if self.turned else 1
        return max(LINE_MM, letters * LETTER_MM * self.size_pt / SMALL_PT)


def fit_names(names: Sequence[str], *, width_mm: float) -> ColumnNames:
    """Fit names, as the user typed them, below columns that are ``width_mm`` wide together."""
    step = width_mm / len(names)
    turned = max(map(len, names)) * LETTER_MM > 0.9 * step
    fitting = SMALL_PT * step / LINE_MM if turned else SMALL_PT
    return ColumnNames(
        shown=[plain(name, longest=LONGEST_TURNED if turned else LONGEST) for name in names],
        turned=turned,
        size_pt=min(SMALL_PT, max(fitting, SMALLEST_PT)),
        every=max(1, ceil(SMALLEST_PT / fitting - 1e-9)),
    )


def name_columns(ax: Axes, names: Sequence[str], *, width_mm: float) -> None:
    """Name the columns 0, 1, 2 … of axes that are ``width_mm`` wide."""
    fitted = fit_names(names, width_mm=width_mm)
    ax.set_xticks(
        range(0, len(names), fitted.every),
        fitted.shown[:: fitted.every],
        rotation=90 if fitted.turned else 0,
        fontsize=fitted.size_pt,
    )


def use_log(axis: Axis) -> None:
    """A logarithmic axis whose ticks read 100, 1,000, 10,000 instead of powers.

    Between them 2 and 5 are named where few powers of ten are in view.
    """

    def name_between(value: float, _: int) -> str:
        low, high = sorted(axis.get_view_interval())
        leading = round(value / 10 ** floor(log10(value)))
        return f"{value:,g}" if high < 50 * low and leading in {2, 5} else ""

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(THOUSANDS)
    axis.set_minor_formatter(FuncFormatter(name_between))


def hide_ticks(ax: Axes) -> None:
    """No ticks on a map whose units mean nothing."""
    ax.set_xticks([])
    ax.set_yticks([])


@cache
def fonts() -> list[str]:
    """The house font, and those of other scripts that this machine has."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [MAIN_FONT, *(name for name in OTHER_FONTS if name in installed)]


@cache
def can_draw(character: str) -> bool:
    """Whether one of the fonts has the character."""
    files = [font_manager.findfont(name) for name in fonts()]
    return any(font_manager.get_font(file).get_char_index(ord(character)) for file in files)


def plain(text: str, *, longest: int = LONGEST) -> str:
    """Text a user typed, made safe for a label.

    Control characters become spaces, characters that no font here can draw their number
    (``U+96F6``), and what is longer than ``longest`` is cut.
    """
    printable = "".join(c if c.isprintable() else " " for c in text)
    drawn = "".join(c if can_draw(c) else f"U+{ord(c):04X}" for c in printable)
    return drawn if len(drawn) <= longest else drawn[: longest - 1] + "…"
