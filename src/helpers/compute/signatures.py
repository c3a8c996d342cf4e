"""Signatures: which of their genes were measured, scores of cells and samples, random sets beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd
from scipy import sparse, stats

from helpers.compute.enrichment import score_gsva, score_ssgsea
from helpers.compute.normalise import log_normalise
from helpers.compute.rank_scores import score_aucell, score_ucell
from helpers.compute.stats import (
    PAIRED,
    adjust_pvalues,
    compare_moderated,
    count_sides,
    design_contrast,
)
from helpers.errors import DataError
from helpers.schema import CELL_TYPE, CONTRAST, GROUP, SAMPLE, SIGNATURE, Contrast, Signature

CHUNK = 8192  # cells scored at a time
NEAREST = 100  # genes nearest in expression from which a random gene is drawn
ALL_CELLS = "all cells"
CELL_METHODS = ("weighted z", "UCell", "AUCell")
SAMPLE_METHODS = ("ssGSEA", "GSVA")
LINEAR = "published weights"
CONTRAST_COLUMNS = (
    CONTRAST, CELL_TYPE, SIGNATURE, "method", "unit", "test", "n_reference", "n_test", "effect",
    "ci_low", "ci_high", "pvalue", "padj", "null_low", "null_high", "null_pvalue", "reason",
)  # fmt: skip
REAL = 0  # place of the signature itself among its random sets


def match_genes(
    measured: pd.Index, genes: Sequence[str], aliases: Mapping[str, str]
) -> dict[str, str]:
    """The name under which each gene was measured; earlier and present symbols meet.

    Parameters
    ----------
    measured
        Names in the data.
    aliases
        Earlier symbol -> present one (HGNC).

    Returns
    -------
    Gene -> name in the data, for those that were measured. Where both symbols of a gene are in
    the data, the very name asked for is taken, else the present one.
    """
    present = set(measured)
    by_symbol: dict[str, str] = {}
    for name in sorted(present, key=lambda name: name in aliases):
        by_symbol.setdefault(aliases.get(name, name), name)
    found = {
        gene: gene if gene in present else by_symbol.get(aliases.get(gene, gene)) for gene in genes
    }
    return {gene: name for gene, name in found.items() if name is not None}


def place_signatures(
    signatures: Sequence[Signature],
    measured: pd.Index,
    aliases: Mapping[str, str],
    *,
    min_coverage: float,
    min_genes: int,
) -> tuple[dict[str, pd.Series], pd.DataFrame]:
    """Weights of the measured genes of every signature that can be scored, and the coverage of all.

    Parameters
    ----------
    measured
        Genes seen in a cell at least.
    min_coverage
        Share of its genes a signature needs.
    min_genes
        Genes it needs in any case.

    Returns
    -------
    Signature -> weights indexed by measured gene, and a table ``signature``, ``name``, ``topic``,
    ``status``, ``n_genes``, ``n_present``, ``coverage``, ``missing``, ``scored``, ``reason``,
    ``source``, one row a signature.
    """
    placed, rows = {}, []
    for signature in signatures:
        names = match_genes(measured, list(signature.weights), aliases)
        missing = [gene for gene in signature.weights if gene not in names]
        weights = pd.Series({names[g]: w for g, w in signature.weights.items() if g in names})
        n, k = len(signature.weights), len(names)
        reason = signature.reason or _refusal(k, n, min_coverage, min_genes)
        if not reason:
            placed[signature.id] = weights.astype(float)
        rows.append(
            {
                SIGNATURE: signature.id,
                "name": signature.name,
                "topic": signature.topic,
                "status": signature.status,
                "n_genes": n,
                "n_present": k,
                "coverage": k / n if n else np.nan,
                "missing": ", ".join(missing),
                "scored": not reason,
                "reason": reason,
                "source": signature.source,
            }
        )
    return placed, pd.DataFrame(rows)


def _refusal(n_present: int, n_genes: int, min_coverage: float, min_genes: int) -> str:
    if n_present < min_coverage * n_genes:
        return f"{n_present} of {n_genes} genes measured; needed: {min_coverage:.0%}"
    if n_present < min_genes:
        return f"{n_present} genes measured; needed: {min_genes}"
    return ""


def score_linear(
    expression: pd.DataFrame, signature: Signature, aliases: Mapping[str, str]
) -> pd.Series:
    """A published linear score: expression times weight, added up over the genes.

    Parameters
    ----------
    expression
        Log expression, shape (n_genes, n_samples).

    Returns
    -------
    One score a sample.

    Raises
    ------
    DataError
        If a gene of the score was not measured: a sum without it is another score.

    References
    ----------
    Ng et al. (2016) Nature 540:433 (LSC17). doi:10.1038/nature20598
    """
    names = match_genes(expression.index, list(signature.weights), aliases)
    missing = [gene for gene in signature.weights if gene not in names]
    if missing:
        msg = f"{signature.name} needs all its genes; not measured: {', '.join(missing)}"
        raise DataError(msg)
    weights = pd.Series(signature.weights)
    values = expression.loc[[names[gene] for gene in weights.index]].to_numpy(dtype=float)
    return pd.Series(weights.to_numpy() @ values, index=expression.columns)


def side_weights(weights: np.ndarray) -> np.ndarray:
    """Weights scaled so that the genes for and those against each give a combined z of variance 1.

    With weights of 1 and -1 that is 1 over the root of the number of genes of a side.
    """
    scaled = np.zeros(len(weights))
    for side in (weights > 0, weights < 0):
        if side.any():
            scaled[side] = weights[side] / np.sqrt((weights[side] ** 2).sum())
    return scaled


def score_z(expression: pd.DataFrame, weights: pd.Series) -> pd.Series:
    """Combined z-score of the genes for a signature less that of the genes against it.

    Parameters
    ----------
    expression
        Log expression, shape (n_genes, n_cells).
    weights
        Indexed by gene; genes without variance are left out.

    Returns
    -------
    One score a cell: the sum of z over the root of the number of genes, side by side.

    References
    ----------
    Lee et al. (2008) PLoS Comput. Biol. 4:e1000217 (combined z-score).
    doi:10.1371/journal.pcbi.1000217
    """
    rows = expression.loc[weights.index]
    spread = rows.std(axis=1, ddof=1)
    varying = spread[spread > 0].index
    z = rows.loc[varying].sub(rows.loc[varying].mean(axis=1), axis=0)
    z = z.div(spread[varying], axis=0)
    return pd.Series(side_weights(weights[varying].to_numpy()) @ z.to_numpy(), rows.columns)


def draw_matched(levels: np.ndarray, members: np.ndarray, *, n_draws: int, seed: int) -> np.ndarray:
    """Random sets of genes, each gene standing for one of a signature of about its expression.

    Parameters
    ----------
    levels
        Mean expression of every gene; genes with none are not drawn.
    members
        Places of the signature's genes.

    Returns
    -------
    Places of genes outside the signature, each once in a set, shape (n_draws, n_members).

    Raises
    ------
    DataError
        If there are fewer genes outside the signature than in it.
    """
    rng = np.random.default_rng(seed)
    free = np.setdiff1d(np.flatnonzero(levels > 0), members)
    if len(free) < len(members):
        msg = f"{len(free)} genes outside a signature of {len(members)}: too few for random sets"
        raise DataError(msg)
    ordered = free[np.argsort(levels[free], kind="stable")]
    width = min(len(ordered), max(NEAREST, 2 * len(members)))
    middle = np.searchsorted(levels[ordered], levels[members])
    first = np.clip(middle - width // 2, 0, len(ordered) - width)
    drawn = np.empty((n_draws, len(members)), dtype=np.int64)
    for row in range(n_draws):
        used: set[int] = set()
        for column in rng.permutation(len(members)):
            place = int(first[column] + rng.integers(width))
            while place in used:
                place = int(first[column] + rng.integers(width))
            used.add(place)
            drawn[row, column] = ordered[place]
    return drawn


@dataclass(frozen=True)
class Family:
    """Signatures with their random sets: one row of places a set, the signature itself first."""

    ids: list[str]
    weights: list[np.ndarray]
    places: list[np.ndarray]
    """Of every signature, shape (n_random + 1, n_genes)."""

    @property
    def n_sets(self) -> int:
        return len(self.places[0])


def make_family(
    placed: Mapping[str, pd.Series],
    genes: pd.Index,
    levels: np.ndarray,
    *,
    n_random: int,
    seed: int,
) -> Family:
    """Draw random sets for every signature.

    Parameters
    ----------
    placed
        Signature -> weights, from :func:`place_signatures`.
    levels
        Mean expression of every gene.
    """
    places = []
    for number, weights in enumerate(placed.values()):
        mine = genes.get_indexer(weights.index)
        drawn = draw_matched(levels, mine, n_draws=n_random, seed=seed + number)
        places.append(np.vstack([mine, drawn]))
    return Family(list(placed), [w.to_numpy() for w in placed.values()], places)


@dataclass(frozen=True)
class CellScores:
    """Scores of every cell, and means over units of cells for every random set."""

    score: dict[str, np.ndarray]
    """Method -> shape (n_cells, n_signatures)."""
    null_mean: dict[str, np.ndarray]
    """Mean of the random sets, same shape."""
    null_sd: dict[str, np.ndarray]
    unit_mean: dict[str, np.ndarray]
    """Method -> mean over the cells of a unit, shape (n_units, n_signatures, n_random + 1)."""


def score_cells(
    counts: sparse.csr_matrix,
    genes: pd.Index,
    family: Family,
    units: np.ndarray,
    *,
    totals: np.ndarray,
    target_sum: float,
    max_rank: int,
    top: float,
) -> CellScores:
    """Weighted z, UCell and AUCell of every cell for signatures and their random sets.

    Rank-based scores are those of the genes for a signature less those of the genes against it.

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_genes).
    units
        Number of the unit of every cell, such as its sample and type, from 0.
    totals
        UMIs of every cell.
    max_rank, top
        Of UCell and AUCell.
    """
    n, size = counts.shape[0], np.bincount(units)
    shape = (len(family.ids), family.n_sets)
    matrix, centre = _standardise(counts, family, totals, target_sum)
    rank_names = _name_sides(genes, family)
    score, mean, sd = (
        {m: np.empty((n, shape[0]), np.float32) for m in CELL_METHODS} for _ in "abc"
    )
    sums = {method: np.zeros((len(size), shape[0] * shape[1])) for method in CELL_METHODS}
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        part = counts[rows]
        logs = log_normalise(part, target_sum=target_sum, totals=totals[rows])
        member = sparse.csr_matrix(
            (np.ones(part.shape[0]), (units[rows], np.arange(part.shape[0]))),
            shape=(len(size), part.shape[0]),
        )
        for method, values in (
            ("weighted z", multiply(logs, matrix) - centre),
            ("UCell", _by_rank(score_ucell(part, genes, rank_names, max_rank=max_rank), shape)),
            ("AUCell", _by_rank(score_aucell(part, genes, rank_names, top=top), shape)),
        ):
            sums[method] += member @ values
            cube = values.reshape(-1, *shape)
            score[method][rows] = cube[:, :, REAL]
            mean[method][rows] = cube[:, :, REAL + 1 :].mean(axis=2)
            sd[method][rows] = cube[:, :, REAL + 1 :].std(axis=2, ddof=1)
    means = {m: (s / size[:, None]).reshape(-1, *shape) for m, s in sums.items()}
    return CellScores(score, mean, sd, means)


def multiply(logs: sparse.csr_matrix, matrix: sparse.csr_matrix) -> np.ndarray:
    """Dense product of two sparse matrices whose product is dense; scipy's makes it sparse first."""
    return np.asarray(
        _add_up(
            logs.data, logs.indices.astype(np.int64), logs.indptr.astype(np.int64),
            matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data,
            matrix.shape[1],
        )
    )  # fmt: skip


