"""Levels of copy-number change compared: between groups, cell types and subclusters, by sample."""

import numpy as np
import pandas as pd
from scipy import stats

from helpers.compute.stats import (
    NO_SPREAD,
    adjust_pvalues,
    compare_moderated,
    count_sides,
    design_contrast,
    mean_interval,
)
from helpers.schema import CELL_TYPE, DONOR, GROUP, SAMPLE, SUBCLUSTER, Contrast

ALL_CELLS = "all cells"
# What is compared -> how a difference of it is to be read.
MEASURES = {"cnv_level": "difference of levels", "infercnv_score": "log2 ratio of mean scores"}
CELL_TEST = "Wilcoxon rank-sum test on cells"
EFFECT_COLUMNS = (
    "contrast",
    "measure",
    CELL_TYPE,
    "unit",
    "test",
    "n_reference",
    "n_test",
    "effect",
    "ci_low",
    "ci_high",
    "pvalue",
    "padj",
    "reason",
)


def summarise_samples(
    cells: pd.DataFrame, levels: pd.DataFrame, samples: pd.DataFrame
) -> pd.DataFrame:
    """Copy-number change of every type in every sample, and of all its cells together.

    Parameters
    ----------
    cells
        ``sample``, ``cell_type``, ``infercnv_score``, ``cnv_score``, ``p_altered``.
    levels
        From :func:`helpers.compute.segments.measure_levels` by sample and type.
    samples
        ``sample``, ``group`` and, where known, ``donor``, in the order to keep.

    Returns
    -------
    ``sample``, ``group``, ``cell_type``, ``n_cells``, ``cnv_level`` (log2; missing where the type
    has too few cells), ``cnv_score``, ``infercnv_score`` (means), ``altered`` (share of cells) and
    ``donor`` (if given). The rows of ``all cells`` weigh types by their cells.
    """
    numbers = {
        "n_cells": ("cnv_score", "size"),
        "cnv_score": ("cnv_score", "mean"),
        "infercnv_score": ("infercnv_score", "mean"),
        "altered": ("altered", "mean"),
    }
    marked = cells.assign(altered=(cells["p_altered"] > 0.5).where(cells["p_altered"].notna()))
    table = marked.groupby([SAMPLE, CELL_TYPE], observed=True).agg(**numbers).reset_index()
    table = table.merge(
        levels[[SAMPLE, CELL_TYPE, "cnv_level"]], on=[SAMPLE, CELL_TYPE], how="left"
    )
    whole = marked.groupby(SAMPLE, observed=True).agg(**numbers).reset_index()
    whole["cnv_level"] = whole[SAMPLE].map(_pool_levels(table))
    both = pd.concat([whole.assign(**{CELL_TYPE: ALL_CELLS}), table], ignore_index=True)
    known = [column for column in (GROUP, DONOR) if column in samples]
    for column in known:
        both[column] = both[SAMPLE].map(samples.set_index(SAMPLE)[column])
    order = {name: i for i, name in enumerate(samples[SAMPLE])}
    both = both.sort_values(SAMPLE, key=lambda s: s.map(order), kind="stable", ignore_index=True)
    columns = [SAMPLE, GROUP, CELL_TYPE, "n_cells", "cnv_level"]
    return both[[*columns, "cnv_score", "infercnv_score", "altered", *known[1:]]]


def describe_normal_range(summary: pd.DataFrame, normal: list[str]) -> str:
    """Between which levels the types of normal samples lie: what a level without change can be.

    Parameters
    ----------
    summary
        From :func:`summarise_samples`.
    normal
        Samples known to be normal.
    """
    levels = summary.loc[summary[SAMPLE].isin(normal), "cnv_level"].dropna()
    if levels.empty:
        return "No type was measured in a normal sample."
    return f"Normal samples lie between {levels.min():.3f} and {levels.max():.3f}."


def _pool_levels(table: pd.DataFrame) -> pd.Series:
    """Root of the mean square over the types of a sample, weighed by cells; signs kept."""
    known = table.dropna(subset=["cnv_level"])
    square = np.sign(known["cnv_level"]) * known["cnv_level"] ** 2
    weighted = (square * known["n_cells"]).groupby(known[SAMPLE]).sum()
    mean = weighted / known.groupby(SAMPLE)["n_cells"].sum()
    return np.sign(mean) * np.sqrt(mean.abs())


def compare_levels(
    summary: pd.DataFrame, contrasts: list[Contrast], *, confidence: float
) -> pd.DataFrame:
    """Every contrast in every type and in all cells, the sample being the unit.

    Linear model of all groups in each type by itself, once for the levels of arms, once for the
    logarithm of the source's score. Types differ too much in how many cells they have for their
    variances to be moderated together.

    Parameters
    ----------
    summary
        From :func:`summarise_samples`.

    Returns
    -------
    One row a contrast, measure and type, with :data:`EFFECT_COLUMNS`; ``effect`` is log2.
    """
    parts = [
        _compare(summary, contrast, measure, confidence)
        for contrast in contrasts
        for measure in MEASURES
        if summary[measure].notna().any()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=EFFECT_COLUMNS)


