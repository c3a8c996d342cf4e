"""Files that are either whole or not there: write beside, then rename."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = re.compile(r"\.\d+\.(partial|old)\..+")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well.

    The temporary name keeps the suffix, which many writers look at. If the block raises,
    nothing is left behind and an earlier ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}.partial.{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, with Unix line ends on every platform."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def replace_folder(new: Path, path: Path) -> None:
    """Let folder ``new`` take the place of ``path`` with at most an instant in between."""
    old = path.with_name(f".{os.getpid()}.old.{path.name}")
    if path.exists():
        path.replace(old)
    new.replace(path)
    shutil.rmtree(old, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed in the middle of writing left under a folder.

    Nobody may be writing there.
    """
    for path in [path for path in folder.rglob(".*") if TEMPORARY.fullmatch(path.name)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
