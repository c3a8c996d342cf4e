"""Peaks that differ: volcano plots by nucleus and by sample."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plot.style import DARK, GREY, OKABE_ITO, PAGE_WIDTH_MM, new_grid, plain

UP, DOWN = OKABE_ITO[5], OKABE_ITO[0]
SIGNS = {"up": (UP, "^"), "down": (DOWN, "v")}
UNITS = {"cell": "nuclei", "sample": "samples"}
TALLEST = 300.0  # -log10 of the smallest p-value that is drawn where it is
LABEL_HEIGHT = 0.05  # of a name, as a share of the axis


def plot_volcano(peaks: pd.DataFrame, *, fdr: float, min_log2fc: float, n_labels: int) -> Figure:
    """Fold change against adjusted p-value of every peak, one pair of axes a unit.

    Parameters
    ----------
    peaks
        ``unit`` (cell or sample), ``log2fc``, ``padj``, ``gene`` (nearest), of one contrast.
    n_labels
        Peaks named by their nearest gene in either direction.
    """
    units = [unit for unit in UNITS if (peaks["unit"] == unit).any()]
    figure, axes = new_grid(PAGE_WIDTH_MM, 76, 1, 2)
    for ax, unit in zip(axes, units, strict=False):
        mine = peaks[peaks["unit"] == unit]
        tallness = np.minimum(-np.log10(np.maximum(mine["padj"], 10**-TALLEST)), TALLEST)
        _draw_volcano(ax, mine.assign(tallness=tallness), fdr, min_log2fc, n_labels)
        ax.set_title(f"unit: {UNITS[unit]}", pad=16)
    for ax in axes[len(units) :]:
        ax.set_visible(False)
    return figure


def _draw_volcano(
    ax: Axes, peaks: pd.DataFrame, fdr: float, min_log2fc: float, n_labels: int
) -> None:
    called = (peaks["padj"] < fdr) & (peaks["log2fc"].abs() >= min_log2fc)
    rest = peaks[~called]
    ax.scatter(rest["log2fc"], rest["tallness"], s=3, color=GREY, linewidths=0, rasterized=True)
    for name, (colour, marker) in SIGNS.items():
        part = peaks[called & ((peaks["log2fc"] > 0) == (name == "up"))]
        ax.scatter(
            part["log2fc"],
            part["tallness"],
            s=7,
            color=colour,
            marker=marker,
            linewidths=0,
            rasterized=True,
            label=f"{name} ({len(part):,})",
        )
    ax.axhline(-np.log10(fdr), color=DARK, linewidth=0.5, linestyle=":")
    ax.axvline(0, color=DARK, linewidth=0.5)
    ax.margins(0.14, 0.06)
    ax.set_xlabel("log2 fold change of accessibility")
    ax.set_ylabel("–log10 adjusted p")
    ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.1)
    for side in (1, -1):
        _name_peaks(ax, peaks[called & (side * peaks["log2fc"] > 0)].nlargest(n_labels, "tallness"))


def _name_peaks(ax: Axes, peaks: pd.DataFrame) -> None:
    """Write the nearest gene beside a peak where it does not touch a name written before."""
    high = max(np.ptp(ax.get_ylim()), 1e-9) * LABEL_HEIGHT
    taken: list[float] = []
    for row in peaks.itertuples():
        if not row.gene or any(abs(row.tallness - y) < high for y in taken):
            continue
        taken.append(row.tallness)
        side = 1 if row.log2fc > 0 else -1
        ax.annotate(
            plain(str(row.gene), longest=12),
            (row.log2fc, row.tallness),
            xytext=(3 * side, 0),
            textcoords="offset points",
            fontsize=5,
            fontstyle="italic",
            ha="left" if side > 0 else "right",
            va="center",
        )
