"""Proportions of cell types and their differences."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plot.style import (
    DARK,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    colour_of,
    group_colours,
    new_grid,
    own_axes,
    plain,
)
from helpers.schema import CELL_TYPE, GROUP, SAMPLE

UNIT_STYLE = {
    "sample": {"color": OKABE_ITO[0], "marker": "o", "label": "by sample, moderated t-test"},
    "cell": {"color": OKABE_ITO[1], "marker": "D", "label": "by cell, rank-sum test"},
}


def plot_stacked(proportions: pd.DataFrame, *, groups: list[str]) -> Figure:
    """Stacked proportions: mean of the samples of each group, then every sample.

    Parameters
    ----------
    proportions
        ``sample``, ``group``, ``cell_type``, ``fraction``, one row a sample and type.
    """
    types = list(dict.fromkeys(proportions[CELL_TYPE]))
    wide = proportions.pivot_table(index=SAMPLE, columns=CELL_TYPE, values="fraction", sort=False)
    wide = wide.reindex(columns=types)
    group_of = proportions.drop_duplicates(SAMPLE).set_index(SAMPLE)[GROUP].reindex(wide.index)
    means = wide.groupby(group_of).mean().reindex([g for g in groups if g in set(group_of)])
    ordered = wide.loc[[s for g in groups for s in wide.index[group_of == g]]]
    height = 75 + 2.0 * max(0, len(types) - 12)
    figure, axes = new_grid(PAGE_WIDTH_MM, height, 1, 2)
    figure.get_layout_engine().set(w_pad=0.05)
    colours = colour_of(types)
    for ax, table, name in zip(
        axes, (means, ordered), ("group (mean of samples)", SAMPLE), strict=True
    ):
        _stack(ax, table, colours)
        ax.set_xlabel(name)
    axes[0].set_ylabel("share of cells")
    handles, labels = axes[1].get_legend_handles_labels()
    axes[1].legend(
        handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.02, 0.5), borderaxespad=0
    )
    return figure


def _stack(ax: Axes, table: pd.DataFrame, colours: dict[str, str]) -> None:
    bottom = np.zeros(len(table))
    for kind in table.columns:
        values = table[kind].fillna(0).to_numpy()
        ax.bar(
            range(len(table)),
            values,
            bottom=bottom,
            color=colours[kind],
            edgecolor="white",
            linewidth=0.3,
            width=0.8,
            label=plain(kind),
        )
        bottom = bottom + values
    turn = 90 if len(table) > 6 or max(map(len, table.index)) > 8 else 0
    ax.set_xticks(range(len(table)), [plain(name) for name in table.index], rotation=turn)
    ax.set_ylim(0, 1)
    ax.set_xlim(-0.6, len(table) - 0.4)


def plot_samples(
    proportions: pd.DataFrame,
    *,
    groups: list[str],
    row_name: str = "cell type",
    ax: Axes | None = None,
) -> Axes:
    """Every sample's share of every type, side by side by group, with group means."""
    types = list(dict.fromkeys(proportions[CELL_TYPE]))
    ax = own_axes(ax, PAGE_WIDTH_MM, 65)
    colours = group_colours(groups)
    markers = dict(zip(groups, "osD^vPX*" * 5, strict=False))
    step = 0.8 / len(groups)
    position = {kind: i for i, kind in enumerate(types)}
    for k, group in enumerate(groups):
        mine = proportions[(proportions[GROUP] == group) & proportions["fraction"].notna()]
        offset = (k - (len(groups) - 1) / 2) * step
        x = mine[CELL_TYPE].map(position) + offset
        ax.scatter(
            x,
            100 * mine["fraction"],
            s=11,
            color=colours[group],
            marker=markers[group],
            linewidths=0,
            label=f"{plain(group)} ({mine[SAMPLE].nunique()})",
        )
        mean = mine.groupby(CELL_TYPE)["fraction"].mean().reindex(types)
        ax.hlines(
            100 * mean,
            np.arange(len(types)) + offset - step / 2.6,
            np.arange(len(types)) + offset + step / 2.6,
            color=colours[group],
        )
    ax.set_xticks(range(len(types)), [plain(kind) for kind in types], rotation=35, ha="right")
    for edge in range(1, len(types)):
        ax.axvline(edge - 0.5, color="#EEEEEE", linewidth=0.5, zorder=0)
    ax.set_xlim(-0.6, len(types) - 0.4)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(row_name)
    ax.set_ylabel("cells of the sample (%)")
    ax.legend(title="group (samples)", loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
    return ax


def plot_effects(contrasts: pd.DataFrame, *, fdr: float, row_name: str = "cell type") -> Figure:
    """Differences in proportion with their intervals: sample-level and cell-level side by side.

    Parameters
    ----------
    contrasts
        ``contrast``, ``cell_type``, ``unit``, ``effect``, ``ci_low``, ``ci_high``, ``padj``;
        one pair of axes a contrast.
    fdr
        Rows with ``padj`` below it are drawn filled, others hollow.
    row_name
        What the rows are.
    """
    names = list(dict.fromkeys(contrasts["contrast"]))
    n_types = contrasts[CELL_TYPE].nunique()
    figure, axes = new_grid(150, (20 + 6.0 * n_types) * len(names), len(names), 1)
    for ax, name in zip(axes, names, strict=True):
        _draw_contrast(ax, contrasts[contrasts["contrast"] == name], fdr)
        ax.set_ylabel(row_name)
        ax.set_xlabel(f"difference in proportion, {plain(name)} (log2 odds ratio)")
    for unit in ("sample", "cell"):
        axes[0].plot([], [], ls="", ms=4, **UNIT_STYLE[unit])
    axes[0].plot(
        [], [], ls="", ms=4, marker="o", mfc="white", mec=DARK, label=f"hollow: padj ≥ {fdr:g}"
    )
    axes[0].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handletextpad=0.1)
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
