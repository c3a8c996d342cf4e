"""A course over days: shares and scores of samples, slopes, pseudotime against real time."""

from collections.abc import Mapping
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.plot.style import (
    DARK,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    group_colours,
    new_grid,
    own_axes,
    plain,
    side_legend,
)
from helpers.schema import GROUP, SAMPLE, TIME

MARKERS = "osD^vPX*"
COLUMNS = 4
DAYS = "days since the start of treatment"
TITLE_LETTERS = 24  # of a line above axes that are a fourth of the page wide
FIT_POINTS = 60  # of a line that is straight in log odds and bent in percent


def plot_course(
    values: pd.DataFrame,
    trends: pd.DataFrame,
    *,
    names: Mapping[str, str],
    groups: list[str],
    label: str,
    percent: bool = False,
) -> Figure:
    """Every feature over days: samples as points, by condition, and the line that was fitted.

    Parameters
    ----------
    values
        ``sample``, ``group``, ``time_days``, ``feature``, ``value``.
    trends
        One course: ``feature``, ``effect``, ``ci_low``, ``ci_high``, ``first_day``, ``last_day``,
        ``value_first``, ``value_last``; no line where they are missing.
    names
        Feature -> name to show, in the order of the axes.
    label
        What the values are, with their unit.
    percent
        Whether values are log2 odds, which are drawn as percent.
    """
    rows = -(-len(names) // COLUMNS)
    figure, axes = new_grid(PAGE_WIDTH_MM, 16 + 46 * rows, rows, min(COLUMNS, len(names)))
    fitted = trends.set_index(trends["feature"].astype(str))
    for ax, name in zip(axes, names, strict=False):
        mine = values[values["feature"].astype(str) == name]
        _draw_samples(ax, mine, groups, percent=percent)
        if name in fitted.index:
            _draw_fit(ax, fitted.loc[name], percent=percent)
        ax.set_title("\n".join(wrap(plain(names[name]), TITLE_LETTERS)))
        ax.margins(0.1, 0.15)
        if percent:
            ax.set_ylim(bottom=0)
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    figure.supxlabel(DAYS)
    figure.supylabel(label)
    present = [g for g in groups if g in set(values[GROUP])]
    figure.legend(
        handles=_handles(present, groups), loc="outside upper right", ncols=len(present) + 1
    )
    return figure


def _handles(present: list[str], groups: list[str]) -> list[Line2D]:
    colours = group_colours(groups)
    points = [
        Line2D(
            [], [], linestyle="", marker=MARKERS[groups.index(g) % len(MARKERS)],
            color=colours[g], label=plain(g),
        )
        for g in present
    ]  # fmt: skip
    return [*points, Line2D([], [], color=DARK, linewidth=1, label="fitted line")]


def _draw_samples(ax: Axes, values: pd.DataFrame, groups: list[str], *, percent: bool) -> None:
    colours = group_colours(groups)
    for k, group in enumerate(groups):
        mine = values[values[GROUP] == group]
        y = _shown(mine["value"].to_numpy(dtype=float), percent=percent)
        ax.scatter(
            mine[TIME], y, s=16, color=colours[group], marker=MARKERS[k % len(MARKERS)],
            linewidths=0, alpha=0.85, zorder=3,
        )  # fmt: skip


def _draw_fit(ax: Axes, trend: pd.Series, *, percent: bool) -> None:
    if np.isnan(trend["value_first"]):
        return
    days = np.linspace(trend["first_day"], trend["last_day"], FIT_POINTS)
    line = np.linspace(trend["value_first"], trend["value_last"], FIT_POINTS)
    ax.plot(days, _shown(line, percent=percent), color=DARK, linewidth=1)


def _shown(values: np.ndarray, *, percent: bool) -> np.ndarray:
    return 100 / (1 + np.exp2(-values)) if percent else values


def plot_trends(
    trends: pd.DataFrame,
    *,
    names: Mapping[str, str],
    fdr: float,
    label: str,
    ax: Axes | None = None,
) -> Axes:
    """Change per day of every feature with its interval, one colour and marker a course.

    Parameters
    ----------
    trends
        ``course``, ``feature``, ``effect``, ``ci_low``, ``ci_high``, ``padj``; filled: below ``fdr``.
    names
        Feature -> name to show, in the order from the top.
    """
    courses = list(dict.fromkeys(trends["course"]))
    ax = own_axes(ax, PAGE_WIDTH_MM, 24 + (2.0 + 2.4 * len(courses)) * len(names))
    order = {name: row for row, name in enumerate(names)}
    for k, course in enumerate(courses):
        mine = trends[(trends["course"] == course) & trends["feature"].astype(str).isin(order)]
        y = mine["feature"].astype(str).map(order) + 0.7 * (k + 0.5) / len(courses) - 0.35
        colour = OKABE_ITO[k % len(OKABE_ITO)]
        ax.hlines(y, mine["ci_low"], mine["ci_high"], color=colour, linewidth=1)
        face = [colour if sure else "white" for sure in mine["padj"] < fdr]
        marker = MARKERS[k % len(MARKERS)]
        ax.scatter(mine["effect"], y, s=13, color=face, edgecolors=colour, marker=marker, zorder=3)
        ax.scatter([], [], s=13, color=colour, marker=marker, label=plain(course))
    ax.axvline(0, color=DARK, linewidth=0.6)
    ax.set_yticks(range(len(order)), [plain(names[name], longest=44) for name in order])
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xlabel(label)
    side_legend(ax, title="course", top=True)
    return ax


def plot_pseudotime_course(
    cells: pd.DataFrame,
    samples: pd.DataFrame,
    trends: pd.DataFrame,
    *,
    groups: list[str],
    ax: Axes | None = None,
) -> Axes:
    """Pseudotime of the cells of every sample against the day it was taken.

    Parameters
    ----------
    cells
        ``sample``, ``pseudotime``; cells it does not reach are left out.
    samples
        ``sample``, ``group``, ``time_days``.
    trends
        One course: ``feature`` (``pseudotime``), and the line's ends as in :func:`plot_course`.
    """
    ax = own_axes(ax, 130, 78)
    reached = cells[np.isfinite(cells["pseudotime"])].groupby(SAMPLE)["pseudotime"]
    quartiles = pd.DataFrame({q: reached.quantile(q) for q in (0.25, 0.5, 0.75)})
    sheet = samples.dropna(subset=[TIME])
    sheet = sheet[sheet[SAMPLE].isin(quartiles.index)]
    x = _spread(sheet[TIME].to_numpy(dtype=float))
    colours = group_colours(groups)
    for k, group in enumerate(groups):
        chosen = (sheet[GROUP] == group).to_numpy()
        low, middle, high = quartiles.loc[sheet.loc[chosen, SAMPLE]].to_numpy().T
        ax.vlines(x[chosen], low, high, color=colours[group], linewidth=1.4)
        ax.scatter(
            x[chosen], middle, s=22, color=colours[group], marker=MARKERS[k % len(MARKERS)],
            zorder=3, label=plain(group),
        )  # fmt: skip
    for trend in trends[trends["feature"] == "pseudotime"].iloc:
        _draw_fit(ax, trend, percent=False)
    ax.set_xlabel(DAYS)
    ax.set_ylabel("pseudotime (0 to 1)")
    ax.margins(0.06, 0.08)
    side_legend(ax, title="condition", top=True)
    return ax


def _spread(days: np.ndarray) -> np.ndarray:
    """Days, those of samples of one day moved apart a little, so that their bars can be told."""
    step = 0.012 * (np.ptp(days) or 1.0)
    place = days.copy()
    for day in np.unique(days):
        same = np.flatnonzero(days == day)
        place[same] += step * (np.arange(len(same)) - (len(same) - 1) / 2)
    return place
