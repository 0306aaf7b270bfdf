"""Builds the students' and the teacher's notebooks from the lessons and the exercise sheets.

    python -m tools.classroom student             # all lessons, into build/student
    python -m tools.classroom teacher 03          # one, into build/teacher
    python -m tools.classroom student --language zh 02    # from notebooks/zh, into build/student/zh

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

from ftlearn import language as languages
from ftlearn.course import exercises
from ftlearn.course.exercises import Exercise, ExerciseSheet, Outcome, Question
from ftlearn.course.exercises.base import STARTER, starter
from ftlearn.course.exercises.question import LETTERS
from ftlearn.language import Catalogue
from tools import mistakes_table, notebooks, teacher_notes, teacher_words
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


def student(notebook: NotebookNode, language: str = "en") -> NotebookNode:
    """The notebook to hand out: without outputs, solutions and cells for the teacher.

    Wherever a learner puts the file, it keeps its language.
    """
    copied = copy.deepcopy(notebook)
    copied.cells = [cell for cell in copied.cells if not for_teacher(cell)]
    copied.metadata.pop("ftlearn", None)  # the measured cost belongs to the outputs
    for cell in copied.cells:
        if cell.cell_type == "code":
            cell.source = keep_language(remove_solutions(cell.source), language)
            cell.outputs = []
            cell.execution_count = None
    return copied


def keep_language(source: str, language: str) -> str:
    """Code that loads the exercises in a language; without it, the notebook's folder decides.

    >>> keep_language('ex = exercises.load("02")', "zh")
    'ex = exercises.load("02", language="zh")'
    """
    if language == "en":
        return source
    return re.sub(r'(exercises\.load\("\d\d")\)', rf'\1, language="{language}")', source)


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


def teacher(notebook: NotebookNode, language: str = "en") -> NotebookNode:
    """The notebook to teach from: with outputs, solutions, mistakes, answers and a plan.

    Raises ClassroomError if an exercise or a question has no cell, or if a worked solution does
    not pass its check.
    """
    copied = copy.deepcopy(notebook)
    number, _ = notebooks.title(copied)
    sheet = exercises.load(number, record=False, language=language)
    require_all_cells(copied, sheet)
    words = teacher_words.load(language)
    shown = languages.load(language, number)
    first, *rest = copied.cells
    copied.cells = [first, teacher_cell("teacher-note", teacher_notes.note(notebook, sheet, words))]
    for cell in rest:
        for name in item_names(cell):
            if isinstance(getattr(sheet, name), Exercise):
                insert_solution(cell, name, getattr(sheet, name), shown)
        copied.cells += [cell, *notes_after(cell, sheet, words)]
        if cell.cell_type == "code":
            cell.source = keep_language(cell.source, language)
    return copied


def notes_after(cell: NotebookNode, sheet: ExerciseSheet, words: Catalogue) -> Iterator:
    """The teacher's cells after a cell with an exercise or a question."""
    for name in item_names(cell):
        item = getattr(sheet, name)
        about = about_exercise if isinstance(item, Exercise) else about_question
        yield teacher_cell(f"teacher-{name}", about(name, item, words))


def teacher_cell(cell_id: str, text: str) -> NotebookNode:
    """A Markdown cell that only the teacher's notebook has."""
    return new_markdown_cell(text, id=cell_id, metadata={"tags": ["teacher"]})


def insert_solution(
    cell: NotebookNode, name: str, exercise: Exercise, shown: Catalogue | None = None
) -> None:
    """Write the worked solution into a cell, between nbgrader's marks, with the check's output.

    ``shown`` translates what a check shows, as a lesson's kernel does.
    Raises ClassroomError if the solution does not run by itself or does not pass.
    """
    outcome = outcome_of(name, exercise)
    begin = BEGIN_MENDED if exercise.broken else BEGIN
    worked = exercise.translate(exercise.worked)
    solution = f"{begin}\n{worked.rstrip()}\n{END}"
    if exercise.broken:  # what is to be mended stays in sight
        solution = f"{exercise.starter}\n\n{solution}"
    cell.source = cell.source.replace(exercise.starter, solution, 1)
    shown = shown or Catalogue({})
    data = {
        "text/html": languages.html(str(outcome.as_html()), shown),
        "text/plain": languages.output(repr(outcome), shown),
    }
    count = cell.execution_count
    cell.outputs = [new_output("execute_result", data, execution_count=count)]


