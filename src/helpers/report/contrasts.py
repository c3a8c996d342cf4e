"""Comparisons of expression on a page: which contrast, which types, what claims look up."""

import anndata as ad
import numpy as np
import pandas as pd

from helpers.compute.enrichment import GeneSets, log_rates, measure_terms
from helpers.compute.expression import sum_samples
from helpers.errors import NotPossibleError
from helpers.report.page import Page
from helpers.schema import CELL_TYPE, CONTRAST, DONOR, GROUP, SAMPLE, Contrast


def main_contrast(page: Page) -> Contrast:
    """The first contrast of the cohort, the one panels show.

    Raises
    ------
    NotPossibleError
        If the cohort has none.
    """
    if not page.contrasts:
        msg = "Comparing expression needs two groups; the cohort has one."
        raise NotPossibleError(msg)
    return page.contrasts[0]


def shown_types(tests: pd.DataFrame, wanted: list[str], contrast: Contrast) -> list[str]:
    """The types asked for that could be compared by cell.

    Raises
    ------
    NotPossibleError
        If none of them could, with the reasons.
    """
    mine = tests[(tests[CONTRAST] == contrast.name) & (tests["unit"] == "cell")]
    by_type = mine.set_index(CELL_TYPE)
    shown = [kind for kind in wanted if kind in by_type.index and by_type["n_genes"][kind] > 0]
    if not shown:
        reasons = by_type["reason"].reindex(wanted).fillna("no cell was called so")
        listed = "; ".join(f"{kind}: {reason}" for kind, reason in reasons.items())
        msg = f"None of the types asked for could be compared ({listed})."
        raise NotPossibleError(msg)
    return shown


def measure_types(
    page: Page,
    adata: ad.AnnData,
    types: list[str],
    sets: GeneSets,
    *,
    min_cells: int,
    min_size: int,
    confidence: float,
) -> pd.DataFrame:
    """Effects of every term in every type and contrast, samples being the unit."""
    sheet = page.samples.set_index(SAMPLE)
    parts = []
    for kind in types:
        mine = adata[(adata.obs[CELL_TYPE] == kind).to_numpy()]
        labels = mine.obs[SAMPLE].astype(str).to_numpy()
        sums, names = sum_samples(mine.X, labels, min_cells=min_cells)
        rates = log_rates(sums.astype(np.float64), adata.var_names, names)
        parts += [
            measure_terms(
                rates,
                sheet[GROUP],
                contrast,
                sets,
                cell_type=kind,
                min_size=min_size,
                confidence=confidence,
                donors=sheet[DONOR],
            )
            for contrast in page.contrasts
        ]
    return pd.concat(parts, ignore_index=True)
