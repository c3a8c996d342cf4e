"""The stage of resistance on a simulated line: the stem-like cluster is found, and none in the control."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from helpers.compute.composition import count_types
from helpers.compute.course import follow_line, rate_course
from helpers.compute.resistance import rate_recovery
from helpers.errors import NotPossibleError
from helpers.io.objects import write_object
from helpers.io.reference import read_genes
from helpers.io.signatures import list_signature_genes, read_registry
from helpers.io.tables import read_table
from helpers.params import ResistanceParams, ScoreParams, load_params, marker_file, subset
from helpers.schema import Contrast
from helpers.stages.resistance import stage_resistance
from helpers.stages.signatures import stage_signatures
from helpers.synth.design import make_design
from helpers.synth.resistance import line_genes, make_line, make_line_sample, make_line_truth
from helpers.synth.rna import choose_genes

CONTRAST = Contrast(test="resistant", reference="parental")
NAMES = ("s.h5ad", "coverage.csv", "samples.csv", "contrasts.csv", "frequency.csv")


def make_cells(profile: str) -> tuple[ad.AnnData, dict[str, pd.DataFrame]]:
    """Good cells of the line in clusters of other numbers than planted, with components."""
    design = make_design(profile, n_cells=2400, seed=1)
    wanted = line_genes() | list_signature_genes(read_registry(marker_file("signatures.yml")))
    genes = choose_genes(read_genes(), design, wanted=wanted)
    landscape = make_line(genes, design)
    parts = []
    for sample in design.samples:
        cells = make_line_sample(landscape, design, sample)
        cells = ad.AnnData(cells.X, obs=cells.obs[["subcluster", "kind"]], var=cells.var[[]])
        cells.obs["barcode"] = cells.obs_names.to_numpy()
        cells.obs["sample"] = cells.obs["donor"] = sample.sample
        cells.obs["group"], cells.obs["cell_type"] = sample.group, "line"
        cells.obs_names = pd.Index(sample.sample + ":" + cells.obs["barcode"], name="cell")
        parts.append(cells[(cells.obs["kind"] == "good").to_numpy()])
    adata = ad.concat(parts)
    adata.obs["n_umis"] = np.asarray(adata.X.sum(axis=1)).ravel()
    adata.obs["cluster"] = adata.obs["subcluster"].map(dict(zip("0123456", "3506142", strict=True)))
    rng = np.random.default_rng(0)
    middle = rng.normal(0, 3, (7, 10))
    place = middle[adata.obs["cluster"].astype(int)] + rng.normal(0, 1.5, (adata.n_obs, 10))
    adata.obsm["X_aligned"], adata.obsm["X_map"] = place, place[:, :2]
    return adata, make_line_truth(design)


def run(profile: str, folder: Path) -> tuple[list[Path], dict[str, pd.DataFrame], ad.AnnData]:
    adata, truth = make_cells(profile)
    write_object(adata, folder / "rna.h5ad")
    scored = [folder / name for name in NAMES]
    scores = ScoreParams.model_validate(
        subset(load_params("signatures"), ScoreParams) | {"n_random": 20, "n_draws": 20}
    )
    registry = marker_file("signatures.yml")
    stage_signatures(folder / "rna.h5ad", registry, *scored, contrasts=[CONTRAST], params=scores)
    outputs = [folder / f"{name}.csv" for name in ("cells", "clusters", "genes")]
    params = ResistanceParams.model_validate(subset(load_params("selinexor"), ResistanceParams))
    stage_resistance(folder / "rna.h5ad", scored[0], *outputs, contrast=CONTRAST, params=params)
    return [*outputs, scored[3]], truth, adata


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory):
    return run("resistance", tmp_path_factory.mktemp("line"))


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory):
    return run("resistance_null", tmp_path_factory.mktemp("control"))


def ferroptosis(path: Path) -> pd.Series:
    table = read_table(path)
    mine = table[(table["cell_type"] == "all cells") & (table["method"] == "weighted z")]
    return mine.set_index("signature").loc["ferroptosis_drivers"]


@pytest.mark.slow
def test_stage_resistance__finds_the_stem_like_cluster_whatever_its_number(line):
    (cells, clusters, _, _), truth, adata = line
    found = read_table(clusters).query("stem_like")["cluster"].unique().tolist()
    assert found == ["2"]  # planted as 6
    planted = adata.obs[["sample", "barcode", "subcluster"]]
    (row,) = rate_recovery(read_table(cells), planted, truth["clusters"], found).itertuples()
    assert row.precision == row.recall == 1.0
    assert row.n_planted > 150


@pytest.mark.slow
def test_stage_resistance__ferroptosis_is_weaker_in_resistant_cells(line):
    row = ferroptosis(line[0][3])
    assert row["effect"] < -1
    assert row["ci_high"] < row["null_low"]
    assert row["padj"] < 0.001


@pytest.mark.slow
def test_stage_resistance__finds_neither_where_nothing_was_planted(control):
    (_, clusters, _, contrasts), _, _ = control
    assert not read_table(clusters)["stem_like"].any()
    row = ferroptosis(contrasts)
    assert row["padj"] > 0.05
    assert row["ci_low"] < 0 < row["ci_high"]


@pytest.mark.slow
def test_stage_resistance__compares_genes_by_cell_and_by_sample(line):
    table = read_table(line[0][2]).set_index(["unit", "gene"])
    for unit in ("cell", "sample"):
        # by cell the fold is of means plus one, which makes it smaller than the 1.2 planted
        assert table.loc[(unit, "ACSL4"), "log2fc"] < -0.2
        assert table.loc[(unit, "ACSL4"), "padj"] < 0.01
        assert table.loc[(unit, "ABCB1"), "log2fc"] > 0.2
    called = table.loc["sample"].query("padj < 0.05").index
    assert len(set(called) & line_genes()) >= 20


@pytest.mark.slow
def test_stage_resistance__starts_pseudotime_in_the_stem_like_cluster(line):
    table = read_table(line[0][0])
    root = table.loc[table["pseudotime"].idxmin()]
    assert root["pseudotime"] == 0
    assert root["stem_like"]
    medians = table.groupby("stem_like")["pseudotime"].median()
    assert medians[True] < medians[False]


@pytest.mark.slow
def test_stage_resistance__says_which_score_is_missing(line, tmp_path: Path):
    folder = line[0][0].parent
    params = ResistanceParams.model_validate(
        subset(load_params("selinexor"), ResistanceParams) | {"quiescence": ["g0_arrest"]}
    )
    outputs = [tmp_path / name for name in ("a", "b", "c")]
    with pytest.raises(
        NotPossibleError, match=r"No signature of quiescence was scored .*g0_arrest"
    ):
        stage_resistance(
            folder / "rna.h5ad", folder / "s.h5ad", *outputs, contrast=CONTRAST, params=params
        )


def follow(outputs: list[Path], profile: str) -> pd.DataFrame:
    """Trends of what the stages wrote, over the days the flasks were taken."""
    rows = [(s.sample, s.group, s.sample, s.time_days) for s in make_design(profile).samples]
    sheet = pd.DataFrame(rows, columns=["sample", "group", "donor", "time_days"])
    cells = read_table(outputs[0])
    proportions = count_types(cells.assign(cell_type=cells["cluster"]), sheet)
    scores = read_table(outputs[0].parent / "samples.csv")
    return follow_line(proportions, scores, cells, sheet, CONTRAST, confidence=0.95)[1]


@pytest.mark.slow
def test_follow_line__finds_the_course_that_was_planted_in_the_cells(line):
    outputs, truth, _ = line
    stem_like = read_table(outputs[1]).query("stem_like")["cluster"].unique().tolist()
    found = rate_course(follow(outputs, "resistance"), truth["course"], stem_like)
    assert found["direction"].tolist() == [1, -1]
    assert found["as_planted"].tolist() == [True, True]


@pytest.mark.slow
def test_follow_line__finds_no_course_in_the_line_without_one(control):
    outputs, truth, _ = control
    planted = truth["course"].query("feature == 'ferroptosis_drivers'")
    trends = follow(outputs, "resistance_null")
    assert rate_course(trends, planted, [])["as_planted"].tolist() == [True]
    shares = trends[
        (trends["kind"] == "cluster share") & (trends["course"] == "resistant from parental")
    ]
    assert len(shares) == 7
    assert (shares["padj"] > 0.05).all()