def _compare(
    summary: pd.DataFrame, contrast: Contrast, measure: str, confidence: float
) -> pd.DataFrame:
    wide = summary.pivot_table(index=SAMPLE, columns=CELL_TYPE, values=measure, sort=False)
    sheet = summary.drop_duplicates(SAMPLE).set_index(SAMPLE).reindex(wide.index)
    if measure == "infercnv_score":
        wide = np.log2(wide)
    parts = [_test(wide[[kind]].dropna(), sheet, contrast, confidence) for kind in wide.columns]
    table = pd.concat(parts).rename_axis(CELL_TYPE).reset_index()
    table["padj"] = adjust_pvalues(table["pvalue"])
    fixed = {"contrast": contrast.name, "measure": measure, "unit": SAMPLE}
    table = table.assign(**fixed, test=f"t-test, {MEASURES[measure]}")
    return table[list(EFFECT_COLUMNS)]


def _test(
    values: pd.DataFrame, sheet: pd.DataFrame, contrast: Contrast, confidence: float
) -> pd.DataFrame:
    groups = sheet[GROUP].reindex(values.index)
    donors = sheet[DONOR].reindex(values.index) if DONOR in sheet else None
    sides = count_sides(groups, contrast, donors)
    n_reference, n_test = sides.n_reference, sides.n_test
    design, weights = design_contrast(groups, contrast, donors=donors)
    numbers = {"n_reference": n_reference, "n_test": n_test}
    reason = ""
    if min(n_reference, n_test) == 0:
        empty = contrast.reference if n_reference == 0 else contrast.test
        reason = f"no sample of group {empty} was measured"
    elif len(design) <= design.shape[1]:
        reason = f"{n_reference} and {n_test} samples: at least one group needs two"
    if reason:
        missing = dict.fromkeys(("effect", "ci_low", "ci_high", "pvalue"), np.nan)
        return pd.DataFrame(index=values.columns).assign(**numbers, **missing, reason=reason)
    tested = compare_moderated(values.loc[design.index], design, weights, confidence=confidence)
    return tested[["effect", "ci_low", "ci_high", "pvalue"]].assign(**numbers, reason=reason)


def compare_settings(
    sensitivity: pd.DataFrame, contrasts: list[Contrast], types: list[str], *, confidence: float
) -> pd.DataFrame:
    """Every contrast under other references and windows.

    Parameters
    ----------
    sensitivity
        ``setting``, ``sample``, ``group``, ``cell_type``, ``infercnv_score``, ``cnv_level``
        (missing where the setting does not touch it), ``n_reference_cells``.
    types
        Cell types to keep of the result.

    Returns
    -------
    ``setting``, ``n_reference_cells`` and the columns of :func:`compare_levels`.
    """
    parts = []
    for (setting, n_cells), table in sensitivity.groupby(
        ["setting", "n_reference_cells"], sort=False
    ):
        compared = compare_levels(table, contrasts, confidence=confidence)
        kept = compared[compared[CELL_TYPE].isin(types)]
        parts.append(kept.assign(setting=setting, n_reference_cells=n_cells))
    return pd.concat(parts, ignore_index=True)


def describe_settings(sensitivity: pd.DataFrame) -> str:
    """How many cells the source's score is a mean of: all as shown, fewer under other settings.

    Parameters
    ----------
    sensitivity
        ``setting`` and ``n_cells`` by sample and type, the setting shown being the first.
    """
    n_cells = sensitivity.groupby("setting", sort=False)["n_cells"].sum()
    if len(set(n_cells)) == 1:
        return f"n = {n_cells.iloc[0]:,} cells under every setting."
    return (
        f"As shown: {n_cells.iloc[0]:,} cells. Under other settings the source's score is that of a "
        f"subsample of {n_cells.iloc[1]:,}; its first row is what they are to be compared with."
    )


def compare_scores(cells: pd.DataFrame, contrasts: list[Contrast]) -> pd.DataFrame:
    """The source's score compared between groups with cells counted as if independent.

    Returns
    -------
    As :func:`compare_levels`, with ``unit`` ``cell`` and without intervals.
    """
    rows = []
    types = [ALL_CELLS, *sorted(cells[CELL_TYPE].unique(), key=str.casefold)]
    for contrast in contrasts:
        for kind in types:
            mine = cells if kind == ALL_CELLS else cells[cells[CELL_TYPE] == kind]
            test, reference = (
                mine.loc[mine[GROUP] == label, "infercnv_score"].to_numpy()
                for label in (contrast.test, contrast.reference)
            )
            numbers: dict[str, object] = {"n_reference": len(reference), "n_test": len(test)}
            if min(len(test), len(reference)) == 0:
                numbers |= {"effect": np.nan, "pvalue": np.nan, "reason": "one group has no cell"}
            else:
                numbers |= {
                    "effect": float(np.log2(test.mean() / reference.mean())),
                    "pvalue": float(stats.mannwhitneyu(test, reference).pvalue),
                    "reason": "",
                }
            rows.append({"contrast": contrast.name, CELL_TYPE: kind} | numbers)
    fixed = {"measure": "infercnv_score", "unit": "cell", "test": CELL_TEST}
    table = pd.DataFrame(rows, columns=list(EFFECT_COLUMNS)).assign(**fixed)
    table["padj"] = table.groupby("contrast")["pvalue"].transform(adjust_pvalues)
    return table


