"""Files and folders are whole or not there."""

from pathlib import Path

import pytest

from helpers.io.atomic import remove_leftovers, replace_folder, replacing, write_text


def test_replacing__puts_the_new_file_in_place(tmp_path):
    with replacing(tmp_path / "deep" / "x.csv") as partial:
        partial.write_text("new")
        assert partial.suffix == ".csv"
        assert partial.parent == tmp_path / "deep"
        assert not (tmp_path / "deep" / "x.csv").exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["x.csv"]
    assert (tmp_path / "deep" / "x.csv").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_replacing__leaves_the_old_file_and_nothing_else_where_the_block_fails(error, tmp_path):
    (tmp_path / "x").write_text("old")

    def write_half() -> None:
        with replacing(tmp_path / "x") as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x": "old"}


def test_replacing__raises_where_the_block_wrote_nothing(tmp_path):
    (tmp_path / "x").write_text("old")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "x"):
        pass
    assert (tmp_path / "x").read_text() == "old"


def test_replacing__cannot_be_led_astray_by_a_link(tmp_path):
    (tmp_path / "other").write_text("other")
    (tmp_path / "x").symlink_to("other")
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "other").read_text() == "other"
    assert not (tmp_path / "x").is_symlink()


def test_write_text__writes_unix_line_ends_and_utf_8(tmp_path):
    write_text(tmp_path / "x", "ä\n零\n")
    assert (tmp_path / "x").read_bytes() == "ä\n零\n".encode()


def make_folder(path: Path, text: str) -> Path:
    path.mkdir()
    (path / text).write_text(text)
    return path


def test_replace_folder__takes_the_place_of_the_old_one(tmp_path):
    make_folder(tmp_path / "x", "old")
    replace_folder(make_folder(tmp_path / "new", "new"), tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["new"]


def test_replace_folder__needs_no_old_one(tmp_path):
    replace_folder(make_folder(tmp_path / "new", "new"), tmp_path / "x")
    assert (tmp_path / "x" / "new").read_text() == "new"


def test_remove_leftovers__takes_what_killed_processes_left_and_nothing_else(tmp_path):
    ours = [".12.partial.a.h5", "deep/.7.partial.b.csv", "deep/.7.old.figures/a.svg"]
    others = ["a.h5", "deep/.hidden", "deep/7.partial.csv", ".x.partial.y", "old/a.svg"]
    for name in ours + others:
        write_text(tmp_path / name, "")
    remove_leftovers(tmp_path)
    left = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(others)
    assert not (tmp_path / "deep" / ".7.old.figures").exists()
