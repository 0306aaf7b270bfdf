"""Each planted fault is found by the check of its name, and by no other."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ftlearn import capstone
from ftlearn.capstone import checks
from ftlearn.capstone.failing import Failed
from ftlearn.errors import UnknownNameError

NAMES = [check.name for check in capstone.RUBRIC]


def test_a_sound_submission_earns_every_point(passing, memory):
    grade = capstone.grade(passing, memory=memory)
    assert grade.failed == []
    assert grade.points == len(capstone.RUBRIC) == 20
    assert (grade.table()["remedy"] == "").all()


def test_every_check_has_a_fault_and_a_remedy():
    assert sorted(capstone.FAULTS) == sorted(NAMES)
    assert all(check.function.__doc__ and check.remedy for check in capstone.RUBRIC)


@pytest.mark.parametrize("fault", capstone.FAULTS)
def test_exactly_the_check_of_its_name_finds_a_fault(fault, passing, memory, tmp_path):
    folder = capstone.plant(passing, fault, tmp_path / fault, memory=memory)
    grade = capstone.grade(folder, only=NAMES, memory=memory)  # and no fresh draw
    assert grade.failed == [fault], grade.table().loc[grade.failed, "found"].to_dict()
    result = next(result for result in grade.results if not result.passed)
    assert "cannot be checked" not in result.found


def test_planting_leaves_the_original_as_it_was(passing, memory, tmp_path):
    before = capstone.certificate.hashes(passing)
    for fault in ("copies", "parity", "seeds", "documents"):
        capstone.plant(passing, fault, tmp_path / fault, memory=memory)
    assert capstone.certificate.hashes(passing) == before


def test_an_unknown_check_or_fault_names_those_that_there_are(passing, tmp_path):
    with pytest.raises(UnknownNameError, match="no check 'leak'; there are: files, rows, copies"):
        capstone.grade(passing, only=["leak"])
    with pytest.raises(UnknownNameError, match="no fault 'leak'; there are: files"):
        capstone.plant(passing, "leak", tmp_path / "leak")


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "1 text stands in two parts"), (2, "2 texts stand in two parts")],
)
def test_copies_are_counted_in_good_english(monkeypatch, count, said):
    leak = SimpleNamespace(rows=[("train", 3), ("test", 5)])
    monkeypatch.setattr(checks.data, "leaks", lambda *_, **__: [leak] * count)
    submission = SimpleNamespace(parts={}, task=SimpleNamespace(text="text"))
    with pytest.raises(Failed, match=f"^{said}.*train row 3 and test row 5$"):
        checks.copies(submission)
