"""Gene sets: over-representation, enrichment along a ranking, activity in every sample."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats

from helpers.compute.stats import adjust_pvalues, compare_moderated, count_sides, design_contrast
from helpers.errors import DataError
from helpers.schema import CELL_TYPE, CONTRAST, GENE, SAMPLE, SUBCLUSTER, Contrast

GeneSets = Mapping[tuple[str, str], list[str]]  # (library, term) -> genes
CHUNK = 250  # permutations drawn at a time
SSGSEA_POWER = 0.25
GSVA_STEP = 0.001
GSVA_BANDWIDTH = 4.0  # the kernel's width is the gene's deviation over this


def find_overrepresented(
    hits: list[str],
    background: list[str],
    sets: GeneSets,
    *,
    min_size: int = 10,
    max_size: int = 500,
) -> pd.DataFrame:
    """Terms of which more genes are among the hits than chance puts there.

    One-sided hypergeometric test against the genes that could have been hits.

    Parameters
    ----------
    hits
        Genes called; those outside the background are left out.
    background
        Genes actually tested.
    sets
        Genes of every term; terms of fewer than ``min_size`` or more than ``max_size`` genes
        in the background are left out.

    Returns
    -------
    One row a term with a hit, by p-value: ``library``, ``term``, ``overlap``, ``n_hits``,
    ``size``, ``n_background``, ``odds_ratio`` (half a gene added to each cell of the table),
    ``pvalue``, ``padj`` (Benjamini-Hochberg within the library, over terms with a hit),
    ``genes``.

    References
    ----------
    Yu et al. (2012) OMICS 16:284 (clusterProfiler). doi:10.1089/omi.2011.0118
    """
    tested = set(background)
    called = set(hits) & tested
    rows = []
    for (library, term), genes in sets.items():
        members = tested & set(genes)
        found = sorted(members & called)
        if not min_size <= len(members) <= max_size or not found:
            continue
        numbers = (len(found), len(called), len(members), len(tested))
        rows.append((library, term, *numbers, ", ".join(found)))
    columns = ["library", "term", "overlap", "n_hits", "size", "n_background", "genes"]
    table = pd.DataFrame(rows, columns=columns)
    k, n, m, total = (
        table[name].to_numpy(dtype=float) for name in ("overlap", "n_hits", "size", "n_background")
    )
    pvalue = stats.hypergeom.sf(k - 1, total, m, n) if len(table) else np.array([])
    table.insert(6, "pvalue", pvalue)
    outside = (k + 0.5) * (total - n - m + k + 0.5)
    table.insert(6, "odds_ratio", outside / ((n - k + 0.5) * (m - k + 0.5)))
    adjusted = table.groupby("library")["pvalue"].transform(adjust_pvalues)
    table.insert(8, "padj", adjusted.astype(float))
    return table.sort_values("pvalue", kind="stable", ignore_index=True)


def collapse_terms(terms: pd.DataFrame, *, similarity: float = 0.5) -> pd.Series:
    """The better term that stands for each term: itself unless they share most of their hits.

    Parameters
    ----------
    terms
        From :func:`find_overrepresented`, best first.
    similarity
        Share of the smaller overlap that two terms must have in common to be one finding.

    Returns
    -------
    Name of the term that stands for each, same index.
    """
    stands: list[str] = []
    kept: list[tuple[str, set[str]]] = []
    for term, listed in zip(terms["term"], terms["genes"], strict=True):
        genes = set(str(listed).split(", "))
        same = (
            name
            for name, other in kept
            if len(genes & other) >= similarity * min(len(genes), len(other))
            and len(genes & other) >= similarity * len(genes | other) / 2
        )
        chosen = next(same, str(term))
        if chosen == str(term):
            kept.append((str(term), genes))
        stands.append(chosen)
    return pd.Series(stands, index=terms.index, dtype=object)


def enrichment_scores(statistic: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Largest deviation of the running sum of each set along a ranking.

    Parameters
    ----------
    statistic
        In falling order, shape (n_genes,).
    positions
        Places of the sets' genes in the ranking, rising, shape (n_sets, size).
    """
    n, size = len(statistic), positions.shape[1]
    weight = np.abs(statistic)[positions]
    total = weight.sum(axis=1, keepdims=True)
    weight = np.where(total > 0, weight / np.where(total > 0, total, 1.0), 1 / size)
    missed = (positions - np.arange(size)) / (n - size)
    high = np.cumsum(weight, axis=1) - missed
    top, bottom = high.max(axis=1), (high - weight).min(axis=1)
    return np.where(top > -bottom, top, np.where(top < -bottom, bottom, 0.0))


