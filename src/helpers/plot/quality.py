"""What was measured per cell, which cells were left out, and doublet scores."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plot.style import (
    DARK,
    GREY,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    TEXT_PT,
    THOUSANDS,
    fit_names,
    group_colours,
    hide_ticks,
    name_columns,
    new_grid,
    own_axes,
    plain,
    side_legend,
    use_log,
)
from helpers.schema import GROUP, SAMPLE

VERDICT_COLOURS = {
    "kept": OKABE_ITO[0],
    "few_umis": OKABE_ITO[1],
    "many_umis": OKABE_ITO[2],
    "few_genes": OKABE_ITO[4],
    "many_genes": OKABE_ITO[3],
    "mitochondrial": OKABE_ITO[5],
    "doublet": OKABE_ITO[7],
    "few_fragments": OKABE_ITO[1],
    "many_fragments": OKABE_ITO[2],
    "low_tss": OKABE_ITO[4],
    "low_frip": OKABE_ITO[5],
}
VERDICT_NAMES = {
    "kept": "kept",
    "few_umis": "too few UMIs",
    "many_umis": "too many UMIs",
    "few_genes": "too few genes",
    "many_genes": "too many genes",
    "mitochondrial": "mitochondrial",
    "doublet": "doublet",
    "few_fragments": "too few fragments",
    "many_fragments": "too many fragments",
    "low_tss": "low TSS enrichment",
    "low_frip": "few in peaks",
}
# Binomial weights: a bell over neighbouring bins of a violin.
SMOOTHING = np.array([1, 6, 15, 20, 15, 6, 1]) / 64
FEWEST_BINS, MOST_BINS = 30, 400
MOST_BESIDE = 15  # samples for which three axes fit side by side

# Measure -> its name, and the value below which all are drawn alike on the logarithmic axis.
MEASURES = {
    "n_umis": ("UMIs per cell", 1.0),
    "n_genes": ("genes per cell", 1.0),
    "pct_mito": ("mitochondrial UMIs (%)", 0.1),
    "n_fragments": ("unique fragments per nucleus", 1.0),
    "tss_enrichment": ("TSS enrichment", 0.1),
    "frip": ("share of fragments in peaks", 0.01),
}


def plot_measures(
    barcodes: pd.DataFrame,
    *,
    limits: dict[str, tuple[float | None, float | None]],
    groups: list[str],
) -> Figure:
    """Three measures of barcodes by sample, with the thresholds.

    Parameters
    ----------
    barcodes
        One row a barcode: ``sample``, ``group`` and the measures.
    limits
        Measure (of ``MEASURES``) to the lowest and highest value kept, None where there is none.
    """
    samples = barcodes.drop_duplicates(SAMPLE).set_index(SAMPLE)[GROUP]
    stacked = len(samples) > MOST_BESIDE
    shape = (3, 1) if stacked else (1, 3)
    names, width = list(samples.index), 140 if stacked else 38
    height = 53 + fit_names(names, width_mm=width).height_mm
    figure, axes = new_grid(PAGE_WIDTH_MM, height * (0.85 * 3 if stacked else 1), *shape)
    colours = group_colours(groups)
    for ax, measure in zip(axes, limits, strict=True):
        name, floor = MEASURES[measure]
        ax.set_ylabel(name)
        if barcodes[measure].isna().all():
            _say(ax, "not measured:\nno MT- genes")
            continue
        for i, (sample, group) in enumerate(samples.items()):
            values = barcodes.loc[barcodes[SAMPLE] == sample, measure].dropna().to_numpy()
            if len(values):
                _draw_violin(ax, np.maximum(values, floor), i, colours[group])
        use_log(ax.yaxis)
        for limit in limits[measure]:
            if limit is not None:
                ax.axhline(limit, color=DARK, linewidth=0.7, linestyle=(0, (4, 2)))
        ax.set_title(_name_limits(limits[measure]), fontsize=TEXT_PT)
        name_columns(ax, names, width_mm=width)
        ax.set_xlim(-0.7, len(samples) - 0.3)
        ax.set_xlabel(SAMPLE)
    last = axes[0] if stacked else axes[2]
    handles = [
        last.scatter([], [], color=colours[g], s=14, label=plain(g, longest=24)) for g in groups
    ]
    side_legend(last, title=GROUP, handles=handles, top=True)
    return figure


def _name_limits(limits: tuple[float | None, float | None]) -> str:
    """The values of the dashed lines, which may be no ticks of the axis."""
    known = [f"{limit:,g}" for limit in limits if limit is not None]
    return f"threshold{'s' * (len(known) > 1)}: {' and '.join(known)}" if known else ""


def _say(ax: Axes, text: str) -> None:
    """A sentence in place of data that are not there."""
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)
    hide_ticks(ax)


def _draw_violin(ax: Axes, values: np.ndarray, at: int, colour: str) -> None:
    """A violin of positive values on a logarithmic axis, no longer than they; a line at the median."""
    shown = np.log10(values)
    edges = _violin_edges(shown)
    height, _ = np.histogram(shown, edges)
    smooth = np.convolve(height, SMOOTHING, mode="same")
    half = 0.42 * smooth / smooth.max()
    middles = (edges[1:] + edges[:-1]) / 2
    # Smoothing reaches beyond the values; a violin that did so would cross thresholds they keep to.
    inner = middles[(middles > shown.min()) & (middles < shown.max())]
    y = np.concatenate([[shown.min()], inner, [shown.max()]])
    half = np.interp(y, middles, half)
    # A line around it keeps tails of a few cells visible.
    ax.fill_betweenx(10**y, at - half, at + half, color=colour, linewidth=0.4)
    median = np.median(values)
    ax.plot([at - 0.25, at + 0.25], [median, median], color="white", linewidth=1.1)


def _violin_edges(shown: np.ndarray) -> np.ndarray:
    """Bins narrow enough for the middle half of the values, and room for smoothing at the ends."""
    quartiles = np.percentile(shown, [25, 75])
    span = float(np.ptp(shown)) or 1.0
    width = np.clip((quartiles[1] - quartiles[0]) / 6, span / MOST_BINS, span / FEWEST_BINS)
    margin = len(SMOOTHING) // 2 * width
    return np.arange(shown.min() - margin, shown.max() + margin + 2 * width, width)


def plot_verdicts(
    barcodes: pd.DataFrame,
    *,
    counted: str = "barcodes called by Cell Ranger",
    ax: Axes | None = None,
) -> Axes:
    """How many barcodes of each sample were kept, and why the others were not.

    Parameters
    ----------
    counted
        What the bars count, for the axis.
    """
    counts = pd.crosstab(barcodes[SAMPLE], barcodes["verdict"])
    counts = counts.reindex(index=list(dict.fromkeys(barcodes[SAMPLE])))
    shown = [name for name in VERDICT_COLOURS if name in counts]
    row = 4.5 if len(counts) <= 30 else 3.0
    ax = own_axes(ax, 120, max(30 + row * len(counts), 20 + 4.5 * len(shown)))
    left = np.zeros(len(counts))
    for verdict in shown:
        width = counts[verdict].to_numpy()
        ax.barh(
            range(len(counts)),
            width,
            left=left,
            color=VERDICT_COLOURS[verdict],
            edgecolor="white",
            linewidth=0.3,
            label=VERDICT_NAMES[verdict],
        )
        left = left + width
    ax.set_yticks(range(len(counts)), [plain(s) for s in counts.index])
    ax.set_ylim(len(counts) - 0.4, -0.6)
    ax.set_ylabel(SAMPLE)
    ax.xaxis.set_major_formatter(THOUSANDS)
    ax.set_xlabel(counted)
    side_legend(ax, title="verdict")
    return ax


def plot_scatter(barcodes: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Genes against UMIs of every barcode, coloured by verdict."""
    ax = own_axes(ax, 110, 75)
    size = float(np.clip(6_000 / len(barcodes), 1.2, 6.0))
    for verdict, colour in VERDICT_COLOURS.items():
        mine = barcodes[barcodes["verdict"] == verdict]
        if mine.empty:
            continue
        ax.scatter(
            mine["n_umis"],
            mine["n_genes"],
            s=size,
            color=colour,
            linewidths=0,
            alpha=0.35 if verdict == "kept" else 0.9,
            rasterized=True,
        )
        ax.scatter([], [], s=14, color=colour, label=f"{VERDICT_NAMES[verdict]} ({len(mine):,})")
    use_log(ax.xaxis)
    use_log(ax.yaxis)
    ax.set_xlabel("UMIs per barcode")
    ax.set_ylabel("genes per barcode")
    side_legend(ax, title="verdict (barcodes)")
    return ax


