"""Accessibility along the genome, with peaks and genes below."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from helpers.plot.style import (
    DARK,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    TEXT_PT,
    group_colours,
    new_grid,
    plain,
)
from helpers.schema import CELL_TYPE, GENE, GROUP

LANES = 3  # rows of genes whose names do not touch


def plot_tracks(
    coverage: pd.DataFrame, features: pd.DataFrame, *, types: list[str], groups: list[str]
) -> Figure:
    """Coverage of every type, one line a group; below them peaks, genes and exons.

    Parameters
    ----------
    coverage
        ``cell_type``, ``group``, ``start``, ``coverage``.
    features
        ``chrom``, ``start``, ``end``, ``strand``, ``gene``, ``feature`` (peak, gene or exon).
    types
        Types to show, from the top.
    groups
        Groups in the order of their colours.
    """
    n = len(types)
    figure, axes = new_grid(PAGE_WIDTH_MM, 13.0 * n + 40, n + 1, 1, share=False)
    colours = group_colours(groups)
    start, end = float(coverage["start"].min()), float(coverage["start"].max())
    step = float(np.diff(np.sort(coverage["start"].unique())).min()) if end > start else 1.0
    top = float(coverage["coverage"].max()) or 1.0
    for ax, kind in zip(axes, types, strict=False):
        mine = coverage[coverage[CELL_TYPE] == kind]
        for group in groups:
            line = mine[mine[GROUP] == group].sort_values("start")
            ax.step(line["start"], line["coverage"], where="post", color=colours[group],
                    linewidth=0.8, label=plain(group))  # fmt: skip
        ax.set_ylim(0, top * 1.05)
        ax.set_xlim(start, end + step)
        ax.set_xticks([])
        ax.set_ylabel(plain(kind, longest=24), rotation=0, ha="right", va="center")
    figure.supylabel("insertions per 100 bp and million fragments in peaks", fontsize=TEXT_PT)
    axes[0].legend(ncols=len(groups), loc="lower right", bbox_to_anchor=(1.0, 1.0))
    _draw_features(axes[n], features, start, end + step)
    return figure


def _draw_features(ax: Axes, features: pd.DataFrame, start: float, end: float) -> None:
    peaks = features[features["feature"] == "peak"]
    for row in peaks.itertuples():
        ax.plot([row.start, row.end], [LANES, LANES], color=OKABE_ITO[1], linewidth=4,
                solid_capstyle="butt")  # fmt: skip
    genes = features[features["feature"] == "gene"].sort_values("start")
    for lane, row in zip(_stack(genes, (end - start) * 0.08), genes.itertuples(), strict=True):
        ax.plot([row.start, row.end], [lane, lane], color=DARK, linewidth=0.8)
        exons = features[(features["feature"] == "exon") & (features[GENE] == row.gene)]
        for exon in exons.itertuples():
            ax.plot([exon.start, exon.end], [lane, lane], color=DARK, linewidth=4,
                    solid_capstyle="butt")  # fmt: skip
        arrow = "→" if row.strand == "+" else "←"
        middle = (max(row.start, start) + min(row.end, end)) / 2
        ax.annotate(f"{plain(str(row.gene))} {arrow}", (middle, lane), xytext=(0, -4),
                    textcoords="offset points", fontsize=5.5, fontstyle="italic", ha="center",
                    va="top", annotation_clip=False)  # fmt: skip
    ax.set_xlim(start, end)
    ax.set_ylim(-0.9, LANES + 0.6)
    ax.set_yticks([LANES, (LANES - 1) / 2], ["peaks", "genes"])
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda place, _: f"{place:,.0f}"))
    chrom = str(features["chrom"].iloc[0]) if len(features) else "place"
    ax.set_xlabel(f"{plain(chrom)} (bp)")


def _stack(genes: pd.DataFrame, margin: float) -> list[int]:
    """Row of every gene, so that neighbours' names do not touch."""
    ends = np.full(LANES, -np.inf)
    lanes = []
    for row in genes.itertuples():
        free = np.flatnonzero(ends < row.start)
        lane = int(free[-1]) if len(free) else int(ends.argmin())
        lanes.append(lane)
        ends[lane] = row.end + margin
    return lanes
