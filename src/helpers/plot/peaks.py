"""Peaks that differ: volcano plots by nucleus and by sample."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plot.labels import name_points
from helpers.plot.style import DARK, GREY, OKABE_ITO, PAGE_WIDTH_MM, new_grid

UP, DOWN = OKABE_ITO[5], OKABE_ITO[0]
SIGNS = {"up": (UP, "^"), "down": (DOWN, "v")}
UNITS = {"cell": "nuclei", "sample": "samples"}
TALLEST = 300.0  # -log10 of the smallest p-value that is drawn where it is


def plot_volcano(peaks: pd.DataFrame, *, fdr: float, min_log2fc: float, n_labels: int) -> Figure:
    """Fold change against adjusted p-value of every peak, one pair of axes a unit.

    Parameters
    ----------
    peaks
        ``unit`` (cell or sample), ``log2fc``, ``padj``, ``gene`` (nearest), of one contrast;
        ``pct_test`` and ``pct_reference`` (missing by sample). Peaks that no nucleus of a side has
        open, whose fold hangs on a pseudocount, are drawn as arrows where all others end.
    n_labels
        Peaks named by their nearest gene in either direction, at most.
    """
    units = [unit for unit in UNITS if (peaks["unit"] == unit).any()]
    figure, axes = new_grid(PAGE_WIDTH_MM, 76, 1, 2)
    tallness = np.minimum(-np.log10(np.maximum(peaks["padj"], 10**-TALLEST)), TALLEST)
    placed = peaks.assign(tallness=tallness).reset_index(drop=True)
    of_unit = [_place_folds(placed[placed["unit"] == unit]) for unit in units]
    for ax, unit, mine in zip(axes, units, of_unit, strict=False):
        _draw_volcano(ax, mine, fdr=fdr, min_log2fc=min_log2fc)
        ax.set_title(f"unit: {UNITS[unit]}", pad=16)
    for ax in axes[len(units) :]:
        ax.set_visible(False)
    for ax, mine in zip(axes, of_unit, strict=False):  # last, when the layout is known
        _name_peaks(ax, mine, fdr=fdr, min_log2fc=min_log2fc, n=n_labels)
    return figure


def _place_folds(peaks: pd.DataFrame) -> pd.DataFrame:
    """``x``: the fold, moved to the edge of all others where a side has the peak never open."""
    size = peaks["log2fc"].abs()
    one_sided = peaks[["pct_test", "pct_reference"]].min(axis=1) == 0
    edge = float(size[~one_sided].max()) if (~one_sided).any() else np.inf
    beyond = one_sided & (size > edge)
    x = peaks["log2fc"].where(~beyond, np.sign(peaks["log2fc"]) * edge * 1.1)
    return peaks.assign(x=x, beyond=beyond)


def _draw_volcano(ax: Axes, peaks: pd.DataFrame, *, fdr: float, min_log2fc: float) -> None:
    called = _called(peaks, fdr, min_log2fc)
    rest = peaks.drop(index=called.index)
    within = rest[~rest["beyond"]]
    ax.scatter(within["x"], within["tallness"], s=3, color=GREY, linewidths=0, rasterized=True)
    for name, (colour, marker) in SIGNS.items():
        part = called[(called["log2fc"] > 0) == (name == "up")]
        within = part[~part["beyond"]]
        ax.scatter(
            within["x"],
            within["tallness"],
            s=7,
            color=colour,
            marker=marker,
            linewidths=0,
            rasterized=True,
            label=f"{name} ({len(part):,})",
        )
        _draw_arrows(ax, part, colour)
    _draw_arrows(ax, rest, GREY)
    ax.axhline(-np.log10(fdr), color=DARK, linewidth=0.5, linestyle=":")
    ax.axvline(0, color=DARK, linewidth=0.5)
    ax.margins(0.14, 0.06)
    ax.set_xlabel("log2 fold change of accessibility")
    ax.set_ylabel("–log10 adjusted p")
    ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.1)


def _draw_arrows(ax: Axes, peaks: pd.DataFrame, colour: str) -> None:
    """Peaks beyond the edge, as arrows that point out of it."""
    for marker, part in (("<", peaks[peaks["x"] < 0]), (">", peaks[peaks["x"] > 0])):
        ends = part[part["beyond"]]
        if len(ends):
            ax.scatter(ends["x"], ends["tallness"], s=12, color=colour, marker=marker, linewidths=0)


def _name_peaks(ax: Axes, peaks: pd.DataFrame, *, fdr: float, min_log2fc: float, n: int) -> None:
    """Write the nearest gene beside the strongest peaks of either side, every gene once."""
    called = _called(peaks, fdr, min_log2fc)
    strong = called[called["gene"] != ""].sort_values("tallness", ascending=False, kind="stable")
    sides = (strong[strong["log2fc"] > 0], strong[strong["log2fc"] < 0])
    named = pd.concat([side.drop_duplicates("gene").head(n) for side in sides])
    where = ["x", "tallness"]
    name_points(
        ax, named[where].to_numpy(), list(named["gene"]), others=called[where].to_numpy(),
        sparing=True,
    )  # fmt: skip


def _called(peaks: pd.DataFrame, fdr: float, min_log2fc: float) -> pd.DataFrame:
    return peaks[(peaks["padj"] < fdr) & (peaks["log2fc"].abs() >= min_log2fc)]
