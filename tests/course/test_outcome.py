"""Outcomes show as text, HTML and Markdown; errors show the learner's own lines, escaped."""

from __future__ import annotations

import json

import pytest

from ftlearn.course import exercises
from ftlearn.course.exercises.base import Exercise
from ftlearn.course.exercises.outcome import Outcome, Shown
from ftlearn.course.exercises.quiz import Choice, number, single

HOSTILE = '<img src=x onerror="alert(1)"></script>'
QUESTION = single(
    "What is $\\ln e$?", Choice("$1$", right=True, why="$e^1 = e$"), Choice("$e$", why="no")
)


def make(verify):
    return Exercise("mine", 1, 1, verify, ("one", "two"), "answer = 1", 1, ())


def learner_divides(values):
    return sum(values) / len(values)


def bundle(shown) -> dict[str, str]:
    """The forms that IPython's formatter requests from an object; None means no such form."""
    forms = {
        "text/html": getattr(shown, "_repr_html_", lambda: None)(),
        "text/markdown": getattr(shown, "_repr_markdown_", lambda: None)(),
        "text/plain": repr(shown),
    }
    return {kind: form for kind, form in forms.items() if form is not None}


def test_an_outcome_is_text_and_html_with_its_status_as_a_word():
    forms = bundle(Outcome("not yet", "1 < 2"))
    assert forms["text/plain"] == "not yet: 1 < 2"
    assert forms["text/html"] == '<div role="status"><strong>✎ not yet</strong>: 1 &lt; 2</div>'
    assert "text/markdown" not in forms


def test_an_unanswered_question_is_markdown_with_letters_and_formulas():
    forms = bundle(QUESTION.check(...))
    assert "text/html" not in forms  # JupyterLab would prefer it to the Markdown
    assert forms["text/markdown"].splitlines() == [
        "○ **not attempted**:",
        "",
        "What is $\\ln e$?",
        "",
        "- **a** · $1$",
        "- **b** · $e$",
        "",
        '*One letter, such as `check("a")`*',
    ]
    assert bundle(QUESTION.check("a"))["text/markdown"] == "✔ **passed**: $e^1 = e$"
    assert bundle(QUESTION.check("b"))["text/plain"] == "not yet: no"


def test_the_display_formatter_of_ipython_takes_them_as_they_are():
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    for shown in (Outcome("passed", "yes"), QUESTION.check(), Shown("a\nb")):
        data, _ = formatter.format(shown)
        assert {kind: str(form) for kind, form in data.items()} == bundle(shown)
        json.dumps(data)  # as the kernel sends it


def test_an_error_shows_the_lines_of_the_learner_and_of_nobody_else():
    outcome = make(lambda answer: answer([])).check(learner_divides)
    assert outcome.message == "your answer raised ZeroDivisionError: division by zero"
    assert outcome.details.splitlines()[-1].strip() == (
        f"line {learner_divides.__code__.co_firstlineno + 1}, in learner_divides: "
        "return sum(values) / len(values)"
    )
    assert "base.py" not in outcome.details
    assert "/" not in outcome.details.replace("sum(values) / len", "")


def test_code_of_libraries_under_the_learners_is_left_out():
    outcome = exercises.load("00").q3.check(lambda truths, answers: json.loads("{"))
    assert outcome.status == "error"
    assert outcome.details.count("line") == 1
    assert "decode" not in outcome.details


def test_an_answer_that_the_check_cannot_use_is_told_from_one_that_raises():
    outcome = exercises.load("02").q1.check("seven")
    assert outcome.status == "error"
    assert outcome.message.startswith("the check could not use your answer: it raised ")
    assert outcome.details == ""


def test_an_answer_that_leaves_or_recurses_is_an_error():
    assert make(lambda answer: exit(3)).check(1).status == "error"

    def forever(value):
        return forever(value)

    outcome = make(lambda answer: answer(1)).check(forever)
    assert outcome.status == "error"
    assert len(outcome.details.splitlines()) < 10


def test_an_interrupt_gets_through():
    def interrupt(answer):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(interrupt).check(1)


def test_hostile_texts_are_escaped_everywhere():
    def shout(answer):
        raise ValueError(HOSTILE)

    class Hostile:
        def __float__(self):
            raise KeyError(HOSTILE)

    question = number("?", truth=1, tolerance=0, why="one")
    for shown in (
        make(shout).check(1),
        Outcome("not yet", HOSTILE, HOSTILE),
        Shown(HOSTILE),
        question.check(Hostile()),
        question.check(HOSTILE),
        QUESTION.check(HOSTILE),
    ):
        forms = bundle(shown)
        assert "<img" not in forms.get("text/html", "") + forms.get("text/markdown", "")


def test_hints_and_solutions_show_as_they_stand():
    mine = make(lambda answer: "yes")
    assert bundle(mine.hint()) == {
        "text/plain": "hint 1 of 2: one",
        "text/html": "<pre>hint 1 of 2: one</pre>",
    }
    mine.solution()
    assert repr(mine.solution()) == "answer = 1"


def test_the_solution_of_a_question_asks_once_more_and_gives_all_reasons():
    question = single("?", Choice("x", right=True, why="yes"), Choice("y", why="no"))
    assert "sure?" in question.solution()
    shown = question.solution()
    assert "check('a')" in shown
    assert "**b** wrong: no" in shown
