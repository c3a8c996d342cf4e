"""Where the tests find real data and the original tools' answers."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
