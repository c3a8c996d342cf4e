"""Subclusters of simulated cells with known answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from helpers.compute.subclusters import rate_markers
from helpers.errors import NotPossibleError
from helpers.io.gene_sets import read_published
from helpers.io.objects import read_cells
from helpers.io.tables import read_table
from helpers.params import SubclusterParams, load_params, marker_file, subset
from helpers.schema import Contrast
from helpers.stages.subclusters import stage_subclusters

NCR_CR = Contrast(test="NCR", reference="CR")


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
    published = read_published(marker_file("subclusters.yml"))[kind]
    ranked = read_table(markers).astype({"subcluster": str})
    rated = rate_markers(ranked, published, n=10, fdr=0.05, min_log2fc=0.25)
    assert (rated["in_top_10"] >= np.minimum(4, rated["n_published"])).all()
    # In a cohort this small the smallest subcluster, and what it is taken for, come and go.
    assert read_table(draws).groupby("subcluster")["ari"].mean().median() >= 0.9
    rating = read_table(numbers).set_index("n_clusters")
    n_planted = cells["planted"].nunique()
    assert rating.loc[n_planted, "used"]
    assert rating.loc[n_planted, "eigengap"] > 3 * rating.loc[n_planted + 1, "eigengap"]


def test_stage_subclusters__says_how_many_cells_are_missing(annotated: Path, tmp_path: Path):
    with pytest.raises(NotPossibleError, match="0 cells were called Plasma; dividing them"):
        divide(annotated, tmp_path, "fig4_hsc_mpp", cell_type="Plasma")
