"""A course folder for nbgrader: lessons whose exercises and questions are marked by a program.

    python -m tools.nbgrader_course COURSE_FOLDER 02 03
    python -m tools.nbgrader_course COURSE_FOLDER --language zh 02

Writes `nbgrader_config.py` and one assignment per lesson, `source/02_loss/02_loss.ipynb`. Below
each exercise and each question stands a locked cell, in which its own check decides about the
points. A question is answered in code here, since a click leaves nothing in a notebook.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from ftlearn import language as languages
from ftlearn.course import exercises
from ftlearn.course.exercises import Exercise, Question
from ftlearn.course.exercises.question import HOW_TO_ANSWER
from ftlearn.language import Catalogue
from tools import classroom, execute, notebooks, teacher_words
from tools.classroom import BEGIN, END
from tools.exercise_cells import item_names, require_all_cells

SCHEMA = 3
"""The version of nbgrader's metadata; nbgrader refuses an unknown one."""
QUESTION_POINTS = 1
POINTS_PER_STAR = 2
CONFIG = "nbgrader_config.py"
CONFIG_TEXT = f'''"""Settings of nbgrader for this course; `nbgrader --help-all` explains them."""

c = get_config()  # noqa: F821 - nbgrader defines it

c.CourseDirectory.course_id = {{course!r}}
# The starter stands above each solution already, so nothing replaces it.
c.ClearSolutions.code_stub = {{{{"python": ""}}}}
c.Execute.timeout = {execute.CELL_SECONDS}  # seconds per cell
# A learner who deletes a locked cell gets it back.
c.OverwriteCells.add_missing_cells = True
# Files handed in by mail or upload: ada_02_loss.ipynb is learner ada's.
c.FileNameCollectorPlugin.named_regexp = (
    r".*?(?P<student_id>[^/_]+)_(?P<file_id>[0-9][0-9]_[a-z_]+)\\.ipynb$"
)
'''


def assignment(notebook: NotebookNode, language: str = "en") -> NotebookNode:
    """A lesson as nbgrader's source: solutions between marks, and locked cells with the checks.

    Raises ClassroomError if an exercise or a question has no cell.
    """
    number, _ = notebooks.title(notebook)
    sheet = exercises.load(number, record=False, language=language)
    require_all_cells(notebook, sheet)
    words = teacher_words.load(language)
    built = classroom.student(notebook, language)
    cells: list[NotebookNode] = []
    for cell in built.cells:
        cells.append(cell)
        for name in item_names(cell):
            item = getattr(sheet, name)
            cell.source = solution_source(name, item, words)
            cell.metadata["nbgrader"] = metadata(name, solution=True)
            cells.append(check_cell(number, name, item, language))
    built.cells = cells
    return built


def solution_source(name: str, item: Exercise | Question, words: Catalogue) -> str:
    """The starter, the solution between nbgrader's marks, and the check that learners see."""
    variable = variable_of(name, item)
    if isinstance(item, Question):
        _, example = HOW_TO_ANSWER[item.kind]
        start = f"{name} = ...  # {words.translate('for example')} {example}"
        solution = f"{name} = {item.right!r}"
    else:
        start, solution = item.starter, item.translate(item.worked).rstrip()
    return f"{start.rstrip()}\n{BEGIN}\n{solution}\n{END}\nex.{name}.check({variable})"


def variable_of(name: str, item: Exercise | Question) -> str:
    """The variable of an answer.

    Each question has its own: after a misprint, the letter of the one before could pass.
    """
    return name if isinstance(item, Question) else "answer"


def check_cell(
    number: str, name: str, item: Exercise | Question, language: str = "en"
) -> NotebookNode:
    """The locked cell that gives the points: an untouched sheet checks the answer again."""
    options = "record=False" if language == "en" else f'record=False, language="{language}"'
    source = (
        "from ftlearn.course.exercises import load\n\n"
        f'outcome = load("{number}", {options}).{name}.check({variable_of(name, item)})\n'
        'assert outcome.status == "passed", outcome'
    )
    return new_code_cell(
        source,
        id=f"points-{name}",
        metadata={"nbgrader": metadata(f"{name}-points", points=points(item))},
    )


def points(item: Exercise | Question) -> int:
    """The points of an exercise, two per star of its difficulty, or of a question, one."""
    if isinstance(item, Question):
        return QUESTION_POINTS
    return POINTS_PER_STAR * item.difficulty


def metadata(grade_id: str, *, solution: bool = False, points: int = 0) -> dict[str, object]:
    """nbgrader's entry of a cell: one that learners write in, or a locked one with points."""
    entry: dict[str, object] = {
        "schema_version": SCHEMA,
        "grade_id": grade_id,
        "cell_type": "code",
        "solution": solution,
        "grade": not solution,
        "locked": not solution,
        "task": False,
    }
    return entry if solution else entry | {"points": points}


def build(folder: Path, paths: list[Path], language: str = "en") -> Iterator[Path]:
    """Write the configuration and the assignments into a course folder; the paths written.

    An existing configuration stays. Raises ClassroomError where an assignment was changed since it
    was built.
    """
    config = folder / CONFIG
    if not config.exists():
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text(CONFIG_TEXT.format(course=folder.resolve().name), encoding="utf-8")
        yield config
    for path in paths:
        target = folder / "source" / path.stem / path.name
        classroom.write(assignment(notebooks.read(path), language), target)
        yield target


def main(arguments: list[str] | None = None) -> int:
    """Build the named lessons as assignments; 1 if one cannot be built."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the course folder of nbgrader, old or new")
    parser.add_argument("names", nargs="+", help="lessons by number, name or path")
    parser.add_argument("--language", choices=["en", *languages.LANGUAGES], default="en")
    options = parser.parse_intermixed_args(arguments)
    try:
        paths = classroom.lessons(options.names, options.language)
        for path in build(options.folder, paths, options.language):
            print(path)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
