"""Figures of motifs: logos by hand, enrichment, openness."""

import numpy as np
import pandas as pd
import pytest
from plots import HOSTILE, faults, tick_names

from helpers.plot.motifs import measure_bits, plot_enrichment, plot_logos, plot_openness


def test_measure_bits__by_hand():
    # a certain letter: 2 bits; two equally likely: 1 bit, half each; four: nothing
    bits = measure_bits(np.array([[8.0, 4, 2], [0, 4, 2], [0, 0, 2], [0, 0, 2]]))
    assert bits[:, 0].tolist() == [2, 0, 0, 0]
    assert bits[:, 1].tolist() == [0.5, 0.5, 0, 0]
    assert bits[:, 2].tolist() == [0, 0, 0, 0]


def test_plot_logos__stacks_letters_to_their_height():
    figure = plot_logos({"one": np.array([[8.0, 3], [0, 1], [0, 0], [0, 0]])})
    ax = figure.axes[0]
    letters = [patch.get_gid() for patch in ax.patches]
    assert letters == ["A", "C", "A"]  # the likelier one on top
    boxes = [patch.get_path().transformed(patch.get_patch_transform()) for patch in ax.patches]
    to_data = ax.transData.inverted()
    heights = [
        box.transformed(patch.get_transform() - patch.get_patch_transform()).get_extents()
        for box, patch in zip(boxes, ax.patches, strict=True)
    ]
    spans = [np.ptp(to_data.transform(box.get_points())[:, 1]) for box in heights]
    information = 2 - (-(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)))
    assert spans == pytest.approx([2, 0.25 * information, 0.75 * information])
    assert [ax.get_visible() for ax in figure.axes] == [True, False, False]


def some_motifs(n: int = 8) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "direction": ["up"] * n + ["down"] * 3,
            "label": [f"{HOSTILE[i % len(HOSTILE)]} {i}" for i in range(n + 3)],
            "fold": np.linspace(8, 1, n + 3),
            "padj": [0.0, *np.geomspace(1e-30, 1, n + 2)],
            "named": [True, *[False] * (n + 2)],
        }
    )


def test_plot_enrichment__fills_what_is_called_and_bolds_what_is_named():
    figure = plot_enrichment(some_motifs(), fdr=0.05)
    up, down = figure.axes
    points = up.collections[1]
    assert points.get_offsets()[0].tolist() == [300.0, 0.0]
    filled = [face[:3].min() < 1 for face in points.get_facecolors()]
    assert filled == (some_motifs()["padj"][:8] < 0.05).tolist()
    assert not points.get_clip_on()  # a marker at 0 is not cut by the axis
    assert [text.get_fontweight() for text in up.get_yticklabels()] == ["bold", *["normal"] * 7]
    assert [text.get_text() for text in down.texts] == ["×2.4", "×1.7", "×1.0"]
    assert faults(figure) == []


def test_plot_openness__is_centred_on_zero():
    levels = pd.DataFrame([[0.5, -0.2], [0.0, 0.1]], index=["B", HOSTILE[4]], columns=["x", "y"])
    figure = plot_openness(levels, label="log2", rows="type")
    image = figure.axes[0].images[0]
    assert image.get_clim() == (-0.5, 0.5)
    assert image.get_array().tolist() == [[0.5, -0.2], [0.0, 0.1]]
    assert tick_names(figure.axes[0]) == ["x", "y"]
    assert faults(figure) == []
