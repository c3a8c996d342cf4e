"""Differences in expression: the test by cell beside the test by sample."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plot.labels import name_points
from helpers.plot.style import DARK, GREY, OKABE_ITO, PAGE_WIDTH_MM, new_grid, own_axes, plain
from helpers.schema import CELL_TYPE, CONTRAST, GENE

CALLS = {
    "neither": (GREY, ".", "neither"),
    "cell only": (OKABE_ITO[1], "D", "test by cell only"),
    "sample only": (OKABE_ITO[4], "s", "test by sample only"),
    "both": (OKABE_ITO[0], "o", "both"),
}
LABELLED = 6  # genes named in each direction


def plot_concordance(paired: pd.DataFrame, *, cell_types: list[str]) -> Figure:
    """Fold change by sample against fold change by cell, coloured by which test calls the gene.

    Parameters
    ----------
    paired
        ``cell_type``, ``gene``, ``log2fc``, ``sample_log2fc``, ``called``, one contrast; genes
        that one test alone covers are not drawn.
    cell_types
        One pair of axes each.
    """
    n = max(1, len(cell_types))
    figure, axes = new_grid(PAGE_WIDTH_MM * n / max(2, n), 80, 1, n)
    for ax, kind in zip(axes, cell_types, strict=False):
        mine = paired[(paired[CELL_TYPE] == kind) & paired["sample_log2fc"].notna()]
        for name, (colour, marker, label) in CALLS.items():
            part = mine[mine["called"] == name]
            ax.scatter(
                part["log2fc"],
                part["sample_log2fc"],
                s=3 if name == "neither" else 8,
                color=colour,
                marker=marker,
                linewidths=0,
                rasterized=True,
                label=f"{label} ({len(part):,})",
            )
        ax.margins(0.16, 0.06)  # room for names
        ax.axhline(0, color=DARK, linewidth=0.5)
        ax.axvline(0, color=DARK, linewidth=0.5)
        ax.set_title(plain(kind), pad=30)
        ax.set_xlabel("log2 fold change, mean of cells")
        ax.set_ylabel("log2 fold change, sums by sample")
        ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.05, 1.0), markerscale=1.5)
    for ax in axes[len(cell_types) :]:
        ax.set_visible(False)
    called = paired[(paired["called"] != "neither") & paired["sample_log2fc"].notna()]
    for ax, kind in zip(axes, cell_types, strict=False):  # last, when the layout is known
        _name_genes(ax, called[called[CELL_TYPE] == kind])
    return figure


def _name_genes(ax: Axes, called: pd.DataFrame) -> None:
    """Write the names of the genes both tests call that differ most in both directions."""
    both = called[called["called"] == "both"]
    ordered = both.sort_values("sample_log2fc", kind="stable")
    named = pd.concat([ordered.tail(LABELLED)[::-1], ordered.head(LABELLED)]).drop_duplicates(GENE)
    where = ["log2fc", "sample_log2fc"]
    name_points(ax, named[where].to_numpy(), list(named[GENE]), others=called[where].to_numpy())


def plot_calls(calls: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """How many genes each test calls in every type.

    Parameters
    ----------
    calls
        ``cell_type``, ``contrast``, ``both``, ``cell_only``, ``sample_only``.
    """
    ax = own_axes(ax, 150, 26 + 5.5 * len(calls))
    several = len(set(calls[CONTRAST])) > 1
    left = np.zeros(len(calls))
    for name in ("both", "cell only", "sample only"):
        colour, _, label = CALLS[name]
        width = calls[name.replace(" ", "_")].to_numpy()
        ax.barh(
            range(len(calls)),
            width,
            left=left,
            color=colour,
            edgecolor="white",
            linewidth=0.3,
            hatch="////" if name == "cell only" else None,
            label=f"{label} ({width.sum():,})",
        )
        left = left + width
    names = [
        f"{plain(row.cell_type)}, {plain(row.contrast)}" if several else plain(row.cell_type)
        for row in calls.itertuples()
    ]
    ax.set_yticks(range(len(calls)), names)
    ax.set_ylim(len(calls) - 0.4, -0.6)
    ax.set_ylabel("cell type")
    ax.set_xlabel("genes called")
    ax.legend(title="called by (genes)", loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax
