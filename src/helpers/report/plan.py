"""What has to be computed for a cohort, from what, and whether it still stands."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from helpers.io.digest import DigestCache, hash_file
from helpers.io.tables import dump_json, read_json, write_json_if_changed
from helpers.params import Params, ScoreParams, gene_set_files, load_params, marker_file
from helpers.project import BOOK, NOTEBOOKS, PARAMS
from helpers.report.chapters import (
    CHAPTERS,
    CNV_OBJECTS,
    DISCOVERY_OBJECTS,
    EXPRESSION_TABLES,
    MOTIF_KEYS,
    REGULON_OBJECTS,
    RESISTANCE_TABLES,
    SIGNATURE_OBJECTS,
    SUBCLUSTER_KEYS,
    Chapter,
    skip_reason,
    with_params,
)
from helpers.report.jobs import Job
from helpers.report.modules import notebook_digest, notebook_imports
from helpers.report.pipeline import (
    atac_jobs,
    atac_sample_jobs,
    cnv_job,
    code_of,
    discovery_job,
    expression_job,
    motif_jobs,
    regulons_job,
    resistance_job,
    rna_jobs,
    sample_row,
    signatures_job,
    subcluster_job,
)
from helpers.schema import TIME, Cohort

BOOK_PAGE = "book/html/index.html"
CLAIMS = PARAMS / "claims.yml"
# How the tables of a sample's barcodes end, by the column of the sheet they come from.
BARCODE_TABLES = {"rna": ".rna.csv", "fragments": ".atac.csv"}
CHAPTER_RUNNER = ("helpers.report.execute", "execute_chapter")


@dataclass(frozen=True)
class Plan:
    """All jobs of a cohort and the chapters it cannot have."""

    cohort: Cohort
    folder: Path
    jobs: tuple[Job, ...]
    skipped: dict[str, str]
    """Chapter -> why."""

    def job(self, name: str) -> Job:
        return next(job for job in self.jobs if job.name == name)

    def chapter_ids(self) -> list[str]:
        return [job.subject for job in self.chapters()]

    def chapters(self) -> list[Job]:
        return [job for job in self.jobs if job.kind == "chapter"]


def make_plan(cohort: Cohort, folder: Path) -> Plan:
    """Jobs of a cohort whose results lie in ``folder``.

    Nothing is written but the cache of digests of large inputs.
    """
    digests = DigestCache(folder / "jobs" / "digests.json")
    params = {c.id: load_params(c.id, cohort.file.overrides.get(c.id)) for c in CHAPTERS}
    wanted = [
        with_params(c, params[c.id])
        for c in CHAPTERS
        if cohort.file.chapters is None or c.id in cohort.file.chapters
    ]
    skipped = {c.id: reason for c in wanted if (reason := skip_reason(c, cohort))}
    running = [c for c in wanted if c.id not in skipped]
    jobs = _stage_jobs(running, cohort, params, digests)
    chapters = [
        _chapter_job(chapter, cohort, params[chapter.id], jobs, digests)
        for chapter in running
        if chapter.id != "claims"
    ]
    done = tuple(output for job in chapters for output in job.outputs)
    if any(chapter.id == "claims" for chapter in running):
        claims = next(chapter for chapter in running if chapter.id == "claims")
        job = _chapter_job(claims, cohort, params["claims"], [], digests, extra=done)
        chapters.append(_with_design(job, {"skipped": skipped}))
    jobs += chapters
    jobs.append(_book_job(cohort, chapters, skipped))
    digests.save()
    return Plan(cohort, folder, tuple(jobs), skipped)


def _stage_jobs(
    running: list[Chapter], cohort: Cohort, params: dict[str, Params], digests: DigestCache
) -> list[Job]:
    """What has to be computed before the chapters, in the order of use."""
    ids = [chapter.id for chapter in running]
    needed = {name for chapter in running for name in (*chapter.needs, *chapter.objects)}
    jobs = _cell_jobs(running, needed, cohort, params, digests)
    if with_motifs := [name for name in ids if name in MOTIF_KEYS]:
        jobs += motif_jobs(with_motifs, cohort, params, digests)
    if needed.intersection(EXPRESSION_TABLES):
        jobs.append(expression_job(cohort, params))
    jobs += [subcluster_job(name, cohort, params) for name in ids if name in SUBCLUSTER_KEYS]
    if needed.intersection(CNV_OBJECTS):
        jobs.append(cnv_job(cohort, params))
    if needed.intersection(SIGNATURE_OBJECTS):
        jobs.append(signatures_job(cohort, params, digests))
    if needed.intersection(RESISTANCE_TABLES):
        jobs.append(resistance_job(cohort, params))
    if needed.intersection(DISCOVERY_OBJECTS):
        jobs.append(discovery_job(cohort, params, digests))
    if needed.intersection(REGULON_OBJECTS):
        # Last: it takes the motifs of peaks where a job makes them.
        jobs.append(regulons_job(cohort, params, jobs, digests))
    return jobs


def _cell_jobs(
    running: list[Chapter],
    needed: set[str],
    cohort: Cohort,
    params: dict[str, Params],
    digests: DigestCache,
) -> list[Job]:
    """Cells and nuclei of the samples, and one map of each."""
    has_rna = any(sample.rna for sample in cohort.samples)
    jobs: list[Job] = []
    if "rna" in needed or ("fragments" in needed and has_rna):
        jobs += rna_jobs(cohort, params, digests)
    if "fragments" in needed:
        jobs += atac_jobs(cohort, params, digests)
    elif "fragments" in _columns_shown(running, cohort):
        # A chapter says the same of nuclei whichever chapters are built beside it.
        jobs += atac_sample_jobs(cohort, params, digests)
    return jobs


def _columns_shown(running: list[Chapter], cohort: Cohort) -> set[str]:
    """Columns of the sample sheet that chapters also show, where the cohort has what that takes."""
    return {
        name
        for chapter in running
        for name in chapter.also
        if not skip_reason(replace(chapter, needs=(name,)), cohort)
    }


def _design(cohort: Cohort, *, times: bool = False) -> dict[str, object]:
    """What every chapter may say of the cohort; days of the samples only if it asks for them."""
    samples = [
        sample_row(s)
        | {"key": s.key, "rna": s.rna is not None, "fragments": s.fragments is not None}
        | ({TIME: s.time_days} if times and s.time_days is not None else {})
        for s in cohort.samples
    ]
    return {
        "name": cohort.file.name,
        "title": cohort.file.title,
        "assembly": cohort.file.assembly,
        "simulated": cohort.file.simulated,
        "groups": cohort.file.groups,
        "contrasts": [c.model_dump() for c in cohort.file.planned_contrasts()],
        "samples": samples,
        "tables": {role: Path(name).name for role, name in cohort.file.tables().items()},
        "scale": cohort.file.bulk.scale if cohort.file.bulk else "",
    }


def _chapter_job(
    chapter: Chapter,
    cohort: Cohort,
    params: Params,
    stages: list[Job],
    digests: DigestCache,
    *,
    extra: tuple[str, ...] = (),
) -> Job:
    notebook = NOTEBOOKS / f"{chapter.notebook}.ipynb"
    made = [output for job in stages for output in job.outputs]
    optional = (
        *_barcode_tables(made, chapter.also),
        *(name for name in chapter.optional if name in made),
    )
    data = {"claims": [str(CLAIMS), hash_file(CLAIMS)]}
    for role in chapter.tables:
        path = cohort.table(role)
        data[role] = [str(path), digests.hash(path)]
    for name in chapter.truth if cohort.file.simulated else ():
        truth = cohort.path.parent / "truth" / f"{name}.csv"
        if truth.is_file():
            data[f"truth_{name}"] = [str(truth), digests.hash(truth)]
    for path in gene_set_files(getattr(params, "gene_sets", [])):
        data[path.name] = [str(path), hash_file(path)]
    if isinstance(params, ScoreParams):
        registry = marker_file(params.registry)
        data["registry"] = [str(registry), hash_file(registry)]
    return Job(
        name=f"chapter/{chapter.id}",
        inputs=(
            *_barcode_tables(made, chapter.needs),
            *chapter.objects,
            *optional,
            *extra,
        ),
        optional=optional,
        outputs=(f"chapters/{chapter.id}.json",),
        params=params.model_dump(),
        design=_design(cohort, times=chapter.times),
        data=data,
        **code_of(
            *notebook_imports(notebook),
            CHAPTER_RUNNER,
            more={notebook.name: notebook_digest(notebook)},
        ),
    )


def _barcode_tables(made: list[str], measured: tuple[str, ...]) -> tuple[str, ...]:
    ends = tuple(BARCODE_TABLES[name] for name in measured)
    return tuple(name for name in made if name.endswith(ends))


def _with_design(job: Job, more: dict[str, object]) -> Job:
    return Job(**(asdict(job) | {"design": job.design | more}))


def _book_job(cohort: Cohort, chapters: list[Job], skipped: dict[str, str]) -> Job:
    """The book depends on every chapter, on its own sources and on the code that builds it."""
    sources = {
        str(path.relative_to(BOOK)): hash_file(path)[:16]
        for path in sorted(BOOK.rglob("*"))
        if path.is_file()
    }
    return Job(
        name="book",
        inputs=tuple(output for job in chapters for output in job.outputs),
        outputs=(BOOK_PAGE,),
        design=_design(cohort) | {"skipped": skipped},
        **code_of(("helpers.report.book", "build_book"), more=sources),
    )


def write_plan(plan: Plan) -> None:
    """Write every job's description where it changed, so that its time tells when."""
    for job in plan.jobs:
        write_json_if_changed(asdict(job), plan.folder / job.spec)
    read = ("name", "spec", "inputs", "outputs", "threads")  # by the Snakefile and the book
    jobs = [{name: getattr(job, name) for name in read} for job in plan.jobs]
    write_json_if_changed({"jobs": jobs}, plan.folder / "jobs" / "plan.json")


