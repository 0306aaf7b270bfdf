"""The quiz form: every kind of question can be answered, has a label and shows its outcome."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import ipywidgets
import pytest
from ipywidgets_7 import API_7_7_1, LAYOUT, STYLES

from ftlearn.course.exercises import ExerciseSheet
from ftlearn.course.exercises.quiz import Choice, multiple, number, order, single
from ftlearn.course.widgets import quiz

HOSTILE = '<img src=x onerror="alert(1)"></script>'


@pytest.fixture
def sheet() -> ExerciseSheet:
    return ExerciseSheet(
        [],
        [
            single("One?", Choice("no", why="**not** $x$"), Choice("yes", right=True, why="so")),
            multiple(
                "Two of `three`?",
                Choice("$a$", right=True, why="so"),
                Choice("$b$", why="not b"),
                Choice("$c$", right=True, why="so too"),
            ),
            number("Twice 2?", truth=4, tolerance=0, why="four"),
            order("Count.", items=("one", "two", "three"), why="1, 2, 3"),
        ],
    )


def parts(box: ipywidgets.VBox, index: int) -> tuple:
    """The control of a question, and the line that says the outcome."""
    _, control, status = box.children[index].children
    return control, status


def first_column(rows: ipywidgets.VBox) -> list:
    """The buttons or boxes beside the choices."""
    return [row.children[0] for row in rows.children]


def test_every_kind_is_answered_with_its_own_control(sheet: ExerciseSheet):
    box = quiz(sheet)
    (single_rows, _), (multiple_box, _), (number_box, _), (order_rows, _) = (
        parts(box, index) for index in range(4)
    )
    for index in range(4):
        assert "not attempted" in parts(box, index)[1].value
    first_column(single_rows)[1].click()
    rows, check = multiple_box.children
    for checkbox in (first_column(rows)[0], first_column(rows)[2]):
        checkbox.value = True
    check.click()
    field, check = number_box.children
    field.value = "4"
    check.click()
    steps = dict(zip("abc", first_column(order_rows), strict=True))
    for letter in sheet.quiz4.right:
        steps[letter].click()
    for index in range(4):
        assert "passed" in parts(box, index)[1].value


def test_a_wrong_answer_gets_its_reason_and_an_empty_one_is_not_checked(sheet: ExerciseSheet):
    events = []
    for question in sheet.questions:
        question.on_event = events.append
    box = quiz(sheet)
    for index in (1, 2):
        control, status = parts(box, index)
        control.children[-1].click()
        assert "choose or type first" in status.value
    assert events == []
    control, status = parts(box, 0)
    wrong, right = first_column(control)
    wrong.click()
    assert "not yet</strong>: <strong>not</strong> $x$" in status.value
    assert (wrong.button_style, right.button_style) == ("warning", "")
    right.click()
    assert "passed</strong>: so" in status.value
    assert (wrong.button_style, right.button_style) == ("", "success")
    assert events == ["not yet", "passed"]


def test_an_order_is_clicked_and_a_second_click_takes_a_step_out(sheet: ExerciseSheet):
    control, status = parts(quiz(sheet), 3)
    steps = dict(zip("abc", first_column(control), strict=True))
    first, second, third = sheet.quiz4.right
    for letter in (first, third, second):
        steps[letter].click()
    assert f"{third} does not come before {second}" in status.value
    steps[third].click()
    steps[second].click()
    assert [steps[name].description for name in (first, second, third)] == [
        f"1. {first}",
        second,
        third,
    ]
    steps[second].click()
    steps[third].click()
    assert "passed" in status.value


def test_controls_are_named_and_the_status_is_spoken(sheet: ExerciseSheet):
    box = quiz(sheet)
    control, status = parts(box, 0)
    assert [button.description for button in first_column(control)] == ["a", "b"]
    assert [button.tooltip for button in first_column(control)] == ["no", "yes"]
    assert 'role="status" aria-live="polite"' in status.value
    rows, button = parts(box, 1)[0].children
    assert button.description == "Check answer"
    assert [checkbox.description for checkbox in first_column(rows)] == ["a", "b", "c"]
    assert "<code>three</code>" in box.children[1].children[0].value
    assert rows.children[1].children[1].value == "$b$"


def test_a_question_is_shown_with_buttons_and_as_text(sheet: ExerciseSheet):
    bundle = sheet.quiz1._repr_mimebundle_(include=None, exclude=None)
    view = bundle["application/vnd.jupyter.widget-view+json"]
    form = ipywidgets.Widget.get_manager_state()["state"][view["model_id"]]
    assert form["model_name"] == "VBoxModel"
    assert "- **b** · yes" in bundle["text/markdown"]
    assert '`ex.quiz1.check("a")`' in bundle["text/markdown"]
    assert "One?" in bundle["text/plain"]


def test_a_sheet_without_questions_is_refused():
    with pytest.raises(ValueError, match="no quiz questions"):
        quiz(ExerciseSheet([], []))


def test_hostile_answers_and_questions_are_escaped():
    question = single(HOSTILE, Choice(HOSTILE, why=HOSTILE), Choice("b", right=True, why="b"))
    typed = number("?", truth=1, tolerance=0, why="one")
    box = quiz(ExerciseSheet([], [question, typed]))
    control, status = parts(box, 0)
    first_column(control)[0].click()
    number_box, second_status = parts(box, 1)
    field, check = number_box.children
    field.value = HOSTILE
    check.click()
    shown = [status, second_status, box.children[0].children[0], control.children[0].children[1]]
    assert not any("<img" in widget.value for widget in shown)


def test_only_arguments_of_ipywidgets_7_are_used(
    sheet: ExerciseSheet, monkeypatch: pytest.MonkeyPatch
):
    def old(name: str):
        def construct(*positional, **arguments):
            assert set(arguments) <= API_7_7_1[name], name
            assert set(arguments.get("style", ())) <= STYLES
            assert set(arguments.get("layout", ())) <= LAYOUT
            return getattr(ipywidgets, name)(*positional, **arguments)

        return construct

    module = importlib.import_module("ftlearn.course.widgets.quiz")
    monkeypatch.setattr(
        module, "ipywidgets", SimpleNamespace(**{name: old(name) for name in API_7_7_1})
    )
    assert len(quiz(sheet).children) == 4
