"""What the stages of chromatin left for a page about motifs, and what of it is shown."""

from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd

from helpers.compute.motif_tables import (
    average_deviations,
    compare_expression,
    summarise_expression,
)
from helpers.io.objects import read_object
from helpers.io.tables import read_table
from helpers.report.chapters import MOTIF_KEYS, RNA_SUMS
from helpers.report.page import Page
from helpers.schema import CELL_TYPE, CONTRAST, GENE, GROUP, UNCALLED


@dataclass(frozen=True)
class Chromatin:
    """Peaks, motifs and tracks of one type, and the RNA of all."""

    peaks: pd.DataFrame
    matches: ad.AnnData
    deviations: ad.AnnData
    coverage: pd.DataFrame
    features: pd.DataFrame
    sums: ad.AnnData | None
    """RNA of every sample and type; nothing where the cohort has none."""

    @property
    def cells(self) -> pd.DataFrame:
        return self.deviations.obs.astype(str)

    @property
    def motifs(self) -> pd.DataFrame:
        return self.matches.var.astype(str)

    @property
    def contrasts(self) -> list[str]:
        """Names of the comparisons that could be made: the type first, then groups."""
        return list(dict.fromkeys(self.peaks[CONTRAST]))

    @property
    def types(self) -> list[str]:
        """Types with nuclei, in alphabetical order."""
        return sorted(set(self.cells[CELL_TYPE]) - set(UNCALLED), key=str.casefold)


def read_chromatin(page: Page) -> Chromatin:
    """Everything the stages wrote for a chapter about motifs."""
    key = MOTIF_KEYS[page.chapter]
    tables = [
        read_table(page.stage_result(f"{name}_{key}.csv")).fillna({GENE: ""})
        if name != "tracks"
        else read_table(page.stage_result(f"{name}_{key}.csv"))
        for name in ("peaks", "tracks", "track_features")
    ]
    sums = page.results / RNA_SUMS
    has_rna = RNA_SUMS in page.job.optional and sums.exists()
    return Chromatin(
        peaks=tables[0],
        matches=read_object(page.stage_result("motif_matches.h5ad")),
        deviations=read_object(page.stage_result("motif_deviations.h5ad")),
        coverage=tables[1],
        features=tables[2],
        sums=read_object(sums) if has_rna else None,
    )


def compare_factors(
    chromatin: Chromatin, page: Page, cell_type: str, *, min_cells: int, confidence: float
) -> pd.DataFrame:
    """Expression of every gene in the chapter's comparisons; no row where there is no RNA."""
    if chromatin.sums is None:
        numbers = (
            "log2fc",
            "ci_low",
            "ci_high",
            "pvalue",
            "padj",
            "level",
            "n_test",
            "n_reference",
        )
        empty = pd.DataFrame(columns=[CONTRAST, GENE, *numbers])
        return empty.astype(dict.fromkeys(numbers, float))
    return compare_expression(
        np.asarray(chromatin.sums.X),
        chromatin.sums.var_names,
        chromatin.sums.obs,
        cell_type,
        page.contrasts,
        min_cells=min_cells,
        confidence=confidence,
    )


def summarise_factors(chromatin: Chromatin, factors: list[str], cell_type: str) -> pd.DataFrame:
    """Expression of factors by type, and by group inside the type, for dot plots.

    Returns
    -------
    ``part`` (types or groups) and the columns of
    :func:`helpers.compute.motif_tables.summarise_expression`, factors that were measured.
    """
    columns = ["part", CELL_TYPE, GENE, "fraction", "mean", "scaled"]
    if chromatin.sums is None:
        return pd.DataFrame(columns=columns)
    sums = chromatin.sums
    known = ~sums.obs[CELL_TYPE].isin(UNCALLED)
    parts = []
    for part, by, rows in (
        ("types", CELL_TYPE, known),
        ("groups", GROUP, sums.obs[CELL_TYPE] == cell_type),
    ):
        mine = sums[rows.to_numpy()]
        table = summarise_expression(
            np.asarray(mine.X), mine.layers["n_expressing"], mine.obs, sums.var_names, by=by
        )
        parts.append(table[table[GENE].isin(factors)].assign(part=part))
    return pd.concat(parts, ignore_index=True)[columns]


