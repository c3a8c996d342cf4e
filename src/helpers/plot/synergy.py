"""Two drugs together: surfaces of what was left and of what exceeds each expectation."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from helpers.plot.style import DARK, DIVERGING, OKABE_ITO, SEQUENTIAL, new_grid, own_axes, plain

METHOD_STYLE = {
    "Bliss": ("o", OKABE_ITO[0]),
    "HSA": ("D", OKABE_ITO[1]),
    "Loewe": ("s", OKABE_ITO[2]),
    "ZIP": ("^", OKABE_ITO[3]),
}
WIDTH_MM, ROW_MM = 180.0, 46.0
LEAST_SCALE = 20.0  # percentage points at either end of the colours, at least


def plot_surfaces(surfaces: pd.DataFrame) -> Figure:
    """One row a line and pair: viability, then the excess over each method at every pair of doses.

    Parameters
    ----------
    surfaces
        ``line``, ``drug``, ``unit``, ``drug_2``, ``unit_2``, ``dose``, ``dose_2``, ``viability``
        and one column a method in percentage points.
    """
    methods = [name for name in METHOD_STYLE if name in surfaces.columns]
    keys = ["line", "drug", "drug_2"]
    parts = list(surfaces.groupby(keys, sort=False))
    figure, axes = new_grid(WIDTH_MM, 12 + ROW_MM * len(parts), len(parts), 1 + len(methods))
    limit = max(LEAST_SCALE, float(np.nanmax(np.abs(surfaces[methods].to_numpy()))))
    excess = []
    for i, ((line, drug, drug_2), mine) in enumerate(parts):
        row = axes[i * (1 + len(methods)) : (i + 1) * (1 + len(methods))]
        _draw_surface(row[0], mine, "viability", SEQUENTIAL, 0.0, 1.0, scale=100)
        row[0].set_title(f"{plain(str(line), longest=18)}: viability (%)")
        units = [str(mine[name].iloc[0]).replace("u", "µ") for name in ("unit", "unit_2")]
        row[0].set_ylabel(f"{plain(str(drug), longest=18)} ({units[0]})")
        for ax, method in zip(row[1:], methods, strict=True):
            excess.append(_draw_surface(ax, mine, method, DIVERGING, -limit, limit))
            ax.set_title(method)
            ax.set_yticks([])
        for ax in row:
            ax.set_xlabel(f"{plain(str(drug_2), longest=18)} ({units[1]})")
    bar = figure.colorbar(excess[-1], ax=axes, location="right", shrink=0.6, aspect=25, pad=0.01)
    bar.set_label("more lost than expected (percentage points)")
    return figure


def _draw_surface(
    ax: Axes,
    mine: pd.DataFrame,
    column: str,
    colours: str,
    low: float,
    high: float,
    *,
    scale: float = 1.0,
) -> AxesImage:
    """A heat map with its numbers; doses rise to the right and upwards."""
    table = mine.pivot_table(index="dose", columns="dose_2", values=column)
    image = ax.imshow(table, origin="lower", aspect="auto", cmap=colours, vmin=low, vmax=high)
    for (i, j), value in np.ndenumerate(table.to_numpy()):
        shade = image.cmap(image.norm(value))
        dark = 0.3 * shade[0] + 0.59 * shade[1] + 0.11 * shade[2] < 0.55
        ax.text(
            j,
            i,
            f"{round(scale * value) + 0:d}",
            ha="center",
            va="center",
            fontsize=5,
            color="white" if dark else DARK,
        )
    ax.set_xticks(range(table.shape[1]), [f"{d:g}" for d in table.columns], rotation=90)
    ax.set_yticks(range(table.shape[0]), [f"{d:g}" for d in table.index])
    return image


def plot_synergy(synergy: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Mean excess of every line and pair over each method, with its interval.

    Parameters
    ----------
    synergy
        ``line``, ``pair``, ``method``, ``effect``, ``ci_low``, ``ci_high``.
    """
    keys = list(dict.fromkeys(zip(synergy["line"], synergy["pair"], strict=True)))
    ax = own_axes(ax, 130, 26 + 14 * len(keys))
    for k, (method, (marker, colour)) in enumerate(METHOD_STYLE.items()):
        mine = synergy[synergy["method"] == method]
        y = np.array([keys.index(key) for key in zip(mine["line"], mine["pair"], strict=True)])
        y = y + (k - 1.5) * 0.18
        ax.scatter(mine["effect"], y, marker=marker, color=colour, s=16, label=method)
        ax.hlines(y, mine["ci_low"], mine["ci_high"], color=colour)
    ax.axvline(0, color=DARK, linewidth=0.6, zorder=0)
    ax.set_yticks(range(len(keys)), [f"{plain(line)}: {plain(pair)}" for line, pair in keys])
    ax.set_ylim(len(keys) - 0.5, -0.5)
    ax.set_xlabel("mean excess (percentage points; right: synergy)")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    return ax
