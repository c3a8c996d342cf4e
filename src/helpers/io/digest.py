"""Digests of files, remembered as long as a file's size and time stay the same."""

import hashlib
from pathlib import Path

from helpers.io.tables import read_json, write_json


def hash_file(path: Path) -> str:
    """SHA-256 of a file; of a folder, that of its files' names and digests."""
    if path.is_dir():
        parts = [
            f"{part.name} {hash_file(part)}" for part in sorted(path.iterdir()) if part.is_file()
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class DigestCache:
    """Digests of large inputs, so that a second look costs nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, object] = read_json(path) if path.exists() else {}

    def hash(self, path: Path) -> str:
        """SHA-256 of a file or folder, read only if its size or time changed."""
        stamp = _stamp(path)
        entry = self._known.get(str(path))
        if isinstance(entry, list) and entry[0] == stamp:
            return str(entry[1])
        digest = hash_file(path)
        self._known[str(path)] = [stamp, digest]
        return digest

    def save(self) -> None:
        write_json(self._known, self._path)


def _stamp(path: Path) -> str:
    parts = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    return " ".join(f"{p.name}:{p.stat().st_size}:{p.stat().st_mtime_ns}" for p in parts)
