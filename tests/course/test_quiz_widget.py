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


def part(box: ipywidgets.VBox, index: int):
    text, control, button, status = box.children[index].children
    return control, button, status, text


def test_every_kind_is_answered_with_its_own_control(sheet: ExerciseSheet):
    box = quiz(sheet)
    radio, boxes, field, letters = (part(box, at)[0] for at in range(4))
    for at in range(4):
        assert "not attempted" in part(box, at)[2].value
    radio.value = "b"
    boxes.children[0].value = boxes.children[2].value = True
    field.value, letters.value = "4", sheet.quiz4.right
    for at in range(4):
        part(box, at)[1].click()
        assert "passed" in part(box, at)[2].value


def test_a_wrong_answer_gets_its_reason_and_an_empty_one_is_not_checked(sheet: ExerciseSheet):
    events = []
    for question in sheet.questions:
        question.on_event = events.append
    box = quiz(sheet)
    radio, button, status, _ = part(box, 0)
    for at in range(4):
        part(box, at)[1].click()
    assert "choose or type first" in status.value
    assert events == []
    radio.value = "a"
    button.click()
    assert "not yet</strong>: <strong>not</strong> $x$" in status.value
    assert events == ["not yet"]


def test_controls_are_named_and_the_status_is_spoken(sheet: ExerciseSheet):
    box = quiz(sheet)
    radio, button, status, _ = part(box, 0)
    assert radio.value is None
    assert dict(radio.options) == {"a · no": "a", "b · yes": "b"}
    assert button.description == "Check answer 1"
    assert 'role="status" aria-live="polite"' in status.value
    boxes, _, _, text = part(box, 1)
    assert [checkbox.description for checkbox in boxes.children] == ["a", "b", "c"]
    assert "<code>three</code>" in text.value
    assert "<li><strong>b</strong> · $b$</li>" in text.value  # a label shows no formula


def test_a_sheet_without_questions_is_refused():
    with pytest.raises(ValueError, match="no quiz questions"):
        quiz(ExerciseSheet([], []))


def test_hostile_answers_and_questions_are_escaped():
    question = single(HOSTILE, Choice(HOSTILE, why=HOSTILE), Choice("b", right=True, why="b"))
    typed = number("?", truth=1, tolerance=0, why="one")
    box = quiz(ExerciseSheet([], [question, typed]))
    radio, button, status, text = part(box, 0)
    radio.value = "a"
    button.click()
    field, second_button, second_status, _ = part(box, 1)
    field.value = HOSTILE
    second_button.click()
    assert "<img" not in status.value + text.value + second_status.value


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
