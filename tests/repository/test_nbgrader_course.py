"""A course for nbgrader: points per exercise, and locked cells that only right answers pass."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

import nbformat
import pytest
from graded_cells import graded
from nbformat import NotebookNode

from ftlearn.course import exercises
from tools import nbgrader_course, notebooks
from tools.exercise_cells import ClassroomError
from tools.nbgrader_course import assignment

LESSONS = [
    pytest.param(notebooks.read(path), id=path.stem)
    for path in notebooks.find()
    if path.stem[:2] in exercises.numbers()
]


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_exercise_and_question_has_points_in_proportion_to_its_difficulty(
    lesson: NotebookNode,
):
    built = assignment(lesson)
    nbformat.validate(copy.deepcopy(built))
    number, _ = notebooks.title(lesson)
    items = dict(exercises.load(number, record=False).items())
    assert set(graded(built)) == {*items, *(f"{name}-points" for name in items)}
    for name, item in items.items():
        entry = graded(built)[f"{name}-points"].metadata["nbgrader"]
        assert (entry["locked"], entry["grade"]) == (True, True)
        assert entry["points"] == (1 if name.startswith("quiz") else 2 * item.difficulty)


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_solutions_of_an_assignment_get_its_points_and_starters_get_none(lesson: NotebookNode):
    """What autograding runs, without a kernel: the answer's cell, then the locked cell."""
    number, _ = notebooks.title(lesson)
    cells = graded(assignment(lesson))
    sheet = exercises.load(number, record=False)
    for name, _ in sheet.items():
        locked = cells[f"{name}-points"].source
        names: dict[str, object] = {"ex": sheet}
        exec(cells[name].source, names)
        exec(locked, names)
        start = cells[name].source.partition("\n### BEGIN SOLUTION")[0]
        names = {"ex": sheet}
        exec(start, names)
        with pytest.raises(AssertionError):
            exec(locked, names)


def test_a_chinese_assignment_asks_and_answers_in_chinese():
    (path,) = nbgrader_course.classroom.lessons(["02"], "zh")
    cells = graded(assignment(notebooks.read(path), "zh"))
    assert cells["quiz2"].source.startswith('quiz2 = ...  # 例如 "a"')
    names: dict[str, object] = {"answer": [0.2, 0.5, 0.3]}
    with pytest.raises(AssertionError, match="这是概率本身"):
        exec(cells["q1-points"].source, names)


def test_an_assignment_that_the_teacher_changed_is_not_built_over(tmp_path: Path, capsys):
    assert nbgrader_course.main([str(tmp_path), "00"]) == 0
    assert nbgrader_course.main([str(tmp_path), "00"]) == 0
    target = tmp_path / "source" / "00_start_here" / "00_start_here.ipynb"
    changed = notebooks.read(target)
    changed.cells[0].source += "\n\nFor Tuesday."
    notebooks.write(changed, target)
    (tmp_path / nbgrader_course.CONFIG).write_text("# the teacher's own")
    assert nbgrader_course.main([str(tmp_path), "00"]) == 1
    assert "was changed since it was built" in capsys.readouterr().err
    assert (tmp_path / nbgrader_course.CONFIG).read_text() == "# the teacher's own"
    changed.cells = changed.cells[:3]
    with pytest.raises(ClassroomError, match="the sheet has"):
        assignment(changed)


@pytest.mark.parametrize("number", exercises.numbers())
def test_no_answer_left_from_another_exercise_passes(number: str):
    """Exercises share the name `answer`: after a misprint, the one before stands in it."""
    sheet = exercises.load(number, record=False).exercises
    for exercise, other in itertools.permutations(sheet, 2):
        assert exercise.check(other.example).status != "passed", exercise.name
