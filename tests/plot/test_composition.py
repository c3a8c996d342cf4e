"""Proportions: bars, points and intervals are where the table says."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from plots import HOSTILE, draw, faults, legend_names, tick_names

from helpers.plot.composition import plot_effects, plot_samples, plot_stacked
from helpers.plot.style import HATCHES, OKABE_ITO, TYPE_COLOURS, plain

PROPORTIONS = pd.DataFrame(
    [
        ("N1", "NCR", "B", 0.25),
        ("N1", "NCR", "T", 0.75),
        ("C1", "CK", "B", 0.1),
        ("C1", "CK", "T", 0.9),
        ("C2", "CK", "B", 0.3),
        ("C2", "CK", "T", 0.7),
    ],
    columns=["sample", "group", "cell_type", "fraction"],
)


def make_proportions(samples: list[str], groups: list[str], types: list[str]) -> pd.DataFrame:
    """Random proportions; samples are dealt to groups in turn."""
    rng = np.random.default_rng(0)
    rows = [
        (sample, groups[i % len(groups)], kind, share)
        for i, sample in enumerate(samples)
        for kind, share in zip(types, rng.dirichlet(np.ones(len(types))), strict=True)
    ]
    return pd.DataFrame(rows, columns=PROPORTIONS.columns)


def bars(ax) -> dict[str, list[tuple[float, float, float]]]:
    """Legend label to (centre, bottom, height) of its bars."""
    return {
        part.get_label(): [
            (round(b.get_x() + b.get_width() / 2, 6), round(b.get_y(), 6), round(b.get_height(), 6))
            for b in part
        ]
        for part in ax.containers
    }


def test_plot_stacked__stacks_means_of_groups_and_every_sample():
    figure = plot_stacked(PROPORTIONS, groups=["CK", "NCR"])
    means, samples = figure.axes
    # CK: means of 0.1, 0.3 and of 0.9, 0.7
    assert bars(means) == {"B": [(0, 0, 0.2), (1, 0, 0.25)], "T": [(0, 0.2, 0.8), (1, 0.25, 0.75)]}
    assert bars(samples) == {
        "B": [(0, 0, 0.1), (1, 0, 0.3), (2, 0, 0.25)],
        "T": [(0, 0.1, 0.9), (1, 0.3, 0.7), (2, 0.25, 0.75)],
    }
    assert tick_names(means) == ["CK", "NCR"]
    assert tick_names(samples) == ["C1", "C2", "N1"]
    assert (means.get_ylabel(), means.get_xlabel()) == ("share of cells", "group (mean of samples)")
    assert samples.get_xlabel() == "sample"
    assert samples.get_legend().get_title().get_text() == "cell type"
    assert means.get_ylim() == samples.get_ylim() == (0, 1)


def test_plot_stacked__lists_types_in_the_order_they_are_stacked():
    figure = plot_stacked(PROPORTIONS, groups=["CK", "NCR"])
    assert legend_names(figure.axes[1]) == ["T", "B"]  # the last type lies on top
    colours = [to_hex(part[0].get_facecolor()).upper() for part in figure.axes[1].containers]
    assert colours == list(TYPE_COLOURS[:2])


def test_plot_stacked__leaves_out_a_group_without_samples():
    figure = plot_stacked(PROPORTIONS, groups=["CK", "CR", "NCR"])
    assert tick_names(figure.axes[0]) == ["CK", "NCR"]


def test_plot_stacked__shows_a_sample_without_cells_as_empty_column():
    empty = PROPORTIONS.assign(
        fraction=PROPORTIONS["fraction"].where(PROPORTIONS["sample"] != "C2")
    )
    figure = plot_stacked(empty, groups=["CK", "NCR"])
    assert tick_names(figure.axes[1]) == ["C1", "C2", "N1"]
    assert [height for _, _, height in bars(figure.axes[1])["B"]] == [0.1, 0, 0.25]
    assert [height for _, _, height in bars(figure.axes[0])["B"]] == [0.1, 0.25]


def test_plot_stacked__hatches_types_whose_colour_comes_again():
    types = [f"type {i}" for i in range(40)]
    figure = plot_stacked(make_proportions(["a", "b"], ["g"], types), groups=["g"])
    patterns = [part[0].get_hatch() or "" for part in figure.axes[1].containers]
    assert patterns == [HATCHES[0]] * 20 + [HATCHES[1]] * 20


@pytest.mark.parametrize(
    ("n_samples", "n_groups", "n_types"),
    [(1, 1, 2), (4, 2, 10), (9, 3, 11), (25, 5, 40), (60, 5, 40)],
)
def test_plot_stacked__stays_legible(n_samples, n_groups, n_types):
    samples = [f"patient_{i}" for i in range(n_samples)]
    groups, types = [f"g{i}" for i in range(n_groups)], [f"Cell type {i}" for i in range(n_types)]
    figure = plot_stacked(make_proportions(samples, groups, types), groups=groups)
    assert faults(figure) == []
    assert len(tick_names(figure.axes[1])) == n_samples
    assert min(label.get_fontsize() for label in figure.axes[1].get_xticklabels()) >= 5


def test_plot_stacked__shows_what_users_type_as_text():
    figure = plot_stacked(make_proportions(HOSTILE, HOSTILE[:3], HOSTILE), groups=HOSTILE[:3])
    assert faults(figure) == []
    assert tick_names(figure.axes[0]) == [plain(name, longest=24) for name in HOSTILE[:3]]
    assert legend_names(figure.axes[1])[-3] == plain(HOSTILE[2], longest=30)
    assert "$x_1$" in plain(HOSTILE[2], longest=30)


def test_plot_samples__puts_every_sample_at_its_share_and_group():
    figure = plot_samples(PROPORTIONS, groups=["CK", "NCR"])
    (ax,) = figure.axes
    points = [np.round(c.get_offsets(), 6).tolist() for c in ax.collections[::2]]
    # types 0 and 1; groups a fifth of a column left and right of the middle
    assert points == [
        [[-0.2, 10], [0.8, 90], [-0.2, 30], [0.8, 70]],
        [[0.2, 25], [1.2, 75]],
    ]
    means = [[line[0][1] for line in c.get_segments()] for c in ax.collections[1::2]]
    np.testing.assert_allclose(means, [[20, 80], [25, 75]])
    assert legend_names(ax) == ["CK (2)", "NCR (1)"]
    assert tick_names(ax) == ["B", "T"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cell type", "cells of the sample (%)")


def test_plot_samples__tells_groups_by_marker_as_well_as_colour():
    groups = [f"g{i}" for i in range(5)]
    (ax,) = plot_samples(make_proportions(list("abcde"), groups, ["B", "T"]), groups=groups).axes
    points = ax.collections[::2]
    shapes = {tuple(map(tuple, np.round(p.get_paths()[0].vertices, 3))) for p in points}
    colours = [to_hex(p.get_facecolors()[0]).upper() for p in points]
    assert len(shapes) == 5
    assert colours == list(OKABE_ITO[:5])


def test_plot_samples__leaves_out_what_was_not_measured():
    table = PROPORTIONS.assign(
        fraction=PROPORTIONS["fraction"].where(PROPORTIONS["sample"] != "C2")
    )
    (ax,) = plot_samples(table, groups=["CK", "CR", "NCR"]).axes
    assert [len(c.get_offsets()) for c in ax.collections[::2]] == [2, 0, 2]
    assert legend_names(ax) == ["CK (1)", "CR (0)", "NCR (1)"]


@pytest.mark.parametrize(
    ("n_groups", "n_types", "n_lines"), [(1, 2, 1), (3, 11, 1), (2, 40, 2), (5, 40, 4)]
)
def test_plot_samples__stays_legible(n_groups, n_types, n_lines):
    groups, types = [f"g{i}" for i in range(n_groups)], [f"Cell type {i}" for i in range(n_types)]
    table = make_proportions([f"s{i}" for i in range(60)], groups, types)
    figure = plot_samples(table, groups=groups)
    assert faults(figure) == []
    assert len(figure.axes) == n_lines
    assert [name for ax in figure.axes for name in tick_names(ax)] == types
    assert (
        sum(len(c.get_offsets()) for ax in figure.axes for c in ax.collections[::2]) == 60 * n_types
    )


EFFECTS = pd.DataFrame(
    [
        ("NCR vs CR", "B", "sample", 1.0, 0.5, 1.5, 0.01),
        ("NCR vs CR", "T", "sample", -2.0, -3.0, -1.0, 0.2),
        ("NCR vs CR", "B", "cell", 1.1, 0.9, 1.3, 0.001),
        ("NCR vs CR", "T", "cell", -1.9, -2.1, -1.7, 0.001),
    ],
    columns=["contrast", "cell_type", "unit", "effect", "ci_low", "ci_high", "padj"],
)


def test_plot_effects__draws_effects_intervals_and_calls():
    (ax,) = plot_effects(EFFECTS, fdr=0.05).axes
    lines, points, cell_lines, cell_points = ax.collections
    assert tick_names(ax, "y") == ["T", "B"]  # from the lowest effect up
    assert np.round(points.get_offsets(), 6).tolist() == [[-2, 0.16], [1, 1.16]]
    assert np.round(cell_points.get_offsets(), 6).tolist() == [[-1.9, -0.16], [1.1, 0.84]]
    assert [s[:, 0].tolist() for s in lines.get_segments()] == [[-3, -1], [0.5, 1.5]]
    assert [s[:, 0].tolist() for s in cell_lines.get_segments()] == [[-2.1, -1.7], [0.9, 1.3]]
    filled = [to_hex(c).upper() for c in points.get_facecolors()]
    assert filled == ["#FFFFFF", OKABE_ITO[0]]  # T is not called by sample
    assert [to_hex(c).upper() for c in cell_points.get_facecolors()] == [OKABE_ITO[1]] * 2
    assert ax.get_xlabel() == "difference in proportion, NCR vs CR (log2 odds ratio)"


def test_plot_effects__names_both_units_and_the_threshold():
    (ax,) = plot_effects(EFFECTS, fdr=0.1).axes
    assert legend_names(ax) == [
        "by sample, moderated t-test",
        "by cell, rank-sum test",
        "hollow: padj ≥ 0.1",
    ]


def test_plot_stacked__and_effects_name_nuclei_and_subclusters():
    options = {"row_name": "subcluster", "counted": "nuclei"}
    means, samples = plot_stacked(PROPORTIONS, groups=["CK", "NCR"], **options).axes
    assert means.get_ylabel() == "share of nuclei"
    assert samples.get_legend().get_title().get_text() == "subcluster"
    (ax,) = plot_effects(EFFECTS, fdr=0.1, unit="nucleus").axes
    assert legend_names(ax)[1] == "by nucleus, rank-sum test"


def test_plot_effects__counts_a_missing_p_value_as_not_called():
    table = EFFECTS.assign(padj=np.nan)
    (ax,) = plot_effects(table, fdr=0.05).axes
    assert {to_hex(c) for c in ax.collections[1].get_facecolors()} == {"#ffffff"}


def test_plot_effects__shows_a_type_that_only_cells_could_test():
    table = EFFECTS.copy()
    numbers = ["effect", "ci_low", "ci_high", "padj"]
    table.loc[table["unit"] == "sample", numbers] = np.nan
    (ax,) = plot_effects(table, fdr=0.05).axes
    draw(ax)
    assert tick_names(ax, "y") == ["T", "B"]
    assert np.isnan(np.asarray(ax.collections[1].get_offsets(), dtype=float)).sum() in (0, 2)
    assert np.round(ax.collections[3].get_offsets()[:, 0], 6).tolist() == [-1.9, 1.1]


@pytest.mark.parametrize(("n_contrasts", "n_types"), [(1, 2), (1, 11), (4, 40)])
def test_plot_effects__stays_legible(n_contrasts, n_types):
    rng = np.random.default_rng(0)
    rows = [
        (f"g{c} vs g0", f"Cell type {i}", unit, effect, effect - 1, effect + 1, 0.04)
        for c in range(n_contrasts)
        for unit in ("sample", "cell")
        for i, effect in enumerate(rng.normal(0, 2, n_types))
    ]
    figure = plot_effects(pd.DataFrame(rows, columns=EFFECTS.columns), fdr=0.05)
    assert len(figure.axes) == n_contrasts
    assert faults(figure) == []


def test_plot_effects__shows_what_users_type_as_text():
    table = EFFECTS.replace({"NCR vs CR": f"{HOSTILE[2]} vs {HOSTILE[0]}", "B": HOSTILE[3]})
    (ax,) = plot_effects(table, fdr=0.05).axes
    assert faults(ax.figure) == []
    assert tick_names(ax, "y")[1] == plain(HOSTILE[3])
    assert "$x_1$" in ax.get_xlabel()
