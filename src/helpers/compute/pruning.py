"""Targets kept where a factor's motif speaks for them: in linked peaks, or by motif rankings."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse, stats

from helpers.compute.stats import adjust_pvalues
from helpers.errors import DataError
from helpers.schema import GENE, TARGET, TF

REGULON_COLUMNS = (TF, TARGET, "importance", "rho", "support", "pruned")
RECOVERED = 5000  # places of a ranking in which SCENIC looks for the leading edge


def link_peaks(peaks: pd.DataFrame, genes: pd.DataFrame, *, distance_bp: int) -> pd.DataFrame:
    """Peaks within reach of a gene's transcription start.

    Parameters
    ----------
    peaks
        ``chrom``, ``start``, ``end`` (0-based, half-open).
    genes
        ``gene``, ``chrom``, ``tss`` (0-based).
    distance_bp
        Base pairs between the start and the nearest base of a peak, at most.

    Returns
    -------
    ``peak`` (row number in ``peaks``), ``gene``, ``distance_bp``; one row a pair.
    """
    places = peaks.reset_index(drop=True)
    parts = []
    for chrom, mine in genes.groupby("chrom", sort=False):
        there = places[places["chrom"] == chrom].sort_values("start", kind="stable")
        if there.empty:
            continue
        starts, ends = there["start"].to_numpy(), there["end"].to_numpy()
        widest = int((ends - starts).max())
        tss = mine["tss"].to_numpy()
        first = np.searchsorted(starts, tss - distance_bp - widest, side="left")
        last = np.searchsorted(starts, tss + distance_bp, side="right")
        row = np.repeat(np.arange(len(mine)), last - first)
        place = np.arange(len(row)) + np.repeat(last - np.cumsum(last - first), last - first)
        gap = np.maximum(0, np.maximum(starts[place] - tss[row], tss[row] - ends[place] + 1))
        near = gap <= distance_bp
        parts.append(
            pd.DataFrame(
                {
                    "peak": there.index.to_numpy()[place[near]],
                    GENE: mine[GENE].to_numpy()[row[near]],
                    "distance_bp": gap[near],
                }
            )
        )
    columns = ["peak", GENE, "distance_bp"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def split_complexes(names: Sequence[str]) -> list[list[str]]:
    """Factors of every motif: ``FOS::JUN`` belongs to both; variants and case are taken off."""
    return [
        [part.split("(")[0].strip().upper() for part in str(name).split("::")] for name in names
    ]


def count_support(
    links: pd.DataFrame, matches: sparse.spmatrix, motif_factors: Sequence[str]
) -> pd.DataFrame:
    """Linked peaks that hold a motif of a factor, for every gene and factor.

    Parameters
    ----------
    links
        ``peak`` (row of ``matches``) and ``gene``.
    matches
        Motif occurrences, not 0 where a peak holds the motif, shape (n_peaks, n_motifs).
    motif_factors
        Factor of every motif; ``FOS::JUN`` stands for two.

    Returns
    -------
    Genes with a linked peak x factors with a motif, whole numbers.

    Raises
    ------
    DataError
        If motifs and their factors differ in number, or a link names a peak that is not there.
    """
    if matches.shape[1] != len(motif_factors):
        msg = f"{matches.shape[1]} motifs were matched, and {len(motif_factors)} have a factor"
        raise DataError(msg)
    if len(links) and links["peak"].max() >= matches.shape[0]:
        msg = f"a link names peak {links['peak'].max()}; motifs were matched in {matches.shape[0]}"
        raise DataError(msg)
    split = split_complexes(motif_factors)
    factors = sorted({factor for names in split for factor in names})
    place = {factor: i for i, factor in enumerate(factors)}
    pairs = [(motif, place[factor]) for motif, names in enumerate(split) for factor in names]
    of_motif = _incidence(pairs, (matches.shape[1], len(factors)))
    held = sparse.csr_matrix(matches).astype(bool).astype(np.int64) @ of_motif
    genes = pd.Index(links[GENE].unique())
    pairs = list(zip(genes.get_indexer(links[GENE]), links["peak"].astype(int), strict=True))
    linked = _incidence(pairs, (len(genes), matches.shape[0]))
    support = linked @ (held > 0).astype(np.int64)
    return pd.DataFrame(support.toarray(), index=genes, columns=factors)


def _incidence(pairs: list[tuple[int, int]], shape: tuple[int, int]) -> sparse.csr_matrix:
    """1 at every pair, however often it is named."""
    row, column = zip(*set(pairs), strict=True) if pairs else ((), ())
    return sparse.csr_matrix((np.ones(len(row), dtype=np.int64), (row, column)), shape=shape)


def prune_by_peaks(
    modules: pd.DataFrame,
    links: pd.DataFrame,
    matches: sparse.spmatrix,
    motif_factors: Sequence[str],
) -> pd.DataFrame:
    """Keep targets that have a linked peak with a motif of the factor.

    Parameters
    ----------
    modules
        ``tf``, ``module``, ``target``, ``importance``, ``rho``.
    links, matches, motif_factors
        As :func:`count_support` takes them.

    Returns
    -------
    ``tf``, ``target``, ``importance``, ``rho``, ``support`` (linked peaks with the motif),
    ``pruned`` (true): modules of a factor joined. Factors without a motif are left out: nothing
    can be said of them.
    """
    support = count_support(links, matches, motif_factors)
    pairs = modules.drop_duplicates([TF, TARGET])
    row = support.index.get_indexer(pairs[TARGET])
    column = support.columns.get_indexer(pairs[TF])
    known = (row >= 0) & (column >= 0)
    found = np.zeros(len(pairs), dtype=np.int64)
    found[known] = support.to_numpy()[row[known], column[known]]
    kept = pairs.assign(support=found, pruned=True)[found > 0]
    return kept[list(REGULON_COLUMNS)].reset_index(drop=True)


def rate_motif_support(
    modules: pd.DataFrame,
    links: pd.DataFrame,
    matches: sparse.spmatrix,
    motif_factors: Sequence[str],
) -> pd.DataFrame:
    """Whether targets of a factor hold its motif in linked peaks more often than other genes.

    Returns
    -------
    One row a factor with a motif: ``tf``, ``n_targets``, ``n_with_motif``, ``n_others``,
    ``others_with_motif``, ``log2_odds`` (half a gene added everywhere) with its standard
    ``error``, ``pvalue`` (Fisher's exact test, one-sided) and ``padj``. Genes without a linked
    peak do not count.
    """
    support = count_support(links, matches, motif_factors) > 0
    rows = []
    for factor, part in modules.groupby(TF, sort=True):
        if factor not in support.columns:
            continue
        inside = support.index.isin(part[TARGET]) & (support.index != factor)
        has = support[factor].to_numpy()
        table = np.array(
            [
                [(inside & has).sum(), (inside & ~has).sum()],
                [(~inside & has).sum(), (~inside & ~has).sum()],
            ]
        )
        padded = table + 0.5
        rows.append(
            {
                TF: factor,
                "n_targets": int(inside.sum()),
                "n_with_motif": int(table[0, 0]),
                "n_others": int((~inside).sum()),
                "others_with_motif": int(table[1, 0]),
                "log2_odds": float(
                    np.log2(padded[0, 0] * padded[1, 1] / padded[0, 1] / padded[1, 0])
                ),
                "error": float(np.sqrt((1 / padded).sum()) / np.log(2)),
                "pvalue": float(stats.fisher_exact(table, alternative="greater").pvalue),
            }
        )
    columns = [
        TF, "n_targets", "n_with_motif", "n_others", "others_with_motif", "log2_odds", "error",
        "pvalue",
    ]  # fmt: skip
    rated = pd.DataFrame(rows, columns=columns)
    return rated.assign(padj=adjust_pvalues(rated["pvalue"].to_numpy(dtype=float)))


def pick_supported(support: pd.DataFrame, *, n: int, confidence: float) -> pd.DataFrame:
    """The ``n`` factors with the smallest p-values, and the intervals of their odds ratios.

    Parameters
    ----------
    support
        From :func:`rate_motif_support`. Motifs that all genes hold, or none, tell nothing of
        targets and are left out.

    Returns
    -------
    The columns of ``support`` with ``ci_low`` and ``ci_high`` (log2, normal approximation), by
    p-value.
    """
    held = support["n_with_motif"] + support["others_with_motif"]
    telling = support[(held > 0) & (held < support["n_targets"] + support["n_others"])]
    first = telling.sort_values("pvalue", kind="stable").head(n)
    half = float(stats.norm.ppf(0.5 + confidence / 2)) * first["error"]
    return first.assign(ci_low=first["log2_odds"] - half, ci_high=first["log2_odds"] + half)


def prune_by_rankings(
    modules: pd.DataFrame,
    rankings: pd.DataFrame,
    motif_factors: pd.DataFrame,
    *,
    top: float,
    min_nes: float,
) -> pd.DataFrame:
    """Keep targets in the leading edge of a motif of the factor that a module is rich in (cisTarget).

    Parameters
    ----------
    modules
        ``tf``, ``module``, ``target``, ``importance``, ``rho``.
    rankings
        Place of every gene in the ranking of every motif, from 0, shape (n_motifs, n_genes).
    motif_factors
        ``motif`` and ``tf``, one row a pair.
    top
        Share of the genes, from the highest, over which the recovery curve is taken.
    min_nes
        Normalised enrichment score a motif of the factor needs.

    Returns
    -------
    As :func:`prune_by_peaks`; ``support`` counts the motifs that speak for the target. A factor
    without an enriched motif has no row.

    References
    ----------
    Van de Sande et al. (2020) Nat. Protoc. 15:2247. doi:10.1038/s41596-020-0336-2
    """
    parts = [_lead(part, rankings, motif_factors, top, min_nes)
             for _, part in modules.groupby([TF, "module"], sort=True)]  # fmt: skip
    found = [part for part in parts if len(part)]
    if not found:
        return pd.DataFrame(columns=list(REGULON_COLUMNS))
    votes = pd.concat(found).groupby([TF, TARGET])["motif"].nunique().rename("support")
    pairs = modules.drop_duplicates([TF, TARGET]).merge(votes.reset_index(), on=[TF, TARGET])
    return pairs.assign(pruned=True)[list(REGULON_COLUMNS)]


def _lead(
    module: pd.DataFrame,
    rankings: pd.DataFrame,
    motif_factors: pd.DataFrame,
    top: float,
    min_nes: float,
) -> pd.DataFrame:
    """``tf``, ``target``, ``motif``: leading edges of one module."""
    factor = module[TF].iloc[0]
    genes = rankings.columns.intersection(pd.Index(module[TARGET]))
    columns = [TF, TARGET, "motif"]
    own = motif_factors.loc[motif_factors[TF] == factor, "motif"]
    if len(genes) == 0 or not rankings.index.isin(own).any():
        return pd.DataFrame(columns=columns)
    places = rankings[genes].to_numpy()
    nes = _enrichment(places, cutoff=round(top * rankings.shape[1]))
    chosen = np.flatnonzero((nes >= min_nes) & rankings.index.isin(own))
    if len(chosen) == 0:
        return pd.DataFrame(columns=columns)
    edge = _leading_edge(places, chosen, min(RECOVERED, rankings.shape[1]))
    row, column = np.nonzero(places[chosen] <= edge[:, None])
    return pd.DataFrame(
        {TF: factor, TARGET: genes.to_numpy()[column], "motif": rankings.index[chosen[row]]}
    )


def _enrichment(places: np.ndarray, *, cutoff: int) -> np.ndarray:
    """Normalised enrichment score of every motif: its area under the recovery curve, standardised."""
    area = np.maximum(cutoff - places, 0).sum(axis=1)
    spread = area.std()
    return (area - area.mean()) / spread if spread > 0 else np.zeros(len(area))


def _leading_edge(places: np.ndarray, chosen: np.ndarray, length: int) -> np.ndarray:
    """Place where each chosen motif's recovery lies highest above the mean plus two deviations."""
    total, squares = np.zeros(length), np.zeros(length)
    for row in places:
        curve = _recover(row, length)
        total += curve
        squares += curve**2
    mean = total / len(places)
    high = mean + 2 * np.sqrt(np.maximum(squares / len(places) - mean**2, 0))
    return np.array([int(np.argmax(_recover(places[motif], length) - high)) for motif in chosen])


def _recover(places: np.ndarray, length: int) -> np.ndarray:
    """Genes met up to each place of a ranking."""
    return np.cumsum(np.bincount(places[places < length], minlength=length))
