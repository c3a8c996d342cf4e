"""Dose-response curves and how much more drug resistant lines stand."""

from math import ceil

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from helpers.plot.style import (
    DARK,
    GREY,
    OKABE_ITO,
    group_colours,
    new_grid,
    own_axes,
    plain,
    use_log,
)

MARKERS = "osD^vPX*"
COLUMNS, CELL_MM = 3, 58.0
UNIT_STYLE = {"plate": ("o", OKABE_ITO[0]), "well": ("D", OKABE_ITO[1])}
RATIO = FuncFormatter(lambda value, _: f"{2.0**value:.3g}×")


def plot_curves(means: pd.DataFrame, drawn: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """One pair of axes a drug: means of the wells with their spread, fitted curves, IC50 as lines.

    Parameters
    ----------
    means
        ``line``, ``drug``, ``unit``, ``dose``, ``viability``, ``sd``.
    drawn
        Points of the fitted curves: ``line``, ``drug``, ``dose``, ``viability``.
    curves
        ``line``, ``drug``, ``ic50``, ``status``.
    """
    drugs = list(dict.fromkeys(means["drug"]))
    lines = list(dict.fromkeys(means["line"]))
    n_columns = min(COLUMNS, len(drugs))
    n_rows = ceil(len(drugs) / n_columns)
    width = max(70.0, n_columns * CELL_MM)
    figure, axes = new_grid(width, 14 + 50 * n_rows, n_rows, n_columns)
    colours = group_colours(lines)
    signs = {line: MARKERS[i % len(MARKERS)] for i, line in enumerate(lines)}
    for ax, drug in zip(axes, drugs, strict=False):
        mine = [table[table["drug"] == drug] for table in (means, drawn, curves)]
        _plot_drug(ax, *mine, colours=colours, signs=signs)
        ax.set_title(plain(drug))
        ax.set_xlabel(f"dose ({mine[0]['unit'].iloc[0].replace('u', 'µ')})")
    for ax in axes[::n_columns]:
        ax.set_ylabel("viability (share of control)")
    for ax in axes[len(drugs) :]:
        ax.set_visible(False)
    handles = [
        axes[0].plot([], [], color=colours[line], marker=signs[line], markersize=3.5)[0]
        for line in lines
    ]
    names = [plain(line) for line in lines]
    figure.legend(handles, names, loc="outside lower center", ncols=min(5, len(lines)))
    return figure


def _plot_drug(
    ax: Axes,
    means: pd.DataFrame,
    drawn: pd.DataFrame,
    curves: pd.DataFrame,
    *,
    colours: dict[str, str],
    signs: dict[str, str],
) -> None:
    for line, mine in means[means["dose"] > 0].groupby("line", sort=False):
        ax.errorbar(
            mine["dose"],
            mine["viability"],
            yerr=mine["sd"].fillna(0.0),
            fmt=signs[str(line)],
            markersize=3.2,
            color=colours[str(line)],
            elinewidth=0.6,
        )
    for line, mine in drawn.groupby("line", sort=False):
        ax.plot(mine["dose"], mine["viability"], color=colours[str(line)])
    for row in curves[curves["status"] == "fitted"].itertuples():
        ax.axvline(row.ic50, color=colours[str(row.line)], linewidth=0.6, linestyle=(0, (3, 2)))
    ax.axhline(1.0, color=GREY, linewidth=0.5, zorder=0)
    use_log(ax.xaxis)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylim(bottom=min(0.0, float(means["viability"].min())))


def plot_resistance(resistance: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Resistance index of every line and drug with its interval, by plate and by well.

    Parameters
    ----------
    resistance
        ``line``, ``parental``, ``drug``, ``unit``, ``effect`` (log2), ``ci_low``, ``ci_high``;
        rows without an effect are named, not drawn.
    """
    pairs = list(dict.fromkeys(zip(resistance["line"], resistance["drug"], strict=True)))
    parents = dict(zip(resistance["line"], resistance["parental"], strict=True))
    ax = own_axes(ax, 130, 26 + 10 * len(pairs))
    for unit, (marker, colour) in UNIT_STYLE.items():
        mine = resistance[resistance["unit"] == unit]
        offset = -0.14 if unit == "plate" else 0.14
        y = np.array([pairs.index(key) for key in zip(mine["line"], mine["drug"], strict=True)])
        known = mine["effect"].notna().to_numpy()
        ax.scatter(
            mine["effect"][known],
            y[known] + offset,
            marker=marker,
            color=colour,
            s=16,
            label=f"unit: {unit}",
        )
        ax.hlines(y + offset, mine["ci_low"], mine["ci_high"], color=colour)
    seen = set(
        zip(*resistance.dropna(subset=["effect"])[["line", "drug"]].to_numpy().T, strict=True)
    )
    for i, pair in enumerate(pairs):
        if pair not in seen:
            ax.text(0.05, i, "no IC50 (see the table)", va="center", fontsize=6, color=DARK)
    ax.axvline(0, color=DARK, linewidth=0.6, zorder=0)
    names = [f"{plain(drug)}: {plain(line)} / {plain(parents[line])}" for line, drug in pairs]
    ax.set_yticks(range(len(pairs)), names)
    ax.set_ylim(len(pairs) - 0.5, -0.5)
    ax.xaxis.set_major_formatter(RATIO)
    ax.set_xlabel("resistance index: IC50 of the line over that of its parental line")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    return ax
