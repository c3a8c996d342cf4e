"""Claims: effects turned to the claimed side, verdicts by colour and sign."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from plots import faults, legend_names, tick_names

from helpers.plot.claims import VERDICT_STYLE, plot_verdicts
from helpers.schema import VERDICTS

CLAIMS = pd.DataFrame(
    [
        ("a", "up", 1.0, 0.5, 1.5, "holds"),
        ("b", "down", -0.25, -1.0, 0.5, "underpowered"),
        ("c", "up", -1.0, -1.5, -0.5, "contradicted"),
        ("d", "down", np.nan, np.nan, np.nan, "not testable"),
    ],
    columns=["id", "direction", "effect", "ci_low", "ci_high", "verdict"],
)


def test_verdict_style__covers_every_verdict_with_its_own_colour_and_marker():
    assert set(VERDICT_STYLE) == set(VERDICTS)
    assert len({colour for colour, _ in VERDICT_STYLE.values()}) == len(VERDICTS)
    assert len({marker for _, marker in VERDICT_STYLE.values()}) == len(VERDICTS)


def test_plot_verdicts__turns_effects_to_the_claimed_side():
    ax = plot_verdicts(CLAIMS)
    drawn = {
        to_hex(points.get_facecolors()[0]).upper(): points.get_offsets().tolist()
        for points in ax.collections[1::2]
    }
    holds, underpowered, contradicted, untestable = (colour for colour, _ in VERDICT_STYLE.values())
    assert drawn == {
        holds: [[1, 0]],
        underpowered: [[0.25, 1]],  # -0.25, and the claim says down
        contradicted: [[-1, 2]],
        untestable: [[0, 3]],
    }
    lines = [line.get_segments() for line in ax.collections[::2]]
    assert lines[1][0][:, 0].tolist() == [1.0, -0.5]


def test_plot_verdicts__names_claims_from_the_top_and_counts_verdicts():
    ax = plot_verdicts(CLAIMS)
    assert tick_names(ax, "y") == ["a", "b", "c", "d"]
    assert ax.yaxis_inverted()
    assert legend_names(ax) == [
        "holds (1)",
        "underpowered (1)",
        "contradicted (1)",
        "not testable (1)",
    ]
    assert ax.get_xlabel() == "effect in the claimed direction (log2)"
    assert ax.get_ylabel() == "claim"
    assert [line.get_xdata()[0] for line in ax.lines] == [0]


@pytest.mark.parametrize("n_claims", [1, 8, 60])
def test_plot_verdicts__stays_legible(n_claims):
    claims = pd.concat([CLAIMS] * 15, ignore_index=True).head(n_claims)
    claims["id"] = [f"composition_of_a_claim_{i}" for i in range(n_claims)]
    assert faults(plot_verdicts(claims)) == []


def test_plot_verdicts__takes_claims_none_of_which_could_be_tested():
    ax = plot_verdicts(CLAIMS.tail(1))
    assert faults(ax) == []
    assert legend_names(ax)[0] == "holds (0)"


def test_plot_verdicts__leaves_untestable_claims_out_of_the_legend_where_none_is_drawn():
    ax = plot_verdicts(CLAIMS.head(2))
    assert legend_names(ax) == ["holds (1)", "underpowered (1)", "contradicted (0)"]
    assert faults(ax) == []
