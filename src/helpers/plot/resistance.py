"""Resistant against parental cells: genes, scores of clusters, order of the cells."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plot.embedding import point_size
from helpers.plot.labels import name_points
from helpers.plot.style import (
    DARK,
    GREY,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    SEQUENTIAL,
    group_colours,
    hide_ticks,
    new_grid,
    own_axes,
    plain,
    side_legend,
)
from helpers.schema import CLUSTER, GENE, GROUP

SCORE_STYLES = dict(
    zip(("stemness", "quiescence", "potential"), zip(OKABE_ITO, "osD", strict=False), strict=True)
)
LEAST_P = 1e-300


def plot_volcano(
    genes: pd.DataFrame, *, fdr: float, min_log2fc: float, named: int, ax: Axes | None = None
) -> Axes:
    """Fold change against p-value of every gene, the strongest named on either side.

    Parameters
    ----------
    genes
        ``gene``, ``log2fc``, ``pvalue``, ``padj``.
    named
        Genes named on each side.
    """
    ax = own_axes(ax, 150, 95)
    strength = -np.log10(np.maximum(genes["pvalue"].to_numpy(dtype=float), LEAST_P))
    called = (genes["padj"] < fdr).to_numpy()
    sides = (
        ("not called", ~called | (genes["log2fc"].abs() < min_log2fc).to_numpy(), GREY),
        ("up", called & (genes["log2fc"] >= min_log2fc).to_numpy(), OKABE_ITO[5]),
        ("down", called & (genes["log2fc"] <= -min_log2fc).to_numpy(), OKABE_ITO[0]),
    )
    for label, chosen, colour in sides:
        ax.scatter(
            genes["log2fc"].to_numpy()[chosen], strength[chosen], s=5, color=colour, linewidths=0,
            rasterized=True, label=f"{label} ({chosen.sum():,})",
        )  # fmt: skip
    ax.axvline(0, color=DARK, linewidth=0.5)
    ax.margins(0.14, 0.08)  # room for names
    ax.set_xlabel("log2 fold change")
    ax.set_ylabel("p-value (−log10)")
    side_legend(ax, title="genes", top=True)
    shown = genes.assign(y=strength)[~sides[0][1]]
    best, where = _strongest(shown, named), ["log2fc", "y"]
    name_points(ax, best[where].to_numpy(), list(best[GENE]), others=shown[where].to_numpy())
    return ax


def _strongest(genes: pd.DataFrame, n: int) -> pd.DataFrame:
    """The genes of smallest p-value that go up, then those that go down."""
    ordered = genes.sort_values("y", ascending=False, kind="stable")
    return pd.concat(
        [ordered[ordered["log2fc"] > 0].head(n), ordered[ordered["log2fc"] < 0].head(n)]
    )


def plot_clusters(rated: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Three scores of every cluster with intervals; the stem-like one on a grey ground.

    Parameters
    ----------
    rated
        ``cluster``, ``score``, ``effect``, ``ci_low``, ``ci_high``, ``stem_like``.
    """
    order = list(dict.fromkeys(rated[CLUSTER]))
    ax = own_axes(ax, max(110, 40 + 9 * len(order)), 66)
    marked = rated["stem_like"].astype(str) == "True"
    for name in dict.fromkeys(rated.loc[marked, CLUSTER]):
        ax.axvspan(order.index(name) - 0.45, order.index(name) + 0.45, color="#EAEAEA", zorder=0)
    for k, (score, (colour, marker)) in enumerate(SCORE_STYLES.items()):
        mine = rated[rated["score"] == score]
        x = mine[CLUSTER].map({name: i for i, name in enumerate(order)}) + 0.25 * (k - 1)
        ax.vlines(x, mine["ci_low"], mine["ci_high"], color=colour, linewidth=1.1)
        ax.scatter(x, mine["effect"], s=16, color=colour, marker=marker, label=score, zorder=3)
    ax.axhline(0, color=DARK, linewidth=0.6)
    ax.set_xticks(range(len(order)), [plain(str(name)) for name in order])
    ax.set_xlim(-0.6, len(order) - 0.4)
    ax.set_xlabel("cluster (grey: stem-like)")
    ax.set_ylabel("difference to the other cells\nof the sample (deviations)")
    side_legend(ax, title="score", top=True)
    return ax


def plot_time(cells: pd.DataFrame, *, groups: list[str]) -> Figure:
    """Pseudotime on the map, and its distribution in every condition.

    Parameters
    ----------
    cells
        ``x``, ``y``, ``group``, ``pseudotime``; cells that were not reached are grey.
    """
    figure, (left, right) = new_grid(PAGE_WIDTH_MM, 72, 1, 2)
    reached = cells[np.isfinite(cells["pseudotime"])]
    size = point_size(len(cells))
    left.scatter(cells["x"], cells["y"], s=size, color=GREY, linewidths=0, rasterized=True)
    dots = left.scatter(
        reached["x"], reached["y"], s=size, c=reached["pseudotime"], cmap=SEQUENTIAL, linewidths=0,
        rasterized=True,
    )  # fmt: skip
    left.set_xlabel("UMAP 1 (arbitrary units)")
    left.set_ylabel("UMAP 2 (arbitrary units)")
    hide_ticks(left)
    figure.colorbar(dots, ax=left, shrink=0.7, label="pseudotime (0 to 1)")
    colours = group_colours(groups)
    for i, group in enumerate(groups):
        values = reached.loc[reached[GROUP] == group, "pseudotime"].to_numpy()
        if len(values) < 2:
            continue
        body = right.violinplot(values, positions=[i], widths=0.8, showextrema=False)["bodies"][0]
        body.set(facecolor=colours[group], alpha=0.7)
        right.hlines(np.median(values), i - 0.3, i + 0.3, color=DARK)
    right.set_xticks(range(len(groups)), [plain(group) for group in groups])
    right.set_xlabel("condition")
    right.set_ylabel("pseudotime (0 to 1)")
    return figure
