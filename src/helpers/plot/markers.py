"""Dot plot of marker genes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.plot.style import DARK, SEQUENTIAL, TEXT_PT, own_axes, plain, side_legend
from helpers.schema import CELL_TYPE, GENE

LARGEST_PT2 = 42.0  # area of the dot of a gene that every cell expresses


def plot_dots(
    summary: pd.DataFrame,
    *,
    genes: list[str],
    cell_types: list[str],
    row_name: str = "cell type",
    column_name: str = "marker gene",
    measure: str = "expression",
    unit: str = "cells",
    level: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Genes against types: area of a dot for expressing cells, colour for mean expression.

    Parameters
    ----------
    summary
        ``cell_type``, ``gene``, ``fraction``, ``scaled`` or ``mean``, one row a pair.
    genes, cell_types
        Order of columns and rows.
    row_name, column_name
        What the rows and columns are.
    measure, unit
        What was measured, and in what.
    level
        Unit of ``mean`` if that is to be the colour, on one scale for all genes; otherwise each
        gene has a scale of its own, of ``scaled``.
    """
    ax = own_axes(ax, max(120, 28 + 4.1 * len(genes)), max(70, 32 + 4.6 * len(cell_types)))
    x = summary[GENE].map({gene: i for i, gene in enumerate(genes)})
    y = summary[CELL_TYPE].map({kind: i for i, kind in enumerate(cell_types)})
    dots = ax.scatter(
        x,
        y,
        s=summary["fraction"] * LARGEST_PT2,
        c=summary["scaled" if level is None else "mean"],
        cmap=SEQUENTIAL,
        vmin=0,
        vmax=1 if level is None else float(summary["mean"].max()) or 1,
        edgecolors=DARK,
        linewidths=0.2,
    )
    ax.set_xticks(range(len(genes)), [plain(g) for g in genes], rotation=90, fontstyle="italic")
    ax.set_yticks(range(len(cell_types)), [plain(kind) for kind in cell_types])
    ax.set_xlim(-0.7, len(genes) - 0.3)
    ax.set_ylim(len(cell_types) - 0.4, -0.6)
    ax.set_xlabel(column_name)
    ax.set_ylabel(row_name)
    bar = ax.figure.colorbar(dots, cax=ax.inset_axes([1.02, 0.0, 0.02, 0.4]))
    bar.ax.set_title(f"mean {measure}\n({level or 'share of range'})", loc="left", fontsize=TEXT_PT)
    for share in (0.25, 0.5, 1.0):
        ax.scatter(
            [],
            [],
            s=share * LARGEST_PT2,
            color="white",
            edgecolors=DARK,
            lw=0.4,
            label=f"{share:.0%}",
        )
    side_legend(ax, title=f"{unit} with {measure}", top=True)
    ax.set_axisbelow(True)
    ax.grid(color="#EEEEEE", linewidth=0.4)
    return ax


def drawn_shares(ax: Axes) -> np.ndarray:
    """Share of expressing cells behind each dot drawn, from its area."""
    return np.asarray(ax.collections[0].get_sizes()) / LARGEST_PT2
