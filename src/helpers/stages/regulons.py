"""Regulons: the network of all types, its targets pruned by motifs, and activity in every cell."""

from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.boosting import Boosting
from helpers.compute.normalise import log_normalise, pick_variable_genes
from helpers.compute.pruning import (
    link_peaks,
    prune_by_peaks,
    prune_by_rankings,
    rate_motif_support,
)
from helpers.compute.rank_scores import score_aucell
from helpers.compute.regulons import build_modules, infer_links, keep_top, list_regulons
from helpers.errors import NotPossibleError
from helpers.io.genome import read_annotation
from helpers.io.objects import is_object, read_object, write_object
from helpers.io.rankings import read_factors, read_motif_factors, read_rankings
from helpers.io.tables import write_table
from helpers.params import RegulonParams
from helpers.schema import BARCODE, CELL_TYPE, GROUP, SAMPLE, TARGET, TF
from helpers.stages.task import Task

SUPPORT_COLUMNS = [
    TF, "n_targets", "n_with_motif", "n_others", "others_with_motif", "log2_odds", "error",
    "pvalue", "padj",
]  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """What can speak for a target besides its expression; nothing where a cohort lacks it."""

    peaks: Path | None = None
    """AnnData whose ``var`` holds the places of the peaks."""
    matches: Path | None = None
    """AnnData of peaks x motifs, ``var["tf"]`` the factor of each motif."""
    annotation: Path | None = None
    """Genes of the genome the peaks lie on, GTF or a table."""
    rankings: Path | None = None
    motif_factors: Path | None = None


def run_regulons(task: Task) -> None:
    """The job ``regulons``."""
    params = RegulonParams.model_validate(task.params)
    chromatin = [path for path in task.inputs[1:] if is_object(path)]
    peaks, matches = chromatin if len(chromatin) == 2 else (None, None)
    named = {role: task.data.get(role) for role in ("annotation", "rankings", "motif_factors")}
    evidence = Evidence(peaks=peaks, matches=matches, **named)
    stage_regulons(
        task.inputs[0], task.data["factor_table"], *task.outputs, evidence=evidence, params=params
    )


def stage_regulons(
    annotated: Path,
    factors: Path,
    links: Path,
    modules: Path,
    regulons: Path,
    support: Path,
    activity: Path,
    *,
    evidence: Evidence,
    params: RegulonParams,
) -> None:
    """Infer the network on cells drawn from every type, prune it, and score all cells.

    Parameters
    ----------
    annotated
        Cells with counts and ``obs["cell_type"]``.
    factors
        Transcription factors, a table with the column ``tf``.
    links
        Written: CSV ``tf``, ``target``, ``importance``, ``rho`` of all pairs with importance.
    modules
        Written: CSV, targets of every module of every factor.
    regulons
        Written: CSV ``tf``, ``target``, ``importance``, ``rho``, ``support``, ``pruned``.
    support
        Written: CSV, whether targets hold the factor's motif in linked peaks more often than
        other genes; no row without chromatin.
    activity
        Written: AnnData of cells x regulons, AUCell.

    Raises
    ------
    NotPossibleError
        If too few factors are expressed or no factor has enough targets.
    """
    adata = read_object(annotated)
    drawn = draw_cells(adata.obs[CELL_TYPE], n_per_type=params.cells_per_type, seed=params.seed)
    found = _infer(adata[drawn], read_factors(factors), params)
    write_table(found, links)
    candidates = build_modules(
        found,
        quantiles=params.quantiles,
        top_targets=params.top_targets,
        top_factors=params.top_factors,
        min_rho=params.min_rho,
        min_targets=params.min_targets,
    )
    write_table(candidates, modules)
    surest = float(found["importance"].quantile(params.unpruned_quantile))
    kept, rated = prune_modules(candidates, evidence, params, min_importance=surest)
    write_table(rated, support)
    write_table(kept, regulons)
    write_object(_score(adata, kept, params), activity)


def draw_cells(types: pd.Series, *, n_per_type: int, seed: int) -> np.ndarray:
    """Rows of at most ``n_per_type`` cells of every type, in order."""
    rng = np.random.default_rng(seed)
    groups = types.astype(str).reset_index(drop=True).groupby(types.astype(str).to_numpy()).indices
    drawn = [
        rng.choice(rows, min(len(rows), n_per_type), replace=False) for rows in groups.values()
    ]
    return np.sort(np.concatenate(drawn))


