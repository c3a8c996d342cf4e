"""The design of a cohort: who was sampled, what was measured."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.plot.style import (
    GREY,
    LETTER_MM,
    LONGEST_TURNED,
    PAGE_WIDTH_MM,
    PT_MM,
    fit_names,
    group_colours,
    name_columns,
    own_axes,
    plain,
    side_legend,
)
from helpers.schema import GROUP, SAMPLE

STEP_MM, MARGIN_MM = 8.0, 40.0  # width of a sample; of what stands beside them but group names


def plot_design(
    samples: pd.DataFrame, *, measurements: list[str], groups: list[str], ax: Axes | None = None
) -> Axes:
    """Samples against measurements: a filled square where there are data.

    Parameters
    ----------
    samples
        ``sample``, ``group`` and one true-or-false column a measurement.
    """
    labels = {group: plain(group, longest=LONGEST_TURNED) for group in groups}
    margin = MARGIN_MM + LETTER_MM * max(map(len, labels.values()))
    step = min(STEP_MM, (PAGE_WIDTH_MM - margin) / len(samples))
    width = step * len(samples)
    ordered = pd.concat([samples[samples[GROUP] == group] for group in groups])
    names = list(ordered[SAMPLE])
    below = fit_names(names, width_mm=width).height_mm
    ax = own_axes(ax, max(80, margin + width), 29 + below + 7 * len(measurements))
    colours = group_colours(groups)
    area = (0.7 * step / PT_MM) ** 2
    for row, name in enumerate(measurements):
        for column, (has, group) in enumerate(zip(ordered[name], ordered[GROUP], strict=True)):
            filled = colours[group] if has else "white"
            edge = colours[group] if has else GREY
            ax.scatter(
                column, row, s=area, marker="s", color=filled, edgecolors=edge, linewidths=0.8
            )
            if not has:
                ax.text(column, row, "–", ha="center", va="center", color="#666666")
    name_columns(ax, names, width_mm=width)
    ax.set_yticks(range(len(measurements)), measurements)
    ax.set_xlim(-0.7, len(ordered) - 0.3)
    ax.set_ylim(len(measurements) - 0.4, -0.6)
    ax.set_xlabel(SAMPLE)
    ax.set_ylabel("measured")
    ends = np.cumsum([int((ordered[GROUP] == group).sum()) for group in groups])
    for end in ends[:-1]:
        ax.axvline(end - 0.5, color=GREY, linewidth=0.6, linestyle=(0, (2, 2)))
    for group in groups:
        ax.scatter([], [], s=20, marker="s", color=colours[group], label=labels[group])
    side_legend(ax, title=GROUP)
    return ax
