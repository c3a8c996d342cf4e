"""Signatures: coverage, scores on the map, by type and group, contrasts, and dormant cells."""

from collections.abc import Mapping
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plot.embedding import point_size
from helpers.plot.style import (
    DARK,
    DIVERGING,
    GREY,
    LINE_MM,
    LONGEST_TURNED,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    SMALL_PT,
    SMALLEST_PT,
    group_colours,
    hide_ticks,
    name_columns,
    new_figure,
    new_grid,
    own_axes,
    plain,
    side_legend,
)
from helpers.schema import CELL_TYPE, GROUP, SAMPLE, SIGNATURE

STATUS_COLOURS = dict(zip(("exact", "partial", "proxy", "pending"), OKABE_ITO, strict=False))
CALL_COLOURS = {"other": GREY, "possible": OKABE_ITO[1], "called": OKABE_ITO[5]}
MARKERS = "osD^vPX*"
LIMIT = 3.0  # scores beyond it are drawn in the strongest colour


def plot_coverage(coverage: pd.DataFrame, *, min_coverage: float, ax: Axes | None = None) -> Axes:
    """Share of each signature's genes that were measured, by status of the list.

    Parameters
    ----------
    coverage
        ``name``, ``status``, ``n_genes``, ``n_present``, ``coverage``, ``scored``.
    """
    ax = own_axes(ax, PAGE_WIDTH_MM - 20, 26 + 4.2 * len(coverage))
    y = np.arange(len(coverage))
    share = coverage["coverage"].fillna(0.0)
    colours = [STATUS_COLOURS[status] for status in coverage["status"]]
    filled = [c if s else "white" for c, s in zip(colours, coverage["scored"], strict=True)]
    ax.barh(y, share, color=filled, edgecolor=colours, height=0.7)
    for row, (k, n) in enumerate(zip(coverage["n_present"], coverage["n_genes"], strict=True)):
        ax.text(
            share.iloc[row] + 0.015, row, f"{k}/{n}" if n else "no list", va="center", fontsize=6
        )
    ax.axvline(min_coverage, color=DARK, linestyle=(0, (4, 2)), linewidth=0.8)
    ax.set_yticks(y, [plain(str(name)) for name in coverage["name"]])
    ax.set_ylim(len(coverage) - 0.4, -0.6)
    ax.set_xlim(0, 1.15)
    ax.set_xlabel("share of the signature's genes measured (dashed: needed)")
    ax.set_ylabel("signature")
    for status, colour in STATUS_COLOURS.items():
        ax.scatter([], [], s=18, marker="s", color=colour, label=status)
    side_legend(ax, title="list", top=True)
    return ax