def _infer(cells: ad.AnnData, factors: list[str], params: RegulonParams) -> pd.DataFrame:
    """Links of the factors seen often enough to the most variable genes and to each other."""
    counts = sparse.csr_matrix(cells.X)
    expression = log_normalise(
        counts, target_sum=params.target_sum, totals=cells.obs["n_umis"].to_numpy(dtype=float)
    )
    seen = counts.getnnz(axis=0) / counts.shape[0] >= params.min_detected
    expressed = cells.var_names[seen & cells.var_names.isin(factors)]
    n_genes = min(params.n_variable_genes, cells.n_vars)
    variable = cells.var_names[pick_variable_genes(counts, n_genes=n_genes)]
    return infer_links(
        expression,
        cells.var_names,
        factors=list(expressed),
        targets=list(variable.union(expressed)),
        settings=Boosting(
            params.learning_rate, params.max_rounds, params.factor_share, params.cell_share
        ),
        seed=params.seed,
    )


def prune_modules(
    modules: pd.DataFrame, evidence: Evidence, params: RegulonParams, *, min_importance: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Regulons with the best evidence there is, and how often targets hold the factor's motif.

    Chromatin of the cohort comes first, then rankings the user supplied. A motif in one linked
    peak is weak evidence, so that links must also be of at least ``min_importance``; so must those
    of a factor that the evidence cannot speak of, which keeps its top targets, marked as not pruned.
    """
    top = keep_top(modules, top_targets=params.top_targets, min_importance=min_importance)
    rated = pd.DataFrame(columns=SUPPORT_COLUMNS)
    if evidence.peaks and evidence.matches and evidence.annotation:
        peaks, matched = read_object(evidence.peaks).var, read_object(evidence.matches)
        matched = matched[peaks.index]
        near = link_peaks(peaks, _starts(evidence.annotation), distance_bp=params.link_distance_bp)
        names = matched.var[TF].astype(str).to_list()
        surest = modules[modules["importance"] > min_importance]
        pruned = prune_by_peaks(surest, near, matched.X, names)
        rated = rate_motif_support(modules, near, matched.X, names)
        judged = set(rated[TF])
    elif evidence.rankings and evidence.motif_factors:
        known = read_motif_factors(evidence.motif_factors)
        rankings = read_rankings(evidence.rankings)
        pruned = prune_by_rankings(
            modules, rankings, known, top=params.ranking_share, min_nes=params.min_nes
        )
        judged = set(known.loc[known["motif"].isin(rankings.index), TF])
    else:
        return top, rated
    rest = top[~top[TF].isin(judged)]
    parts = [part for part in (pruned, rest) if len(part)]
    regulons = pd.concat(parts, ignore_index=True) if parts else top.iloc[:0]
    return regulons.sort_values(
        [TF, "importance"], ascending=[True, False], ignore_index=True
    ), rated


def _starts(annotation: Path) -> pd.DataFrame:
    """``gene``, ``chrom``, ``tss``: where transcription starts (0-based)."""
    genes, _ = read_annotation(annotation)
    tss = np.where(genes["strand"] == "-", genes["end"] - 1, genes["start"])
    return genes[["gene", "chrom"]].assign(tss=tss)


def _score(adata: ad.AnnData, regulons: pd.DataFrame, params: RegulonParams) -> ad.AnnData:
    """AUCell of every regulon in every cell."""
    sets = list_regulons(regulons, min_targets=params.min_regulon)
    if not sets:
        msg = (
            f"No transcription factor has {params.min_regulon} targets; lower min_regulon or "
            "min_targets under overrides.regulons."
        )
        raise NotPossibleError(msg)
    scores = score_aucell(adata.X, adata.var_names, sets, top=params.auc_share)
    size = regulons.groupby(TF)[TARGET].size().reindex(list(sets))
    pruned = regulons.groupby(TF)["pruned"].all().reindex(list(sets)).astype(bool)
    return ad.AnnData(
        scores.to_numpy(dtype=np.float32),
        obs=adata.obs[[SAMPLE, BARCODE, GROUP, CELL_TYPE]].copy(),
        var=pd.DataFrame({"n_targets": size, "pruned": pruned}, index=pd.Index(list(sets))),
    )
