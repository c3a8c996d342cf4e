"""Where the project's own folders are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
PARAMS = ROOT / "params"
DEFAULTS = PARAMS / "defaults"
REFERENCE = PARAMS / "reference"
DOWNLOADS = REFERENCE / "downloads"
BOOK = ROOT / "book"
PROFILES = ROOT / "profiles"
RESULTS = ROOT / "results"
