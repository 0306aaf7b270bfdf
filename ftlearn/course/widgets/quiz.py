"""A lesson's quiz questions as buttons: a click gives the answer, and its reason stands below."""

from __future__ import annotations

import re
from collections.abc import Callable

import ipywidgets

from ftlearn import markup
from ftlearn.course.exercises.outcome import NOT_ATTEMPTED, NOT_YET, PASSED, SIGNS, Outcome
from ftlearn.course.exercises.question import LETTERS, Question
from ftlearn.course.exercises.sheet import ExerciseSheet
from ftlearn.markup import Markup, tag

HINTS = {
    "single": "Click the best answer.",
    "multiple": "Tick every right answer, then check.",
    "number": "Type a number such as 1.5, then check.",
    "order": "Click the steps in order; a second click takes a step out again.",
}
COLORS = {PASSED: "success", NOT_YET: "warning"}
"""The button style of an answer with this status; the status is also said in words."""
_SPAN = re.compile(r"(\$[^$]+\$|`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*)")


def quiz(sheet: ExerciseSheet) -> ipywidgets.VBox:
    """All questions of a sheet, one below the other, as ``question_form`` shows them.

    Progress is recorded as by ``ex.quiz1.check("b")``. Raises ValueError for a sheet without
    questions.

    >>> from ftlearn.course.exercises.quiz import number
    >>> box = quiz(ExerciseSheet([], [number("2 + 2?", truth=4, tolerance=0, why="twice two")]))
    >>> text, control, status = box.children[0].children
    >>> field, button = control.children
    >>> field.value = "4"; button.click(); status.value
    '<p role="status" aria-live="polite"><strong>✔ passed</strong>: twice two</p>'
    """
    if not sheet.questions:
        raise ValueError("this sheet has no quiz questions yet")
    return ipywidgets.VBox([question_form(question) for question in sheet.questions])


def question_form(question: Question) -> ipywidgets.VBox:
    """One question: its text, a control for the answer, and a line for the outcome.

    The control calls ``question.check``, so that a click and code give the same outcome. By
    keyboard, Tab moves from button to button, and Enter or Space presses one; a screen reader
    speaks the outcome when it changes.
    """
    text, status = ipywidgets.HTMLMath(), ipywidgets.HTMLMath()
    how = question.translate(HINTS[question.kind])
    text.value = tag("p", inline(question.translate(question.text)), " ", tag("em", how))
    status.value = as_status(Outcome(NOT_ATTEMPTED, ""))

    def check(answer: str) -> str:
        outcome = question.check(answer) if answer else NOTHING_CHOSEN
        status.value = as_status(outcome)
        return outcome.status

    return ipywidgets.VBox([text, CONTROLS[question.kind](question, check), status])


NOTHING_CHOSEN = Outcome(NOT_ATTEMPTED, "choose or type first")
Check = Callable[[str], str]
"""Checks an answer, shows the outcome and returns its status."""


def as_status(outcome: Outcome) -> Markup:
    """An outcome as HTML that a screen reader speaks: a sign, a word and a sentence."""
    word = tag("strong", f"{SIGNS[outcome.status]} {outcome.status}")
    sentence = markup.join(": ", inline(outcome.message)) if outcome.message else ""
    return tag("p", word, sentence, role="status", aria_live="polite")


def inline(text: str) -> Markup:
    """A line of Markdown as HTML: code, bold and italic; formulas stay for MathJax.

    >>> inline("**not** `a < b` but $a$")
    '<strong>not</strong> <code>a &lt; b</code> but $a$'
    """
    return markup.join(*map(_span, _SPAN.split(text)))


def _span(part: str) -> str | Markup:
    if part.startswith("$") or len(part) < 3 or not _SPAN.fullmatch(part):
        return part
    if part.startswith("`"):
        return tag("code", part[1:-1])
    if part.startswith("**"):
        return tag("strong", part[2:-2])
    return tag("em", part[1:-1])


def _choice_buttons(question: Question) -> dict[str, ipywidgets.Button]:
    """One button per choice, by its letter; the choice itself is its tooltip."""
    choices = zip(LETTERS, question.choices, strict=False)
    layout = {"width": "4em", "flex": "0 0 auto"}
    return {
        letter: ipywidgets.Button(description=letter, tooltip=choice.text, layout=layout)
        for letter, choice in choices
    }


def _rows(question: Question, controls: dict[str, ipywidgets.Widget]) -> ipywidgets.VBox:
    """Each control beside the text of its choice, which may be long and hold formulas."""
    rows = []
    for control, choice in zip(controls.values(), question.choices, strict=True):
        layout = {"flex": "1 1 auto", "padding": "0 0 0 8px"}
        text = ipywidgets.HTMLMath(layout=layout)
        text.value = inline(question.translate(choice.text))
        rows.append(ipywidgets.HBox([control, text], layout={"align_items": "center"}))
    return ipywidgets.VBox(rows)


def _single(question: Question, check: Check) -> ipywidgets.VBox:
    """A click on a choice is the answer."""
    buttons = _choice_buttons(question)

    def choose(clicked: ipywidgets.Button) -> None:
        status = check(clicked.description)
        for button in buttons.values():
            button.button_style = COLORS.get(status, "") if button is clicked else ""

    for button in buttons.values():
        button.on_click(choose)
    return _rows(question, buttons)


def _multiple(question: Question, check: Check) -> ipywidgets.VBox:
    """Boxes to tick, and a button that checks them."""
    boxes = {
        letter: ipywidgets.Checkbox(
            description=letter, indent=False, layout={"width": "4em", "flex": "0 0 auto"}
        )
        for letter, _ in zip(LETTERS, question.choices, strict=False)
    }
    button = ipywidgets.Button(description="Check answer")

    def check_ticked(_: ipywidgets.Button) -> None:
        check("".join(letter for letter, box in boxes.items() if box.value))

    button.on_click(check_ticked)
    return ipywidgets.VBox([_rows(question, boxes), button])


def _order(question: Question, check: Check) -> ipywidgets.VBox:
    """Buttons that number themselves in the order of the clicks; the last one checks."""
    buttons = _choice_buttons(question)
    chosen: list[str] = []

    def toggle(letter: str) -> None:
        if letter in chosen:
            chosen.remove(letter)
        else:
            chosen.append(letter)
        status = check("".join(chosen)) if len(chosen) == len(buttons) else ""
        for name, button in buttons.items():
            position = f"{chosen.index(name) + 1}. " if name in chosen else ""
            button.description = position + name
            button.button_style = COLORS.get(status, "")

    for letter, button in buttons.items():
        button.on_click(lambda _, letter=letter: toggle(letter))
    return _rows(question, buttons)


def _number(question: Question, check: Check) -> ipywidgets.HBox:
    """A field for the number, and a button that checks it."""
    field = ipywidgets.Text(description="answer", placeholder="a number, such as 1.5")
    button = ipywidgets.Button(description="Check answer")
    button.on_click(lambda _: check(field.value.strip()))
    return ipywidgets.HBox([field, button], layout={"flex_flow": "row wrap"})


CONTROLS = {"single": _single, "multiple": _multiple, "number": _number, "order": _order}
