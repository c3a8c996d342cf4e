"""Turn executed chapters into a book of static pages that opens from disk."""

import html
import json
import re
import shutil
import subprocess
import sys
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import yaml

from helpers.compute.claims import count_verdicts
from helpers.errors import BookError, DataError
from helpers.io.atomic import replace_folder, write_text
from helpers.io.tables import read_json, read_table
from helpers.project import BOOK
from helpers.report.chapters import BY_ID, CHAPTERS, Chapter
from helpers.report.jobs import Job, read_job

SIMULATED = (
    "Simulated data. No patient is in this cohort: cells were drawn by a program that planted the "
    "answers. Verdicts test the software, not biology."
)
THUMBNAIL_PX = 480
# What the groups are in the studies the book follows.
ROLE_MEANINGS = {
    "reference": "healthy controls",
    "responder": "remission",
    "non_responder": "non-remission",
    "parental": "parental line",
    "resistant": "resistant line",
}
NOTHING = "none named"  # what a text says of an empty parameter
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def build_book(job: Job, folder: Path) -> None:
    """Write ``book/html`` of a results folder from what its chapters left.

    Parameters
    ----------
    job
        The book's job; its design names the cohort, its groups and the chapters it lacks.
    folder
        Results of the cohort.

    Raises
    ------
    BookError
        If Jupyter Book fails, with the end of what it printed.
    """
    work = folder / "work" / "book"
    shutil.rmtree(work, ignore_errors=True)
    source = work / "source"
    shutil.copytree(BOOK, source, ignore=shutil.ignore_patterns("methods", "_build"))
    simulated = bool(job.design["simulated"])
    pages = [_write_page(chapter, job, folder, source) for chapter in CHAPTERS]
    _write_front(job, folder, source, [page for page in pages if page])
    _write_settings(job, source, simulated=simulated)
    _write_contents(source, [page for page in pages if page])
    _copy_results(folder, source / "_extra")
    _write_scripts(source / "_static")
    _run_jupyter_book(source, work / "out", folder / job.log)
    (folder / "book").mkdir(exist_ok=True)
    replace_folder(work / "out" / "_build" / "html", folder / "book" / "html")
    shutil.rmtree(work)


def chapter_status(chapter: str, job: Job, folder: Path) -> dict[str, object]:
    """How a chapter stands: done, skipped, failed or not built, with the reason."""
    skipped = dict(job.design["skipped"])  # type: ignore[call-overload]
    if chapter in skipped:
        return {"status": "skipped", "reason": skipped[chapter]}
    path = folder / "chapters" / f"{chapter}.json"
    if not path.exists():
        return {"status": "not built", "reason": "The chapter has not been built yet."}
    return read_json(path)


def _asked_for(chapter: str, job: Job) -> bool:
    listed = f"chapters/{chapter}.json" in job.inputs
    return listed or chapter in dict(job.design["skipped"])  # type: ignore[call-overload]


def _write_page(chapter: Chapter, job: Job, folder: Path, source: Path) -> str:
    """Write a chapter's page and return its name, or nothing if the cohort leaves it out."""
    if not _asked_for(chapter.id, job):
        return ""
    status = chapter_status(chapter.id, job, folder)
    target = source / "chapters"
    if status["status"] == "done":
        page = _page_of_notebook(chapter, job, folder)
        write_text(target / f"{chapter.id}.ipynb", json.dumps(page, indent=1))
    else:
        text = _page_without_result(chapter, status)
        write_text(target / f"{chapter.id}.md", text)
    return chapter.id


def _page_without_result(chapter: Chapter, status: dict[str, object]) -> str:
    reason = _as_text(str(status["reason"]))
    kind = str(status["status"])
    more = ""
    if kind == "failed":
        more = (
            f"\n\nThe executed notebook is kept for reading in `chapters/{chapter.id}.ipynb` of the "
            "results folder."
        )
    return (
        f"# {chapter.title}\n\n**{chapter.question}**\n\n"
        f":::{{admonition}} This chapter {'was ' if kind == 'skipped' else ''}{kind}\n"
        f":class: {'warning' if kind == 'failed' else 'note'}\n{reason}{more}\n:::\n"
    )


