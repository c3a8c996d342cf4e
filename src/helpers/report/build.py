"""Bring a cohort's results up to date: plan, run what is stale, record, and say how it went."""

import fcntl
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from helpers.errors import BookError
from helpers.io.atomic import remove_leftovers
from helpers.io.tables import read_json, write_json
from helpers.project import PROFILES, ROOT
from helpers.report.execute import remove_outputs
from helpers.report.jobs import Job
from helpers.report.plan import BOOK_PAGE, Plan, stale_reasons, write_plan

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 10.0  # that jobs have to leave after they were asked to
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a build ended."""

    page: Path
    failed: dict[str, str]
    """Job -> reason."""
    skipped: dict[str, str]
    """Chapter -> reason."""
    n_run: int


def build_cohort(
    plan: Plan,
    *,
    chapters: list[str] | None = None,
    cores: int | None = None,
    profile: str | None = None,
    say: Say = lambda _: None,
) -> Outcome:
    """Run every job of a plan that is out of date, and the book.

    Parameters
    ----------
    chapters
        Build only these, with what they need; the book then shows the others as they stand.
    cores
        Processes at once; None takes all cores of this machine or, with a profile, what it says.
    profile
        Name of a folder in ``profiles/``, such as ``slurm``.
    say
        Takes a line of progress.

    Raises
    ------
    BookError
        If another build of this cohort is running, the profile does not exist, or the scheduler
        fails.
    """
    folder = plan.folder
    placement = _placement(cores, profile)
    (folder / "jobs").mkdir(parents=True, exist_ok=True)
    with _only_build(folder):
        remove_leftovers(folder)
        _forget_failures(plan)
        reasons = stale_reasons(plan)
        wanted = _wanted(plan, chapters)
        stale = {name: why for name, why in reasons.items() if name in wanted}
        for name, why in stale.items():
            say(f"to run: {name} ({why})")
        write_plan(plan)
        if not stale:
            say("everything is up to date")
        else:
            targets = [output for name in wanted for output in plan.job(name).outputs]
            _run_jobs(folder, targets, placement, len(stale), say)
        failed = _failed_jobs(plan, wanted)
        if failed or (stale and "book" not in wanted):
            _build_anyway(plan, failed, say)
        _write_record(plan)
    return Outcome(folder / BOOK_PAGE, failed, skipped_chapters(plan), len(stale))


def _wanted(plan: Plan, chapters: list[str] | None) -> list[str]:
    """Jobs that lead to the chapters asked for; all jobs if none were named."""
    if chapters is None:
        return [job.name for job in plan.jobs]
    made_by = {output: job.name for job in plan.jobs for output in job.outputs}
    needed: set[str] = set()
    waiting = [f"chapter/{chapter}" for chapter in chapters if chapter not in plan.skipped]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [made_by[i] for i in plan.job(name).inputs if i in made_by]
    return [job.name for job in plan.jobs if job.name in needed]


def _forget_failures(plan: Plan) -> None:
    """A chapter that failed is tried again: its status goes."""
    for job in plan.chapters():
        status = plan.folder / job.outputs[0]
        if status.exists() and read_json(status)["status"] == "failed":
            status.unlink()


@contextmanager
def _only_build(folder: Path) -> Iterator[None]:
    """Hold the cohort's lock; jobs a killed build left behind are ended first.

    The lock passes to child processes, so that it is free only when all of them are gone.
    """
    path = folder / "jobs" / "lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        if not _try_lock(handle):
            _end_orphans(path)
            if not _try_lock(handle, patience=5):
                msg = f"another build of {folder.name} is running (its lock: {path}); wait for it"
                raise BookError(msg)
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"pid": os.getpid()}).encode(), 0)
        os.set_inheritable(handle, True)  # noqa: FBT003
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int, patience: float = 0.0) -> bool:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True


def _end_orphans(path: Path) -> None:
    """End the jobs of a build that died: their group lives, the build itself does not."""
    try:
        record = json.loads(path.read_text())
        os.kill(record["pid"], 0)
    except ProcessLookupError:
        if "group" in record:
            _signal_group(record["group"], signal.SIGKILL)
    except (ValueError, KeyError, PermissionError):
        return


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _run_jobs(
    folder: Path, targets: list[str], placement: list[str], n_stale: int, say: Say
) -> None:
    """Let Snakemake make the targets, in a process group of its own, and tell what happens."""
    events = folder / "jobs" / "events.jsonl"
    events.write_text("")
    process = _start_snakemake(folder, targets, placement)
    lock = folder / "jobs" / "lock"
    lock.write_text(json.dumps({"pid": os.getpid(), "group": process.pid}))
    progress = Progress(events, n_stale, say)
    try:
        while process.poll() is None:
            progress.tell()
            time.sleep(POLL_SECONDS)
    except BaseException:
        _stop(process)
        raise
    progress.tell()
    if process.returncode != 0 and not progress.saw_failure:
        log = (folder / "logs" / "snakemake.log").read_text(encoding="utf-8", errors="replace")
        end = "\n".join(log.strip().splitlines()[-12:])
        msg = f"the scheduler stopped; {folder / 'logs' / 'snakemake.log'} ends with:\n{end}"
        raise BookError(msg)


def _placement(cores: int | None, profile: str | None) -> list[str]:
    """Snakemake's options on where jobs run and how many at once."""
    if profile is None:
        return ["--cores", str(cores or os.cpu_count() or 1)]
    folder = PROFILES / profile
    known = sorted(path.parent.name for path in PROFILES.glob("*/config.yaml"))
    if profile not in known:
        msg = f"there is no profile {profile!r} in {PROFILES}; there are {', '.join(known)}"
        raise BookError(msg)
    options = ["--profile", str(folder)]
    if cores is not None:
        return [*options, "--cores", str(cores)]
    # Snakemake wants a number of cores for jobs that run here, also where a profile sends them away.
    settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    return options if "jobs" in settings else [*options, "--cores", "all"]


