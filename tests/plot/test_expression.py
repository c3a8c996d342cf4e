"""Figures of expression: what was drawn."""

import pandas as pd

from helpers.plot.expression import plot_calls, plot_concordance


def test_plot_calls__stacks_the_counts():
    calls = pd.DataFrame(
        {
            "cell_type": ["T", "B"],
            "contrast": "x",
            "both": [3, 1],
            "cell_only": [5, 0],
            "sample_only": 0,
        }
    )
    ax = plot_calls(calls)
    assert [bar.get_width() for bar in ax.patches] == [3, 1, 5, 0, 0, 0]
    assert [bar.get_x() for bar in ax.patches[2:4]] == [3, 1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["T", "B"]


def test_plot_concordance__leaves_out_genes_without_a_test_by_sample():
    paired = pd.DataFrame(
        {
            "cell_type": "T",
            "gene": list("abc"),
            "log2fc": [1.0, 0.1, 2.0],
            "sample_log2fc": [1.5, 0.2, None],
            "called": ["both", "neither", "untested"],
        }
    )
    ax = plot_concordance(paired, cell_types=["T"]).axes[0]
    drawn = [tuple(p) for dots in ax.collections for p in dots.get_offsets().tolist()]
    assert sorted(drawn) == [(0.1, 0.2), (1.0, 1.5)]
    assert [text.get_text() for text in ax.texts] == ["a"]
