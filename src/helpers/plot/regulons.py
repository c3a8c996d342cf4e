"""Regulons: networks, specificity, activity by sample, differences between groups."""

import igraph
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.plot.style import (
    DARK,
    DIVERGING,
    GREY,
    LETTER_MM,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    SEQUENTIAL,
    fit_names,
    group_colours,
    hide_ticks,
    name_columns,
    new_figure,
    new_grid,
    own_axes,
    plain,
)
from helpers.schema import CELL_TYPE, GROUP, REGULON, SAMPLE, TARGET, TF

ROW_MM = 3.6
FLOOR = 0.001  # added to an AUC before its logarithm, as where groups are compared
MAX_LOG2 = 2.0  # activities farther from their mean are drawn in the strongest colour


def plot_network(links: pd.DataFrame, *, seed: int, ax: Axes | None = None) -> Axes:
    """Factors and their targets as a graph; width of a line: importance among the links shown.

    Parameters
    ----------
    links
        ``tf``, ``target``, ``importance``, ``pruned``; solid lines where a motif speaks for the
        link, broken ones where nothing but expression does.
    seed
        Start of the layout's random numbers.
    """
    ax = own_axes(ax, PAGE_WIDTH_MM, 150)
    factors = list(dict.fromkeys(links[TF]))
    nodes = [*factors, *(name for name in dict.fromkeys(links[TARGET]) if name not in factors)]
    place = dict(zip(nodes, _lay_out(links, nodes, seed), strict=True))
    widest = float(links["importance"].max())
    for link in links.itertuples():
        (x0, y0), (x1, y1) = place[link.tf], place[link.target]
        ax.plot(
            [x0, x1], [y0, y1], color=GREY, zorder=1, linestyle="-" if link.pruned else (0, (4, 2)),
            linewidth=0.4 + 1.6 * link.importance / widest,
        )  # fmt: skip
    for names, size, colour in (
        (factors, 150, OKABE_ITO[1]),
        (nodes[len(factors) :], 22, OKABE_ITO[4]),
    ):
        at = np.array([place[name] for name in names]).reshape(-1, 2)
        marker = "D" if names is factors else "o"
        ax.scatter(
            *at.T, s=size, color=colour, marker=marker, edgecolors=DARK, linewidths=0.4, zorder=2
        )
    for name in nodes:
        is_factor = name in factors
        ax.annotate(
            plain(name), place[name], xytext=(0, 8 if is_factor else 4.5), ha="center",
            textcoords="offset points", fontsize=7 if is_factor else 5, zorder=3,
            fontweight="bold" if is_factor else "normal",
        )  # fmt: skip
    ax.legend(handles=_keys(links), loc="upper left", bbox_to_anchor=(0.0, -0.01), ncols=4)
    hide_ticks(ax)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.margins(0.06)
    return ax


def _lay_out(links: pd.DataFrame, nodes: list[str], seed: int) -> np.ndarray:
    """Places of the nodes by Kamada and Kawai, from a start that depends on ``seed`` alone."""
    position = {name: i for i, name in enumerate(nodes)}
    edges = [(position[a], position[b]) for a, b in zip(links[TF], links[TARGET], strict=True)]
    start = np.random.default_rng(seed).normal(size=(len(nodes), 2)).tolist()
    graph = igraph.Graph(n=len(nodes), edges=edges)
    return np.array(graph.layout_kamada_kawai(seed=start).coords)


def _keys(links: pd.DataFrame) -> list[Line2D]:
    marks = [
        Line2D([], [], ls="", marker="D", ms=7, color=OKABE_ITO[1], mec=DARK, label="factor"),
        Line2D([], [], ls="", marker="o", ms=4, color=OKABE_ITO[4], mec=DARK, label="target"),
    ]
    if links["pruned"].any():
        marks.append(Line2D([], [], color=GREY, label="motif and expression"))
    if not links["pruned"].all():
        marks.append(Line2D([], [], color=GREY, ls=(0, (4, 2)), label="expression alone"))
    return marks


def plot_specificity(
    specificity: pd.DataFrame, regulons: list[str], *, row_name: str = "cell type"
) -> Figure:
    """Specificity score of regulons by label, as a heat map.

    Parameters
    ----------
    specificity
        ``regulon``, ``label``, ``rss``.
    regulons
        Those to draw, in the order of the columns.
    """
    wide = specificity.pivot_table(index="label", columns=REGULON, values="rss", sort=False)
    wide = wide[[name for name in regulons if name in wide]]
    inside = min(PAGE_WIDTH_MM - 70, max(80.0, 4.2 * wide.shape[1]))
    below = fit_names(list(wide.columns), width_mm=inside).height_mm
    beside = LETTER_MM * max(len(plain(name)) for name in wide.index)
    figure, ax = new_figure(inside + beside + 34, 22 + below + max(30.0, 5.0 * len(wide)))
    image = ax.imshow(wide, cmap=SEQUENTIAL, aspect="auto")
    name_columns(ax, list(wide.columns), width_mm=inside)
    ax.set_yticks(range(len(wide)), [plain(name) for name in wide.index])
    ax.set_xlabel("regulon")
    ax.set_ylabel(row_name)
    figure.colorbar(image, ax=ax, shrink=0.9, aspect=12, pad=0.02).set_label("specificity score")
    return figure


