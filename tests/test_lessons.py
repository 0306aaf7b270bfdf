"""Lessons are copied whole, lead where they led, and nothing of the learner's is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlearn import lessons
from ftlearn.errors import ArgumentError, ExistsError, FtlearnError, UnknownNameError
from ftlearn.runtime.locking import locked
from tools import notebooks

WEB = "https://github.com/someone/ftlearn"
OUT = "see [speed](../docs/speed.md#cpu), `[a](b.md)`, [next](01_b.ipynb), [web](https://a.b/c)"


def notebook(title: str, prose: str = "", answer: str = "") -> str:
    """A lesson with a title, prose, and a code cell whose brackets are no link."""
    cells = [
        {"cell_type": "markdown", "source": [f"# {title}\n", "\n", prose]},
        {"cell_type": "code", "source": ["x[0](../y)"], "outputs": [answer] if answer else []},
    ]
    return json.dumps({"cells": cells}, ensure_ascii=False, indent=1) + "\n"


@pytest.fixture(autouse=True)
def address(monkeypatch):
    monkeypatch.delenv("FTLEARN_LANG", raising=False)
    monkeypatch.setattr(lessons, "repository", lambda: WEB)


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """Three small lessons, one of them in Chinese as well, in place of the course's."""
    place = tmp_path / "package"
    (place / "zh").mkdir(parents=True)
    (place / "00_a.ipynb").write_text(notebook("00 · Why?", OUT), "utf-8")
    (place / "01_b.ipynb").write_text(notebook("01 · How?", "[中文](zh/01_b.ipynb)"), "utf-8")
    (place / "02_c.ipynb").write_text(notebook("02 · When?"), "utf-8")
    (place / "zh" / "01_b.ipynb").write_text(notebook("01 · 怎样？", "[a](../01_b.ipynb)"), "utf-8")
    monkeypatch.setattr(lessons, "PLACES", (tmp_path / "nowhere", place))
    return place


def prose(path: Path) -> str:
    return "".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"])


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.ipynb")}


def test_every_lesson_of_the_course_is_copied_byte_for_byte_but_for_its_links(tmp_path):
    copies = lessons.copy(tmp_path / "mine")
    originals = {path.name: path.read_bytes() for path in notebooks.find()}
    assert copies.new == sorted(originals)
    for name, content in snapshot(tmp_path / "mine").items():
        expected = originals[name]
        for folder, path in ((b"](zh/", "notebooks/zh/"), (b"](../docs/", "docs/")):
            expected = expected.replace(folder, f"]({WEB}/blob/HEAD/{path}".encode())
        assert content == expected


def test_questions_are_the_titles_of_the_lessons():
    expected = [notebooks.title(notebooks.read(path)) for path in notebooks.find()]
    assert list(lessons.questions()) == expected


def test_a_link_out_of_the_copies_leads_to_the_web(package, tmp_path):
    lessons.copy(tmp_path / "some", ["00"])
    assert prose(tmp_path / "some" / "00_a.ipynb").endswith(
        f"see [speed]({WEB}/blob/HEAD/docs/speed.md#cpu), `[a](b.md)`, "
        f"[next]({WEB}/blob/HEAD/notebooks/01_b.ipynb), [web](https://a.b/c)"
    )
    lessons.copy(tmp_path / "all")
    assert "[next](01_b.ipynb)" in prose(tmp_path / "all" / "00_a.ipynb")
    assert "x[0](../y)" in (tmp_path / "all" / "00_a.ipynb").read_text("utf-8")


def test_a_link_stays_once_its_lesson_is_there(package, tmp_path):
    folder = tmp_path / "mine"
    lessons.copy(folder, ["0"])
    assert lessons.copy(folder).updated == ["00_a.ipynb"]
    assert "[next](01_b.ipynb)" in prose(folder / "00_a.ipynb")
    lessons.copy(folder, language="zh")
    assert prose(folder / "zh" / "01_b.ipynb").endswith("[a](../01_b.ipynb)")


def test_chinese_lessons_lie_where_they_run_in_chinese(package, tmp_path, monkeypatch):
    assert lessons.copy(tmp_path / "mine", language="zh").folder == tmp_path / "mine" / "zh"
    assert lessons.copy(tmp_path / "zh").folder == tmp_path / "zh"
    for folder in (tmp_path / "mine" / "zh", tmp_path / "zh"):
        assert lessons.chosen(folder=folder) == "zh"
        assert prose(folder / "01_b.ipynb").startswith("# 01 · 怎样？")
    monkeypatch.setenv("FTLEARN_LANG", "zh_CN.UTF-8")
    assert lessons.copy(tmp_path / "other").folder == tmp_path / "other" / "zh"


def test_english_lessons_are_not_put_where_they_would_run_in_chinese(package, tmp_path):
    with pytest.raises(ArgumentError, match="choose another name"):
        lessons.copy(tmp_path / "zh", language="en")
    assert not (tmp_path / "zh").exists()


@pytest.mark.parametrize("name", ["1", "01", "01_b", "01_b.ipynb"])
def test_a_lesson_is_named_by_number_or_file(package, tmp_path, name):
    assert lessons.copy(tmp_path / "mine", [name]).new == ["01_b.ipynb"]


def test_an_unknown_lesson_is_answered_with_the_known_and_nothing_is_written(package, tmp_path):
    with pytest.raises(UnknownNameError, match="no lesson '07'; there are 00, 01, 02"):
        lessons.copy(tmp_path / "mine", ["00", "07"])
    assert not (tmp_path / "mine").exists()


