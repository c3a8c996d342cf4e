"""Volcano plots: what is drawn, and that names do not touch."""

import numpy as np
import pandas as pd
from plots import HOSTILE, draw, faults, legend_names

from helpers.plot.peaks import plot_volcano


def some_peaks(n: int = 200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    fold = rng.normal(0, 1.5, n)
    table = pd.DataFrame({"log2fc": fold, "padj": 10 ** (-(np.abs(fold) ** 3) - 0.01)})
    table["gene"] = [f"GENE{i}" for i in range(n)]
    by_cell = table.assign(unit="cell", pct_test=0.2, pct_reference=0.3)
    by_sample = table.assign(unit="sample", pct_test=np.nan, pct_reference=np.nan)
    return pd.concat([by_cell, by_sample])


def test_plot_volcano__counts_what_is_called():
    figure = plot_volcano(some_peaks(), fdr=0.05, min_log2fc=0.25, n_labels=5)
    table = some_peaks().query("unit == 'cell' and padj < 0.05 and abs(log2fc) >= 0.25")
    n_up = int((table["log2fc"] > 0).sum())
    assert legend_names(figure.axes[0]) == [f"up ({n_up})", f"down ({len(table) - n_up})"]
    assert [ax.get_title() for ax in figure.axes] == ["unit: nuclei", "unit: samples"]
    drawn = [len(points.get_offsets()) for points in figure.axes[0].collections]
    assert drawn == [200 - len(table), n_up, len(table) - n_up]


def test_plot_volcano__draws_a_peak_of_one_side_alone_where_the_others_end():
    peaks = pd.DataFrame(
        {
            "unit": "cell",
            "log2fc": [2.0, -1.0, 12.0, -11.0],
            "padj": [0.1, 0.1, 0.1, 0.001],
            "gene": ["A", "B", "C", "D"],
            "pct_test": [0.2, 0.1, 0.06, 0.0],
            "pct_reference": [0.1, 0.2, 0.0, 0.07],
        }
    )
    ax = plot_volcano(peaks, fdr=0.05, min_log2fc=0.25, n_labels=2).axes[0]
    assert ax.collections[0].get_offsets()[:, 0].tolist() == [2.0, -1.0]
    arrows = {points.get_offsets()[0][0] for points in ax.collections[3:]}
    assert arrows == {2.2, -2.2}
    assert ax.get_xlim()[1] < 3
    assert legend_names(ax) == ["up (0)", "down (1)"]


def test_plot_volcano__draws_a_pvalue_of_zero():
    peaks = pd.DataFrame({"unit": "cell", "log2fc": [2.0], "padj": [0.0], "gene": ["A"]})
    peaks = peaks.assign(pct_test=0.5, pct_reference=0.1)
    figure = plot_volcano(peaks, fdr=0.05, min_log2fc=0.25, n_labels=1)
    assert figure.axes[0].collections[1].get_offsets().tolist() == [[2.0, 300.0]]
    assert not figure.axes[1].get_visible()


def test_plot_volcano__writes_names_that_do_not_touch():
    peaks = some_peaks()
    names = [HOSTILE[i % len(HOSTILE)] for i in range(len(peaks))]
    figure = plot_volcano(peaks.assign(gene=names), fdr=0.05, min_log2fc=0.25, n_labels=8)
    draw(figure)
    assert faults(figure) == []
