"""Make `.venv` and install what `requirements.lock` pins, once for every content of the lock.

Needs Python 3.11 or later and nothing else: uv, the fast installer, is itself taken from the lock
by pip, hash checked. Where uv cannot reach the package index (a mirror only pip is told of), pip
installs everything.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
STAMP = VENV / "installed.sha256"
OLDEST, NEWEST = (3, 11), (3, 13)


def main() -> int:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = ".".join(map(str, sys.version_info[:3]))
        print(
            f"Python 3.11 to 3.13 is needed, this is {found}: call make PYTHON=python3.12",
            file=sys.stderr,
        )
        return 1
    wanted = hashlib.sha256(LOCK.read_bytes() + str(ROOT).encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    began = time.monotonic()
    print("Setting up .venv from requirements.lock (a few minutes, once) ...", flush=True)
    if not python().exists():
        run([sys.executable, "-m", "venv", str(VENV)])
    install_locked()
    run(
        [*pip(), "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    )
    STAMP.write_text(wanted)
    print(f"Set up in {time.monotonic() - began:.0f} s.", flush=True)
    return 0


def python() -> Path:
    folder = "Scripts" if sys.platform == "win32" else "bin"
    return VENV / folder / "python"


def pip() -> list[str]:
    return [str(python()), "-m", "pip", "--disable-pip-version-check"]


def install_locked() -> None:
    """Install the lock by uv, or by pip where uv cannot."""
    with tempfile.TemporaryDirectory() as folder:
        entry = Path(folder) / "uv.lock.txt"
        entry.write_text(lock_entry("uv"))
        run([*pip(), "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(entry)])
    uv = [str(python()), "-m", "uv", "pip", "install", "--python", str(python()), "--quiet"]
    options = ["--no-deps", "--require-hashes", "--compile-bytecode"]
    options += ["--build-constraints", str(LOCK), "-r", str(LOCK)]
    if subprocess.run([*uv, *options], cwd=ROOT, check=False).returncode != 0:
        print("uv could not install the lock; trying pip, which takes longer ...", flush=True)
        run([*pip(), "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(LOCK)])


def lock_entry(name: str) -> str:
    """The lines of one package in the lock."""
    text = LOCK.read_text()
    found = re.search(rf"(?m)^{name}==(?:.*\\\n)*.*\n", text)
    if found is None:
        raise SystemExit(f"{LOCK} has no entry for {name}")
    return found[0]


def run(command: list[str]) -> None:
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise SystemExit(f"this failed, and with it the set-up: {' '.join(command)}")


if __name__ == "__main__":
    sys.exit(main())
