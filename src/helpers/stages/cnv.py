"""Copy number: profiles, calls and scores of all cells of a cohort."""

from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.clones import find_clones, score_cells
from helpers.compute.cnv import (
    Baseline,
    find_expressed,
    fit_baseline,
    measure_ratios,
    place_genes,
    score_variability,
)
from helpers.compute.segments import (
    average_arms,
    call_arms,
    fit_spread,
    list_arms,
    measure_arms,
    measure_levels,
)
from helpers.errors import NotPossibleError
from helpers.io.objects import read_object, write_object
from helpers.io.reference import arm_of_genes, read_genes
from helpers.io.tables import write_table
from helpers.params import CnvParams
from helpers.schema import BARCODE, CELL_TYPE, GROUP, SAMPLE
from helpers.stages.task import Task

BIN = 10  # neighbouring genes drawn as one column of the heat map
AS_SHOWN, SUBSAMPLE = "as shown", "subsample, as shown"  # settings of the sensitivity strip
TABLE = [SAMPLE, BARCODE, GROUP, CELL_TYPE]


def run_cnv(task: Task) -> None:
    """The job ``cnv``."""
    params = CnvParams.model_validate(task.params)
    groups = {str(k): str(v) for k, v in dict(task.design["groups"]).items()}  # type: ignore[call-overload]
    stage_cnv(task.inputs[0], *task.outputs, groups=groups, params=params)


def stage_cnv(
    annotated: Path,
    result: Path,
    profiles: Path,
    segments: Path,
    sensitivity: Path,
    *,
    groups: dict[str, str],
    params: CnvParams,
) -> None:
    """Estimate copy number of every cell of the annotated cohort.

    Parameters
    ----------
    annotated
        Counts with ``obs`` sample, barcode, group and cell type.
    result
        Written: AnnData of cells x arms, ratio minus 1 to normal cells of the same type; scores,
        probability and clone in ``obs``, the spread of normal samples in ``var``.
    profiles
        Written: AnnData of the cells to draw x bins of ten genes, inferCNV's ratios.
    segments
        Written: CSV of every arm in every sample and type with its call.
    sensitivity
        Written: CSV of the source's score with other references and windows.
    groups
        Role to label.

    Raises
    ------
    NotPossibleError
        If the cohort has too few normal cells.
    """
    adata = read_object(annotated)
    cells = adata.obs[TABLE].astype(str)
    reference = choose_reference(cells, groups, params)
    placed = read_genes().assign(arm=arm_of_genes(read_genes()))
    genes = place_genes(adata.var_names, placed, exclude_loci=params.exclude_loci)
    counts = adata.X[:, genes["column"].to_numpy()].tocsr()
    del adata
    used = np.flatnonzero(counts.getnnz(axis=1) > 0)
    if len(used) < counts.shape[0]:
        msg = f"{counts.shape[0] - len(used)} cells have no UMI in genes of known place"
        raise NotPossibleError(msg)
    normal = sorted(cells.loc[is_normal(cells, groups, params), SAMPLE].unique())
    table = _measure_cells(counts, genes, cells, segments, normal=normal, params=params)
    levels = _vary_normals(counts, genes, cells, normal, params=params)
    kept = np.flatnonzero(find_expressed(counts, min_mean=params.min_mean_counts))
    counts, genes = counts[:, kept], genes.iloc[kept].reset_index(drop=True)
    level = fit_baseline(
        counts, genes["chrom"].to_numpy(), reference, window=params.window, clip=params.clip
    )
    drawn = pick_cells(cells, n_cells=params.cells_shown, seed=params.seed)
    table.obs["infercnv_score"], bins = _profile(counts, genes, level, drawn, params)
    table.obs["is_reference"] = np.isin(np.arange(len(cells)), np.concatenate(reference))
    write_object(ad.AnnData(bins, obs=table.obs.iloc[drawn], var=bin_genes(genes)), profiles)
    write_object(table, result)
    scored = cells.assign(infercnv_score=table.obs["infercnv_score"])
    scores = _vary_settings(counts, genes, scored, reference, params=params)
    keys = [SAMPLE, CELL_TYPE, "setting"]
    write_table(scores.merge(levels, on=keys, how="left"), sensitivity)


