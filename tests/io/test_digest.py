"""Digests: of bytes and names, read again only where a file changed."""

import hashlib
import os

import pytest

from helpers.io import digest
from helpers.io.digest import DigestCache, hash_file

# From FIPS 180-4's examples: the digest of "abc".
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def counted(monkeypatch):
    """Paths that were read whole."""
    read = []

    def count(path):
        read.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(digest, "hash_file", count)
    return read


def test_hash_file__is_sha_256(tmp_path):
    (tmp_path / "x").write_text("abc")
    assert hash_file(tmp_path / "x") == ABC


def test_hash_file__of_a_folder_is_that_of_names_and_contents(tmp_path):
    (tmp_path / "b").write_text("abc")
    (tmp_path / "a").write_text("abc")
    (tmp_path / "within").mkdir()
    expected = hashlib.sha256(f"a {ABC}\nb {ABC}".encode()).hexdigest()
    assert hash_file(tmp_path) == expected
    (tmp_path / "b").rename(tmp_path / "c")
    assert hash_file(tmp_path) != expected


def test_digest_cache__reads_a_file_once(tmp_path, counted):
    (tmp_path / "x").write_text("abc")
    cache = DigestCache(tmp_path / "digests.json")
    assert [cache.hash(tmp_path / "x") for _ in range(2)] == [ABC, ABC]
    cache.save()
    assert DigestCache(tmp_path / "digests.json").hash(tmp_path / "x") == ABC
    assert counted == ["x"]


def test_digest_cache__reads_again_where_the_size_changed(tmp_path, counted):
    path = tmp_path / "x"
    path.write_text("abcd")
    cache = DigestCache(tmp_path / "digests.json")
    before = cache.hash(path)
    time = path.stat().st_mtime_ns
    path.write_text("abc")
    os.utime(path, ns=(time, time))
    assert cache.hash(path) == ABC != before
    assert counted == ["x", "x"]


def test_digest_cache__reads_again_where_the_time_changed(tmp_path, counted):
    path = tmp_path / "x"
    path.write_text("abd")
    cache = DigestCache(tmp_path / "digests.json")
    before = cache.hash(path)
    path.write_text("abc")
    os.utime(path, ns=(0, 1))
    assert cache.hash(path) == ABC != before
    assert counted == ["x", "x"]


def test_digest_cache__reads_again_where_a_file_of_a_folder_changed(tmp_path, counted):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("abc")
    cache = DigestCache(tmp_path / "digests.json")
    before = cache.hash(folder)
    (folder / "b").write_text("abc")
    assert cache.hash(folder) == hash_file(folder) != before
    assert counted.count("folder") == 2
