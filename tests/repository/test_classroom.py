"""Students get no solution, teachers get solutions that pass, and both come from one source."""

from __future__ import annotations

import copy
import re

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from ftlearn.course import exercises
from tools import classroom, exercise_cells, notebooks, rules, teacher_notes, teacher_words
from tools.classroom import BEGIN, END, ClassroomError

PATHS = notebooks.find()
LESSONS = [
    pytest.param(notebooks.read(path), id=path.stem)
    for path in PATHS
    if path.stem[:2] in exercises.numbers()
]


@pytest.fixture(scope="module")
def taught() -> dict[str, NotebookNode]:
    """The teacher's notebook of each lesson, built once."""
    return {}


def teacher_of(lesson: NotebookNode, taught: dict[str, NotebookNode]) -> NotebookNode:
    number, _ = notebooks.title(lesson)
    if number not in taught:
        taught[number] = classroom.teacher(lesson)
    return taught[number]


def codes(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_exercise_and_question_has_its_cell(lesson: NotebookNode):
    number, _ = notebooks.title(lesson)
    classroom.require_all_cells(lesson, exercises.load(number, record=False))


@pytest.mark.parametrize("lesson", LESSONS)
def test_students_get_all_code_and_no_outputs_and_no_solutions(lesson: NotebookNode):
    copied = classroom.student(lesson)
    nbformat.validate(copy.deepcopy(copied))
    assert codes(copied) == codes(lesson)  # so it runs from top to bottom as the lesson does
    assert not any(cell.get("outputs") for cell in copied.cells)
    number, _ = notebooks.title(lesson)
    texts = "\n".join(cell.source for cell in copied.cells)
    for exercise in exercises.load(number, record=False).exercises:
        assert exercise.worked.strip() not in texts
        assert not any(hint in texts for hint in exercise.hints)


@pytest.mark.parametrize("lesson", LESSONS)
def test_going_through_the_teachers_notebook_changes_nothing(lesson: NotebookNode, taught):
    again = classroom.student(teacher_of(lesson, taught))
    assert again == classroom.student(lesson)


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_teachers_solutions_pass_and_nothing_is_missing(lesson: NotebookNode, taught):
    built = teacher_of(lesson, taught)
    nbformat.validate(copy.deepcopy(built))
    number, _ = notebooks.title(lesson)
    sheet = exercises.load(number, record=False)
    solved = [cell for cell in built.cells if notebooks.has_tag(cell, "exercise")]
    assert len(solved) == len(sheet.exercises)
    for cell in solved:
        namespace = {"ex": sheet}
        exec(cell.source.rpartition("\n")[0], namespace)
        assert eval(cell.source.rpartition("\n")[2], namespace).status == "passed"
        assert cell.outputs[0].data["text/plain"].startswith("passed")
    ids = [cell.id for cell in built.cells]
    assert {f"teacher-{name}" for name, _ in sheet.items()} | {"teacher-note"} <= set(ids)
    outputs = {cell.id: cell.get("outputs") for cell in built.cells}
    for cell in lesson.cells:
        if not notebooks.has_tag(cell, "exercise"):
            assert outputs[cell.id] == cell.get("outputs")


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_plan_fills_ninety_minutes_with_every_section(lesson: NotebookNode):
    number, _ = notebooks.title(lesson)
    sheet = exercises.load(number, record=False)
    table = teacher_notes.timetable(lesson, sheet)
    times = re.findall(r"^\| (\d+)–(\d+) \|", table, re.MULTILINE)
    starts, ends = ([int(time[at]) for time in times] for at in (0, 1))
    assert starts[0] == 0
    assert starts[1:] == ends[:-1]
    assert ends[-1] == teacher_notes.MINUTES
    assert all(f"| {name} |" in table for name, _ in teacher_notes.sections(lesson))


def sample(*cells: NotebookNode) -> NotebookNode:
    opening = new_markdown_cell("# 00 · A sample?", id="title")
    return new_notebook(cells=[opening, *cells])


def complete() -> list[NotebookNode]:
    return [
        new_code_cell(
            exercise_cells.unanswered(name, item),
            id=name,
            metadata={"tags": ["quiz" if name.startswith("quiz") else "exercise"]},
        )
        for name, item in exercises.load("00", record=False).items()
    ]


def test_marked_and_tagged_solutions_are_taken_out():
    source = f"def f(x):\n    {BEGIN}\n    answer = x\n    {END}\n    return answer"
    copied = classroom.student(
        sample(
            new_code_cell(source, id="inside"),
            new_code_cell("secret", id="one", metadata={"tags": ["solution"]}),
            new_markdown_cell("secret", id="two", metadata={"tags": ["teacher"]}),
        )
    )
    assert [cell.id for cell in copied.cells] == ["title", "inside"]
    assert copied.cells[1].source == "def f(x):\n    answer = ...\n    return answer"


def test_a_lesson_that_does_not_fit_its_sheet_is_named():
    assert classroom.teacher(sample(*complete()))
    with pytest.raises(ClassroomError, match="the sheet has"):
        classroom.teacher(sample(*complete()[1:]))
    spoilt = complete()
    spoilt[0].source = "answer = 1.386\nex.q1.check(answer)"  # an author's answer left behind
    with pytest.raises(ClassroomError, match="cell q1 is tagged exercise or quiz and must read"):
        classroom.teacher(sample(*spoilt))


def test_questions_are_not_counted_as_code_to_read():
    cells = [new_code_cell("assert True", id=f"c{n}") for n in range(rules.CODE_CELLS[1])]
    questions = complete()
    for cell in questions:
        cell.metadata["tags"] = ["quiz"]
    counted = [text for text in rules.code(sample(*cells, *questions)) if "code cells;" in text]
    assert counted == []
    questions[0].metadata["tags"] = []
    assert "46 code cells; 20 to 45 are meant" in rules.code(sample(*cells, *questions))


def test_a_worked_solution_that_fails_stops_the_build():
    exercise = exercises.load("00", record=False).q1
    for worked, message in (
        ("answer = 3", "does not pass"),
        ("ln 4", "does not run"),
        ("", "pass"),
    ):
        exercise.worked = worked
        with pytest.raises(ClassroomError, match=message):
            classroom.outcome_of("q1", exercise)


def test_the_tool_builds_into_its_folder_and_counts_failures(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(classroom, "BUILD", notebooks.ROOT / "build" / "tests")
    monkeypatch.setattr(
        classroom, "build", lambda kind, path, language: notebooks.ROOT / kind / path.name
    )
    assert classroom.main(["student", "00"]) == 0
    assert "student/00_start_here.ipynb" in capsys.readouterr().out

    def fail(kind, path, language):
        raise ClassroomError("no cell for q1")

    monkeypatch.setattr(classroom, "build", fail)
    assert classroom.main(["teacher", "00"]) == 1
    assert "no cell for q1" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["student", "teacher"])
def test_a_notebook_that_somebody_changed_is_not_built_over(tmp_path, monkeypatch, kind: str):
    monkeypatch.setattr(classroom, "BUILD", tmp_path)
    (lesson,) = notebooks.find(["00"])
    target = classroom.build(kind, lesson)
    before = target.read_bytes()
    assert classroom.build(kind, lesson) == target  # nobody has touched it
    assert target.read_bytes() == before
    changed = notebooks.read(target)
    changed.cells[-1].source += "\n\nHomework for Tuesday."
    notebooks.write(changed, target)
    edited = target.read_bytes()
    with pytest.raises(ClassroomError, match="was changed since it was built: rename it to keep"):
        classroom.build(kind, lesson)
    assert target.read_bytes() == edited


CHINESE = [
    pytest.param(path, id=path.stem) for path in sorted((notebooks.FOLDER / "zh").glob("*.ipynb"))
]
EXPLAINED = re.compile(r"`[^`]*`|\$[^$]*\$|<[^>]*>")
"""Code, formulas and tags, which are the same in every language."""


@pytest.mark.parametrize("path", CHINESE)
def test_the_chinese_teacher_gets_chinese_cells_and_solutions_that_pass(path):
    lesson = notebooks.read(path)
    built = classroom.teacher(lesson, "zh")
    nbformat.validate(copy.deepcopy(built))
    number, _ = notebooks.title(lesson)
    items = dict(exercises.load(number, record=False, language="zh").items())
    cells = {cell.id: cell for cell in built.cells}
    assert {f"teacher-{name}" for name in items} | {"teacher-note"} <= set(cells)
    for cell in built.cells:
        if notebooks.has_tag(cell, "teacher"):
            prose = EXPLAINED.sub("", cell.source.partition("```")[0])
            written = [text for text in (*teacher_words.CHINESE_TEXTS, "Hint ") if text in prose]
            assert written == [], cell.source
        if notebooks.has_tag(cell, "exercise"):
            assert cell.outputs[0].data["text/plain"].startswith("通过：")
    for name in items:
        assert cells[f"teacher-{name}"].source.startswith(f"> **教师须知，{name}：**")


@pytest.mark.parametrize("path", CHINESE)
def test_chinese_students_get_the_lesson_in_chinese_wherever_it_lies(path):
    lesson = notebooks.read(path)
    copied = classroom.student(lesson, "zh")
    changed = [
        (after, before)
        for after, before in zip(codes(copied), codes(lesson), strict=True)
        if after != before
    ]
    ((after, before),) = changed
    number, _ = notebooks.title(lesson)
    assert after == before.replace(f'"{number}")', f'"{number}", language="zh")')
    assert not any(cell.get("outputs") for cell in copied.cells)
    assert classroom.student(classroom.teacher(lesson, "zh"), "zh") == copied
    assert copied.cells[0].source == lesson.cells[0].source


def test_the_plan_of_a_chinese_lesson_fills_ninety_minutes():
    lesson = notebooks.read(notebooks.FOLDER / "zh" / "02_loss.ipynb")
    sheet = exercises.load("02", record=False, language="zh")
    table = teacher_notes.timetable(lesson, sheet, teacher_words.load("zh"))
    times = re.findall(r"^\| (\d+)–(\d+) \| (.+) \|", table, re.MULTILINE)
    assert (times[0][0], times[-1][1]) == ("0", "90")
    assert "练习 q1, q2, q3, q4" in [name for _, _, name in times]
    assert not {"练习", "小结", "出处"} & {name for _, _, name in times}


def test_a_chinese_handout_lies_in_its_own_folder_and_a_missing_lesson_is_named(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(classroom, "BUILD", tmp_path)
    (lesson,) = classroom.lessons(["02"], "zh")
    assert classroom.build("student", lesson, "zh") == tmp_path / "student" / "zh" / lesson.name
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    (tmp_path / "02_loss.ipynb").touch()
    with pytest.raises(ClassroomError, match=r"no 02_loss\.ipynb in notebooks/zh"):
        classroom.lessons(["02"], "zh")
