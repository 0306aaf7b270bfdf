"""Which cells of a lesson ask something, and whether they ask all that the sheet holds."""

from __future__ import annotations

import re

from nbformat import NotebookNode

from ftlearn.course import exercises
from ftlearn.course.exercises import ExerciseSheet
from tools import notebooks

STARTER = "answer = ..."
FORMS = {"exercise": f"{STARTER}\nex.{{}}.check(answer)", "quiz": "ex.{}.check(...)"}
"""What a cell with a tag reads, unanswered, with the name in the place of the brackets."""

_CHECK = re.compile(r"\bex\.(q\d+|quiz\d+)\.check\(")


class ClassroomError(ValueError):
    """A lesson and its sheet do not fit together; the message says where."""


def complaints(notebook: NotebookNode) -> list[str]:
    """What is wrong with the exercises and questions of a lesson that has a sheet."""
    try:
        number, _ = notebooks.title(notebook)
        if number in exercises.numbers():
            complain(notebook, exercises.load(number, record=False))
    except ValueError as error:
        return [str(error)]
    return []


def complain(notebook: NotebookNode, sheet: ExerciseSheet) -> None:
    """Raise ClassroomError unless each exercise and question has exactly one cell."""
    found = [name for cell in notebook.cells for name in asked(cell)]
    wanted = [name for name, _ in sheet.items()]
    if sorted(found) != sorted(wanted):
        raise ClassroomError(f"cells tagged exercise or quiz ask {found}; the sheet has {wanted}")


def asked(cell: NotebookNode) -> list[str]:
    """The name of the exercise or question that a cell asks, such as q1; nothing for others.

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
