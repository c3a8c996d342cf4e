"""RNA stages on a small simulated cohort: what they write, and what they refuse."""

from dataclasses import dataclass, replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.compute.annotation import score_cells
from helpers.compute.normalise import log_normalise
from helpers.compute.quality import KEPT, REASONS, choose_doublets
from helpers.errors import DataError, NotPossibleError
from helpers.io.objects import read_markers, read_object, write_object
from helpers.io.reference import arm_of_genes, read_genes
from helpers.io.tables import read_table
from helpers.io.tenx import read_rna, write_h5
from helpers.params import (
    AnnotationParams,
    MapParams,
    SampleRnaParams,
    load_params,
    marker_file,
    subset,
)
from helpers.stages import rna
from helpers.stages.rna import (
    SampleRow,
    merge_samples,
    run_rna_annotate,
    run_rna_integrate,
    run_rna_sample,
    stage_rna_annotate,
    stage_rna_integrate,
    stage_rna_sample,
)
from helpers.stages.task import Task
from helpers.synth.design import make_design
from helpers.synth.rna import choose_genes, make_landscape, make_sample

pytestmark = pytest.mark.xdist_group("rna")  # what they share is made once
SAMPLES = ("CK1", "CR1", "NCR1")
MARKERS = marker_file("markers.yml")
MEASURES = ["n_umis", "n_genes", "pct_mito"]
CALLS = ["scrublet_score", "doubletfinder_score", "scrublet", "doubletfinder"]


def sample_params(**changes: object) -> SampleRnaParams:
    values = subset(load_params("quality"), SampleRnaParams)
    return SampleRnaParams.model_validate(values | changes)


def map_params(**changes: object) -> MapParams:
    values = subset(load_params("fig1_composition"), MapParams)
    return MapParams.model_validate(values | changes)


def naming_params(**changes: object) -> AnnotationParams:
    values = subset(load_params("fig1_composition"), AnnotationParams)
    return AnnotationParams.model_validate(values | changes)


def row_of(sample: str) -> SampleRow:
    return SampleRow(sample, f"donor of {sample}", sample.rstrip("1"), "b1")


