"""Tracks: every line and feature where it belongs."""

import numpy as np
import pandas as pd
from plots import HOSTILE, draw, legend_names

from helpers.plot.tracks import plot_tracks

TYPES = ["Pro-B", HOSTILE[4]]
GROUPS = ["CR", HOSTILE[1]]


def some_coverage() -> pd.DataFrame:
    rows = [
        (kind, group, 1000 + 100 * i, float(i + 10 * k + 100 * g))
        for k, kind in enumerate(TYPES)
        for g, group in enumerate(GROUPS)
        for i in range(20)
    ]
    return pd.DataFrame(rows, columns=["cell_type", "group", "start", "coverage"])


FEATURES = pd.DataFrame(
    [
        ("chr5", 1200, 1700, ".", "", "peak"),
        ("chr5", 900, 1800, "+", "EBF1", "gene"),
        ("chr5", 1000, 1100, "+", "EBF1", "exon"),
        ("chr5", 1900, 2600, "-", "ITK", "gene"),
    ],
    columns=["chrom", "start", "end", "strand", "gene", "feature"],
)


def test_plot_tracks__draws_every_type_and_group_on_one_scale():
    figure = plot_tracks(some_coverage(), FEATURES, types=TYPES, groups=GROUPS)
    tracks = figure.axes[:2]
    assert {ax.get_ylim() for ax in tracks} == {(0.0, 129 * 1.05)}
    assert [line.get_ydata()[-1] for line in tracks[0].lines] == [19, 119]
    assert [line.get_ydata()[-1] for line in tracks[1].lines] == [29, 129]
    assert len(legend_names(tracks[0])) == 2
    assert "per 100 bp and million fragments in peaks" in figure._supylabel.get_text()
    draw(figure)


def test_plot_tracks__draws_peaks_genes_and_exons_at_their_places():
    figure = plot_tracks(some_coverage(), FEATURES, types=TYPES, groups=GROUPS)
    ax = figure.axes[2]
    spans = [tuple(line.get_xdata()) for line in ax.lines]
    assert spans == [(1200, 1700), (900, 1800), (1000, 1100), (1900, 2600)]
    assert [text.get_text() for text in ax.texts] == ["EBF1 →", "ITK ←"]
    assert ax.get_xlim() == (1000, 3000)
    lanes = {line.get_ydata()[0] for line in ax.lines[1:]}
    assert len(lanes) == 2  # ITK begins where the name of EBF1 still stands


def test_plot_tracks__of_a_place_without_genes_or_insertions():
    nothing = some_coverage().assign(coverage=0.0)
    figure = plot_tracks(nothing, FEATURES.iloc[:1], types=TYPES, groups=GROUPS)
    assert np.isfinite(figure.axes[0].get_ylim()).all()
    assert len(figure.axes[2].lines) == 1
    draw(figure)
