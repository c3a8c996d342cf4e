"""Gains and losses of chromosome arms: every cell against normal cells of its own type."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, stats

from helpers.compute.stats import adjust_pvalues, moderate_variances
from helpers.errors import NotPossibleError
from helpers.schema import BARCODE, CELL_TYPE, GROUP, SAMPLE, SUBCLUSTER, UNKNOWN

# Squared coefficient of variation of a gene between cells and donors. Only weights depend on it:
# genes beyond 1 / GENE_CV2 counts in a cell say no more the more they are expressed.
GENE_CV2 = 2.0
MIN_ARM_GENES = 10  # fewer genes do not make an arm's mean
MIN_OTHER_TYPES = 4  # types that together say what a donor's own level is
MIN_RATIO = 0.05  # keeps the logarithm of an arm without any count finite
GAIN, LOSS, NEUTRAL = "gain", "loss", "neutral"


def list_arms(genes: pd.DataFrame) -> pd.DataFrame:
    """Arms with enough genes to be measured.

    Parameters
    ----------
    genes
        ``chrom``, ``start``, ``end``, ``arm`` in genomic order.

    Returns
    -------
    ``arm``, ``chrom``, ``start``, ``end`` (from the first gene to the last), ``n_genes``.
    """
    grouped = genes.groupby("arm", sort=False)
    table = grouped.agg(chrom=("chrom", "first"), start=("start", "min"), end=("end", "max"))
    table["n_genes"] = grouped.size()
    return table[(table["n_genes"] >= MIN_ARM_GENES) & (table.index != "")].reset_index()


def measure_arms(
    counts: sparse.csr_matrix,
    genes: pd.DataFrame,
    cells: pd.DataFrame,
    *,
    normal: list[str],
    min_cells: int,
) -> np.ndarray:
    """Expression of every arm in every cell, relative to normal cells of the same type.

    Lineages express whole neighbourhoods of genes differently; against its own type a cell
    differs by copy number and state alone. A normal sample is measured against the other normal
    ones, which makes it a negative control. What all types of a sample share (the donor, the
    batch) is taken out where enough types say what it is.

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_genes).
    genes
        Their ``arm``, from :func:`list_arms`' input.
    cells
        ``sample`` and ``cell_type`` of every cell.
    normal
        Samples known to be normal.
    min_cells
        Normal cells of a type without which the type is not measured.

    Returns
    -------
    Ratio minus 1, shape (n_cells, n_arms), in the order of :func:`list_arms`; missing where the
    type has too few normal cells or is unknown.
    """
    arms = list_arms(genes)["arm"].to_numpy()
    member = (genes["arm"].to_numpy()[:, None] == arms[None, :]).astype(float)
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    depth = float(np.median(totals))
    ratio = np.full((len(cells), len(arms)), np.nan)
    place = cells.reset_index(drop=True).groupby([SAMPLE, CELL_TYPE], observed=True).indices
    shares = _normal_shares(counts, totals, place, normal)
    for (sample, kind), rows in place.items():
        base = [(n, share) for (s, k), (n, share) in shares.items() if k == kind and s != sample]
        n_normal = sum(n for n, _ in base)
        if kind == UNKNOWN or n_normal < min_cells:
            continue
        expected = sum(n * share for n, share in base) / n_normal
        weight = (
            member
            * np.divide(
                1.0,
                1 + GENE_CV2 * depth * expected,
                out=np.zeros_like(expected),
                where=expected > 0,
            )[:, None]
        )
        seen = (counts[rows] @ weight) / totals[rows, None]
        ratio[rows] = seen / (expected @ weight) - 1
    return _subtract_donor(ratio, place, min_cells=min_cells)


def _normal_shares(
    counts: sparse.csr_matrix,
    totals: np.ndarray,
    place: dict[tuple[str, str], np.ndarray],
    normal: list[str],
) -> dict[tuple[str, str], tuple[int, np.ndarray]]:
    """Cells of each type in each normal sample and the mean share of every gene in them."""
    return {
        key: (
            len(rows),
            (sparse.csr_matrix(1 / totals[rows]) @ counts[rows]).toarray()[0] / len(rows),
        )
        for key, rows in place.items()
        if key[0] in normal
    }


def _subtract_donor(
    ratio: np.ndarray, place: dict[tuple[str, str], np.ndarray], *, min_cells: int
) -> np.ndarray:
    """Take out of each type what the median of the sample's other types shows, and the centre."""
    means = {key: ratio[rows].mean(axis=0) for key, rows in place.items()}
    result = ratio.copy()
    for (sample, kind), rows in place.items():
        others = [
            mean
            for (s, k), mean in means.items()
            if s == sample and k != kind and len(place[s, k]) >= min_cells and not np.isnan(mean[0])
        ]
        shift = np.median(others, axis=0) if len(others) >= MIN_OTHER_TYPES else 0.0
        moved = ratio[rows] - shift
        result[rows] = moved - np.median(moved.mean(axis=0))
    return result


