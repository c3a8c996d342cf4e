import json
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest
import yaml
from cohorts import edit_cohort, run_cli

from helpers.errors import BookError, ParamsError
from helpers.io.cohort import read_cohort
from helpers.io.digest import hash_file
from helpers.report.build import _only_build, build_cohort
from helpers.report.execute import check_parameters
from helpers.report.plan import Plan, make_plan, stale_reasons
from helpers.report.status import chapter_states
from helpers.report.verify import verify_results
from helpers.schema import CLAIM_COLUMNS, RESULT_COLUMNS

pytestmark = pytest.mark.xdist_group("book")

RNA_SAMPLES = 6
SPOKEN_OF = ("cohort", "quality", "fig1_composition", "claims")


@pytest.fixture
def copied(book, tmp_path) -> Path:
    """Results of the book in a folder of their own, to be spoiled."""
    shutil.copytree(book.folder, tmp_path / "results" / "hostile")
    return tmp_path / "results"


@pytest.fixture
def variant(book):
    """Writes a changed cohort file beside the book's own, so that its data stay the same."""
    written = []

    def write(name: str, **changes: object) -> Path:
        path = book.cohort.with_name(f"{name}.yml")
        shutil.copy(book.cohort, path)
        edit_cohort(path, **changes)
        written.append(path)
        return path

    yield write
    for path in written:
        path.unlink()


def plan_of(cohort: Path, results: Path) -> Plan:
    return make_plan(read_cohort(cohort).cohort, results / "hostile")


def build(cohort: Path, results: Path) -> subprocess.CompletedProcess[str]:
    return run_cli("build", cohort, "--results", results)


def states(cohort: Path, results: Path) -> dict[str, str]:
    """State of the chapters the tests speak of; those a cohort this small cannot have aside."""
    table = chapter_states(plan_of(cohort, results))
    return {chapter: state for chapter, state, _ in table if chapter in SPOKEN_OF}


def test_build__finds_nothing_to_do_the_second_time(book, copied):
    began = time.monotonic()
    again = build(book.cohort, copied)
    assert again.stdout.splitlines()[0] == "everything is up to date"
    assert again.returncode == 0
    assert time.monotonic() - began < 30


def test_build__prints_the_page_last(book):
    assert book.output.splitlines()[-1] == str(book.html / "index.html")


def test_build__says_what_it_runs_and_why(book):
    said = [line for line in book.output.splitlines() if line.startswith("to run: ")]
    assert sum("rna_sample/" in line for line in said) == RNA_SAMPLES
    assert len(said) == len(plan_of(book.cohort, book.results).jobs)
    assert all(line.endswith("(not made yet)") for line in said)


def test_stale_reasons__name_the_parameter_and_only_what_depends_on_it(book, variant):
    changed = variant("fdr", overrides={"fig1_composition": {"fdr": 0.1}})
    assert stale_reasons(plan_of(changed, book.results)) == {
        "chapter/fig1_composition": "parameter fdr: 0.05 → 0.1",
        "chapter/claims": "chapter/fig1_composition is made anew",
        "book": "chapter/fig1_composition is made anew",
    }


def test_stale_reasons__a_quality_threshold_reaches_everything_but_the_design(book, variant):
    changed = variant("mito", overrides={"quality": {"max_pct_mito": 8.0}})
    reasons = stale_reasons(plan_of(changed, book.results))
    assert "chapter/cohort" not in reasons
    assert sum(name.startswith("rna_sample/") for name in reasons) == RNA_SAMPLES
    assert {"rna_integrate", "rna_annotate", "chapter/quality", "book"} <= set(reasons)


def test_stale_reasons__a_lost_table_of_a_stage_is_made_again(book, copied):
    (copied / "hostile" / "objects" / "cluster_labels.csv").unlink()
    reasons = stale_reasons(plan_of(book.cohort, copied))
    assert reasons["rna_annotate"] == "objects/cluster_labels.csv is gone"
    assert "rna_integrate" not in reasons


def test_results__fixed_tables_have_the_columns_of_the_contract(book):
    done = {path.name for path in (book.folder / "tables").iterdir()}
    assert {"quality", "fig1_composition"} <= done
    for (chapter, name), columns in RESULT_COLUMNS.items():
        if chapter not in done:
            continue
        table = pd.read_csv(book.folder / "tables" / chapter / f"{name}.csv")
        assert set(columns) <= set(table.columns), (chapter, name)
    assert tuple(pd.read_csv(book.folder / "claims.csv").columns) == CLAIM_COLUMNS


