"""Quality of cells: what is drawn is what was measured and judged."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from plots import HOSTILE, faults, legend_names, tick_names

from helpers.compute import nuclei
from helpers.compute.quality import KEPT, REASONS
from helpers.plot.quality import (
    VERDICT_COLOURS,
    VERDICT_NAMES,
    plot_doublets,
    plot_measures,
    plot_scatter,
    plot_verdicts,
)
from helpers.plot.style import DARK, GREY, OKABE_ITO, plain

LIMITS = {"n_umis": (500.0, 25_000.0), "n_genes": (200.0, 5_000.0), "pct_mito": (None, 10.0)}


def make_barcodes(samples: list[str], groups: list[str], *, n: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    total = n * len(samples)
    umis = rng.lognormal(8.3, 0.5, total)
    table = pd.DataFrame(
        {
            "sample": np.repeat(samples, n),
            "group": np.repeat([groups[i % len(groups)] for i in range(len(samples))], n),
            "n_umis": umis.astype(int),
            "n_genes": (umis**0.85).astype(int),
            "pct_mito": rng.gamma(3, 1.5, total),
            "verdict": rng.choice([KEPT, *REASONS], total),
            "scrublet_score": rng.beta(1, 8, total),
            "doubletfinder_score": rng.beta(2, 8, total),
        }
    )
    for method in ("scrublet", "doubletfinder"):
        table[method] = table[f"{method}_score"] > 0.25
    return table


@pytest.mark.parametrize("reasons", [REASONS, nuclei.REASONS], ids=["cells", "nuclei"])
def test_verdict_colours__cover_every_verdict_each_its_own(reasons):
    verdicts = [KEPT, *reasons]
    assert set(verdicts) <= set(VERDICT_COLOURS)
    assert set(VERDICT_COLOURS) == set(VERDICT_NAMES) == {KEPT, *REASONS, *nuclei.REASONS}
    colours = {VERDICT_COLOURS[verdict] for verdict in verdicts}
    assert colours <= set(OKABE_ITO)
    assert len(colours) == len(verdicts)


# Measures


def test_plot_measures__draws_thresholds_and_medians():
    table = make_barcodes(["C1", "N1"], ["CK", "NCR"])
    figure = plot_measures(table, limits=LIMITS, groups=["CK", "NCR"])
    for ax, measure in zip(figure.axes, LIMITS, strict=True):
        dashed = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"]
        assert dashed == [limit for limit in LIMITS[measure] if limit is not None]
        white = [line for line in ax.lines if line.get_color() == "white"]
        medians = table.groupby("sample")[measure].median()
        assert [line.get_ydata()[0] for line in white] == medians.tolist()
        assert [np.mean(line.get_xdata()) for line in white] == [0, 1]
        assert tick_names(ax) == ["C1", "N1"]
        assert ax.get_yscale() == "log"
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "UMIs per cell",
        "genes per cell",
        "mitochondrial UMIs (%)",
    ]
    assert legend_names(figure.axes[2]) == ["CK", "NCR"]
    assert [ax.get_title() for ax in figure.axes] == [
        "thresholds: 500 and 25,000",
        "thresholds: 200 and 5,000",
        "threshold: 10",
    ]


def test_plot_measures__violins_end_where_the_values_end():
    table = make_barcodes(["C1", "N1"], ["CK", "NCR"])
    figure = plot_measures(table, limits=LIMITS, groups=["CK", "NCR"])
    for ax, measure in zip(figure.axes, LIMITS, strict=True):
        drawn = [violin.get_paths()[0].vertices[:, 1] for violin in ax.collections[:2]]
        values = table.groupby("sample")[measure].agg(["min", "max"]).to_numpy()
        np.testing.assert_allclose([[y.min(), y.max()] for y in drawn], values)


def test_plot_measures__violins_are_widest_where_most_cells_are():
    table = make_barcodes(["C1"], ["CK"], n=3000)
    table["pct_mito"] = np.r_[np.full(2000, 3.0), np.full(600, 8.0), np.full(400, 40.0)]
    ax = plot_measures(table, limits=LIMITS, groups=["CK"]).axes[2]
    outline = ax.collections[0].get_paths()[0].vertices
    assert outline[outline[:, 0].argmax(), 1] == pytest.approx(3.0, rel=0.1)
    assert outline[:, 0].max() == pytest.approx(0.42)
    near_40 = np.abs(np.log10(outline[:, 1] / 40)) < 0.05
    assert outline[near_40, 0].max() == pytest.approx(0.42 * 400 / 2000, rel=0.15)


def test_plot_measures__violins_have_the_colour_of_the_group():
    table = make_barcodes(["C1", "N1"], ["CK", "NCR"])
    for ax in plot_measures(table, limits=LIMITS, groups=["CK", "NCR"]).axes:
        colours = [to_hex(c.get_facecolor()[0]).upper() for c in ax.collections[:2]]
        assert colours == list(OKABE_ITO[:2])


def test_plot_measures__draws_cells_without_a_mitochondrial_umi_at_the_foot():
    table = make_barcodes(["C1"], ["CK"]).assign(pct_mito=0.0)
    figure = plot_measures(table, limits=LIMITS, groups=["CK"])
    (white,) = [line for line in figure.axes[2].lines if line.get_color() == "white"]
    assert white.get_ydata().tolist() == [0.1, 0.1]
    assert faults(figure) == []


def test_plot_measures__says_where_nothing_was_measured():
    table = make_barcodes(["C1"], ["CK"]).assign(pct_mito=np.nan)
    figure = plot_measures(table, limits=LIMITS, groups=["CK"])
    assert [text.get_text() for text in figure.axes[2].texts] == ["not measured:\nno MT- genes"]
    assert len(figure.axes[2].lines) == 0
    assert figure.axes[2].get_ylabel() == "mitochondrial UMIs (%)"
    assert faults(figure) == []


def test_plot_measures__leaves_a_gap_for_a_sample_without_values():
    table = make_barcodes(["C1", "C2", "N1"], ["CK"])
    table["pct_mito"] = table["pct_mito"].where(table["sample"] != "C2")
    ax = plot_measures(table, limits=LIMITS, groups=["CK"]).axes[2]
    white = [line for line in ax.lines if line.get_color() == "white"]
    assert [np.mean(line.get_xdata()) for line in white] == [0, 2]
    assert tick_names(ax) == ["C1", "C2", "N1"]


@pytest.mark.parametrize(("n_samples", "n_groups"), [(1, 1), (4, 2), (9, 3), (15, 5), (60, 5)])
def test_plot_measures__stays_legible(n_samples, n_groups):
    groups = [f"g{i}" for i in range(n_groups)]
    table = make_barcodes([f"P_{i:02d}" for i in range(n_samples)], groups, n=20)
    figure = plot_measures(table, limits=LIMITS, groups=groups)
    assert faults(figure) == []
    assert len(tick_names(figure.axes[0])) == n_samples
    assert min(label.get_fontsize() for label in figure.axes[0].get_xticklabels()) >= 5


def test_plot_measures__shows_what_users_type_as_text():
    table = make_barcodes(HOSTILE, HOSTILE[:3], n=20)
    figure = plot_measures(table, limits=LIMITS, groups=HOSTILE[:3])
    assert faults(figure) == []
    assert tick_names(figure.axes[0]) == [plain(name, longest=24) for name in HOSTILE]
    assert legend_names(figure.axes[2]) == [plain(name, longest=24) for name in HOSTILE[:3]]


# Verdicts


def test_plot_verdicts__stacks_the_barcodes_of_every_sample():
    table = pd.DataFrame(
        {
            "sample": ["N1"] * 3 + ["C1"] * 4,
            "verdict": ["kept", "kept", "doublet", "kept", "few_umis", "few_umis", "doublet"],
        }
    )
    ax = plot_verdicts(table)
    drawn = {part.get_label(): [(b.get_x(), b.get_width()) for b in part] for part in ax.containers}
    assert drawn == {
        "kept": [(0, 2), (0, 1)],
        "too few UMIs": [(2, 0), (1, 2)],
        "doublet": [(2, 1), (3, 1)],
    }
    assert tick_names(ax, "y") == ["N1", "C1"]  # in the order given, from the top
    assert ax.yaxis_inverted()
    assert legend_names(ax) == ["kept", "too few UMIs", "doublet"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("barcodes called by Cell Ranger", "sample")


@pytest.mark.parametrize("n_samples", [1, 9, 60])
def test_plot_verdicts__stays_legible(n_samples):
    ax = plot_verdicts(make_barcodes([f"P_{i:02d}" for i in range(n_samples)], ["a"]))
    assert faults(ax) == []
    assert len(tick_names(ax, "y")) == n_samples


def test_plot_verdicts__shows_what_users_type_as_text():
    ax = plot_verdicts(make_barcodes(HOSTILE, ["a"]))
    assert faults(ax) == []
    assert tick_names(ax, "y") == [plain(name) for name in HOSTILE]


# Genes against UMIs


def test_plot_scatter__draws_every_barcode_in_the_colour_of_its_verdict():
    table = make_barcodes(["C1"], ["CK"])
    ax = plot_scatter(table)
    clouds = ax.collections[::2]
    assert len(clouds) == table["verdict"].nunique()
    for cloud, verdict in zip(clouds, [KEPT, *REASONS], strict=True):
        mine = table.loc[table["verdict"] == verdict, ["n_umis", "n_genes"]]
        assert np.asarray(cloud.get_offsets()).tolist() == mine.to_numpy().tolist()
        assert to_hex(cloud.get_facecolors()[0]).upper() == VERDICT_COLOURS[verdict]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("UMIs per barcode", "genes per barcode")
    assert faults(ax) == []


def test_plot_scatter__lists_only_verdicts_there_are_with_their_numbers():
    table = make_barcodes(["C1"], ["CK"], n=1200).assign(verdict="kept")
    table.loc[:9, "verdict"] = "doublet"
    assert legend_names(plot_scatter(table)) == ["kept (1,190)", "doublet (10)"]


# Doublets


def test_plot_doublets__counts_singlets_and_doublets_of_both_methods():
    table = make_barcodes(["C1", "N1"], ["CK"], n=600)
    figure = plot_doublets(table, cut=0.25)
    for ax, method in zip(figure.axes[:2], ("scrublet", "doubletfinder"), strict=True):
        singlets, doublets = (sum(b.get_height() for b in part) for part in ax.containers)
        n_called = table[method].sum()
        assert (singlets, doublets) == (1200 - n_called, n_called)
        below, above = ax.containers
        assert [b.get_y() for b in above] == [b.get_height() for b in below]
        assert legend_names(ax) == [
            f"singlet ({1200 - n_called:,})",
            f"doublet ({n_called:,})",
            "cut 0.25",
        ]
        (line,) = ax.lines
        assert line.get_xdata()[0] == 0.25
        assert ax.get_ylabel() == "cells"
    assert [ax.get_xlabel() for ax in figure.axes] == [
        "Scrublet score",
        "DoubletFinder score (pANN)",
        "Scrublet score",
    ]
    assert faults(figure) == []


def test_plot_doublets__shows_how_far_the_methods_agree():
    table = make_barcodes(["C1"], ["CK"], n=400)
    ax = plot_doublets(table, cut=0.25).axes[2]
    n_called = table["scrublet"].astype(int) + table["doubletfinder"]
    names = ["neither", "one method", "both"]
    assert legend_names(ax) == [f"{name} ({(n_called == i).sum()})" for i, name in enumerate(names)]
    for i, (cloud, colour) in enumerate(
        zip(ax.collections[::2], [GREY, OKABE_ITO[1], DARK], strict=True)
    ):
        mine = table.loc[n_called == i, ["scrublet_score", "doubletfinder_score"]]
        assert np.asarray(cloud.get_offsets()).tolist() == mine.to_numpy().tolist()
        assert to_hex(cloud.get_facecolors()[0]).upper() == colour


def test_plot_doublets__leaves_out_cells_that_were_not_scored():
    table = make_barcodes(["C1", "N1"], ["CK"])
    scores = ["scrublet_score", "doubletfinder_score"]
    table.loc[table["sample"] == "N1", scores] = np.nan
    figure = plot_doublets(table, cut=0.25)
    assert sum(len(c.get_offsets()) for c in figure.axes[2].collections[::2]) == 80


def test_plot_doublets__says_so_where_no_sample_was_searched():
    table = make_barcodes(["C1"], ["CK"])
    table[["scrublet_score", "doubletfinder_score"]] = np.nan
    figure = plot_doublets(table, cut=0.25)
    assert [t.get_text() for ax in figure.axes for t in ax.texts] == ["no sample was searched"] * 3
    assert faults(figure) == []
