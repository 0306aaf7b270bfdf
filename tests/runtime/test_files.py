"""Whatever is written is written whole, and never over what somebody else wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from ftlearn.errors import BusyError, ExistsError
from ftlearn.runtime import files
from ftlearn.runtime.files import (
    check_new_folder,
    check_writable,
    unused,
    write_json,
    write_text,
    written_folder,
)
from ftlearn.runtime.locking import locked


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_name_that_is_taken_is_refused_unless_it_may_be_overwritten(tmp_path):
    file = tmp_path / "scores.json"
    check_writable(file)
    file.write_text("mine")
    with pytest.raises(ExistsError, match=r"scores.json exists already.*overwrite=True"):
        check_writable(file)
    check_writable(file, overwrite=True)


def test_a_folder_and_a_file_in_no_folder_are_refused_in_any_case(tmp_path):
    with pytest.raises(ExistsError, match="is a folder: name a file"):
        check_writable(tmp_path, overwrite=True)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*gone to write a.json into"):
        check_writable(tmp_path / "gone" / "a.json", overwrite=True)


def test_a_folder_that_is_closed_is_told_before(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda folder, mode: False)  # tests may run as root
    with pytest.raises(FileNotFoundError, match=r"you may not write into .*for a.json"):
        check_writable(tmp_path / "a.json")


def test_a_dangling_link_is_not_replaced_either(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(ExistsError):
        check_writable(tmp_path / "link")
    with pytest.raises(ExistsError):
        check_new_folder(tmp_path / "link")


@pytest.mark.skipif(not os.path.exists(os.devnull) or os.name == "nt", reason="Unix has devices")
def test_a_device_may_be_written_to_and_stays_one():
    check_writable(os.devnull)
    write_text(os.devnull, "lost")
    assert files.is_device(Path(os.devnull))


def test_text_that_cannot_be_written_whole_leaves_the_old_one_and_no_litter(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    write_text(file, "old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(file, "new")
    assert (file.read_text(), names(tmp_path)) == ("old", ["a.txt"])


def test_json_holds_null_or_text_where_a_number_is_not_finite(tmp_path):
    content = {"r2": float("nan"), "most": [np.inf, 1.5], "näme": (1, True)}
    file = tmp_path / "a.json"
    write_json(file, content)
    assert json.loads(file.read_text("utf-8")) == {
        "r2": None,
        "most": [None, 1.5],
        "näme": [1, True],
    }
    write_json(file, content, indent=1, non_finite=str)
    assert json.loads(file.read_text("utf-8")) == {
        "r2": "nan",
        "most": ["inf", 1.5],
        "näme": [1, True],
    }
    assert file.read_bytes().startswith(b'{\n "r2": "nan"')
    assert names(tmp_path) == ["a.json"]


def test_the_next_free_name(tmp_path):
    assert unused(tmp_path / "run.py") == tmp_path / "run.py"
    for name in ("run.py", "run-2.py"):
        (tmp_path / name).touch()
    assert unused(tmp_path / "run.py") == tmp_path / "run-3.py"


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with written_folder(tmp_path / "out") as fresh:
        (fresh / "a.txt").write_text("a")
        assert not (tmp_path / "out").exists()
    assert names(tmp_path) == ["out", "out/a.txt"]


def test_an_empty_folder_is_as_good_as_none_and_another_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    with written_folder(tmp_path / "out") as fresh:
        (fresh / "a.txt").touch()
    with pytest.raises(ExistsError, match="exists already"), written_folder(tmp_path / "out"):
        pass
    assert names(tmp_path) == ["out", "out/a.txt"]


def test_a_folder_that_somebody_made_meanwhile_is_kept(tmp_path):
    def meanwhile() -> None:
        with written_folder(tmp_path / "out") as fresh:
            (fresh / "a.txt").touch()
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "theirs.txt").touch()

    with pytest.raises(ExistsError):
        meanwhile()
    assert names(tmp_path) == ["out", "out/theirs.txt"]


def test_nothing_is_left_of_a_folder_that_fails(tmp_path):
    def fail() -> None:
        with written_folder(tmp_path / "a" / "out") as fresh:
            (fresh / "half.txt").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(tmp_path) == []


def test_two_that_write_one_folder_are_told_apart(tmp_path):
    with (
        locked(tmp_path, ".out.lock"),
        pytest.raises(BusyError, match=r"out is in use by process"),
        written_folder(tmp_path / "out"),
    ):
        pass


def test_what_is_carried_over_is_the_same_file_still(tmp_path):
    old = tmp_path / "out"
    (old / "notes").mkdir(parents=True)
    (old / "notes" / "a.txt").write_text("mine")
    (old / "model.bin").write_text("old")
    inode = (old / "notes" / "a.txt").stat().st_ino
    with written_folder(old, carry=lambda before, fresh: [before / "notes"]) as fresh:
        (fresh / "model.bin").write_text("new")
    assert names(tmp_path) == ["out", "out/model.bin", "out/notes", "out/notes/a.txt"]
    assert (old / "model.bin").read_text() == "new"
    assert (old / "notes" / "a.txt").stat().st_ino == inode


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with written_folder(tmp_path / "link", carry=lambda before, fresh: []) as fresh:
        (fresh / "a.txt").write_text("a")
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "real") == ["a.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_what_is_carried_over_is_copied_where_there_are_no_links(tmp_path, monkeypatch):
    def unsupported(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", unsupported)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "card.md").write_text("mine")
    (tmp_path / "out" / "card.md").chmod(0o600)
    with written_folder(tmp_path / "out", carry=lambda before, fresh: [before / "card.md"]):
        pass
    assert (tmp_path / "out" / "card.md").read_text() == "mine"
    assert (tmp_path / "out" / "card.md").stat().st_mode & 0o777 == 0o600