def plot_score_maps(
    cells: pd.DataFrame, scores: pd.DataFrame, *, names: Mapping[str, str], map_name: str = "UMAP"
) -> Figure:
    """The map once a signature, each cell coloured by its score.

    Parameters
    ----------
    cells
        ``x``, ``y``, one row a cell.
    scores
        Shape (n_cells, n_signatures), one column a map.
    names
        Signature -> name to show.
    """
    columns = min(3, scores.shape[1])
    rows = -(-scores.shape[1] // columns)
    figure, axes = new_grid(PAGE_WIDTH_MM, 8 + 56 * rows, rows, columns, share=True)
    for i, (ax, signature) in enumerate(zip(axes, scores.columns, strict=False)):
        values = scores[signature].to_numpy()
        order = np.argsort(np.abs(values), kind="stable")
        dots = ax.scatter(
            cells["x"].to_numpy()[order],
            cells["y"].to_numpy()[order],
            s=point_size(len(cells)),
            c=values[order],
            cmap=DIVERGING,
            vmin=-LIMIT,
            vmax=LIMIT,
            linewidths=0,
            rasterized=True,
        )
        ax.set_title(plain(names[signature], longest=36))
        hide_ticks(ax)
        if i // columns == rows - 1 or i + columns >= scores.shape[1]:
            ax.set_xlabel(f"{map_name} 1 (arbitrary units)")
        if i % columns == 0:
            ax.set_ylabel(f"{map_name} 2 (arbitrary units)")
    for ax in axes[scores.shape[1] :]:
        ax.set_visible(False)
    bar = figure.colorbar(dots, ax=axes, shrink=0.5, aspect=25, location="right")
    bar.set_label("score over random sets (their deviations)")
    return figure


def plot_heat(
    values: pd.DataFrame,
    *,
    names: Mapping[str, str],
    label: str,
    columns: str,
    limit: float | None = None,
) -> Figure:
    """Signatures against types, subclusters or other signatures, colours centred on 0.

    Parameters
    ----------
    values
        Shape (n_signatures, n_columns); with two levels of columns, the first is written above.
    names
        Signature -> name to show.
    label
        What the colours show.
    columns
        What the columns are.
    """
    two = values.columns.nlevels == 2
    inner = [str(c) for c in (values.columns.get_level_values(1) if two else values.columns)]
    inner = [names.get(c, c) for c in inner]
    width = min(PAGE_WIDTH_MM + 20, 80 + 5.5 * len(inner))
    figure, ax = new_figure(width, 46 + 4.6 * len(values))
    most = float(np.nanmax(np.abs(values.to_numpy(dtype=float)))) if limit is None else limit
    image = ax.imshow(values, cmap=DIVERGING, vmin=-most, vmax=most, aspect="auto")
    _name_columns(ax, inner, width_mm=width - 80)
    ax.set_yticks(range(len(values)), [plain(names.get(s, str(s))) for s in values.index])
    ax.set_xlabel(columns)
    ax.set_ylabel("signature")
    if two:
        _name_blocks(ax, [str(c) for c in values.columns.get_level_values(0)])
    bar = figure.colorbar(image, ax=ax, shrink=0.6, aspect=16, pad=0.02)
    bar.set_label(label)
    return figure


def _name_columns(ax: Axes, names: list[str], *, width_mm: float) -> None:
    """Names below columns: those too long for a turned line are broken where the columns hold it."""
    lines = ["\n".join(wrap(plain(name), LONGEST_TURNED)) for name in names]
    most = max(text.count("\n") + 1 for text in lines)
    size = min(SMALL_PT, SMALL_PT * width_mm / len(names) / (LINE_MM * most))
    if most == 1 or size < SMALLEST_PT:
        name_columns(ax, names, width_mm=width_mm)
        return
    ax.set_xticks(range(len(names)), lines, rotation=90, fontsize=size)


def _name_blocks(ax: Axes, blocks: list[str]) -> None:
    """A white line between blocks of columns, the block's name above."""
    edges = [i for i in range(1, len(blocks)) if blocks[i] != blocks[i - 1]]
    for edge in edges:
        ax.axvline(edge - 0.5, color="white", linewidth=2)
    for start, end in zip([0, *edges], [*edges, len(blocks)], strict=True):
        ax.text(
            (start + end - 1) / 2, -0.75, plain(blocks[start], longest=20), ha="left", va="bottom",
            rotation=40, fontsize=6,
        )  # fmt: skip


def plot_contrasts(
    contrasts: pd.DataFrame,
    *,
    types: list[str],
    names: Mapping[str, str],
    contrast: str,
    fdr: float,
) -> Figure:
    """Effect of every signature with its interval, and the effects random sets have, by type.

    Parameters
    ----------
    contrasts
        One method: ``cell_type``, ``signature``, ``effect``, ``ci_low``, ``ci_high``, ``padj``,
        ``null_low``, ``null_high``.
    types
        Cell types, one pair of axes each.
    """
    order = list(dict.fromkeys(contrasts[SIGNATURE]))[::-1]
    figure, axes = new_grid(PAGE_WIDTH_MM, 26 + 4.6 * len(order), 1, len(types), share=True)
    for ax, kind in zip(axes, types, strict=True):
        mine = contrasts[contrasts[CELL_TYPE] == kind].set_index(SIGNATURE).reindex(order)
        y = np.arange(len(order))
        ax.barh(
            y,
            mine["null_high"] - mine["null_low"],
            left=mine["null_low"],
            color="#E4E4E4",
            height=0.8,
        )
        ax.hlines(y, mine["ci_low"], mine["ci_high"], color=OKABE_ITO[0], linewidth=1.1)
        sure = (mine["padj"] < fdr).to_numpy()
        for chosen, face in ((sure, OKABE_ITO[0]), (~sure, "white")):
            ax.scatter(
                mine["effect"][chosen],
                y[chosen],
                s=14,
                color=face,
                edgecolors=OKABE_ITO[0],
                zorder=3,
            )
        ax.axvline(0, color=DARK, linewidth=0.6)
        ax.set_title(plain(kind))
        ax.set_xlabel(f"{plain(contrast)} (difference of z)")
    axes[0].set_yticks(range(len(order)), [plain(names[s]) for s in order])
    axes[0].set_ylabel("signature")
    return figure


def plot_agreement(
    agreement: pd.DataFrame, *, names: Mapping[str, str], ax: Axes | None = None
) -> Axes:
    """Correlation of every two methods over cells, one row a signature.

    Parameters
    ----------
    agreement
        ``signature``, ``first``, ``second``, ``correlation``.
    """
    order = list(dict.fromkeys(agreement[SIGNATURE]))
    ax = own_axes(ax, PAGE_WIDTH_MM - 20, 24 + 4.2 * len(order))
    pairs = agreement["first"] + " and " + agreement["second"]
    for i, pair in enumerate(dict.fromkeys(pairs)):
        mine = agreement[pairs == pair]
        y = mine[SIGNATURE].map({name: row for row, name in enumerate(order)})
        ax.scatter(mine["correlation"], y, s=14, color=OKABE_ITO[i], marker=MARKERS[i], label=pair)
    ax.set_yticks(range(len(order)), [plain(names[s]) for s in order])
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xlim(min(0.0, agreement["correlation"].min()) - 0.03, 1.03)
    ax.set_xlabel("Spearman correlation over cells")
    ax.set_ylabel("signature")
    side_legend(ax, title="methods", top=True)
    return ax


def plot_calls(cells: pd.DataFrame, *, map_name: str = "UMAP", ax: Axes | None = None) -> Axes:
    """Called and possible dormant cells on the map, over all others in grey.

    Parameters
    ----------
    cells
        ``x``, ``y``, ``call``.
    """
    ax = own_axes(ax, 130, 90)
    for call, colour in CALL_COLOURS.items():
        mine = cells[cells["call"] == call]
        size = point_size(len(cells)) * (1 if call == "other" else 3)
        label = f"{call} ({len(mine):,})"
        ax.scatter(mine["x"], mine["y"], s=size, color=colour, linewidths=0, rasterized=True)
        ax.scatter([], [], s=14, color=colour, label=label)
    ax.set_xlabel(f"{map_name} 1 (arbitrary units)")
    ax.set_ylabel(f"{map_name} 2 (arbitrary units)")
    hide_ticks(ax)
    side_legend(ax, title="dormant, resistant, stem-like")
    return ax


def plot_frequency(
    counted: pd.DataFrame, *, column: str, groups: list[str], ax: Axes | None = None
) -> Axes:
    """Fraction of called cells with its interval, and what random genes give, a row a unit.

    Parameters
    ----------
    counted
        ``column``, ``group``, ``fraction``, ``ci_low``, ``ci_high``, ``chance``.
    column
        What is put along the axis: samples or subclusters.
    """
    ax = own_axes(ax, 130, 26 + 4.6 * len(counted))
    rank = counted[GROUP].map({group: i for i, group in enumerate(groups)})
    mine = counted.assign(rank=rank).sort_values(["rank", column], kind="stable")
    colours, y = group_colours(groups), np.arange(len(mine))
    for k, group in enumerate(groups):
        own = (mine[GROUP] == group).to_numpy()
        ax.hlines(
            y[own], 100 * mine["ci_low"][own], 100 * mine["ci_high"][own], color=colours[group]
        )
        ax.scatter(
            100 * mine["fraction"][own], y[own], s=16, color=colours[group],
            marker=MARKERS[k % len(MARKERS)], label=plain(group),
        )  # fmt: skip
    ax.scatter(100 * mine["chance"], y, s=14, marker="|", color=DARK, label="random genes")
    ax.set_yticks(y, [plain(str(name)) for name in mine[column]])
    ax.set_ylim(len(mine) - 0.4, -0.6)
    ax.set_xlim(left=0)
    ax.set_xlabel("dormant, resistant, stem-like cells (% of cells)")
    ax.set_ylabel("sample" if column == SAMPLE else column)
    side_legend(ax, title="group", top=True)
    return ax
