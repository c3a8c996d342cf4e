"""Motifs: which are enriched, what they look like, how open they are by type and group."""

from functools import cache

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from helpers.plot.peaks import SIGNS
from helpers.plot.style import (
    DARK,
    DIVERGING,
    GREY,
    MAIN_FONT,
    OKABE_ITO,
    PAGE_WIDTH_MM,
    new_figure,
    new_grid,
    plain,
)

LETTERS = "ACGT"
LETTER_COLOURS = {"A": OKABE_ITO[2], "C": OKABE_ITO[0], "G": OKABE_ITO[1], "T": OKABE_ITO[5]}
BITS = 2.0
TALLEST = 300.0
LONGEST_LABEL = 36  # letters


def plot_enrichment(table: pd.DataFrame, *, fdr: float) -> Figure:
    """Fold and p-value of motifs, one pair of axes a direction.

    Parameters
    ----------
    table
        ``direction``, ``label``, ``fold``, ``padj``, ``named`` (a factor of the source); in the
        order to show.
    """
    ways = [way for way in SIGNS if (table["direction"] == way).any()]
    longest = max((table["direction"] == way).sum() for way in ways)
    figure, axes = new_grid(PAGE_WIDTH_MM, 28 + 4.6 * longest, 1, 2)
    for ax, way in zip(axes, ways, strict=False):
        _draw_enrichment(ax, table[table["direction"] == way], way, fdr)
    for ax in axes[len(ways) :]:
        ax.set_visible(False)
    return figure


def _draw_enrichment(ax: Axes, table: pd.DataFrame, way: str, fdr: float) -> None:
    colour, marker = SIGNS[way]
    tall = np.minimum(-np.log10(np.maximum(table["padj"], 10**-TALLEST)), TALLEST)
    called = (table["padj"] < fdr).to_numpy()
    y = np.arange(len(table))
    ax.hlines(y, 0, tall, color=GREY, linewidth=0.8)
    ax.scatter(tall, y, s=18, marker=marker, linewidths=0.8, edgecolors=colour, clip_on=False,
               facecolors=[colour if c else "white" for c in called], zorder=3)  # fmt: skip
    for place, value, fold in zip(y, tall, table["fold"], strict=True):
        ax.annotate(f"×{fold:.1f}", (value, place), xytext=(5, 0), textcoords="offset points",
                    fontsize=5.5, va="center")  # fmt: skip
    ax.set_yticks(y, [plain(name, longest=LONGEST_LABEL) for name in table["label"]])
    for text, named in zip(ax.get_yticklabels(), table["named"], strict=True):
        text.set_fontweight("bold" if named else "normal")
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.set_xlim(0, max(float(tall.max()), -np.log10(fdr)) * 1.3)
    ax.axvline(-np.log10(fdr), color=DARK, linewidth=0.5, linestyle=":")
    ax.set_xlabel("–log10 adjusted p (number: fold)")
    ax.set_title(f"peaks {way}")


def measure_bits(counts: np.ndarray) -> np.ndarray:
    """Height of every letter in a logo: its share of the information of its position, in bits.

    Parameters
    ----------
    counts
        Shape (4, width).

    Returns
    -------
    Shape (4, width); a position where all letters are alike has height 0.
    """
    share = counts / counts.sum(axis=0)
    entropy = -(share * np.log2(np.where(share > 0, share, 1.0))).sum(axis=0)
    return share * (BITS - entropy)


def plot_logos(matrices: dict[str, np.ndarray]) -> Figure:
    """Sequence logos, two a row.

    Parameters
    ----------
    matrices
        Name -> letter counts, shape (4, width).
    """
    n_rows = -(-len(matrices) // 3)
    figure, axes = new_grid(PAGE_WIDTH_MM, 22 * n_rows + 8, n_rows, 3)
    for ax, (name, counts) in zip(axes, matrices.items(), strict=False):
        draw_logo(ax, counts)
        ax.set_title(plain(name), fontsize=7)
    for ax in axes[len(matrices) :]:
        ax.set_visible(False)
    return figure


def draw_logo(ax: Axes, counts: np.ndarray) -> None:
    """One logo: letters stacked by height at every position."""
    for place, heights in enumerate(measure_bits(counts).T):
        bottom = 0.0
        for letter in np.argsort(heights, kind="stable"):
            if heights[letter] > 1e-3:
                _draw_letter(ax, LETTERS[letter], place + 0.5, bottom, heights[letter])
            bottom += heights[letter]
    width = counts.shape[1]
    ax.set_xlim(0.4, width + 0.6)
    ax.set_ylim(0, BITS)
    ax.set_yticks([0, 1, 2])
    ax.set_xticks(range(1, width + 1, 2 if width > 12 else 1))
    ax.set_xlabel("position")
    ax.set_ylabel("bits")


def _draw_letter(ax: Axes, letter: str, left: float, bottom: float, height: float) -> None:
    """A letter stretched to its box."""
    path = _outline(letter)
    box = path.get_extents()
    fit = Affine2D().translate(-box.x0, -box.y0).scale(0.95 / box.width, height / box.height)
    patch = PathPatch(
        path, transform=fit.translate(left + 0.025, bottom) + ax.transData,
        facecolor=LETTER_COLOURS[letter], linewidth=0,
    )  # fmt: skip
    patch.set_gid(letter)
    patch.set_in_layout(False)  # it lies inside the axes; measuring hundreds takes a second
    ax.add_artist(patch)


@cache
def _outline(letter: str) -> TextPath:
    return TextPath((0, 0), letter, size=1, prop=FontProperties(family=MAIN_FONT, weight="bold"))


def plot_openness(levels: pd.DataFrame, *, label: str, rows: str) -> Figure:
    """Accessibility of motifs by type and group, colours centred on zero.

    Parameters
    ----------
    levels
        Shape (n_rows, n_motifs), named as they are to be shown.
    rows
        What the rows are.
    """
    width = max(110.0, 62 + 6.0 * levels.shape[1])
    figure, ax = new_figure(width, 34 + 4.4 * len(levels))
    largest = float(np.nanmax(np.abs(levels.to_numpy()))) or 1.0
    image = ax.imshow(levels, aspect="auto", cmap=DIVERGING, vmin=-largest, vmax=largest)
    ax.set_xticks(range(levels.shape[1]), [plain(str(n)) for n in levels.columns], rotation=90)
    ax.set_yticks(range(len(levels)), [plain(str(name)) for name in levels.index])
    ax.set_xlabel("motif")
    ax.set_ylabel(rows)
    figure.colorbar(image, ax=ax, shrink=0.7, aspect=14).set_label(label)
    return figure
