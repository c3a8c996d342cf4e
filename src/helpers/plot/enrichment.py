"""Terms: over-represented, enriched along a ranking, active in samples."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plot.style import (
    DARK,
    DIVERGING,
    GREY,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    SEQUENTIAL,
    group_colours,
    new_figure,
    new_grid,
    own_axes,
    plain,
)

LEAST_ROWS = 6
LARGEST_PT2 = 60.0
LINE = 42  # letters of a term on one line
TICKS = (2, 5, 10, 20, 50, 100)


def wrap_term(library: str, term: str) -> str:
    """A term with its library behind it, on at most three lines."""
    # A no-break space keeps the library's name in one piece.
    named = library.replace(" ", "\u00a0")
    lines = textwrap.wrap(f"{term} ({named})", LINE)
    return "\n".join(lines[:3])


def plot_terms(terms: pd.DataFrame, *, colour: str, ax: Axes | None = None) -> Axes:
    """Called terms: length for the adjusted p-value, area for the genes in common.

    Parameters
    ----------
    terms
        ``library``, ``term``, ``overlap``, ``size``, ``padj``, best first.
    """
    ax = own_axes(ax, 130, 24 + 8.0 * len(terms))
    x = -np.log10(np.maximum(terms["padj"].to_numpy(dtype=float), 1e-300))
    y = np.arange(len(terms))
    ax.hlines(y, 0, x, color=colour, linewidth=1.2)
    largest = max(int(terms["overlap"].max()), 1)
    ax.scatter(x, y, s=terms["overlap"] / largest * LARGEST_PT2, color=colour, zorder=3)
    for row, (k, size) in enumerate(zip(terms["overlap"], terms["size"], strict=True)):
        ax.annotate(
            f"{k}/{size}",
            (x[row], row),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=6,
        )
    labels = [wrap_term(*pair) for pair in zip(terms["library"], terms["term"], strict=True)]
    ax.set_yticks(y, labels)
    ax.set_ylim(len(terms) - 0.4, -0.6)
    ax.set_xlim(0, 1.15 * max(x.max(), 1.3))
    ax.set_xlabel("adjusted p-value (−log10)")
    ax.set_ylabel("term")
    return ax


def plot_matrix(
    values: pd.DataFrame, *, label: str, called: pd.DataFrame | None = None, columns: str
) -> Figure:
    """A heat map of terms, colours centred on zero; a dot marks what is called.

    Parameters
    ----------
    values
        Shape (n_terms, n_columns), indexed by (library, term).
    label
        What the colours show.
    called
        True where a dot is drawn, same shape.
    columns
        What the columns are.
    """
    height = 34 + 6.4 * len(values)
    figure, ax = new_figure(max(105.0, 85 + 9.0 * values.shape[1]), height)
    image = _draw_matrix(ax, values)
    if called is not None:
        rows, places = np.nonzero(called.to_numpy(dtype=bool))
        ax.scatter(places, rows, s=7, color="white", edgecolors=DARK, linewidths=0.4)
    ax.set_xticks(range(values.shape[1]), [plain(str(name)) for name in values.columns])
    ax.set_xlabel(columns)
    bar = figure.colorbar(image, ax=ax, shrink=min(1.0, 30 / height + 0.3), aspect=14)
    bar.set_label(label)
    return figure


def _draw_matrix(ax: Axes, values: pd.DataFrame) -> object:
    limit = float(np.nanmax(np.abs(values.to_numpy(dtype=float)))) or 1.0
    image = ax.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    ax.set_yticks(range(len(values)), [wrap_term(*pair) for pair in values.index])
    ax.set_ylabel("term")
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    return image


def plot_activity(
    scores: pd.DataFrame, columns: pd.DataFrame, *, groups: list[str], by: str, label: str
) -> Figure:
    """Activity of terms in every sample, samples ordered by ``by`` and coloured by group.

    Parameters
    ----------
    scores
        Shape (n_terms, n_columns), indexed by (library, term).
    columns
        ``sample``, ``group`` and ``by`` of every column, in the order to draw.
    """
    n = len(columns)
    height = 44 + 6.4 * len(scores)
    figure, ax = new_figure(max(130.0, min(PAGE_WIDTH_MM + 20, 92 + 4.0 * n)), height)
    centred = scores.sub(scores.mean(axis=1), axis=0)
    image = _draw_matrix(ax, centred[columns.index])
    colours = group_colours(groups)
    ax.set_xticks(range(n), [plain(str(s)) for s in columns["sample"]], rotation=90)
    for tick, group in zip(ax.get_xticklabels(), columns["group"], strict=True):
        tick.set_color(colours[str(group)])
    parts = columns[by].to_numpy()
    edges = [i for i in range(1, n) if parts[i] != parts[i - 1]]
    for edge in edges:
        ax.axvline(edge - 0.5, color="white", linewidth=2)
    for start, end in zip([0, *edges], [*edges, n], strict=True):
        ax.text((start + end - 1) / 2, -0.75, plain(str(parts[start])), ha="center", va="bottom")
    for group in groups:
        ax.scatter([], [], s=14, marker="s", color=colours[group], label=plain(group))
    ax.legend(title="group", loc="upper left", bbox_to_anchor=(-0.55, -0.02), ncols=1)
    ax.set_xlabel(f"sample; above: {by}")
    bar = figure.colorbar(image, ax=ax, shrink=min(1.0, 30 / height + 0.3), aspect=14)
    bar.set_label(label)
    return figure


def plot_rankings(ranked: pd.DataFrame, *, by: str, parts: list[str], fdr: float) -> Figure:
    """Normalised enrichment scores of the terms shown, one pair of axes a part.

    Parameters
    ----------
    ranked
        ``by``, ``library``, ``term``, ``nes``, ``padj``; bars of called terms are filled.
    """
    most = max((int((ranked[by] == part).sum()) for part in parts), default=1)
    n = max(1, len(parts))
    figure, axes = new_grid(PAGE_WIDTH_MM * n / max(2, n), 26 + 7.4 * most, 1, n)
    for ax, part in zip(axes, parts, strict=False):
        mine = ranked[ranked[by] == part].sort_values("nes")
        colours = [OKABE_ITO[5] if nes > 0 else OKABE_ITO[0] for nes in mine["nes"]]
        filled = [c if p < fdr else "white" for c, p in zip(colours, mine["padj"], strict=True)]
        ax.barh(range(len(mine)), mine["nes"], color=filled, edgecolor=colours, height=0.7)
        pairs = zip(mine["library"], mine["term"], strict=True)
        ax.set_yticks(range(len(mine)), [wrap_term(*pair) for pair in pairs], fontsize=5.5)
        ax.axvline(0, color=DARK, linewidth=0.6)
        ax.set_title(plain(part))
        ax.set_xlabel("normalised enrichment score")
    axes[0].set_ylabel("term")
    for ax in axes[len(parts) :]:
        ax.set_visible(False)
    return figure


def plot_term_dots(terms: pd.DataFrame, *, order: list[str], ax: Axes | None = None) -> Axes:
    """Terms against subclusters: area for the share of the term, colour for the p-value.

    Parameters
    ----------
    terms
        ``subcluster``, ``library``, ``term``, ``overlap``, ``size``, ``padj`` of the dots drawn.
    order
        Subclusters in the order of the columns.
    """
    rows = list(dict.fromkeys(zip(terms["library"], terms["term"], strict=True)))
    # Room for legend and colours where there are few terms.
    ax = own_axes(ax, max(110, 92 + 9 * len(order)), 34 + 6.4 * max(LEAST_ROWS, len(rows)))
    y = [rows.index(pair) for pair in zip(terms["library"], terms["term"], strict=True)]
    x = [order.index(name) for name in terms["subcluster"]]
    strength = -np.log10(np.maximum(terms["padj"].to_numpy(dtype=float), 1e-300))
    share = terms["overlap"] / terms["size"]
    dots = ax.scatter(
        x,
        y,
        s=share * LARGEST_PT2,
        c=strength,
        cmap=SEQUENTIAL,
        norm="log" if strength.max() > 20 * strength.min() else None,
        edgecolors=DARK,
        linewidths=0.3,
    )
    ax.set_xticks(range(len(order)), [plain(name) for name in order])
    ax.set_yticks(range(len(rows)), [wrap_term(*pair) for pair in rows])
    ax.set_xlim(-0.6, len(order) - 0.4)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel("subcluster")
    ax.set_ylabel("term")
    ax.set_axisbelow(True)
    ax.grid(color="#EEEEEE", linewidth=0.4)
    bar = ax.figure.colorbar(dots, ax=ax, shrink=0.5, aspect=12, anchor=(0, 0))
    bar.set_label("adjusted p-value (−log10)")
    ticks = [tick for tick in TICKS if strength.min() <= tick <= strength.max()]
    if ticks:
        bar.set_ticks(ticks, labels=[str(tick) for tick in ticks])
        bar.minorticks_off()
    for size in (0.25, 0.5, 1.0):
        ax.scatter(
            [], [], s=size * LARGEST_PT2, color="white", edgecolors=GREY, label=f"{size:.0%}"
        )
    ax.legend(title="genes of the term", loc="upper left", bbox_to_anchor=(1.01, 1.02))
    return ax
