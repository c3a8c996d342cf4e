"""Expression between groups, by cell and by sample, of simulated cells with known answers."""

from pathlib import Path

import pytest

from helpers.errors import NotPossibleError
from helpers.io.tables import read_table
from helpers.params import ExpressionParams, load_params, subset
from helpers.schema import Contrast
from helpers.stages.expression import stage_expression

NCR_CR = Contrast(test="NCR", reference="CR")


@pytest.mark.slow
def test_stage_expression__writes_both_tests_side_by_side(annotated: Path, tmp_path: Path):
    params = ExpressionParams.model_validate(
        subset(load_params("fig3_enrichment"), ExpressionParams)
    )
    genes, tests = tmp_path / "genes.csv", tmp_path / "tests.csv"
    stage_expression(annotated, genes, tests, contrasts=[NCR_CR], params=params)
    table = read_table(genes).set_index(["cell_type", "unit", "gene"])
    # Planted: DNA replication down and transcription up in Pro-B of non-remission.
    for gene, sign in (("MCM3", -1), ("POLD1", -1), ("BRD4", 1), ("KMT2D", 1)):
        for unit in ("cell", "sample"):
            row = table.loc[("Pro-B", unit, gene)]
            assert sign * row["log2fc"] > 0
    assert (table.loc[("Pro-B", "cell")]["padj"] < 0.05).sum() >= 20
    counted = read_table(tests)
    assert set(counted["unit"]) == {"cell", "sample"}
    assert (counted["n_genes"] > 0).all()


def test_stage_expression__needs_a_contrast(annotated: Path, tmp_path: Path):
    params = ExpressionParams.model_validate(
        subset(load_params("fig3_enrichment"), ExpressionParams)
    )
    with pytest.raises(NotPossibleError, match="needs two groups"):
        stage_expression(annotated, tmp_path / "g", tmp_path / "t", contrasts=[], params=params)


def test_stage_expression__says_how_many_cells_it_needs(annotated: Path, tmp_path: Path):
    values = subset(load_params("fig3_enrichment"), ExpressionParams) | {"min_cells": 100_000}
    params = ExpressionParams.model_validate(values)
    with pytest.raises(NotPossibleError, match="No cell type has 100000 cells in both groups"):
        stage_expression(
            annotated, tmp_path / "g", tmp_path / "t", contrasts=[NCR_CR], params=params
        )
