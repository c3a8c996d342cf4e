"""Where the tests find real data, the original tools' answers, and a book that was built."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from cohorts import make_hostile, run_cli, simulate

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_configure() -> None:
    """One thread of linear algebra a worker: those of several would wait for one another."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def oracles() -> Path:
    """Folder of what the original tools gave; the test is skipped where it is absent."""
    return _shared("oracles")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real public data; the test is skipped where it is absent."""
    return _shared("data")


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: real data are not part of the project")
    return folder


@dataclass(frozen=True)
class Book:
    """A cohort that was built."""

    cohort: Path
    results: Path
    output: str

    @property
    def folder(self) -> Path:
        return self.results / "hostile"

    @property
    def html(self) -> Path:
        return self.folder / "book" / "html"

    @property
    def pages(self) -> list[Path]:
        return sorted([self.html / "index.html", *(self.html / "chapters").glob("*.html")])


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A small cohort whose names look like code, built once; tests that use it share a worker."""
    folder = tmp_path_factory.mktemp("a folder with spaces & ü")
    cohort = simulate(folder / "cohort", n_cells=1350)
    make_hostile(cohort)
    results = folder / "results"
    built = run_cli("build", cohort, "--results", results)
    assert built.returncode == 0, built.stdout + built.stderr
    return Book(cohort, results, built.stdout)