def test_results__every_panel_is_vector_raster_data_and_passport(book):
    panels = sorted((book.folder / "figures").glob("*/*.json"))
    assert len(panels) >= 12
    for path in panels:
        passport = json.loads(path.read_text(encoding="utf-8"))
        assert passport["caption"].endswith(".")
        assert len(passport["alt"]) > 20
        assert passport["status"] == "done"
        assert passport["simulated"] is True
        assert {"parameters", "inputs", "tables", "versions", "seed"} <= set(passport)
        for name, digest in passport["images"].items():
            assert hash_file(path.with_name(name)) == digest
        assert ET.parse(path.with_suffix(".svg")).getroot().tag.endswith("svg")
        assert path.with_suffix(".png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert len(pd.read_csv(path.with_suffix(".csv"))) > 0


def test_run_record__holds_cost_parameters_and_inputs_of_every_job(book):
    record = json.loads((book.folder / "run.json").read_text(encoding="utf-8"))
    samples = [job for name, job in record["jobs"].items() if name.startswith("rna_sample/")]
    assert len(samples) == RNA_SAMPLES
    for job in samples:
        assert job["seconds"] > 0
        assert job["peak_mb"] > 50
        path, digest = job["data"]["rna"]
        assert hash_file(Path(path)) == digest
    assert record["versions"]["scanpy"]
    assert record["simulated"] is True


def test_status__calls_chapters_done_then_stale(book, variant):
    assert set(states(book.cohort, book.results).values()) == {"done"}
    changed = variant("stale", overrides={"fig1_composition": {"fdr": 0.2}})
    assert states(changed, book.results) == {
        "cohort": "done",
        "quality": "done",
        "fig1_composition": "stale",
        "claims": "stale",
    }


def test_verify__finds_a_table_and_a_figure_that_were_changed(book, copied):
    plan = plan_of(book.cohort, copied)
    assert verify_results(plan) == []
    table = copied / "hostile" / "tables" / "quality" / "cells.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("RNA", "DNA"), encoding="utf-8")
    (copied / "hostile" / "figures" / "cohort" / "A.png").unlink()
    assert verify_results(plan) == [
        f"{copied / 'hostile' / 'figures' / 'cohort' / 'A.png'} is missing",
        f"{table} was changed after it was made",
    ]


def test_verify__exits_1_and_names_what_was_changed(book, copied):
    (copied / "hostile" / "figures" / "cohort" / "A.svg").write_text("<svg/>")
    told = run_cli("verify", book.cohort, "--results", copied)
    assert told.returncode == 1
    assert "A.svg was changed after it was made" in told.stdout


def test_check_parameters__refuses_a_notebook_that_names_others(tmp_path):
    notebook = Path(__file__).parents[2] / "notebooks" / "cohort.ipynb"
    changed = tmp_path / "cohort.ipynb"
    text = notebook.read_text(encoding="utf-8").replace("few_samples = 3", "few_sampels = 3")
    changed.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=r"cohort\.ipynb lacks few_samples.*lacks few_sampels"):
        check_parameters(changed, "cohort")


def test_build__refuses_while_another_build_of_the_cohort_runs(book, copied):
    with (
        _only_build(copied / "hostile"),
        pytest.raises(BookError, match="another build of hostile is running"),
    ):
        build_cohort(plan_of(book.cohort, copied))


def test_build__names_the_profiles_there_are(book, copied):
    told = run_cli("build", book.cohort, "--results", copied, "--profile", "slrum")
    assert told.returncode == 1
    assert "no profile 'slrum'" in told.stderr
    assert "kubernetes, local, slurm" in told.stderr


