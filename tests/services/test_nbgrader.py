"""The marks of nbgrader are real: a course is made, handed out, collected and graded by it."""

from __future__ import annotations

import copy
import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from graded_cells import graded
from nbformat import NotebookNode

from ftlearn.course import exercises
from tools import nbgrader_course, notebooks
from tools.nbgrader_course import assignment, points

pytestmark = pytest.mark.services
nbgraderformat = pytest.importorskip("nbgrader.nbgraderformat")
NAME = "02_loss"
QUESTIONS = {"quiz1", "quiz3"}
"""The questions that Bob answers rightly, beside exercise q1."""


@pytest.mark.parametrize("path", notebooks.find(), ids=lambda path: path.stem)
def test_nbgrader_takes_every_lesson(path: Path):
    validator = nbgraderformat.MetadataValidator()
    assert validator.schema_version == nbgrader_course.SCHEMA
    validator.validate_nb(assignment(notebooks.read(path)))


def run(folder: Path, *words: str) -> str:
    """What a command of nbgrader says, run in a course folder; it must succeed."""
    settings = folder.parent / "jupyter"  # nobody's own settings decide
    variables = {"JUPYTER_CONFIG_DIR": str(settings), "OMP_NUM_THREADS": "1"}
    variables["PYTHONPATH"] = str(notebooks.ROOT)
    # nbgrader calls alembic by its name.
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course folder with a lesson that nbgrader has made ready to hand out."""
    folder = tmp_path_factory.mktemp("teacher") / "fine-tuning"
    assert nbgrader_course.main([str(folder), "02"]) == 0
    run(folder, "generate_assignment", NAME)
    return folder


@pytest.fixture(scope="module")
def released(course: Path) -> NotebookNode:
    return notebooks.read(course / "release" / NAME / f"{NAME}.ipynb")


def test_learners_get_starters_and_no_solution(released: NotebookNode):
    sheet = exercises.load("02", record=False)
    cells = graded(released)
    text = "\n".join(cell.source for cell in released.cells)
    assert "SOLUTION" not in text
    for name, item in sheet.items():
        if name.startswith("quiz"):
            assert cells[name].source.startswith(f"{name} = ...  # for example ")
        else:
            assert cells[name].source.startswith(item.starter)
            assert item.worked.strip() not in text
        assert cells[f"{name}-points"].metadata["editable"] is False


def answered(released: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    """The lesson as a learner hands it in: code in place of the starters of some items."""
    notebook = copy.deepcopy(released)
    for name, code in answers.items():
        cell = graded(notebook)[name]
        cell.source = f"{code}\n{cell.source.rpartition(chr(10))[2]}"
    return notebook


def solutions() -> dict[str, str]:
    return {
        name: f"{name} = {item.right!r}" if name.startswith("quiz") else item.worked
        for name, item in exercises.load("02", record=False).items()
    }


def bobs(released: NotebookNode) -> NotebookNode:
    """Two questions and one exercise right, typical mistakes, a misprint, and a forged check."""
    answers = {name: code for name, code in solutions().items() if name in {"q1", *QUESTIONS}}
    answers |= {"q3": "answer = 0.0", "quiz2": "quiz2 = 'a'", "quiz4": "quiz4 = dabc'"}
    notebook = answered(released, answers)  # q2 stays as it was handed out, and so does q4
    forged = graded(notebook)["q3-points"]
    forged.source = "print('passed')"
    forged.metadata["nbgrader"]["points"] = 100
    deleted = graded(notebook)["q4-points"]
    notebook.cells.remove(deleted)
    return notebook


@pytest.fixture(scope="module")
def marked(course: Path, released: NotebookNode) -> Path:
    """The course after two learners' files were collected and graded."""
    inbox = course / "downloaded" / NAME / "archive"
    inbox.mkdir(parents=True)
    notebooks.write(answered(released, solutions()), inbox / f"ada_{NAME}.ipynb")
    notebooks.write(bobs(released), inbox / f"bob_{NAME}.ipynb")
    run(course, "zip_collect", NAME)
    said = run(course, "autograde", NAME)
    assert "'checksum' for cell q3-points has changed" in said
    run(course, "generate_feedback", NAME)
    run(course, "export", "--to", "grades.csv")
    return course


@pytest.fixture(scope="module")
def grades(marked: Path) -> dict[str, tuple[float, float]]:
    """The points of each learner, and the most that there are, as nbgrader exports them."""
    with (marked / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in rows}


def test_solutions_get_all_points_and_mistakes_none(grades):
    items = dict(exercises.load("02", record=False).items())
    most = sum(map(points, items.values()))
    assert most == 2 * (1 + 2 + 2 + 3) + 4
    right = sum(points(items[name]) for name in ("q1", *QUESTIONS))
    assert grades == {"ada": (most, most), "bob": (right, most)}


def test_a_locked_cell_that_a_learner_changed_or_deleted_is_as_it_was(marked, released):
    graded_file = marked / "autograded" / "bob" / NAME / f"{NAME}.ipynb"
    cells, handed_out = graded(notebooks.read(graded_file)), graded(released)
    assert cells["q3-points"].source == handed_out["q3-points"].source
    assert cells["q3-points"].metadata["nbgrader"]["points"] == 4
    assert cells["q4-points"].source.endswith(handed_out["q4-points"].source)


def test_feedback_says_what_the_check_said(marked: Path):
    page = (marked / "feedback" / "bob" / NAME / f"{NAME}.html").read_text("utf-8")
    assert exercises.load("02", record=False).q3.check(0.0).message in page
