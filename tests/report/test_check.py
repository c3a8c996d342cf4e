"""Preflight: every defect is found at once, with its place, and nothing is written."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from broken import (
    BROKEN,
    Broken,
    Spoil,
    both,
    drop,
    hold,
    in_hdf5,
    in_sheet,
    in_yaml,
    new_h5,
    put,
    with_days,
)
from cohorts import edit_cohort
from tiny import SHEET, some_genes, write_cohort

from helpers.report.check import check_cohort
from helpers.report.cli import main

Check = Callable[[], tuple[int, list[str]]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a cohort without defects."""
    return write_cohort(tmp_path_factory.mktemp("sound") / "cohort").parent


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of the sound cohort to be spoilt."""
    return Path(shutil.copytree(sound, tmp_path / "cohort"))


@pytest.fixture
def check(folder: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Check the cohort: exit code and lines printed."""

    def run() -> tuple[int, list[str]]:
        results = str(folder.parent / "results")
        status = main(["check", str(folder / "cohort.yml"), "--results", results])
        return status, capsys.readouterr().out.splitlines()

    return run


def list_files(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder with its size and time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found[str(path)] = (status.st_size, status.st_mtime_ns)
    return found


@pytest.mark.parametrize("command", ["check", "build"])
@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_check__names_place_and_cause_of(
    case: Broken, command: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    case.spoil(folder)
    before = list_files(folder.parent)
    results = str(folder.parent / "results")
    status = main([command, str(folder / "cohort.yml"), "--results", results])
    output = capsys.readouterr()
    errors = [line for line in output.out.splitlines() if not line.startswith("warning: ")]
    assert status == 2
    assert [line.split(" — ")[0] for line in errors] == [case.where], output.out
    assert case.what in errors[0]
    assert errors[0].count(" — ") == 3
    assert "Traceback" not in output.err
    assert list_files(folder.parent) == before


def test_check__finds_nothing_in_a_sound_cohort(check: Check, folder: Path):
    before = list_files(folder.parent)
    assert check() == (0, [f"{folder}/cohort.yml: nothing wrong"])
    assert list_files(folder.parent) == before


def test_check__finds_every_defect_at_once(check: Check, folder: Path):
    spoils = [
        in_yaml("assembly:", "assembley: x\nassembly:"),
        in_yaml("name: tiny", "name: ../tiny"),
        in_yaml('"Tiny cohort"', ""),
        in_yaml("min_genes: 5", "min_genes: many"),
        drop("blacklist.bed.gz"),
        in_sheet("d4,relapse", "d4,relapsed"),
        in_sheet("A2,d2", "A1,d2"),
        hold("A1.h5", "no HDF5"),
        drop("A2/barcodes.tsv.gz"),
        in_hdf5("B2.h5", put("GRCh38/data", np.log1p)),
    ]
    both(*spoils)(folder)
    status, lines = check()
    assert status == 2
    assert [line.split(" — ")[0] for line in lines] == [
        "cohort.yml:3/assembley",
        "cohort.yml:15/overrides.quality.min_genes",
        "cohort.yml:1/name",
        "cohort.yml:2/title",
        "cohort.yml:18/genome.blacklist",
        "samples.csv:5/group",
        "samples.csv:3/sample",
        "samples.csv:2/rna",
        "samples.csv:3/rna",
        "samples.csv:5/rna",
    ]


def test_check__does_not_blame_a_group_for_rows_it_could_not_read(check: Check, folder: Path):
    in_sheet("B1,d3,relapse,run1", "B1,d3,relapse")(folder)
    in_sheet("d4,relapse", "d4,")(folder)
    _, lines = check()
    assert [line.split(" — ")[0] for line in lines] == ["samples.csv:4", "samples.csv:5/group"]


def test_check__judges_no_genome_by_an_assembly_it_could_not_read(check: Check, folder: Path):
    both(in_yaml("GRCh38", "GRCh"), new_h5(genome="GRCh37"))(folder)
    _, lines = check()
    assert [line.split(" — ")[0] for line in lines] == ["cohort.yml:3/assembly"]


def in_bytes(name: str, old: bytes, new: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(
        (folder / name).read_bytes().replace(old, new)
    )


def label(text: str) -> Spoil:
    """Let a group be called otherwise, unquoted in the cohort file."""
    return both(
        in_yaml("non_responder: relapse", f"non_responder: {text}"),
        in_yaml("test: relapse", f"test: {text}"),
        in_bytes("samples.csv", b"relapse", text.encode()),
    )


def first_with_bom(name: str) -> Spoil:
    return lambda folder: (folder / name).write_bytes(
        b"\xef\xbb\xbf" + (folder / name).read_bytes()
    )


HOSTILE = (
    "name",
    ["<script>alert('x')</script>", 'Li "Jo" O\'Neil', "Åsa 零 🧬", "../up", "=1+1", "a\\b", "NA"],
)
# What a user may well do, and is right in doing.
FINE = {
    "Windows line ends": both(*(in_bytes(f, b"\n", b"\r\n") for f in ("cohort.yml", "samples.csv"))),
    "old Mac line ends": in_bytes("samples.csv", b"\n", b"\r"),
    "byte-order marks": both(first_with_bom("cohort.yml"), first_with_bom("samples.csv")),
    "blank lines": hold("samples.csv", "\n" + SHEET.replace("\n", "\n\n") + " \n,,,\n\n"),
    "empty columns at the right": hold("samples.csv", SHEET.replace("\n", ",,\n")),
    "spaces around fields": in_bytes("samples.csv", b",", b" , "),
    "quoted fields": in_sheet("A2,d2", '"A2","d ""two"", twin"'),
    "free columns": hold("samples.csv", SHEET.replace("\n", ",7\n").replace("fragments,7", "fragments,path")),
    "no line end at the end": hold("samples.csv", SHEET.rstrip()),
    "NO as a label": label("NO"),
    "yes as a label": label("yes"),
    "a whole number as a label": label("007"),
    "a fraction as a label": label("1.50"),
    "a date as a label": label("2024-01-31"),
    "spaces in a label": label("no remission"),
    "accents composed and not": both(
        label("r\u00e9mission"), in_bytes("samples.csv", "\u00e9".encode(), "e\u0301".encode())
    ),
    "a number as a title": in_yaml('"Tiny cohort"', "2025"),
    "another name of the assembly": in_yaml("GRCh38", "HG38"),
    "a number with an exponent": in_yaml("min_genes: 5", "min_genes: 5\n    max_pct_mito: 1e1"),
    "a whole number for a fraction": in_yaml("min_genes: 5", "min_genes: 5\n    max_pct_mito: 15"),
    "overrides left empty": in_yaml("  quality:\n    min_genes: 5\n    max_genes: 50\n", ""),
    "contrasts left empty": in_yaml("  - test: relapse\n    reference: healthy\n", ""),
    "no contrast wanted": in_yaml(
        "contrasts:\n  - test: relapse\n    reference: healthy\n", "contrasts: []\n"
    ),
    "one group": both(
        in_yaml("  non_responder: relapse\ncontrasts:\n  - test: relapse\n    reference: healthy\n", ""),
        in_bytes("samples.csv", b"relapse", b"healthy"),
    ),
    "a batch of both groups": in_sheet("healthy,run2", "healthy,run3"),
    "batches unknown": in_bytes("samples.csv", b"run1", b""),
    "upper-case suffix": both(
        in_sheet("A1.h5", "A1.H5"), lambda folder: (folder / "A1.h5").rename(folder / "A1.H5")
    ),
    "linked file": both(
        lambda folder: (folder / "A1.h5").rename(folder / "else.h5"),
        lambda folder: (folder / "A1.h5").symlink_to("else.h5"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("spoil", FINE.values(), ids=FINE)
def test_check__takes(spoil: Spoil, check: Check, folder: Path):
    spoil(folder)
    assert check() == (0, [f"{folder}/cohort.yml: nothing wrong"])


@pytest.mark.parametrize(*HOSTILE)
def test_check__takes_names_that_look_like_something_else(name: str, check: Check, folder: Path):
    quoted = name.replace('"', '""')
    in_sheet("A2,d2", f'"{quoted}","{quoted}"')(folder)
    label_text = "'" + name.replace("'", "''") + "'"
    in_yaml("non_responder: relapse", f"non_responder: {label_text}")(folder)
    in_yaml("test: relapse", f"test: {label_text}")(folder)
    in_yaml('"Tiny cohort"', label_text)(folder)
    in_bytes("samples.csv", b"relapse", f'"{quoted}"'.encode())(folder)
    assert check() == (0, [f"{folder}/cohort.yml: nothing wrong"])
    reading, _ = check_cohort(folder / "cohort.yml", folder.parent / "results")
    assert reading.samples[1].sample == name
    assert reading.samples[1].donor == name
    assert reading.samples[2].group == name
    assert reading.cohort.file.title == name


def test_check__takes_a_path_below_the_home_folder(
    check: Check, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(folder))
    in_sheet("run1,A1.h5", "run1,~/A1.h5")(folder)
    in_yaml("samples: samples.csv", "samples: ~/samples.csv")(folder)
    in_yaml("blacklist: b", "blacklist: ~/b")(folder)
    assert check()[0] == 0


def test_check__takes_paths_relative_to_a_sheet_elsewhere(check: Check, folder: Path):
    in_yaml("samples: samples.csv", "samples: data/samples.csv")(folder)
    names = ("samples.csv", "A1.h5", "A2", "B1.h5ad", "B2.h5", "A1.fragments.tsv.gz")
    (folder / "data").mkdir()
    for name in (*names, "A1.fragments.tsv.gz.tbi"):
        (folder / name).rename(folder / "data" / name)
    assert check()[0] == 0


def test_check__takes_a_results_folder_that_is_a_link(check: Check, folder: Path):
    (folder.parent / "disk").mkdir()
    (folder.parent / "results").symlink_to(folder.parent / "disk")
    assert check()[0] == 0


def test_check__takes_a_link_within_the_results(check: Check, folder: Path):
    results = folder.parent / "results"
    (results / "kept").mkdir(parents=True)
    (results / "tiny").symlink_to("kept")
    assert check()[0] == 0


# What is told and does not stop a build.
WARNED = {
    "gene ids for symbols": (
        new_h5(genes=some_genes().assign(gene=lambda table: table["gene_id"])),
        (
            "samples.csv:2/rna — genes are named by Ensembl id — expected gene symbols — "
            "nothing: ids are translated (100% known)"
        ),
    ),
    "group without samples": (
        in_yaml("  non_r", "  responder: remission\n  non_r"),
        (
            "cohort.yml:7/groups.responder — no sample of group 'remission' — expected at least one — "
            "add samples, or delete the group"
        ),
    ),
    "donor twice in a group": (
        in_sheet("A2,d2", "A2,d1"),
        (
            "samples.csv:3/donor — donor 'd1' has two samples in group 'healthy' (row 2) — expected one "
            "sample a donor and group: tests take samples for independent — keep one, or read the "
            "intervals as too narrow"
        ),
    ),
    "donor in both groups": (
        in_sheet("B1,d3", "B1,d1"),
        (
            "cohort.yml:9/contrasts.0.test — donors in both groups: d1; in one: d2, d4 — expected all or "
            "none, for all samples to be compared within donors — leave the others out, or read the "
            "comparison as one of unrelated samples"
        ),
    ),
    "role nearly known": (
        in_yaml("non_responder:", "nonresponder:"),
        (
            "cohort.yml:7/groups.nonresponder — role 'nonresponder' is not one the claims of the studies "
            "know — expected one of reference, responder, non_responder, parental, resistant to have them "
            "tested — did you mean 'non_responder'?"
        ),
    ),
}


@pytest.mark.parametrize(("spoil", "line"), WARNED.values(), ids=WARNED)
def test_check__warns_of(spoil: Spoil, line: str, check: Check, folder: Path):
    spoil(folder)
    assert check() == (0, [f"warning: {line}", f"{folder}/cohort.yml: nothing wrong"])


def test_check__warns_of_all_droplets_in_place_of_cells(check: Check, folder: Path):
    with h5py.File(folder / "A1.h5", "r+") as file:
        n_more = 200_001 - len(file["matrix/barcodes"])
        more = np.char.mod(b"AC%d-1", np.arange(n_more))
        put("matrix/barcodes", lambda known: np.r_[known, more])(file)
        put("matrix/indptr", lambda starts: np.r_[starts, np.full(n_more, starts[-1])])(file)
        put("matrix/shape", [40, 200_001])(file)
    status, lines = check()
    assert status == 0
    assert lines[0].startswith("warning: samples.csv:2/rna — 200,001 barcodes: all droplets")


def test_check__prefers_a_confounded_contrast_to_be_named_once(check: Check, folder: Path):
    in_yaml("contrasts:", "contrasts:\n  - {test: healthy, reference: relapse}")(folder)
    in_sheet("healthy,run2", "healthy,run1")(folder)
    in_sheet("d3,relapse,run1", "d3,relapse,run2")(folder)
    status, lines = check()
    assert status == 2
    assert [line.split(" — ")[0] for line in lines] == [
        "samples.csv:2/batch",
        "samples.csv:4/batch",
    ]


COHORT_OF = {
    "kang": "  reference: ctrl\n  stimulated: stim",
    "pbmc3k": "  reference: healthy",
    "pbsmall": "  reference: healthy",
}


@pytest.mark.parametrize("name", COHORT_OF)
def test_check__takes_a_real_cohort_in_under_5_seconds(
    name: str, real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    sheet = real_data / "cohorts" / name / "samples.csv"
    text = f"name: {name}\ntitle: {name}\nassembly: GRCh37\nsamples: {sheet}\ngroups:\n"
    (tmp_path / "cohort.yml").write_text(text + COHORT_OF[name] + "\n")
    began = time.monotonic()
    status = main(["check", str(tmp_path / "cohort.yml"), "--results", str(tmp_path / "results")])
    assert time.monotonic() - began < 5
    assert capsys.readouterr().out == f"{tmp_path}/cohort.yml: nothing wrong\n"
    assert status == 0


def test_check__tells_the_assembly_of_real_data(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    sheet = real_data / "cohorts" / "pbsmall" / "samples.csv"
    (tmp_path / "cohort.yml").write_text(
        f"name: x\ntitle: x\nassembly: hg38\nsamples: {sheet}\ngroups: {{reference: healthy}}\n"
    )
    status = main(["check", str(tmp_path / "cohort.yml"), "--results", str(tmp_path / "results")])
    assert status == 2
    assert capsys.readouterr().out == (
        "samples.csv:2/rna — was aligned to hg19 — expected GRCh38 — set assembly: GRCh37, or "
        "align all samples to one genome\n"
    )


def test_check__names_what_is_wrong_with_rankings_of_motifs(folder: Path, check: Check):
    (folder / "r.feather").write_text("no feather", encoding="utf-8")
    files = {"rankings": str(folder / "r.feather"), "motif_factors": str(folder / "m.tbl")}
    edit_cohort(folder / "cohort.yml", overrides={"regulons": files})
    status, lines = check()
    assert status == 2
    assert any("overrides.regulons.rankings" in x and "neither feather" in x for x in lines)
    assert any("regulons.motif_factors" in x and "m.tbl does not exist" in x for x in lines)


@pytest.mark.parametrize("days", [("0", "0", "7", "14"), ("", "", "7", "14"), ("", "", "", "")])
def test_check__takes_days_for_a_whole_group_or_for_none(check: Check, folder: Path, days):
    with_days(*days)(folder)
    assert check() == (0, [f"{folder}/cohort.yml: nothing wrong"])