def _standardise(
    counts: sparse.csr_matrix, family: Family, totals: np.ndarray, target_sum: float
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Weights over deviations of every set, and what to take off its sums, as ``x @ W - c``."""
    mean, sd = log_moments(counts, totals=totals, target_sum=target_sum)
    places = np.concatenate([p.ravel() for p in family.places])
    values = (
        np.concatenate([np.tile(side_weights(w), family.n_sets) for w in family.weights])
        / sd[places]
    )
    column = np.repeat(
        np.arange(len(family.ids) * family.n_sets),
        np.repeat([p.shape[1] for p in family.places], family.n_sets),
    )
    matrix = sparse.csc_matrix(
        (values, (places, column)), shape=(counts.shape[1], column[-1] + 1 if len(column) else 0)
    )
    return matrix.tocsr(), np.asarray(mean @ matrix).ravel()


def log_moments(
    counts: sparse.csr_matrix, *, totals: np.ndarray, target_sum: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of every gene's log-normalised expression, a part of the cells at a time."""
    n = counts.shape[0]
    total, squares = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    for start in range(0, n, CHUNK):
        rows = slice(start, start + CHUNK)
        logs = log_normalise(counts[rows], target_sum=target_sum, totals=totals[rows])
        total += np.bincount(logs.indices, logs.data, minlength=len(total))
        squares += np.bincount(logs.indices, logs.data**2, minlength=len(total))
    mean = total / n
    return mean, np.sqrt(np.maximum(squares - n * mean**2, 0) / max(n - 1, 1))


def _name_sides(genes: pd.Index, family: Family) -> dict[str, list[str]]:
    """Genes of each side of every set, named by the set's number and the side's sign."""
    names = genes.to_numpy()
    sides: dict[str, list[str]] = {}
    for i, (weights, places) in enumerate(zip(family.weights, family.places, strict=True)):
        for row, mine in enumerate(places):
            for sign, side in (("+", weights > 0), ("-", weights < 0)):
                if side.any():
                    sides[f"{i * family.n_sets + row}{sign}"] = list(names[mine[side]])
    return sides


def _by_rank(scores: pd.DataFrame, shape: tuple[int, int]) -> np.ndarray:
    """Scores of the genes for every set less those against it, a column a set."""
    combined = np.zeros((len(scores), shape[0] * shape[1]))
    values, against = scores.to_numpy(), scores.columns.str.endswith("-")
    column = scores.columns.str[:-1].astype(int).to_numpy()
    combined[:, column[~against]] = values[:, ~against]
    combined[:, column[against]] -= values[:, against]
    return combined


@numba.njit(parallel=True, cache=True)
def _add_up(
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    starts: np.ndarray,
    column: np.ndarray,
    weight: np.ndarray,
    n_columns: int,
) -> np.ndarray:
    """Product of a sparse matrix of cells with a sparse one of weights, dense."""
    product = np.zeros((len(indptr) - 1, n_columns))
    for cell in numba.prange(len(indptr) - 1):
        for place in range(indptr[cell], indptr[cell + 1]):
            gene, value = indices[place], data[place]
            for entry in range(starts[gene], starts[gene + 1]):
                product[cell, column[entry]] += value * weight[entry]
    return product


def score_samples(rates: pd.DataFrame, family: Family, kinds: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of pseudobulk units by ssGSEA and GSVA, for signatures and their random sets.

    Parameters
    ----------
    rates
        log2 rates, shape (n_genes, n_units).
    kinds
        Cell type of every unit: GSVA compares the samples of a type with one another.

    Returns
    -------
    Method -> shape (n_units, n_signatures, n_random + 1); missing for GSVA where a type has one
    sample.
    """
    sets = {("", name): genes for name, genes in _name_sides(rates.index, family).items()}
    shape = (len(family.ids), family.n_sets)
    single = _by_rank(_tidy(score_ssgsea(rates, sets, min_size=1)), shape)
    relative = np.full_like(single, np.nan)
    for kind in np.unique(kinds):
        mine = np.flatnonzero(kinds == kind)
        if len(mine) > 1:
            scored = _tidy(score_gsva(rates.iloc[:, mine], sets, min_size=1))
            relative[mine] = _by_rank(scored, shape)
    return {"ssGSEA": single.reshape(-1, *shape), "GSVA": relative.reshape(-1, *shape)}


def _tidy(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.droplevel(0).T


def list_scores(
    means: Mapping[str, np.ndarray], units: pd.DataFrame, ids: Sequence[str]
) -> pd.DataFrame:
    """Scores of units beside their random sets, tidy.

    Parameters
    ----------
    means
        Method -> shape (n_units, n_signatures, n_random + 1).
    units
        ``sample``, ``cell_type`` and further columns of every unit.

    Returns
    -------
    The columns of ``units``, ``signature``, ``method``, ``score``, ``null_mean``, ``null_sd`` and
    ``null_z``: how many deviations of the random sets the score lies off their mean.
    """
    parts = []
    for method, values in means.items():
        for i, name in enumerate(ids):
            null = values[:, i, REAL + 1 :]
            part = units.assign(
                **{SIGNATURE: name},
                method=method,
                score=values[:, i, REAL],
                null_mean=null.mean(axis=1),
                null_sd=null.std(axis=1, ddof=1),
            )
            parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    spread = table["null_sd"].where(table["null_sd"] > 0)
    return table.assign(null_z=(table["score"] - table["null_mean"]) / spread)


def compare_scores(
    means: Mapping[str, np.ndarray],
    units: pd.DataFrame,
    ids: Sequence[str],
    contrast: Contrast,
    *,
    confidence: float,
    donors: pd.Series | None = None,
) -> pd.DataFrame:
    """Difference of two groups in every signature, cell type and method, samples being the unit.

    Samples of the same donors are compared within them
    (:func:`helpers.compute.stats.design_contrast`).

    Parameters
    ----------
    means
        Method -> shape (n_units, n_signatures, n_random + 1).
    units
        ``sample``, ``group``, ``cell_type`` of every unit.
    donors
        Donor of every sample; each its own if missing.

    Returns
    -------
    One row a method, type and signature: ``contrast``, ``unit``, ``test``, ``n_reference``,
    ``n_test``, ``effect`` (in the method's own scale), ``ci_low``, ``ci_high``, ``pvalue``
    (moderated t-test in a linear model of all groups), ``padj`` (Benjamini-Hochberg within method
    and type), ``null_low``, ``null_high`` (central 95 % of the effects of random sets),
    ``null_pvalue`` (share of random sets with an effect as large), ``reason`` if there is no test.
    """
    parts = []
    for method, values in means.items():
        for kind in units[CELL_TYPE].unique():
            mine = np.flatnonzero((units[CELL_TYPE] == kind) & ~np.isnan(values).any(axis=(1, 2)))
            groups = units.iloc[mine].set_index(SAMPLE)[GROUP].astype(str)
            who = None if donors is None else donors.reindex(groups.index)
            compared = Compared(groups, who, contrast)
            table = _compare(values[mine], list(ids), compared, confidence)
            head = {CONTRAST: contrast.name, CELL_TYPE: kind, "method": method, "unit": SAMPLE}
            parts.append(table.assign(**head))
    return pd.concat(parts, ignore_index=True)[list(CONTRAST_COLUMNS)]


@dataclass(frozen=True)
class Compared:
    """Samples of a cell type and the two groups of them that are compared."""

    groups: pd.Series
    """Group of every sample, indexed by it."""
    donors: pd.Series | None
    contrast: Contrast


def _compare(
    values: np.ndarray, ids: list[str], compared: Compared, confidence: float
) -> pd.DataFrame:
    groups, donors, contrast = compared.groups, compared.donors, compared.contrast
    sides = count_sides(groups, contrast, donors)
    table = pd.DataFrame({SIGNATURE: ids, "test": "moderated t-test" + PAIRED * sides.paired})
    table = table.assign(n_test=sides.n_test, n_reference=sides.n_reference)
    design, weights = design_contrast(groups, contrast, donors=donors)
    numbers = [
        "effect",
        "ci_low",
        "ci_high",
        "pvalue",
        "padj",
        "null_low",
        "null_high",
        "null_pvalue",
    ]
    if min(sides.n_test, sides.n_reference) == 0 or len(design) <= design.shape[1]:
        reason = (
            f"{sides.n_reference} and {sides.n_test} samples have enough cells: both groups need one, "
            "one of them two"
        )
        return table.assign(**dict.fromkeys(numbers, np.nan), reason=reason)
    values = values[groups.index.get_indexer(design.index)]
    fitted = compare_moderated(
        pd.DataFrame(values[:, :, REAL], design.index, ids), design, weights, confidence=confidence
    ).reset_index(drop=True)
    # the same contrast of the same linear model in every random set
    share = weights.to_numpy() @ np.linalg.pinv(design.to_numpy())
    null = np.tensordot(share, values[:, :, REAL + 1 :], axes=1)
    low, high = np.quantile(null, [0.025, 0.975], axis=1)
    centred = np.abs(null - null.mean(axis=1, keepdims=True))
    off = np.abs(fitted["effect"].to_numpy() - null.mean(axis=1))
    beyond = (centred >= off[:, None]).sum(axis=1)
    return table.join(fitted[["effect", "ci_low", "ci_high", "pvalue"]]).assign(
        padj=adjust_pvalues(fitted["pvalue"]),
        null_low=low,
        null_high=high,
        null_pvalue=(beyond + 1) / (null.shape[1] + 1),
        reason="",
    )


def correlate_signatures(scores: pd.DataFrame) -> pd.DataFrame:
    """Spearman correlation of every two signatures over cells.

    Parameters
    ----------
    scores
        Shape (n_cells, n_signatures).

    Returns
    -------
    Symmetric, indexed and labelled by signature; missing where a score does not vary.
    """
    ranks = scores.rank()
    return ranks.corr().rename_axis(index=SIGNATURE, columns="other")


def rate_agreement(scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How far methods agree on the order of cells: Spearman correlation by signature.

    Parameters
    ----------
    scores
        Method -> shape (n_cells, n_signatures).

    Returns
    -------
    ``signature``, ``first``, ``second``, ``correlation``, one row a signature and pair of methods.
    """
    methods, rows = list(scores), []
    ranked = {method: table.rank() for method, table in scores.items()}
    for i, first in enumerate(methods):
        for second in methods[i + 1 :]:
            both = ranked[first].corrwith(ranked[second])
            rows += [(name, first, second, value) for name, value in both.items()]
    return pd.DataFrame(rows, columns=[SIGNATURE, "first", "second", "correlation"])


def rate_separation(
    score: np.ndarray, positive: np.ndarray, *, confidence: float
) -> tuple[float, float, float]:
    """Area under the ROC curve of a score with its interval (DeLong).

    Parameters
    ----------
    positive
        Which cells should score high.

    Returns
    -------
    Area, and the ends of its interval, cut to 0 to 1.

    Raises
    ------
    DataError
        If there are fewer than two cells on a side.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988) Biometrics 44:837. doi:10.2307/2531595
    """
    cases, controls = score[positive], score[~positive]
    if min(len(cases), len(controls)) < 2:
        msg = f"{len(cases)} cells on one side and {len(controls)} on the other; two are needed"
        raise DataError(msg)
    above = (cases[:, None] > controls) + 0.5 * (cases[:, None] == controls)
    by_case, by_control = above.mean(axis=1), above.mean(axis=0)
    variance = by_case.var(ddof=1) / len(cases) + by_control.var(ddof=1) / len(controls)
    half = stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(variance)
    area = float(above.mean())
    return area, max(0.0, area - half), min(1.0, area + half)


def measure_signatures(contrasts: pd.DataFrame, planned: Sequence[Contrast]) -> pd.DataFrame:
    """Effects by sample (weighted z) as claims are looked up in; ``feature`` is the signature.

    Parameters
    ----------
    contrasts
        From :func:`compare_scores`.
    planned
        Contrasts of the cohort, which give the names of the two groups.
    """
    sides = {c.name: (c.test, c.reference) for c in planned}
    mine = contrasts[contrasts["method"] == CELL_METHODS[0]]
    return mine.assign(
        measure="signature",
        feature=mine[SIGNATURE],
        test_group=[sides[name][0] for name in mine[CONTRAST]],
        reference_group=[sides[name][1] for name in mine[CONTRAST]],
    ).reset_index(drop=True)


def rate_shifts(contrasts: pd.DataFrame, planted: pd.DataFrame, *, fdr: float) -> pd.DataFrame:
    """Whether every planted shift of a signature was found in its direction.

    Parameters
    ----------
    contrasts
        Of one contrast, from :func:`compare_scores`.
    planted
        ``cell_type``, ``signature``, ``direction`` (1 or -1), ``gene``, ``log2fc``.

    Returns
    -------
    ``cell_type``, ``signature``, ``method``, ``n_moved``, ``direction``, ``effect``, ``ci_low``, ``ci_high``,
    ``padj``, ``null_pvalue``, ``found``; one row a planted shift and method.
    """
    asked = planted.dropna(subset=["log2fc"]).groupby([CELL_TYPE, SIGNATURE], as_index=False)
    sizes = asked.agg(n_moved=("gene", "size"), direction=("direction", "first"))
    both = sizes.merge(contrasts, on=[CELL_TYPE, SIGNATURE], how="inner")
    both["found"] = (np.sign(both["effect"]) == both["direction"]) & (both["padj"] < fdr)
    kept = [CELL_TYPE, SIGNATURE, "method", "n_moved", "direction", "effect", "ci_low", "ci_high", "padj",
            "null_pvalue", "found"]  # fmt: skip
    return both[kept]


def average_types(
    scores: pd.DataFrame, *, by: Sequence[str], value: str = "null_z"
) -> pd.DataFrame:
    """Mean over samples of a score of the first method, signatures in rows, ``by`` in columns."""
    mine = scores[scores["method"] == CELL_METHODS[0]]
    return mine.pivot_table(index=SIGNATURE, columns=list(by), values=value, aggfunc="mean")


def average_parts(scores: pd.DataFrame, parts: pd.Series) -> pd.DataFrame:
    """Mean score of the cells of every part, signatures in rows, parts in columns.

    Parameters
    ----------
    scores
        Shape (n_cells, n_signatures).
    parts
        Part of every cell, same index; cells without one are left out.
    """
    return scores.groupby(parts, sort=True).mean().T
