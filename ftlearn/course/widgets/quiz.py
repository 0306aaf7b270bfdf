"""A lesson's quiz questions as a form with radio buttons, checkboxes and text fields."""

from __future__ import annotations

import re
from collections.abc import Callable

import ipywidgets

from ftlearn import markup
from ftlearn.course.exercises.outcome import NOT_ATTEMPTED, SIGNS, Outcome
from ftlearn.course.exercises.question import LETTERS, Question
from ftlearn.course.exercises.sheet import ExerciseSheet
from ftlearn.markup import Markup, tag

HINTS = {
    "number": "a number, such as 1.5",
    "order": "all letters in order, such as abc",
}
_SPAN = re.compile(r"(\$[^$]+\$|`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*)")


def quiz(sheet: ExerciseSheet) -> ipywidgets.VBox:
    """The questions of a sheet as a form; a button below each question checks the answer.

    The form calls the sheet's own checks: ``ex.quiz1.check("b")`` in a cell does the same, and
    progress is recorded either way. Raises ValueError for a sheet without questions.

    >>> from ftlearn.course.exercises.quiz import number
    >>> box = quiz(ExerciseSheet([], [number("2 + 2?", truth=4, tolerance=0, why="twice two")]))
    >>> text, field, button, status = box.children[0].children
    >>> field.value = "4"; button.click(); status.value
    '<p role="status" aria-live="polite"><strong>✔ passed</strong>: twice two</p>'
    """
    if not sheet.questions:
        raise ValueError("this sheet has no quiz questions yet")
    questions = enumerate(sheet.questions, start=1)
    return ipywidgets.VBox([_question(number, question) for number, question in questions])


def _question(number: int, question: Question) -> ipywidgets.VBox:
    text = ipywidgets.HTMLMath()
    text.value = as_form(number, question)
    status = ipywidgets.HTMLMath()
    status.value = as_status(Outcome(NOT_ATTEMPTED, ""))
    button = ipywidgets.Button(description=f"Check answer {number}")
    control, read_answer = CONTROLS[question.kind](question)

    def check(_: ipywidgets.Button) -> None:
        answer = read_answer()
        if answer:
            outcome = question.check(answer)
        else:
            outcome = Outcome(NOT_ATTEMPTED, "choose or type first")
        status.value = as_status(outcome)

    button.on_click(check)
    return ipywidgets.VBox([text, control, button, status])


def as_form(number: int, question: Question) -> Markup:
    """The text of a question as HTML, and its choices if a control label cannot show them."""
    text = tag("p", tag("strong", f"{number}. "), inline(question.text))
    if not _listed(question):
        return text
    choices = zip(LETTERS, question.choices, strict=False)
    items = [
        tag("li", tag("strong", letter), " · ", inline(choice.text)) for letter, choice in choices
    ]
    return markup.join(text, tag("ul", *items))


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


def _listed(question: Question) -> bool:
    """Whether choices are listed above their controls: for an order, formulas or code."""
    has_markup = any(_SPAN.search(choice.text) for choice in question.choices)
    return question.kind == "order" or has_markup


def _labels(question: Question) -> list[str]:
    choices = zip(LETTERS, question.choices, strict=False)
    if _listed(question):
        return [letter for letter, _ in choices]
    return [f"{letter} · {choice.text}" for letter, choice in choices]


Control = tuple[ipywidgets.Widget, Callable[[], str]]
"""A control, and a function that returns the answer; an empty text if there is none."""


def _radio(question: Question) -> Control:
    labels = _labels(question)
    options = list(zip(labels, LETTERS, strict=False))
    radio = ipywidgets.RadioButtons(
        options=options,
        value=None,
        description="answer",
        layout={"width": "max-content"},
    )
    return radio, lambda: radio.value or ""


def _boxes(question: Question) -> Control:
    boxes = [
        ipywidgets.Checkbox(description=label, indent=False, layout={"width": "max-content"})
        for label in _labels(question)
    ]

    def ticked() -> str:
        pairs = zip(LETTERS, boxes, strict=False)
        return "".join(letter for letter, box in pairs if box.value)

    return ipywidgets.VBox(boxes), ticked


def _field(question: Question) -> Control:
    field = ipywidgets.Text(description="answer", placeholder=HINTS[question.kind])
    return field, lambda: field.value.strip()


CONTROLS = {"single": _radio, "multiple": _boxes, "number": _field, "order": _field}
