"""What the stages of chromatin left for a page about motifs, and what of it is shown."""

from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd

from helpers.compute.motif_tables import (
    UNTESTED,
    average_deviations,
    compare_expression,
    summarise_expression,
)
from helpers.io.objects import read_object
from helpers.io.tables import read_table
from helpers.report.chapters import MOTIF_KEYS, RNA_SUMS
from helpers.report.page import Page
from helpers.schema import CELL_TYPE, CONTRAST, GENE, GROUP, SAMPLE, UNCALLED


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
    def factors(self) -> pd.Index:
        """The factor of every motif, in the order of the deviations."""
        return pd.Index(self.deviations.var["tf"].astype(str))

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
    columns = ["part", CELL_TYPE, GENE, "fraction", "mean", "scaled", "n_cells"]
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


def describe_factors(factors: list[str], dots: pd.DataFrame) -> str:
    """Cells behind each row of a dot plot, and which factors it lacks, as sentences."""
    sizes = dots.drop_duplicates(CELL_TYPE)
    listed = ", ".join(
        f"{row} {n:,}" for row, n in zip(sizes[CELL_TYPE], sizes["n_cells"], strict=True)
    )
    lacking = [tf for tf in factors if tf not in set(dots[GENE])]
    missing = f" Not among the genes measured: {', '.join(lacking)}." if lacking else ""
    return f"Cells: {listed}.{missing}"


def describe_tests(peaks: pd.DataFrame, contrast: str, *, sums: str) -> str:
    """How the peaks of a comparison were tested, panel by panel, or why by one unit they were not.

    Parameters
    ----------
    sums
        What of a sample was added up.
    """
    by_cell = (
        "likelihood ratio of a logistic regression on TF-IDF with depth, nuclei being the unit"
    )
    by_sample = f"voom on sums {sums}, samples being the unit"
    units = set(peaks.loc[peaks[CONTRAST] == contrast, "unit"])
    if units == {"cell", SAMPLE}:
        return f"Left: {by_cell}. Right: {by_sample}."
    if units == {"cell"}:
        return f"Shown: {by_cell}. By sample {UNTESTED[SAMPLE]}."
    return f"Shown: {by_sample}. By nucleus {UNTESTED['cell']}."


def describe_arrows(peaks: pd.DataFrame, contrast: str) -> str:
    """What arrows at the edge of a plot of folds mean, if a peak is open on one side alone."""
    mine = peaks[peaks[CONTRAST] == contrast]
    if (mine[["pct_test", "pct_reference"]].min(axis=1) != 0).all():
        return ""
    return " Arrows at the edge: open in no nucleus of one side, the fold hangs on a pseudocount."


def describe_nuclei(cells: pd.DataFrame, types: list[str], groups: list[str]) -> str:
    """How many nuclei every track is of, as a sentence."""
    sizes = pd.crosstab(cells[CELL_TYPE], cells[GROUP]).reindex(columns=groups, fill_value=0)
    listed = "; ".join(f"{kind} {', '.join(f'{n:,}' for n in sizes.loc[kind])}" for kind in types)
    return f"Nuclei ({', '.join(groups)}): {listed}."


def pick_motifs(table: pd.DataFrame, contrast: str, factors: list[str], *, n: int) -> pd.DataFrame:
    """The best motif of the first ``n`` groups in either direction, as rows to be drawn.

    Returns
    -------
    ``table``'s rows with ``label`` (the group, how many more motifs are in it, and in brackets the
    best of the source's factors there) and ``named`` (whether there is one).
    """
    mine = table[(table[CONTRAST] == contrast) & (table["rank"] <= n)]
    keys = ["direction", "rank"]
    ordered = mine.sort_values([*keys, "pvalue"], kind="stable")
    own = ordered[ordered["tf"].isin(factors)].groupby(keys)["tf"].unique()
    best = ordered.drop_duplicates(keys)
    found = own.reindex(pd.MultiIndex.from_frame(best[keys]))
    sizes = ordered.groupby(keys).size().reindex(found.index)
    names = [
        _label_group(group, size, tfs if isinstance(tfs, np.ndarray) else np.array([]))
        for group, size, tfs in zip(best["motif_group"], sizes, found, strict=True)
    ]
    return best.assign(label=names, named=found.notna().to_numpy()).reset_index(drop=True)


def _label_group(group: str, size: int, factors: np.ndarray) -> str:
    """Name of a group without the number of its motif, its size, and the source's factors in it."""
    name = group.rsplit(" (", 1)[0]
    alike = f" + {size - 1} alike" if size > 1 else ""
    if len(factors) == 0 or list(factors) == [name]:
        return name + alike
    more = ", …" if len(factors) > 1 else ""
    return f"{name}{alike} ({factors[0]}{more})"


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