def is_normal(cells: pd.DataFrame, groups: dict[str, str], params: CnvParams) -> np.ndarray:
    """Which cells come from the groups that serve as normal.

    Raises
    ------
    NotPossibleError
        If the cohort has no group in any of the roles.
    """
    labels = [groups[role] for role in params.reference_roles if role in groups]
    if not labels:
        msg = (
            f"Copy number needs normal cells: the cohort has no group in the role "
            f"{' or '.join(params.reference_roles)}. Name other roles in reference_roles under "
            "overrides.fig6_cnv."
        )
        raise NotPossibleError(msg)
    return cells[GROUP].isin(labels).to_numpy()


def choose_reference(
    cells: pd.DataFrame, groups: dict[str, str], params: CnvParams
) -> list[np.ndarray]:
    """Rows of the normal cells, one array a reference type.

    Raises
    ------
    NotPossibleError
        If a type has fewer cells than a baseline needs; no other type is taken in its place.
    """
    normal = is_normal(cells, groups, params)
    rows = [
        np.flatnonzero(normal & (cells[CELL_TYPE] == kind).to_numpy())
        for kind in params.reference_types
    ]
    for kind, found in zip(params.reference_types, rows, strict=True):
        if len(found) < params.min_reference_cells:
            msg = (
                f"Copy number needs {params.min_reference_cells} normal cells of type {kind} as "
                f"reference, and {len(found)} were found in "
                f"{', '.join(groups[r] for r in params.reference_roles if r in groups)}. Choose other "
                "reference_types or reference_roles under overrides.fig6_cnv."
            )
            raise NotPossibleError(msg)
    return rows


def _measure_cells(
    counts: sparse.csr_matrix,
    genes: pd.DataFrame,
    cells: pd.DataFrame,
    segments: Path,
    *,
    normal: list[str],
    params: CnvParams,
) -> ad.AnnData:
    """Arms of every cell with scores and clones; the calls are written."""
    arms = list_arms(genes)
    ratio = measure_arms(counts, genes, cells, normal=normal, min_cells=params.min_reference_cells)
    units = average_arms(ratio, cells, arms, normal=normal, min_cells=params.min_cells)
    spread = fit_spread(units, arms, normal=normal)
    calls = call_arms(
        units,
        arms,
        spread,
        fdr=params.fdr,
        min_change=params.min_change,
        confidence=params.confidence,
    )
    calls.insert(
        1, GROUP, calls[SAMPLE].map(cells.drop_duplicates(SAMPLE).set_index(SAMPLE)[GROUP])
    )
    write_table(calls, segments)
    obs = cells.assign(
        cnv_score=score_cells(ratio, cells, arms, spread, min_cells=params.min_cells)
    ).join(
        find_clones(
            ratio,
            cells,
            arms,
            calls,
            normal=normal,
            max_clones=params.max_clones,
            min_cells=params.min_reference_cells,
            seed=params.seed,
        )
    )
    var = arms.assign(between=spread.between, scale=spread.scale).set_index("arm")
    table = ad.AnnData(ratio.astype(np.float32), obs=obs, var=var)
    table.uns = {"df": spread.df, "normal": np.array(normal, dtype=object)}
    return table


def _profile(
    counts: sparse.csr_matrix,
    genes: pd.DataFrame,
    level: Baseline,
    drawn: np.ndarray,
    params: CnvParams,
) -> tuple[np.ndarray, np.ndarray]:
    """The source's score of all cells and the binned log2 ratios of those to draw."""
    scores, bins, first = [], [], 0
    starts = bin_genes(genes)["first"].to_numpy()
    width = np.diff(np.append(starts, len(genes)))
    for ratio in _ratios(counts, level, params):
        scores.append(score_variability(ratio))
        here = drawn[(drawn >= first) & (drawn < first + len(ratio))] - first
        bins.append(np.log2(np.add.reduceat(ratio[here], starts, axis=1) / width))
        first += len(ratio)
    return np.concatenate(scores), np.concatenate(bins).astype(np.float32)


def _ratios(counts: sparse.csr_matrix, level: Baseline, params: CnvParams) -> Iterator[np.ndarray]:
    return measure_ratios(counts, level, denoise=params.denoise, noise_sd=params.noise_sd)


