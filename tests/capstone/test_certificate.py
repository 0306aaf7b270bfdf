"""A certificate holds on the folder that it was written for, and on no other."""

from __future__ import annotations

import json
import shutil

import pytest

from ftlearn import capstone
from ftlearn.capstone.comparing import differences, different_line
from ftlearn.errors import ExistsError


@pytest.fixture(scope="module")
def certificate(passing, memory, tmp_path_factory):
    file = tmp_path_factory.mktemp("certificate") / "mine.json"
    capstone.certify(passing, file, memory=memory)
    return file


@pytest.fixture
def copy(passing, tmp_path):
    return shutil.copytree(passing, tmp_path / "copy")


def test_it_holds_where_nothing_is_remembered(passing, certificate):
    assert capstone.verify(passing, certificate) == []


@pytest.mark.parametrize(
    ("name", "word"),
    [("MODEL_CARD.md", "changed"), ("data/test.csv", "changed"), ("runs/0/report.json", "removed")],
)
def test_a_changed_folder_is_refused_by_the_name_of_the_file(name, word, copy, certificate):
    path = copy / name
    path.unlink() if word == "removed" else path.write_text(path.read_text() + "\n")
    with pytest.raises(capstone.CapstoneError, match=f"^{name} was {word} after"):
        capstone.verify(copy, certificate)


def test_a_file_that_was_added_is_named(copy, certificate):
    (copy / "better.md").touch()
    with pytest.raises(capstone.CapstoneError, match=r"^better\.md was added after"):
        capstone.verify(copy, certificate)


def test_forged_points_and_scores_differ_from_what_is_measured(
    passing, certificate, memory, tmp_path
):
    content = json.loads(certificate.read_text())
    content["points"] += 1
    content["measured"]["accuracy"]["value"] += 0.02
    content["fresh"]["accuracy"]["value"] += 0.003  # rounding
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(content))
    found = capstone.verify(passing, forged, memory=memory)
    assert [text.split(" is claimed")[0] for text in found] == ["points", "measured accuracy value"]


def test_a_failed_check_is_certified_as_such(passing, memory, tmp_path):
    folder = capstone.plant(passing, "rows", tmp_path / "rows", memory=memory)
    grade = capstone.certify(folder, tmp_path / "rows.json", memory=memory)
    assert grade.points == 19
    content = json.loads((tmp_path / "rows.json").read_text())
    assert [name for name, passed in content["checks"].items() if not passed] == ["rows"]
    assert capstone.verify(folder, tmp_path / "rows.json", memory=memory) == []


def test_a_teachers_draw_is_drawn_again(passing, memory, tmp_path):
    capstone.certify(passing, tmp_path / "drawn.json", draw=7, memory=memory)
    assert json.loads((tmp_path / "drawn.json").read_text())["fresh"]["seed"] == 7
    assert capstone.verify(passing, tmp_path / "drawn.json", memory=memory) == []


def test_a_certificate_lies_beside_its_folder_and_replaces_nothing(passing, certificate, memory):
    with pytest.raises(capstone.CapstoneError, match="lies in the folder that it certifies"):
        capstone.certify(passing, passing / "mine.json", memory=memory)
    with pytest.raises(ExistsError):
        capstone.certify(passing, certificate, memory=memory)


def test_what_is_no_certificate_is_refused(passing, tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(capstone.CapstoneError, match=r"other\.json is no certificate"):
        capstone.verify(passing, tmp_path / "other.json")


@pytest.mark.parametrize("claimed", [{"a": [1.0, 2.0]}, {"a": [1.0, 2.004]}])
def test_numbers_within_rounding_are_the_same(claimed):
    assert list(differences(claimed, {"a": [1.0, 2.0]}, "x")) == []


@pytest.mark.parametrize(
    ("claimed", "text"),
    [
        ({"a": [1.0, 2.01]}, "x a 1 is claimed to be 2.01, and measured as 2"),
        ({"a": [1.0]}, "x a is claimed to be [1.0], and measured as [1.0, 2.0]"),
        ({}, "x a is missing"),
        ({"a": [1.0, 2.0], "b": 1}, "x b is claimed, and there is no such thing"),
        (None, "x is claimed to be None, and measured as {'a': [1.0, 2.0]}"),
    ],
)
def test_every_other_difference_is_told(claimed, text):
    assert list(differences(claimed, {"a": [1.0, 2.0]}, "x")) == [text]


def test_documents_are_compared_line_by_line():
    assert different_line("a 0.912 b\nc 3", "a 0.914 b\nc 3") is None
    assert different_line("a 0.912 b\nc 3", "a 0.912 b\nc 4") == "c 3"
    assert different_line("a 0.912 b", "a 0.932 b") == "a 0.912 b"
    assert different_line("good", "better") == "good"
    assert different_line("a", "a\nb") == "a line is missing: b"
