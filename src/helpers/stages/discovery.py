"""Learning a signature from the training patients and freezing it.

No validation patient is read here. Candidate genes come from the training patients themselves or,
where that was asked for, from the cohort's cells, whose donors must be others.
"""

from collections.abc import Iterable
from pathlib import Path

import anndata as ad
import pandas as pd

from helpers.compute.learning import (
    Recipe,
    Scale,
    Training,
    check_labels,
    compare_response,
    cross_validate,
    freeze_signature,
    join_patients,
    learn_signature,
    list_training,
    log2_expression,
    mark_candidates,
    mark_response,
    permute_fates,
)
from helpers.compute.levels import ALL_CELLS
from helpers.errors import DataError, NotPossibleError
from helpers.io.bulk import read_clinical, read_expression
from helpers.io.objects import read_object
from helpers.io.tables import write_json, write_table
from helpers.params import SignatureParams
from helpers.schema import CELL_TYPE, CONTRAST, DONOR, GENE, SAMPLE, UNKNOWN, Contrast
from helpers.stages.expression import compare_by_sample
from helpers.stages.task import Task


def run_discovery(task: Task) -> None:
    """The job ``discovery``."""
    params = SignatureParams.model_validate(task.params)
    scale: Scale = str(task.design["scale"])  # type: ignore[assignment]
    sources = (task.data["training_expression"], task.data["training_clinical"])
    training = read_training(*sources, scale=scale, params=params)
    donors: list[str] = []
    if params.candidates_from == "pseudobulk":
        contrasts = [Contrast(**record) for record in task.design["contrasts"]]  # type: ignore[attr-defined]
        genes, donors = compare_cells(task.inputs[0], training, contrasts=contrasts, params=params)
    else:
        genes = compare_patients(training, params)
    stage_discovery(training, genes, *task.outputs, params=params, donors=donors)


def stage_discovery(
    training: Training,
    compared: pd.DataFrame,
    signature: Path,
    genes: Path,
    folds: Path,
    permutations: Path,
    scores: Path,
    *,
    params: SignatureParams,
    donors: Iterable[str] = (),
) -> None:
    """Learn a signature, judge the recipe by nested cross-validation, and freeze what was learnt.

    Parameters
    ----------
    training
        The training patients.
    compared
        Genes by p-value, from :func:`compare_patients` or :func:`compare_cells`.
    signature
        Written last: JSON with the SHA-256 of its content.
    genes, folds, permutations, scores
        Written: CSV of differential genes, outer folds, shuffled fates and training scores.
    donors
        Samples and donors of the cells that genes were compared in.

    Raises
    ------
    NotPossibleError
        If there are too few labelled patients, or no gene is left.
    """
    marked = mark_candidates(compared, training, n_candidates=params.n_candidates)
    elsewhere = params.candidates_from == "pseudobulk"
    recipe = Recipe(
        candidates=tuple(marked.loc[marked["candidate"], GENE]) if elsewhere else None,
        max_genes=params.max_genes,
        n_candidates=params.n_candidates,
        l1_ratio=params.l1_ratio,
        n_penalties=params.n_penalties,
        outer_folds=params.outer_folds,
        inner_folds=params.inner_folds,
    )
    if elsewhere:  # then responses have no part in anything
        training = Training(training.expression, training.clinical.assign(response=""))
    else:
        check_labels(training, recipe, seed=params.seed)
    learnt = learn_signature(training, recipe, seed=params.seed, donors=donors)
    write_table(marked, genes)
    write_table(cross_validate(training, recipe, seed=params.seed), folds)
    drawn = permute_fates(training, recipe, n_draws=params.n_permutations, seed=params.seed)
    write_table(drawn, permutations)
    write_table(list_training(training, learnt), scores)
    write_json(freeze_signature(learnt), signature)


def compare_patients(training: Training, params: SignatureParams) -> pd.DataFrame:
    """Genes between resistant and sensitive training patients, by p-value."""
    return compare_response(training, max_genes=params.max_genes, confidence=params.confidence)