def plot_sample_activity(
    averages: pd.DataFrame, regulons: list[str], *, types: list[str], groups: list[str]
) -> Figure:
    """Activity of regulons in every sample, one pair of axes a type, samples in order of groups.

    Parameters
    ----------
    averages
        ``sample``, ``group``, ``cell_type``, ``regulon``, ``auc``, samples in the order to draw.
    """
    colours = group_colours(groups)
    group_of = averages.drop_duplicates(SAMPLE).set_index(SAMPLE)[GROUP]
    names = list(group_of.index.astype(str))
    columns, width = _grid(types)
    inside = (width - 45) / columns
    height = 36 + max(26.0, ROW_MM * len(regulons)) + fit_names(names, width_mm=inside).height_mm
    figure, axes = new_grid(width, height, 1, columns, share=True)
    image = None
    for ax, kind in zip(axes, types, strict=False):
        mine = averages[averages[CELL_TYPE] == kind]
        wide = mine.pivot_table(index=REGULON, columns=SAMPLE, values="auc", sort=False)
        logs = np.log2(wide.reindex(index=regulons, columns=group_of.index) + FLOOR)
        centred = logs.sub(logs.mean(axis=1), axis=0)
        image = ax.imshow(centred, cmap=DIVERGING, vmin=-MAX_LOG2, vmax=MAX_LOG2, aspect="auto")
        name_columns(ax, names, width_mm=inside)
        for place, tick in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True):
            tick.set_color(colours[str(group_of.iloc[int(place)])])
        ax.set_title(plain(kind))
        ax.set_xlabel("sample")
    axes[0].set_yticks(range(len(regulons)), [plain(name) for name in regulons])
    axes[0].set_ylabel("regulon")
    if image is not None:
        bar = figure.colorbar(image, ax=list(axes), shrink=0.6, aspect=18, pad=0.01)
        bar.set_label("log2 AUC less the regulon's mean")
    handles = [Line2D([], [], ls="", marker="s", color=colours[g], label=plain(g)) for g in groups]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(groups), title="group")
    return figure


def _grid(types: list[str]) -> tuple[int, float]:
    """How many axes for these types, and how wide (mm) a figure of them is."""
    return max(1, len(types)), PAGE_WIDTH_MM if len(types) > 1 else 0.6 * PAGE_WIDTH_MM


def plot_differences(changed: pd.DataFrame, *, contrast: str, fdr: float) -> Figure:
    """Differences in activity between groups with intervals, one pair of axes a type.

    Parameters
    ----------
    changed
        ``cell_type``, ``regulon``, ``effect``, ``ci_low``, ``ci_high``, ``padj``; rows with
        ``padj`` below ``fdr`` are drawn filled.
    """
    types = list(dict.fromkeys(changed[CELL_TYPE]))
    most = int(changed.groupby(CELL_TYPE).size().max())
    columns, width = _grid(types)
    figure, axes = new_grid(width, 28 + 4.4 * most, 1, columns)
    for ax, kind in zip(axes, types, strict=False):
        mine = changed[changed[CELL_TYPE] == kind]
        y = np.arange(len(mine))
        ax.hlines(y, mine["ci_low"], mine["ci_high"], color=OKABE_ITO[0], linewidth=1.1)
        called = (mine["padj"] < fdr).to_numpy()
        fill = [OKABE_ITO[0] if hit else "white" for hit in called]
        ax.scatter(mine["effect"], y, s=16, c=fill, edgecolors=OKABE_ITO[0], zorder=2)
        ax.axvline(0, color=DARK, linewidth=0.6)
        ax.set_yticks(y, [plain(name) for name in mine[REGULON]])
        ax.set_title(plain(kind))
        ax.set_xlabel(f"{plain(contrast)} (log2 mean AUC)")
    axes[0].set_ylabel("regulon")
    keys = [
        Line2D(
            [], [], ls="", marker="o", mec=OKABE_ITO[0], mfc=OKABE_ITO[0], label=f"padj < {fdr:g}"
        ),
        Line2D([], [], ls="", marker="o", mec=OKABE_ITO[0], mfc="white", label=f"padj ≥ {fdr:g}"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=2, handletextpad=0.1)
    return figure


def plot_support(support: pd.DataFrame, *, fdr: float, ax: Axes | None = None) -> Axes:
    """How much more often targets hold the factor's motif in linked peaks than other genes.

    Parameters
    ----------
    support
        ``tf``, ``log2_odds``, ``ci_low``, ``ci_high``, ``padj``; all rows are drawn, those with
        ``padj`` below ``fdr`` filled.
    """
    mine = support.sort_values("log2_odds", kind="stable")
    ax = own_axes(ax, 130, 34 + 4.0 * len(mine))
    y = np.arange(len(mine))
    ax.hlines(y, mine["ci_low"], mine["ci_high"], color=OKABE_ITO[0], linewidth=1.1)
    fill = [OKABE_ITO[0] if p < fdr else "white" for p in mine["padj"]]
    ax.scatter(mine["log2_odds"], y, s=16, c=fill, edgecolors=OKABE_ITO[0], zorder=2)
    ax.axvline(0, color=DARK, linewidth=0.6)
    ax.set_yticks(y, [plain(name) for name in mine[TF]])
    ax.set_ylabel("transcription factor")
    ax.set_xlabel("motif in a linked peak, targets against other genes (log2 odds ratio)")
    return ax
