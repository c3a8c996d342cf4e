"""Figures of a signature: what was drawn."""

import numpy as np
import pandas as pd
import pytest
from plots import HOSTILE, faults, tick_names

from helpers.plot.discovery import (
    plot_calibration,
    plot_control,
    plot_hazards,
    plot_horizons,
    plot_survival,
    plot_volcano,
    plot_weights,
)

GENES = pd.DataFrame(
    {"gene": ["a", "b", "c"], "log2fc": [2.0, -1.0, 0.1], "pvalue": [1e-4, 1e-3, 0.5],
     "padj": [3e-4, 0.2, 0.5], "contrast": "NCR vs CR"}
)  # fmt: skip
PATIENTS = pd.DataFrame(
    {
        "group": ["low risk", "low risk", "high risk", "high risk"],
        "time_months": [10.0, 20.0, 2.0, 5.0],
        "event": [1, 0, 1, 0],
    }
)
CURVES = pd.DataFrame(
    {
        "group": ["low risk", "low risk", "high risk", "high risk"],
        "time": [10.0, 20.0, 2.0, 5.0],
        "survival": [0.5, 0.5, 0.5, 0.5],
        "ci_low": [0.2, 0.2, 0.2, 0.2],
        "ci_high": [0.9, 0.9, 0.9, 0.9],
    }
)


def test_plot_volcano__fills_called_genes_and_rings_those_of_the_signature():
    ax = plot_volcano(GENES, ["b"], fdr=0.05, n_named=5)
    other, called, ringed = (dots.get_offsets() for dots in ax.collections)
    assert other[:, 0].tolist() == [-1.0, 0.1]
    np.testing.assert_allclose(called, [[2.0, 4.0]])
    np.testing.assert_allclose(ringed, [[-1.0, 3.0]])
    assert [text.get_text() for text in ax.texts] == ["a"]
    assert ax.get_xlabel() == "log2 fold change, NCR vs CR"


@pytest.mark.parametrize("seed", range(5))
def test_plot_volcano__names_of_crowded_genes_do_not_touch(seed):
    rng = np.random.default_rng(seed)
    n = 60
    log2fc = np.where(np.arange(n) < 8, rng.normal(1.5, 0.05, n), rng.normal(0, 0.5, n))
    pvalue = np.sort(
        10 ** -np.where(np.arange(n) < 8, rng.uniform(8, 8.3, n), rng.uniform(0, 3, n))
    )
    genes = pd.DataFrame(
        {"gene": [f"LONGGENE{i}" for i in range(n)], "log2fc": log2fc, "pvalue": pvalue,
         "padj": np.where(np.arange(n) < 12, 0.01, 0.5), "contrast": "resistant vs sensitive"}
    )  # fmt: skip
    ax = plot_volcano(genes, ["LONGGENE0"], fdr=0.05, n_named=25)
    assert [text.get_text() for text in ax.texts] == [f"LONGGENE{i}" for i in range(8)]
    ax.figure.suptitle("A", x=0.0, ha="left")  # as the page adds the panel's letter
    assert faults(ax) == []
    inner = ax.get_window_extent().padded(2)
    assert all(inner.contains(*c) for t in ax.texts for c in t.get_window_extent().corners())


def test_plot_volcano__names_are_shown_as_typed():
    genes = pd.DataFrame(
        {"gene": HOSTILE, "log2fc": np.linspace(-2, 2, len(HOSTILE)), "pvalue": 1e-4, "padj": 0.01,
         "contrast": "a vs b"}
    )  # fmt: skip
    assert faults(plot_volcano(genes, [], fdr=0.05, n_named=10)) == []


