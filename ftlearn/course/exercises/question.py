"""A quiz question: choices with letters, a check, and the reason for each choice."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ftlearn.course.exercises import outcome
from ftlearn.course.exercises.base import (
    ASK_AGAIN,
    NOT_ATTEMPTED,
    NotYetError,
    ignore_event,
    in_english,
    run_check,
)
from ftlearn.course.exercises.journal import SOLUTION
from ftlearn.course.exercises.outcome import Outcome, ShownMarkdown
from ftlearn.markup import AsWidget

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Choice:
    """One choice of a question; ``why`` says why it is right, or names the misconception."""

    text: str
    right: bool = False
    why: str = field(default="", kw_only=True)


@dataclass
class Question(AsWidget):
    """One question; made by ``single``, ``multiple``, ``number`` and ``order``.

    A cell that ends in the question shows it with buttons, and as Markdown where widgets do not
    live. ``text`` is Markdown with formulas as ``$x$``. ``choices`` are shown with letters; a
    question for a number has none. ``verify`` takes a cleaned answer (letters, or a float) and
    returns a sentence of praise, or raises NotYetError with the misconception. ``right`` is the
    answer that passes, and ``why`` the reason for it. ``code`` is the learner's name for the
    question, such as ``ex.quiz1``. ``translate`` is called with every text before it is shown.
    """

    kind: str
    text: str
    choices: tuple[Choice, ...]
    right: str | float
    why: str
    verify: Callable[[Any], str] = field(repr=False)
    mistakes: tuple[tuple[Any, str], ...] = field(default=(), repr=False)
    code: str = ""
    solution_requested: bool = field(default=False, repr=False)
    on_event: Callable[[str], None] = field(default=ignore_event, repr=False)
    translate: Callable[[str], str] = field(default=in_english, repr=False)

    def check(self, answer: Any = NOT_ATTEMPTED) -> Outcome:
        """Check an answer such as ``"b"``, ``"ac"``, ``12`` or ``"bca"``; never raises.

        >>> from ftlearn.course.exercises.quiz import single
        >>> single("1 + 1?", Choice("2", right=True, why="yes"), Choice("3", why="no")).check("b")
        not yet: no
        """
        if answer is NOT_ATTEMPTED:
            return Outcome(outcome.NOT_ATTEMPTED, self.as_markdown(), markdown=True)
        result = run_check(self._verify, answer)
        self.on_event(result.status)
        message = self.translate(result.message)
        return replace(result, message=message, markdown=result.status != outcome.ERROR)

    def solution(self) -> ShownMarkdown:
        """The right answer and the reason for every choice; the first call only asks."""
        if not self.solution_requested:
            self.solution_requested = True
            return ShownMarkdown(self.translate(ASK_AGAIN))
        self.on_event(SOLUTION)
        return ShownMarkdown(f"`check({self.right!r})`\n\n{self.reasons()}")

    def reasons(self) -> str:
        """The reason for every choice, and for every known mistake, in Markdown."""
        lines = [
            f"- **{letter}** {self._verdict(choice.right)}: {self.translate(choice.why)}"
            for letter, choice in zip(LETTERS, self.choices, strict=False)
            if choice.why
        ]
        if not lines:
            lines = [f"- **{self.right}** {self._verdict(True)}: {self.translate(self.why)}"]
        lines += [
            f"- **{answer}** {self._verdict(False)}: {self.translate(reason)}"
            for answer, reason in self.mistakes
        ]
        return "\n".join(lines)

    def _verdict(self, right: bool) -> str:
        return self.translate("right" if right else "wrong")

    def as_markdown(self) -> str:
        """The question in Markdown, with lettered choices and instructions for answering."""
        choices = [
            f"- **{letter}** · {self.translate(choice.text)}"
            for letter, choice in zip(LETTERS, self.choices, strict=False)
        ]
        parts = [self.translate(self.text), "\n".join(choices), self.how_to_answer()]
        return "\n\n".join(filter(None, parts))

    def how_to_answer(self) -> str:
        """What to write in a cell to answer, in Markdown."""
        kind, answer = HOW_TO_ANSWER[self.kind]
        call = f"{self.code}." if self.code else ""
        return f"*{self.translate(f'{kind}, such as `{call}check({answer})`')}*"

    def __repr__(self) -> str:
        return f"{self.translate(self.text)} ({self.how_to_answer().strip('*')})"

    def as_widget(self) -> Any:
        """The question with buttons; a click answers as ``check`` does."""
        from ftlearn.course.widgets.quiz import question_form  # loaded when it is shown

        return question_form(self)

    def _verify(self, answer: Any) -> str:
        return self.verify(as_number(answer) if self.kind == "number" else self._letters(answer))

    def _letters(self, answer: Any) -> str:
        """The letters of an answer, in the order given. Raises NotYetError for anything else."""
        parts = sorted(answer, key=str) if isinstance(answer, set | frozenset) else answer
        if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
            parts = "".join(parts)
        valid = LETTERS[: len(self.choices)]
        letters = re.sub(r"[\s,;.()>-]", "", parts).lower() if isinstance(parts, str) else ""
        if not letters or not set(letters) <= set(valid):
            raise NotYetError(f"answer with letters from a to {valid[-1]}, in quotes")
        if len(set(letters)) < len(letters):
            raise NotYetError("each letter counts once")
        return letters


HOW_TO_ANSWER = {
    "single": ("One letter", '"a"'),
    "multiple": ("One or several letters", '"ab"'),
    "number": ("A number", "1.5"),
    "order": ("All letters in order", '"abc"'),
}
"""How to answer each kind of question, and an example."""


def as_number(answer: Any) -> float:
    """An answer as a float. Raises NotYetError if it is no number.

    >>> as_number("1.5")
    1.5
    """
    try:
        value = math.nan if isinstance(answer, bool) else float(answer)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        value = math.nan
    if math.isnan(value):
        raise NotYetError("answer with a number, such as 1.5")
    return value
