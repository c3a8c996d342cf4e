"""Writing a simulated cohort: the files of Cell Ranger, the same bytes from the same seed."""

import gc
import hashlib
import re
import weakref
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.errors import DataError
from helpers.io.reference import read_genes
from helpers.io.tenx import read_rna
from helpers.stages import simulate
from helpers.stages.simulate import is_simulated, prepare_folder, stage_simulate
from helpers.synth.design import Design, make_design
from helpers.synth.programmes import CELL_TYPES

pytestmark = pytest.mark.xdist_group("simulate")  # what they share is made once
SAMPLES = ["CK1", "CK2", "CK3", "CR1", "CR2", "CR3", "NCR1", "NCR2", "NCR3"]
MATRIX = "filtered_feature_bc_matrix.h5"


def small(profile: str = "demo", *, seed: int = 0, difficulty: str = "standard") -> Design:
    design = make_design(profile, n_cells=450, seed=seed, difficulty=difficulty)
    return replace(design, n_genes=2500, n_chromatin_genes=700)


def write(folder: Path, design: Design, *, processes: int = 1) -> Path:
    record: dict[str, object] = {"profile": design.profile, "seed": design.seed}
    stage_simulate(design, folder, wanted={"TTN"}, record=record, processes=processes)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("simulated") / "demo", small())


def test_stage_simulate__writes_the_cohort_and_nothing_else(cohort):
    truth = [
        "cells",
        "composition",
        "copy_number",
        "markers",
        "pathways",
        "regulons",
        "signatures",
    ]
    expected = {f"{sample}/{MATRIX}" for sample in SAMPLES}
    expected |= {f"truth/{name}.csv" for name in [*truth, "subcluster_markers", "subclusters"]}
    expected |= {"cohort.yml", "samples.csv", "simulation.json", ".simulation.json"}
    chromatin = ["fragments.tsv.gz", "fragments.tsv.gz.tbi", "peaks.bed", "singlecell.csv"]
    expected |= {f"{sample}/{name}" for sample in SAMPLES for name in chromatin}
    expected |= {f"truth/{name}.csv" for name in ("nuclei", "peaks", "motifs")}
    genome = ("genome.fa", "genome.fa.fai", "genes.gtf.gz", "blacklist.bed")
    expected |= {f"genome/{name}" for name in genome}
    expected |= {"dose_response.csv", "truth/dose_response.csv", "truth/bulk.csv"}
    parts, kinds = ("training", "validation"), ("expression", "clinical")
    expected |= {f"bulk/{part}_{kind}.csv" for part in parts for kind in kinds}
    assert set(digests(cohort)) == expected


@pytest.mark.parametrize("processes", [1, 2])
def test_stage_simulate__gives_the_same_bytes_for_the_same_seed(cohort, tmp_path, processes):
    assert digests(write(tmp_path / "again", small(), processes=processes)) == digests(cohort)


def test_stage_simulate__gives_other_cells_for_another_seed(cohort, tmp_path):
    other = digests(write(tmp_path / "other", small(seed=1)))
    same = {name for name, digest in digests(cohort).items() if other[name] == digest}
    assert same == {
        "cohort.yml",
        "samples.csv",
        "truth/composition.csv",
        "truth/copy_number.csv",
        "truth/motifs.csv",
        "truth/dose_response.csv",
        "truth/pathways.csv",
        "truth/regulons.csv",
        "truth/signatures.csv",
        "truth/subcluster_markers.csv",
        "truth/subclusters.csv",
    }


def test_stage_simulate__cells_are_the_same_without_the_tables(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "write_tables", lambda folder, design: "")
    bare = digests(write(tmp_path / "bare", small()))
    whole = digests(cohort)
    assert {name: whole[name] for name in bare if name != "cohort.yml"} == {
        name: digest for name, digest in bare.items() if name != "cohort.yml"
    }
    assert sum(name.endswith(".h5") for name in bare) == 9


def test_stage_simulate__bulk_has_tables_and_no_sample(tmp_path):
    folder = write(tmp_path / "bulk", make_design("bulk"))
    content = yaml.safe_load((folder / "cohort.yml").read_text(encoding="utf-8"))
    assert {"samples", "groups", "contrasts"} & set(content) == set()
    assert content["dose_response"] == "dose_response.csv"
    assert not (folder / "samples.csv").exists()
    assert len(pd.read_csv(folder / "bulk" / "training_clinical.csv")) == 300


def test_stage_simulate__writes_what_cell_ranger_writes(cohort):
    with h5py.File(cohort / "NCR2" / MATRIX, "r") as file:
        matrix = file["matrix"]
        assert set(matrix) == {"barcodes", "data", "features", "indices", "indptr", "shape"}
        n_genes, n_cells = matrix["shape"][:]
        assert matrix["indptr"].shape == (n_cells + 1,)
        assert matrix["data"].dtype == np.int32
        features = matrix["features"]
        assert set(features) == {"_all_tag_keys", "feature_type", "genome", "id", "name"}
        assert set(features["genome"][:]) == {b"GRCh38"}
        assert set(features["feature_type"][:]) == {b"Gene Expression"}
        assert all(re.fullmatch(rb"ENSG\d{11}", gene) for gene in features["id"][:])
        assert n_genes == len(features["name"])


