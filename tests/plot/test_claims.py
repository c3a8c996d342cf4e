"""Claims: effects turned to the claimed side, verdicts by colour and sign, one pair of axes a scale."""

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from plots import HOSTILE, faults, tick_names

from helpers.plot.claims import LABEL_LETTERS, VERDICT_STYLE, plot_verdicts
from helpers.schema import VERDICTS

CLAIMS = pd.DataFrame(
    [
        ("A is more.", "up", 1.0, 0.5, 1.5, "log2 ratio", "holds"),
        ("B is less.", "down", -0.25, -1.0, 0.5, "log2 ratio", "underpowered"),
        ("C is more.", "up", -0.1, -0.15, -0.05, "fraction of cells", "contradicted"),
    ],
    columns=["sentence", "direction", "effect", "ci_low", "ci_high", "scale", "verdict"],
)


def legend_names(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_verdict_style__covers_every_verdict_with_its_own_colour_and_marker():
    assert set(VERDICT_STYLE) == set(VERDICTS)
    assert len({colour for colour, _ in VERDICT_STYLE.values()}) == len(VERDICTS)
    assert len({marker for _, marker in VERDICT_STYLE.values()}) == len(VERDICTS)


def test_plot_verdicts__turns_effects_to_the_claimed_side_in_axes_of_their_scale():
    logs, fractions = plot_verdicts(CLAIMS).axes
    holds, underpowered, contradicted, _ = (colour for colour, _ in VERDICT_STYLE.values())

    def drawn(ax):
        return {
            to_hex(points.get_facecolors()[0]).upper(): points.get_offsets().tolist()
            for points in ax.collections[1::2]
            if len(points.get_offsets())
        }

    assert drawn(logs) == {holds: [[1, 0]], underpowered: [[0.25, 1]]}  # -0.25, claimed: down
    assert drawn(fractions) == {contradicted: [[-0.1, 0]]}
    lines = [line.get_segments() for line in logs.collections[::2]]
    assert lines[1][0][:, 0].tolist() == [1.0, -0.5]


def test_plot_verdicts__names_claims_by_their_sentences_and_counts_verdicts():
    figure = plot_verdicts(CLAIMS)
    logs, fractions = figure.axes
    assert tick_names(logs, "y") == ["A is more.", "B is less."]
    assert tick_names(fractions, "y") == ["C is more."]
    assert logs.yaxis_inverted()
    assert logs.get_xlabel() == "effect in the claimed direction (log2 ratio)"
    assert fractions.get_xlabel() == "effect in the claimed direction (fraction of cells)"
    assert [ax.get_ylabel() for ax in figure.axes] == ["claim", "claim"]
    assert legend_names(figure) == ["holds (1)", "underpowered (1)", "contradicted (1)"]
    assert legend_names(plot_verdicts(CLAIMS.head(1))) == ["holds (1)"]


def test_plot_verdicts__breaks_long_sentences_between_words():
    sentence = "Pro-B cells of non-remission are more frequent than those of remission by far."
    (name,) = tick_names(plot_verdicts(CLAIMS.head(1).assign(sentence=sentence)).axes[0], "y")
    assert name.replace("\n", " ") == sentence
    assert max(map(len, name.split("\n"))) <= LABEL_LETTERS


@pytest.mark.parametrize("n_claims", [1, 8, 30])
def test_plot_verdicts__stays_legible(n_claims):
    claims = pd.concat([CLAIMS] * 10, ignore_index=True).head(n_claims)
    claims["sentence"] = [f"Claim {i} says much of something. " * 4 for i in range(n_claims)]
    assert faults(plot_verdicts(claims)) == []


def test_plot_verdicts__shows_sentences_as_text():
    claims = pd.concat([CLAIMS.head(1)] * len(HOSTILE)).assign(sentence=HOSTILE)
    assert faults(plot_verdicts(claims)) == []