def bin_genes(genes: pd.DataFrame) -> pd.DataFrame:
    """Runs of ten neighbouring genes of one arm.

    Returns
    -------
    Indexed by the first gene's symbol: ``chrom``, ``arm``, ``start``, ``end``, ``first``
    (position of the first gene).
    """
    run = (genes["arm"] != genes["arm"].shift()).cumsum()
    inside = genes.groupby(run).cumcount() // BIN
    grouped = genes.assign(first=np.arange(len(genes))).groupby([run, inside])
    return grouped.agg(
        gene=("gene", "first"),
        chrom=("chrom", "first"),
        arm=("arm", "first"),
        start=("start", "min"),
        end=("end", "max"),
        first=("first", "first"),
    ).set_index("gene")


def pick_cells(cells: pd.DataFrame, *, n_cells: int, seed: int) -> np.ndarray:
    """Rows of at most ``n_cells`` cells, every sample and type with its fair share.

    Each sample and type is thinned by the same square root, so that small types stay visible.
    """
    rng = np.random.default_rng(seed)
    place = cells.reset_index(drop=True).groupby([SAMPLE, CELL_TYPE]).indices
    root = {key: np.sqrt(len(rows)) for key, rows in place.items()}
    each = n_cells / sum(root.values())
    picked = [
        rng.choice(rows, min(len(rows), max(1, int(each * root[key]))), replace=False)
        for key, rows in place.items()
    ]
    return np.sort(np.concatenate(picked))


def _vary_normals(
    counts: sparse.csr_matrix,
    genes: pd.DataFrame,
    cells: pd.DataFrame,
    normal: list[str],
    *,
    params: CnvParams,
) -> pd.DataFrame:
    """Levels by sample and type with all normal samples and with each left out."""
    arms = list_arms(genes)
    parts = []
    for left_out in ("", *normal):
        kept = [sample for sample in normal if sample != left_out]
        if len(kept) < 2:
            continue
        ratio = measure_arms(
            counts, genes, cells, normal=kept, min_cells=params.min_reference_cells
        )
        units = average_arms(ratio, cells, arms, normal=kept, min_cells=params.min_cells)
        levels = measure_levels(units, arms, fit_spread(units, arms, normal=kept))
        parts.append(levels.assign(setting=_setting_without(left_out)).drop(columns="n_cells"))
    columns = [SAMPLE, CELL_TYPE, "setting", "cnv_level"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def _setting_without(sample: str) -> str:
    """Name of a setting in the sensitivity strip."""
    return f"reference without {sample}" if sample else AS_SHOWN


def _vary_settings(
    counts: sparse.csr_matrix,
    genes: pd.DataFrame,
    cells: pd.DataFrame,
    reference: list[np.ndarray],
    *,
    params: CnvParams,
) -> pd.DataFrame:
    """Mean of the source's score by sample and type with other references and windows.

    All cells have their score as shown. The other settings score a subsample where there are too
    many cells; then the setting shown is scored in the same subsample, too, to compare them with.
    """
    everything = np.concatenate(reference)
    samples = cells[SAMPLE].to_numpy()
    chosen = pick_cells(cells, n_cells=params.cells_compared, seed=params.seed)
    settings = [(f"window {n}", reference, n) for n in params.windows_compared]
    if len(chosen) < len(cells):
        settings.insert(0, (SUBSAMPLE, reference, params.window))
    for sample in np.unique(samples[everything]):
        left = [rows[samples[rows] != sample] for rows in reference]
        if min(len(rows) for rows in left) > 0:
            settings.append((_setting_without(sample), left, params.window))
    parts = [_mean_scores(cells, AS_SHOWN, reference)]
    for name, rows, window in settings:
        level = fit_baseline(
            counts, genes["chrom"].to_numpy(), rows, window=window, clip=params.clip
        )
        score = np.concatenate(
            [score_variability(r) for r in _ratios(counts[chosen], level, params)]
        )
        scored = cells.iloc[chosen].assign(infercnv_score=score)
        parts.append(_mean_scores(scored, name, rows))
    return pd.concat(parts, ignore_index=True)


def _mean_scores(cells: pd.DataFrame, setting: str, reference: list[np.ndarray]) -> pd.DataFrame:
    """Mean score and number of cells by sample and type, under the name of a setting."""
    grouped = cells.groupby([SAMPLE, GROUP, CELL_TYPE], sort=False)["infercnv_score"]
    table = grouped.agg(infercnv_score="mean", n_cells="size").reset_index()
    return table.assign(setting=setting, n_reference_cells=sum(map(len, reference)))
