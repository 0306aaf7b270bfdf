"""The exercise and question cells of a lesson, checked against its exercise sheet."""

from __future__ import annotations

import re

from nbformat import NotebookNode

from ftlearn.course import exercises
from ftlearn.course.exercises import ExerciseSheet
from tools import notebooks

STARTER = "answer = ..."
FORMS = {"exercise": f"{STARTER}\nex.{{}}.check(answer)", "quiz": "ex.{}.check(...)"}
"""The source of an unanswered cell with this tag; the brackets stand for the name."""

_CHECK = re.compile(r"\bex\.(q\d+|quiz\d+)\.check\(")


class ClassroomError(ValueError):
    """A lesson and its sheet do not match; the message says where."""


def complaints(notebook: NotebookNode) -> list[str]:
    """Problems with the exercises and questions of a lesson; empty for a lesson without a sheet."""
    try:
        number, _ = notebooks.title(notebook)
        if number in exercises.numbers():
            require_all_cells(notebook, exercises.load(number, record=False))
    except ValueError as error:
        return [str(error)]
    return []


def require_all_cells(notebook: NotebookNode, sheet: ExerciseSheet) -> None:
    """Raise ClassroomError unless each exercise and question has exactly one cell."""
    names = [name for cell in notebook.cells for name in item_names(cell)]
    expected = [name for name, _ in sheet.items()]
    if sorted(names) != sorted(expected):
        raise ClassroomError(f"cells tagged exercise or quiz ask {names}; the sheet has {expected}")


def item_names(cell: NotebookNode) -> list[str]:
    """The exercise or question of a cell as a list of one name, such as q1; empty for others.

    Raises ClassroomError for a tagged cell that is not in its starting form.
    """
    match = _CHECK.search(cell.source) if cell.cell_type == "code" else None
    tags = [tag for tag in ("exercise", "quiz") if notebooks.has_tag(cell, tag)]
    if not tags:
        return []
    form = FORMS[tags[0]]
    if match is None or cell.source != form.format(match[1]):
        raise ClassroomError(f"cell {cell.id} is tagged {tags[0]} and must read {form!r}")
    return [match[1]]
