"""Claims and what became of them."""

from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.plot.style import DARK, LINE_MM, PAGE_WIDTH_MM, new_grid, plain

VERDICT_STYLE = {
    "holds": ("#0072B2", "o"),
    "underpowered": ("#E69F00", "s"),
    "contradicted": ("#D55E00", "X"),
    "not testable": ("#777777", "_"),
}
LABEL_LETTERS = 54  # letters of a sentence on a line: a little under half of the page's width
LONGEST_SENTENCE = 4 * LABEL_LETTERS


def plot_verdicts(claims: pd.DataFrame) -> Figure:
    """Effect and interval of every claim, turned so that the claimed side is on the right.

    Claims whose effects are given in one scale share axes, those of another have their own.

    Parameters
    ----------
    claims
        ``sentence``, ``direction``, ``effect``, ``scale``, ``ci_low``, ``ci_high``, ``verdict``,
        one row a claim that was tested.
    """
    parts = [part for _, part in claims.groupby("scale", sort=False)]
    labels = [[_label(sentence) for sentence in part["sentence"]] for part in parts]
    row_mm = 1.5 + LINE_MM * max(label.count("\n") + 1 for mine in labels for label in mine)
    heights = [16 + row_mm * len(part) for part in parts]
    figure, axes = new_grid(PAGE_WIDTH_MM, 16 + sum(heights), len(parts), 1)
    axes[0].get_gridspec().set_height_ratios(heights)
    for ax, part, mine in zip(axes, parts, labels, strict=True):
        _draw(ax, part)
        ax.set_yticks(range(len(part)), mine)
        ax.set_xlabel(f"effect in the claimed direction ({part['scale'].iloc[0]})")
    counts = claims["verdict"].value_counts()
    marks = [
        Line2D([], [], ls="", color=colour, marker=marker, label=f"{verdict} ({counts[verdict]})")
        for verdict, (colour, marker) in VERDICT_STYLE.items()
        if verdict in counts
    ]
    figure.legend(
        handles=marks, loc="outside upper right", ncols=len(marks), title="verdict (claims)"
    )
    return figure


def _label(sentence: str) -> str:
    return "\n".join(
        wrap(plain(sentence, longest=LONGEST_SENTENCE), LABEL_LETTERS, break_on_hyphens=False)
    )


def _draw(ax: Axes, claims: pd.DataFrame) -> None:
    sign = np.where(claims["direction"] == "up", 1.0, -1.0)
    effect, low, high = (
        claims[name].astype(float) * sign for name in ("effect", "ci_low", "ci_high")
    )
    y = np.arange(len(claims))
    for verdict, (colour, marker) in VERDICT_STYLE.items():
        mine = (claims["verdict"] == verdict).to_numpy()
        ax.hlines(y[mine], low[mine], high[mine], color=colour, linewidth=1.1)
        ax.scatter(effect[mine], y[mine], s=18, color=colour, marker=marker, zorder=3)
    ax.axvline(0, color=DARK, linewidth=0.6)
    ax.set_ylim(len(claims) - 0.4, -0.6)
    ax.set_ylabel("claim")