@pytest.mark.slow
def test_build__a_chapter_that_fails_is_shown_and_others_go_on(book, copied, variant):
    truth = book.cohort.parent / "truth" / "cells.csv"
    kept = truth.read_bytes()
    table = pd.read_csv(truth, keep_default_na=False)
    cohort = variant("spoken", chapters=list(SPOKEN_OF))
    try:
        table.drop(columns="kind").to_csv(truth, index=False)
        broken = build(cohort, copied)
        shown = states(cohort, copied)
    finally:
        truth.write_bytes(kept)
    assert broken.returncode == 1
    assert "failed: chapter/quality: cell" in broken.stderr
    assert "Traceback" not in broken.stdout + broken.stderr
    assert shown == {
        "cohort": "done",
        "quality": "failed",
        "fig1_composition": "done",
        "claims": "done",
    }
    folder = copied / "hostile"
    notebook = json.loads((folder / "chapters" / "quality.ipynb").read_text(encoding="utf-8"))
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", [])]
    assert any(output["output_type"] == "error" for output in outputs)
    page = (folder / "book" / "html" / "chapters" / "quality.html").read_text(encoding="utf-8")
    assert "This chapter failed" in page
    assert not (folder / "tables" / "quality").exists()
    mended = build(cohort, copied)
    assert mended.returncode == 0, mended.stderr
    assert set(states(cohort, copied).values()) == {"done"}


@pytest.mark.slow
def test_build__a_stage_that_fails_takes_its_chapters_with_it_and_no_others(book, copied, variant):
    markers = book.cohort.parent / "markers.yml"
    markers.write_text(
        yaml.safe_dump([{"cell_type": "Martian", "positive": ["NOSUCHGENE"]}]), encoding="utf-8"
    )
    overrides = {"fig1_composition": {"markers": str(markers)}}
    changed = variant("martian", overrides=overrides, chapters=list(SPOKEN_OF))
    broken = build(changed, copied)
    assert broken.returncode == 1
    assert "failed: rna_annotate: none of the marker genes was measured" in broken.stderr
    assert "failed: chapter/fig1_composition: needs rna_annotate" in broken.stderr
    shown = states(changed, copied)
    assert (shown["quality"], shown["fig1_composition"]) == ("done", "failed")


@pytest.mark.slow
def test_build__a_cohort_without_cells_left_skips_with_the_numbers(book, copied, variant):
    strict = {"min_umis": 24_000, "max_umis": 25_000}
    chapters = [*SPOKEN_OF, "fig3_enrichment", "fig4_hsc_mpp", "fig6_cnv", "signatures"]
    changed = variant("strict", overrides={"quality": strict}, chapters=chapters)
    built = build(changed, copied)
    assert built.returncode == 0, built.stderr
    assert "skipped: fig1_composition: 0 cells passed quality control" in built.stdout
    claims = pd.read_csv(copied / "hostile" / "claims.csv")
    claims = claims[claims["chapter"].isin(chapters)]
    assert set(claims["verdict"]) == {"not testable"}
    assert claims["reason"].str.contains("0 cells passed quality control").all()


@pytest.mark.slow
def test_build__gives_the_same_bytes_twice(book, tmp_path):
    again = build(book.cohort, tmp_path / "again")
    assert again.returncode == 0, again.stderr
    first, second = (hashes(folder / "hostile") for folder in (book.results, tmp_path / "again"))
    assert len(first) >= 8
    assert first == second


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_build__that_was_stopped_goes_on_where_it_was(book, variant, tmp_path, number):
    results = tmp_path / "results"
    cohort = variant("stopped", chapters=["cohort", "quality", "fig1_composition"])
    begun = start_build(cohort, results)
    with begun:
        done = read_until(begun, "rna_sample", n=2)
        begun.send_signal(number)
        begun.wait(timeout=60)
    assert begun.returncode == (-number if number == signal.SIGKILL else 130)
    assert number == signal.SIGKILL or not list(results.rglob("*partial*"))
    again = build(cohort, results)
    assert again.returncode == 0, again.stderr
    assert not [job for job in done if f"{job} done" in again.stdout]
    found, whole = hashes(results / "hostile"), hashes(book.folder)
    assert len(found) >= 8
    assert found == {name: whole[name] for name in found}
    assert not list(results.rglob("*partial*"))


def start_build(cohort: Path, results: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "helpers.report.cli", "build", cohort, "--results", results]
    return subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], kind: str, *, n: int) -> list[str]:
    """Wait until a build says that ``n`` jobs of a kind are done; their names."""
    done: list[str] = []
    for line in process.stdout:
        done += re.findall(rf"({kind}/\S+) done", line)
        if len(done) == n:
            break
    assert len(done) == n, "the build ended early"
    return done


def hashes(folder: Path) -> dict[str, str]:
    claims = folder / "claims.csv"
    files = [*([claims] if claims.exists() else []), *sorted((folder / "tables").glob("*/*.csv"))]
    return {str(path.relative_to(folder)): hash_file(path) for path in files}
