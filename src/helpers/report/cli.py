"""The command line: relapse-book."""

import argparse
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from helpers.errors import BookError, CohortError, Defect
from helpers.project import RESULTS

EXIT_OK, EXIT_FAILED, EXIT_DEFECTS, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Run a command; errors meant for the user are one message and an exit code."""
    _print_anything()
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status = _run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return status


def _run(options: argparse.Namespace) -> int:
    """Run a command; the exit code of how it ended."""
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except CohortError as error:
        _report_defects(error.defects)
        return EXIT_DEFECTS
    except BookError as error:
        print(f"relapse-book: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("\nrelapse-book: stopped; run the same command again to go on", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk, a folder that may not be written: not of our making
        place = f"{error.filename}: " if error.filename else ""
        print(f"relapse-book: {place}{error.strerror or error}", file=sys.stderr)
        return EXIT_FAILED


def _print_anything() -> None:
    """Let a terminal that lacks a character show its code instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="relapse-book",
        description="A reproducible report on relapse and drug resistance in leukaemia: from Cell "
        "Ranger output to a published book.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_new(commands)
    _add_check(commands)
    _add_build(commands)
    _add_simple(commands, "status", _status, "each chapter: done, stale, skipped, failed, and why")
    _add_serve(commands)
    _add_simulate(commands)
    _add_compare(commands)
    _add_fetch(commands)
    _add_simple(commands, "verify", _verify, "re-hash inputs, tables and figures")
    return parser


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

    from helpers.report.plan import Plan
    from helpers.schema import CohortFile


def _add(
    commands: "Commands", name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=run)
    return parser


def _add_cohort(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cohort", type=Path, metavar="COHORT", help="path to a cohort.yml")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="where results of cohorts lie"
    )


def _add_simple(
    commands: "Commands", name: str, run: Callable[[argparse.Namespace], int], text: str
) -> None:
    _add_cohort(_add(commands, name, run, text))


def _add_new(commands: "Commands") -> None:
    parser = _add(commands, "new", _new, "write a commented cohort file and sample sheet")
    parser.add_argument("folder", type=Path, metavar="DIR")


def _add_check(commands: "Commands") -> None:
    text = "find every defect of a cohort before anything is computed; exit 2 if any"
    _add_cohort(_add(commands, "check", _check, text))


def _add_build(commands: "Commands") -> None:
    parser = _add(commands, "build", _build, "run what is out of date and build the book")
    _add_cohort(parser)
    parser.add_argument(
        "--chapter", action="append", metavar="ID", help="only this chapter (may be repeated)"
    )
    parser.add_argument(
        "--cores",
        type=_positive,
        metavar="N",
        help="processes at once (all cores of this machine; with a profile as it says)",
    )
    parser.add_argument("--profile", metavar="NAME", help="folder in profiles/, such as slurm")


def _add_serve(commands: "Commands") -> None:
    parser = _add(commands, "serve", _serve, "serve the book on this machine alone")
    _add_cohort(parser)
    parser.add_argument("--port", type=_port, default=8000, metavar="N")


def _add_simulate(commands: "Commands") -> None:
    text = "write a cohort with planted answers in the formats Cell Ranger writes"
    parser = _add(commands, "simulate", _simulate, text)
    parser.add_argument("profile", choices=("demo", "null", "paper"), metavar="PROFILE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--cells", type=_positive, metavar="N", help="cells in the whole cohort")
    parser.add_argument("--seed", type=_natural, default=0, metavar="S")
    parser.add_argument("--difficulty", choices=("easy", "standard", "hard"), default="standard")


def _add_compare(commands: "Commands") -> None:
    parser = _add(commands, "compare", _compare, "what differs between results")
    parser.add_argument("folders", type=Path, nargs="+", metavar="RESULTS")


def _add_fetch(commands: "Commands") -> None:
    text = "download gene sets listed in params/reference/sources.yml; their content is checked"
    parser = _add(commands, "fetch", _fetch, text)
    parser.add_argument("names", nargs="+", metavar="NAME")


def _positive(text: str) -> int:
    return _whole(text, 1, None)


def _natural(text: str) -> int:
    return _whole(text, 0, None)


def _port(text: str) -> int:
    return _whole(text, 0, 65_535)


def _whole(text: str, lowest: int, highest: int | None) -> int:
    """A whole number of a range, or a message for the user."""
    number = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else None
    if number is None or number < lowest or (highest is not None and number > highest):
        up_to = f" to {highest}" if highest is not None else " or more"
        msg = f"{text!r} is not a whole number, {lowest}{up_to}"
        raise argparse.ArgumentTypeError(msg)
    return number


def _new(options: argparse.Namespace) -> int:
    from helpers.report.template import write_template

    for path in write_template(options.folder):
        print(path)
    return EXIT_OK


