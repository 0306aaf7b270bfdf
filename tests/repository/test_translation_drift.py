"""Whatever drifts apart between a lesson, its catalogue and its translation is complained about.

Each test breaks one thing in a copy of a real lesson.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import polib
import pytest
from nbformat import NotebookNode

from ftlearn import language
from tools import notebooks, translation_editions, translation_rules, translations
from tools.translation_sources import of_lesson

NAME = "22_preferences"
CELL = "pairs-read"
WORDS = language.load("zh", NAME[:2])


class Lesson(NamedTuple):
    """A lesson in both languages, and its catalogue."""

    english: NotebookNode
    chinese: NotebookNode
    catalogue: polib.POFile


@pytest.fixture(scope="module")
def stored() -> Lesson:
    chinese = notebooks.read(translations.TRANSLATED / f"{NAME}.ipynb")
    return Lesson(translations.lesson(NAME), chinese, translations.read_catalogue(NAME))


@pytest.fixture
def lesson(stored: Lesson) -> Lesson:
    return Lesson(*map(copy.deepcopy, stored))


def complaints(lesson: Lesson) -> str:
    """What `python -m tools.translations check` says of these files."""
    found = translation_rules.complaints(lesson.catalogue, of_lesson(lesson.english, NAME[:2]))
    return "\n".join([*found, *translation_editions.complaints(*lesson, WORDS)])


def entry(lesson: Lesson, context: str = CELL) -> polib.POEntry:
    return next(entry for entry in lesson.catalogue if entry.msgctxt == context)


def cell(notebook: NotebookNode, kind: str = "markdown") -> NotebookNode:
    return [cell for cell in notebook.cells if cell.cell_type == kind][3]


def lose_translation(lesson: Lesson) -> None:
    entry(lesson).msgstr = ""


def lose_entry(lesson: Lesson) -> None:
    lesson.catalogue.remove(entry(lesson))


def mark_fuzzy(lesson: Lesson) -> None:
    entry(lesson).flags.append("fuzzy")


def change_english(lesson: Lesson) -> None:
    cell(lesson.english).source += " One more sentence."


def change_english_and_update(lesson: Lesson) -> None:
    change_english(lesson)
    current = of_lesson(lesson.english, NAME[:2])
    lesson.catalogue[:] = translations.updated(lesson.catalogue, current)


def rename_cell(lesson: Lesson) -> None:
    cell(lesson.english).id = "renamed"


def remove_cell(lesson: Lesson) -> None:
    lesson.chinese.cells.remove(cell(lesson.chinese))


def swap_cells(lesson: Lesson) -> None:
    cells = lesson.chinese.cells
    cells[4], cells[5] = cells[5], cells[4]


def change_code(lesson: Lesson) -> None:
    cell(lesson.english, "code").source += "\n1 + 1"


def lose_tags(lesson: Lesson) -> None:
    lesson.chinese.cells[2].metadata["tags"] = []


def write_prose_by_hand(lesson: Lesson) -> None:
    cell(lesson.chinese).source += "还有一句。"


def change_description(lesson: Lesson) -> None:
    next(e for e in lesson.catalogue if e.msgctxt.startswith("alt ")).msgstr += "甲"


def change_label(lesson: Lesson) -> None:
    entry(lesson, "output").msgstr += "甲"


def lose_mark_of_fields(lesson: Lesson) -> None:
    marked = next(e for e in lesson.catalogue if e.msgctxt == "output" and e.flags)
    marked.flags.clear()


def leave_label_in_english(lesson: Lesson) -> None:
    labels = {e.msgstr: e.msgid for e in lesson.catalogue if e.msgctxt == "output" and not e.flags}
    for code in notebooks.executed_cells(lesson.chinese):
        for output in code.outputs:
            html = output.get("data", {}).get("text/html", "")
            for chinese, english in labels.items():
                if f"<th>{chinese}</th>" in html and chinese != english:
                    output.data["text/html"] = html.replace(chinese, english)
                    return


def print_in_english(lesson: Lesson) -> None:
    (code,) = [cell for cell in lesson.chinese.cells if cell.id == "smol-margins"]
    (printed,) = [output for output in code.outputs if output.output_type == "stream"]
    printed.text = "pairs with a margin above 0: 0.93\n"


def leave_english(lesson: Lesson) -> None:
    entry(lesson).msgstr += "\n\nThis line has been left in English."


def written(old: str, new: str) -> Callable[[Lesson], None]:
    """A breakage of one translated text."""

    def breakage(lesson: Lesson) -> None:
        entry = next(entry for entry in lesson.catalogue if old in entry.msgstr)
        entry.msgstr = entry.msgstr.replace(old, new)

    return breakage


BREAKAGES = {
    "missing translation": (lose_translation, "no translation of"),
    "missing entry": (lose_entry, "is not in the catalogue"),
    "fuzzy": (mark_fuzzy, "has changed since it was translated"),
    "English changed": (change_english, "is not in the catalogue"),
    "English changed and updated": (change_english_and_update, "has changed since"),
    "cell id": (rename_cell, "the cells differ: "),
    "cell removed": (remove_cell, "the cells differ: "),
    "cells in another order": (swap_cells, "the cells differ: their order"),
    "code": (change_code, "has other code than the English lesson"),
    "tags": (lose_tags, "has other tags than the English lesson"),
    "prose written by hand": (write_prose_by_hand, "has another text than the catalogue"),
    "description": (change_description, "has another description than the catalogue"),
    "stale output labels": (change_label, "the labels have changed since it was executed"),
    "mark of a text with fields": (lose_mark_of_fields, "wrongly marked, or not"),
    "label in English": (leave_label_in_english, " shows '"),
    "printed line in English": (print_in_english, "shows 'pairs with a margin above 0"),
    "line in English": (leave_english, "English was left"),
    "number": (written("280 个", "208 个"), "the number 280 is missing"),
    "formula": (
        written("= \\beta_1/\\beta$", "= \\beta/\\beta_1$"),
        "formulas: ",
    ),
    "code span": (written("`preferences`", "`preference`"), "code: '`preferences`' is missing"),
    "link": (written("(09_interpolation.ipynb)", "(08_overfitting.ipynb)"), "links: "),
    "heading": (written("### 用学到的", "## 用学到的"), "headings: "),
    "author": (written("Beirami", "Berami"), "the author Beirami"),
    "year": (written("Terry 1952", "Terry 1925"), "the number 1952 is missing"),
    "arXiv number": (written("2401.01879", "2401.01897"), "the number 2401.01879 is missing"),
    "glossary": (written("策略", "政策"), "'policy' should be 策略"),
    "punctuation": (written("两人一致；", "两人一致; "), "half-width punctuation"),
    "emphasis": (written("**两者都下降了**。", "**两者都下降了。**"), "asterisks are shown"),
}


def test_the_stored_lesson_has_not_drifted(lesson):
    assert complaints(lesson) == ""


@pytest.mark.parametrize("name", BREAKAGES)
def test_each_drift_is_complained_about(lesson, name):
    breakage, expected = BREAKAGES[name]
    breakage(lesson)
    assert expected in complaints(lesson)
