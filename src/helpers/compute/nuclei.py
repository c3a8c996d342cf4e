"""Quality of nuclei: which are kept, why not the others, and which are doublets (ArchR)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, stats
from sklearn.neighbors import NearestNeighbors

from helpers.compute.lsi import find_idf, find_lsi, weigh_terms
from helpers.compute.quality import KEPT

# Why a barcode is left out, in the order the rules are asked; the first that applies is noted.
REASONS = ("few_fragments", "many_fragments", "low_tss", "low_frip", "doublet")
TERMS = 2  # TF x log(1 + IDF), ArchR's LSI method 1
SCALE = 10_000  # nuclei ArchR's p-values and enrichments refer to, whatever the sample's size
SMALLEST = 5e-324  # the smallest number above 0, ArchR's floor of a p-value


def judge_nuclei(
    measures: pd.DataFrame, *, fragments: tuple[int, int], min_tss: float, min_frip: float
) -> pd.Series:
    """Why each barcode is left out, or ``kept``.

    Parameters
    ----------
    measures
        ``n_fragments``, ``tss_enrichment``, ``frip`` of every barcode.
    fragments
        Smallest and largest number kept, both included.
    min_tss
        TSS enrichment a nucleus must have at least.
    min_frip
        Share of fragments in peaks a nucleus must exceed.
    """
    conditions = {
        "few_fragments": measures["n_fragments"] < fragments[0],
        "many_fragments": measures["n_fragments"] > fragments[1],
        "low_tss": ~(measures["tss_enrichment"] >= min_tss),
        "low_frip": ~(measures["frip"] > min_frip),
    }
    verdict = np.select(list(conditions.values()), list(conditions), default=KEPT)
    return pd.Series(verdict, index=measures.index, name="verdict")


@dataclass(frozen=True)
class DoubletScores:
    """How often each nucleus is near an artificial doublet."""

    enrichment: np.ndarray
    """Against the mean of all nuclei, which is 1."""
    score: np.ndarray
    """-log10 of ArchR's Bonferroni-adjusted binomial p-value."""


def score_doublets(
    counts: sparse.csr_matrix,
    *,
    n_components: int = 30,
    k: int = 10,
    n_trials: int = 5,
    seed: int = 0,
) -> DoubletScores:
    """Doublet scores of the nuclei of one sample (ArchR's addDoubletScores with ``knnMethod`` LSI).

    Half of the open regions of each of two nuclei drawn at random make an artificial doublet, which
    so has the depth of a nucleus; there are ``n_trials`` times as many as nuclei. They are projected
    into the LSI of the real ones, whose components keep their singular values. Nuclei often among
    the ``k`` nearest of such doublets are likely ones.

    Parameters
    ----------
    counts
        Shape (n_nuclei, n_regions); taken as open or not.

    Raises
    ------
    DataError
        If there are too few nuclei or regions for the components.

    References
    ----------
    Granja et al. (2021) Nat. Genet. 53:403. doi:10.1038/s41588-021-00790-6
    """
    rng = np.random.default_rng(seed)
    is_open = _binarise(counts[:, np.flatnonzero(counts.getnnz(axis=0))])
    idf = find_idf(is_open)
    weighted = weigh_terms(is_open, method=TERMS, idf=idf)
    axes = find_lsi(weighted, n_components=n_components, seed=seed).loadings
    real = weighted @ axes
    search = NearestNeighbors(n_neighbors=min(k, len(real)), algorithm="brute").fit(real)
    found = np.zeros(len(real))
    for _ in range(n_trials):
        placed = weigh_terms(_draw_doublets(is_open, rng), method=TERMS, idf=idf) @ axes
        near = search.kneighbors(placed, return_distance=False)
        found += np.bincount(near.ravel(), minlength=len(real))
    return _rate(found)


def _binarise(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    is_open = sparse.csr_matrix(counts, dtype=np.float64, copy=True)
    is_open.data[:] = 1.0
    return is_open


def _draw_doublets(is_open: sparse.csr_matrix, rng: np.random.Generator) -> sparse.csr_matrix:
    """As many doublets as nuclei, those without any open region left out."""
    n = is_open.shape[0]
    halves = [_halve(is_open[rng.integers(0, n, n)], rng) for _ in range(2)]
    doublets = _binarise(halves[0] + halves[1])
    return doublets[doublets.getnnz(axis=1) > 0]


def _halve(is_open: sparse.csr_matrix, rng: np.random.Generator) -> sparse.csr_matrix:
    """Half of all open regions, drawn from all of them at once."""
    lost = rng.choice(is_open.nnz, is_open.nnz // 2, replace=False)
    is_open.data[lost] = 0.0
    is_open.eliminate_zeros()
    return is_open


def _rate(found: np.ndarray) -> DoubletScores:
    """Enrichment and p-value of how often each nucleus was near a doublet."""
    factor = SCALE / len(found)
    total = round(found.sum() * factor)
    pvalue = stats.binom.sf(np.round(found * factor) - 1, total, 1 / SCALE)
    adjusted = np.minimum(pvalue * len(found), 1.0)
    return DoubletScores(
        enrichment=found / found.sum() * len(found),
        score=-np.log10(np.maximum(adjusted, SMALLEST)),
    )


def call_doublets(enrichment: np.ndarray, *, cut: float, expected_rate: float) -> np.ndarray:
    """Nuclei with an enrichment above the cut, at most the expected share, the highest first."""
    most = round(expected_rate * len(enrichment))
    called = np.zeros(len(enrichment), dtype=bool)
    called[np.argsort(-enrichment, kind="stable")[:most]] = True
    return called & (enrichment > cut)


def count_nuclei(barcodes: pd.DataFrame, samples: Sequence[str]) -> pd.DataFrame:
    """Nuclei in, out and kept of every sample: ``n_input, n_kept, n_doublets`` and the reasons.

    Parameters
    ----------
    barcodes
        One row a barcode: ``sample``, ``verdict``.
    samples
        Samples that were measured, in the order to keep; one may have no barcode.
    """
    verdicts = pd.crosstab(barcodes["sample"], barcodes["verdict"])
    index = pd.Index(samples, name="sample", dtype=object)
    verdicts = verdicts.reindex(index=index, columns=[KEPT, *REASONS], fill_value=0)
    table = pd.DataFrame({"modality": "ATAC", "n_input": verdicts.sum(axis=1)})
    table["n_kept"] = verdicts[KEPT]
    table["n_doublets"] = verdicts["doublet"]
    return table.join(verdicts[list(REASONS[:-1])]).reset_index()
