"""Proportions of cell types and their differences."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plot.style import (
    DARK,
    LONGEST_TURNED,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    fit_names,
    group_colours,
    name_columns,
    new_grid,
    plain,
    side_legend,
    type_colours,
    type_hatches,
)
from helpers.schema import CELL_TYPE, GROUP, SAMPLE

MARKERS = "osD^vPX*"  # of the groups, so that colour is not the only sign
MOST_COLUMNS = 60  # of points that fit on one line
MOST_BESIDE = 25  # samples whose bars fit beside those of the groups
LEGEND_COLUMNS = 4

UNIT_STYLE = {
    "sample": {"color": OKABE_ITO[0], "marker": "o", "label": "by sample, moderated t-test"},
    "cell": {"color": OKABE_ITO[1], "marker": "D", "label": "by {}, rank-sum test"},
}


def plot_stacked(
    proportions: pd.DataFrame,
    *,
    groups: list[str],
    row_name: str = "cell type",
    counted: str = "cells",
) -> Figure:
    """Stacked proportions: mean of the samples of each group, then every sample.

    Parameters
    ----------
    proportions
        ``sample``, ``group``, ``cell_type``, ``fraction``, one row a sample and type.
    row_name, counted
        What the types are, and what they are shares of.
    """
    types = list(dict.fromkeys(proportions[CELL_TYPE]))
    wide = proportions.pivot(index=SAMPLE, columns=CELL_TYPE, values="fraction")  # noqa: PD010
    wide = wide.reindex(index=list(dict.fromkeys(proportions[SAMPLE])), columns=types)
    group_of = proportions.drop_duplicates(SAMPLE).set_index(SAMPLE)[GROUP].reindex(wide.index)
    means = wide.groupby(group_of).mean().reindex([g for g in groups if g in set(group_of)])
    ordered = wide.loc[[s for g in groups for s in wide.index[group_of == g]]]
    many = len(ordered) > MOST_BESIDE
    figure, axes, room = _stacked_grid(list(ordered.index), len(means), len(types), many=many)
    for ax, table, name, width in zip(
        axes, (means, ordered), ("group (mean of samples)", SAMPLE), room, strict=True
    ):
        _stack(ax, table, width)
        ax.set_xlabel(name)
        ax.set_ylabel(f"share of {counted}" if many or ax is axes[0] else "")
    handles = axes[1].get_legend_handles_labels()[0][::-1]
    if many:
        place = {"loc": "outside lower center", "ncols": LEGEND_COLUMNS}
        figure.legend(handles=handles, title=row_name, **place)
    else:
        side_legend(axes[1], handles=handles, title=row_name)
    return figure


def _stacked_grid(
    samples: list[str], n_groups: int, n_types: int, *, many: bool
) -> tuple[Figure, list[Axes], list[float]]:
    """Axes of groups and of samples with their widths: side by side, or many on two lines."""
    if many:
        below = fit_names(samples, width_mm=PAGE_WIDTH_MM - 20).height_mm
        height = 120 + below + 4.0 * -(-n_types // LEGEND_COLUMNS)
        figure, axes = new_grid(PAGE_WIDTH_MM, height, 2, 1)
        return figure, axes, [PAGE_WIDTH_MM - 20] * 2
    shares = np.array([n_groups + 1.5, len(samples)])
    widths = np.clip(shares / shares.sum(), 0.2, 0.8)
    room = (PAGE_WIDTH_MM - 70) * widths
    below = fit_names(samples, width_mm=room[1]).height_mm
    height = max(65 + below, 35 + 4.0 * n_types)
    figure, axes = new_grid(PAGE_WIDTH_MM, height, 1, 2, widths=list(widths))
    figure.get_layout_engine().set(w_pad=0.05)
    return figure, axes, list(room)


def _stack(ax: Axes, table: pd.DataFrame, width_mm: float) -> None:
    colours, hatches = type_colours(table.columns), type_hatches(table.columns)
    bottom = np.zeros(len(table))
    for kind in table.columns:
        values = table[kind].fillna(0).to_numpy()
        ax.bar(
            range(len(table)),
            values,
            bottom=bottom,
            color=colours[kind],
            hatch=hatches[kind],
            edgecolor="white",
            linewidth=0.3,
            width=0.8,
            label=plain(kind, longest=30),
        )
        bottom = bottom + values
    name_columns(ax, list(table.index), width_mm=width_mm)
    ax.set_ylim(0, 1)
    ax.set_xlim(-0.6, len(table) - 0.4)


def plot_samples(
    proportions: pd.DataFrame, *, groups: list[str], row_name: str = "cell type"
) -> Figure:
    """Every sample's share of every type, side by side by group, with group means.

    Parameters
    ----------
    proportions
        ``sample``, ``group``, ``cell_type``, ``fraction``, one row a sample and type; many types
        are drawn on several lines.
    row_name
        What the types are.
    """
    types = list(dict.fromkeys(proportions[CELL_TYPE]))
    n_lines = -(-len(types) * len(groups) // MOST_COLUMNS)
    per_line = -(-len(types) // n_lines)
    figure, axes = new_grid(PAGE_WIDTH_MM, 65 * n_lines, n_lines, 1)
    for line, ax in enumerate(axes):
        shown = types[line * per_line : (line + 1) * per_line]
        mine = proportions[proportions[CELL_TYPE].isin(shown)]
        _draw_samples(ax, mine, shown, groups, n_columns=per_line)
    axes[-1].set_xlabel(row_name)
    side_legend(axes[0], title="group (samples)", top=True)
    return figure


def _draw_samples(
    ax: Axes, proportions: pd.DataFrame, types: list[str], groups: list[str], *, n_columns: int
) -> None:
    colours = group_colours(groups)
    step = 0.8 / len(groups)
    half = min(step / 2.6, 0.2)
    position = {kind: i for i, kind in enumerate(types)}
    for k, group in enumerate(groups):
        mine = proportions[(proportions[GROUP] == group) & proportions["fraction"].notna()]
        offset = (k - (len(groups) - 1) / 2) * step
        ax.scatter(
            mine[CELL_TYPE].map(position) + offset,
            100 * mine["fraction"],
            s=11,
            color=colours[group],
            marker=MARKERS[k % len(MARKERS)],
            edgecolors="white",
            linewidths=0.3,
            clip_on=False,
            zorder=3,
            label=f"{plain(group, longest=LONGEST_TURNED)} ({mine[SAMPLE].nunique()})",
        )
        mean = mine.groupby(CELL_TYPE)["fraction"].mean().reindex(types)
        x = np.arange(len(types)) + offset
        ax.hlines(100 * mean, x - half, x + half, color=colours[group])
    ax.set_xticks(range(len(types)), [plain(kind) for kind in types], rotation=35, ha="right")
    for edge in range(1, len(types)):
        ax.axvline(edge - 0.5, color="#EEEEEE", linewidth=0.5, zorder=0)
    ax.set_xlim(-0.6, n_columns - 0.4)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("cells of the sample (%)")


def plot_effects(
    contrasts: pd.DataFrame, *, fdr: float, row_name: str = "cell type", unit: str = "cell"
) -> Figure:
    """Differences in proportion with their intervals: sample-level and cell-level side by side.

    Parameters
    ----------
    contrasts
        ``contrast``, ``cell_type``, ``unit``, ``effect``, ``ci_low``, ``ci_high``, ``padj``;
        one pair of axes a contrast.
    fdr
        Rows with ``padj`` below it are drawn filled, others hollow.
    row_name, unit
        What the rows are, and what one of the cells is.
    """
    names = list(dict.fromkeys(contrasts["contrast"]))
    n_types = contrasts[CELL_TYPE].nunique()
    row = 6.0 if n_types <= 15 else 4.5
    figure, axes = new_grid(150, (20 + row * n_types) * len(names), len(names), 1)
    for ax, name in zip(axes, names, strict=True):
        _draw_contrast(ax, contrasts[contrasts["contrast"] == name], fdr)
        ax.set_ylabel(row_name)
        ax.set_xlabel(f"difference in proportion, {plain(name)} (log2 odds ratio)")
    for style in UNIT_STYLE.values():
        named = style | {"label": style["label"].format(unit)}
        axes[0].plot([], [], ls="", ms=4, **named)
    axes[0].plot(
        [], [], ls="", ms=4, marker="o", mfc="white", mec=DARK, label=f"hollow: padj ≥ {fdr:g}"
    )
    side_legend(axes[0])
    return figure


def _draw_contrast(ax: Axes, table: pd.DataFrame, fdr: float) -> None:
    by_unit = {unit: table[table["unit"] == unit].set_index(CELL_TYPE) for unit in UNIT_STYLE}
    order = by_unit["sample"]["effect"].fillna(by_unit["cell"]["effect"]).sort_values().index
    for unit, shift in (("sample", 0.16), ("cell", -0.16)):
        _draw_intervals(ax, by_unit[unit].reindex(order), unit, shift, fdr)
    ax.axvline(0, color=DARK, linewidth=0.6)
    ax.set_yticks(range(len(order)), [plain(kind) for kind in order])
    ax.set_ylim(-0.7, len(order) - 0.3)


def _draw_intervals(ax: Axes, table: pd.DataFrame, unit: str, shift: float, fdr: float) -> None:
    style = UNIT_STYLE[unit]
    y = np.arange(len(table)) + shift
    ax.hlines(y, table["ci_low"], table["ci_high"], color=style["color"], linewidth=1.1)
    called = (table["padj"] < fdr).to_numpy()
    ax.scatter(
        table["effect"],
        y,
        s=13,
        marker=style["marker"],
        color=[style["color"] if hit else "white" for hit in called],
        edgecolors=style["color"],
        linewidths=0.8,
        zorder=3,
    )
