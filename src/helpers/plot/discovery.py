"""A signature from its genes to the patients it was tried on."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from helpers.plot.labels import name_points
from helpers.plot.style import (
    DARK,
    GREY,
    OKABE_ITO,
    new_grid,
    own_axes,
    plain,
    side_legend,
)
from helpers.schema import CONTRAST, GENE

GROUP_STYLE = {"low risk": (OKABE_ITO[0], "-"), "high risk": (OKABE_ITO[5], "--")}
MOST_NAMED = 8  # genes in the volcano
MARKERS = "osD^vPX*"
RATIO = FuncFormatter(lambda value, _: f"{2.0**value:.2g}")


def plot_volcano(
    genes: pd.DataFrame, chosen: list[str], *, fdr: float, n_named: int, ax: Axes | None = None
) -> Axes:
    """Genes by difference and p-value; those called are filled, those of the signature ringed.

    Parameters
    ----------
    genes
        ``gene``, ``log2fc``, ``pvalue``, ``padj``, by p-value; ``contrast``, the same in all.
    chosen
        Genes of the signature.
    """
    ax = own_axes(ax, 95, 75)
    y = -np.log10(genes["pvalue"].to_numpy())
    called = (genes["padj"] < fdr).to_numpy()
    x = genes["log2fc"].to_numpy()
    ax.scatter(
        x[~called], y[~called], s=4, color=GREY, linewidths=0, label="other", rasterized=True
    )
    ax.scatter(x[called], y[called], s=9, color=OKABE_ITO[5], label=f"adjusted p < {fdr:g}")
    mine = genes[GENE].isin(chosen).to_numpy()
    ax.scatter(
        x[mine],
        y[mine],
        s=22,
        facecolors="none",
        edgecolors=DARK,
        linewidths=0.6,
        label="signature",
    )
    ax.axvline(0, color=DARK, linewidth=0.5, zorder=0)
    ax.set_xlabel(f"log2 fold change, {plain(genes[CONTRAST].iloc[0])}")
    ax.set_ylabel("–log10 p")
    side_legend(ax, top=True)
    ax.margins(x=0.12)  # room for names
    points = np.column_stack([x, y])
    named = np.flatnonzero(called)[: min(n_named, MOST_NAMED)]
    name_points(ax, points[named], list(genes[GENE].iloc[named]), others=points[called | mine])
    return ax


def plot_control(
    folds: pd.DataFrame, permutations: pd.DataFrame, *, c_index: float, ax: Axes | None = None
) -> Axes:
    """C-index of the outer folds and their mean, beside the same with shuffled fates.

    Parameters
    ----------
    folds, permutations
        ``c_index`` of each.
    c_index
        Of all folds together.
    """
    ax = own_axes(ax, 95, 60)
    rng = np.random.default_rng(0)  # only to keep points apart
    for x, table, marker, colour in (
        (0, folds, "o", OKABE_ITO[0]),
        (1, permutations, "s", OKABE_ITO[1]),
    ):
        spread = x + rng.uniform(-0.12, 0.12, len(table))
        ax.scatter(spread, table["c_index"], s=13, marker=marker, color=colour, linewidths=0)
    ax.hlines(c_index, -0.25, 0.25, color=OKABE_ITO[0])
    if len(permutations):
        ax.hlines(permutations["c_index"].mean(), 0.75, 1.25, color=OKABE_ITO[1])
    ax.axhline(0.5, color=DARK, linewidth=0.5, linestyle=(0, (2, 2)), zorder=0)
    ax.set_xticks([0, 1], ["outer folds", "fates shuffled"])
    ax.set_xlim(-0.6, 1.6)
    ax.set_ylabel("C-index in patients left out")
    return ax


def plot_weights(signature: pd.DataFrame, *, n_shown: int, ax: Axes | None = None) -> Axes:
    """Weights of the strongest genes; to the right: more of it, earlier events."""
    shown = signature.head(n_shown).iloc[::-1]
    ax = own_axes(ax, 85, 22 + 3.6 * len(shown))
    y = np.arange(len(shown))
    colours = [OKABE_ITO[5] if w > 0 else OKABE_ITO[0] for w in shown["weight"]]
    ax.barh(y, shown["weight"], color=colours, height=0.7)
    ax.axvline(0, color=DARK, linewidth=0.6)
    ax.set_yticks(y, [plain(gene) for gene in shown[GENE]])
    ax.set_xlabel("weight (log hazard ratio per SD)")
    return ax


def plot_survival(curves: pd.DataFrame, patients: pd.DataFrame, *, pvalue: float) -> Figure:
    """Kaplan-Meier curves of the risk groups with intervals, and how many are at risk.

    Parameters
    ----------
    curves
        ``group``, ``time``, ``survival``, ``ci_low``, ``ci_high``.
    patients
        ``group``, ``time_months``, ``event``.
    pvalue
        Log-rank test.
    """
    figure, (ax, below) = new_grid(130, 85, 2, 1)
    ax.get_gridspec().set_height_ratios([5, 1])
    end = float(patients["time_months"].max())
    for group, (colour, dash) in GROUP_STYLE.items():
        mine = curves[curves["group"] == group]
        if mine.empty:
            continue
        steps = {"where": "post", "color": colour}
        time = np.concatenate([[0.0], mine["time"]])
        n = int((patients["group"] == group).sum())
        survival = np.concatenate([[1.0], mine["survival"]])
        ax.step(time, survival, linestyle=dash, label=f"{group} ({n})", **steps)
        low, high = (np.concatenate([[1.0], mine[c].ffill()]) for c in ("ci_low", "ci_high"))
        ax.fill_between(time, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
        lost = patients[(patients["group"] == group) & (patients["event"] == 0)]["time_months"]
        at = survival[np.searchsorted(time, lost, side="right") - 1]
        ax.scatter(lost, at, marker="|", s=14, color=colour, linewidths=0.6)
    if np.isfinite(pvalue):
        tested = f"log-rank p = {pvalue:.2g}"
        ax.text(0.98, 0.95, tested, transform=ax.transAxes, ha="right", va="top")
    ax.set_ylim(0, 1.02)
    ax.set_xlim(0, end)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylabel("without event")
    ax.legend(title="group (patients)", loc="upper left", bbox_to_anchor=(1.01, 1.0))
    _count_at_risk(below, patients, ticks=ax.get_xticks(), end=end)
    return figure


def _count_at_risk(ax: Axes, patients: pd.DataFrame, *, ticks: np.ndarray, end: float) -> None:
    shown = [tick for tick in ticks if 0 <= tick <= end]
    for row, (group, (colour, _)) in enumerate(GROUP_STYLE.items()):
        time = patients.loc[patients["group"] == group, "time_months"]
        for tick in shown:
            ax.text(tick, row, f"{(time >= tick).sum()}", ha="center", va="center", color=colour)
    ax.set_yticks(range(len(GROUP_STYLE)), list(GROUP_STYLE))
    ax.set_ylim(len(GROUP_STYLE) - 0.4, -0.6)
    ax.set_xlim(0, end)
    ax.set_xticks(shown)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0)
    ax.tick_params(axis="y", pad=12)
    ax.set_xlabel("months (numbers: patients at risk)")


def plot_horizons(auc: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """AUC at each horizon with its interval, and how many events and patients tell it.

    Parameters
    ----------
    auc
        ``time``, ``auc``, ``ci_low``, ``ci_high``, ``n_cases``, ``n_controls``.
    """
    ax = own_axes(ax, 85, 60)
    ax.vlines(auc["time"], auc["ci_low"], auc["ci_high"], color=OKABE_ITO[0])
    ax.plot(auc["time"], auc["auc"], color=OKABE_ITO[0], marker="o", markersize=4)
    ax.axhline(0.5, color=DARK, linewidth=0.5, linestyle=(0, (2, 2)))
    ax.set_ylim(min(0.4, float(np.nanmin([0.4, *auc["ci_low"]])) - 0.02), 1.0)
    ticks = zip(auc["time"], auc["n_cases"], auc["n_controls"], strict=True)
    ax.set_xticks(auc["time"], [f"{time:g}\n{cases} / {later}" for time, cases, later in ticks])
    ax.set_xlabel("months; below: events by then / patients followed beyond")
    ax.set_ylabel("AUC: early against later events")
    return ax


def plot_calibration(calibration: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Predicted against seen survival of groups of like prediction, one sign a horizon.

    Parameters
    ----------
    calibration
        ``time``, ``predicted``, ``observed``, ``ci_low``, ``ci_high``.
    """
    ax = own_axes(ax, 100, 70)
    for i, (time, mine) in enumerate(calibration.groupby("time", sort=False)):
        colour = OKABE_ITO[i % len(OKABE_ITO)]
        ax.vlines(mine["predicted"], mine["ci_low"], mine["ci_high"], color=colour, linewidth=0.6)
        ax.scatter(
            mine["predicted"],
            mine["observed"],
            s=16,
            marker=MARKERS[i % len(MARKERS)],
            color=colour,
            label=f"{time:g} months",
        )
    ax.plot([0, 1], [0, 1], color=DARK, linewidth=0.5, linestyle=(0, (2, 2)), zorder=0)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.set_xlabel("predicted to be without event")
    ax.set_ylabel("seen without event (Kaplan–Meier)")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    return ax


def plot_hazards(hazards: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Hazard ratios of every model with their intervals.

    Parameters
    ----------
    hazards
        ``model``, ``term``, ``effect`` (log2), ``ci_low``, ``ci_high``; a row without effect is
        not drawn.
    """
    shown = hazards.dropna(subset="effect").reset_index(drop=True)
    ax = own_axes(ax, 150, 20 + 6 * len(shown))
    models = list(dict.fromkeys(shown["model"]))
    for i, model in enumerate(models):
        mine = shown[shown["model"] == model]
        colour, marker = OKABE_ITO[i % len(OKABE_ITO)], MARKERS[i % len(MARKERS)]
        ax.hlines(mine.index, mine["ci_low"], mine["ci_high"], color=colour)
        ax.scatter(mine["effect"], mine.index, s=16, color=colour, marker=marker, label=model)
    ax.axvline(0, color=DARK, linewidth=0.6, zorder=0)
    ax.set_yticks(shown.index, [plain(term, longest=48) for term in shown["term"]])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.xaxis.set_major_formatter(RATIO)
    ax.set_xlabel("hazard ratio")
    ax.legend(title="model", loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    return ax
