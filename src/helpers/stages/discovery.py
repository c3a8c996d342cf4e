"""Learning a signature from the training patients and freezing it; no other patient is read here."""

from pathlib import Path

from helpers.compute.learning import (
    Recipe,
    Scale,
    Training,
    compare_response,
    cross_validate,
    freeze_signature,
    join_patients,
    learn_signature,
    list_training,
    log2_expression,
    mark_response,
    permute_fates,
)
from helpers.io.bulk import read_clinical, read_expression
from helpers.io.tables import write_json, write_table
from helpers.params import SignatureParams
from helpers.stages.task import Task


def run_discovery(task: Task) -> None:
    """The job ``discovery``."""
    params = SignatureParams.model_validate(task.params)
    scale: Scale = str(task.design["scale"])  # type: ignore[assignment]
    sources = (task.data["training_expression"], task.data["training_clinical"])
    stage_discovery(*sources, *task.outputs, scale=scale, params=params)


def stage_discovery(
    expression: Path,
    clinical: Path,
    signature: Path,
    genes: Path,
    folds: Path,
    permutations: Path,
    scores: Path,
    *,
    scale: Scale,
    params: SignatureParams,
) -> None:
    """Learn a signature, judge the recipe by nested cross-validation, and freeze what was learnt.

    Parameters
    ----------
    expression, clinical
        Tables of the training patients.
    signature
        Written last: JSON with the SHA-256 of its content.
    genes, folds, permutations, scores
        Written: CSV of differential genes, outer folds, shuffled fates and training scores.
    scale
        What the expression table holds.

    Raises
    ------
    NotPossibleError
        If there are too few events or labelled patients, or no gene is left.
    """
    training = read_training(expression, clinical, scale=scale, params=params)
    recipe = Recipe(
        max_genes=params.max_genes,
        n_candidates=params.n_candidates,
        l1_ratio=params.l1_ratio,
        n_penalties=params.n_penalties,
        outer_folds=params.outer_folds,
        inner_folds=params.inner_folds,
    )
    learnt = learn_signature(training, recipe, seed=params.seed)
    write_table(compare_response(training, max_genes=params.max_genes), genes)
    write_table(cross_validate(training, recipe, seed=params.seed), folds)
    drawn = permute_fates(training, recipe, n_draws=params.n_permutations, seed=params.seed)
    write_table(drawn, permutations)
    write_table(list_training(training, learnt), scores)
    write_json(freeze_signature(learnt), signature)


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