def outcome_of(name: str, exercise: Exercise) -> Outcome:
    """The check's outcome for the worked solution. Raises ClassroomError unless it passes."""
    namespace: dict[str, object] = {}
    try:
        code = compile(exercise.translate(exercise.worked), f"worked solution of {name}", "exec")
        exec(code, namespace)  # noqa: S102
    except Exception as error:
        raise ClassroomError(f"the worked solution of {name} does not run: {error!r}") from error
    outcome = exercise.check(namespace.get("answer", ...))
    if outcome.status != "passed":
        raise ClassroomError(f"the worked solution of {name} does not pass: {outcome!r}")
    return outcome


def about_exercise(name: str, exercise: Exercise, words: Catalogue) -> str:
    """Difficulty, minutes, hints and typical mistakes, as Markdown."""
    stars = "★" * exercise.difficulty + "☆" * (3 - exercise.difficulty)
    title = exercise.translate(exercise.name)
    lines = [f"**For the teacher, {name}:** *{title}*, {stars}, {exercise.minutes} min."]
    lines += [
        f"Hint {number}: {exercise.translate(hint)}"
        for number, hint in enumerate(exercise.hints, start=1)
    ]
    head = f"> | {words.translate('typical mistake')} | {words.translate('what the check says')} |"
    rows = [
        f"> | {mistakes_table.code(answer)} | {mistakes_table.message(exercise, answer, words)} |"
        for answer, _ in exercise.mistakes
    ]
    quoted = [f"> {words.translate(line)}  " for line in lines]
    return "\n".join([*quoted, ">", head, "> |---|---|", *rows])


def about_question(name: str, question: Question, words: Catalogue) -> str:
    """The right answer, and the reason for each choice, as Markdown."""
    right = f"`{question.right!r}`"
    if question.kind == "order":
        choices = [question.choices[LETTERS.index(letter)] for letter in question.right]
        right += f" ({'; '.join(question.translate(choice.text) for choice in choices)})"
    reasons = "\n".join(f"> {line}" for line in question.reasons().splitlines())
    answer = words.translate(f"**For the teacher, {name}:** the answer is {right}.")
    return f"> {answer}\n>\n{reasons}"


BUILDS: dict[str, Callable[[NotebookNode, str], NotebookNode]] = {
    "student": student,
    "teacher": teacher,
}


def build(kind: str, path: Path, language: str = "en") -> Path:
    """Build one notebook of a kind from a lesson in a language; where it lies.

    Raises ClassroomError where the notebook of an earlier build was changed since: a teacher may
    have put an evening into it.
    """
    target = BUILD / kind / ("" if language == "en" else language) / path.name
    write(BUILDS[kind](notebooks.read(path), language), target)
    return target


def write(notebook: NotebookNode, target: Path) -> None:
    """Write a notebook that was built. Raises ClassroomError over one that somebody changed."""
    if target.exists() and not is_unchanged(notebooks.read(target)):
        raise ClassroomError(
            f"{target} was changed since it was built: rename it to keep it, or remove it"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    notebook.metadata[FINGERPRINT] = fingerprint(notebook)
    notebooks.write(notebook, target)


def lessons(names: list[str], language: str = "en") -> list[Path]:
    """The paths of the named lessons, or of all, in a language.

    Raises ClassroomError for a named lesson that has not been built in the language.
    """
    paths = notebooks.find(names)
    if language == "en":
        return paths
    paths = [notebooks.FOLDER / language / path.name for path in paths]
    missing = [path.name for path in paths if not path.exists()]
    if names and missing:
        raise ClassroomError(
            f"no {', '.join(missing)} in notebooks/{language}: `python -m tools.translations "
            f"build` makes them"
        )
    return [path for path in paths if path.exists()]


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
    parser.add_argument("--language", choices=["en", *languages.LANGUAGES], default="en")
    options = parser.parse_intermixed_args(arguments)
    failures = 0
    for path in lessons(options.names, options.language):
        try:
            print(build(options.kind, path, options.language).relative_to(notebooks.ROOT))
        except ValueError as error:
            failures += 1
            print(f"{path.name}: {error}", file=sys.stderr)
    return failures


if __name__ == "__main__":
    sys.exit(main())