def stale_reasons(plan: Plan) -> dict[str, str]:
    """Why each job that must run must run, in the order of the plan."""
    reasons: dict[str, str] = {}
    made_by = {output: job.name for job in plan.jobs for output in job.outputs}
    for job in plan.jobs:
        reason = _own_reason(job, plan.folder)
        upstream = [made_by[i] for i in job.inputs if made_by.get(i) in reasons]
        if not reason and upstream:
            reason = f"{upstream[0]} is made anew"
        if reason:
            reasons[job.name] = reason
    return reasons


def _own_reason(job: Job, folder: Path) -> str:
    missing = [output for output in job.outputs if not (folder / output).exists()]
    spec = folder / job.spec
    if not spec.exists() or (missing and len(missing) == len(job.outputs)):
        return "not made yet"
    if missing:
        return f"{missing[0]} is gone"
    before = read_json(spec)
    now = dict(json.loads(dump_json(asdict(job))))
    changed = [key for key in now if now[key] != before.get(key)]
    if changed:
        return _describe_change(changed[0], before.get(changed[0]), now[changed[0]])
    made = min((folder / output).stat().st_mtime_ns for output in job.outputs)
    if spec.stat().st_mtime_ns > made:
        return "was begun and not finished"
    newer = [
        i for i in job.inputs if (folder / i).exists() and (folder / i).stat().st_mtime_ns > made
    ]
    return f"{newer[0]} is newer" if newer else ""


def _describe_change(key: str, before: object, now: object) -> str:
    """One sentence on what changed: the first differing entry of a part of the description."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return f"{key} changed"
    names = [name for name in (*now, *before) if before.get(name) != now.get(name)]
    name = names[0]
    old, new = before.get(name), now.get(name)
    words = {
        "params": f"parameter {name}: {old!r} → {new!r}",
        "code": f"{name} was edited",
        "data": f"input {name} changed",
        "versions": f"{name} {old} → {new}",
        "design": f"{name} of the cohort changed",
    }
    return words.get(key, f"{key} changed")
