"""Cohorts of tables: checked to the field, planned without samples, no look at the validation part."""

from pathlib import Path

import pytest
import yaml
from cohorts import edit_cohort, run_cli
from tiny import write_cohort

from helpers.io.cohort import read_cohort
from helpers.report.chapters import BY_ID, DISCOVERY_OBJECTS, RNA_OBJECT
from helpers.report.check import check_cohort
from helpers.report.plan import make_plan
from helpers.stages.simulate import stage_simulate
from helpers.synth.design import make_design

WELLS = "line,plate,drug,dose,unit,response\nK562,1,x,0,nM,100\nK562,1,x,10,nM,50\n"
BULK = {
    part: {kind: f"{part}_{kind}.csv" for kind in ("expression", "clinical")}
    for part in ("training", "validation")
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound cohort of tables alone."""
    (tmp_path / "doses.csv").write_text(WELLS)
    for part, names in BULK.items():
        (tmp_path / names["clinical"]).write_text(f"sample,time_months,event\n{part}1,3,1\n")
        (tmp_path / names["expression"]).write_text(f"gene,{part}1\nMYC,1\n")
    write(tmp_path)
    return tmp_path


def write(folder: Path, **changes: object) -> None:
    content: dict[str, object] = {"name": "t", "title": "Tables", "assembly": "GRCh38"}
    content |= {"dose_response": "doses.csv", "bulk": BULK} | changes
    kept = {key: value for key, value in content.items() if value is not None}
    (folder / "cohort.yml").write_text(yaml.safe_dump(kept, sort_keys=False))


def defects(folder: Path) -> list[tuple[str, str]]:
    _, found = check_cohort(folder / "cohort.yml", folder / "results")
    return [(defect.where, defect.what) for defect in found]


def test_check__takes_a_cohort_of_tables_alone(folder):
    assert defects(folder) == []


@pytest.mark.parametrize("key", ["dose_response", "bulk"])
def test_check__one_kind_of_table_is_enough(folder, key):
    write(folder, **{key: None})
    assert defects(folder) == []


def test_check__without_tables_groups_and_sheet_are_needed(folder):
    write(folder, dose_response=None, bulk=None)
    places = [where for where, _ in defects(folder)]
    assert places == ["cohort.yml/groups", "cohort.yml/samples"]


def test_check__a_sheet_that_is_named_must_be_there(folder):
    write(folder, samples="sheet.csv", groups={"reference": "CK"})
    ((where, what), *_) = defects(folder)
    assert (where, "sheet.csv does not exist" in what) == ("cohort.yml:12/samples", True)


def test_check__samples_need_groups(folder):
    (folder / "samples.csv").write_text("sample,group,rna\nA,CK,doses.csv\n")
    found = dict(defects(folder))
    assert found["cohort.yml/groups"] == "is missing"


@pytest.mark.parametrize(
    ("name", "old", "new", "where"),
    [
        ("doses.csv", "10,nM", "-1,nM", "doses.csv:3/dose"),
        ("training_clinical.csv", "3,1", "3,2", "training_clinical.csv:2/event"),
        ("validation_expression.csv", "MYC,1", "MYC,x", "validation_expression.csv:2/validation1"),
    ],
)
def test_check__names_row_and_field_of_a_table(folder, name, old, new, where):
    text = (folder / name).read_text()
    assert text.count(old) == 1
    (folder / name).write_text(text.replace(old, new))
    assert [place for place, _ in defects(folder)] == [where]


def test_check__says_where_a_missing_table_is_named(folder):
    (folder / "doses.csv").unlink()
    (folder / "training_expression.csv").unlink()
    assert [where for where, _ in defects(folder)] == [
        "cohort.yml:4/dose_response",
        "cohort.yml:6/bulk.training.expression",
    ]


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"bulk": BULK | {"trainig": {}}}, "bulk.trainig", "unknown key 'trainig'"),
        ({"bulk": BULK | {"scale": "log10"}}, "bulk.scale", "log10"),
        ({"bulk": {"training": BULK["training"]}}, "bulk.validation", "is missing"),
        ({"dose_respons": "doses.csv"}, "dose_respons", "unknown key 'dose_respons'"),
    ],
)
def test_check__names_wrong_keys(folder, changes, where, what):
    write(folder, **changes)
    found = [d for d in defects(folder) if where in d[0]]
    assert [what in said for _, said in found] == [True]


def test_plan__learning_is_handed_no_validation_table_and_the_chapter_no_training_table(folder):
    reading, _ = check_cohort(folder / "cohort.yml", folder / "results")
    plan = make_plan(reading.cohort, folder / "results")
    learning, chapter = plan.job("discovery"), plan.job("chapter/discovery")
    assert set(learning.data) == {"training_expression", "training_clinical"}
    assert (learning.inputs, learning.outputs) == ((), DISCOVERY_OBJECTS)
    assert set(chapter.data) == {"validation_expression", "validation_clinical", "claims"}
    assert set(DISCOVERY_OBJECTS) <= set(chapter.inputs)


def test_plan__chapters_of_cells_are_skipped_with_a_sentence(folder):
    reading, _ = check_cohort(folder / "cohort.yml", folder / "results")
    plan = make_plan(reading.cohort, folder / "results")
    assert plan.chapter_ids() == ["cohort", "dose_response", "discovery", "claims"]
    needing = {chapter.id for chapter in BY_ID.values() if chapter.needs}
    assert set(plan.skipped) == needing
    assert all("no sample of the cohort has them" in reason for reason in plan.skipped.values())


def test_plan__chapters_of_tables_are_skipped_with_a_sentence(folder):
    write(folder, bulk=None)
    reading, _ = check_cohort(folder / "cohort.yml", folder / "results")
    plan = make_plan(reading.cohort, folder / "results")
    assert plan.skipped["discovery"] == (
        "This chapter needs bulk expression and follow-up of patients, and the cohort file names none "
        "(key bulk)."
    )
    assert "discovery" not in {job.kind for job in plan.jobs}


# Candidate genes from the cohort's own cells


@pytest.fixture
def both(folder: Path) -> Path:
    """Cohort file of tiny samples with RNA in two groups, beside the tables."""
    path = write_cohort(folder / "both")
    bulk = {
        part: {kind: f"../{name}" for kind, name in names.items()} for part, names in BULK.items()
    }
    edit_cohort(path, chapters=["discovery"], overrides={}, bulk=bulk)
    return path


def ask(path: Path, **values: object) -> list[tuple[str, str, str]]:
    """Ask for candidates from cells; what the check finds."""
    edit_cohort(path, overrides={"discovery": {"candidates_from": "pseudobulk"} | values})
    _, found = check_cohort(path, path.parent / "results")
    return [(d.where, f"{d.what}; {d.remedy}", d.severity) for d in found]


def test_plan__learning_reads_cells_only_where_candidates_come_from_them(both):
    results = both.parent / "results"
    plan = make_plan(read_cohort(both).cohort, results)
    assert plan.job("discovery").inputs == ()
    assert {job.name for job in plan.jobs} == {"discovery", "chapter/discovery", "book"}
    assert ask(both) == []
    plan = make_plan(read_cohort(both).cohort, results)
    learning = plan.job("discovery")
    assert learning.inputs == (RNA_OBJECT,)
    assert learning.design["contrasts"] == [{"test": "relapse", "reference": "healthy"}]
    assert set(learning.data) == {"training_expression", "training_clinical"}
    made = {output for job in plan.jobs for output in job.outputs}
    assert {name for job in plan.jobs for name in job.inputs} <= made


def test_plan__without_cells_to_take_candidates_from_the_chapter_is_skipped(folder):
    write(folder, overrides={"discovery": {"candidates_from": "pseudobulk"}})
    plan = make_plan(read_cohort(folder / "cohort.yml").cohort, folder / "results")
    assert plan.skipped["discovery"] == (
        "This chapter needs RNA counts, and no sample of the cohort has them (column rna of the "
        "sample sheet). With candidates_from: bulk under overrides.discovery it needs none."
    )
    assert "discovery" not in {job.kind for job in plan.jobs}


def test_check__knows_the_contrast_candidates_come_from(both):
    assert ask(both, candidates_contrast="relapse vs healthy") == []
    ((where, said, severity),) = ask(both, candidates_contrast="relaps vs healthy")
    assert where.endswith("overrides.discovery.candidates_contrast")
    assert said == "unknown contrast 'relaps vs healthy'; did you mean 'relapse vs healthy'?"
    assert severity == "error"
    edit_cohort(both, contrasts=[])
    ((_, said, _),) = ask(both)
    assert said == "the cohort has no contrast; name one under contrasts"


def test_check__warns_where_a_group_has_no_cells_to_take_candidates_from(both):
    sheet = both.parent / "samples.csv"
    kept = [line for line in sheet.read_text().splitlines() if not line.startswith("A2")]
    text = "\n".join(kept).replace("run1,A1.h5,", "run1,,") + "\n"
    sheet.write_text(text)
    ((where, said, severity),) = [d for d in ask(both) if "RNA" in d[1]]
    assert where.endswith("overrides.discovery.candidates_from")
    assert said.startswith("pseudobulk of relapse vs healthy, and no sample of group 'healthy' has")
    assert (said.endswith("or write candidates_from: bulk"), severity) == (True, "warning")


def test_check__finds_patients_who_gave_the_cells_candidates_come_from(both):
    table = both.parent.parent / "validation_clinical.csv"
    table.write_text(table.read_text() + "d2,4,1\nB1,4,0\n")
    ((where, said, severity),) = ask(both)
    assert where.endswith("bulk.validation.clinical")
    assert said.startswith("2 validation patients gave cells, too (B1, d2)")
    assert severity == "error"
    edit_cohort(both, overrides={})
    assert check_cohort(both, both.parent / "results")[1] == []


def test_check__reads_no_donors_from_a_table_that_cannot_be_read(both):
    (both.parent.parent / "training_clinical.csv").write_text("sample,time_months,event\nd1,x,1\n")
    assert [where for where, _, _ in ask(both)] == ["training_clinical.csv:2/time_months"]


@pytest.mark.slow
def test_build__a_cohort_of_tables_becomes_a_book(tmp_path):
    folder = tmp_path / "bulk"
    stage_simulate(make_design("bulk"), folder, wanted=set(), record={"profile": "bulk"})
    built = run_cli("build", folder / "cohort.yml", "--results", tmp_path / "results")
    assert built.returncode == 0, built.stdout + built.stderr
    results = tmp_path / "results" / "bulk"
    landing = (results / "book" / "html" / "index.html").read_text(encoding="utf-8")
    assert "No single cells; tables: dose_response.csv" in landing
    verdicts = (results / "claims.csv").read_text(encoding="utf-8")
    assert verdicts.count(",holds,") == 4
    for chapter in ("dose_response", "discovery"):
        assert "A.png" in {path.name for path in (results / "figures" / chapter).iterdir()}
