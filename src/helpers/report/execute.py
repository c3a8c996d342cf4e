"""Execute a chapter's notebook and take over its figures and tables."""

import ast
import json
import os
import shutil
from pathlib import Path

from helpers.errors import NotPossibleError, ParamsError
from helpers.io.atomic import replace_folder
from helpers.io.digest import hash_file
from helpers.io.tables import read_json, write_json
from helpers.params import CHAPTER_PARAMS, load_defaults, load_params
from helpers.project import NOTEBOOKS
from helpers.report.chapters import BY_ID
from helpers.report.jobs import Job
from helpers.report.page import WORK

OUTPUTS = ("figures", "tables")  # folders in which every chapter has one of its own
RUNNER_NAMES = ("chapter", "results")  # parameters every notebook takes besides its own


def execute_chapter(job: Job, folder: Path) -> tuple[str, str]:
    """Execute a chapter's notebook and take over what it made, if it ended well.

    The executed notebook is kept in any case; figures and tables only of a chapter that ended.
    """
    chapter = BY_ID[job.subject]
    notebook = NOTEBOOKS / f"{chapter.notebook}.ipynb"
    params = load_params(chapter.id, job.params).model_dump()
    check_parameters(notebook, chapter.id)
    work = folder / WORK / chapter.id
    shutil.rmtree(work, ignore_errors=True)
    for name in OUTPUTS:
        (work / name).mkdir(parents=True)
    (folder / "chapters").mkdir(exist_ok=True)
    executed = work / "executed.ipynb"
    status, reason = _execute(
        notebook, executed, {"chapter": chapter.id, "results": ".."} | params, folder
    )
    if executed.exists():
        executed.replace(folder / "chapters" / f"{chapter.id}.ipynb")
    remove_outputs(folder, chapter.id)
    if status == "done":
        for name in OUTPUTS:
            (folder / name).mkdir(exist_ok=True)
            replace_folder(work / name, folder / name / chapter.id)
        _seal_passports(job, folder)
    if (work / "claims.csv").exists():
        (work / "claims.csv").replace(folder / "claims.csv")
    shutil.rmtree(work)
    return status, reason


def remove_outputs(folder: Path, chapter: str) -> None:
    """Remove the figures and tables of a chapter."""
    for name in OUTPUTS:
        shutil.rmtree(folder / name / chapter, ignore_errors=True)


def _execute(
    notebook: Path, executed: Path, parameters: dict[str, object], folder: Path
) -> tuple[str, str]:
    """Run a notebook; how it ended and, if not well, the sentence why."""
    os.environ |= {
        "MPLBACKEND": "agg",
        "PYTHONHASHSEED": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    try:
        papermill.execute_notebook(
            notebook,
            executed,
            parameters,
            kernel_name="python3",
            cwd=folder / "chapters",
            progress_bar=False,
            request_save_on_cell_execute=False,
            shutdown_kernel="immediate",  # nothing is left to do: do not wait for it to leave
        )
    except PapermillExecutionError as error:
        if error.ename == NotPossibleError.__name__:
            return "skipped", str(error.evalue)
        return "failed", f"cell {error.exec_count}: {error.ename}: {error.evalue}"
    except DeadKernelError:
        return "failed", "the notebook's process died; most often memory ran out"
    return "done", ""


def check_parameters(notebook: Path, chapter: str) -> None:
    """Refuse to run unless notebook, defaults and model name the same parameters.

    Raises
    ------
    ParamsError
        Naming what one has and another lacks.
    """
    in_notebook = set(_parameter_names(notebook)) - set(RUNNER_NAMES)
    names = {
        f"notebooks/{notebook.name}": in_notebook,
        f"params/defaults/{chapter}.yml": set(load_defaults(chapter)),
        f"the model of {chapter}": set(CHAPTER_PARAMS[chapter].model_fields),
    }
    everything = set().union(*names.values())
    lacking = [
        f"{where} lacks {', '.join(sorted(everything - found))}"
        for where, found in names.items()
        if everything - found
    ]
    if lacking:
        raise ParamsError("; ".join(lacking))


def _parameter_names(notebook: Path) -> list[str]:
    """Names assigned in the cell tagged ``parameters``."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            tree = ast.parse("".join(cell["source"]))
            return [
                target.id
                for node in tree.body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            ]
    msg = f"{notebook} has no cell tagged parameters"
    raise ParamsError(msg)


def _seal_passports(job: Job, folder: Path) -> None:
    """Complete each panel's passport with what it was made from and what came out."""
    figures, tables = folder / "figures" / job.subject, folder / "tables" / job.subject
    inputs = {name: hash_file(folder / name) for name in job.inputs if (folder / name).is_file()}
    inputs |= {role: digest for role, (_, digest) in job.data.items()}
    for path in sorted(figures.glob("*.json")):
        images = {
            f"{path.stem}.{s}": hash_file(figures / f"{path.stem}.{s}")
            for s in ("svg", "png", "csv")
        }
        more = {
            "parameters": job.params,
            "inputs": inputs,
            "tables": {table.name: hash_file(table) for table in sorted(tables.glob("*.csv"))},
            "images": images,
            "versions": job.versions,
            "seed": job.params.get("seed"),
            "simulated": job.design["simulated"],
            "status": "done",
        }
        write_json(read_json(path) | more, path)
