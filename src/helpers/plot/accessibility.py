"""Open chromatin: scores of transferred labels, clusters, components, peaks, agreement with RNA."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from helpers.plot.style import (
    DARK,
    GREY,
    OKABE_ITO,
    SMALL_PT,
    name_columns,
    own_axes,
    plain,
    side_legend,
    type_colours,
)
from helpers.schema import CELL_TYPE, CLUSTER, GROUP

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SMALLEST_SHARE = 0.002  # where shares of 0 are drawn on a logarithmic axis
ROW_MM = 5.0


def plot_scores(cells: pd.DataFrame, *, cut: float, ax: Axes | None = None) -> Axes:
    """Scores of the transferred labels, one row a type; left of the line nuclei are unassigned.

    Parameters
    ----------
    cells
        ``predicted`` and ``score``, one row a nucleus.
    """
    names = sorted(cells["predicted"].unique(), key=str.casefold)
    ax = own_axes(ax, 120, 24 + ROW_MM * 1.2 * len(names))
    colours = type_colours(names)
    for row, name in enumerate(names):
        values = cells.loc[cells["predicted"] == name, "score"].to_numpy()
        rng = np.random.default_rng(row)
        ax.scatter(
            values,
            row + rng.uniform(-0.3, 0.3, len(values)),
            s=2,
            color=colours[name],
            linewidths=0,
            rasterized=True,
        )
        ax.plot([np.median(values)] * 2, [row - 0.38, row + 0.38], color=DARK, linewidth=1.2)
    ax.axvline(cut, color=DARK, linewidth=0.7, linestyle=(0, (4, 2)))
    ax.set_yticks(range(len(names)), [plain(name, longest=30) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, 1.02)
    ax.set_xlabel("score of the transferred label")
    ax.set_ylabel("predicted cell type")
    return ax


def plot_labels_of_clusters(cells: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Share of every label among the nuclei of each unsupervised cluster.

    Parameters
    ----------
    cells
        ``cluster`` and ``cell_type``, one row a nucleus.
    """
    counts = pd.crosstab(cells[CELL_TYPE], cells[CLUSTER])
    order = sorted(counts.columns, key=lambda name: (len(str(name)), str(name)))
    counts = counts.loc[sorted(counts.index, key=str.casefold), order]
    share = counts / counts.sum(axis=0)
    width = 40 + 7.0 * len(order)
    ax = own_axes(ax, width + 25, 26 + ROW_MM * len(share))
    image = ax.imshow(share, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for row, column in zip(*np.nonzero(share.to_numpy() >= 0.05), strict=True):
        value = share.to_numpy()[row, column]
        colour = "white" if value < 0.6 else "black"
        ax.text(column, row, f"{value:.0%}"[:-1], ha="center", va="center", color=colour,
                fontsize=SMALL_PT)  # fmt: skip
    ax.set_yticks(range(len(share)), [plain(str(n), longest=30) for n in share.index])
    name_columns(ax, [str(n) for n in order], width_mm=7.0 * len(order))
    ax.set_xlabel("unsupervised cluster")
    ax.set_ylabel("transferred label")
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("share of the cluster's nuclei (numbers: %)")
    return ax


def plot_depth(depth: pd.DataFrame, *, cut: float, ax: Axes | None = None) -> Axes:
    """Correlation of every LSI component with depth; those beyond the lines are dropped.

    Parameters
    ----------
    depth
        ``component``, ``correlation``, ``dropped``.
    """
    ax = own_axes(ax, 120, 55)
    for dropped, label, colour, hatch in (
        (False, "kept", OKABE_ITO[0], ""),
        (True, "dropped", OKABE_ITO[1], "///"),
    ):
        part = depth[depth["dropped"] == dropped]
        ax.bar(
            part["component"],
            part["correlation"],
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.3,
            label=label,
        )
    for limit in (-cut, cut):
        ax.axhline(limit, color=DARK, linewidth=0.7, linestyle=(0, (4, 2)))
    ax.axhline(0, color=DARK, linewidth=0.6)
    ax.set_ylim(-1.05, 1.05)
    ax.set_xlabel("LSI component")
    ax.set_ylabel("correlation with depth")
    side_legend(ax)
    return ax


def plot_elements(elements: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Share of the peaks in each genomic element, with their numbers.

    Parameters
    ----------
    elements
        ``element``, ``n_peaks``, ``fraction``.
    """
    ax = own_axes(ax, 110, 22 + 7.0 * len(elements))
    places = range(len(elements))
    ax.barh(places, 100 * elements["fraction"], color=OKABE_ITO[0])
    for place, row in zip(places, elements.itertuples(), strict=True):
        ax.text(100 * row.fraction + 0.8, place, f"{row.n_peaks:,}", va="center", fontsize=SMALL_PT)
    ax.set_yticks(places, elements["element"])
    ax.set_ylim(len(elements) - 0.4, -0.6)
    ax.set_xlim(0, max(10.0, 115 * elements["fraction"].max()))
    ax.set_xlabel("share of peaks (%), number of peaks beside it")
    ax.set_ylabel("genomic element")
    return ax


def plot_agreement(paired: pd.DataFrame, *, groups: list[str], ax: Axes | None = None) -> Axes:
    """Share of every type by chromatin against the same by RNA, one sign a sample and type.

    Parameters
    ----------
    paired
        ``sample, group, cell_type, fraction_atac, fraction_rna``.
    groups
        In the order of the signs.
    """
    ax = own_axes(ax, 140, 95)
    names = sorted(paired[CELL_TYPE].unique(), key=str.casefold)
    colours = type_colours(names)
    shown = paired.assign(
        x=paired["fraction_rna"].clip(lower=SMALLEST_SHARE) * 100,
        y=paired["fraction_atac"].clip(lower=SMALLEST_SHARE) * 100,
    )
    for group, marker in zip(groups, MARKERS * len(groups), strict=False):
        for name in names:
            part = shown[(shown[GROUP] == group) & (shown[CELL_TYPE] == name)]
            ax.scatter(part["x"], part["y"], s=16, marker=marker, color=colours[name], linewidths=0)
    limits = 100 * SMALLEST_SHARE * 0.8, 130
    ax.plot(limits, limits, color=GREY, linewidth=0.8, zorder=0)
    ax.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    ticks = [0.2, 1, 5, 20, 100]
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    ax.set_xlabel("share of the sample's cells by RNA (%)")
    ax.set_ylabel("share of the sample's nuclei by chromatin (%)")
    _name_signs(ax, colours, groups)
    return ax


def _name_signs(ax: Axes, colours: dict[str, str], groups: list[str]) -> None:
    """Types by colour and groups by sign, in one legend."""
    handles = [
        ax.scatter([], [], s=16, marker=marker, color=DARK, label=plain(group, longest=24))
        for group, marker in zip(groups, MARKERS * len(groups), strict=False)
    ]
    handles += [
        ax.scatter([], [], s=16, color=colour, label=plain(name, longest=30))
        for name, colour in colours.items()
    ]
    side_legend(ax, handles=handles)
