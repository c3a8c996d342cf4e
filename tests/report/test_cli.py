"""The command line: exit codes, messages without tracebacks, and a quick start."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from broken import in_yaml
from tiny import write_cohort

from helpers.errors import DataError
from helpers.io.cohort import read_cohort
from helpers.params import CHAPTER_PARAMS
from helpers.report import check as check_module
from helpers.report.cli import main

HEAVY = (
    "anndata",
    "gseapy",
    "matplotlib",
    "muon",
    "numba",
    "papermill",
    "scanpy",
    "sklearn",
    "zarr",
)
LIGHT = ("h5py", "numpy", "pandas", "pydantic", "scipy", "yaml")
RUN = "import sys; from helpers.report.cli import main; sys.exit(main(sys.argv[1:]))"
# Runs the command line, then tells which of the modules named first were imported.
TELL = """
import sys
from helpers.report.cli import main
modules, arguments = sys.argv[1].split(","), sys.argv[2:]
try:
    main(arguments)
except SystemExit:
    pass
print(*[name for name in modules if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cli") / "cohort")


def write_copy(cohort: Path, folder: Path) -> Path:
    shutil.copytree(cohort.parent, folder / "copy")
    return folder / "copy" / "cohort.yml"


def run(code: str, *arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


# Quick start


def test_help__imports_nothing_heavy():
    told = run(TELL, ",".join(HEAVY + LIGHT), "--help")
    assert told.stderr.strip() == ""
    assert all(f"\n    {name} " in told.stdout for name in ("new", "check", "build", "simulate"))


def test_new__imports_nothing_heavy(tmp_path):
    told = run(TELL, ",".join((*HEAVY, "pandas", "h5py", "scipy")), "new", tmp_path / "x")
    assert told.stderr.strip() == ""
    assert (tmp_path / "x" / "cohort.yml").exists()


def test_check__imports_nothing_heavy(cohort, tmp_path):
    told = run(TELL, ",".join(HEAVY), "check", cohort, "--results", tmp_path)
    assert told.stderr.strip() == ""
    assert told.stdout == f"{cohort}: nothing wrong\n"


def test_new_and_check__answer_in_under_5_seconds(cohort, tmp_path):
    for arguments in (["new", tmp_path / "x"], ["check", cohort, "--results", tmp_path / "r"]):
        began = time.monotonic()
        assert run(RUN, *arguments).returncode == 0
        assert time.monotonic() - began < 5


# Exit codes


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "chek",
        "check",
        "check a b",
        "build x --cores 0",
        "build x --cores two",
        "build x --cores 1.5",
        "serve x --port 65536",
        "serve x --port -1",
        "simulate domo --out x",
        "simulate demo",
        "simulate demo --out x --cells 0",
        "simulate demo --out x --seed -1",
        "simulate demo --out x --seed " + "9" * 19,
        "simulate demo --out x --difficulty impossible",
        "compare",
    ],
)
def test_main__refuses_with_2_and_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments.split())
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: relapse-book")


@pytest.mark.parametrize("arguments", ["--help", "check --help", "simulate --help"])
def test_main__helps_with_0(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments.split())
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("usage: relapse-book")


def test_main__says_which_number_is_wrong(capsys):
    with pytest.raises(SystemExit):
        main(["serve", "x", "--port", "65536"])
    assert "'65536' is not a whole number, 0 to 65535" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["build", "x", "--cores", "0"])
    assert "'0' is not a whole number, 1 or more" in capsys.readouterr().err


def stop_check(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let checking end with an error."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(check_module, "check_cohort", fail)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (DataError("this is so"), 1, "relapse-book: this is so\n"),
        (OSError(28, "No space left on device", "/x"), 1, "relapse-book: /x: No space left on device\n"),
        (OSError("odd"), 1, "relapse-book: odd\n"),
        (KeyboardInterrupt(), 130, "\nrelapse-book: stopped; run the same command again to go on\n"),
    ],
)  # fmt: skip
def test_main__ends_an_error_with_one_message(error, status, message, monkeypatch, capsys):
    stop_check(monkeypatch, error)
    assert main(["check", "x"]) == status
    assert capsys.readouterr() == ("", message)


