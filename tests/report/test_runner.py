"""A job that is asked to end takes away what it had half-written."""

import os
import signal
from pathlib import Path

import pytest

from helpers.io.atomic import replacing
from helpers.report import runner


@pytest.fixture
def handler():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("handler")
def test_main__leaves_nothing_half_written_when_told_to_end(tmp_path, monkeypatch):
    def job_told_to_end(_spec: Path, folder: Path) -> int:
        with replacing(folder / "x") as partial:
            partial.write_text("half")
            os.kill(os.getpid(), signal.SIGTERM)
        return 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "run_job", job_told_to_end)
    with pytest.raises(SystemExit) as left:
        runner.main(["jobs/x.json"])
    assert left.value.code == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())
