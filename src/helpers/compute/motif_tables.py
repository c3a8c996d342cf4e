"""Motifs of a type in one table: enrichment, deviations, expression of the factors, verdicts."""

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.claims import EFFECT_COLUMNS, PADJ
from helpers.compute.deviations import bin_peaks
from helpers.compute.differential_peaks import (
    Comparison,
    compare_units,
    oppose_groups,
    pair_sides,
)
from helpers.compute.motif_enrichment import enrich_motifs, match_background
from helpers.compute.stats import adjust_pvalues, compare_moderated, count_sides
from helpers.schema import CELL_TYPE, CONTRAST, DONOR, GENE, GROUP, SAMPLE, UNCALLED, Contrast

DIRECTIONS = ("up", "down")
# Columns of a table of enrichment, also where nothing could be tested.
ENRICHED = {
    CONTRAST: object,
    "direction": object,
    "rank": int,
    "motif_id": object,
    "tf": object,
    "motif_group": object,
    "observed": int,
    "n_foreground": int,
    "background": int,
    "n_background": int,
    "fold": float,
    "pvalue": float,
    "padj": float,
    "pvalue_findmotifs": float,
}
LEAST_FOLD = 0.05  # a mean deviation below it is as good as none, and has a finite logarithm
PER = 1e4  # RNA counts an expression level is given for
# Why a comparison has no row, by the unit of peaks and by what is measured of a factor.
UNTESTED = {
    "cell": "no peak was tested: too few nuclei, or no peak is open in enough of them",
    SAMPLE: "no peak was tested: too few samples have enough nuclei, or too few fragments",
    "motif": "not tested: too few samples have enough nuclei, or too few peaks have the motif",
    "expression": "not tested: its RNA was measured in too few samples",
}
SAME, OPPOSITE = "same direction", "opposite direction"
FLAT, ABSENT = "expression does not differ", "expression not measured"


def pick_peaks(
    peaks: pd.DataFrame, contrast: str, direction: str, *, fdr: float, min_log2fc: float
) -> np.ndarray:
    """Numbers of the peaks that differ in a direction, nuclei being the unit."""
    sign = 1 if direction == "up" else -1
    mine = peaks[(peaks[CONTRAST] == contrast) & (peaks["unit"] == "cell")]
    called = (mine["padj"] < fdr) & (sign * mine["log2fc"] >= min_log2fc)
    return np.sort(mine.loc[called, "peak"].to_numpy(dtype=np.int64))


def count_peaks(
    peaks: pd.DataFrame, contrasts: list[str], *, fdr: float, min_log2fc: float
) -> pd.DataFrame:
    """Peaks tested and called of every contrast and unit.

    Returns
    -------
    ``contrast``, ``unit``, ``n_tested``, ``n_up``, ``n_down``, and ``reason`` where no peak was
    tested.
    """
    rows = []
    for contrast in contrasts:
        for unit in ("cell", SAMPLE):
            mine = peaks[(peaks[CONTRAST] == contrast) & (peaks["unit"] == unit)]
            called = mine[(mine["padj"] < fdr) & (mine["log2fc"].abs() >= min_log2fc)]
            n_up = int((called["log2fc"] > 0).sum())
            reason = "" if len(mine) else UNTESTED[unit]
            rows.append((contrast, unit, len(mine), n_up, len(called) - n_up, reason))
    columns = [CONTRAST, "unit", "n_tested", "n_up", "n_down", "reason"]
    return pd.DataFrame(rows, columns=columns)