def test_main__shows_the_trace_of_a_fault_of_its_own(monkeypatch):
    stop_check(monkeypatch, ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError, match="ours"):
        main(["check", "x"])


def test_main__ends_with_130_when_it_is_terminated(monkeypatch, capsys):
    monkeypatch.setattr(
        check_module, "check_cohort", lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    )
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["check", "x"]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "stopped" in capsys.readouterr().err


def test_main__ends_quietly_where_nobody_reads_on(cohort, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", RUN, "check", str(cohort), "--results", str(tmp_path)]
    told = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(writer)
    assert (told.returncode, told.stderr) == (1, b"")


def test_main__prints_what_a_terminal_cannot_show_as_codes(tmp_path):
    (tmp_path / "cohort.yml").write_text("name: Müller\n", encoding="utf-8")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    told = run(RUN, "check", tmp_path / "cohort.yml", env=environment)
    assert "cohort.yml:1/name \\u2014 'M\\xfcller': string should match" in told.stdout
    assert "Traceback" not in told.stderr


# check


def test_check__counts_the_defects(cohort, tmp_path, capsys):
    path = write_copy(cohort, tmp_path)
    in_yaml("min_genes: 5", "min_genes: five")(path.parent)
    assert main(["check", str(path), "--results", str(tmp_path / "r")]) == 2
    assert capsys.readouterr().err == f"1 defect in {path}\n"
    in_yaml("GRCh38", "mm10")(path.parent)
    assert main(["check", str(path), "--results", str(tmp_path / "r")]) == 2
    assert capsys.readouterr().err == f"2 defects in {path}\n"


# new


def test_new__writes_a_template_whose_files_alone_are_missing(tmp_path, capsys):
    folder = tmp_path / "my-cohort"
    assert main(["new", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}/cohort.yml\n{folder}/samples.csv\n"
    assert main(["check", str(folder / "cohort.yml"), "--results", str(tmp_path / "r")]) == 2
    lines = capsys.readouterr().out.splitlines()
    places = [f"samples.csv:{row}/{column}" for row in (2, 3, 4) for column in ("rna", "fragments")]
    assert [line.split(" — ")[0] for line in lines] == places
    assert all(" does not exist — " in line for line in lines)


def test_new__writes_a_template_that_holds_with_its_comments_taken_away(tmp_path):
    main(["new", str(tmp_path / "c")])
    path = tmp_path / "c" / "cohort.yml"
    keys = re.compile(
        r"^# (?=(chapters|overrides|genome|dose_response|bulk):|  +\w+:)", flags=re.MULTILINE
    )
    path.write_text(keys.sub("", path.read_text()))
    content = yaml.safe_load(path.read_text())
    assert content["chapters"] == list(CHAPTER_PARAMS)
    assert sorted(content["overrides"]) == ["fig1_composition", "quality"]
    assert sorted(content["bulk"]) == ["scale", "training", "validation"]
    assert content["dose_response"] == "dose_response.csv"
    assert sorted(content["genome"]) == ["annotation", "blacklist", "fasta"]
    assert read_cohort(path).defects == []


def test_new__writes_over_nothing(tmp_path, capsys):
    assert main(["new", str(tmp_path)]) == 0
    (tmp_path / "cohort.yml").unlink()
    (tmp_path / "samples.csv").write_text("mine")
    capsys.readouterr()
    assert main(["new", str(tmp_path)]) == 1
    message = f"relapse-book: {tmp_path}/samples.csv is there already; choose another folder"
    assert capsys.readouterr().err.startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["samples.csv"]
    assert (tmp_path / "samples.csv").read_text() == "mine"


def test_new__follows_no_link_to_nothing(tmp_path, capsys):
    (tmp_path / "cohort.yml").symlink_to(tmp_path / "elsewhere")
    assert main(["new", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["my cohort", 'it\'s "mine"', "Ärzte: #1 {x}", "-", "x" * 200])
def test_new__takes_any_folder_name(name, tmp_path):
    assert main(["new", str(tmp_path / name)]) == 0
    reading = read_cohort(tmp_path / name / "cohort.yml")
    assert reading.defects == []
    assert len(reading.samples) == 3


def test_new__shows_commands_that_can_be_copied(tmp_path):
    main(["new", str(tmp_path / "it's mine")])
    lines = (tmp_path / "it's mine" / "cohort.yml").read_text().splitlines()
    (command,) = [line[1:].strip() for line in lines if "relapse-book check" in line]
    path = f"{tmp_path}/it's mine/cohort.yml"
    assert shlex.split(command) == ["relapse-book", "check", path]


def test_new__refuses_a_name_that_would_break_a_line(tmp_path, capsys):
    assert main(["new", str(tmp_path / "a\nb")]) == 1
    assert "characters that cannot be seen" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_new__says_that_a_file_is_in_the_way(tmp_path, capsys):
    (tmp_path / "x").write_text("mine")
    assert main(["new", str(tmp_path / "x")]) == 1
    assert capsys.readouterr().err.startswith(f"relapse-book: {tmp_path}/x")
    assert (tmp_path / "x").read_text() == "mine"


# build, status, verify, serve, compare, simulate


@pytest.mark.parametrize(
    ("chapter", "defect"),
    [
        ("qualty", "unknown chapter 'qualty' — expected one of cohort, quality — did you mean 'quality'?"),
        ("zzz", "unknown chapter 'zzz' — expected one of cohort, quality — name one of these"),
        ("claims", "the cohort leaves out 'claims' — expected one of cohort, quality — add it under chapters"),  # noqa: E501
    ],
)  # fmt: skip
def test_build__refuses_a_chapter_it_cannot_make(chapter, defect, cohort, tmp_path, capsys):
    arguments = ["build", str(cohort), "--results", str(tmp_path / "r"), "--chapter", chapter]
    assert main(arguments) == 2
    assert capsys.readouterr().out == f"--chapter — {defect}\n"
    assert not (tmp_path / "r").exists()


def test_build__tells_of_chapter_and_cohort_at_once(cohort, tmp_path, capsys):
    path = write_copy(cohort, tmp_path)
    in_yaml("min_genes: 5", "min_genes: five")(path.parent)
    assert main(["build", str(path), "--results", str(tmp_path / "r"), "--chapter", "zzz"]) == 2
    places = [line.split(" — ")[0] for line in capsys.readouterr().out.splitlines()]
    assert places == ["--chapter", "cohort.yml:14/overrides.quality.min_genes"]


def test_status__of_a_cohort_that_was_not_built(cohort, tmp_path, capsys):
    assert main(["status", str(cohort), "--results", str(tmp_path / "r")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "cohort   not built  run relapse-book build",
        "quality  not built  run relapse-book build",
    ]


def test_serve__needs_a_book(cohort, tmp_path, capsys):
    assert main(["serve", str(cohort), "--results", str(tmp_path / "r")]) == 1
    assert "holds no book yet; run relapse-book build first" in capsys.readouterr().err


def test_serve__says_that_a_port_is_taken(cohort, tmp_path, capsys):
    html = tmp_path / "r" / "tiny" / "book" / "html"
    html.mkdir(parents=True)
    (html / "index.html").write_text("book")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["serve", str(cohort), "--results", str(tmp_path / "r"), "--port", str(port)]
        assert main(arguments) == 1
    message = f"relapse-book: port {port}: Address already in use; choose another with --port\n"
    assert capsys.readouterr().err == message


def test_compare__needs_results(tmp_path, capsys):
    assert main(["compare", str(tmp_path)]) == 1
    assert f"{tmp_path} holds no run.json" in capsys.readouterr().err


def test_simulate__leaves_a_folder_of_other_things_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["simulate", "demo", "--out", str(tmp_path), "--cells", "90"]) == 1
    message = f"relapse-book: {tmp_path} is not empty and not a simulated cohort"
    assert capsys.readouterr().err.startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_simulate__says_that_a_file_is_in_the_way(tmp_path, capsys):
    (tmp_path / "x").write_text("mine")
    assert main(["simulate", "demo", "--out", str(tmp_path / "x"), "--cells", "90"]) == 1
    assert capsys.readouterr().err.startswith(f"relapse-book: {tmp_path}/x")
    assert (tmp_path / "x").read_text() == "mine"
