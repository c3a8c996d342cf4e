"""Figures of terms: what was drawn."""

import numpy as np
import pandas as pd

from helpers.plot.enrichment import (
    plot_matrix,
    plot_rankings,
    plot_term_dots,
    plot_terms,
    wrap_term,
)


def test_plot_terms__draws_a_dot_at_the_p_value_of_each_term():
    terms = pd.DataFrame(
        {"library": "L", "term": ["a", "b"], "overlap": [4, 2], "size": 10, "padj": [1e-4, 1e-2]}
    )
    ax = plot_terms(terms, colour="#D55E00")
    dots = ax.collections[1]
    np.testing.assert_allclose(np.asarray(dots.get_offsets()), [[4, 0], [2, 1]])
    assert dots.get_sizes()[0] == 2 * dots.get_sizes()[1]
    assert [text.get_text() for text in ax.texts] == ["4/10", "2/10"]


def test_plot_matrix__is_centred_on_zero_and_dots_what_is_called():
    index = pd.MultiIndex.from_tuples([("L", "a"), ("L", "b")])
    values = pd.DataFrame([[2.0, -1.0], [0.5, 0.0]], index, ["0", "1"])
    figure = plot_matrix(values, label="NES", called=values > 1, columns="subcluster")
    image = figure.axes[0].images[0]
    assert image.get_clim() == (-2.0, 2.0)
    assert np.asarray(figure.axes[0].collections[0].get_offsets()).tolist() == [[0, 0]]


def test_plot_rankings__leaves_bars_of_uncalled_terms_hollow():
    ranked = pd.DataFrame(
        {"part": "p", "library": "L", "term": ["a", "b"], "nes": [2.0, -1.0], "padj": [0.01, 0.5]}
    )
    bars = plot_rankings(ranked, by="part", parts=["p"], fdr=0.05).axes[0].patches
    assert [bar.get_width() for bar in bars] == [-1.0, 2.0]
    assert [tuple(bar.get_facecolor()[:3]) == (1.0, 1.0, 1.0) for bar in bars] == [True, False]


def test_plot_term_dots__puts_terms_in_rows_and_subclusters_in_columns():
    terms = pd.DataFrame(
        {
            "subcluster": ["1", "0"],
            "library": "L",
            "term": ["a", "b"],
            "overlap": [5, 2],
            "size": [10, 10],
            "padj": [1e-3, 1e-2],
        }
    )
    ax = plot_term_dots(terms, order=["0", "1"])
    assert np.asarray(ax.collections[0].get_offsets()).tolist() == [[1, 0], [0, 1]]


def test_wrap_term__keeps_the_library_in_one_piece():
    lines = wrap_term("GO BP", "hematopoietic stem cell homeostasis").split("\n")
    assert lines[-1] == "(GO\u00a0BP)"
