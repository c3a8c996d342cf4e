"""Rules the project keeps, so that they need not be remembered."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from helpers.params import CHAPTER_PARAMS, load_defaults, origins
from helpers.project import BOOK, DEFAULTS, NOTEBOOKS, PARAMS, PROFILES, ROOT
from helpers.report.book import methods_text
from helpers.report.chapters import BY_ID, CHAPTERS
from helpers.report.execute import check_parameters
from helpers.report.jobs import STAGES
from helpers.schema import RESULT_COLUMNS, Claim

SOURCE = ROOT / "src" / "helpers"
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LARGE = 1_000_000
# Modules without a test module of their own, and what tests them instead.
TESTED_ELSEWHERE = {
    "compute/clones.py": "tests/compute/test_segments.py, with the arms it needs",
    "stages/task.py": "a record without behaviour",
}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    return [p for name in listed.stdout.split("\0") if name and (p := ROOT / name).is_file()]


def notebook_cells(path: Path) -> list[dict[str, object]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


NOTEBOOK_FILES = sorted(NOTEBOOKS.glob("*.ipynb"))
notebooks = pytest.mark.parametrize("path", NOTEBOOK_FILES, ids=lambda p: p.stem)
chapters = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda c: c.id)


@notebooks
def test_notebook__is_committed_without_outputs(path):
    code = [cell for cell in notebook_cells(path) if cell["cell_type"] == "code"]
    assert [(cell["outputs"], cell["execution_count"]) for cell in code] == [([], None)] * len(code)


@notebooks
def test_notebook__has_one_parameters_cell_hidden_from_the_book(path):
    tags = [set(cell["metadata"].get("tags", [])) for cell in notebook_cells(path)]
    assert [t for t in tags if "parameters" in t] == [{"parameters", "remove-cell"}]


@notebooks
def test_notebook__joins_helpers_and_defines_nothing(path):
    code = ["".join(c["source"]) for c in notebook_cells(path) if c["cell_type"] == "code"]
    nodes = [node for text in code for node in ast.walk(ast.parse(text))]
    forbidden = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try)
    assert [type(node).__name__ for node in nodes if isinstance(node, forbidden)] == []


@notebooks
def test_notebook__serves_a_chapter(path):
    assert path.stem in {chapter.notebook for chapter in CHAPTERS}


@chapters
def test_chapter__has_parameters_that_notebook_file_and_model_agree_on(chapter):
    check_parameters(NOTEBOOKS / f"{chapter.notebook}.ipynb", chapter.id)


@chapters
def test_chapter__says_where_each_default_comes_from(chapter):
    assert set(origins(chapter.id)) == set(load_defaults(chapter.id))
    assert all(len(origin) > 5 for origin in origins(chapter.id).values())


@chapters
def test_chapter__defaults_are_valid_and_described(chapter):
    model = CHAPTER_PARAMS[chapter.id]
    model.model_validate(load_defaults(chapter.id))
    assert [n for n, f in model.model_fields.items() if not f.description] == []


@chapters
def test_chapter__has_methods_that_name_only_its_parameters_and_known_references(chapter):
    text = methods_text(chapter.id, load_defaults(chapter.id))
    assert len(text) > 100
    cited = {
        key.strip()
        for keys in re.findall(r"\{cite:[pt]\}`([^`]+)`", text)
        for key in keys.split(",")
    }
    known = set(re.findall(r"^@\w+\{(\w+),", (BOOK / "references.bib").read_text(), re.MULTILINE))
    assert cited <= known


def test_defaults__belong_to_chapters():
    assert {path.stem for path in DEFAULTS.glob("*.yml")} == set(BY_ID) == set(CHAPTER_PARAMS)


def test_result_columns__are_of_chapters():
    assert {chapter for chapter, _ in RESULT_COLUMNS} <= set(BY_ID)


def test_claims__are_valid_unique_and_of_chapters():
    entries = yaml.safe_load((PARAMS / "claims.yml").read_text(encoding="utf-8"))
    claims = [Claim.model_validate(entry) for entry in entries]
    ids = [claim.id for claim in claims]
    assert len(set(ids)) == len(ids)
    assert {claim.chapter for claim in claims} <= set(BY_ID)


def test_snakefile__has_a_rule_for_every_stage():
    text = (ROOT / "Snakefile").read_text(encoding="utf-8")
    assert set(STAGES) | {"chapter", "book"} <= set(re.findall(r"^rule (\w+):", text, re.MULTILINE))


def test_lock__pins_every_package_with_hashes_and_names_no_address():
    entries = re.findall(
        r"^([A-Za-z0-9][^\s\\]*)[^\n]*\\\n((?: +--hash=\S+(?: \\)?\n)+)", LOCK, re.M
    )
    starts = [line for line in LOCK.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    assert len(entries) == len(starts) > 200
    assert all("==" in name for name, _ in entries)
    assert all("--hash=sha256:" in hashes for _, hashes in entries)
    assert re.search(r"https?:|--index|--find-links|--extra", LOCK) is None


def test_conda_environment__installs_the_lock():
    content = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert content["dependencies"] == [
        "python=3.11",
        "pip",
        {"pip": ["--require-hashes", "-r requirements.lock"]},
    ]


def test_lock__holds_every_direct_dependency():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[A-Za-z0-9_.-]+", item)[0].lower() for item in direct}
    assert names <= set(re.findall(r"^([a-z0-9_.-]+)==", LOCK.lower(), re.MULTILINE))


def test_profiles__name_an_executor():
    files = sorted(PROFILES.glob("*/config.yaml"))
    executors = {p.parent.name: yaml.safe_load(p.read_text())["executor"] for p in files}
    assert executors == {"kubernetes": "kubernetes", "local": "local", "slurm": "slurm"}


def test_tracked_files__are_small():
    assert [p.name for p in tracked() if p.stat().st_size > LARGE] == []


def test_tracked_files__name_no_path_of_a_machine():
    # Built from parts, so that this file is not one of those it finds.
    found = re.compile("/" + "(?:work|root|tmp|home/[a-z]+)" + r"/[\w.]")
    suffixes = {".py", ".md", ".yml", ".yaml", ".toml", ".ipynb", ".cff", ".html", ".css", ".js"}
    texts = [p for p in tracked() if p.suffix in suffixes or p.name in ("Makefile", "Snakefile")]
    assert [p.name for p in texts if found.search(p.read_text(encoding="utf-8"))] == []


def modules(*layers: str) -> list[Path]:
    found = [p for layer in layers for p in sorted((SOURCE / layer).glob("*.py"))]
    return [path for path in found if path.name != "__init__.py"]


def test_synth__shares_no_code_with_compute():
    for path in modules("synth"):
        assert "helpers.compute" not in path.read_text(encoding="utf-8"), path.name
    for path in modules("compute"):
        assert "helpers.synth" not in path.read_text(encoding="utf-8"), path.name


def test_public_functions__have_docstrings():
    layers = ("io", "compute", "plot", "synth", "stages")
    bare = [
        f"{path.parent.name}/{path.name}:{node.name}"
        for path in modules(*layers)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
        and len(node.body) > 1
    ]
    assert bare == []


def test_modules__have_tests_of_the_same_name():
    missing = [
        f"{path.parent.name}/{path.name}"
        for path in modules("io", "compute", "plot", "synth", "stages")
        if not (ROOT / "tests" / path.parent.name / f"test_{path.name}").exists()
    ]
    assert set(missing) - set(TESTED_ELSEWHERE) == set()


def test_package__holds_no_pickle_eval_or_unsafe_yaml():
    unsafe = re.compile(
        r"\bpickle\b\.|\beval\(|\bexec\(|yaml\.(?:unsafe_)?load\(|allow_pickle=True"
    )
    found = [p.name for p in sorted(SOURCE.rglob("*.py")) if unsafe.search(p.read_text("utf-8"))]
    assert found == []