def test_an_unknown_language_and_an_installation_without_lessons_are_named(tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match="language is 'fr': there are en, zh"):
        lessons.copy(tmp_path / "mine", language="fr")
    monkeypatch.setattr(lessons, "PLACES", (tmp_path,))
    with pytest.raises(FtlearnError, match="has no lessons in 'en'"):
        lessons.copy(tmp_path / "mine")


def test_a_second_call_changes_nothing(package, tmp_path):
    folder = tmp_path / "mine"
    lessons.copy(folder)
    before, written = snapshot(folder), (folder / "00_a.ipynb").stat().st_mtime_ns
    copies = lessons.copy(folder)
    assert (folder / "00_a.ipynb").stat().st_mtime_ns == written
    assert (copies.present, copies.new, copies.updated, copies.kept) == (sorted(before), [], [], [])
    assert snapshot(folder) == before


def test_an_upgrade_replaces_only_what_the_learner_has_not_touched(package, tmp_path):
    folder = tmp_path / "mine"
    lessons.copy(folder)
    worked_in = notebook("01 · How?", "my notes", answer="42")
    (folder / "01_b.ipynb").write_text(worked_in, "utf-8")
    (folder / "02_c.ipynb").unlink()
    for name in ("00_a.ipynb", "01_b.ipynb"):
        (package / name).write_text(notebook(f"{name[:2]} · Better?"), "utf-8")
    copies = lessons.copy(folder)
    assert (copies.updated, copies.kept, copies.new) == (
        ["00_a.ipynb"],
        ["01_b.ipynb"],
        ["02_c.ipynb"],
    )
    assert (folder / "01_b.ipynb").read_text("utf-8") == worked_in
    assert prose(folder / "00_a.ipynb").startswith("# 00 · Better?")


def test_what_was_changed_counts_as_kept_only_where_this_version_has_another(package, tmp_path):
    folder = tmp_path / "mine"
    lessons.copy(folder)
    (folder / "01_b.ipynb").write_text("mine", "utf-8")
    copies = lessons.copy(folder)
    assert (copies.kept, len(copies.present)) == ([], 3)
    assert (folder / "01_b.ipynb").read_text("utf-8") == "mine"


@settings(max_examples=20)
@given(actions=st.lists(st.sampled_from(["copy", "edit", "delete", "upgrade"]), max_size=8))
def test_whatever_happens_no_edit_is_lost(tmp_path_factory, actions):
    place, folder = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("mine")
    edited = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "PLACES", (place,))
        for number, action in enumerate(["upgrade", "copy", *actions]):
            if action == "upgrade":
                (place / "00_a.ipynb").write_text(notebook(f"00 · Version {number}?"), "utf-8")
            elif action == "copy":
                lessons.copy(folder)
            elif action == "edit":
                edited = f"edit {number}"
                (folder / "00_a.ipynb").write_text(edited, "utf-8")
            else:
                edited = None
                (folder / "00_a.ipynb").unlink(missing_ok=True)
            if edited:
                assert (folder / "00_a.ipynb").read_text("utf-8") == edited


def test_a_file_that_somebody_else_wrote_is_kept(package, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "00_a.ipynb").write_text("something else", "utf-8")
    assert lessons.copy(folder).kept == ["00_a.ipynb"]
    assert (folder / "00_a.ipynb").read_text("utf-8") == "something else"


def test_names_that_are_taken_are_refused(package, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ExistsError, match="is a file: choose the name of a folder"):
        lessons.copy(tmp_path / "file")
    (tmp_path / "mine" / "00_a.ipynb").mkdir(parents=True)
    with pytest.raises(ExistsError, match="is a folder"):
        lessons.copy(tmp_path / "mine")


@pytest.mark.parametrize("record", ["{", "[1]", '{"00_a.ipynb": 3}'])
def test_a_record_that_cannot_be_read_stops_the_copy_with_a_remedy(package, tmp_path, record):
    folder = tmp_path / "mine"
    lessons.copy(folder)
    (folder / "00_a.ipynb").write_text("mine", "utf-8")
    (folder / lessons.RECORD).write_text(record, "utf-8")
    with pytest.raises(FtlearnError, match="delete it"):
        lessons.copy(folder)
    (folder / lessons.RECORD).unlink()
    assert lessons.copy(folder).kept == ["00_a.ipynb"]


def test_two_processes_do_not_copy_at_once(package, tmp_path):
    failures = []

    def other() -> None:
        try:
            lessons.copy(tmp_path / "mine")
        except FtlearnError as error:
            failures.append(str(error))

    with locked(tmp_path / "mine"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "is in use by" in failures[0]


def test_the_address_is_that_of_the_project(monkeypatch):
    monkeypatch.undo()
    text = {"Project-URL": ["Documentation, https://d", "Repository, https://r"]}
    monkeypatch.setattr(lessons.metadata, "metadata", lambda name: FakeMetadata(text))
    assert lessons.repository() == "https://r"
    monkeypatch.setattr(lessons.metadata, "metadata", lambda name: FakeMetadata({}))
    with pytest.raises(FtlearnError, match="install it again"):
        lessons.repository()


class FakeMetadata(dict):
    """Metadata of a package, as importlib.metadata gives them."""

    def get_all(self, name: str, default: list[str]) -> list[str]:
        return self.get(name, default)


def test_copying_needs_no_torch(tmp_path: Path):
    code = f"import sys; from ftlearn import lessons; lessons.copy({str(tmp_path)!r}, ['02'])"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)
    assert (tmp_path / "02_loss.ipynb").exists()
