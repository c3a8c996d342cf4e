"""Figures of subclusters: what was drawn."""

import pandas as pd

from helpers.plot.subclusters import plot_stability


def test_plot_stability__marks_the_number_used():
    draws = pd.DataFrame({"subcluster": ["0", "0", "1", "1"], "ari": [1.0, 0.8, 0.9, 0.7]})
    numbers = pd.DataFrame(
        {
            "n_clusters": [2, 3],
            "eigengap": [0.4, 0.1],
            "stability": [0.9, 0.5],
            "used": [True, False],
        }
    )
    left, right = plot_stability(draws, numbers).axes
    assert [line.get_ydata()[0] for line in left.lines] == [0.9, 0.8]
    assert [bar.get_height() for bar in right.patches] == [0.4, 0.1]
    assert right.lines[-1].get_xdata()[0] == 2