def pick_motifs(table: pd.DataFrame, contrast: str, factors: list[str], *, n: int) -> pd.DataFrame:
    """The best motif of the first ``n`` groups in either direction, as rows to be drawn.

    Returns
    -------
    ``table``'s rows with ``label`` (the factor and how many motifs are like its own) and
    ``named`` (a factor of the source is in the group).
    """
    mine = table[(table[CONTRAST] == contrast) & (table["rank"] <= n)]
    keys = ["direction", "rank"]
    ordered = mine.assign(own=~mine["tf"].isin(factors)).sort_values([*keys, "own", "pvalue"])
    best = ordered.drop_duplicates(keys).drop(columns="own")
    sizes = table[table[CONTRAST] == contrast].groupby(["direction", "motif_group"]).size()
    alike = sizes.reindex(pd.MultiIndex.from_frame(best[["direction", "motif_group"]])) - 1
    names = [
        tf if more == 0 else f"{tf} + {more:.0f} alike"
        for tf, more in zip(best["tf"], alike.to_numpy(), strict=True)
    ]
    return best.assign(label=names, named=best["tf"].isin(factors)).reset_index(drop=True)


def list_factors(table: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """The best motif of each of the source's factors in every contrast and direction."""
    mine = table[table["tf"].isin(factors)].sort_values("pvalue", kind="stable")
    best = mine.drop_duplicates([CONTRAST, "direction", "tf"])
    order = {tf: i for i, tf in enumerate(factors)}
    best = best.assign(order=best["tf"].map(order), label=best["tf"], named=True)
    return best.sort_values([CONTRAST, "direction", "order"]).drop(columns="order")


def draw_matrices(chromatin: Chromatin, motif_ids: list[str]) -> dict[str, np.ndarray]:
    """Letter counts of motifs by the name of their factor, shape (4, width)."""
    rows = chromatin.matches.var_names.get_indexer(pd.Index(motif_ids))
    found = {}
    for row in rows:
        entry = chromatin.matches.var.iloc[row]
        flat = np.asarray(chromatin.matches.varm["counts"])[row]
        name = f"{entry['tf']} ({chromatin.matches.var_names[row]})"
        found[name] = flat[: 4 * int(entry["width"])].reshape(-1, 4).T
    return found


def level_factors(
    chromatin: Chromatin,
    motif_ids: list[str],
    cell_type: str,
    groups: list[str],
    *,
    min_nuclei: int,
) -> pd.DataFrame:
    """Accessibility of motifs in every type, then in every group of the type.

    Returns
    -------
    log2 of observed over expected, one row a type or a group of the type, one column a factor.
    """
    columns = chromatin.matches.var_names.get_indexer(pd.Index(motif_ids))
    deviation = np.asarray(chromatin.deviations.layers["deviation"])[:, columns]
    cells = chromatin.cells.reset_index(drop=True)
    known = cells[~cells[CELL_TYPE].isin(UNCALLED)]
    inside = known[known[CELL_TYPE] == cell_type]
    parts = []
    for name, rows in ((CELL_TYPE, known), (GROUP, inside)):
        levels, units = average_deviations(
            deviation[rows.index], pd.Index(motif_ids), rows[[name]], min_nuclei=min_nuclei
        )
        levels.index = pd.Index(units[name])
        order = chromatin.types if name == CELL_TYPE else groups
        levels = levels.reindex([label for label in order if label in levels.index])
        prefix = "" if name == CELL_TYPE else f"{cell_type}, "
        parts.append(levels.rename(index=lambda label, prefix=prefix: f"{prefix}{label}"))
    factor = chromatin.matches.var["tf"]
    return pd.concat(parts).rename(columns=lambda motif: f"{factor[motif]} {motif}")
