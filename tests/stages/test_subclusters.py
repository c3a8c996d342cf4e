"""Stages of subclusters and expression on simulated cells with known answers."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from helpers.compute.subclusters import rate_markers
from helpers.errors import NotPossibleError
from helpers.io.gene_sets import read_published
from helpers.io.objects import read_cells, write_object
from helpers.io.reference import arm_of_genes, read_genes
from helpers.io.tables import read_table
from helpers.params import ExpressionParams, SubclusterParams, load_params, marker_file, subset
from helpers.schema import Contrast
from helpers.stages.expression import stage_expression
from helpers.stages.subclusters import stage_subclusters
from helpers.synth.design import make_design
from helpers.synth.rna import choose_genes, make_landscape, make_sample

NCR_CR = Contrast(test="NCR", reference="CR")


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good HSC/MPP and Pro-B cells of a simulated cohort under their planted names."""
    design = make_design("demo", n_cells=6000)
    genes = choose_genes(read_genes(), design, wanted=set())
    landscape, arms = make_landscape(genes, design), arm_of_genes(genes)
    parts = []
    for sample in design.samples:
        cells = make_sample(landscape, design, sample, arms=arms)
        cells = cells[
            cells.obs["cell_type"].isin(["HSC/MPP", "Pro-B"]) & (cells.obs["kind"] == "good")
        ]
        cells = ad.AnnData(cells.X, obs=cells.obs[["cell_type", "subcluster"]], var=cells.var[[]])
        cells.obs["planted"] = cells.obs.pop("subcluster")
        cells.obs["barcode"] = cells.obs_names.to_numpy()
        cells.obs["sample"] = cells.obs["donor"] = sample.sample
        cells.obs["group"] = sample.group
        cells.obs_names = pd.Index(sample.sample + ":" + cells.obs["barcode"], name="cell")
        parts.append(cells)
    adata = ad.concat(parts)
    adata.obs["n_umis"] = np.asarray(adata.X.sum(axis=1)).ravel()
    mitochondrial = adata.var_names.str.startswith("MT-")
    mito = np.asarray(adata.X[:, mitochondrial].sum(axis=1)).ravel()
    adata.obs["pct_mito"] = 100 * mito / adata.obs["n_umis"].to_numpy()
    path = tmp_path_factory.mktemp("objects") / "rna.h5ad"
    write_object(adata, path)
    return path


def divide(annotated: Path, folder: Path, chapter: str, **changes: object) -> list[Path]:
    """Run the stage as a chapter's defaults have it, with a few draws."""
    values = subset(load_params(chapter), SubclusterParams) | {"n_draws": 3} | changes
    outputs = [folder / f"{name}" for name in ("s.h5ad", "s.csv", "m.csv", "d.csv", "n.csv")]
    params = SubclusterParams.model_validate(values)
    stage_subclusters(annotated, marker_file("subclusters.yml"), *outputs, params=params)
    return outputs


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*n_jobs value.*:UserWarning")
@pytest.mark.parametrize("chapter", ["fig4_hsc_mpp", "fig5_pro_b"])
def test_stage_subclusters__finds_planted_subclusters_markers_and_number(
    annotated: Path, tmp_path: Path, chapter: str
):
    divided, listed, markers, draws, numbers = divide(annotated, tmp_path, chapter)
    cells = read_cells(divided)
    assert adjusted_rand_score(cells["planted"], cells["subcluster"]) >= 0.9
    assert (cells["planted"].astype(str) == cells["subcluster"].astype(str)).mean() >= 0.9
    table = pd.read_csv(listed, dtype=str)
    assert table.columns.tolist() == ["sample", "barcode", "group", "subcluster"]
    assert table["subcluster"].tolist() == cells["subcluster"].astype(str).tolist()
    kind = str(load_params(chapter).model_dump()["cell_type"])
    published = read_published(marker_file("subclusters.yml"), kind)
    ranked = read_table(markers).astype({"subcluster": str})
    rated = rate_markers(ranked, published, n=10, fdr=0.05, min_log2fc=0.25)
    assert (rated["in_top_10"] >= np.minimum(4, rated["n_published"])).all()
    assert read_table(draws)["ari"].mean() >= 0.8
    rating = read_table(numbers).set_index("n_clusters")
    n_planted = cells["planted"].nunique()
    assert rating.loc[n_planted, "used"]
    assert rating.loc[n_planted, "eigengap"] > 3 * rating.loc[n_planted + 1, "eigengap"]


def test_stage_subclusters__says_how_many_cells_are_missing(annotated: Path, tmp_path: Path):
    with pytest.raises(NotPossibleError, match="0 cells were called Plasma; dividing them"):
        divide(annotated, tmp_path, "fig4_hsc_mpp", cell_type="Plasma")


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