def _start_snakemake(
    folder: Path, targets: list[str], placement: list[str]
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "snakemake", *targets, *placement]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    # Jobs rename their outputs into place: what is there is whole, also after a stop.
    command += ["--keep-going", "--nolock", "--keep-incomplete", "--ignore-incomplete"]
    command += ["--rerun-triggers", "mtime", "--config", f"python={shlex.quote(sys.executable)}"]
    (folder / "logs").mkdir(exist_ok=True)
    with (folder / "logs" / "snakemake.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            close_fds=False,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process group: politely first, so that jobs take away what is half-written."""
    _signal_group(process.pid, signal.SIGTERM)
    until = time.monotonic() + PATIENCE_SECONDS
    try:
        while _lives(process) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
    finally:  # also where the user has no patience left
        _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _lives(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process or any other of its group is still there."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


class Progress:
    """Reads the events jobs append and turns them into lines for the user."""

    def __init__(self, events: Path, n_jobs: int, say: Say) -> None:
        self._events = events
        self._position = 0
        self._n_jobs = n_jobs
        self._n_ended = 0
        self._say = say
        self.saw_failure = False

    def tell(self) -> None:
        """Say what happened since the last call."""
        with self._events.open("rb") as stream:
            stream.seek(self._position)
            data = stream.read()
        complete = data[: data.rfind(b"\n") + 1]
        self._position += len(complete)
        for line in complete.splitlines():
            self._tell_one(json.loads(line))

    def _tell_one(self, event: dict[str, object]) -> None:
        if event["event"] == "start":
            self._say(f"[{self._n_ended}/{self._n_jobs}] {event['job']} ...")
            return
        self._n_ended += 1
        self.saw_failure |= event["event"] == "failed"
        reason = f": {event['reason']}" if event["reason"] else ""
        line = f"[{self._n_ended}/{self._n_jobs}] {event['job']} {event['event']}"
        self._say(f"{line} ({event['seconds']} s){reason}")


def _failed_jobs(plan: Plan, names: list[str]) -> dict[str, str]:
    """Jobs among ``names`` that failed, or could not run because another failed."""
    failed: dict[str, str] = {}
    made_by = {output: job.name for job in plan.jobs for output in job.outputs}
    for name in names:
        job = plan.job(name)
        reason = _failure(job, plan.folder)
        blocked = [made_by[i] for i in job.inputs if made_by.get(i, "").split("/")[0] != "chapter"]
        blocking = [other for other in blocked if other in failed]
        if reason:
            failed[name] = reason
        elif blocking and job.kind != "book":
            failed[name] = f"needs {blocking[0]}, which failed"
    return failed


def _failure(job: Job, folder: Path) -> str:
    if job.kind == "chapter":
        status = folder / job.outputs[0]
        if status.exists():
            record = read_json(status)
            return str(record["reason"]) if record["status"] == "failed" else ""
        return ""
    record_path = folder / "records" / f"{job.name.replace('/', '.')}.json"
    made = all((folder / output).exists() for output in job.outputs)
    if made or not record_path.exists():
        return ""
    record = read_json(record_path)
    return str(record["reason"]) if record["status"] == "failed" else ""


def _build_anyway(plan: Plan, failed: dict[str, str], say: Say) -> None:
    """Claims and book from what there is, so that a failure is shown and not hidden."""
    for name, reason in failed.items():
        job = plan.job(name)
        if job.kind == "chapter":
            # What an earlier run of the chapter left would pass for the result of this one.
            remove_outputs(plan.folder, job.subject)
            record = {"job": name, "status": "failed", "reason": reason, "chapter": job.subject}
            write_json(record | {"figures": [], "tables": []}, plan.folder / job.outputs[0])
    for name in ("chapter/claims", "book"):
        if any(job.name == name for job in plan.jobs) and name not in failed:
            say(f"{name} from what there is")
            job = plan.job(name)
            if any((plan.folder / i).exists() for i in job.inputs):
                _run_directly(plan.folder, job)


def _run_directly(folder: Path, job: Job) -> None:
    command = [sys.executable, "-m", "helpers.report.runner", job.spec]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode != 0:
        reason = read_json(folder / "records" / f"{job.name.replace('/', '.')}.json")["reason"]
        msg = f"{job.name} failed: {reason}"
        raise BookError(msg)


def skipped_chapters(plan: Plan) -> dict[str, str]:
    """Chapters the cohort cannot have, known beforehand or found while running."""
    found = dict(plan.skipped)
    for job in plan.chapters():
        status = plan.folder / job.outputs[0]
        if status.exists() and (record := read_json(status))["status"] == "skipped":
            found[job.subject] = str(record["reason"])
    return found


def _write_record(plan: Plan) -> None:
    """``run.json``: what ran where, with which parameters, inputs and versions, at what cost."""
    jobs = {}
    for job in plan.jobs:
        path = plan.folder / "records" / f"{job.name.replace('/', '.')}.json"
        cost = read_json(path) if path.exists() else {}
        jobs[job.name] = cost | {"parameters": job.params, "data": job.data, "code": job.code}
    versions = {name: v for job in plan.jobs for name, v in job.versions.items()}
    record = {
        "cohort": plan.cohort.file.name,
        "simulated": plan.cohort.file.simulated,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": dict(sorted(versions.items())),
        "skipped": skipped_chapters(plan),
        "jobs": jobs,
    }
    write_json(record, plan.folder / "run.json")
