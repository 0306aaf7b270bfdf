"""A lesson's quiz questions as a form: radio buttons, boxes to tick and fields to type into."""

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
    """The questions of a sheet as a form: each can be answered, and is told what was found.

    It uses the sheet's own checks, so that ``ex.quiz1.check("b")`` does the same in a cell and
    progress is kept either way. Raises ValueError for a sheet without questions.

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
    text, status = ipywidgets.HTMLMath(), ipywidgets.HTMLMath()
    text.value, status.value = as_form(number, question), as_status(Outcome(NOT_ATTEMPTED, ""))
    button = ipywidgets.Button(description=f"Check answer {number}")
    control, answer = CONTROLS[question.kind](question)

    def judge(_: ipywidgets.Button) -> None:
        given = answer()
        found = question.check(given) if given else Outcome(NOT_ATTEMPTED, "choose or type first")
        status.value = as_status(found)

    button.on_click(judge)
    return ipywidgets.VBox([text, control, button, status])


def as_form(number: int, question: Question) -> Markup:
    """The text of a question as HTML, with those of its choices that a label cannot show."""
    text = tag("p", tag("strong", f"{number}. "), inline(question.text))
    if not _listed(question):
        return text
    choices = zip(LETTERS, question.choices, strict=False)
    shown = [tag("li", tag("strong", letter), " · ", inline(each.text)) for letter, each in choices]
    return markup.join(text, tag("ul", *shown))


def as_status(found: Outcome) -> Markup:
    """What a check found as HTML that a screen reader speaks: a sign, a word and a sentence."""
    word = tag("strong", f"{SIGNS[found.status]} {found.status}")
    sentence = markup.join(": ", inline(found.message)) if found.message else ""
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
    """Whether choices stand above their controls: an order, or with formulas or code in them."""
    return question.kind == "order" or any(_SPAN.search(each.text) for each in question.choices)


def _labels(question: Question) -> list[str]:
    choices = zip(LETTERS, question.choices, strict=False)
    plain = not _listed(question)
    return [f"{letter} · {each.text}" if plain else letter for letter, each in choices]


Control = tuple[ipywidgets.Widget, Callable[[], str]]
"""A control, and a function that says what was answered; nothing where nothing was."""


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
