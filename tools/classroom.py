"""Builds the students' and the teacher's notebooks from the lessons and the exercise sheets.

    python -m tools.classroom student             # all lessons, into build/student
    python -m tools.classroom teacher 03          # one, into build/teacher

A lesson holds its exercises unanswered; solutions and their reasons live in one place,
`ftlearn/course/exercises/sheets/`, where tests check them. The students' notebooks have no
outputs, no cell tagged `solution` or `teacher`, and nothing between nbgrader's marks BEGIN
SOLUTION and END SOLUTION. The teacher's notebooks have the outputs, worked solutions that were
run against their checks, typical mistakes, answers to the quiz, and a plan for the lesson.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output

from ftlearn.course import exercises
from ftlearn.course.exercises import Exercise, ExerciseSheet, Outcome, Question
from ftlearn.course.exercises.base import STARTER, starter
from ftlearn.course.exercises.question import LETTERS
from tools import mistakes_table, notebooks, teacher_notes
from tools.exercise_cells import ClassroomError, item_names, require_all_cells

BUILD = notebooks.ROOT / "build"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_MENDED = f"{BEGIN} in place of the code above"
"""The mark of a solution after broken code, which students get; nbgrader knows it as well."""
FINGERPRINT = "ftlearn_built"
"""The key in a notebook's metadata that holds its hash at the time it was built."""
TEACHER_TAGS = ("solution", "teacher")

_SOLUTION = re.compile(rf"^( *){BEGIN}\n(.*?)^ *{END}$", re.MULTILINE | re.DOTALL)
_MENDED = re.compile(rf"\n\n^{BEGIN_MENDED}\n.*?^{END}$", re.MULTILINE | re.DOTALL)


def student(notebook: NotebookNode) -> NotebookNode:
    """The notebook to hand out: without outputs, solutions and cells for the teacher."""
    copied = copy.deepcopy(notebook)
    copied.cells = [cell for cell in copied.cells if not for_teacher(cell)]
    copied.metadata.pop("ftlearn", None)  # the measured cost belongs to the outputs
    for cell in copied.cells:
        if cell.cell_type == "code":
            cell.source = remove_solutions(cell.source)
            cell.outputs = []
            cell.execution_count = None
    return copied


def for_teacher(cell: NotebookNode) -> bool:
    """Whether a cell is left out of the students' notebooks."""
    return any(notebooks.has_tag(cell, tag) for tag in TEACHER_TAGS)


def remove_solutions(source: str) -> str:
    """Code with a starter in place of each solution between nbgrader's marks.

    Broken code stays, and is starter enough.

    >>> print(remove_solutions("### BEGIN SOLUTION\\nanswer = 1\\n### END SOLUTION\\ncheck()"))
    answer = ...
    check()
    """

    def begin(match: re.Match[str]) -> str:
        indent, solution = match.groups()
        return indent + STARTER if indent else starter(solution)

    return _SOLUTION.sub(begin, _MENDED.sub("", source))


def teacher(notebook: NotebookNode) -> NotebookNode:
    """The notebook to teach from: with outputs, solutions, mistakes, answers and a plan.

    Raises ClassroomError if an exercise or a question has no cell, or if a worked solution does
    not pass its check.
    """
    copied = copy.deepcopy(notebook)
    number, _ = notebooks.title(copied)
    sheet = exercises.load(number, record=False)
    require_all_cells(copied, sheet)
    first, *rest = copied.cells
    copied.cells = [first, teacher_cell("teacher-note", teacher_notes.note(notebook, sheet))]
    for cell in rest:
        copied.cells += [cell, *notes_after(cell, sheet)]
    return copied


def notes_after(cell: NotebookNode, sheet: ExerciseSheet) -> Iterator[NotebookNode]:
    """The teacher's cells after a cell; writes the solution into a cell with an exercise."""
    for name in item_names(cell):
        item = getattr(sheet, name)
        if isinstance(item, Exercise):
            insert_solution(cell, name, item)
            yield teacher_cell(f"teacher-{name}", about_exercise(name, item))
        else:
            yield teacher_cell(f"teacher-{name}", about_question(name, item))


def teacher_cell(cell_id: str, text: str) -> NotebookNode:
    """A Markdown cell that only the teacher's notebook has."""
    return new_markdown_cell(text, id=cell_id, metadata={"tags": ["teacher"]})


