"""Stability of subclusters, and how many there are."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.plot.style import DARK, OKABE_ITO, PAGE_WIDTH_MM, new_grid, plain
from helpers.schema import SUBCLUSTER


def plot_stability(draws: pd.DataFrame, numbers: pd.DataFrame) -> Figure:
    """Agreement of every subcluster over draws of cells; eigengap and stability of each number.

    Parameters
    ----------
    draws
        ``subcluster``, ``ari``, one row a draw and subcluster.
    numbers
        ``n_clusters``, ``eigengap``, ``stability``, ``used``.
    """
    figure, (left, right) = new_grid(PAGE_WIDTH_MM, 62, 1, 2)
    names = sorted(draws[SUBCLUSTER].unique())
    for i, name in enumerate(names):
        values = draws.loc[draws[SUBCLUSTER] == name, "ari"].to_numpy()
        spread = np.linspace(-0.18, 0.18, len(values))
        left.scatter(i + spread, values, s=6, color=OKABE_ITO[0], linewidths=0)
        left.plot([i - 0.3, i + 0.3], [values.mean()] * 2, color=DARK, linewidth=1.1)
    left.set_xticks(range(len(names)), [plain(name) for name in names])
    left.set_ylim(min(0, draws["ari"].min()) - 0.02, 1.03)
    left.set_xlabel("subcluster")
    left.set_ylabel("adjusted Rand index of each draw")
    k = numbers["n_clusters"]
    right.plot(k, numbers["stability"], marker="o", ms=3.5, color=OKABE_ITO[0], label="stability")
    right.bar(k, numbers["eigengap"], width=0.5, color=OKABE_ITO[1], label="eigengap")
    used = int(numbers.loc[numbers["used"], "n_clusters"].iloc[0]) if numbers["used"].any() else 0
    if used:
        right.axvline(used, color=DARK, linestyle=(0, (4, 2)), linewidth=0.8, label=f"used: {used}")
    right.set_xticks(k)
    right.set_ylim(0, 1.03)
    right.set_xlabel("number of subclusters")
    right.set_ylabel("adjusted Rand index; eigengap")
    right.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure
