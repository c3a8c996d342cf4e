"""Signatures of all cells and samples of a cohort, with random sets, contrasts and dormant cells."""

from contextlib import suppress
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from helpers.compute.dormancy import (
    FREQUENCY_COLUMNS,
    OTHER,
    call_dormant,
    count_dormant,
    join_axes,
    name_calls,
)
from helpers.compute.enrichment import log_rates
from helpers.compute.expression import sum_samples
from helpers.compute.signatures import (
    ALL_CELLS,
    CELL_METHODS,
    CONTRAST_COLUMNS,
    LINEAR,
    SAMPLE_METHODS,
    CellScores,
    Family,
    compare_scores,
    list_scores,
    log_moments,
    make_family,
    place_signatures,
    score_cells,
    score_linear,
    score_samples,
)
from helpers.errors import DataError, NotPossibleError
from helpers.io.gene_sets import read_gene_sets
from helpers.io.objects import read_object, write_object
from helpers.io.signatures import gather_signatures, read_registry
from helpers.io.tables import write_table
from helpers.params import ScoreParams, gene_set_files, marker_file
from helpers.schema import BARCODE, CELL_TYPE, DONOR, GROUP, SAMPLE, UNKNOWN, Contrast, Signature
from helpers.stages.task import Task

AXES = ("dormancy", "resistance", "stemness")
CELLS = [SAMPLE, BARCODE, DONOR, GROUP, CELL_TYPE]


def run_signatures(task: Task) -> None:
    """The job ``signatures``."""
    params = ScoreParams.model_validate(task.params)
    contrasts = [Contrast(**record) for record in task.design["contrasts"]]  # type: ignore[attr-defined]
    stage_signatures(
        task.inputs[0], task.data["registry"], *task.outputs, contrasts=contrasts, params=params
    )


def stage_signatures(
    annotated: Path,
    registry: Path,
    scored: Path,
    coverage: Path,
    samples: Path,
    compared: Path,
    frequency: Path,
    *,
    contrasts: list[Contrast],
    params: ScoreParams,
) -> None:
    """Score every signature that has enough measured genes, cell by cell and sample by sample.

    Parameters
    ----------
    annotated
        Cells with counts and ``obs["cell_type"]``.
    registry
        Signatures, YAML.
    scored
        Written: AnnData of cells x signatures; ``X`` the weighted z, layers UCell, AUCell and, of
        each, mean and deviation of random sets; excess on each axis, probability and call of
        dormant cells in ``obs``; the map in ``obsm``.
    coverage
        Written: CSV, one row a signature of the registry.
    samples
        Written: CSV, scores by sample, cell type, signature and method, beside random sets.
    compared
        Written: CSV, contrasts by cell type, signature and method.
    frequency
        Written: CSV, dormant cells by sample and type.

    Raises
    ------
    NotPossibleError
        If no signature can be scored.
    """
    adata = read_object(annotated)
    known = read_registry(registry)
    folder = marker_file(params.lists_folder) if params.lists_folder else None
    sets = read_gene_sets(gene_set_files(params.gene_sets))
    signatures = gather_signatures(known, sets, lists_folder=folder)
    seen = np.asarray(adata.X.sum(axis=0)).ravel() > 0
    placed, covered = place_signatures(
        signatures,
        adata.var_names[seen],
        known.aliases,
        min_coverage=params.min_coverage,
        min_genes=params.min_genes,
    )
    if not placed:
        msg = f"None of {len(signatures)} signatures has enough measured genes."
        raise NotPossibleError(msg)
    write_table(covered, coverage)
    totals = adata.obs["n_umis"].to_numpy(dtype=float)
    levels, _ = log_moments(adata.X, totals=totals, target_sum=params.target_sum)
    family = make_family(
        placed, adata.var_names, levels, n_random=params.n_random, seed=params.seed
    )
    cells = adata.obs[CELLS].astype(str)
    units, member = list_units(cells)
    scores = score_cells(
        adata.X,
        adata.var_names,
        family,
        member,
        totals=totals,
        target_sum=params.target_sum,
        max_rank=params.ucell_max_rank,
        top=params.aucell_top,
    )
    by_unit, units = _average(scores, units, params.min_cells)
    bulk, bulk_units = _score_bulk(adata, cells, family, params.min_cells)
    listed = [list_scores(by_unit, units, family.ids), list_scores(bulk, bulk_units, family.ids)]
    listed += _score_linear(adata, cells, [s for s in signatures if s.linear], known.aliases)
    write_table(pd.concat(listed, ignore_index=True), samples)
    donors = cells.drop_duplicates(SAMPLE).set_index(SAMPLE)[DONOR]
    tables = [
        compare_scores(
            means, table, family.ids, contrast, confidence=params.confidence, donors=donors
        )
        for contrast in contrasts
        for means, table in ((by_unit, units), (bulk, bulk_units))
    ]
    empty = pd.DataFrame(columns=list(CONTRAST_COLUMNS))
    write_table(pd.concat(tables, ignore_index=True) if tables else empty, compared)
    table = _describe(adata, cells, scores, family, signatures)
    counted = _call(table, adata, placed, signatures, totals, params)
    write_table(counted, frequency)
    write_object(table, scored)


def list_units(cells: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Every sample and type with its number of cells, and the unit of every cell."""
    keys = cells[[SAMPLE, GROUP, CELL_TYPE]].reset_index(drop=True)
    grouped = keys.groupby([SAMPLE, GROUP, CELL_TYPE], sort=True)
    units = grouped.size().rename("n_cells").reset_index()
    return units, grouped.ngroup().to_numpy()


def _average(
    scores: CellScores, units: pd.DataFrame, min_cells: int
) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Means of samples and types with enough cells, and of whole samples."""
    weight = units["n_cells"].to_numpy(dtype=float)
    whole = units.groupby([SAMPLE, GROUP], sort=True)
    rows = list(whole.indices.values())
    total = whole["n_cells"].sum().reset_index().assign(**{CELL_TYPE: ALL_CELLS})
    kept = ((units["n_cells"] >= min_cells) & (units[CELL_TYPE] != UNKNOWN)).to_numpy()
    means = {
        method: np.concatenate(
            [values[kept], [np.average(values[r], axis=0, weights=weight[r]) for r in rows]]
        )
        for method, values in scores.unit_mean.items()
    }
    return means, pd.concat([units[kept], total], ignore_index=True)[list(units)]


def _score_bulk(
    adata: ad.AnnData, cells: pd.DataFrame, family: Family, min_cells: int
) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """The sums over the cells of a sample, by type and of all, by ssGSEA and GSVA."""
    group_of = cells.drop_duplicates(SAMPLE).set_index(SAMPLE)[GROUP]
    kinds = sorted(set(cells[CELL_TYPE]) - {UNKNOWN}, key=str.casefold)
    parts, units = [], []
    for kind in (*kinds, ALL_CELLS):
        rows = np.flatnonzero((cells[CELL_TYPE] == kind) | (kind == ALL_CELLS))
        names = cells[SAMPLE].to_numpy()[rows]
        sums, kept = sum_samples(adata.X[rows], names, min_cells=min_cells)
        size = pd.Series(names).value_counts()
        parts.append(log_rates(sums.astype(float), adata.var_names, kept))
        units.append(
            pd.DataFrame(
                {
                    SAMPLE: kept,
                    GROUP: group_of[kept].to_numpy(),
                    CELL_TYPE: kind,
                    "n_cells": size[kept].to_numpy(),
                }
            )
        )
    listed = pd.concat(units, ignore_index=True)
    rates = pd.concat(parts, axis=1).set_axis(range(len(listed)), axis=1)
    scored = score_samples(rates, family, listed[CELL_TYPE].to_numpy())
    return {method: scored[method] for method in SAMPLE_METHODS}, listed


def _score_linear(
    adata: ad.AnnData,
    cells: pd.DataFrame,
    signatures: list[Signature],
    aliases: dict[str, str],
) -> list[pd.DataFrame]:
    """Published linear scores of whole samples, where all their genes were measured."""
    sums, kept = sum_samples(adata.X, cells[SAMPLE].to_numpy(), min_cells=1)
    rates = log_rates(sums.astype(float), adata.var_names, kept)
    units = cells.groupby([SAMPLE, GROUP], sort=True).size().rename("n_cells").reset_index()
    units = units.set_index(SAMPLE).loc[kept].reset_index().assign(**{CELL_TYPE: ALL_CELLS})
    parts = []
    for signature in signatures:
        with suppress(DataError):  # without one of its genes it is no such score
            score = score_linear(rates, signature, aliases).to_numpy()
            parts.append(units.assign(signature=signature.id, method=LINEAR, score=score))
    return parts


def _describe(
    adata: ad.AnnData,
    cells: pd.DataFrame,
    scores: CellScores,
    family: Family,
    signatures: list[Signature],
) -> ad.AnnData:
    """Scores of all cells in one object."""
    entry = {signature.id: signature for signature in signatures}
    var = pd.DataFrame(
        {
            "name": [entry[i].name for i in family.ids],
            "topic": [entry[i].topic for i in family.ids],
        },
        index=pd.Index(family.ids, name="signature"),
    )
    table = ad.AnnData(scores.score["weighted z"], obs=cells, var=var)
    for method in CELL_METHODS:
        table.layers[method] = scores.score[method]
        table.layers[f"{method}, random mean"] = scores.null_mean[method]
        table.layers[f"{method}, random sd"] = scores.null_sd[method]
    if "X_map" in adata.obsm:
        table.obsm["X_map"] = adata.obsm["X_map"]
    return table


def _call(
    table: ad.AnnData,
    adata: ad.AnnData,
    placed: dict[str, pd.Series],
    signatures: list[Signature],
    totals: np.ndarray,
    params: ScoreParams,
) -> pd.DataFrame:
    """Add the calls of dormant cells to the object; their frequencies by sample and type.

    Where an axis cannot be measured no cell is called, and the object says why.
    """
    wanted = {axis: list(getattr(params, axis)) for axis in AXES}
    axes, uncalled = join_axes(wanted, placed, signatures)
    table.uns["uncalled"] = uncalled
    units = table.obs[[SAMPLE, GROUP, CELL_TYPE]].astype(str)
    if uncalled:
        table.obs[list(AXES)] = np.nan
        table.obs["probability"], table.obs["call"] = np.nan, OTHER
        return pd.DataFrame(columns=[*units, *FREQUENCY_COLUMNS])
    calls = call_dormant(
        adata.X,
        adata.var_names,
        axes,
        totals=totals,
        target_sum=params.target_sum,
        min_excess=params.min_excess,
        n_draws=params.n_draws,
        seed=params.seed,
    )
    table.obs[list(AXES)] = calls.excess.to_numpy()
    table.obs["probability"] = calls.probability
    table.obs["call"] = name_calls(calls.probability, sure=params.sure)
    return count_dormant(calls, units, sure=params.sure, confidence=params.confidence)
