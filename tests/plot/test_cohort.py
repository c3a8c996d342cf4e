"""The design of a cohort: one square a sample and measurement."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from plots import HOSTILE, faults, legend_names, tick_names

from helpers.plot.cohort import plot_design
from helpers.plot.style import GREY, OKABE_ITO, plain

SAMPLES = pd.DataFrame(
    {
        "sample": ["N1", "C1", "C2"],
        "group": ["NCR", "CK", "CK"],
        "RNA": [True, True, True],
        "chromatin": [False, True, False],
    }
)


def squares(ax) -> dict[tuple[float, float], tuple[str, str]]:
    """Place of each square to its fill and edge."""
    drawn = [c for c in ax.collections if len(c.get_offsets())]
    return {
        tuple(c.get_offsets()[0]): (
            to_hex(c.get_facecolor()[0]).upper(),
            to_hex(c.get_edgecolor()[0]).upper(),
        )
        for c in drawn
    }


def test_plot_design__fills_what_was_measured_in_the_colour_of_the_group():
    ax = plot_design(SAMPLES, measurements=["RNA", "chromatin"], groups=["CK", "NCR"])
    control, patient, white = OKABE_ITO[0], OKABE_ITO[1], "#FFFFFF"
    assert squares(ax) == {
        (0, 0): (control, control),
        (1, 0): (control, control),
        (2, 0): (patient, patient),
        (0, 1): (control, control),
        (1, 1): (white, GREY),
        (2, 1): (white, GREY),
    }
    assert tick_names(ax) == ["C1", "C2", "N1"]
    assert tick_names(ax, "y") == ["RNA", "chromatin"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("sample", "measured")


def test_plot_design__marks_what_is_missing_with_a_dash_too():
    ax = plot_design(SAMPLES, measurements=["RNA", "chromatin"], groups=["CK", "NCR"])
    assert [(t.get_position(), t.get_text()) for t in ax.texts] == [((1, 1), "–"), ((2, 1), "–")]


def test_plot_design__draws_a_line_between_groups():
    ax = plot_design(SAMPLES, measurements=["RNA"], groups=["CK", "NCR"])
    assert [line.get_xdata()[0] for line in ax.lines] == [1.5]
    assert legend_names(ax) == ["CK", "NCR"]
    one = plot_design(SAMPLES.assign(group="CK"), measurements=["RNA"], groups=["CK"])
    assert len(one.lines) == 0


@pytest.mark.parametrize(("n_samples", "n_groups"), [(1, 1), (9, 3), (60, 5), (120, 2)])
def test_plot_design__stays_legible(n_samples, n_groups):
    groups = [f"group {i}" for i in range(n_groups)]
    table = pd.DataFrame({"sample": [f"P_{i:03d}" for i in range(n_samples)], "RNA": True})
    table["group"] = [groups[i % n_groups] for i in range(n_samples)]
    ax = plot_design(
        table.assign(chromatin=False), measurements=["RNA", "chromatin"], groups=groups
    )
    assert faults(ax) == []
    width, _ = ax.figure.get_size_inches() * 25.4
    assert width <= 180 + 1e-9
    side = np.sqrt(ax.collections[0].get_sizes()[0]) / 72 * 25.4
    column = ax.get_window_extent().width / ax.figure.dpi * 25.4 / n_samples
    assert side < column  # squares do not run into each other


def test_plot_design__shows_what_users_type_as_text():
    table = pd.DataFrame({"sample": HOSTILE, "group": HOSTILE[:3] * 2, "RNA": True})
    ax = plot_design(table, measurements=["RNA"], groups=HOSTILE[:3])
    assert faults(ax) == []
    ordered = [HOSTILE[i] for i in (0, 3, 1, 4, 2, 5)]
    assert tick_names(ax) == [plain(name, longest=24) for name in ordered]
    assert legend_names(ax) == [plain(name, longest=24) for name in HOSTILE[:3]]
