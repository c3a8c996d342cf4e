"""What a plan asks for."""

from pathlib import Path

import pytest
from cohorts import edit_cohort
from tiny import write_cohort

from helpers.io.cohort import read_cohort
from helpers.io.digest import DigestCache
from helpers.params import load_params
from helpers.report import pipeline
from helpers.report.chapters import CHROMATIN_OBJECTS
from helpers.report.jobs import Job
from helpers.report.pipeline import regulons_job
from helpers.report.plan import make_plan


@pytest.mark.parametrize("chapter", ["fig6_cnv", "regulons"])
def test_make_plan__asks_for_nothing_that_no_job_makes(tmp_path: Path, chapter: str):
    """Also where a chapter alone is asked for, and what it can do without is not made."""
    path = write_cohort(tmp_path / "cohort")
    edit_cohort(path, chapters=[chapter], overrides={})
    plan = make_plan(read_cohort(path).cohort, tmp_path / "results")
    made = {output for job in plan.jobs for output in job.outputs}
    wanted = {name for job in plan.jobs for name in job.inputs}
    assert f"chapter/{chapter}" in [job.name for job in plan.jobs]
    assert wanted - made == set()
    assert set(plan.job(f"chapter/{chapter}").optional) <= made


def test_make_plan__a_page_is_made_of_the_same_whichever_pages_are_made_beside_it(tmp_path: Path):
    """Quality shows nuclei, too, where nothing else of the book reads them."""
    path = write_cohort(tmp_path / "cohort")
    plans = []
    for chapters in (["quality"], ["quality", "fig2_accessibility"]):
        edit_cohort(path, chapters=chapters, overrides={})
        plans.append(make_plan(read_cohort(path).cohort, tmp_path / "results"))
    alone, beside = (plan.job("chapter/quality") for plan in plans)
    assert alone == beside
    assert alone.optional == ("objects/samples/A1.atac.csv",)
    assert "atac_integrate" not in [job.name for job in plans[0].jobs]


def test_make_plan__shows_no_nuclei_of_an_assembly_without_genes(tmp_path: Path):
    path = write_cohort(tmp_path / "cohort")
    edit_cohort(path, chapters=["quality"], overrides={}, assembly="GRCh37")
    plan = make_plan(read_cohort(path).cohort, tmp_path / "results")
    assert plan.job("chapter/quality").optional == ()
    assert not [job.name for job in plan.jobs if job.kind == "atac_sample"]


def test_make_plan__gives_jobs_on_all_cells_a_second_core_in_large_cohorts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = write_cohort(tmp_path / "cohort")
    edit_cohort(path, chapters=["fig2_accessibility", "signatures"], overrides={})
    cohort = read_cohort(path).cohort
    small = make_plan(cohort, tmp_path / "results")
    monkeypatch.setattr(pipeline, "SMALL_BYTES", {"rna": 1, "fragments": 1e9})
    large = make_plan(cohort, tmp_path / "results")
    assert {job.threads for job in small.jobs} == {1}
    wide = {job.name for job in large.jobs if job.threads == 2}
    assert wide == {"rna_integrate", "signatures"}
    assert "atac_integrate" in [job.name for job in large.jobs]


def test_regulons_job__takes_chromatin_where_both_parts_are_made_and_can_do_without(tmp_path: Path):
    cohort = read_cohort(write_cohort(tmp_path / "cohort")).cohort
    params, digests = {"regulons": load_params("regulons")}, DigestCache(tmp_path / "digests.json")
    first, second = (Job(name, (), (name,)) for name in CHROMATIN_OBJECTS)
    with_both = regulons_job(cohort, params, [first, second], digests)
    assert with_both.inputs[1:] == with_both.optional == CHROMATIN_OBJECTS
    assert set(with_both.data) == {"factor_table", "annotation"}
    without = regulons_job(cohort, params, [first], digests)
    assert without.inputs == ("objects/rna.h5ad",)
    assert list(without.data) == ["factor_table"]


def test_regulons_job__hashes_rankings_the_user_names(tmp_path: Path):
    for name in ("r.feather", "m.tbl"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    named = {"rankings": str(tmp_path / "r.feather"), "motif_factors": str(tmp_path / "m.tbl")}
    cohort = read_cohort(write_cohort(tmp_path / "cohort")).cohort
    params = {"regulons": load_params("regulons", named)}
    job = regulons_job(cohort, params, [], DigestCache(tmp_path / "digests.json"))
    assert job.data["rankings"][0] == str(tmp_path / "r.feather")
    assert len(job.data["motif_factors"][1]) == 64


def test_make_plan__tells_days_to_the_chapters_that_read_them_alone(tmp_path: Path):
    path = write_cohort(tmp_path / "cohort")
    sheet = path.parent / "samples.csv"
    before = make_plan(read_cohort(path).cohort, tmp_path / "results")
    lines = sheet.read_text(encoding="utf-8").splitlines()
    days = ("time_days", "0", "0", "7", "14")
    rows = [f"{line},{day}" for line, day in zip(lines, days, strict=True)]
    sheet.write_text("\n".join(rows) + "\n", encoding="utf-8")
    after = make_plan(read_cohort(path).cohort, tmp_path / "results")
    changed = [a.name for a, b in zip(after.jobs, before.jobs, strict=True) if a != b]
    assert changed == ["chapter/cohort"]
    told = after.job("chapter/cohort").design["samples"]
    assert [sample["time_days"] for sample in told] == [0.0, 0.0, 7.0, 14.0]
