"""Stages of chromatin: from fragments to labelled nuclei, on planted and on real data."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest
from fragments import pack

from helpers.compute.accessibility import find_label
from helpers.compute.fragments import count_peaks
from helpers.compute.normalise import pick_variable_genes
from helpers.errors import DataError, NotPossibleError
from helpers.io.fragments import read_store
from helpers.io.tables import read_table
from helpers.io.tenx import read_rna
from helpers.params import (
    ChromatinMapParams,
    Params,
    SampleAtacParams,
    TransferParams,
    load_params,
    marker_file,
    subset,
)
from helpers.stages.atac import (
    read_nuclei,
    stage_atac_annotate,
    stage_atac_integrate,
    stage_atac_sample,
)
from helpers.stages.rna import SampleRow
from helpers.stages.simulate import stage_simulate
from helpers.synth.design import make_design

pytestmark = pytest.mark.xdist_group("chromatin")  # what they share is made once
CHAPTER = "fig2_accessibility"
KEPT = ["CK1", "NCR1"]


P = TypeVar("P", bound=Params)


def params_of(model: type[P], **overrides: object) -> P:
    return model.model_validate(subset(load_params(CHAPTER, overrides), model))


@dataclass(frozen=True)
class Run:
    """A small cohort with what the stages made of it."""

    cohort: Path
    made: Path

    def files(self, end: str) -> list[Path]:
        return [self.made / f"{sample}.{end}" for sample in KEPT]


def run_sample(cohort: Path, made: Path, sample: str, **overrides: object) -> None:
    folder = cohort / sample
    stage_atac_sample(
        folder / "fragments.tsv.gz",
        made / f"{sample}.csv",
        made / f"{sample}.h5",
        made / f"{sample}.peaks.csv",
        peaks=folder / "peaks.bed",
        annotation=cohort / "genome/genes.gtf.gz",
        row=SampleRow(sample, sample, sample.rstrip("123"), ""),
        params=params_of(SampleAtacParams, **overrides),
    )


def run_integrate(run: Run, **overrides: object) -> None:
    stage_atac_integrate(
        run.files("csv"),
        run.files("h5"),
        run.files("peaks.csv"),
        run.made / "map.h5ad",
        run.made / "counts.h5ad",
        run.made / "depth.csv",
        annotation=run.cohort / "genome/genes.gtf.gz",
        blacklist=run.cohort / "genome/blacklist.bed",
        params=params_of(ChromatinMapParams, **overrides),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("atac")
    design = make_design("demo", n_cells=2700)
    mine = tuple(s for s in design.samples if s.sample in KEPT)
    mine = tuple(replace(s, n_nuclei=150, n_cells=300) for s in mine)
    design = replace(design, samples=mine, n_genes=2500, n_chromatin_genes=1000)
    stage_simulate(design, folder / "cohort", wanted=set(), record={"profile": "demo"})
    made = Run(folder / "cohort", folder)
    for sample in KEPT:
        run_sample(made.cohort, folder, sample)
    run_integrate(made)
    return made


def truth_of(run: Run) -> pd.DataFrame:
    table = pd.read_csv(run.cohort / "truth/nuclei.csv", keep_default_na=False)
    return table.set_index(table["sample"] + ":" + table["barcode"])


def test_stage_atac_sample__keeps_good_nuclei_and_says_why_not_others(run):
    tables = pd.concat([read_table(path) for path in run.files("csv")])
    kind = truth_of(run).loc[tables["sample"] + ":" + tables["barcode"], "kind"].to_numpy()
    verdict = tables["verdict"].to_numpy()
    assert np.mean(verdict[kind == "good"] == "kept") > 0.95
    assert set(verdict[kind == "noisy"]) == {"low_tss"}
    assert np.mean(verdict[kind == "few"] == "few_fragments") > 0.7
    # at most the expected share is called, among a hundred nuclei a sample
    assert np.mean(verdict[kind == "doublet"] == "doublet") > 0.5
    assert np.mean(verdict[kind == "good"] == "doublet") < 0.03
    # barcodes with less than a tenth of the fragments of a nucleus are not listed
    assert (tables["n_fragments"] >= 300).all()
    assert (kind == "debris").sum() < 3


def test_stage_atac_sample__counts_fragments_as_the_sequencer_did(run):
    table = read_table(run.made / "CK1.csv").set_index("barcode")
    known = pd.read_csv(run.cohort / "CK1/singlecell.csv").set_index("barcode")
    assert table["n_fragments"].tolist() == known.loc[table.index, "passed_filters"].tolist()


def test_stage_atac_sample__calls_peaks_where_none_are_given(run, tmp_path):
    stage_atac_sample(
        run.cohort / "CK1/fragments.tsv.gz",
        tmp_path / "a.csv",
        tmp_path / "a.h5",
        tmp_path / "a.peaks.csv",
        peaks=None,
        annotation=run.cohort / "genome/genes.gtf.gz",
        row=SampleRow("CK1", "CK1", "CK", ""),
        params=params_of(SampleAtacParams),
    )
    called = read_table(tmp_path / "a.peaks.csv")
    truth = pd.read_csv(run.cohort / "truth/peaks.csv")
    promoters = truth[truth["kind"] == "promoter"]
    hit = [
        ((called["chrom"] == p.chrom) & (called["start"] < p.end) & (called["end"] > p.start)).any()
        for p in promoters.itertuples()
    ]
    assert np.mean(hit) > 0.9


def test_stage_atac_sample__keeps_no_nucleus_of_a_sample_without_peaks(run, tmp_path):
    # two barcodes with a cut here and there
    places = np.arange(300) * 1000
    lines = [f"chr1\t{p}\t{p + 100}\t{'AC'[i % 2]}-1\t1" for i, p in enumerate(places)]
    stage_atac_sample(
        pack(tmp_path / "fragments.tsv.gz", lines),
        tmp_path / "a.csv",
        tmp_path / "a.h5",
        tmp_path / "a.peaks.csv",
        peaks=None,
        annotation=run.cohort / "genome/genes.gtf.gz",
        row=SampleRow("a", "a", "CK", ""),
        params=params_of(SampleAtacParams, min_fragments=100, min_tss=0.0),
    )
    assert read_table(tmp_path / "a.peaks.csv").empty
    table = read_table(tmp_path / "a.csv")
    assert table["frip"].tolist() == [0, 0]
    assert table["verdict"].tolist() == ["low_frip", "low_frip"]


def test_read_nuclei__refuses_tables_of_other_barcodes(run):
    with pytest.raises(DataError, match="are not of the same barcodes"):
        read_nuclei(run.made / "CK1.csv", run.made / "NCR1.h5")


def test_stage_atac_integrate__counts_every_nucleus_in_the_merged_peaks(run):
    adata = ad.read_h5ad(run.made / "map.h5ad")
    assert adata.X.dtype == np.int32
    names = adata.obs["sample"].astype(str) + ":" + adata.obs["barcode"].astype(str)
    assert adata.obs_names.tolist() == names.tolist()
    nuclei = read_nuclei(run.made / "NCR1.csv", run.made / "NCR1.h5")
    peaks = adata.var[["chrom", "start", "end"]].astype({"chrom": str}).reset_index(drop=True)
    expected = count_peaks(read_store(nuclei.store), peaks, rows=nuclei.rows)
    assert abs(adata[nuclei.cells.index].X - expected).sum() == 0
    assert adata.var_names[0] == f"{peaks.chrom[0]}:{peaks.start[0]}-{peaks.end[0]}"
    # artefacts lie in the blacklist
    truth = pd.read_csv(run.cohort / "truth/peaks.csv")
    artefacts = set(truth.loc[truth["kind"] == "artefact", "start"])
    assert not artefacts & set(adata.var["start"])


def test_stage_atac_integrate__drops_the_component_of_depth(run):
    depth = read_table(run.made / "depth.csv")
    adata = ad.read_h5ad(run.made / "map.h5ad")
    assert depth["dropped"].tolist() == [True] + [False] * (len(depth) - 1)
    assert adata.obsm["X_unaligned"].shape[1] == len(depth) - 1
    # 30 nuclei a component
    assert len(depth) == adata.n_obs // 30


def test_stage_atac_integrate__goes_on_without_a_sample_that_has_nothing(run, tmp_path):
    for end in ("csv", "peaks.csv"):
        read_table(run.made / f"CK1.{end}").iloc[:0].to_csv(tmp_path / f"none.{end}", index=False)
    stage_atac_integrate(
        [tmp_path / "none.csv", run.made / "NCR1.csv"],
        [run.made / "CK1.h5", run.made / "NCR1.h5"],
        [tmp_path / "none.peaks.csv", run.made / "NCR1.peaks.csv"],
        *(tmp_path / name for name in ("map.h5ad", "counts.h5ad", "depth.csv")),
        annotation=run.cohort / "genome/genes.gtf.gz",
        blacklist=None,
        params=params_of(ChromatinMapParams),
    )
    adata = ad.read_h5ad(tmp_path / "map.h5ad")
    assert set(adata.obs["sample"]) == {"NCR1"}
    table = read_table(run.made / "NCR1.csv").query("verdict == 'kept'")
    assert adata.obs["n_fragments"].tolist() == table["n_fragments"].tolist()


def test_stage_atac_integrate__needs_nuclei(run, tmp_path):
    table = read_table(run.made / "CK1.csv").assign(verdict="low_tss")
    path = tmp_path / "none.csv"
    table.to_csv(path, index=False)
    with pytest.raises(NotPossibleError, match="0 nuclei passed quality control"):
        stage_atac_integrate(
            [path],
            [run.made / "CK1.h5"],
            [run.made / "CK1.peaks.csv"],
            *(tmp_path / name for name in ("a", "b", "c")),
            annotation=run.cohort / "genome/genes.gtf.gz",
            blacklist=None,
            params=params_of(ChromatinMapParams),
        )


def annotate(run: Run, folder: Path, rna: Path | None, **overrides: object) -> ad.AnnData:
    stage_atac_annotate(
        run.made / "map.h5ad",
        run.made / "counts.h5ad",
        rna,
        folder / "atac.h5ad",
        folder / "activity.h5ad",
        folder / "cohort.h5mu",
        markers=overrides.pop("markers", marker_file("markers.yml")),  # type: ignore[arg-type]
        params=params_of(TransferParams, **overrides),
    )
    return ad.read_h5ad(folder / "atac.h5ad")


def reference(cohort: Path, samples: list[str]) -> ad.AnnData:
    """RNA of some samples with its planted types."""
    parts = []
    for sample in samples:
        rna = read_rna(cohort / sample / "filtered_feature_bc_matrix.h5")
        rna.obs_names = [f"{sample}:{barcode}" for barcode in rna.obs_names]
        parts.append(rna)
    rna = ad.concat(parts, merge="same")
    truth = pd.read_csv(cohort / "truth/cells.csv", keep_default_na=False)
    truth = truth.set_index(truth["sample"] + ":" + truth["barcode"]).loc[rna.obs_names]
    rna.obs["cell_type"] = truth["cell_type"].to_numpy()
    chosen = pick_variable_genes(rna.X.tocsr(), n_genes=1000)
    rna.var["variable"] = np.isin(np.arange(rna.n_vars), chosen)
    return rna[truth["kind"].to_numpy() == "good"].copy()


def test_stage_atac_annotate__finds_planted_types(run, tmp_path):
    reference(run.cohort, KEPT).write_h5ad(tmp_path / "rna.h5ad")
    adata = annotate(run, tmp_path, tmp_path / "rna.h5ad", k_filter=1000)
    truth = truth_of(run).loc[adata.obs_names]
    good = (truth["kind"] == "good").to_numpy()
    right = adata.obs["predicted"].astype(str).to_numpy() == truth["cell_type"].to_numpy()
    # 280 nuclei and 570 cells, some types with ten cells
    assert right[good].mean() > 0.9
    below = adata.obs["score"] < 0.5
    assert (adata.obs["cell_type"][below] == "unassigned").all()
    activity = ad.read_h5ad(tmp_path / "activity.h5ad")
    assert activity.obs_names.equals(adata.obs_names)
    with mudata.set_options(pull_on_update=False):
        both = mudata.read_h5mu(tmp_path / "cohort.h5mu")
    assert list(both.mod) == ["rna", "atac"]
    assert both["atac"].shape == adata.shape


def test_stage_atac_annotate__names_nuclei_by_cluster_without_rna(run, tmp_path):
    adata = annotate(run, tmp_path, None)
    assert (
        adata.obs["cell_type"].astype(str) == "cluster " + adata.obs["cluster"].astype(str)
    ).all()
    assert adata.obs["score"].isna().all()
    truth = truth_of(run).loc[adata.obs_names, "cell_type"]
    alike = adata.obs["resembles"].astype(str)
    for cell_type in ("HSC/MPP", "Pro-B"):
        nuclei = adata.obs["cell_type"] == find_label(adata.obs, cell_type)
        assert (truth[nuclei] == cell_type).mean() > 0.8
    assert (alike == truth).mean() > 0.8


def test_stage_atac_annotate__resembles_nothing_where_no_marker_gene_was_measured(run, tmp_path):
    (tmp_path / "markers.yml").write_text(
        "- {cell_type: Pro-B, positive: [ENSG1], negative: [], source: none}\n", encoding="utf-8"
    )
    adata = annotate(run, tmp_path, None, markers=tmp_path / "markers.yml")
    assert set(adata.obs["resembles"]) == {"unknown"}


def test_stage_atac_annotate__needs_genes_in_common(run, tmp_path):
    rna = reference(run.cohort, KEPT)
    rna.var["variable"] = np.arange(rna.n_vars) < 5
    rna.write_h5ad(tmp_path / "rna.h5ad")
    with pytest.raises(NotPossibleError, match=r"labels cannot be transferred: .* more than 30"):
        annotate(run, tmp_path, tmp_path / "rna.h5ad")


@pytest.fixture(scope="module")
def pbsmall(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> ad.AnnData:
    """150 real nuclei, labelled from the RNA of the same donor; a barcode begins with its type."""
    cohort, made = real_data / "cohorts/pbsmall", tmp_path_factory.mktemp("pbsmall")
    few = {"min_fragments": 50, "min_tss": 0.0, "min_frip": 0.0, "doublet_rate": 0.0, "n_cca": 10}
    stage_atac_sample(
        cohort / "pbsmall/fragments.tsv.gz",
        made / "CK1.csv",
        made / "CK1.h5",
        made / "CK1.peaks.csv",
        peaks=None,
        annotation=cohort / "hg19_genes.tsv.gz",
        row=SampleRow("pbsmall", "PBMC_D4", "healthy", ""),
        params=params_of(SampleAtacParams, **few),
    )
    stage_atac_integrate(
        [made / "CK1.csv"],
        [made / "CK1.h5"],
        [made / "CK1.peaks.csv"],
        made / "map.h5ad",
        made / "counts.h5ad",
        made / "depth.csv",
        annotation=cohort / "hg19_genes.tsv.gz",
        blacklist=None,
        params=params_of(ChromatinMapParams, **few),
    )
    rna = read_rna(cohort / "pbsmall/filtered_feature_bc_matrix.h5")
    labels = pd.read_csv(cohort / "labels_rna.csv.gz", index_col="barcode")["cell_type"]
    rna.obs["cell_type"] = labels.loc[rna.obs_names].to_numpy()
    chosen = pick_variable_genes(rna.X.tocsr(), n_genes=2000)
    rna.var["variable"] = np.isin(np.arange(rna.n_vars), chosen)
    rna.write_h5ad(made / "rna.h5ad")
    return annotate(Run(cohort, made), made, made / "rna.h5ad", **few)


def test_stages__label_real_nuclei_by_the_rna_of_their_donor(pbsmall):
    truth = pbsmall.obs["barcode"].astype(str).str.split(".").str[0]
    assert pbsmall.n_obs == 150
    assert (pbsmall.obs["predicted"].astype(str) == truth).mean() >= 0.93