def average_arms(
    ratio: np.ndarray,
    cells: pd.DataFrame,
    arms: pd.DataFrame,
    *,
    normal: list[str],
    by: tuple[str, ...] = (SAMPLE, CELL_TYPE),
    min_cells: int,
) -> pd.DataFrame:
    """Mean log2 ratio of every arm in every unit, such as the cells of a type in a sample.

    Parameters
    ----------
    ratio
        From :func:`measure_arms`; cells without a ratio are left out.
    normal
        Samples known to be normal.
    by
        Columns of ``cells`` that make a unit, the first two being ``sample`` and ``cell_type``.
    min_cells
        Units with fewer cells are left out.

    Returns
    -------
    The columns of ``by``, ``arm``, ``n_cells``, ``log2fc`` and ``within``, the variance of
    ``log2fc`` that comes from having so many cells, and so many normal ones of the type.
    """
    measured = ~np.isnan(ratio).any(axis=1)
    frame = cells.loc[measured, list(by)].reset_index(drop=True)
    values = ratio[measured]
    n_normal = cells[cells[SAMPLE].isin(normal)].groupby([CELL_TYPE, SAMPLE], observed=True).size()
    of_normal = (cells[SAMPLE].isin(normal).to_numpy())[measured]
    kinds = frame[CELL_TYPE]
    unknown = np.full(values.shape[1], np.nan)  # of a type without a normal cell
    variance = dict.fromkeys(kinds.unique(), unknown) | {
        kind: values[of_normal & (kinds == kind).to_numpy()].var(axis=0)
        for kind in kinds[of_normal].unique()
    }
    parts = []
    for key, rows in frame.groupby(list(by), sort=False, observed=True).indices.items():
        if len(rows) < max(min_cells, 2):
            continue
        mean = np.maximum(values[rows].mean(axis=0), MIN_RATIO - 1)
        error = values[rows].var(axis=0, ddof=1) / len(rows)
        error += variance[key[1]] / n_normal[key[1]].drop(key[0], errors="ignore").sum()
        names = dict(zip(by, key, strict=True))
        numbers = {"arm": arms["arm"], "n_cells": len(rows), "log2fc": np.log2(1 + mean)}
        within = error / ((1 + mean) * np.log(2)) ** 2
        parts.append(pd.DataFrame(names | numbers | {"within": within}))
    columns = [*by, "arm", "n_cells", "log2fc", "within"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


@dataclass(frozen=True)
class Spread:
    """How far arms of normal samples lie apart, beyond what few cells explain."""

    arms: pd.Index
    between: np.ndarray
    """Variance between normal samples, by arm: the fewer genes, the larger."""
    scale: np.ndarray
    """Factor on the whole variance, by arm, drawn towards what all arms say together."""
    df: float

    def variance(self, units: pd.DataFrame) -> np.ndarray:
        """Variance of each unit's ``log2fc`` had it two copies of every arm."""
        column = self.arms.get_indexer(units["arm"])
        within = units["within"].to_numpy(dtype=float)
        return self.scale[column] * (within + self.between[column])


def restore_spread(arms: pd.DataFrame, df: float) -> Spread:
    """The spread as it was kept: columns ``between`` and ``scale`` of the arms' table."""
    columns = [arms[name].to_numpy(dtype=float) for name in ("between", "scale")]
    return Spread(pd.Index(arms["arm"]), columns[0], columns[1], float(df))


def fit_spread(units: pd.DataFrame, arms: pd.DataFrame, *, normal: list[str]) -> Spread:
    """Learn from normal samples, each measured against the others, how far arms lie apart.

    Parameters
    ----------
    units
        From :func:`average_arms` by sample and cell type.
    arms
        From :func:`list_arms`.
    normal
        Samples known to be normal.

    Raises
    ------
    NotPossibleError
        If fewer than two normal samples have a type in common.
    """
    mine = units[units[SAMPLE].isin(normal)]
    count = mine.drop_duplicates([SAMPLE, CELL_TYPE]).groupby(CELL_TYPE).size()
    df = int((count[count >= 2] - 1).sum())
    if df < 1:
        n_samples = mine[SAMPLE].nunique()
        msg = (
            "Calling arms needs two normal samples with a cell type in common, to know how far "
            f"normal samples lie apart; {n_samples} can be measured."
        )
        raise NotPossibleError(msg)
    share = 1 / mine["arm"].map(arms.set_index("arm")["n_genes"]).to_numpy(dtype=float)
    square = mine["log2fc"].to_numpy() ** 2
    excess = max(float((square - mine["within"]).sum() / share.sum()), 0.0)
    between = excess / arms["n_genes"].to_numpy(dtype=float)
    standard = square / (mine["within"] + excess * share)
    per_arm = standard.groupby(mine["arm"]).mean().reindex(arms["arm"]).to_numpy()
    scale, df_total = moderate_variances(per_arm, df)
    return Spread(pd.Index(arms["arm"]), between, scale, float(df_total))


def call_arms(
    units: pd.DataFrame,
    arms: pd.DataFrame,
    spread: Spread,
    *,
    fdr: float,
    min_change: float,
    confidence: float,
) -> pd.DataFrame:
    """Gain, loss or neither of every arm in every unit, with its interval.

    The sample is the unit: an arm is called where it lies farther from normal than normal samples
    lie apart, and by enough to matter.

    Parameters
    ----------
    fdr
        Benjamini-Hochberg threshold over all arms and units.
    min_change
        Log2 ratio a gain or loss must reach.

    Returns
    -------
    ``units`` with ``chrom``, ``start``, ``end``, ``ci_low``, ``ci_high``, ``pvalue``, ``padj``,
    ``state`` (gain, loss or neutral).
    """
    error = np.sqrt(spread.variance(units))
    law = stats.norm() if np.isinf(spread.df) else stats.t(spread.df)
    half = law.ppf(0.5 + confidence / 2) * error
    pvalue = 2 * law.sf(np.abs(units["log2fc"]) / error)
    padj = adjust_pvalues(pvalue)
    called = (padj < fdr) & (units["log2fc"].abs() >= min_change)
    state = np.where(called, np.where(units["log2fc"] > 0, GAIN, LOSS), NEUTRAL)
    where = units[["arm"]].merge(arms[["arm", "chrom", "start", "end"]], on="arm", how="left")
    return units.drop(columns="within").assign(
        chrom=where["chrom"].to_numpy(),
        start=where["start"].to_numpy(),
        end=where["end"].to_numpy(),
        ci_low=units["log2fc"] - half,
        ci_high=units["log2fc"] + half,
        pvalue=pvalue,
        padj=padj,
        state=state,
    )


def measure_levels(
    units: pd.DataFrame,
    arms: pd.DataFrame,
    spread: Spread,
    *,
    by: tuple[str, ...] = (SAMPLE, CELL_TYPE),
) -> pd.DataFrame:
    """How much copy-number change a unit carries: root mean square over the genome.

    What normal samples differ by is taken off the mean square, so that normal units lie around
    0; where more is taken off than there is, the root is negative.

    Returns
    -------
    The columns of ``by``, ``n_cells``, ``cnv_level`` (log2; missing where no arm was measured).
    """
    weight = units["arm"].map(arms.set_index("arm")["n_genes"]).astype(float)
    excess = (units["log2fc"] ** 2 - spread.variance(units)) * weight
    # An arm that could not be measured has no weight; a unit without any has no level.
    measured = units.assign(excess=excess, weight=weight.where(excess.notna()))
    table = measured.groupby(list(by), sort=False, observed=True)
    mean = table["excess"].sum(min_count=1) / table["weight"].sum(min_count=1)
    level = np.sign(mean) * np.sqrt(mean.abs())
    return pd.DataFrame({"n_cells": table["n_cells"].first(), "cnv_level": level}).reset_index()


def measure_subclusters(
    ratio: np.ndarray,
    cells: pd.DataFrame,
    subclusters: pd.DataFrame,
    arms: pd.DataFrame,
    spread: Spread,
    *,
    normal: list[str],
    min_cells: int,
) -> pd.DataFrame:
    """Copy-number change of every subcluster in every sample.

    A subcluster that spends more of its RNA on a few genes has less for all others; so every
    subcluster is centred on the arm in its middle, as every type was.

    Parameters
    ----------
    ratio
        From :func:`measure_arms`.
    cells
        ``sample``, ``barcode``, ``group`` and ``cell_type`` of its rows.
    subclusters
        ``sample``, ``barcode`` and ``subcluster`` (text) of the cells of one type.
    normal
        Samples known to be normal.

    Returns
    -------
    ``sample``, ``cell_type``, ``subcluster``, ``n_cells``, ``cnv_level`` (log2), ``group``;
    subclusters with fewer than ``min_cells`` cells in a sample are left out.
    """
    by = (SAMPLE, CELL_TYPE, SUBCLUSTER)
    named = cells.merge(subclusters, on=[SAMPLE, BARCODE], how="left")
    values = _centre(ratio, named, by=by)
    units = average_arms(values, named, arms, normal=normal, by=by, min_cells=min_cells)
    levels = measure_levels(units, arms, spread, by=by)
    levels[GROUP] = levels[SAMPLE].map(cells.drop_duplicates(SAMPLE).set_index(SAMPLE)[GROUP])
    return levels


def _centre(ratio: np.ndarray, cells: pd.DataFrame, *, by: tuple[str, ...]) -> np.ndarray:
    """Ratios less the median arm of their unit; as they were where a cell is in no unit."""
    centred = ratio.copy()
    for rows in cells.reset_index(drop=True).groupby(list(by), observed=True).indices.values():
        mean = ratio[rows].mean(axis=0)
        centred[rows] = ratio[rows] - (0.0 if np.isnan(mean).any() else np.median(mean))
    return centred
