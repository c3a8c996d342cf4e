"""The cohort file and its sheet: what is read, and on which line it stands."""

from pathlib import Path

import pytest

from helpers.io.cohort import access_problem, expand_home, read_cohort
from helpers.schema import Contrast

COHORT = """\
name: c
title: "A title: with # signs"
assembly: hg38

groups:
  reference: CK   # healthy
  other: "NO"
overrides:
  quality: {max_pct_mito: 1e1}
"""
SHEET = "sample,donor,group,batch,rna,fragments,peaks,age\n"


@pytest.fixture
def read(tmp_path: Path):
    """Read a cohort of this file and sheet."""

    def run(cohort: str = COHORT, sheet: str = SHEET + "s1,d1,CK,,x.h5,,,7\n"):
        (tmp_path / "cohort.yml").write_text(cohort, encoding="utf-8")
        (tmp_path / "samples.csv").write_text(sheet, encoding="utf-8", newline="")
        return read_cohort(tmp_path / "cohort.yml")

    return run


def test_read_cohort__reads_what_is_written(read, tmp_path):
    cohort = read().cohort
    assert cohort.path == tmp_path / "cohort.yml"
    assert cohort.labels == ("CK", "NO")
    assert cohort.file.model_dump(exclude_defaults=True) == {
        "name": "c",
        "title": "A title: with # signs",
        "assembly": "GRCh38",
        "groups": {"reference": "CK", "other": "NO"},
        "overrides": {"quality": {"max_pct_mito": 10.0}},
    }
    assert cohort.samples[0].model_dump(exclude_none=True) == {
        "sample": "s1",
        "donor": "d1",
        "group": "CK",
        "rna": tmp_path / "x.h5",
        "row": 2,
    }


def test_read_cohort__keeps_names_as_text(read):
    text = "name: 007\ntitle: 2025\nassembly: hg38\ngroups: {reference: NO, 1: 1.50, on: 0x1F}\n"
    file = read(text + "contrasts: [{test: 1.50, reference: NO}]\n").file
    assert (file.name, file.title) == ("007", "2025")
    assert file.groups == {"reference": "NO", "1": "1.50", "on": "0x1F"}
    assert file.contrasts == (Contrast(test="1.50", reference="NO"),)


@pytest.mark.parametrize("name", ["007", "NA", "1e5", "True", "None", "-", "a, b", "2024-01-31"])
def test_read_cohort__keeps_samples_as_text(name, read):
    (sample,) = read(sheet=f'sample,group,batch\n"{name}",CK,"{name}"\n').samples
    assert (sample.sample, sample.donor, sample.batch) == (name, name, name)


def test_read_cohort__takes_the_sample_for_a_donor_that_is_not_named(read):
    sheet = "sample,group,donor\ns1,CK,\ns2,CK,d2\n"
    assert [sample.donor for sample in read(sheet=sheet).samples] == ["s1", "d2"]


def test_read_cohort__counts_lines_as_an_editor_does(read):
    sheet = '\nsample,group,note\n\ns1,CK,"two\nlines"\ns2,CK,\n\n,CK,\ns3,CK,,\n'
    reading = read(sheet=sheet)
    assert [(sample.sample, sample.row) for sample in reading.samples] == [
        ("s1", 5),
        ("s2", 6),
        ("s3", 9),
    ]
    assert [defect.where for defect in reading.defects] == ["samples.csv:8/sample"]


def test_read_cohort__gives_a_stand_in_no_chance_to_be_built(read):
    reading = read(COHORT.replace("name: c", "name: a/b"))
    assert reading.faulty == {"name"}
    assert reading.cohort is None
    assert reading.file.title == "A title: with # signs"
    assert [sample.sample for sample in reading.samples] == ["s1"]


def test_spot__names_the_line_of_the_nearest_key_above(read):
    reading = read()
    assert reading.spot("groups", "other") == "cohort.yml:7/groups.other"
    assert reading.spot("groups", "absent") == "cohort.yml:5/groups.absent"
    assert reading.spot("overrides", "quality", "x") == "cohort.yml:9/overrides.quality.x"
    assert reading.spot("absent") == "cohort.yml/absent"
    assert reading.spot() == "cohort.yml"


@pytest.mark.parametrize("sign", ["1e-1", "1E+2", "5e0", "-2e3", "1.0e-1", "0.1", "12"])
def test_read_cohort__takes_every_way_to_write_a_number(sign, read):
    overrides = f"quality: {{max_pct_mito: {sign}}}"
    reading = read(COHORT.replace("quality: {max_pct_mito: 1e1}", overrides))
    assert reading.file.overrides == {"quality": {"max_pct_mito": float(sign)}}


def test_read_cohort__does_not_take_every_name_for_a_number(read):
    cohort = COHORT.replace("{max_pct_mito: 1e1}", "{remove_doublets: e1}")
    assert read(cohort).file.overrides == {"quality": {"remove_doublets": "e1"}}


def test_access_problem__says_why_a_path_cannot_be_read(tmp_path):
    (tmp_path / "x").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    assert access_problem(tmp_path / "x") == ""
    assert access_problem(tmp_path) == "is a folder"
    assert access_problem(tmp_path, folder=True) == ""
    assert access_problem(tmp_path / "y") == "does not exist"
    assert access_problem(tmp_path / "x" / "y") == "does not exist"
    assert access_problem(tmp_path / "loop") == (
        "cannot be looked at (Too many levels of symbolic links)"
    )
    assert access_problem(Path("/dev/null")) == "is not a file"
    assert access_problem(Path("a\0b")) == "cannot be looked at (embedded null byte)"


def test_expand_home__takes_a_tilde_with_a_slash_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_home("~/x/~") == f"{tmp_path}/x/~"
    assert expand_home("~x/y") == "~x/y"
    assert expand_home("x/~/y") == "x/~/y"


@pytest.mark.parametrize(
    ("typed", "days"), [("0", 0.0), ("3.5", 3.5), ("1e2", 100.0), (".5", 0.5), ("", None)]
)
def test_read_cohort__reads_the_day_a_sample_was_taken(read, typed, days):
    cohort = read(sheet=f"sample,group,rna,time_days\ns1,CK,x.h5,{typed}\n").cohort
    assert cohort.samples[0].time_days == days


@pytest.mark.parametrize("column", ["time", "days", "time_hours", "time_point", "timing"])
def test_read_cohort__a_column_of_its_user_is_no_day_and_no_defect(read, column):
    reading = read(sheet=f"sample,group,rna,{column}\ns1,CK,x.h5,week 2\n")
    assert reading.defects == []
    assert reading.cohort.samples[0].time_days is None