def _page_of_notebook(chapter: Chapter, job: Job, folder: Path) -> dict[str, object]:
    """The executed notebook with code folded, and methods and versions added."""
    notebook = read_json(folder / "chapters" / f"{chapter.id}.ipynb")
    cells = list(notebook["cells"])  # type: ignore[call-overload]
    kept = [_fold(cell) for cell in cells if not _hidden(cell)]
    kept[0] = with_title(kept[0], chapter.title)
    spec = read_job(folder / "jobs" / "chapter" / f"{chapter.id}.json")
    if job.design["simulated"]:
        kept.insert(
            1, _markdown(f'<div class="simulated">{html.escape(SIMULATED)}</div>', "simulated")
        )
    kept.append(_markdown(f"## Methods\n\n{methods_text(chapter.id, spec.params)}", "methods"))
    kept.append(_markdown(f"## Versions\n\n{_versions(spec, folder)}", "versions"))
    return {
        "cells": kept,
        "metadata": {"kernelspec": dict(notebook["metadata"])["kernelspec"]},  # type: ignore[call-overload]
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def with_title(cell: dict[str, object], title: str) -> dict[str, object]:
    """The first cell under the chapter's own title: several chapters may share a notebook."""
    text = "".join(cell["source"])  # type: ignore[arg-type]
    _, _, rest = text.partition("\n")
    return cell | {"source": f"# {title}\n{rest}"}


def _hidden(cell: dict[str, object]) -> bool:
    tags = dict(cell["metadata"]).get("tags", [])  # type: ignore[call-overload]
    return bool({"parameters", "injected-parameters"} & set(tags))


def _fold(cell: dict[str, object]) -> dict[str, object]:
    """A cell as the reader gets it: code behind a button, no run-time metadata."""
    tags = ["hide-input"] if cell["cell_type"] == "code" else []
    return {**cell, "metadata": {"tags": tags}}


def _markdown(text: str, name: str) -> dict[str, object]:
    return {"cell_type": "markdown", "id": f"book-{name}", "metadata": {}, "source": text}


def methods_text(chapter: str, params: dict[str, object]) -> str:
    """Methods of a chapter in words, with the values used.

    Raises
    ------
    DataError
        If the text names a parameter the chapter does not have.
    """
    template = (BOOK / "methods" / f"{chapter}.md").read_text(encoding="utf-8")
    unknown = set(PLACEHOLDER.findall(template)) - set(params) - {"cite"}
    if unknown:
        msg = f"book/methods/{chapter}.md names unknown parameters: {', '.join(sorted(unknown))}"
        raise DataError(msg)
    return PLACEHOLDER.sub(lambda found: _as_text(_in_words(params[found[1]])), template)


def _in_words(value: object) -> str:
    """A parameter as a sentence takes it: lists with commas, what is empty by name."""
    if isinstance(value, list):
        return ", ".join(_in_words(item) for item in value) or NOTHING
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value) or NOTHING


def _versions(spec: Job, folder: Path) -> str:
    """Versions of every library the chapter or a job before it used."""
    jobs = list(read_json(folder / "jobs" / "plan.json")["jobs"])  # type: ignore[call-overload]
    made_by = {output: job for job in jobs for output in job["outputs"]}
    versions = dict(spec.versions)
    waiting = [name for name in spec.inputs if not name.startswith("chapters/")]
    while waiting:
        job = made_by.pop(waiting.pop(), None)
        if job is not None:
            versions |= read_job(folder / job["spec"]).versions
            waiting += job["inputs"]
    listed = ", ".join(f"{name} {versions[name]}" for name in sorted(versions, key=str.casefold))
    return f"Python {sys.version.split()[0]}; {listed}."


def _as_text(text: str) -> str:
    """Text a user typed as Markdown that shows it as it is."""
    plain = re.sub(r"([\\`*_{}\[\]()#+!|$~:.^@-])", r"\\\1", " ".join(text.split()))
    return html.escape(plain)  # last, lest the # of an entity be taken for Markdown


def _write_front(job: Job, folder: Path, source: Path, pages: list[str]) -> None:
    """The landing page: what this is, and a gallery of the chapters."""
    title = _as_text(str(job.design["title"]))
    notice = (
        f'<div class="simulated">{html.escape(SIMULATED)}</div>\n\n'
        if job.design["simulated"]
        else ""
    )
    cards = "\n".join(_card(BY_ID[page], job, folder, source) for page in pages)
    write_text(
        source / "index.md",
        f"# {title}\n\n{notice}"
        "Relapse and drug resistance in leukaemia, from single cells: every figure with its question, "
        "data, parameters and verdict.\n\n"
        f"{_sizes(job)}{_verdict_summary(folder)}\n\n"
        f'<div class="gallery">\n{cards}\n</div>\n\n'
        "Start with [how to read this book](reading.md).\n",
    )


def _sizes(job: Job) -> str:
    """How many samples each group has, or which tables a cohort without samples has."""
    samples = list(job.design["samples"])  # type: ignore[call-overload]
    groups = dict(job.design["groups"])  # type: ignore[call-overload]
    if not samples:
        names = dict(job.design["tables"]).values()  # type: ignore[call-overload]
        return f"No single cells; tables: {', '.join(_as_text(name) for name in names)}."
    listed = ", ".join(
        f"{_as_text(label)} ({_meaning(role)}n = {sum(s['group'] == label for s in samples)})"
        for role, label in groups.items()
    )
    return f"{len(samples)} samples; groups: {listed}."