def enrich_contrasts(
    peaks: pd.DataFrame,
    matches: sparse.csr_matrix,
    places: pd.DataFrame,
    motifs: pd.DataFrame,
    *,
    contrasts: list[str],
    fdr: float,
    min_log2fc: float,
    n_background: int,
    min_peaks: int,
    seed: int,
) -> pd.DataFrame:
    """Enrichment of every motif in the peaks up and down in every contrast.

    The background is drawn from the other peaks that were tested. Peaks of unknown sequence are
    left out.

    Parameters
    ----------
    peaks
        ``contrast``, ``unit``, ``peak``, ``log2fc``, ``padj``.
    matches
        Shape (n_peaks, n_motifs).
    places
        ``gc`` (missing where the sequence is not known) and ``insertions`` of every peak.
    motifs
        ``tf``, ``motif_group``, indexed by ``motif_id``.
    min_peaks
        Peaks needed; a direction with fewer, or with fewer others alike, has no row.

    Returns
    -------
    ``contrast``, ``direction``, ``rank`` (of the motif's group by its best p-value),
    ``motif_id``, ``tf``, ``motif_group`` and the columns of
    :func:`helpers.compute.motif_enrichment.enrich_motifs`.
    """
    parts = []
    peaks = peaks[peaks["peak"].isin(np.flatnonzero(places["gc"].notna()))]
    for contrast in contrasts:
        mine = peaks[(peaks[CONTRAST] == contrast) & (peaks["unit"] == "cell")]
        tested = np.sort(mine["peak"].to_numpy(dtype=np.int64))
        for way in DIRECTIONS:
            foreground = pick_peaks(peaks, contrast, way, fdr=fdr, min_log2fc=min_log2fc)
            if min(len(foreground), len(tested) - len(foreground)) < min_peaks:
                continue
            table = places.iloc[tested]
            bins = bin_peaks(table["insertions"].to_numpy(), table["gc"].to_numpy())
            inside = np.searchsorted(tested, foreground)
            background = match_background(bins, inside, n_peaks=n_background, seed=seed)
            if len(background) < min_peaks:
                continue
            found = enrich_motifs(sparse.csc_matrix(matches[tested]), inside, background)
            named = motifs[["tf", "motif_group"]].reset_index()
            found = pd.concat([named, found], axis=1)
            found.insert(0, "rank", rank_groups(found))
            found.insert(0, "direction", way)
            found.insert(0, CONTRAST, contrast)
            parts.append(found.sort_values("pvalue", kind="stable"))
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in ENRICHED.items()})
    return pd.concat(parts, ignore_index=True)[list(ENRICHED)]


def rank_groups(table: pd.DataFrame) -> pd.Series:
    """Place of every motif's group among all groups, by the smallest p-value in each.

    Motifs so alike that a sequence matches all of them share a place: which of them binds only
    expression can tell.
    """
    grouped = table.groupby(table["motif_group"].astype(str))
    # equal p-values, as where they are too small for a number, are parted by fold
    best, fold = grouped["pvalue"].min(), -grouped["fold"].max()
    order = pd.Series(np.lexsort((fold.to_numpy(), best.to_numpy())))
    place = pd.Series(np.arange(1, len(best) + 1), index=best.index[order.to_numpy()])
    return table["motif_group"].astype(str).map(place).astype(int)


