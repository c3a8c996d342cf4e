"""Activity of regulons: how specific to a label, by sample, and between groups of samples."""

import numpy as np
import pandas as pd
from scipy import stats

from helpers.compute.stats import (
    NO_SPREAD,
    PAIRED,
    adjust_pvalues,
    compare_moderated,
    count_sides,
    design_contrast,
    mean_interval,
)
from helpers.schema import (
    BARCODE,
    CELL_TYPE,
    DONOR,
    GROUP,
    REGULON,
    SAMPLE,
    SUBCLUSTER,
    TF,
    UNKNOWN,
    Contrast,
)

FLOOR = 0.001  # added to a mean AUC before its logarithm: less than one target in a thousand
NUMBERS = ("effect", "ci_low", "ci_high", "pvalue")
BY_TYPE = "cell type"
NO_CHROMATIN = (
    "the network was not held against motifs in peaks: the cohort has no chromatin that was matched "
    "with them"
)
TEST = "moderated t-test on log2 mean AUC"
CONTRAST_COLUMNS = (
    "contrast",
    CELL_TYPE,
    REGULON,
    "unit",
    "test",
    "n_reference",
    "n_test",
    *NUMBERS,
    "padj",
    "reason",
)


def score_specificity(activity: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """Regulon specificity score: 1 where a regulon is active in the cells of a label alone.

    One minus the Jensen-Shannon distance (the root of the divergence, base 2) between a regulon's
    activity and the label's membership, each spread over all cells as shares that add up to 1.

    Parameters
    ----------
    activity
        Not negative, shape (n_cells, n_regulons).
    labels
        Label of every cell, in the same order.

    Returns
    -------
    ``regulon``, ``label``, ``n_cells``, ``rss`` (0 to 1; missing where a regulon is never active).

    References
    ----------
    Suo et al. (2018) Cell Rep. 25:1436. doi:10.1016/j.celrep.2018.10.045
    """
    values = activity.to_numpy(dtype=float)
    names = labels.astype(str).to_numpy()
    total = values.sum(axis=0)
    share = values / np.where(total > 0, total, np.nan)
    rows = []
    for label in sorted(set(names), key=str.casefold):
        inside = names == label
        rss = 1 - np.sqrt(_divergence(share, inside))
        rows.append(
            pd.DataFrame(
                {REGULON: activity.columns, "label": label, "n_cells": inside.sum(), "rss": rss}
            )
        )
    return pd.concat(rows, ignore_index=True)


def _divergence(share: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of every column from an even spread over the cells ``inside``."""
    even = np.where(inside, 1 / inside.sum(), 0.0)[:, None]
    middle = (share + even) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(share > 0, share * np.log2(share / middle), 0.0).sum(axis=0)
        right = np.where(even > 0, even * np.log2(even / middle), 0.0).sum(axis=0)
    unknown = np.isnan(share).any(axis=0)
    return np.where(unknown, np.nan, np.clip((left + right) / 2, 0, 1))


def average_activity(
    activity: pd.DataFrame, cells: pd.DataFrame, samples: pd.DataFrame, *, min_cells: int
) -> pd.DataFrame:
    """Mean activity of every regulon in every type of every sample.

    Parameters
    ----------
    activity
        AUC, shape (n_cells, n_regulons).
    cells
        ``sample`` and ``cell_type`` of every cell, in the same order.
    samples
        ``sample``, ``group`` and, where known, ``donor``, in the order to keep.
    min_cells
        Cells a type needs in a sample to have a mean.

    Returns
    -------
    ``sample``, ``group``, ``donor`` (if given), ``cell_type``, ``regulon``, ``n_cells``, ``auc``.
    """
    keys = [cells[name].astype(str).to_numpy() for name in (SAMPLE, CELL_TYPE)]
    grouped = activity.groupby(keys)
    size = grouped.size()
    mean = grouped.mean()[size >= min_cells]
    mean.index.names = [SAMPLE, CELL_TYPE]
    table = mean.reset_index().melt([SAMPLE, CELL_TYPE], var_name=REGULON, value_name="auc")
    size.index.names = [SAMPLE, CELL_TYPE]
    table = table.merge(size.rename("n_cells").reset_index(), on=[SAMPLE, CELL_TYPE])
    known = [column for column in (GROUP, DONOR) if column in samples]
    for column in known:
        table[column] = table[SAMPLE].map(samples.set_index(SAMPLE)[column])
    order = {name: i for i, name in enumerate(samples[SAMPLE])}
    table = table.sort_values(SAMPLE, key=lambda s: s.map(order), kind="stable", ignore_index=True)
    return table[[SAMPLE, *known, CELL_TYPE, REGULON, "n_cells", "auc"]]


def compare_activity(
    averages: pd.DataFrame, contrasts: list[Contrast], *, confidence: float
) -> pd.DataFrame:
    """Every contrast of every regulon in every type, the sample being the unit.

    A linear model of all groups is fitted to the log2 of the samples' mean activity, variances
    moderated across the regulons of a type; samples of the same donors are compared within them
    (:func:`helpers.compute.stats.design_contrast`).

    Parameters
    ----------
    averages
        From :func:`average_activity`.

    Returns
    -------
    One row a contrast, type and regulon: ``contrast``, ``cell_type``, ``regulon``, ``unit``
    (``sample``), ``test``, ``n_reference``, ``n_test``, ``effect`` (log2 ratio), ``ci_low``,
    ``ci_high``, ``pvalue``, ``padj`` (Benjamini-Hochberg within a contrast), ``reason`` (why there
    is no p-value, else empty).

    References
    ----------
    Smyth (2004) Stat. Appl. Genet. Mol. Biol. 3:3. doi:10.2202/1544-6115.1027
    """
    parts = []
    for contrast in contrasts:
        tables = [
            _compare_type(part, contrast, confidence).assign(**{CELL_TYPE: kind})
            for kind, part in averages.groupby(CELL_TYPE, sort=True)
        ]
        if tables:
            table = pd.concat(tables, ignore_index=True)
            table["padj"] = adjust_pvalues(table["pvalue"].to_numpy(dtype=float))
            parts.append(table.assign(contrast=contrast.name, unit=SAMPLE))
    if not parts:
        empty = pd.DataFrame(columns=list(CONTRAST_COLUMNS))
        return empty.astype(dict.fromkeys((*NUMBERS, "padj"), float))
    return pd.concat(parts, ignore_index=True)[list(CONTRAST_COLUMNS)]


def _compare_type(part: pd.DataFrame, contrast: Contrast, confidence: float) -> pd.DataFrame:
    wide = np.log2(part.pivot_table(index=SAMPLE, columns=REGULON, values="auc") + FLOOR)
    sheet = part.drop_duplicates(SAMPLE).set_index(SAMPLE).reindex(wide.index)
    groups = sheet[GROUP]
    donors = sheet[DONOR] if DONOR in sheet else pd.Series(wide.index, index=wide.index)
    design, weights = design_contrast(groups, contrast, donors=donors)
    sides = count_sides(groups, contrast, donors)
    n_reference, n_test = sides.n_reference, sides.n_test
    test = TEST + (PAIRED if sides.paired else "")
    numbers = {"n_reference": n_reference, "n_test": n_test, "test": test}
    reason = ""
    if min(n_reference, n_test) == 0:
        empty = contrast.reference if n_reference == 0 else contrast.test
        reason = f"no sample of group {empty} has enough cells of this type"
    elif len(design) <= design.shape[1]:
        reason = f"{n_reference} and {n_test} samples: at least one group needs two"
    if reason:
        table = pd.DataFrame({REGULON: wide.columns}).assign(**dict.fromkeys(NUMBERS, np.nan))
        return table.assign(**numbers, reason=reason)
    tested = compare_moderated(wide.loc[design.index], design, weights, confidence=confidence)
    table = tested[list(NUMBERS)].rename_axis(REGULON).reset_index()
    same = np.where(table["pvalue"].isna(), NO_SPREAD, "")
    return table.assign(**numbers, reason=same)


def measure_lead(
    averages: pd.DataFrame, group: str, cell_type: str, *, confidence: float
) -> pd.DataFrame:
    """How far each regulon's activity in a type exceeds its mean in the other types of a sample.

    Returns
    -------
    One row a regulon as in a table of effects: ``effect`` is the mean over the group's samples of
    the log2 ratio, with its t-interval; ``reason`` where there is none.
    """
    mine = averages[averages[GROUP] == group]
    logs = np.log2(
        mine.pivot_table(index=[SAMPLE, CELL_TYPE], columns=REGULON, values="auc") + FLOOR
    )
    kinds = logs.index.get_level_values(CELL_TYPE)
    own = logs[kinds == cell_type].droplevel(CELL_TYPE)
    others = logs[kinds != cell_type].groupby(level=SAMPLE).mean()
    lead = (own - others.reindex(own.index)).dropna()
    n = len(lead)
    fixed = {"unit": SAMPLE, "n_reference": 0, "n_test": n, "test_group": group,
             CELL_TYPE: cell_type, "reference_group": "", "measure": "regulon_lead"}  # fmt: skip
    table = pd.DataFrame({"feature": averages[REGULON].unique()}).assign(**fixed)
    if n < 2:
        numbers = dict.fromkeys(NUMBERS, np.nan)
        return table.assign(**numbers, reason=f"{n} samples allow it: an interval needs two")
    measured = pd.DataFrame(
        [mean_interval(lead[name].to_numpy(), confidence=confidence) for name in table["feature"]]
    )
    return table.join(measured).assign(reason=np.where(measured["pvalue"].isna(), NO_SPREAD, ""))


def measure_regulons(
    averages: pd.DataFrame,
    compared: pd.DataFrame,
    support: pd.DataFrame,
    *,
    contrasts: list[Contrast],
    groups: list[str],
    confidence: float,
) -> pd.DataFrame:
    """All numbers claims about regulons are looked up in.

    Parameters
    ----------
    averages, compared
        From :func:`average_activity` and :func:`compare_activity`.
    support
        From :func:`helpers.compute.pruning.rate_motif_support`; empty without chromatin.
    groups
        Labels of the groups that have samples.

    Returns
    -------
    Rows of measure ``regulon`` (between groups), ``regulon_lead`` (a type above the others) and
    ``motif_support`` (targets with the factor's motif in linked peaks against other genes).
    """
    parts = [
        compared[compared["contrast"] == contrast.name]
        .rename(columns={REGULON: "feature"})
        .assign(measure="regulon", test_group=contrast.test, reference_group=contrast.reference)
        for contrast in contrasts
    ]
    parts += [
        measure_lead(averages, group, str(kind), confidence=confidence)
        for group in groups
        for kind in sorted(averages[CELL_TYPE].unique())
    ]
    parts.append(pool_support(support, confidence=confidence))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def pool_support(support: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """How much more often targets hold their factor's motif than as many other genes would.

    Targets with the motif, added up over factors, over what the other genes' share lets expect:
    a ratio of sums, so that factors with few targets or a motif nearly everywhere do not bend it.
    The factor is the unit of the t-interval (delta method).

    Parameters
    ----------
    support
        ``n_targets``, ``n_with_motif``, ``n_others``, ``others_with_motif``, one row a factor.

    Returns
    -------
    One row as in a table of effects; ``effect`` is log2.
    """
    expected = support["n_targets"] * support["others_with_motif"] / support["n_others"]
    found = support["n_with_motif"].astype(float)
    n = len(support)
    row: dict[str, object] = dict.fromkeys(NUMBERS, np.nan)
    row |= {"measure": "motif_support", "unit": "factor", "n_reference": 0, "n_test": n}
    row |= {CELL_TYPE: "", "feature": "", "test_group": "", "reference_group": ""}
    row["reason"] = NO_CHROMATIN if n == 0 else f"{n} factors with a motif say too little"
    if n < 2 or min(found.sum(), expected.sum()) == 0:
        return pd.DataFrame([row])
    ratio = found.sum() / expected.sum()
    spread = ((found - ratio * expected) ** 2).sum() * n / (n - 1)
    effect, error = np.log2(ratio), np.sqrt(spread) / found.sum() / np.log(2)
    half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * error
    row |= {"effect": effect, "ci_low": effect - half, "ci_high": effect + half, "reason": ""}
    row["pvalue"] = 2 * float(stats.t.sf(abs(effect) / error, n - 1)) if error else np.nan
    return pd.DataFrame([row])


def rate_specificity(
    activity: pd.DataFrame, cells: pd.DataFrame, subclusters: dict[str, pd.DataFrame]
) -> pd.DataFrame:
    """Specificity of every regulon to every type, and to every subcluster inside its type.

    Parameters
    ----------
    activity
        Shape (n_cells, n_regulons).
    cells
        ``sample``, ``barcode``, ``cell_type`` of every cell, in the same order.
    subclusters
        Cell type to ``sample``, ``barcode``, ``subcluster`` of its cells; may be empty.

    Returns
    -------
    ``level`` (``cell type`` or ``subclusters of …``) and the columns of
    :func:`score_specificity`.
    """
    named = cells[CELL_TYPE].astype(str).reset_index(drop=True)
    values = activity.reset_index(drop=True)
    parts = [score_specificity(values, named).assign(level=BY_TYPE)]
    keys = cells[[SAMPLE, BARCODE]].astype(str).reset_index(drop=True)
    for kind, table in subclusters.items():
        found = keys.merge(table.astype(str), on=[SAMPLE, BARCODE], how="left")[SUBCLUSTER]
        inside = found.notna()
        if len(set(found[inside])) > 1:
            scored = score_specificity(values[inside.to_numpy()], found[inside])
            parts.append(scored.assign(level=subclusters_of(kind)))
    return pd.concat(parts, ignore_index=True)


def subclusters_of(cell_type: str) -> str:
    """Name of the level of a type's subclusters."""
    return f"subclusters of {cell_type}"


def pick_specific(specificity: pd.DataFrame, *, level: str, n: int) -> list[str]:
    """The ``n`` most specific regulons of every label of a level, label by label, each once."""
    mine = specificity[(specificity["level"] == level) & (specificity["label"] != UNKNOWN)]
    order = mine.sort_values(["label", "rss"], ascending=[True, False], kind="stable")
    return list(dict.fromkeys(order.groupby("label", sort=False).head(n)[REGULON]))


def rank_planted(specificity: pd.DataFrame, planted: pd.DataFrame) -> pd.DataFrame:
    """Where the regulon of every planted factor stands among all, in the type it is highest in.

    Parameters
    ----------
    specificity
        From :func:`rate_specificity`.
    planted
        ``tf``, one row or more a factor.

    Returns
    -------
    ``tf``, ``best_type``, ``rank`` (1: the most specific regulon of the type), ``n_regulons``;
    missing where the factor has no regulon that was scored.
    """
    mine = specificity[(specificity["level"] == BY_TYPE) & (specificity["label"] != UNKNOWN)]
    ranked = mine.assign(rank=mine.groupby("label")["rss"].rank(ascending=False, method="min"))
    ranked["n_regulons"] = ranked.groupby("label")[REGULON].transform("size")
    best = ranked.sort_values(["rank", "label"], kind="stable").drop_duplicates(REGULON)
    best = best.rename(columns={REGULON: TF, "label": "best_type"}).set_index(TF)
    columns = ["best_type", "rank", "n_regulons"]
    return best[columns].reindex(planted[TF].unique()).rename_axis(TF).reset_index()


def pick_changed(
    compared: pd.DataFrame, contrast: str, cell_types: list[str], *, n: int
) -> pd.DataFrame:
    """The ``n`` regulons of smallest p-value in each type of a contrast."""
    mine = compared[(compared["contrast"] == contrast) & compared["pvalue"].notna()]
    parts = [
        mine[mine[CELL_TYPE] == kind].nsmallest(n, "pvalue").sort_values("effect")
        for kind in cell_types
    ]
    return pd.concat(parts, ignore_index=True) if parts else mine.iloc[:0]