def measure_lead(
    levels: pd.DataFrame,
    group: str,
    name: str,
    *,
    column: str,
    over: list[str],
    largest: bool,
    confidence: float,
) -> dict[str, object]:
    """How far one type or subcluster lies above others in the same samples.

    Parameters
    ----------
    levels
        ``sample``, ``group``, ``column`` and ``cnv_level``.
    name
        Value of ``column`` the statement is about.
    over
        Values it is compared with.
    largest
        Compare with the largest of them, else with their mean.

    Returns
    -------
    One row of effects: mean over the group's samples of the difference, with its t-interval.
    """
    mine = levels[levels[GROUP] == group]
    wide = mine.pivot_table(index=SAMPLE, columns=column, values="cnv_level", sort=False)
    others = wide.reindex(columns=[value for value in over if value in wide])
    rival = others.max(axis=1) if largest else others.mean(axis=1)
    lead = (wide[name] - rival).dropna().to_numpy() if name in wide else np.array([])
    n = len(lead)
    numbers = mean_interval(lead, confidence=confidence)
    reason = "" if np.isfinite(numbers["pvalue"]) else NO_SPREAD
    if n < 2:
        reason = f"{n} samples allow the comparison: an interval needs two"
    return {
        **numbers,
        "reason": reason,
        "unit": SAMPLE,
        "n_test": n,
        "n_reference": 0,
        "test_group": group,
    }


def measure_cnv(
    summary: pd.DataFrame,
    effects: pd.DataFrame,
    subclusters: dict[str, pd.DataFrame],
    *,
    contrasts: list[Contrast],
    groups: list[str],
    confidence: float,
) -> pd.DataFrame:
    """All numbers claims about copy number are looked up in.

    Parameters
    ----------
    summary, effects
        From :func:`summarise_samples` and :func:`compare_levels`.
    subclusters
        Cell type -> ``sample``, ``group``, ``subcluster``, ``cnv_level``.
    groups
        Labels of the groups that have samples.

    Returns
    -------
    Rows of measure ``cnv`` (between groups), ``cnv_lead`` (HSC/MPP and Pro-B each above the
    mean of the types besides these two), ``cnv_subcluster`` and ``cnv_second`` (each subcluster,
    as ``type subcluster``, above the largest other; the second leaves the largest out).
    """
    pair = ["HSC/MPP", "Pro-B"]
    between = effects[(effects["measure"] == "cnv_level") & (effects["unit"] == SAMPLE)]
    parts = [
        between[between["contrast"] == contrast.name].assign(
            measure="cnv", test_group=contrast.test, reference_group=contrast.reference
        )
        for contrast in contrasts
    ]
    rows: list[dict[str, object]] = []
    others = [kind for kind in summary[CELL_TYPE].unique() if kind not in {*pair, ALL_CELLS}]
    for group in groups:
        for kind in pair:
            lead = measure_lead(
                summary, group, kind, column=CELL_TYPE, over=others, largest=False,
                confidence=confidence,
            )  # fmt: skip
            rows.append(lead | {"measure": "cnv_lead", CELL_TYPE: kind})
        for kind, levels in subclusters.items():
            rows += _subcluster_leads(levels, group, kind, confidence)
    leads = pd.DataFrame(rows).assign(reference_group="")
    return pd.concat([*parts, leads], ignore_index=True)


def _subcluster_leads(
    levels: pd.DataFrame, group: str, kind: str, confidence: float
) -> list[dict[str, object]]:
    names = sorted(levels[SUBCLUSTER].unique())
    if not names:
        return []
    mine = levels[levels[GROUP] == group].groupby(SUBCLUSTER)["cnv_level"].mean()
    first = mine.idxmax() if mine.notna().any() else ""
    rows = []
    for measure, left_out in (("cnv_subcluster", ""), ("cnv_second", first)):
        for name in names:
            over = [other for other in names if other not in {name, left_out}]
            lead = measure_lead(
                levels, group, name, column=SUBCLUSTER, over=over, largest=True,
                confidence=confidence,
            )  # fmt: skip
            rows.append(lead | {"measure": measure, CELL_TYPE: f"{kind} {name}"})
    return rows
