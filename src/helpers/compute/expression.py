"""Differential expression: cell by cell (Wilcoxon) and sample by sample (pseudobulk)."""

import os
from typing import Literal

import anndata as ad
import numpy as np
import pandas as pd
from scipy import interpolate, sparse, special, stats
from statsmodels.nonparametric.smoothers_lowess import lowess

from helpers.compute.stats import adjust_pvalues, compare_moderated, design_contrast
from helpers.errors import DataError
from helpers.schema import CELL_TYPE, CONTRAST, GENE, SAMPLE, Contrast

MIN_CELLS_SAMPLE = 10  # cells a sample needs for its sum to speak for it
LOG_RATIO_TRIM, SUM_TRIM = 0.3, 0.05  # shares of genes TMM leaves out at either end
Pseudobulk = Literal["voom", "deseq2"]


def rank_cells(
    expression: sparse.csr_matrix,
    genes: pd.Index,
    labels: np.ndarray,
    *,
    reference: str | None = None,
    test: str | None = None,
) -> pd.DataFrame:
    """Wilcoxon rank-sum test of every gene, cells being the unit, as Seurat does it.

    Corrected for ties and continuity. The test runs on both cores over the sparse matrix.

    Parameters
    ----------
    expression
        Log-normalised (natural log of one plus), shape (n_cells, n_genes).
    labels
        Group of every cell.
    reference, test
        Two groups to compare; without them every group is compared with all other cells.

    Returns
    -------
    One row a group and gene, all genes: ``label``, ``gene``, ``log2fc`` (Seurat's: difference
    of log2 of mean expression plus one), ``pct_test`` and ``pct_reference`` (share of cells
    with the gene, 0 to 1), ``z``, ``log10_pvalue``, ``pvalue``, ``padj`` (Benjamini-Hochberg
    within the group).

    Raises
    ------
    DataError
        If there are not two groups of cells.
    """
    found, sizes = np.unique(labels, return_counts=True)
    wanted = list(found) if test is None else [test]
    if len(found) < 2 or not set(wanted) <= set(found):
        msg = f"expression is compared between two groups of cells; found {', '.join(found)}"
        raise DataError(msg)
    scores = _rank_sums(expression, labels, reference=reference, groups=wanted)
    means, shares = _group_means(expression, labels, found)
    parts = []
    for label in wanted:
        mine = found == label
        others = ~mine if reference is None else found == reference
        z = scores[label]
        log_p = np.minimum((np.log(2) + special.log_ndtr(-np.abs(z))) / np.log(10), 0.0)
        pvalue = 10**log_p
        level = [_pool(means, sizes, part) for part in (mine, others)]
        parts.append(
            pd.DataFrame(
                {
                    "label": label,
                    GENE: genes,
                    "log2fc": np.log2(level[0] + 1) - np.log2(level[1] + 1),
                    "pct_test": _pool(shares, sizes, mine),
                    "pct_reference": _pool(shares, sizes, others),
                    "z": z,
                    "log10_pvalue": log_p,
                    "pvalue": pvalue,
                    "padj": adjust_pvalues(pvalue),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _rank_sums(
    expression: sparse.csr_matrix, labels: np.ndarray, *, reference: str | None, groups: list[str]
) -> dict[str, np.ndarray]:
    """z-score of every gene in every group, corrected for ties and continuity."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # illico's progress bar is for terminals
    from illico import asymptotic_wilcoxon
    from loguru import logger

    logger.disable("illico")
    kept = (
        np.ones(len(labels), bool) if reference is None else np.isin(labels, [*groups, reference])
    )
    cells = pd.DataFrame({"label": labels[kept].astype(str)})
    cells.index = cells.index.astype(str)
    matrix = expression[kept].tocsc()
    matrix.sort_indices()
    table = asymptotic_wilcoxon(
        ad.AnnData(matrix, obs=cells),
        is_log1p=True,
        group_keys="label",
        reference=reference,
        groups=groups,
        n_threads=int(os.environ.get("OMP_NUM_THREADS", "2")),
    )
    # A gene without any difference, or in no cell, has no deviation to divide by.
    z = table["z_score"].fillna(0.0)
    order = [str(i) for i in range(matrix.shape[1])]
    return {group: z.loc[group].reindex(order).to_numpy() for group in groups}


def _group_means(
    expression: sparse.csr_matrix, labels: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of back-transformed expression and share of expressing cells by group."""
    member = np.searchsorted(found, labels)
    sizes = np.bincount(member)
    indicator = sparse.csr_matrix((np.ones(len(member)), (member, np.arange(len(member)))))
    linear = expression.copy()
    linear.data = np.expm1(linear.data)
    present = expression.copy()
    present.data = (present.data > 0).astype(np.float64)
    means = (indicator @ linear).toarray() / sizes[:, None]
    return means, (indicator @ present).toarray() / sizes[:, None]


def _pool(values: np.ndarray, sizes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean over the cells of the chosen groups."""
    return sizes[chosen] @ values[chosen] / sizes[chosen].sum()


def sum_samples(
    counts: sparse.csr_matrix, samples: np.ndarray, *, min_cells: int = MIN_CELLS_SAMPLE
) -> tuple[np.ndarray, pd.Index]:
    """Counts of every sample added up over its cells (pseudobulk).

    Returns
    -------
    Sums, shape (n_samples, n_genes), and the samples' names; samples of fewer than
    ``min_cells`` cells are left out.
    """
    names, member = np.unique(samples.astype(str), return_inverse=True)
    indicator = sparse.csr_matrix((np.ones(len(member)), (member, np.arange(len(member)))))
    kept = np.bincount(member) >= min_cells
    return (indicator[kept] @ counts).toarray(), pd.Index(names[kept], name=SAMPLE)


def pick_expressed(
    sums: np.ndarray, groups: np.ndarray, *, min_count: int = 10, min_total: int = 15
) -> np.ndarray:
    """Genes with enough counts in enough samples to be tested (edgeR's filterByExpr).

    A gene is kept if as many samples as the smallest group has show it at the rate that
    ``min_count`` is in a sample of median size.
    """
    depth = sums.sum(axis=1)
    smallest = pd.Series(groups).value_counts().min()
    needed = smallest if smallest <= 10 else 10 + (smallest - 10) * 0.7
    rate = min_count / np.median(depth)
    shown = (sums / depth[:, None] >= rate).sum(axis=0) >= needed - 1e-14
    return shown & (sums.sum(axis=0) >= min_total - 1e-14)


def scale_factors(sums: np.ndarray) -> np.ndarray:
    """Trimmed mean of M-values: what a sample's depth is multiplied by; product one.

    Parameters
    ----------
    sums
        Counts, shape (n_samples, n_genes).

    References
    ----------
    Robinson & Oshlack (2010) Genome Biol. 11:R25. doi:10.1186/gb-2010-11-3-r25
    """
    depth = sums.sum(axis=1)
    seen = sums[:, (sums > 0).any(axis=0)]
    upper = np.quantile(seen, 0.75, axis=1) / depth
    if np.median(upper) < 1e-20:
        reference = int(np.sqrt(seen).sum(axis=1).argmax())
    else:
        reference = int(np.abs(upper - upper.mean()).argmin())
    logs = [
        _trimmed_ratio(row, seen[reference], n, depth[reference])
        for row, n in zip(seen, depth, strict=True)
    ]
    return 2 ** (np.array(logs) - np.mean(logs))


def _trimmed_ratio(
    sample: np.ndarray, reference: np.ndarray, n: float, n_reference: float
) -> float:
    """Weighted mean log2 ratio to the reference of genes neither extreme nor rare."""
    both = (sample > 0) & (reference > 0)
    a, b = sample[both] / n, reference[both] / n_reference
    ratio, level = np.log2(a / b), np.log2(a * b) / 2
    variance = (n - sample[both]) / n / sample[both]
    variance += (n_reference - reference[both]) / n_reference / reference[both]
    if len(ratio) == 0 or np.abs(ratio).max() < 1e-6:
        return 0.0
    kept = np.ones(len(ratio), bool)
    for values, trim in ((ratio, LOG_RATIO_TRIM), (level, SUM_TRIM)):
        low = np.floor(len(values) * trim) + 1
        rank = stats.rankdata(values)
        kept &= (rank >= low) & (rank <= len(values) + 1 - low)
    return float((ratio[kept] / variance[kept]).sum() / (1 / variance[kept]).sum())


def weigh_counts(sums: np.ndarray, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log2 counts per million, and the precision of each (voom).

    Parameters
    ----------
    sums
        Counts, shape (n_samples, n_genes).
    design
        Shape (n_samples, n_coefficients).

    Returns
    -------
    Values and weights, both of the shape of ``sums``.

    References
    ----------
    Law et al. (2014) Genome Biol. 15:R29. doi:10.1186/gb-2014-15-2-r29
    """
    depth = sums.sum(axis=1) * scale_factors(sums)
    values = np.log2((sums + 0.5) / (depth[:, None] + 1) * 1e6)
    coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
    fitted = design @ coefficients
    df = len(design) - np.linalg.matrix_rank(design)
    spread = np.sqrt(np.sqrt(((values - fitted) ** 2).sum(axis=0) / df))
    level = values.mean(axis=0) + np.log2(depth + 1).mean() - np.log2(1e6)
    seen = sums.sum(axis=0) > 0
    curve = lowess(spread[seen], level[seen], frac=0.5, it=3, delta=0.01 * np.ptp(level[seen]))
    x, first = np.unique(curve[:, 0], return_index=True)
    y = curve[first, 1]
    trend = interpolate.interp1d(x, y, bounds_error=False, fill_value=(y[0], y[-1]))
    counts = fitted + np.log2(depth + 1)[:, None] - np.log2(1e6)
    return values, trend(counts) ** -4.0


def compare_sums(
    sums: np.ndarray,
    genes: pd.Index,
    groups: np.ndarray,
    contrast: Contrast,
    *,
    confidence: float,
    donors: np.ndarray | None = None,
    method: Pseudobulk = "voom",
) -> pd.DataFrame:
    """Difference of two groups in every gene, samples being the unit.

    Parameters
    ----------
    sums
        Pseudobulk counts, shape (n_samples, n_genes).
    groups
        Group of every sample; those outside the contrast help to estimate the variance.
    donors
        Donor of every sample, for :func:`helpers.compute.stats.design_contrast`.
    method
        ``voom``: linear model of log counts with precision weights and moderated variances;
        ``deseq2``: negative binomial model with Wald tests (PyDESeq2; minutes instead of
        seconds).

    Returns
    -------
    One row a gene with enough counts: ``gene``, ``log2fc``, ``ci_low``, ``ci_high``, ``t`` (or
    Wald statistic), ``pvalue``, ``padj``.

    Raises
    ------
    DataError
        If a group has no sample, or there is no replicate at all.
    """
    labels = pd.Series(groups)
    counted = labels.value_counts()
    for label in (contrast.test, contrast.reference):
        if label not in counted:
            msg = f"no sample of group {label} has {MIN_CELLS_SAMPLE} cells"
            raise DataError(msg)
    who = None if donors is None else pd.Series(donors)
    design, weights = design_contrast(labels, contrast, donors=who)
    if len(design) <= design.shape[1]:
        listed = ", ".join(f"{name}: {n}" for name, n in counted.sort_index().items())
        msg = f"a group needs two samples for a test by sample ({listed})"
        raise DataError(msg)
    sums, groups = sums[design.index], groups[design.index]
    tested = pick_expressed(sums, groups)
    if tested.sum() < 2:
        msg = f"{tested.sum()} genes have enough counts to be tested by sample"
        raise DataError(msg)
    fit = _fit_voom if method == "voom" else _fit_deseq
    result = fit(sums[:, tested], design, weights, confidence)
    result.insert(0, GENE, genes[tested])
    return result.assign(padj=adjust_pvalues(result["pvalue"]))


def _fit_voom(
    sums: np.ndarray, design: pd.DataFrame, contrast: pd.Series, confidence: float
) -> pd.DataFrame:
    values, weights = weigh_counts(sums, design.to_numpy())
    fitted = compare_moderated(
        pd.DataFrame(values), design, contrast, confidence=confidence, weights=weights
    )
    named = fitted.rename(columns={"effect": "log2fc"}).drop(columns="df")
    return named[["log2fc", "ci_low", "ci_high", "t", "pvalue"]].reset_index(drop=True)


def _fit_deseq(
    sums: np.ndarray, design: pd.DataFrame, contrast: pd.Series, confidence: float
) -> pd.DataFrame:
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    names = [f"sample {i}" for i in range(len(design))]
    counts = pd.DataFrame(sums.astype(int), index=names)
    counts.columns = counts.columns.astype(str)
    matrix = design.set_axis(names)
    model = DeseqDataSet(counts=counts, metadata=matrix, design=matrix, quiet=True)
    model.deseq2()
    tests = DeseqStats(model, contrast=contrast.to_numpy(), independent_filter=False, quiet=True)
    tests.summary()
    found = tests.results_df
    half = stats.norm.ppf(0.5 + confidence / 2) * found["lfcSE"]
    return pd.DataFrame(
        {
            "log2fc": found["log2FoldChange"],
            "ci_low": found["log2FoldChange"] - half,
            "ci_high": found["log2FoldChange"] + half,
            "t": found["stat"],
            "pvalue": found["pvalue"],
        }
    ).reset_index(drop=True)


def join_units(cells: pd.DataFrame, samples: pd.DataFrame, *, fdr: float) -> pd.DataFrame:
    """Both tests of every gene side by side, and who calls it.

    Parameters
    ----------
    cells, samples
        From :func:`rank_cells` and :func:`compare_sums`, of the same contrast. A gene with too
        few counts for the test by sample has none.
    fdr
        Threshold of the adjusted p-values.

    Returns
    -------
    ``gene``, ``log2fc``, ``pvalue``, ``padj`` (by cell, the source's test), ``pct_test``,
    ``pct_reference``, ``sample_log2fc``, ``sample_ci_low``, ``sample_ci_high``,
    ``sample_t``, ``sample_pvalue``, ``sample_padj``, ``called`` (both, cell only, sample only,
    neither, or untested where there is no test by sample).
    """
    columns = ["log2fc", "ci_low", "ci_high", "t", "pvalue", "padj"]
    renamed = samples.set_index(GENE)[columns].add_prefix("sample_")
    kept = [GENE, "log2fc", "pvalue", "padj", "pct_test", "pct_reference"]
    both = cells[kept].join(renamed, on=GENE)
    by_cell, by_sample = both["padj"] < fdr, both["sample_padj"] < fdr
    names = ["untested", "both", "cell only", "sample only"]
    conditions = [both["sample_padj"].isna(), by_cell & by_sample, by_cell, by_sample]
    return both.assign(called=np.select(conditions, names, "neither"))


def count_calls(genes: pd.DataFrame, *, by: list[str], alpha: float = 0.05) -> pd.DataFrame:
    """How far both tests agree: genes called by both, by one, and shares of p below ``alpha``.

    Parameters
    ----------
    genes
        Tables of :func:`join_units` with columns ``by`` added.

    Returns
    -------
    One row a combination: ``n_genes`` tested by both, ``both``, ``cell_only``, ``sample_only``,
    ``neither``, ``rejected_cell`` and ``rejected_sample`` (share of unadjusted p-values below
    ``alpha``), ``correlation`` of the two log2 fold changes.
    """
    rows = []
    for key, part in genes.groupby(by, sort=False):
        tested = part[part["sample_pvalue"].notna()]
        called = tested["called"].value_counts()
        row: dict[str, object] = dict(zip(by, key, strict=True))
        row |= {"n_genes": len(tested)}
        row |= {
            name.replace(" ", "_"): int(called.get(name, 0))
            for name in ("both", "cell only", "sample only", "neither")
        }
        row["rejected_cell"] = (tested["pvalue"] < alpha).mean()
        row["rejected_sample"] = (tested["sample_pvalue"] < alpha).mean()
        row["correlation"] = tested["log2fc"].corr(tested["sample_log2fc"])
        rows.append(row)
    columns = [*by, "n_genes", "both", "cell_only", "sample_only", "neither"]
    return pd.DataFrame(rows, columns=[*columns, "rejected_cell", "rejected_sample", "correlation"])


def describe_rejections(calls: pd.DataFrame, *, alpha: float = 0.05) -> str:
    """Share of all tests with an unadjusted p-value below ``alpha``, by cell and by sample.

    Parameters
    ----------
    calls
        From :func:`count_calls`.
    """
    n = calls["n_genes"]
    if n.sum() == 0:
        return "No gene could be tested by sample."
    by_cell, by_sample = (
        float((calls[name].fillna(0.0) * n).sum() / n.sum())
        for name in ("rejected_cell", "rejected_sample")
    )
    return (
        f"Unadjusted p < {alpha:g}: {by_sample:.1%} of genes by sample, {by_cell:.1%} by cell; where "
        f"nothing differs, {alpha:.0%} are expected."
    )


def pair_units(genes: pd.DataFrame, *, fdr: float) -> pd.DataFrame:
    """The two tests of every gene side by side, in every type and contrast.

    Parameters
    ----------
    genes
        One row a type, contrast, unit and gene.

    Returns
    -------
    ``cell_type``, ``contrast`` and the columns of :func:`join_units`.
    """
    parts = []
    for (cell_type, contrast), table in genes.groupby([CELL_TYPE, CONTRAST], sort=False):
        by_cell, by_sample = (
            table[table["unit"] == unit].rename(columns={"statistic": "t"})
            for unit in ("cell", SAMPLE)
        )
        if len(by_cell):
            both = join_units(by_cell.rename(columns={"t": "z"}), by_sample, fdr=fdr)
            both.insert(0, CONTRAST, contrast)
            both.insert(0, CELL_TYPE, cell_type)
            parts.append(both)
    return pd.concat(parts, ignore_index=True)
