"""Figures of two drugs: what was drawn."""

import numpy as np
import pandas as pd

from helpers.plot.synergy import plot_surfaces, plot_synergy

SURFACES = pd.DataFrame(
    {
        "line": "L",
        "drug": "A",
        "unit": "uM",
        "drug_2": "B",
        "unit_2": "ug/ml",
        "dose": [1.0, 1.0, 2.0, 2.0],
        "dose_2": [0.1, 0.2, 0.1, 0.2],
        "viability": [0.9, 0.8, 0.5, 0.2],
        "Bliss": [0.0, -30.4, 10.0, 5.0],
        "HSA": 1.0,
        "Loewe": 2.0,
        "ZIP": -0.2,
    }
)
SYNERGY = pd.DataFrame(
    {
        "line": "L",
        "pair": "A + B",
        "method": ["Bliss", "HSA", "Loewe", "ZIP"],
        "effect": [1.0, 2.0, 3.0, 4.0],
        "ci_low": [0.5, 1.5, 2.5, np.nan],
        "ci_high": [1.5, 2.5, 3.5, np.nan],
    }
)


def test_plot_surfaces__shows_every_number_with_doses_rising():
    figure = plot_surfaces(SURFACES)
    left, bliss, _, _, zip_ = figure.axes[:5]
    assert [t.get_text() for t in left.texts] == ["90", "80", "50", "20"]
    assert [t.get_text() for t in bliss.texts] == ["0", "-30", "10", "5"]
    assert {t.get_text() for t in zip_.texts} == {"0"}  # and not -0
    assert left.get_ylabel() == "A (µM)"
    assert left.get_xlabel() == "B (µg/ml)"
    assert [t.get_text() for t in left.get_yticklabels()] == ["1", "2"]


def test_plot_surfaces__scale_is_the_same_for_all_methods_and_centred():
    figure = plot_surfaces(SURFACES)
    limits = {ax.images[0].get_clim() for ax in figure.axes[1:5]}
    assert limits == {(-30.4, 30.4)}
    small = plot_surfaces(SURFACES.assign(Bliss=1.0))
    assert small.axes[1].images[0].get_clim() == (-20.0, 20.0)


def test_plot_synergy__draws_each_method_with_its_interval():
    ax = plot_synergy(SYNERGY)
    assert [dots.get_offsets()[0, 0] for dots in ax.collections[::2]] == [1.0, 2.0, 3.0, 4.0]
    first = ax.collections[1].get_segments()[0][:, 0].tolist()
    assert first == [0.5, 1.5]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["L: A + B"]