def _meaning(role: str) -> str:
    """What a group in this role is, before its size; nothing of a role the claims do not know."""
    return f"{ROLE_MEANINGS[role]}, " if role in ROLE_MEANINGS else ""


def _verdict_summary(folder: Path) -> str:
    """How the claims of the sources fared, as a sentence; nothing before they were judged."""
    path = folder / "claims.csv"
    if not path.exists():
        return ""
    counts = count_verdicts(read_table(path))
    listed = ", ".join(f"{verdict} {n}" for verdict, n in counts.items() if n)
    # HTML, since Markdown finds a page by its source, which is a notebook or not as the chapter fared
    link = '<a href="chapters/claims.html">claims</a>'
    return f" Verdicts on {counts.sum()} {link} of the sources: {listed}."


def _card(chapter: Chapter, job: Job, folder: Path, source: Path) -> str:
    status = chapter_status(chapter.id, job, folder)
    image = _thumbnail(chapter.id, folder, source) if status["status"] == "done" else ""
    if image:
        shown = (
            f'<img src="{image}" alt="First panel of {html.escape(chapter.title)}" loading="lazy">'
        )
    else:
        shown = f'<span class="nothing">{html.escape(str(status["status"]))}</span>'
    return (
        f'<a href="chapters/{chapter.id}.html">{shown}<strong>{html.escape(chapter.title)}</strong>'
        f"<small>{html.escape(chapter.question)}</small>"
        f"<small>{html.escape(chapter.source)} · {html.escape(str(status['status']))}</small></a>"
    )


def _thumbnail(chapter: str, folder: Path, source: Path) -> str:
    """A small copy of a chapter's first panel; its address on the landing page."""
    from PIL import Image

    panels = sorted((folder / "figures" / chapter).glob("*.png"))
    if not panels:
        return ""
    target = source / "_extra" / "thumbnails" / f"{chapter}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(panels[0]) as image:
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        image.save(target)
    return f"thumbnails/{chapter}.png"


def _write_settings(job: Job, source: Path, *, simulated: bool) -> None:
    settings = yaml.safe_load((BOOK / "_config.yml").read_text(encoding="utf-8"))
    title = " ".join(str(job.design["title"]).split())
    settings["title"] = title
    options = settings["sphinx"]["config"]["html_theme_options"]
    # The theme escapes the title in the page's head, but not beside its logo.
    options["logo"] = {"text": html.escape(title)}
    if simulated:
        options["announcement"] = html.escape(SIMULATED)
    write_text(
        source / "_config.yml", yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    )


def _write_contents(source: Path, pages: list[str]) -> None:
    contents = {
        "format": "jb-book",
        "root": "index",
        "parts": [
            {"caption": "Chapters", "chapters": [{"file": f"chapters/{page}"} for page in pages]},
            {
                "caption": "About",
                "chapters": [{"file": name} for name in ("reading", "decisions", "references")],
            },
        ],
    }
    write_text(source / "_toc.yml", yaml.safe_dump(contents, sort_keys=False))


def _copy_results(folder: Path, extra: Path) -> None:
    """Figures and tables beside the pages, where their links point."""
    for name in ("figures", "tables"):
        if (folder / name).is_dir():
            shutil.copytree(folder / name, extra / name)
    if (folder / "claims.csv").exists():
        shutil.copy(folder / "claims.csv", extra / "claims.csv")


def _write_scripts(static: Path) -> None:
    """DataTables (from itables, as text in a script) and MathJax, so that pages need no network."""
    bundle = files("itables") / "html"
    text = json.dumps((bundle / "dt_bundle.js").read_text(encoding="utf-8"))
    glue = (static / "tables.js").read_text(encoding="utf-8")
    write_text(static / "tables.js", f"window.itablesBundle = {text};\n{glue}")
    shutil.copy(_mathjax(), static / "tex-svg-full.js")
    write_text(static / "itables.css", (bundle / "dt_bundle.css").read_text(encoding="utf-8"))


def _mathjax() -> Path:
    """MathJax in one file, as the package that carries it installed it."""
    listed = metadata.files("sphinx-mathjax-offline") or []
    found = next(path for path in listed if path.name == "tex-svg-full.js")
    return Path(str(found.locate()))


def _run_jupyter_book(source: Path, out: Path, log: Path) -> None:
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(source), "--path-output", str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    write_text(log, result.stdout + result.stderr)
    if result.returncode != 0 or not (out / "_build" / "html" / "index.html").exists():
        end = "\n".join((result.stdout + result.stderr).strip().splitlines()[-15:])
        msg = f"Jupyter Book could not build the pages; it ended with:\n{end}"
        raise BookError(msg)
