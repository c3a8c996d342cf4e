"""Claims and what became of them."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.plot.style import DARK, own_axes, plain, side_legend

VERDICT_STYLE = {
    "holds": ("#0072B2", "o"),
    "underpowered": ("#E69F00", "s"),
    "contradicted": ("#D55E00", "X"),
    "not testable": ("#777777", "_"),
}


def plot_verdicts(claims: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Effect and interval of every claim, turned so that the claimed side is on the right.

    Parameters
    ----------
    claims
        ``id``, ``direction``, ``effect``, ``ci_low``, ``ci_high``, ``verdict``; a claim without
        an effect is marked at zero.
    """
    ax = own_axes(ax, 150, 24 + 4.6 * len(claims))
    sign = np.where(claims["direction"] == "up", 1.0, -1.0)
    effect = claims["effect"].astype(float) * sign
    low, high = claims["ci_low"].astype(float) * sign, claims["ci_high"].astype(float) * sign
    y = np.arange(len(claims))
    for verdict, (colour, marker) in VERDICT_STYLE.items():
        mine = (claims["verdict"] == verdict).to_numpy()
        if verdict == "not testable" and not mine.any():
            continue  # they are not drawn where others are
        ax.hlines(y[mine], low[mine], high[mine], color=colour, linewidth=1.1)
        ax.scatter(
            effect[mine].fillna(0.0),
            y[mine],
            s=18,
            color=colour,
            marker=marker,
            label=f"{verdict} ({mine.sum()})",
            zorder=3,
        )
    ax.axvline(0, color=DARK, linewidth=0.6)
    ax.set_yticks(y, [plain(name) for name in claims["id"]])
    ax.set_ylim(len(claims) - 0.4, -0.6)
    ax.set_ylabel("claim")
    ax.set_xlabel("effect in the claimed direction (log2)")
    side_legend(ax, title="verdict (claims)")
    return ax
