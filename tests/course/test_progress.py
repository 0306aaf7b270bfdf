"""Progress is kept on the machine, written completely or not at all, and never lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ftlearn.course import exercises
from ftlearn.course.exercises import journal
from ftlearn.course.exercises.journal import ProgressWarning


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home" / "progress.json"
    monkeypatch.setenv(journal.VARIABLE, str(path))
    return path


def items(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))["items"]


def counts(item: dict) -> dict:
    return {name: value for name, value in item.items() if isinstance(value, int)}


def test_nothing_is_written_while_nothing_is_attempted(file: Path):
    for number in exercises.numbers():
        sheet = exercises.load(number)
        for _, item in sheet.items():
            item.check(...)
            repr(item)
    exercises.progress()
    assert not file.parent.exists()


def test_attempts_hints_and_solutions_are_counted_and_answers_are_not_kept(file: Path):
    ex = exercises.load("00")
    ex.q2.check(12.0625)
    ex.q2.hint()
    ex.q2.check(36)
    ex.q2.check(36)
    ex.q3.check(lambda truths, answers: 1 / 0)
    ex.q3.solution()  # asks only
    ex.q3.solution()
    assert counts(items(file)["00/q2"]) == {"not_yet": 1, "hints": 1, "passed": 2}
    assert counts(items(file)["00/q3"]) == {"errors": 1, "solutions": 1}
    assert "12.0625" not in file.read_text()
    assert "36" not in json.dumps(counts(items(file)["00/q2"]))


def test_progress_is_resumed_and_shown_as_a_table(file: Path):
    exercises.load("00").q1.check(1)
    first = items(file)["00/q1"]["first"]
    exercises.load("00").q1.check(1.386)
    assert items(file)["00/q1"]["first"] == first
    table = exercises.progress()
    assert table.loc["00", ["passed", "tries", "hints"]].tolist() == [1, 2, 0]
    assert table.loc["00", "of"] == len(list(exercises.load("00").items()))
    assert list(table.index) == exercises.numbers()


def test_a_broken_file_is_set_aside_and_said(file: Path):
    file.parent.mkdir()
    file.write_text('{"version": 1, "items": {"00/q1": ', encoding="utf-8")
    with pytest.warns(ProgressWarning, match="it is kept as progress.json.broken-"):
        exercises.load("00").q2.check(36)
    backups = list(file.parent.glob("progress.json.broken-*"))
    assert [path.read_text() for path in backups] == ['{"version": 1, "items": {"00/q1": ']
    assert set(items(file)) == {"00/q2"}


@pytest.mark.parametrize(
    "content", ["[]", '{"version": 2}', '{"version": 1, "items": {"a": {"hints": -1}}}', "\xff"]
)
def test_files_of_another_form_are_set_aside_too(file: Path, content: str):
    file.parent.mkdir()
    file.write_bytes(content.encode("latin-1"))
    with pytest.warns(ProgressWarning):
        assert exercises.progress()["tries"].sum() == 0
    assert len(list(file.parent.glob("*.broken-*"))) == 1


def test_where_nothing_can_be_written_exercises_work_and_say_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "in the way").touch()
    monkeypatch.setenv(journal.VARIABLE, str(tmp_path / "in the way" / "progress.json"))
    ex = exercises.load("00")
    with pytest.warns(ProgressWarning, match="The exercises work all the same"):
        assert ex.q2.check(36).status == "passed"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ex.q2.check(36).status == "passed"
        assert ex.q1.check(1.386).status == "passed"


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    exercises.load("00").q2.check(36)
    before = file.read_text()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(ProgressWarning, match="No space left"):
        exercises.load("00").q1.check(1)
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == ["progress.json"]


def test_the_file_lies_in_the_home_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(journal.VARIABLE)
    assert journal.progress_file() == Path.home() / ".ftlearn" / "progress.json"
    monkeypatch.setenv(journal.VARIABLE, "~/elsewhere.json")
    assert journal.progress_file() == Path.home() / "elsewhere.json"
    monkeypatch.setenv(journal.VARIABLE, "")
    assert journal.progress_file() is None
    exercises.load("00").q2.check(36)
    assert exercises.progress()["tries"].sum() == 0


def test_a_class_is_collected_from_what_its_members_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    desk = tmp_path / "desk"
    desk.mkdir()
    for name, answers in {"Ada": (36, 36), "Béla": (12,)}.items():
        monkeypatch.setenv(journal.VARIABLE, str(tmp_path / f"{name}.json"))
        for answer in answers:
            exercises.load("00").q2.check(answer)
        exercises.export(desk / f"{name}.json", name=name)
    (desk / "notes.json").write_text("{}")
    with pytest.warns(ProgressWarning, match="notes.json is left out"):
        table = exercises.collect(desk)
    assert table["name"].tolist() == ["Ada", "Béla"]
    assert table["00"].tolist() == [1, 0]
    assert table["tries"].tolist() == [2, 1]


def test_an_empty_folder_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no \.json files"):
        exercises.collect(tmp_path)


COUNTING = """
import sys
from ftlearn.course.exercises.journal import Journal
journal = Journal()
print("ready", flush=True)
sys.stdin.readline()
for _ in range(60):
    journal.record("00/q1", "hint")
    journal.record(sys.argv[1], "not yet")
"""


def test_notebooks_that_count_at_once_lose_nothing(file: Path):
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTING, f"0{number}/q2"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for kernel in kernels:
        assert kernel.stdout.readline() == "ready\n"
    for kernel in kernels:  # all at once, after the slow imports
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    assert [kernel.communicate()[0] for kernel in kernels] == ["", "", ""]
    assert items(file)["00/q1"]["hints"] == 180
    assert [items(file)[f"0{number}/q2"]["not_yet"] for number in range(3)] == [60, 60, 60]
    assert [path.name for path in file.parent.iterdir()] == ["progress.json"]


def test_an_export_replaces_an_export_and_nothing_else(file: Path, tmp_path: Path):
    exercises.load("00").q1.check(1)
    exercises.export(tmp_path / "ada.json", name="Ada")
    exercises.export(tmp_path / "ada.json", name="Ada")
    (tmp_path / "thesis.json").write_text('{"chapter": 1}')
    with pytest.raises(FileExistsError, match="is no export of progress: choose another name"):
        exercises.export(tmp_path / "thesis.json")
    assert (tmp_path / "thesis.json").read_text() == '{"chapter": 1}'
