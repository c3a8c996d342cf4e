"""Run one job from its description: a stage, a chapter's notebook, or the book."""

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType

from helpers.errors import BookError, NotPossibleError
from helpers.io.atomic import write_text
from helpers.io.tables import dump_json, read_json, write_json
from helpers.report.jobs import STAGES, Job, read_job
from helpers.stages.task import Task

NOT_POSSIBLE = "not_possible"
# Read by numerical libraries when they start, so set for the processes of a job.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the job whose description is given; the current folder is the results folder."""
    (spec,) = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _leave)
    return run_job(Path(spec), Path.cwd())


def _leave(number: int, _frame: FrameType | None) -> None:
    """End as an exception does, so that what is half-written is taken away."""
    raise SystemExit(128 + number)


def run_job(spec: Path, folder: Path) -> int:
    """Run a job, note how it went in ``records/`` and say so in ``jobs/events.jsonl``.

    Returns
    -------
    0 if the job is done, was skipped, or is a chapter that failed and says so on its page; 1 if
    a stage failed.
    """
    job = read_job(folder / spec)
    for name in THREAD_VARIABLES:
        os.environ[name] = str(job.threads)
    announce(folder, job.name, "start")
    began = time.monotonic()
    outcome, reason = "done", ""
    try:
        hindered = _hindrance(job, folder)
        if hindered:
            raise NotPossibleError(hindered)
        outcome, reason = _run(job, folder)
    except NotPossibleError as error:
        outcome, reason = "skipped", str(error)
        _write_hindrance(job, folder, reason)
    except BookError as error:
        outcome, reason = "failed", str(error)
    except Exception as error:  # noqa: BLE001  any error of a job is reported, with its trace kept
        outcome, reason = "failed", f"{type(error).__name__}: {error}"
        write_text(folder / job.log, traceback.format_exc())
    record = {"job": job.name, "status": outcome, "reason": reason} | _costs(began)
    write_json(record, folder / "records" / f"{job.name.replace('/', '.')}.json")
    announce(folder, job.name, outcome, {"seconds": record["seconds"], "reason": reason})
    if job.kind == "chapter":
        _write_status(job, folder, record)
        return 0
    return 1 if outcome == "failed" else 0


def announce(folder: Path, name: str, event: str, details: dict[str, object] | None = None) -> None:
    """Append one line to the build's list of events; short appends are atomic."""
    line = json.dumps({"job": name, "event": event} | (details or {}), ensure_ascii=False)
    with (folder / "jobs" / "events.jsonl").open("a", encoding="utf-8") as events:
        events.write(line + "\n")


def _costs(began: float) -> dict[str, object]:
    """Wall time and the largest memory of this process or of one it waited for."""
    peaks = [
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds": round(time.monotonic() - began, 2),
        "peak_mb": round(max(peaks) * unit / 1e6, 1),
    }


def _hindrance(job: Job, folder: Path) -> str:
    """Why an earlier job could not be done, if one of the inputs says so."""
    for name in job.inputs:
        path = folder / name
        if name in job.optional:
            continue
        if path.suffix != ".json" and path.is_file() and path.stat().st_size < 10_000:
            start = path.read_bytes()
            if start.startswith(b'{\n "' + NOT_POSSIBLE.encode()):
                return str(read_json(path)[NOT_POSSIBLE])
    return ""


def _write_hindrance(job: Job, folder: Path, reason: str) -> None:
    """Leave the reason in place of a stage's outputs, for the jobs that would read them."""
    if job.kind != "chapter":
        for output in job.outputs:
            write_text(folder / output, dump_json({NOT_POSSIBLE: reason}))


def _run(job: Job, folder: Path) -> tuple[str, str]:
    runners: dict[str, Callable[[Job, Path], tuple[str, str]]] = {
        "chapter": _run_chapter,
        "book": _run_book,
    }
    return runners.get(job.kind, _run_stage)(job, folder)


def _run_chapter(job: Job, folder: Path) -> tuple[str, str]:
    from helpers.report.execute import execute_chapter

    return execute_chapter(job, folder)


def _run_book(job: Job, folder: Path) -> tuple[str, str]:
    from helpers.report.book import build_book

    build_book(job, folder)
    return "done", ""


def _run_stage(job: Job, folder: Path) -> tuple[str, str]:
    module, name = STAGES[job.kind]
    task = Task(
        inputs=tuple(folder / path for path in job.inputs),
        outputs=tuple(folder / path for path in job.outputs),
        params=job.params,
        design=job.design,
        data={role: Path(path) for role, (path, _) in job.data.items()},
    )
    getattr(import_module(module), name)(task)
    return "done", ""


def _write_status(job: Job, folder: Path, record: dict[str, object]) -> None:
    """How a chapter ended, with the figures and tables it has."""
    found = {
        name: sorted(path.name for path in (folder / name / job.subject).glob("*"))
        for name in ("figures", "tables")
    }
    write_json(record | found | {"chapter": job.subject}, folder / job.outputs[0])


if __name__ == "__main__":
    sys.exit(main())
