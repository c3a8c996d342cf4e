"""Proportions of cell types, and how groups differ in them: by sample and by cell."""

import numpy as np
import pandas as pd
from scipy import stats

from helpers.compute.stats import (
    NO_SPREAD,
    PAIRED,
    adjust_pvalues,
    compare_means,
    compare_moderated,
    count_sides,
    design_contrast,
    mean_interval,
)
from helpers.schema import CELL_TYPE, DONOR, GROUP, SAMPLE, Contrast

LN2 = np.log(2)
NUMBERS = ("effect", "ci_low", "ci_high", "pvalue")
FREEDOM = ("df_prior", "df_total")
SAMPLE_TEST = "moderated t-test on {} proportions"
OVERALL_TEST = "moderated F-test on {} proportions"
CELL_TEST = "Wilcoxon rank-sum test on cells"
POOLED = "fully pooled into one"
MODERATED = "moderated across rows"
ONE_TYPE = "there is one cell type only: its share is 1 everywhere"
CONTRAST_COLUMNS = (
    "contrast",
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
    *FREEDOM,
)


def count_types(cells: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Cells of every type in every sample, zeros included.

    Parameters
    ----------
    cells
        One row a cell: ``sample`` and ``cell_type``.
    samples
        One row a sample: ``sample``, ``group`` and, where known, ``donor``, in the order to keep.

    Returns
    -------
    ``sample``, ``group``, ``cell_type``, ``n_cells``, ``fraction`` (of the sample's cells; missing
    where the sample has none) and ``donor`` (if given), one row a sample and type.
    """
    types = sorted(cells[CELL_TYPE].unique(), key=str.casefold)
    counts = pd.crosstab(cells[SAMPLE], cells[CELL_TYPE])
    counts = counts.reindex(index=samples[SAMPLE], columns=types, fill_value=0)
    table = counts.rename_axis(SAMPLE).reset_index().melt(SAMPLE, types, CELL_TYPE, "n_cells")
    sheet = samples.set_index(SAMPLE)
    table.insert(1, GROUP, table[SAMPLE].map(sheet[GROUP]))
    totals = table.groupby(SAMPLE)["n_cells"].transform("sum")
    table["fraction"] = table["n_cells"] / totals.where(totals > 0)
    if DONOR in samples:
        table[DONOR] = table[SAMPLE].map(sheet[DONOR])
    order = {name: i for i, name in enumerate(samples[SAMPLE])}
    return table.sort_values(SAMPLE, key=lambda s: s.map(order), kind="stable", ignore_index=True)


def transform_proportions(counts: pd.DataFrame, *, transform: str) -> pd.DataFrame:
    """Proportions on a scale where their variance depends little on their size.

    Parameters
    ----------
    counts
        Cells, shape (n_samples, n_types).
    transform
        ``logit``: natural log odds after adding half a cell to every count; ``asin``: arcsine
        of the square root.

    References
    ----------
    Phipson et al. (2022) Bioinformatics 38:4720. doi:10.1093/bioinformatics/btac582
    """
    if transform == "asin":
        return np.arcsin(np.sqrt(counts.div(counts.sum(axis=1), axis=0)))
    padded = counts + 0.5
    share = padded.div(padded.sum(axis=1), axis=0)
    return np.log(share / (1 - share))


def compare_samples(
    proportions: pd.DataFrame, contrast: Contrast, *, transform: str, confidence: float
) -> pd.DataFrame:
    """Difference of two groups in every type, the sample being the unit.

    A linear model of all groups is fitted to the transformed proportions of every type and the
    variances are moderated across types (propeller); samples of the same donors are compared
    within them (:func:`helpers.compute.stats.design_contrast`). The effect is always the log2 odds ratio,
    from the logit model; ``transform`` decides which model gives the p-value.

    Parameters
    ----------
    proportions
        From :func:`count_types`.
    contrast
        Effects are ``contrast.test`` over ``contrast.reference``.

    Returns
    -------
    One row a type: ``contrast``, ``cell_type``, ``unit`` (``sample``), ``test``, ``n_reference``,
    ``n_test``, ``effect`` (log2), ``ci_low``, ``ci_high``, ``pvalue``, ``padj``
    (Benjamini-Hochberg), ``reason`` (why there is no p-value, else empty), ``df_prior`` and
    ``df_total``, the degrees of freedom of the p-value that come from the other types, and all.

    References
    ----------
    Phipson et al. (2022) Bioinformatics 38:4720. doi:10.1093/bioinformatics/btac582
    """
    counts, groups = _by_sample(proportions)
    donors = _donors(proportions, groups)
    mine = groups.isin([contrast.reference, contrast.test])
    sides = count_sides(groups, contrast, donors)
    table = _head(contrast, counts.columns, SAMPLE, sides.n_reference, sides.n_test)
    table.insert(3, "test", SAMPLE_TEST.format(transform) + (PAIRED if sides.paired else ""))
    reason = _untestable(contrast, sides.n_reference, sides.n_test)
    if reason or counts.shape[1] == 1:
        return _without_numbers(table, reason or ONE_TYPE)
    design, weights = design_contrast(groups, contrast, donors=donors)
    odds, tested = (
        compare_moderated(
            transform_proportions(counts.loc[design.index], transform=scale),
            design,
            weights,
            confidence=confidence,
            n_free=counts.shape[1] - 1,
        )
        for scale in ("logit", transform)
    )
    for column in ("effect", "ci_low", "ci_high"):
        table[column] = odds[column].to_numpy() / LN2
    table["pvalue"] = tested["pvalue"].to_numpy()
    adjusted = _adjusted(table, _absences(counts[mine].sum(), contrast))
    return adjusted.assign(df_prior=tested["df_prior"].to_numpy(), df_total=tested["df"].to_numpy())


def _by_sample(proportions: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Cells of every sample that has any, shape (n_samples, n_types), and the samples' groups."""
    present = proportions[proportions.groupby(SAMPLE)["n_cells"].transform("sum") > 0]
    counts = present.pivot_table(index=SAMPLE, columns=CELL_TYPE, values="n_cells", sort=False)
    return counts, present.drop_duplicates(SAMPLE).set_index(SAMPLE)[GROUP].reindex(counts.index)


def _donors(proportions: pd.DataFrame, groups: pd.Series) -> pd.Series:
    """Donor of every sample; each its own where donors are not told."""
    if DONOR not in proportions:
        return pd.Series(groups.index, index=groups.index)
    return proportions.drop_duplicates(SAMPLE).set_index(SAMPLE)[DONOR].reindex(groups.index)


def _head(
    contrast: Contrast, types: pd.Index, unit: str, n_reference: int, n_test: int
) -> pd.DataFrame:
    """The columns of a contrast's table that say what is compared."""
    return pd.DataFrame(
        {
            "contrast": contrast.name,
            CELL_TYPE: types,
            "unit": unit,
            "n_reference": n_reference,
            "n_test": n_test,
        }
    )


def _untestable(contrast: Contrast, n_reference: int, n_test: int) -> str:
    """Why two groups of samples cannot be compared, or nothing."""
    for label, n in ((contrast.reference, n_reference), (contrast.test, n_test)):
        if n == 0:
            return f"no sample of group {label} has cells"
    if max(n_reference, n_test) < 2:
        return f"{n_reference} and {n_test} samples: at least one group needs two"
    return ""


def _absences(counts: pd.Series, contrast: Contrast) -> pd.Series:
    """Why a type cannot be compared, given its cells in both groups together, else empty.

    Its odds would be those of the half cell added, which only tell how many cells there are.
    """
    reason = pd.Series("", index=counts.index)
    reason[counts == 0] = f"no cell of this type in {contrast.reference} or {contrast.test}"
    reason[counts == counts.sum()] = (
        f"all cells of {contrast.reference} and {contrast.test} are of this type"
    )
    return reason


def _without_numbers(table: pd.DataFrame, reason: str) -> pd.DataFrame:
    missing = dict.fromkeys((*NUMBERS, "padj"), np.nan)
    return table.assign(**missing, reason=reason, **dict.fromkeys(FREEDOM, np.nan))


def _adjusted(table: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    """The table without the numbers of types that have a reason, and with adjusted p-values."""
    table = table.assign(reason=reasons.to_numpy())
    table.loc[table["reason"] != "", list(NUMBERS)] = np.nan
    table.insert(table.columns.get_loc("reason"), "padj", adjust_pvalues(table["pvalue"]))
    return table


def compare_all_groups(proportions: pd.DataFrame, *, transform: str) -> pd.DataFrame:
    """Whether the groups differ at all in every type, the sample being the unit.

    One-way analysis of variance of the transformed proportions with variances moderated across
    types (propeller): what to look at before single contrasts of three groups or more.

    Parameters
    ----------
    proportions
        From :func:`count_types`.

    Returns
    -------
    One row a type: ``cell_type``, ``unit`` (``sample``), ``test``, ``n_groups`` and
    ``n_samples`` with cells, ``f``, ``pvalue``, ``padj`` (Benjamini-Hochberg), ``reason`` (why
    there is no p-value, else empty).

    References
    ----------
    Phipson et al. (2022) Bioinformatics 38:4720. doi:10.1093/bioinformatics/btac582
    """
    counts, groups = _by_sample(proportions)
    table = pd.DataFrame(
        {
            CELL_TYPE: counts.columns,
            "unit": SAMPLE,
            "test": OVERALL_TEST.format(transform),
            "n_groups": groups.nunique(),
            "n_samples": len(groups),
        }
    )
    reason = _untestable_overall(groups) or (ONE_TYPE if counts.shape[1] == 1 else "")
    if reason:
        return table.assign(f=np.nan, pvalue=np.nan, padj=np.nan, reason=reason)
    tested = compare_means(
        transform_proportions(counts, transform=transform), groups, n_free=counts.shape[1] - 1
    )
    table = table.assign(f=tested["f"].to_numpy(), pvalue=tested["pvalue"].to_numpy())
    return table.assign(padj=adjust_pvalues(table["pvalue"]), reason="")


def _untestable_overall(groups: pd.Series) -> str:
    if groups.nunique() < 2:
        return f"{groups.nunique()} group has cells: there is nothing to compare"
    if groups.value_counts().max() < 2:
        return "one sample a group: at least one group needs two"
    return ""


def compare_cells(
    proportions: pd.DataFrame, contrast: Contrast, *, confidence: float
) -> pd.DataFrame:
    """Difference of two groups in every type, cells being counted as if independent.

    The rank-sum test asks whether a cell of one group is more often of the type; the effect is
    the log2 odds ratio of the pooled counts with its Wald interval. Cells of one donor are not
    independent: this test calls differences between donors differences between groups.

    Returns
    -------
    As :func:`compare_samples`, with ``unit`` ``cell`` and numbers of cells in ``n_reference``
    and ``n_test``.
    """
    counts = proportions.pivot_table(
        index=GROUP, columns=CELL_TYPE, values="n_cells", aggfunc="sum", sort=False
    ).reindex([contrast.reference, contrast.test], fill_value=0)
    reference, test = counts.to_numpy(dtype=int)
    n_reference, n_test = int(reference.sum()), int(test.sum())
    table = _head(contrast, counts.columns, "cell", n_reference, n_test)
    table.insert(3, "test", CELL_TEST)
    if min(n_reference, n_test) == 0:
        return _without_numbers(table, _untestable(contrast, n_reference, n_test))
    inside = np.array([test, reference]) + 0.5
    outside = np.array([n_test - test, n_reference - reference]) + 0.5
    effect = np.log(inside[0] / outside[0]) - np.log(inside[1] / outside[1])
    half = stats.norm.ppf(0.5 + confidence / 2) * np.sqrt((1 / inside + 1 / outside).sum(axis=0))
    table["effect"] = effect / LN2
    table["ci_low"] = (effect - half) / LN2
    table["ci_high"] = (effect + half) / LN2
    table["pvalue"] = [
        _rank_sum_pvalue(a, n_test, b, n_reference) for a, b in zip(test, reference, strict=True)
    ]
    adjusted = _adjusted(table, _absences(counts.sum(), contrast))
    return adjusted.assign(**dict.fromkeys(FREEDOM, np.nan))


def _rank_sum_pvalue(inside_a: int, n_a: int, inside_b: int, n_b: int) -> float:
    """Wilcoxon rank-sum test of two samples of zeros and ones, given by their counts."""
    a = np.repeat([1, 0], [inside_a, n_a - inside_a])
    b = np.repeat([1, 0], [inside_b, n_b - inside_b])
    if inside_a + inside_b in (0, n_a + n_b):
        return 1.0
    return float(stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=True).pvalue)


def measure_lead(
    proportions: pd.DataFrame, cell_types: tuple[str, ...], group: str, *, confidence: float
) -> pd.DataFrame:
    """How far types together exceed the largest other type in a group's samples.

    Parameters
    ----------
    proportions
        From :func:`count_types`.
    cell_types
        Types whose cells are added up.

    Returns
    -------
    One row as in a table of effects: mean over samples of the log2 ratio of their share to the
    largest other share, with its t-interval. Half a cell is added to every count.
    """
    counts, _ = _by_sample(proportions[proportions[GROUP] == group])
    row = {"measure": "lead", CELL_TYPE: " and ".join(cell_types), "test_group": group}
    named = [kind for kind in cell_types if kind in counts]
    others = counts.drop(columns=named) + 0.5
    reason = ""
    if counts.empty:
        reason = f"no sample of group {group} has cells"
    elif len(named) < len(cell_types):
        reason = "not all of these types were found"
    elif others.shape[1] == 0:
        reason = "no other cell type was found"
    if reason:
        return _mean_effect(np.array([]), row, confidence, reason)
    lead = np.log2((counts[named] + 0.5).sum(axis=1) / others.max(axis=1)).to_numpy()
    return _mean_effect(lead, row, confidence, "")


def measure_similarity(
    proportions: pd.DataFrame, group: str, *, like: str, unlike: str, confidence: float
) -> pd.DataFrame:
    """Whether a group's samples lie nearer to one group's centre than to another's.

    Returns
    -------
    One row as in a table of effects: mean over samples of the log2 ratio of the Aitchison
    distance to ``unlike`` over that to ``like``; positive means like ``like``.

    References
    ----------
    Aitchison (1982) J. R. Stat. Soc. B 44:139. doi:10.1111/j.2517-6161.1982.tb01195.x
    """
    counts, groups = _by_sample(proportions)
    log = np.log(counts + 0.5)
    ratios = log.sub(log.mean(axis=1), axis=0)
    centres = ratios.groupby(groups).mean()
    mine = ratios[groups == group]
    row = {"measure": "similarity", "test_group": group, "reference_group": like}
    for label in (group, like, unlike):
        if label not in centres.index:
            reason = f"no sample of group {label} has cells"
            return _mean_effect(np.array([]), row, confidence, reason)
    to_like = np.linalg.norm(mine - centres.loc[like], axis=1)
    to_unlike = np.linalg.norm(mine - centres.loc[unlike], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a sample may equal a centre
        nearness = np.log2(to_unlike / to_like)
    return _mean_effect(nearness, row, confidence, "")


def _mean_effect(
    values: np.ndarray, row: dict[str, str], confidence: float, reason: str
) -> pd.DataFrame:
    """Mean over samples with its t-interval and p-value, as one row of effects."""
    n = len(values)
    fixed = {"unit": SAMPLE, "n_test": n, "n_reference": 0}
    known = values if np.isfinite(values).all() else values[:0]
    numbers = mean_interval(known, confidence=confidence)
    if np.isnan(numbers["pvalue"]) and not reason:
        reason = NO_SPREAD if n >= 2 else f"{n} sample in the group: an interval needs two"
    blank = {CELL_TYPE: "", "reference_group": ""}
    return pd.DataFrame([blank | row | fixed | numbers | {"reason": reason}])


def as_effects(contrasts: pd.DataFrame, contrast: Contrast) -> pd.DataFrame:
    """Sample-level rows of a contrast in the form claims are looked up in."""
    mine = contrasts[(contrasts["contrast"] == contrast.name) & (contrasts["unit"] == SAMPLE)]
    return mine.assign(
        measure="proportion", test_group=contrast.test, reference_group=contrast.reference
    )


def compare_groups(
    proportions: pd.DataFrame, contrasts: list[Contrast], *, transform: str, confidence: float
) -> pd.DataFrame:
    """Every contrast by sample and by cell, one below the other; empty without contrasts."""
    tables = [
        table
        for contrast in contrasts
        for table in (
            compare_samples(proportions, contrast, transform=transform, confidence=confidence),
            compare_cells(proportions, contrast, confidence=confidence),
        )
    ]
    return (
        pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=CONTRAST_COLUMNS)
    )


def describe_pooling(contrasts: pd.DataFrame) -> str:
    """How much of the tests by sample rests on the other types, as a sentence of a caption.

    Where types vary no more than chance would make them, all are given one variance, and its many
    degrees of freedom make p-values small although the samples are few.

    Parameters
    ----------
    contrasts
        From :func:`compare_groups`.
    """
    tested = contrasts.dropna(subset=["df_prior"]).drop_duplicates(["contrast", *FREEDOM])
    sentences = [
        f"{row.contrast}: variances are {POOLED} (prior degrees of freedom infinite, total "
        f"{row.df_total:.3g})."
        if np.isinf(row.df_prior)
        else f"{row.contrast}: variances are {MODERATED} (prior degrees of freedom "
        f"{row.df_prior:.3g}, total {row.df_total:.3g})."
        for row in tested.itertuples()
    ]
    return " ".join(sentences)


def measure_composition(
    proportions: pd.DataFrame,
    contrasts: pd.DataFrame,
    asked: list[Contrast],
    groups: dict[str, str],
    *,
    confidence: float,
) -> pd.DataFrame:
    """All numbers claims about composition are looked up in.

    Parameters
    ----------
    proportions, contrasts
        From :func:`count_types` and :func:`compare_groups`.
    asked
        The contrasts of the cohort.
    groups
        Role to label.

    Returns
    -------
    Effects by sample: differences in proportion for each contrast, the lead of each type and of
    naive CD4+ T with CD8+ NKT-like cells in each group, and whether remission is like control.
    """
    kinds = [(kind,) for kind in dict.fromkeys(proportions[CELL_TYPE])]
    present = set(proportions[GROUP])
    rows = [as_effects(contrasts, contrast) for contrast in asked]
    rows += [
        measure_lead(proportions, types, group, confidence=confidence)
        for group in groups.values()
        if group in present
        for types in (*kinds, ("Naive CD4+ T", "CD8+ NKT-like"))
    ]
    if {"reference", "responder", "non_responder"} <= set(groups):
        rows.append(
            measure_similarity(
                proportions,
                groups["responder"],
                like=groups["reference"],
                unlike=groups["non_responder"],
                confidence=confidence,
            )
        )
    filled = [table for table in rows if not table.empty]
    return pd.concat(filled, ignore_index=True)