def rank_sets(
    statistic: pd.Series,
    sets: GeneSets,
    *,
    n_permutations: int,
    seed: int,
    min_size: int = 10,
    max_size: int = 500,
) -> pd.DataFrame:
    """Gene set enrichment along a ranking of all genes (GSEA, preranked).

    Parameters
    ----------
    statistic
        Signed, indexed by gene; genes without one are left out. Ties keep the order of the index.
    n_permutations
        Random sets of each size that make up the null distribution; the smallest p-value is
        about two in this number.

    Returns
    -------
    One row a term, by p-value: ``library``, ``term``, ``size``, ``es``, ``nes`` (divided by the
    mean of random scores of the same sign), ``pvalue`` (within the same sign), ``padj``
    (Benjamini-Hochberg within the library), ``leading`` (genes up to the peak).

    Raises
    ------
    DataError
        If fewer genes are ranked than the largest set allowed has.

    References
    ----------
    Subramanian et al. (2005) PNAS 102:15545. doi:10.1073/pnas.0506580102. Korotkevich et al.
    (2021) bioRxiv 060012 (fgsea). doi:10.1101/060012
    """
    ranked = statistic.dropna().sort_values(ascending=False, kind="stable")
    if ranked.index.has_duplicates:
        twice = ranked.index[ranked.index.duplicated()][0]
        msg = f"gene {twice} stands twice in the ranking"
        raise DataError(msg)
    values = ranked.to_numpy(dtype=float)
    places = {key: np.sort(_places(ranked.index, genes)) for key, genes in sets.items()}
    kept = {
        key: where
        for key, where in places.items()
        if min_size <= len(where) <= min(max_size, len(values) - 1)
    }
    random = _random_scores(values, sorted({len(w) for w in kept.values()}), n_permutations, seed)
    rows = []
    for (library, term), where in kept.items():
        score = float(enrichment_scores(values, where[None, :])[0])
        null = random[len(where)]
        same = null[null >= 0] if score >= 0 else -null[null <= 0]
        mean = same[same > 0].mean() if (same > 0).any() else np.nan
        pvalue = ((same >= abs(score)).sum() + 1) / (len(same) + 1)
        leading = ", ".join(_leading(values, where, ranked.index, score))
        rows.append((library, term, len(where), score, score / mean, pvalue, leading))
    columns = ["library", "term", "size", "es", "nes", "pvalue", "leading"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(
        6, "padj", table.groupby("library")["pvalue"].transform(adjust_pvalues).astype(float)
    )
    return table.sort_values("pvalue", kind="stable", ignore_index=True)


def _places(index: pd.Index, genes: list[str]) -> np.ndarray:
    found = index.get_indexer(list(dict.fromkeys(genes)))
    return found[found >= 0]


def _random_scores(
    values: np.ndarray, sizes: list[int], n_permutations: int, seed: int
) -> dict[int, np.ndarray]:
    """Scores of random sets of each size; small sets are the beginnings of large ones."""
    if not sizes:
        return {}
    drawn = _draw_sets(len(values), max(sizes), n_permutations, seed)
    return {size: enrichment_scores(values, np.sort(drawn[:, :size], axis=1)) for size in sizes}


@lru_cache(maxsize=1)
def _draw_sets(n_genes: int, size: int, n_permutations: int, seed: int) -> np.ndarray:
    """Places of ``size`` different genes drawn at random, in random order, a row a draw."""
    rng = np.random.default_rng(seed)
    rows = []
    for start in range(0, n_permutations, CHUNK):
        keys = rng.random((min(CHUNK, n_permutations - start), n_genes), dtype=np.float32)
        drawn = np.argpartition(keys, size - 1, axis=1)[:, :size]
        order = np.argsort(np.take_along_axis(keys, drawn, axis=1), axis=1)
        rows.append(np.take_along_axis(drawn, order, axis=1))
    return np.concatenate(rows)


def _leading(values: np.ndarray, where: np.ndarray, genes: pd.Index, score: float) -> list[str]:
    """Genes of the set up to the peak of the running sum, strongest first."""
    weight = np.abs(values[where])
    total = weight.sum()
    weight = weight / total if total > 0 else np.full(len(where), 1 / len(where))
    high = np.cumsum(weight) - (where - np.arange(len(where))) / (len(values) - len(where))
    if score >= 0:
        return list(genes[where[: int(high.argmax()) + 1]])
    return list(genes[where[int((high - weight).argmin()) :]][::-1])


def score_gsva(values: pd.DataFrame, sets: GeneSets, *, min_size: int = 10) -> pd.DataFrame:
    """Activity of every gene set in every sample, relative to the other samples (GSVA).

    Parameters
    ----------
    values
        log expression, shape (n_genes, n_samples). Genes without variance are left out.

    Returns
    -------
    Difference of the largest deviations of the two signs, shape (n_sets, n_samples), indexed
    by (library, term); sets of fewer than ``min_size`` genes are left out.

    References
    ----------
    Hanzelmann, Castelo & Guinney (2013) BMC Bioinformatics 14:7. doi:10.1186/1471-2105-14-7
    """
    varying = values[values.std(axis=1) > 0]
    matrix = varying.to_numpy(dtype=float)
    density = np.empty_like(matrix)
    width = matrix.std(axis=1, ddof=1) / GSVA_BANDWIDTH
    for column in range(matrix.shape[1]):
        # The original looks the curve up in a table of this step and adds up sample by sample;
        # nearly equal genes change places by either.
        distance = (matrix[:, column] - matrix.T) / width
        tail = stats.norm.cdf(np.trunc(np.abs(distance) / GSVA_STEP) * GSVA_STEP)
        density[:, column] = np.where(distance < 0, 1 - tail, tail).sum(axis=0) / matrix.shape[1]
    with np.errstate(divide="ignore"):
        odds = np.log((1 - density) / density)
    order = np.argsort(odds, axis=0, kind="stable")
    n = len(matrix)
    weight = np.abs(np.arange(n, 0, -1) - n / 2)
    return _walk(varying, order, sets, weight, min_size, _gsva_of)


def score_ssgsea(values: pd.DataFrame, sets: GeneSets, *, min_size: int = 10) -> pd.DataFrame:
    """Activity of every gene set in every sample by itself (single-sample GSEA).

    Scores are divided by their range over the whole table, as GSVA does.

    Parameters
    ----------
    values
        Expression, shape (n_genes, n_samples).

    Returns
    -------
    As :func:`score_gsva`.

    References
    ----------
    Barbie et al. (2009) Nature 462:108. doi:10.1038/nature08460
    """
    ranks = np.floor(stats.rankdata(values.to_numpy(dtype=float), axis=0))
    order = np.argsort(-ranks, axis=0, kind="stable")
    weight = np.take_along_axis(ranks, order, axis=0) ** SSGSEA_POWER
    scores = _walk(values, order, sets, weight, min_size, _ssgsea_of)
    spread = np.ptp(scores.to_numpy()) if scores.size else 1.0
    return scores / spread


def _walk(
    values: pd.DataFrame,
    order: np.ndarray,
    sets: GeneSets,
    weight: np.ndarray,
    min_size: int,
    summarise: Callable[[np.ndarray, np.ndarray, int], np.ndarray],
) -> pd.DataFrame:
    """Running sums of every set down every sample's ranking, each summed up in one number.

    They turn only at the set's genes, so that no other place is looked at.
    """
    n = len(values)
    if weight.ndim == 1:
        weight = np.repeat(weight[:, None], order.shape[1], axis=1)
    place = np.argsort(order, axis=0)
    rows: dict[tuple[str, str], np.ndarray] = {}
    for key, genes in sets.items():
        found = _places(values.index, genes)
        if min_size <= len(found) < n:
            where = np.sort(place[found], axis=0)
            hit = np.take_along_axis(weight, where, axis=0).astype(float)
            total = hit.sum(axis=0)
            gain = np.where(total > 0, hit / np.where(total > 0, total, 1.0), 1 / len(found))
            rows[key] = summarise(where, gain, n)
    index = pd.MultiIndex.from_tuples(list(rows), names=["library", "term"])
    return pd.DataFrame(list(rows.values()), index=index, columns=values.columns)


def _gsva_of(where: np.ndarray, gain: np.ndarray, n: int) -> np.ndarray:
    """Highest point less lowest, each from zero; shapes (size, n_samples)."""
    missed = (where - np.arange(len(where))[:, None]) / (n - len(where))
    high = np.cumsum(gain, axis=0) - missed
    return np.maximum(high.max(axis=0), 0) + np.minimum((high - gain).min(axis=0), 0)


def _ssgsea_of(where: np.ndarray, gain: np.ndarray, n: int) -> np.ndarray:
    """Sum over all places: what a gene adds counts from its place to the end."""
    left = n - where
    missed = (n * (n + 1) / 2 - left.sum(axis=0)) / (n - len(where))
    return (gain * left).sum(axis=0) - missed


def log_rates(sums: np.ndarray, genes: pd.Index, names: pd.Index) -> pd.DataFrame:
    """log2 counts per million plus one of pseudobulk sums, shape (n_genes, n_samples)."""
    depth = sums.sum(axis=1, keepdims=True)
    return pd.DataFrame(np.log2(sums / depth * 1e6 + 1).T, index=genes, columns=names)


def mean_rates(rates: pd.DataFrame, sets: GeneSets, *, min_size: int = 10) -> pd.DataFrame:
    """Mean log2 rate of every set's genes, less that of all genes of the sample.

    Unlike a rank score it is in log2 units, so that a difference is a mean log2 fold change.

    Returns
    -------
    Shape (n_sets, n_samples), indexed by (library, term).
    """
    centred = rates - rates.mean(axis=0)
    rows = {}
    for key, genes in sets.items():
        where = _places(rates.index, genes)
        if len(where) >= min_size:
            rows[key] = centred.iloc[where].mean(axis=0)
    index = pd.MultiIndex.from_tuples(list(rows), names=["library", "term"])
    return pd.DataFrame(list(rows.values()), index=index, columns=rates.columns)


def find_terms(
    genes: pd.DataFrame,
    sets: GeneSets,
    *,
    fdr: float,
    min_log2fc: float,
    similarity: float,
    min_size: int,
    max_size: int,
) -> pd.DataFrame:
    """Terms over-represented among the genes up and among those down, in every comparison.

    The background of a comparison is the genes it tested.

    Parameters
    ----------
    genes
        ``cell_type``, ``contrast``, ``gene``, ``log2fc``, ``padj``, one row a gene tested.

    Returns
    -------
    ``cell_type``, ``contrast``, ``direction`` (up or down), the columns of
    :func:`find_overrepresented`, and ``represented_by``: the better term that stands for a
    called one (:func:`collapse_terms`), empty for terms not called.
    """
    parts = [pd.DataFrame(columns=[CELL_TYPE, CONTRAST, "direction"])]
    for (cell_type, contrast), table in genes.groupby([CELL_TYPE, CONTRAST], sort=False):
        background = list(table[GENE])
        for direction, sign in (("up", 1), ("down", -1)):
            called = (table["padj"] < fdr) & (sign * table["log2fc"] >= min_log2fc)
            found = find_overrepresented(
                list(table.loc[called, GENE]),
                background,
                sets,
                min_size=min_size,
                max_size=max_size,
            )
            found.insert(0, "direction", direction)
            found.insert(0, CONTRAST, contrast)
            found.insert(0, CELL_TYPE, cell_type)
            parts.append(found.assign(represented_by=_stand_ins(found, fdr, similarity)))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def _stand_ins(terms: pd.DataFrame, fdr: float, similarity: float) -> pd.Series:
    called = terms[terms["padj"] < fdr]
    return collapse_terms(called, similarity=similarity).reindex(terms.index).fillna("")


def show_terms(
    terms: pd.DataFrame, *, cell_type: str, direction: str, n: int, fdr: float
) -> pd.DataFrame:
    """The best ``n`` called terms of a panel that stand for themselves."""
    mine = terms[(terms[CELL_TYPE] == cell_type) & (terms["direction"] == direction)]
    own = mine[(mine["padj"] < fdr) & (mine["represented_by"] == mine["term"])]
    return own.sort_values("pvalue", kind="stable").head(n)


def rank_groups(
    statistics: pd.DataFrame,
    sets: GeneSets,
    *,
    by: list[str],
    statistic: str,
    n_permutations: int,
    seed: int,
    min_size: int,
    max_size: int,
) -> pd.DataFrame:
    """Gene set enrichment along the ranking of every part of a table.

    Parameters
    ----------
    statistics
        ``gene``, the signed ``statistic`` and the columns ``by`` that tell the parts.

    Returns
    -------
    The columns ``by`` before those of :func:`rank_sets`.
    """
    parts = [pd.DataFrame(columns=by)]
    for key, table in statistics.groupby(by, sort=False):
        ranked = rank_sets(
            table.set_index(GENE)[statistic],
            sets,
            n_permutations=n_permutations,
            seed=seed,
            min_size=min_size,
            max_size=max_size,
        )
        for position, (name, value) in enumerate(zip(by, key, strict=True)):
            ranked.insert(position, name, value)
        parts.append(ranked)
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def pick_terms(ranked: pd.DataFrame, *, by: str, n: int, fdr: float) -> list[tuple[str, str]]:
    """(library, term) of the terms to show: the strongest called of each part, taking turns."""
    called = ranked[ranked["padj"] < fdr].copy()
    called["rank"] = called["nes"].abs().groupby(called[by]).rank(ascending=False, method="first")
    ordered = called.sort_values(["rank", by], kind="stable")
    chosen = list(dict.fromkeys(zip(ordered["library"], ordered["term"], strict=True)))[:n]
    return sorted(chosen)


def score_pseudobulk(rates: pd.DataFrame, sets: GeneSets, *, min_size: int) -> pd.DataFrame:
    """GSVA and ssGSEA of pseudobulk samples, tidy.

    Parameters
    ----------
    rates
        From :func:`log_rates`, shape (n_genes, n_columns).

    Returns
    -------
    ``column``, ``library``, ``term``, ``method``, ``score``.
    """
    parts = []
    for method, score in (("GSVA", score_gsva), ("ssGSEA", score_ssgsea)):
        table = score(rates, sets, min_size=min_size)
        table.columns.name = "column"
        tidy = table.reset_index().melt(["library", "term"], var_name="column", value_name="score")
        parts.append(tidy.assign(method=method))
    columns = ["column", "library", "term", "method", "score"]
    return pd.concat(parts, ignore_index=True)[columns]


def measure_terms(
    rates: pd.DataFrame,
    groups: pd.Series,
    contrast: Contrast,
    sets: GeneSets,
    *,
    cell_type: str,
    min_size: int,
    confidence: float,
    donors: pd.Series | None = None,
) -> pd.DataFrame:
    """Difference of two groups in every term's mean log2 rate, samples being the unit.

    Parameters
    ----------
    rates
        log2 rates of the samples of one type, shape (n_genes, n_samples).
    groups, donors
        Group and donor of every sample, indexed like the columns of ``rates``.

    Returns
    -------
    Effects by sample as claims are looked up in; ``feature`` is library and term.
    """
    groups = groups.reindex(rates.columns)
    sides = count_sides(groups, contrast, donors)
    n_test, n_reference = sides.n_test, sides.n_reference
    design, weights = design_contrast(groups, contrast, donors=donors)
    scores = mean_rates(rates, sets, min_size=min_size)
    table = pd.DataFrame(
        {
            "measure": "activity",
            CELL_TYPE: cell_type,
            SUBCLUSTER: "",
            "feature": [f"{library}: {term}" for library, term in scores.index],
            "test_group": contrast.test,
            "reference_group": contrast.reference,
            "unit": SAMPLE,
            "n_reference": n_reference,
            "n_test": n_test,
        }
    )
    if min(n_test, n_reference) == 0 or len(design) <= design.shape[1] or scores.empty:
        empty = dict.fromkeys(("effect", "ci_low", "ci_high", "pvalue"), np.nan)
        reason = f"{n_reference} and {n_test} samples have enough cells: a group needs two"
        return table.assign(**empty, reason=reason)
    fitted = compare_moderated(
        scores.T.loc[design.index], design, weights, confidence=confidence
    ).reset_index(drop=True)
    return table.join(fitted[["effect", "ci_low", "ci_high", "pvalue"]]).assign(reason="")


def rate_pathways(
    ranked: pd.DataFrame, planted: pd.DataFrame, *, by: str, fdr: float
) -> pd.DataFrame:
    """Whether every planted pathway was found in its direction.

    Parameters
    ----------
    ranked
        From :func:`rank_groups`, with column ``by``.
    planted
        ``by``, ``pathway`` and ``log2fc``, one row a gene.

    Returns
    -------
    One row a planted pathway and term of that name (others are left out): ``by``, ``pathway``, ``library``,
    ``direction`` planted, ``nes``, ``padj``, ``found``.
    """
    asked = planted.groupby([by, "pathway"], as_index=False)["log2fc"].mean()
    lowered = ranked.assign(pathway=ranked["term"].str.lower())
    asked["key"] = asked["pathway"].str.lower()
    both = asked.merge(
        lowered[[by, "pathway", "library", "nes", "padj"]].rename(columns={"pathway": "key"}),
        on=[by, "key"],
        how="inner",
    )
    both["direction"] = np.where(both["log2fc"] > 0, "up", "down")
    both["found"] = (np.sign(both["nes"]) == np.sign(both["log2fc"])) & (both["padj"] < fdr)
    return both[[by, "pathway", "library", "direction", "nes", "padj", "found"]]
