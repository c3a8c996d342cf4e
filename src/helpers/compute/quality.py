"""Quality of cells: how many genes and UMIs, how much mitochondrial, and why a cell is left out."""

import numpy as np
import pandas as pd
from scipy import sparse

KEPT = "kept"
# Why a barcode is left out, in the order the rules are asked; the first that applies is noted.
REASONS = (
    "few_umis",
    "many_umis",
    "few_genes",
    "many_genes",
    "mitochondrial",
    "doublet",
)


def measure_cells(counts: sparse.csr_matrix, genes: pd.Index) -> pd.DataFrame:
    """UMIs, genes and percent mitochondrial of every barcode.

    Parameters
    ----------
    counts
        Raw counts, shape (n_barcodes, n_genes).
    genes
        Gene symbols; those that start with ``MT-`` are mitochondrial.

    Returns
    -------
    ``n_umis``, ``n_genes``, ``pct_mito`` (0 to 100), one row a barcode. ``pct_mito`` is missing
    where the matrix has no mitochondrial gene, so that it cannot pass for a clean cell.
    """
    totals = np.asarray(counts.sum(axis=1)).ravel()
    mitochondrial = genes.str.startswith("MT-")
    if mitochondrial.any():
        part = np.asarray(counts[:, np.flatnonzero(mitochondrial)].sum(axis=1)).ravel()
        pct = 100 * np.divide(part, totals, out=np.zeros(len(totals)), where=totals > 0)
    else:
        pct = np.full(len(totals), np.nan)
    n_genes = np.asarray((counts > 0).sum(axis=1)).ravel()
    return pd.DataFrame({"n_umis": totals, "n_genes": n_genes, "pct_mito": pct})


def judge_cells(
    measures: pd.DataFrame,
    *,
    genes: tuple[int, int],
    umis: tuple[int, int],
    max_pct_mito: float,
) -> pd.Series:
    """Why each barcode is left out, or ``kept``.

    Parameters
    ----------
    measures
        ``n_umis``, ``n_genes``, ``pct_mito`` of every barcode.
    genes, umis
        Smallest and largest number kept, both included.
    max_pct_mito
        Percent mitochondrial a cell must stay below; not asked where it could not be measured.
    """
    conditions = {
        "few_umis": measures["n_umis"] < umis[0],
        "many_umis": measures["n_umis"] > umis[1],
        "few_genes": measures["n_genes"] < genes[0],
        "many_genes": measures["n_genes"] > genes[1],
        "mitochondrial": measures["pct_mito"] >= max_pct_mito,
    }
    verdict = np.select(list(conditions.values()), list(conditions), default=KEPT)
    return pd.Series(verdict, index=measures.index, name="verdict")


def choose_doublets(scrublet: np.ndarray, doubletfinder: np.ndarray, *, rule: str) -> np.ndarray:
    """Which cells are removed as doublets, by the rule named in the parameters."""
    chosen = {
        "either": scrublet | doubletfinder,
        "both": scrublet & doubletfinder,
        "scrublet": scrublet,
        "doubletfinder": doubletfinder,
        "none": np.zeros_like(scrublet),
    }
    return chosen[rule]


def count_cells(barcodes: pd.DataFrame) -> pd.DataFrame:
    """Cells in, out and kept of every sample.

    Parameters
    ----------
    barcodes
        One row a barcode: ``sample``, ``verdict``, and the calls ``scrublet`` and
        ``doubletfinder``.

    Returns
    -------
    One row a sample: ``n_input``, ``n_kept``, ``n_doublets``, one column a reason, and how many
    cells each doublet method called.
    """
    grouped = barcodes.groupby("sample", sort=False)
    table = pd.DataFrame({"modality": "RNA", "n_input": grouped.size()})
    verdicts = pd.crosstab(barcodes["sample"], barcodes["verdict"])
    verdicts = verdicts.reindex(index=table.index, columns=[KEPT, *REASONS], fill_value=0)
    table["n_kept"] = verdicts[KEPT]
    table["n_doublets"] = verdicts["doublet"]
    table = table.join(verdicts[[reason for reason in REASONS if reason != "doublet"]])
    for method in ("scrublet", "doubletfinder"):
        table[f"called_{method}"] = grouped[method].sum().astype(int)
    return table.reset_index()


def join_counts(cells: pd.DataFrame, nuclei: pd.DataFrame) -> pd.DataFrame:
    """Counts of cells and of nuclei in one table; a reason asked of one kind only is missing else.

    Parameters
    ----------
    cells, nuclei
        ``sample``, ``modality`` and whole numbers, as :func:`count_cells` gives them.
    """
    parts = [part for part in (cells, nuclei) if len(part)]
    joined = pd.concat(parts, ignore_index=True)
    numbers = joined.columns.difference(["sample", "modality"])
    return joined.astype(dict.fromkeys(numbers, "Int64"))
