"""Copy number along the genome, by arm, and its level by cell type, group and subcluster."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.plot.style import (
    DARK,
    DIVERGING,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    group_colours,
    new_grid,
    own_axes,
    plain,
    type_colours,
)
from helpers.schema import CELL_TYPE, GROUP, SAMPLE

MARKERS = "osD^vPX*"
MAX_LOG2 = 0.4  # ratios beyond it are drawn in the strongest colour
MAX_ARM_LOG2 = 0.8
STATE_SIGNS = {"gain": "+", "loss": "–"}
# Measure -> how it is drawn in the sensitivity strip.
MEASURE_STYLE = {
    "cnv_level": {"color": OKABE_ITO[0], "marker": "o", "label": "arms (difference of levels)"},
    "infercnv_score": {
        "color": OKABE_ITO[1],
        "marker": "D",
        "label": "source's score (log2 ratio)",
    },
}


def order_cells(cells: pd.DataFrame, groups: list[str]) -> np.ndarray:
    """Rows sorted by group, cell type and sample."""
    rank = cells[GROUP].map({group: i for i, group in enumerate(groups)})
    return np.lexsort((cells[SAMPLE], cells[CELL_TYPE].str.casefold(), rank))


def plot_profiles(
    log2fc: np.ndarray, cells: pd.DataFrame, bins: pd.DataFrame, *, groups: list[str]
) -> Figure:
    """Log2 ratio along the genome, one row a cell, arms marked, group and type beside it.

    Parameters
    ----------
    log2fc
        Shape (n_cells, n_bins), in genomic order.
    cells
        ``group``, ``cell_type``, ``sample`` of every row.
    bins
        ``chrom`` and ``arm`` of every column.
    groups
        Groups in the order to show.
    """
    order = order_cells(cells, groups)
    mine = cells.iloc[order].reset_index(drop=True)
    types = sorted(cells[CELL_TYPE].unique(), key=str.casefold)
    figure, axes = new_grid(PAGE_WIDTH_MM, 115, 1, 3, widths=[1, 1, 34])
    figure.get_layout_engine().set(w_pad=0.005, wspace=0.0)
    _draw_strip(axes[0], mine[GROUP], group_colours(groups))
    _draw_strip(axes[1], mine[CELL_TYPE], type_colours(types))
    _label_runs(axes[0], mine[GROUP])
    axes[0].set_ylabel("cells, by group and cell type")
    image = axes[2].imshow(
        log2fc[order], aspect="auto", cmap=DIVERGING, vmin=-MAX_LOG2, vmax=MAX_LOG2,
        interpolation="antialiased", rasterized=True,
    )  # fmt: skip
    _mark_arms(axes[2], bins)
    for edge in np.flatnonzero(mine[GROUP].to_numpy()[1:] != mine[GROUP].to_numpy()[:-1]):
        axes[2].axhline(edge + 0.5, color=DARK, linewidth=0.8)
    bar = figure.colorbar(image, ax=axes[2], location="right", shrink=0.35, aspect=12, pad=0.01)
    bar.set_label("log2 ratio to reference")
    colours = type_colours(types)
    figure.legend(
        handles=[Patch(color=colours[kind], label=plain(kind)) for kind in types],
        loc="outside lower center",
        ncols=min(6, len(types)),
        title="cell type (second strip)",
    )
    return figure


def _draw_strip(ax: Axes, names: pd.Series, colours: dict[str, str]) -> None:
    """One colour a row of the heat map."""
    known = list(colours)
    codes = names.map({name: i for i, name in enumerate(known)}).to_numpy()
    ax.imshow(
        codes[:, None], aspect="auto", cmap=ListedColormap(list(colours.values())), vmin=-0.5,
        vmax=len(known) - 0.5, interpolation="nearest", rasterized=True,
    )  # fmt: skip
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def _label_runs(ax: Axes, names: pd.Series) -> None:
    middle = pd.Series(np.arange(len(names))).groupby(names.to_numpy(), sort=False).mean()
    ax.set_yticks(middle, [plain(name) for name in middle.index])
    ax.tick_params(axis="y", length=0)


def _mark_arms(ax: Axes, bins: pd.DataFrame) -> None:
    """Solid lines between chromosomes, dotted ones at centromeres, numbers below."""
    chrom, arm = bins["chrom"].to_numpy(), bins["arm"].to_numpy()
    for edge in np.flatnonzero(arm[1:] != arm[:-1]):
        between = chrom[edge] != chrom[edge + 1]
        ax.axvline(
            edge + 0.5, color=DARK, linewidth=0.5 if between else 0.35, ls="-" if between else ":"
        )
    middle = pd.Series(np.arange(len(chrom))).groupby(chrom, sort=False).mean()
    labels = [name.removeprefix("chr") for name in middle.index]
    ax.set_xticks(middle, labels, fontsize=5.5)
    for low in ax.xaxis.get_majorticklabels()[1::2]:
        low.set_y(-0.022)
    ax.tick_params(axis="x", length=0)
    ax.set_yticks([])
    ax.set_xlabel("chromosome (bins of ten genes; dotted: centromere)")


def plot_levels(
    summary: pd.DataFrame,
    *,
    column: str,
    order: list[str],
    groups: list[str],
    ax: Axes | None = None,
) -> Axes:
    """Level of copy-number change of every sample, side by side by group, with group means.

    Parameters
    ----------
    summary
        ``sample``, ``group``, ``column`` and ``cnv_level``.
    column
        What is put along the axis: cell types or subclusters.
    order
        Its values in the order to show.
    """
    ax = own_axes(ax, PAGE_WIDTH_MM if len(order) > 6 else 110, 62)
    colours = group_colours(groups)
    position = {name: i for i, name in enumerate(order)}
    step = 0.8 / len(groups)
    for k, group in enumerate(groups):
        mine = summary[(summary[GROUP] == group) & summary["cnv_level"].notna()]
        offset = (k - (len(groups) - 1) / 2) * step
        ax.scatter(
            mine[column].map(position) + offset,
            mine["cnv_level"],
            s=13,
            color=colours[group],
            marker=MARKERS[k % len(MARKERS)],
            linewidths=0,
            label=f"{plain(group)} ({mine[SAMPLE].nunique()})",
        )
        mean = mine.groupby(column)["cnv_level"].mean().reindex(order)
        x = np.arange(len(order)) + offset
        ax.hlines(mean, x - step / 2.6, x + step / 2.6, color=colours[group])
    ax.axhline(0, color=DARK, linewidth=0.5, zorder=0)
    long = max(map(len, order)) > 6
    ax.set_xticks(
        range(len(order)),
        [plain(name) for name in order],
        rotation=35 if long else 0,
        ha="right" if long else "center",
    )
    for edge in range(1, len(order)):
        ax.axvline(edge - 0.5, color="#EEEEEE", linewidth=0.5, zorder=0)
    ax.set_xlim(-0.6, len(order) - 0.4)
    ax.set_xlabel(column.replace("_", " "))
    ax.set_ylabel("copy-number level (log2,\nsigned root of excess square)")
    ax.legend(title="group (samples)", loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
    return ax


def plot_arms(segments: pd.DataFrame, *, groups: list[str], types: list[str]) -> Axes:
    """Log2 ratio of every arm in every sample, calls marked + and –.

    Parameters
    ----------
    segments
        ``sample``, ``group``, ``cell_type``, ``arm``, ``log2fc``, ``state``.
    types
        Cell types to show.
    """
    mine = segments[segments[CELL_TYPE].isin(types)]
    rank = mine[GROUP].map({group: i for i, group in enumerate(groups)})
    mine = mine.assign(rank=rank).sort_values([CELL_TYPE, "rank", SAMPLE], kind="stable")
    mine = mine.assign(row=mine[CELL_TYPE] + "\t" + mine[SAMPLE])
    rows, arms = list(dict.fromkeys(mine["row"])), list(dict.fromkeys(segments["arm"]))
    wide = mine.pivot_table(index="row", columns="arm", values="log2fc").reindex(rows)[arms]
    figure, (ax,) = new_grid(PAGE_WIDTH_MM, 28 + 3.6 * len(rows), 1, 1)
    image = ax.imshow(
        wide, aspect="auto", cmap=DIVERGING, vmin=-MAX_ARM_LOG2, vmax=MAX_ARM_LOG2, rasterized=True
    )
    for call in mine[mine["state"] != "neutral"].itertuples():
        x, y = arms.index(call.arm), rows.index(call.row)
        sign = STATE_SIGNS[call.state]
        ax.text(x, y, sign, ha="center", va="center", fontsize=8, color="white", fontweight="bold")
    ax.set_xticks(range(len(arms)), arms, rotation=90, fontsize=5.5)
    ax.set_yticks(range(len(rows)), [plain(row.replace("\t", ", ")) for row in rows])
    kinds = [row.split("\t")[0] for row in rows]
    for edge in range(1, len(rows)):
        if kinds[edge] != kinds[edge - 1]:
            ax.axhline(edge - 0.5, color=DARK, linewidth=0.8)
    ax.set_xlabel("chromosome arm")
    ax.set_ylabel("cell type, sample")
    bar = figure.colorbar(image, ax=ax, shrink=0.8, aspect=15, pad=0.01)
    bar.set_label("log2 ratio to normal\ncells of the type")
    return ax


def plot_settings(compared: pd.DataFrame, *, contrast: str) -> Figure:
    """A contrast under every reference and window, with intervals, one pair of axes a type.

    Parameters
    ----------
    compared
        ``setting``, ``measure``, ``cell_type``, ``effect``, ``ci_low``, ``ci_high``.
    """
    settings = list(dict.fromkeys(compared["setting"]))[::-1]
    types = list(dict.fromkeys(compared[CELL_TYPE]))
    height = 26 + 6.0 * len(settings)
    figure, axes = new_grid(PAGE_WIDTH_MM, height, 1, len(types), share=True)
    for ax, kind in zip(axes, types, strict=True):
        for (measure, style), shift in zip(MEASURE_STYLE.items(), (0.16, -0.16), strict=True):
            mine = compared[(compared[CELL_TYPE] == kind) & (compared["measure"] == measure)]
            y = mine["setting"].map({name: i for i, name in enumerate(settings)}) + shift
            ax.hlines(y, mine["ci_low"], mine["ci_high"], color=style["color"], linewidth=1.1)
            ax.scatter(mine["effect"], y, s=13, color=style["color"], marker=style["marker"])
        ax.axvline(0, color=DARK, linewidth=0.6)
        ax.set_title(plain(kind))
        ax.set_xlabel(f"{plain(contrast)} (log2)")
    axes[0].set_yticks(range(len(settings)), [plain(name) for name in settings])
    axes[0].set_ylabel("reference or window")
    handles = [Line2D([], [], ls="", ms=4, **style) for style in MEASURE_STYLE.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, handletextpad=0.1)
    return figure