def insert_solution(cell: NotebookNode, name: str, exercise: Exercise) -> None:
    """Write the worked solution into a cell, between nbgrader's marks, with the check's output.

    Raises ClassroomError if the solution does not run by itself or does not pass.
    """
    outcome = outcome_of(name, exercise)
    begin = BEGIN_MENDED if exercise.broken else BEGIN
    solution = f"{begin}\n{exercise.worked.rstrip()}\n{END}"
    if exercise.broken:  # what is to be mended stays in sight
        solution = f"{exercise.starter}\n\n{solution}"
    cell.source = cell.source.replace(exercise.starter, solution, 1)
    data = {"text/html": str(outcome.as_html()), "text/plain": repr(outcome)}
    count = cell.execution_count
    cell.outputs = [new_output("execute_result", data, execution_count=count)]


def outcome_of(name: str, exercise: Exercise) -> Outcome:
    """The check's outcome for the worked solution. Raises ClassroomError unless it passes."""
    namespace: dict[str, object] = {}
    try:
        exec(compile(exercise.worked, f"worked solution of {name}", "exec"), namespace)  # noqa: S102
    except Exception as error:
        raise ClassroomError(f"the worked solution of {name} does not run: {error!r}") from error
    outcome = exercise.check(namespace.get("answer", ...))
    if outcome.status != "passed":
        raise ClassroomError(f"the worked solution of {name} does not pass: {outcome!r}")
    return outcome


def about_exercise(name: str, exercise: Exercise) -> str:
    """Difficulty, minutes, hints and typical mistakes, as Markdown."""
    stars = "★" * exercise.difficulty + "☆" * (3 - exercise.difficulty)
    lines = [
        f"> **For the teacher, {name}:** *{exercise.name}*, {stars}, {exercise.minutes} min.  "
    ]
    hints = enumerate(exercise.hints, start=1)
    lines += [f"> Hint {number}: {hint}  " for number, hint in hints]
    rows = [
        f"> | {mistakes_table.code(answer)} | {mistakes_table.message(exercise, answer)} |"
        for answer, _ in exercise.mistakes
    ]
    return "\n".join(
        [*lines, ">", "> | typical mistake | what the check says |", "> |---|---|", *rows]
    )


def about_question(name: str, question: Question) -> str:
    """The right answer, and the reason for each choice, as Markdown."""
    right = f"`{question.right!r}`"
    if question.kind == "order":
        items = [question.choices[LETTERS.index(letter)].text for letter in question.right]
        right += f" ({'; '.join(items)})"
    reasons = "\n".join(f"> {line}" for line in question.reasons().splitlines())
    return f"> **For the teacher, {name}:** the answer is {right}.\n>\n{reasons}"


BUILDS: dict[str, Callable[[NotebookNode], NotebookNode]] = {"student": student, "teacher": teacher}


def build(kind: str, path: Path) -> Path:
    """Build one notebook of a kind from a lesson; where it lies.

    Raises ClassroomError where the notebook of an earlier build was changed since: a teacher may
    have put an evening into it.
    """
    target = BUILD / kind / path.name
    if target.exists() and not is_unchanged(notebooks.read(target)):
        raise ClassroomError(
            f"{target} was changed since it was built: rename it to keep it, or remove it"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    notebook = BUILDS[kind](notebooks.read(path))
    notebook.metadata[FINGERPRINT] = fingerprint(notebook)
    notebooks.write(notebook, target)
    return target


def is_unchanged(notebook: NotebookNode) -> bool:
    """Whether a notebook is still as ``build`` wrote it."""
    return notebook.metadata.get(FINGERPRINT) == fingerprint(notebook)


def fingerprint(notebook: NotebookNode) -> str:
    """A hash of all cells and their outputs."""
    content = json.dumps(notebook.cells, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Build the named lessons, and return the number of failures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=sorted(BUILDS))
    parser.add_argument("names", nargs="*", help="numbers, names or paths; all lessons if none")
    options = parser.parse_args(arguments)
    failures = 0
    for path in notebooks.find(options.names):
        try:
            print(build(options.kind, path).relative_to(notebooks.ROOT))
        except ValueError as error:
            failures += 1
            print(f"{path.name}: {error}", file=sys.stderr)
    return failures


if __name__ == "__main__":
    sys.exit(main())