def average_deviations(
    deviation: np.ndarray, motifs: pd.Index, units: pd.DataFrame, *, min_nuclei: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accessibility of every motif in every unit, as log2 of observed over expected.

    Parameters
    ----------
    deviation
        Relative deviations, shape (n_nuclei, n_motifs).
    motifs
        Name of every column; levels of columns that share one, such as the motifs of a factor,
        are averaged within the unit.
    units
        What a nucleus belongs to, such as sample and type.
    min_nuclei
        Nuclei a unit must have.

    Returns
    -------
    Levels, shape (n_units, n_names), and the units with ``n_nuclei``, indexed alike. Motifs that
    no nucleus could be judged by in some unit are left out.
    """
    keys = [units[name].to_numpy() for name in units]
    grouped = pd.DataFrame(deviation).groupby(keys, sort=True, observed=True)
    size, mean = grouped.size().rename_axis(list(units.columns)), grouped.mean()
    kept = (size >= min_nuclei).to_numpy()
    levels = np.log2(np.maximum(1 + mean[kept].reset_index(drop=True), LEAST_FOLD))
    judged = levels.set_axis(motifs, axis=1).dropna(axis=1).T
    table = size[kept].rename("n_nuclei").reset_index()
    return judged.groupby(level=0, sort=False).mean().T, table


def compare_levels(
    levels: pd.DataFrame, comparison: Comparison, *, confidence: float
) -> pd.DataFrame:
    """Difference of units in every column, by a moderated t-test.

    Returns
    -------
    ``effect``, ``ci_low``, ``ci_high``, ``pvalue``, ``padj``, indexed like the columns; no row
    where samples do not allow a test.
    """
    columns = ["effect", "ci_low", "ci_high", "pvalue"]
    if not comparison.possible or levels.shape[1] == 0:
        return pd.DataFrame(columns=[*columns, "padj"], dtype=float)
    values = levels.iloc[comparison.rows].reset_index(drop=True)
    design = comparison.design.reset_index(drop=True)
    weights = comparison.weights.reindex(design.columns, fill_value=0.0)
    found = compare_moderated(values, design, weights, confidence=confidence)[columns]
    return found.assign(padj=adjust_pvalues(found["pvalue"]))


def mark_sides(cells: pd.DataFrame, cell_type: str) -> pd.DataFrame:
    """``sample`` and ``test`` (is of the type) of every cell whose type is known."""
    known = cells[~cells[CELL_TYPE].isin(UNCALLED)]
    is_type = (known[CELL_TYPE] == cell_type).to_numpy()
    return pd.DataFrame({SAMPLE: known[SAMPLE].astype(str), "test": is_type}, index=known.index)


def compare_deviations(
    deviation: np.ndarray,
    motifs: pd.Index,
    cells: pd.DataFrame,
    cell_type: str,
    contrasts: list[Contrast],
    *,
    min_nuclei: int,
    confidence: float,
) -> pd.DataFrame:
    """Motif accessibility of a type against all others, and between groups inside it.

    Parameters
    ----------
    deviation
        Shape (n_nuclei, n_motifs).
    motifs
        Name of every column, itself named; columns that share one are tested once, by their mean
        in every sample.
    cells
        ``sample``, ``group``, ``donor``, ``cell_type`` of every nucleus.

    Returns
    -------
    ``contrast``, the name of ``motifs``, ``effect`` (log2), ``ci_low``, ``ci_high``, ``pvalue``,
    ``padj``, ``n_test`` and ``n_reference`` (samples compared).
    """
    place = cells.reset_index(drop=True)
    sides = mark_sides(place, cell_type)
    levels, units = average_deviations(deviation[sides.index], motifs, sides, min_nuclei=min_nuclei)
    paired = pair_sides(units)
    n = len(paired.rows) // 2
    found = compare_levels(levels, paired, confidence=confidence)
    parts = [found.assign(**{CONTRAST: f"{cell_type} vs others", "n_test": n, "n_reference": n})]
    inside = place[place[CELL_TYPE] == cell_type][[SAMPLE, GROUP, DONOR]].astype(str)
    levels, units = average_deviations(
        deviation[inside.index], motifs, inside, min_nuclei=min_nuclei
    )
    for contrast in contrasts:
        found = compare_levels(levels, oppose_groups(units, contrast), confidence=confidence)
        n_test, n_reference = _count_samples(units, contrast)
        found = found.assign(n_test=n_test, n_reference=n_reference)
        parts.append(found.assign(**{CONTRAST: contrast.name}))
    return pd.concat(parts).rename_axis(motifs.name).reset_index()


def _count_samples(units: pd.DataFrame, contrast: Contrast) -> tuple[int, int]:
    """Samples on the sides of a contrast: within donors those of the pairs alone."""
    sides = count_sides(units[GROUP], contrast, units[DONOR])
    return sides.n_test, sides.n_reference


def summarise_expression(
    sums: np.ndarray, shown: np.ndarray, units: pd.DataFrame, genes: pd.Index, *, by: str
) -> pd.DataFrame:
    """Expression of some genes, cells of all samples together, for a dot plot.

    Parameters
    ----------
    sums, shown
        Counts, and cells with the gene, shape (n_units, n_genes): all genes, for the depth.
    units
        ``by`` and ``n_cells`` of every unit.
    by
        Column whose values become rows of the plot.

    Returns
    -------
    ``cell_type`` (the value of ``by``), ``gene``, ``fraction``, ``mean`` (natural log of one plus
    counts per 10,000), ``scaled`` (share of the gene's range), ``n_cells``.
    """
    rows = pd.get_dummies(units[by].astype(str), dtype=float).sort_index(axis=1)
    indicator = rows.to_numpy().T
    total = indicator @ sums
    mean = np.log1p(total / total.sum(axis=1, keepdims=True) * PER)
    n_cells = indicator @ units["n_cells"].to_numpy()
    fraction = indicator @ shown / n_cells[:, None]
    low, width = mean.min(axis=0), np.ptp(mean, axis=0)
    scaled = (mean - low) / np.where(width > 0, width, 1)
    index = pd.MultiIndex.from_product([rows.columns, genes], names=[CELL_TYPE, GENE])
    values = {"fraction": fraction.ravel(), "mean": mean.ravel(), "scaled": scaled.ravel()}
    table = pd.DataFrame(values, index=index).reset_index()
    return table.assign(n_cells=np.repeat(n_cells.astype(np.int64), len(genes)))


def join_motifs(
    enriched: pd.DataFrame, deviations: pd.DataFrame, expressed: pd.DataFrame, *, fdr: float
) -> pd.DataFrame:
    """Enrichment, deviation and expression of the factor side by side, with their agreement.

    Of factors that bind together, the one expressed least in the cells compared decides.

    Parameters
    ----------
    enriched
        From :func:`enrich_contrasts`.
    deviations
        From :func:`compare_deviations`.
    expressed
        ``contrast``, ``gene``, ``log2fc``, ``padj``, ``level``, samples being the unit.

    Returns
    -------
    ``enriched`` with ``deviation``, ``deviation_padj``, ``tf_gene``, ``tf_log2fc``, ``tf_padj``
    and ``agreement``.
    """
    moved = deviations[[CONTRAST, "motif_id", "effect", "padj"]].rename(
        columns={"effect": "deviation", "padj": "deviation_padj"}
    )
    table = enriched.merge(moved, on=[CONTRAST, "motif_id"], how="left")
    limiting = _limiting_factors(table[[CONTRAST, "tf"]].drop_duplicates(), expressed)
    table = table.merge(limiting, on=[CONTRAST, "tf"], how="left")
    sign = np.where(table["direction"] == "up", 1.0, -1.0)
    along = np.where(sign * table["tf_log2fc"] > 0, SAME, OPPOSITE)
    called = np.where(table["tf_padj"] < fdr, along, FLAT)
    return table.assign(agreement=np.where(table["tf_padj"].isna(), ABSENT, called))


def _limiting_factors(pairs: pd.DataFrame, expressed: pd.DataFrame) -> pd.DataFrame:
    """For every contrast and motif name, the numbers of its least expressed factor."""
    parts = pairs.assign(tf_gene=pairs["tf"].str.split("::")).explode("tf_gene")
    columns = {"log2fc": "tf_log2fc", "padj": "tf_padj", GENE: "tf_gene"}
    numbers = expressed.rename(columns=columns)[
        [CONTRAST, "tf_gene", "tf_log2fc", "tf_padj", "level"]
    ]
    merged = parts.merge(numbers, on=[CONTRAST, "tf_gene"], how="left")
    merged["level"] = merged["level"].fillna(-np.inf)
    least = merged.sort_values("level", kind="stable").drop_duplicates([CONTRAST, "tf"])
    return least.drop(columns="level")


def rate_motifs(
    planted: pd.DataFrame,
    table: pd.DataFrame,
    motifs: pd.DataFrame,
    cell_type: str,
    *,
    fdr: float,
) -> pd.DataFrame:
    """Rank of every planted factor in its contrast, and how many others are called by mistake.

    Parameters
    ----------
    planted
        ``contrast``, ``cell_type``, ``tf``, ``direction``.
    table
        From :func:`enrich_contrasts`.
    motifs
        ``tf`` and ``motif_group``, indexed by ``motif_id``.

    Returns
    -------
    ``contrast``, ``direction``, ``tf``, ``rank``, ``fold``, ``padj`` of the factor's best motif;
    the last row of a contrast and direction, ``not planted``, has the number of motifs outside
    the groups of planted ones in ``n_others``, and of those called in ``n_called`` and
    ``share_called``.
    """
    mine = planted[planted[CELL_TYPE] == cell_type]
    rows: list[dict[str, object]] = []
    for (contrast, way), part in mine.groupby([CONTRAST, "direction"], sort=False):
        found = table[(table[CONTRAST] == contrast) & (table["direction"] == way)]
        head = {CONTRAST: contrast, "direction": way}
        for tf in part["tf"]:
            best = found[found["tf"].str.upper() == tf].sort_values("pvalue").head(1)
            numbers = best[["rank", "fold", "padj"]].to_dict("records")
            rows.append(head | {"tf": tf} | (numbers[0] if numbers else {}))
        alike = motifs.loc[motifs["tf"].str.upper().isin(part["tf"]), "motif_group"]
        others = found[~found["motif_group"].isin(alike)]
        n_called = int((others["padj"] < fdr).sum())
        share = n_called / len(others) if len(others) else np.nan
        rows.append(
            head
            | {"tf": "not planted", "n_others": len(others), "n_called": n_called}
            | {"share_called": share}
        )
    columns = [CONTRAST, "direction", "tf", "rank", "fold", "padj", "n_others", "n_called"]
    return pd.DataFrame(rows, columns=[*columns, "share_called"])


def measure_motifs(
    deviations: pd.DataFrame,
    expressed: pd.DataFrame,
    counts: pd.DataFrame,
    *,
    factors: list[str],
    cell_type: str,
    contrasts: list[Contrast],
) -> pd.DataFrame:
    """All numbers claims about motifs are looked up in.

    Parameters
    ----------
    deviations
        From :func:`compare_deviations`, one row a factor (``tf``) and contrast.
    expressed
        ``contrast``, ``gene``, ``log2fc``, ``ci_low``, ``ci_high``, ``pvalue``, ``n_test``,
        ``n_reference`` and, where known, ``padj``.
    counts
        From :func:`count_peaks`.
    factors
        What every comparison has a row of, with a reason where nothing was tested.

    Returns
    -------
    Rows of measure ``motif`` and ``expression`` (of a factor, named in ``feature``; with groups
    between them, else against all other types: ``motif_of_type``, ``expression_of_type``) and
    ``peaks`` (log2 ratio of peaks up to peaks down of those called by sample; without an interval,
    as peaks share samples).
    """
    groups = {contrast.name: contrast for contrast in contrasts}
    gene = expressed.rename(columns={"log2fc": "effect", GENE: "tf"})
    wanted = pd.MultiIndex.from_product([[f"{cell_type} vs others", *groups], factors])
    every = wanted.to_frame(index=False, name=[CONTRAST, "tf"])
    parts = []
    for name, table in (("motif", deviations), ("expression", gene)):
        full = every.merge(table, how="outer", on=[CONTRAST, "tf"]).rename(
            columns={"tf": "feature"}
        )
        measure = np.where(full[CONTRAST].isin(groups), name, f"{name}_of_type")
        reason = np.where(full["effect"].isna(), UNTESTED[name], "")
        parts.append(full.assign(measure=measure, reason=reason))
    parts.append(_weigh_directions(counts))
    effects = pd.concat(parts, ignore_index=True)
    effects["unit"] = effects["unit"].fillna(SAMPLE)
    effects[CELL_TYPE] = cell_type
    for side, column in (("test", "test_group"), ("reference", "reference_group")):
        label = {name: getattr(contrast, side) for name, contrast in groups.items()}
        effects[column] = effects[CONTRAST].map(label).fillna("")
    return effects.reindex(columns=[*EFFECT_COLUMNS, PADJ, "feature"])


def _weigh_directions(counts: pd.DataFrame) -> pd.DataFrame:
    """log2 ratio of peaks up to peaks down, called by sample.

    It has no interval: peaks share samples and factors, so that how many they are says nothing of
    how sure the ratio is, and few samples are too few to leave some out.
    """
    rows = []
    for row in counts[counts["unit"] == SAMPLE].itertuples():
        record = {CONTRAST: row.contrast, "measure": "peaks", "unit": "peak", "feature": ""}
        record |= {"n_test": row.n_up, "n_reference": row.n_down, "reason": row.reason}
        if row.n_up + row.n_down > 0:
            record["effect"] = np.log2((row.n_up + 0.5) / (row.n_down + 0.5))
            record["reason"] = (
                f"by sample {row.n_up} peaks are up and {row.n_down} down; peaks share samples, so "
                "that their ratio has no interval"
            )
        elif row.n_tested > 0:
            record["reason"] = "no peak differs between the groups, samples being the unit"
        rows.append(record)
    numbers = ("effect", "ci_low", "ci_high", "pvalue", "n_test", "n_reference")
    table = pd.DataFrame(rows, columns=[CONTRAST, "measure", "unit", "feature", *numbers, "reason"])
    return table.astype(dict.fromkeys(numbers, float))


def compare_expression(
    sums: np.ndarray,
    genes: pd.Index,
    units: pd.DataFrame,
    cell_type: str,
    contrasts: list[Contrast],
    *,
    min_cells: int,
    confidence: float,
) -> pd.DataFrame:
    """Expression in a type against all others, and between groups inside it, by sample.

    Parameters
    ----------
    sums
        Counts of every sample and type, shape (n_units, n_genes).
    units
        ``sample``, ``group``, ``donor``, ``cell_type``, ``n_cells`` of every unit.
    min_cells
        Cells a sample needs on a side.

    Returns
    -------
    ``contrast``, ``gene``, ``log2fc``, ``ci_low``, ``ci_high``, ``pvalue``, ``padj``, ``level``
    (log2 counts per 10,000 plus one in the type), ``n_test``, ``n_reference``.
    """
    place = units.reset_index(drop=True)
    sides = mark_sides(place, cell_type)
    paired_sums, paired = _add_up(sums[sides.index], place.loc[sides.index], sides, min_cells)
    mine = place[(place[CELL_TYPE] == cell_type) & (place["n_cells"] >= min_cells)]
    within = mine[[SAMPLE, GROUP, DONOR]].astype(str).reset_index(drop=True)
    total = sums[mine.index].sum(axis=0)
    level = np.log2(total / max(total.sum(), 1) * PER + 1)
    comparisons = [(f"{cell_type} vs others", paired_sums, pair_sides(paired))]
    comparisons += [(c.name, sums[mine.index], oppose_groups(within, c)) for c in contrasts]
    n_of = {c.name: _count_samples(within, c) for c in contrasts}
    parts = []
    for name, table, comparison in comparisons:
        found = compare_units(table, comparison, confidence=confidence)
        half = len(comparison.rows) // 2
        n_test, n_reference = n_of.get(name, (half, half))
        found = found.assign(level=level[found.index], n_test=n_test, n_reference=n_reference)
        found.insert(0, GENE, genes[found.index])
        found.insert(0, CONTRAST, name)
        parts.append(found)
    return pd.concat(parts, ignore_index=True)


def _add_up(
    sums: np.ndarray, units: pd.DataFrame, sides: pd.DataFrame, min_cells: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Sums of every sample on either side, those of too few cells left out."""
    keys = sides.assign(n_cells=units["n_cells"].to_numpy())
    grouped = keys.groupby([SAMPLE, "test"], sort=True)
    member, n_cells = grouped.ngroup().to_numpy(), grouped["n_cells"].sum()
    total = np.zeros((len(n_cells), sums.shape[1]))
    np.add.at(total, member, sums)
    kept = (n_cells >= min_cells).to_numpy()
    return total[kept], n_cells[kept].reset_index()[[SAMPLE, "test"]]