def plot_doublets(barcodes: pd.DataFrame, *, cut: float) -> Figure:
    """Scores of both doublet methods: distributions with the cut, and one against the other."""
    scored = barcodes.dropna(subset=["scrublet_score", "doubletfinder_score"])
    figure, axes = new_grid(PAGE_WIDTH_MM, 70, 1, 3)
    names = {"scrublet": "Scrublet score", "doubletfinder": "DoubletFinder score (pANN)"}
    if scored.empty:
        for ax in axes:
            _say(ax, "no sample was searched")
        return figure
    for ax, (method, name) in zip(axes, names.items(), strict=False):
        score, called = scored[f"{method}_score"], scored[method].astype(bool)
        bins = np.linspace(0, max(float(score.max()), cut) + 1e-9, 41)
        parts = {"singlet": score[~called], "doublet": score[called]}
        ax.hist(
            list(parts.values()),
            bins=bins,
            stacked=True,
            color=[GREY, DARK],
            label=[f"{label} ({len(part):,})" for label, part in parts.items()],
        )
        ax.axvline(cut, color=OKABE_ITO[5], linestyle=(0, (4, 2)), label=f"cut {cut:g}")
        ax.yaxis.set_major_formatter(THOUSANDS)
        ax.set_xlabel(name)
        ax.set_ylabel("cells")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.3)
    both = scored["scrublet"].astype(int) + scored["doubletfinder"].astype(int)
    styles = ((0, GREY, "neither"), (1, OKABE_ITO[1], "one method"), (2, DARK, "both"))
    for n, colour, label in styles:
        mine = scored[both == n]
        axes[2].scatter(
            mine["scrublet_score"],
            mine["doubletfinder_score"],
            s=1.5,
            color=colour,
            linewidths=0,
            rasterized=True,
        )
        axes[2].scatter([], [], s=14, color=colour, label=f"{label} ({len(mine):,})")
    axes[2].set_xlabel(names["scrublet"])
    axes[2].set_ylabel(names["doubletfinder"])
    axes[2].legend(title="called by", alignment="left", loc="lower left", bbox_to_anchor=(0, 1.0))
    return figure