@dataclass(frozen=True)
class Run:
    """Three samples that went through every stage, and the planted truth."""

    folder: Path
    truth: pd.DataFrame

    def source(self, sample: str) -> Path:
        return self.folder / f"{sample}.h5"

    def kept(self, sample: str) -> Path:
        return self.folder / f"{sample}.rna.h5ad"

    def barcodes(self, sample: str) -> pd.DataFrame:
        return read_table(self.folder / f"{sample}.rna.csv")

    @property
    def integrated(self) -> Path:
        return self.folder / "integrated.h5ad"

    @property
    def annotated(self) -> Path:
        return self.folder / "rna.h5ad"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Sources of three samples, the first of which was judged."""
    folder = tmp_path_factory.mktemp("rna")
    run = Run(folder, write_sources(folder))
    judge(run, "CK1")
    return run


@pytest.fixture(scope="module")
def mapped(run: Run) -> Run:
    """All three samples, judged, on one map and named. Compiling the map takes long: slow."""
    for sample in SAMPLES[1:]:
        judge(run, sample)
    stage_rna_integrate([run.kept(s) for s in SAMPLES], run.integrated, params=map_params())
    labels = run.folder / "labels.csv"
    stage_rna_annotate(run.integrated, MARKERS, run.annotated, labels, params=naming_params())
    return run


def judge(run: Run, sample: str) -> None:
    kept, table = run.kept(sample), run.folder / f"{sample}.rna.csv"
    stage_rna_sample(run.source(sample), kept, table, row=row_of(sample), params=sample_params())


def write_sources(folder: Path) -> pd.DataFrame:
    """Cell Ranger files of 400 cells a sample and few genes; what was planted in the cells."""
    design = replace(make_design("demo", n_cells=3600), n_genes=2500)
    positive, negative = read_markers(MARKERS)
    wanted = {gene for table in (positive, negative) for genes in table.values() for gene in genes}
    genes = choose_genes(read_genes(), design, wanted=wanted)
    landscape, arms = make_landscape(genes, design), arm_of_genes(genes)
    truths = []
    for sample in design.samples:
        if sample.sample in SAMPLES:
            adata = make_sample(landscape, design, sample, arms=arms)
            path = folder / f"{sample.sample}.h5"
            write_h5(path, adata.X, list(adata.obs_names), genes, genome="GRCh38")
            truths.append(adata.obs.assign(sample=sample.sample).reset_index())
    return pd.concat(truths, ignore_index=True)


# One sample


def test_stage_rna_sample__judges_every_barcode_once(run):
    table, source = run.barcodes("CK1"), read_rna(run.source("CK1"))
    assert table["barcode"].tolist() == source.obs_names.tolist()
    assert set(table["verdict"]) <= {KEPT, *REASONS}
    assert table["n_umis"].tolist() == np.asarray(source.X.sum(axis=1)).ravel().tolist()
    verdicts = table["verdict"].value_counts()
    assert verdicts[KEPT] + verdicts.drop(KEPT).sum() == 400
    assert verdicts[KEPT] == read_object(run.kept("CK1")).n_obs


def test_stage_rna_sample__keeps_the_raw_counts_of_the_kept_cells_alone(run):
    table, source = run.barcodes("CK1"), read_rna(run.source("CK1"))
    kept = read_object(run.kept("CK1"))
    chosen = (table["verdict"] == KEPT).to_numpy()
    assert 0 < chosen.sum() < 400
    assert kept.obs_names.tolist() == table.loc[chosen, "barcode"].tolist()
    assert (source.X[np.flatnonzero(chosen)] != kept.X).nnz == 0
    assert kept.var_names.tolist() == source.var_names.tolist()


def test_stage_rna_sample__writes_the_sheet_beside_the_measures(run):
    sheet = ["sample", "donor", "group", "batch"]
    table = run.barcodes("CK1")
    assert table.columns.tolist() == ["barcode", *sheet, *MEASURES, "verdict", *CALLS]
    assert table[sheet].drop_duplicates().to_numpy().tolist() == [
        ["CK1", "donor of CK1", "CK", "b1"]
    ]
    assert list(read_object(run.kept("CK1")).obs) == [*sheet, *MEASURES, *CALLS]


def test_stage_rna_sample__kept_cells_pass_every_threshold(run):
    kept = run.barcodes("CK1").query("verdict == 'kept'")
    params = sample_params()
    assert kept["n_genes"].between(params.min_genes, params.max_genes).all()
    assert kept["n_umis"].between(params.min_umis, params.max_umis).all()
    assert (kept["pct_mito"] < params.max_pct_mito).all()


def test_stage_rna_sample__scores_doublets_where_the_thresholds_were_passed(run):
    table = run.barcodes("CK1")
    passed = table["verdict"].isin([KEPT, "doublet"])
    for method in ("scrublet", "doubletfinder"):
        assert (table[f"{method}_score"].notna() == passed).all()
        assert table.loc[passed, f"{method}_score"].between(0, 1).all()
        assert not table.loc[~passed, method].any()
    removed = choose_doublets(
        table["scrublet"].to_numpy(),
        table["doubletfinder"].to_numpy(),
        rule=load_params("quality").remove_doublets,
    )
    assert removed.sum() > 0
    assert ((table["verdict"] == "doublet") == removed).all()


@pytest.mark.slow
def test_stage_rna_sample__finds_planted_doublets_and_dying_cells(mapped):
    judged = pd.concat([mapped.barcodes(s) for s in SAMPLES]).merge(
        mapped.truth, on=["sample", "barcode"]
    )
    shares = pd.crosstab(judged["kind"], judged["verdict"], normalize="index")
    assert shares.loc["dying", "mitochondrial"] > 0.8
    assert shares.loc["debris", "few_umis"] > 0.6
    assert shares.loc["doublet", "doublet"] > 0.3 > 0.1 > shares.loc["good", "doublet"]
    assert shares.loc["good", "mitochondrial"] < 0.01


def rerun(run: Run, tmp_path: Path, **changes: object) -> tuple[ad.AnnData, pd.DataFrame]:
    """Sample CK1 with other parameters."""
    kept, table = tmp_path / "kept.h5ad", tmp_path / "barcodes.csv"
    params = sample_params(**changes)
    stage_rna_sample(run.source("CK1"), kept, table, row=row_of("CK1"), params=params)
    return read_object(kept), read_table(table)


@pytest.mark.slow
def test_stage_rna_sample__gives_the_same_twice(run, tmp_path):
    kept, _ = rerun(run, tmp_path)
    assert (tmp_path / "barcodes.csv").read_bytes() == (run.folder / "CK1.rna.csv").read_bytes()
    pd.testing.assert_frame_equal(kept.obs, read_object(run.kept("CK1")).obs)


def test_stage_rna_sample__keeps_called_doublets_if_told_so(run, tmp_path):
    kept, table = rerun(run, tmp_path, remove_doublets="none")
    assert (table["scrublet"] | table["doubletfinder"]).sum() > 0
    assert "doublet" not in set(table["verdict"])
    assert kept.n_obs == (table["verdict"] == KEPT).sum()


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["scrublet", "doubletfinder"])
def test_stage_rna_sample__removes_by_the_rule_asked_for(run, tmp_path, rule):
    _, table = rerun(run, tmp_path, remove_doublets=rule)
    assert table[rule].sum() > 0
    assert ((table["verdict"] == "doublet") == table[rule]).all()


def test_stage_rna_sample__looks_for_no_doublets_among_few_cells(run, tmp_path):
    kept, table = rerun(run, tmp_path, min_cells_doublets=401)
    assert table[["scrublet_score", "doubletfinder_score"]].isna().all(axis=None)
    assert not table[["scrublet", "doubletfinder"]].any(axis=None)
    assert kept.n_obs == len(table) - (~table["verdict"].isin([KEPT])).sum() > 300


def test_stage_rna_sample__writes_an_empty_object_where_no_cell_passes(run, tmp_path):
    kept, table = rerun(run, tmp_path, min_umis=20_000)
    assert kept.shape == (0, read_rna(run.source("CK1")).n_vars)
    assert len(table) == 400
    assert set(table["verdict"]) <= {"few_umis", "many_umis"}


def test_stage_rna_sample__writes_nothing_where_the_source_cannot_be_read(tmp_path):
    source = tmp_path / "broken.h5"
    source.write_bytes(b"not HDF5")
    with pytest.raises(DataError, match=r"broken\.h5 is damaged or not what it claims"):
        stage_rna_sample(
            source,
            tmp_path / "k.h5ad",
            tmp_path / "b.csv",
            row=row_of("CK1"),
            params=sample_params(),
        )
    assert [path.name for path in tmp_path.iterdir()] == ["broken.h5"]


def test_stage_rna_sample__writes_nothing_where_doublets_cannot_be_called(
    run, tmp_path, monkeypatch
):
    def fail(*_arguments, **_options):
        raise DataError("no doublets today")

    monkeypatch.setattr(rna, "find_doublets", fail)
    with pytest.raises(DataError, match="no doublets today"):
        rerun(run, tmp_path)
    assert list(tmp_path.iterdir()) == []


# All samples on one map


def test_merge_samples__keeps_the_genes_of_every_sample_in_the_order_of_the_first(tmp_path):
    parts = {"a": ["G3", "G1", "G2", "G4"], "b": ["G1", "G2", "G3", "G5"], "c": ["G2", "G3", "G9"]}
    paths = [write_part(tmp_path, name, genes) for name, genes in parts.items()]
    merged = merge_samples(paths)
    assert merged.var_names.tolist() == ["G3", "G2"]
    assert merged.obs_names.tolist() == ["a:x", "a:y", "b:x", "b:y", "c:x", "c:y"]
    assert merged.obs["barcode"].tolist() == ["x", "y"] * 3
    # a gene's counts are its number, in the second cell tenfold
    assert merged.X.toarray().tolist() == [[3, 2], [30, 20]] * 3
    assert sparse.isspmatrix_csr(merged.X)


def test_merge_samples__needs_a_gene_in_common(tmp_path):
    paths = [write_part(tmp_path, name, genes) for name, genes in (("a", ["G1"]), ("b", ["G2"]))]
    with pytest.raises(
        DataError, match="no gene in common; were they aligned to different genomes"
    ):
        merge_samples(paths)


def write_part(folder: Path, sample: str, genes: list[str]) -> Path:
    numbers = np.array([int(gene[1:]) for gene in genes], dtype=np.int32)
    obs = pd.DataFrame({"sample": sample}, index=["x", "y"])
    counts = sparse.csr_matrix(np.vstack([numbers, 10 * numbers]))
    path = folder / f"{sample}.h5ad"
    write_object(ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes)), path)
    return path


@pytest.mark.slow
def test_stage_rna_integrate__puts_every_kept_cell_on_the_map(mapped):
    adata = read_object(mapped.integrated)
    kept = [read_object(mapped.kept(sample)) for sample in SAMPLES]
    expected = [f"{s}:{b}" for s, part in zip(SAMPLES, kept, strict=True) for b in part.obs_names]
    assert adata.obs_names.tolist() == expected
    assert (sparse.vstack([part.X for part in kept]) != adata.X).nnz == 0
    params = map_params()
    for name, width in (("X_pca", params.n_pcs), ("X_aligned", params.n_pcs), ("X_map", 2)):
        assert adata.obsm[name].shape == (len(expected), width)
        assert np.isfinite(adata.obsm[name]).all()
    assert adata.var["variable"].sum() == params.n_variable_genes


@pytest.mark.slow
def test_stage_rna_integrate__numbers_clusters_from_the_largest(mapped):
    sizes = read_object(mapped.integrated).obs["cluster"].value_counts().sort_index()
    assert sizes.index.tolist() == list(range(len(sizes)))
    assert sizes.is_monotonic_decreasing
    assert len(sizes) >= 6


@pytest.mark.slow
def test_stage_rna_integrate__gives_the_same_twice(mapped, tmp_path):
    again = tmp_path / "again.h5ad"
    stage_rna_integrate([mapped.kept(s) for s in SAMPLES], again, params=map_params())
    first, second = read_object(mapped.integrated), read_object(again)
    for name in ("X_pca", "X_aligned", "X_map"):
        assert (first.obsm[name] == second.obsm[name]).all()
    assert first.obs["cluster"].tolist() == second.obs["cluster"].tolist()


@pytest.mark.slow
def test_stage_rna_integrate__leaves_components_alone_without_integration(mapped, tmp_path):
    result = tmp_path / "none.h5ad"
    params = map_params(integration="none", embedding="tsne", n_pcs=7)
    stage_rna_integrate([mapped.kept(s) for s in SAMPLES], result, params=params)
    adata = read_object(result)
    assert (adata.obsm["X_aligned"] == adata.obsm["X_pca"]).all()
    assert adata.obsm["X_pca"].shape[1] == 7
    aligned = read_object(mapped.integrated)
    assert (aligned.obsm["X_aligned"] != aligned.obsm["X_pca"]).any()


@pytest.mark.slow
def test_stage_rna_integrate__takes_a_single_sample(run, tmp_path):
    result = tmp_path / "one.h5ad"
    stage_rna_integrate([run.kept("CK1")], result, params=map_params())
    adata = read_object(result)
    assert set(adata.obs["sample"]) == {"CK1"}
    assert (adata.obsm["X_aligned"] == adata.obsm["X_pca"]).all()
    assert adata.obs["cluster"].nunique() >= 4


@pytest.mark.slow
@pytest.mark.parametrize("integration", ["harmony", "none"])
def test_stage_rna_integrate__goes_on_where_a_sample_has_no_cell(mapped, tmp_path, integration):
    empty, table = tmp_path / "empty.h5ad", tmp_path / "empty.csv"
    nothing = sample_params(min_umis=20_000)
    stage_rna_sample(mapped.source("CR1"), empty, table, row=row_of("CR1"), params=nothing)
    result = tmp_path / "result.h5ad"
    paths = [mapped.kept("CK1"), empty, mapped.kept("NCR1")]
    stage_rna_integrate(paths, result, params=map_params(integration=integration))
    adata = read_object(result)
    assert set(adata.obs["sample"]) == {"CK1", "NCR1"}
    assert adata.n_obs == sum(read_object(mapped.kept(s)).n_obs for s in ("CK1", "NCR1"))


def test_stage_rna_integrate__says_how_many_cells_it_needs(run, tmp_path):
    few = tmp_path / "few.h5ad"
    write_object(read_object(run.kept("CK1"))[:21].copy(), few)
    result = tmp_path / "result.h5ad"
    with pytest.raises(NotPossibleError, match=r"21 cells passed .* needs more than 21"):
        stage_rna_integrate([few], result, params=map_params(n_pcs=20))
    assert not result.exists()


def test_stage_rna_integrate__says_that_no_cell_is_left(run, tmp_path):
    empty = tmp_path / "empty.h5ad"
    write_object(read_object(run.kept("CK1"))[:0].copy(), empty)
    with pytest.raises(NotPossibleError, match=r"0 cells passed quality control"):
        stage_rna_integrate([empty, empty], tmp_path / "result.h5ad", params=map_params())
    assert [path.name for path in tmp_path.iterdir()] == ["empty.h5ad"]


# Names


@dataclass(frozen=True)
class Named:
    """Cells whose clusters are the planted types, before and after naming."""

    source: Path
    result: Path
    labels: Path
    planted: pd.Series


@pytest.fixture(scope="module")
def named(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Named:
    folder = tmp_path_factory.mktemp("named")
    adata = read_object(run.kept("CK1"))
    planted = run.truth[run.truth["sample"] == "CK1"].set_index("barcode")["cell_type"]
    planted = planted.reindex(adata.obs_names)
    adata.obs["cluster"] = pd.factorize(planted)[0]
    adata.obsm["X_map"] = np.zeros((adata.n_obs, 2), dtype=np.float32)
    files = (folder / "integrated.h5ad", folder / "rna.h5ad", folder / "labels.csv")
    write_object(adata, files[0])
    stage_rna_annotate(files[0], MARKERS, *files[1:], params=naming_params())
    return Named(*files, planted)


def test_stage_rna_annotate__names_clusters_of_the_planted_types(named):
    cells = read_object(named.result).obs
    assert (cells["cell_type"].astype(str) == named.planted).mean() > 0.97
    assert cells["cell_type"].nunique() >= 8


def test_stage_rna_annotate__gives_the_cells_of_a_cluster_its_label(named):
    adata, labels = read_object(named.result), read_table(named.labels).set_index("cluster")
    clusters = adata.obs["cluster"].astype(str)
    assert sorted(labels.index) == sorted(clusters.unique())
    assert adata.obs["cell_type"].tolist() == labels.loc[clusters, "cell_type"].tolist()
    assert labels["n_cells"].sum() == adata.n_obs
    assert list(labels) == ["n_cells", "cell_type", "score", "runner_up", "runner_up_score"]
    assert (labels["score"] >= labels["runner_up_score"]).all()


def test_stage_rna_annotate__scores_every_cell_for_its_clusters_type(named):
    adata = read_object(named.result)
    positive, negative = read_markers(MARKERS)
    totals = np.asarray(adata.X.sum(axis=1), dtype=float).ravel()
    expression = log_normalise(adata.X, target_sum=10_000, totals=totals)
    scores = score_cells(expression, adata.var_names, positive=positive, negative=negative)
    columns = scores.columns.get_indexer(adata.obs["cell_type"])
    assert (columns >= 0).all()
    own = scores.to_numpy()[np.arange(adata.n_obs), columns]
    np.testing.assert_allclose(adata.obs["type_score"], own)
    best = scores.columns[scores.to_numpy().argmax(axis=1)]
    assert adata.obs["best_type"].tolist() == best.tolist()


def test_stage_rna_annotate__leaves_everything_else_alone(named):
    before, after = read_object(named.source), read_object(named.result)
    assert (before.X != after.X).nnz == 0
    assert (before.obsm["X_map"] == after.obsm["X_map"]).all()
    pd.testing.assert_frame_equal(after.obs[list(before.obs)], before.obs)
    assert list(after.obs)[len(before.obs.columns) :] == ["cell_type", "type_score", "best_type"]


def test_stage_rna_annotate__calls_clusters_unknown_below_the_score(named, tmp_path):
    result, labels = tmp_path / "rna.h5ad", tmp_path / "labels.csv"
    params = naming_params(unknown_below=1000.0)
    stage_rna_annotate(named.source, MARKERS, result, labels, params=params)
    cells, known = read_object(result).obs, read_object(named.result).obs
    assert set(cells["cell_type"]) == {"unknown"}
    # such a cell shows the score of the type it is most like
    assert (cells["type_score"] >= known["type_score"]).all()
    assert (cells["best_type"].astype(str) == known["best_type"].astype(str)).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {cell_type: T, positive: [NOGENE]}", "none of the marker genes was measured"),
        ("- {cell_type: T}", r"entry 1 needs cell_type and positive"),
        ("[]", "holds no list of cell types"),
    ],
)
def test_stage_rna_annotate__writes_nothing_where_markers_do_not_serve(
    named, tmp_path, text, message
):
    markers = tmp_path / "markers.yml"
    markers.write_text(text, encoding="utf-8")
    result, labels = tmp_path / "rna.h5ad", tmp_path / "labels.csv"
    with pytest.raises(DataError, match=message):
        stage_rna_annotate(named.source, markers, result, labels, params=naming_params())
    assert [path.name for path in tmp_path.iterdir()] == ["markers.yml"]


@pytest.mark.slow
def test_stages__find_the_planted_types_again(mapped):
    cells = read_object(mapped.annotated).obs[["sample", "barcode", "cell_type"]]
    both = cells.merge(mapped.truth, on=["sample", "barcode"], suffixes=("", "_planted"))
    assert len(both) == len(cells)
    assert (both["cell_type"].astype(str) == both["cell_type_planted"]).mean() > 0.85


# Jobs


@pytest.mark.slow
def test_run_rna_jobs__unpack_their_tasks(run, tmp_path):
    kept, barcodes = tmp_path / "CK1.h5ad", tmp_path / "CK1.csv"
    values = {"sample": "CK1", "donor": "donor of CK1", "group": "CK", "batch": "b1"}
    run_rna_sample(
        Task((), (kept, barcodes), sample_params().model_dump(), values, {"rna": run.source("CK1")})
    )
    assert barcodes.read_bytes() == (run.folder / "CK1.rna.csv").read_bytes()
    integrated = tmp_path / "integrated.h5ad"
    run_rna_integrate(Task((kept,), (integrated,), map_params().model_dump(), {}, {}))
    result, labels = tmp_path / "rna.h5ad", tmp_path / "labels.csv"
    run_rna_annotate(
        Task(
            (integrated,), (result, labels), naming_params().model_dump(), {}, {"markers": MARKERS}
        )
    )
    assert read_table(labels)["n_cells"].sum() == read_object(kept).n_obs