def test_plot_control__draws_folds_beside_shuffles():
    folds = pd.DataFrame({"c_index": [0.6, 0.7]})
    drawn = pd.DataFrame({"c_index": [0.5, 0.48, 0.52]})
    ax = plot_control(folds, drawn, c_index=0.65)
    points = [dots.get_offsets()[:, 1].tolist() for dots in ax.collections[:2]]
    assert points == [[0.6, 0.7], [0.5, 0.48, 0.52]]
    lines = [lines.get_segments()[0][0, 1] for lines in ax.collections[2:]]
    np.testing.assert_allclose(lines, [0.65, 0.5])
    assert len(plot_control(folds, drawn.iloc[:0], c_index=0.65).collections) == 3


def test_plot_weights__strongest_gene_is_on_top():
    table = pd.DataFrame({"gene": ["a", "b", "c"], "weight": [-0.9, 0.5, 0.1]})
    ax = plot_weights(table, n_shown=2)
    assert [bar.get_width() for bar in ax.patches] == [0.5, -0.9]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["b", "a"]


def test_plot_survival__starts_at_one_and_counts_those_at_risk():
    figure = plot_survival(CURVES, PATIENTS, pvalue=0.0123)
    ax, below = figure.axes
    low = next(line for line in ax.lines if line.get_label() == "low risk (2)")
    assert low.get_xdata().tolist() == [0.0, 10.0, 20.0]
    assert low.get_ydata().tolist() == [1.0, 0.5, 0.5]
    assert "log-rank p = 0.012" in [text.get_text() for text in ax.texts]
    ticks = [t for t in ax.get_xticks() if 0 <= t <= 20]
    at_risk = [t.get_text() for t in below.texts]
    assert at_risk[: len(ticks)] == [str(sum(x >= t for x in (10, 20))) for t in ticks]
    assert at_risk[len(ticks) :] == [str(sum(x >= t for x in (2, 5))) for t in ticks]


def test_plot_survival__one_group_is_enough():
    figure = plot_survival(CURVES.iloc[:2], PATIENTS.iloc[:2], pvalue=float("nan"))
    assert figure.axes[0].get_legend_handles_labels()[1] == ["low risk (2)"]
    assert len(figure.axes[0].texts) == 0


def test_plot_horizons__draws_each_horizon_with_its_interval():
    table = pd.DataFrame(
        {
            "time": [12.0, 24.0],
            "auc": [0.7, 0.6],
            "ci_low": [0.6, 0.3],
            "ci_high": [0.8, 0.9],
            "n_cases": [10, 20],
            "n_controls": [30, 15],
        }
    )
    ax = plot_horizons(table)
    assert ax.lines[0].get_ydata().tolist() == [0.7, 0.6]
    assert [s[:, 1].tolist() for s in ax.collections[0].get_segments()] == [[0.6, 0.8], [0.3, 0.9]]
    assert ax.get_ylim()[0] < 0.3
    assert tick_names(ax) == ["12\n10 / 30", "24\n20 / 15"]


def test_plot_calibration__draws_each_horizon_with_a_sign_of_its_own():
    table = pd.DataFrame(
        {"time": [12.0, 24.0], "predicted": [0.7, 0.4], "observed": [0.8, 0.5],
         "ci_low": [0.6, 0.3], "ci_high": [0.9, 0.7]}
    )  # fmt: skip
    ax = plot_calibration(table)
    assert [d.get_offsets()[0].tolist() for d in ax.collections[1::2]] == [[0.7, 0.8], [0.4, 0.5]]
    assert ax.get_legend_handles_labels()[1] == ["12 months", "24 months"]


def test_plot_hazards__draws_every_term_on_a_scale_of_ratios():
    table = pd.DataFrame(
        {"model": ["score", "both", "both"], "term": ["s", "s", "age"], "effect": [1.0, 0.8, 0.2],
         "ci_low": [0.5, 0.3, -0.1], "ci_high": [1.5, 1.3, 0.5]}
    )  # fmt: skip
    ax = plot_hazards(table)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["s", "s", "age"]
    assert ax.xaxis.get_major_formatter()(1.0, 0) == "2"
    drawn = np.concatenate([d.get_offsets() for d in ax.collections[1::2]])
    np.testing.assert_allclose(drawn, [[1.0, 0], [0.8, 1], [0.2, 2]])