def test_stage_simulate__samples_can_be_read_and_have_the_cells_of_the_truth(cohort):
    truth = pd.read_csv(cohort / "truth" / "cells.csv", keep_default_na=False)
    reference = read_genes().set_index("gene")["gene_id"]
    assert len(truth) == 450
    for sample in SAMPLES:
        adata = read_rna(cohort / sample / MATRIX)
        mine = truth[truth["sample"] == sample]
        assert adata.obs_names.tolist() == mine["barcode"].tolist()
        assert (mine["group"] == sample.rstrip("123")).all()
        assert adata.var["gene_id"].tolist() == reference[adata.var_names].tolist()
        assert "TTN" in adata.var_names
    assert set(truth["cell_type"]) == set(CELL_TYPES)


def test_stage_simulate__describes_the_cohort(cohort):
    sheet = pd.read_csv(cohort / "samples.csv")
    assert sheet["sample"].tolist() == sheet["donor"].tolist() == SAMPLES
    assert sheet["rna"].tolist() == [f"{sample}/{MATRIX}" for sample in SAMPLES]
    content = yaml.safe_load((cohort / "cohort.yml").read_text(encoding="utf-8"))
    assert content["simulated"] is True
    assert content["groups"] == {"reference": "CK", "responder": "CR", "non_responder": "NCR"}
    assert content["contrasts"] == [{"test": "NCR", "reference": "CR"}]


def test_stage_simulate__null_plants_no_difference_between_groups(tmp_path):
    truth = write(tmp_path / "null", small("null")) / "truth"
    for name in ("composition", "subclusters"):
        table = pd.read_csv(truth / f"{name}.csv", dtype={"subcluster": str})
        keys = [c for c in table.columns if c not in ("group", "fraction")]
        assert table.groupby(keys)["fraction"].nunique().tolist() == [1] * (len(table) // 3)
    assert len(pd.read_csv(truth / "copy_number.csv")) == 0
    assert pd.read_csv(truth / "pathways.csv")["contrast"].isna().all()
    assert "group" not in pd.read_csv(truth / "markers.csv")
    content = yaml.safe_load((tmp_path / "null" / "cohort.yml").read_text(encoding="utf-8"))
    assert content["name"] == "null"


def test_stage_simulate__holds_one_sample_at_a_time(tmp_path, monkeypatch):
    made, alive = [], []
    make_sample = simulate.make_sample

    def watched(*arguments, **options):
        gc.collect()
        alive.append(sum(reference() is not None for reference in made))
        adata = make_sample(*arguments, **options)
        made.append(weakref.ref(adata))
        return adata

    monkeypatch.setattr(simulate, "make_sample", watched)
    write(tmp_path / "one", small())
    assert alive == [0] * 9


def test_stage_simulate__tells_of_every_sample(tmp_path):
    told = []
    for processes in (1, 2):
        stage_simulate(
            small(), tmp_path, wanted=set(), record={}, processes=processes, progress=told.append
        )
    assert told == [*SAMPLES, *(f"{sample} chromatin" for sample in SAMPLES)] * 2


def test_stage_simulate__marks_a_cohort_complete_only_at_its_end(tmp_path, monkeypatch):
    def fail(*_arguments, **_options):
        raise OSError("disk full")

    folder, record = tmp_path / "broken", {"profile": "demo", "seed": small().seed}
    monkeypatch.setattr(simulate, "_write_sheet", fail)
    with pytest.raises(OSError, match="disk full"):
        write(folder, small())
    assert not is_simulated(folder, record)
    monkeypatch.undo()
    assert is_simulated(write(folder, small()), record)  # and the rest can be written over


def test_is_simulated__asks_for_the_very_same_record(cohort):
    record = {"profile": "demo", "seed": small().seed}
    assert is_simulated(cohort, record)
    assert not is_simulated(cohort, record | {"seed": 1})
    assert not is_simulated(cohort.parent / "nowhere", record)


def test_prepare_folder__refuses_a_folder_with_other_things(tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(DataError, match=r"not empty and not a simulated cohort; choose another"):
        prepare_folder(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_prepare_folder__refuses_a_folder_that_has_a_truth_of_its_own(tmp_path):
    (tmp_path / "truth").mkdir()
    with pytest.raises(DataError, match="not empty and not a simulated cohort"):
        prepare_folder(tmp_path, {})


@pytest.mark.parametrize("profile", ["resistance", "resistance_null"])
def test_stage_simulate__a_line_is_a_course_in_days(tmp_path, profile):
    folder = write(tmp_path / "line", replace(small(profile), n_chromatin_genes=0))
    sheet = pd.read_csv(folder / "samples.csv")
    assert sheet["time_days"].tolist() == [0, 0, 0, 60, 30, 90]
    truth = pd.read_csv(folder / "truth" / "course.csv")
    assert set(truth["feature"]) == {"stem-like cluster", "ferroptosis_drivers"}
    assert truth["time_days"].tolist() == [day for day in (0, 0, 0, 60, 30, 90) for _ in range(2)]


def test_stage_simulate__patients_are_no_course(cohort):
    assert "time_days" not in pd.read_csv(cohort / "samples.csv")
    assert not (cohort / "truth" / "course.csv").exists()