def compare_cells(
    annotated: Path, training: Training, *, contrasts: list[Contrast], params: SignatureParams
) -> tuple[pd.DataFrame, list[str]]:
    """Genes between the groups of the cohort, counts summed over the cells of every sample.

    Parameters
    ----------
    annotated
        Cells with counts and ``obs["cell_type"]``.
    training
        Patients the genes will be candidates for; only their names are looked at.
    contrasts
        Of the cohort.

    Returns
    -------
    Genes by p-value, with the columns of :func:`helpers.compute.learning.compare_response` but
    ``mean``, and ``cell_type``; and the names of all samples and donors.

    Raises
    ------
    NotPossibleError
        If the cohort has no such contrast or cell type, or too few samples.
    DataError
        If a donor of the cells is a training patient, too.
    """
    contrast = choose_contrast(contrasts, params.candidates_contrast)
    cells = _choose_cells(read_object(annotated), params.candidates_cell_type)
    donors = sorted({*cells.obs[SAMPLE].astype(str), *cells.obs[DONOR].astype(str)})
    both = sorted(set(donors) & set(map(str, training.expression.index)))
    if both:
        msg = (
            f"{len(both)} training patients gave cells, too ({', '.join(both[:3])}): their fates "
            "would have a part in the choice of genes. Take them out of the training tables, or "
            "write candidates_from: bulk under overrides.discovery."
        )
        raise DataError(msg)
    table, row = compare_by_sample(cells, contrast, params)
    if row["reason"]:
        msg = f"Candidate genes from the cohort's cells ({contrast.name}): {row['reason']}."
        raise NotPossibleError(msg)
    head = {CONTRAST: contrast.name, CELL_TYPE: params.candidates_cell_type or ALL_CELLS}
    sizes = {name: row[name] for name in ("n_reference", "n_test")}
    ranked = table.sort_values(["pvalue", GENE], kind="stable", ignore_index=True)
    return ranked.assign(**head, **sizes).drop(columns="statistic"), donors


def choose_contrast(contrasts: list[Contrast], name: str) -> Contrast:
    """The contrast of that name, the first if none is named.

    Raises
    ------
    NotPossibleError
        If there is none.
    """
    found = [contrast for contrast in contrasts if name in ("", contrast.name)]
    if not found:
        listed = ", ".join(contrast.name for contrast in contrasts) or "none"
        msg = (
            f"Candidate genes from the cohort's cells need the contrast {name or 'of two groups'}; "
            f"the cohort has {listed}. Name one under contrasts, or write candidates_from: bulk "
            "under overrides.discovery."
        )
        raise NotPossibleError(msg)
    return found[0]


def _choose_cells(cells: ad.AnnData, cell_type: str) -> ad.AnnData:
    """Cells of a type; all of them if none is named."""
    if not cell_type:
        return cells
    types = cells.obs[CELL_TYPE].astype(str)
    if cell_type not in set(types):
        listed = ", ".join(sorted(set(types) - {UNKNOWN}, key=str.casefold))
        msg = (
            f"Candidate genes were to come from {cell_type} cells, and no cell was called so; the "
            f"cohort has {listed} (candidates_cell_type under overrides.discovery)."
        )
        raise NotPossibleError(msg)
    return cells[(types == cell_type).to_numpy()]


def read_training(
    expression: Path, clinical: Path, *, scale: Scale, params: SignatureParams
) -> Training:
    """The training patients with their responses.

    Raises
    ------
    NotPossibleError
        If they had too few events.
    """
    values = log2_expression(read_expression(expression), scale=scale)
    values, patients = join_patients(values, read_clinical(clinical), min_events=params.min_events)
    response = mark_response(
        patients,
        resistant_within=params.resistant_within,
        sensitive_beyond=params.sensitive_beyond,
    )
    return Training(values, patients.assign(response=response))
