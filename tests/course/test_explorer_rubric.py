"""The explorer of planted faults: what it shows of grades, and its widget."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from ftlearn import figures
from ftlearn.capstone.grading import RUBRIC, Grade, Result
from ftlearn.course import explorers, widgets
from ftlearn.errors import ArgumentError


def grade(*failed: str) -> Grade:
    """The grade of a folder in which these checks fail."""
    return Grade(
        tuple(
            Result(check.name, check.name not in failed, f"{check.name} was run", check.remedy)
            for check in RUBRIC
        )
    )


COLOR = to_rgba(figures.COLORS[1])
GRADES = {"none": grade(), "copies": grade("copies"), "two": grade("files", "parity")}


def test_the_sentence_tells_points_findings_and_remedies():
    text = explorers.rubric(GRADES, "two").sentence
    assert text.startswith("With the fault two 18 of 20 points are earned. files: files was run; ")
    assert all(check.remedy in text for check in RUBRIC if check.name in ("files", "parity"))
    assert explorers.rubric(GRADES, "none").sentence.endswith("earned. No check found it.")


def test_the_table_has_one_row_per_check():
    table = explorers.rubric(GRADES, "copies").elements[0]
    assert list(table.index) == [check.name for check in RUBRIC]
    assert list(table.index[table["point"] == 0]) == ["copies"]


def test_the_figure_fills_the_squares_of_failed_checks_and_no_others():
    axis = explorers.rubric(GRADES, "two").elements[1].axes[0]
    filled = [c for c in axis.collections if COLOR in map(tuple, c.get_facecolor())]
    names = [check.name for check in RUBRIC]
    expected = {(names.index("copies"), 1), (names.index("files"), 2), (names.index("parity"), 2)}
    places = np.asarray(filled[0].get_offsets()).astype(int)
    assert set(map(tuple, places.tolist())) == expected


def test_a_fault_without_a_grade_names_those_that_there_are():
    with pytest.raises(ArgumentError, match="fault is 'leak': use one of none, copies, two"):
        explorers.rubric(GRADES, "leak")


def test_the_widget_shows_what_the_printed_call_returns():
    box = widgets.rubric(GRADES, name="GRADES")
    [fault] = box.children[0].children
    fault.value = "two"
    code = html.unescape(re.sub("<[^>]+>", "", box.children[1].value))
    assert code == "explorers.rubric(GRADES, fault='two')"
    view = eval(code, {"explorers": explorers, "GRADES": GRADES})
    shown = box.children[-1].value
    assert html.escape(view.sentence) in shown or view.sentence in shown
