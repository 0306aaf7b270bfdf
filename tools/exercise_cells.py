"""The exercise and question cells of a lesson, checked against its exercise sheet."""

from __future__ import annotations

import re

from nbformat import NotebookNode

from ftlearn.course import exercises
from ftlearn.course.exercises import Exercise, ExerciseSheet, Question
from tools import notebooks

_ITEM = re.compile(r"^ex\.(q\d+|quiz\d+)\b", re.MULTILINE)


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
    """Raise ClassroomError unless each exercise and question has exactly one cell, unanswered."""
    items = dict(sheet.items())
    names = []
    for cell in notebook.cells:
        for name in item_names(cell):
            names.append(name)
            if name in items and cell.source != unanswered(name, items[name]):
                raise ClassroomError(
                    f"cell {cell.id} is tagged exercise or quiz and must read "
                    f"{unanswered(name, items[name])!r}"
                )
    if sorted(names) != sorted(items):
        raise ClassroomError(
            f"cells tagged exercise or quiz ask {names}; the sheet has {list(items)}"
        )


def unanswered(name: str, item: Exercise | Question) -> str:
    """The code of the cell that asks an exercise or a question of a sheet.

    >>> from ftlearn.course.exercises import load
    >>> unanswered("quiz1", load("00").quiz1)
    'ex.quiz1'
    """
    if isinstance(item, Question):
        return f"ex.{name}"
    return f"{item.starter}\nex.{name}.check(answer)"


def item_names(cell: NotebookNode) -> list[str]:
    """The exercise or question of a cell as a list of one name, such as q1; empty for others.

    Raises ClassroomError for a tagged cell that asks none.
    """
    tags = [tag for tag in ("exercise", "quiz") if notebooks.has_tag(cell, tag)]
    if not tags:
        return []
    match = _ITEM.search(cell.source) if cell.cell_type == "code" else None
    kind = "quiz" if match and match[1].startswith("quiz") else "exercise"
    if match is None or kind != tags[0]:
        raise ClassroomError(f"cell {cell.id} is tagged {tags[0]} and does not ask one")
    return [match[1]]