def _report_defects(defects: list[Defect]) -> None:
    for defect in defects:
        mark = "" if defect.severity == "error" else "warning: "
        print(f"{mark}{defect}")


def _check(options: argparse.Namespace) -> int:
    from helpers.report.check import check_cohort

    _, defects = check_cohort(options.cohort, options.results)
    _report_defects(defects)
    errors = sum(defect.severity == "error" for defect in defects)
    if errors:
        print(f"{errors} defect{'s' * (errors != 1)} in {options.cohort}", file=sys.stderr)
        return EXIT_DEFECTS
    print(f"{options.cohort}: nothing wrong")
    return EXIT_OK


def _build(options: argparse.Namespace) -> int:
    from helpers.report.build import build_cohort

    plan = _checked(options, chapters=options.chapter or [])
    outcome = build_cohort(
        plan,
        chapters=options.chapter,
        cores=options.cores,
        profile=options.profile,
        say=lambda line: print(line, flush=True),
    )
    for chapter, reason in outcome.skipped.items():
        print(f"skipped: {chapter}: {reason}")
    for name, reason in outcome.failed.items():
        print(f"failed: {name}: {reason}", file=sys.stderr)
    print(outcome.page)
    return EXIT_FAILED if outcome.failed else EXIT_OK


def _checked(options: argparse.Namespace, *, chapters: Sequence[str] = ()) -> "Plan":
    """The plan of a cohort without defects, or an error with every defect."""
    from helpers.report.check import check_cohort
    from helpers.report.plan import make_plan

    reading, defects = check_cohort(options.cohort, options.results)
    defects = [*_chapter_defects(chapters, reading.file), *defects]
    if any(defect.severity == "error" for defect in defects) or reading.cohort is None:
        raise CohortError(defects)
    _report_defects(defects)
    folder = options.results.absolute() / reading.cohort.file.name
    folder.mkdir(parents=True, exist_ok=True)
    return make_plan(reading.cohort, folder)


def _chapter_defects(chapters: Sequence[str], file: "CohortFile | None") -> Iterator[Defect]:
    """Chapters asked for that do not exist, or that the cohort leaves out."""
    from helpers.params import CHAPTER_PARAMS, nearest

    known = (file.chapters if file else None) or tuple(CHAPTER_PARAMS)
    for chapter in chapters:
        if chapter in CHAPTER_PARAMS and chapter not in known:
            what, remedy = f"the cohort leaves out {chapter!r}", "add it under chapters"
            yield Defect("--chapter", what, f"one of {', '.join(known)}", remedy)
        elif chapter not in known:
            close = nearest(chapter, known)
            remedy = f"did you mean {close!r}?" if close else "name one of these"
            what = f"unknown chapter {chapter!r}"
            yield Defect("--chapter", what, f"one of {', '.join(known)}", remedy)


def _status(options: argparse.Namespace) -> int:
    from helpers.report.status import chapter_states

    states = chapter_states(_checked(options))
    width = max(len(chapter) for chapter, _, _ in states)
    for chapter, state, reason in states:
        print(f"{chapter:<{width}}  {state:<9}  {reason}".rstrip())
    return EXIT_FAILED if any(state == "failed" for _, state, _ in states) else EXIT_OK


def _serve(options: argparse.Namespace) -> int:
    from helpers.report.serve import open_server

    html = _checked(options).folder / "book" / "html"
    if not (html / "index.html").exists():
        msg = f"{html} holds no book yet; run relapse-book build first"
        raise BookError(msg)
    try:
        opened = open_server(html, options.port)
    except OSError as error:
        msg = f"port {options.port}: {error.strerror}; choose another with --port"
        raise BookError(msg) from error
    with opened as server:
        print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    return EXIT_OK


def _simulate(options: argparse.Namespace) -> int:
    from helpers.report.simulate import simulate_cohort

    made = simulate_cohort(
        options.profile,
        options.out,
        n_cells=options.cells,
        seed=options.seed,
        difficulty=options.difficulty,
        say=lambda line: print(line, flush=True),
    )
    print(made)
    return EXIT_OK


def _compare(options: argparse.Namespace) -> int:
    from helpers.report.compare import compare_results

    table = compare_results(options.folders)
    print(table.to_string(index=False) if len(table) else "no difference")
    return EXIT_OK


def _fetch(options: argparse.Namespace) -> int:
    from helpers.io.gene_sets import fetch_gene_sets

    for name in options.names:
        print(fetch_gene_sets(name))
    return EXIT_OK


def _verify(options: argparse.Namespace) -> int:
    from helpers.report.verify import count_passports, verify_results

    plan = _checked(options)
    problems = verify_results(plan)
    for problem in problems:
        print(problem)
    print(f"{count_passports(plan.folder)} passports checked, {len(problems)} problems")
    return EXIT_FAILED if problems else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
