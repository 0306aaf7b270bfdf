"""What a quiz question is: shown with letters, judged, its reasons told."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ftlearn.course.exercises import outcome
from ftlearn.course.exercises.base import ASK_AGAIN, NOT_ATTEMPTED, NotYetError, forget, judged
from ftlearn.course.exercises.journal import SOLUTION
from ftlearn.course.exercises.outcome import Outcome, ShownMarkdown

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Choice:
    """One choice of a question; ``why`` says why it is right, or which misconception it is."""

    text: str
    right: bool = False
    why: str = field(default="", kw_only=True)


@dataclass
class Question:
    """One question; made by ``single``, ``multiple``, ``number`` and ``order``.

    text is Markdown with formulas as $x$. ``choices`` are what is shown with letters, none for a
    number. ``verify`` takes a cleaned answer (letters, or a float), returns a sentence of praise
    and raises NotYetError with the misconception. ``right`` is the answer that passes, and
    ``why`` the reason for it.
    """

    kind: str
    text: str
    choices: tuple[Choice, ...]
    right: str | float
    why: str
    verify: Callable[[Any], str] = field(repr=False)
    mistakes: tuple[tuple[Any, str], ...] = field(default=(), repr=False)
    asked: bool = field(default=False, repr=False)
    note: Callable[[str], None] = field(default=forget, repr=False)

    def check(self, answer: Any = NOT_ATTEMPTED) -> Outcome:
        """Judge an answer such as ``"b"``, ``"ac"``, ``12`` or ``"bca"``; never raises.

        >>> from ftlearn.course.exercises.quiz import single
        >>> single("1 + 1?", Choice("2", right=True, why="yes"), Choice("3", why="no")).check("b")
        not yet: no
        """
        if answer is NOT_ATTEMPTED:
            return Outcome(outcome.NOT_ATTEMPTED, self.shown(), markdown=True)
        found = judged(self._verify, answer)
        self.note(found.status)
        return replace(found, markdown=found.status != outcome.ERROR)

    def solution(self) -> ShownMarkdown:
        """Asks once more, then shows the right answer and the reason for every choice."""
        if not self.asked:
            self.asked = True
            return ShownMarkdown(ASK_AGAIN)
        self.note(SOLUTION)
        return ShownMarkdown(f"`check({self.right!r})`\n\n{self.reasons()}")

    def reasons(self) -> str:
        """The reason for every choice, and for every known mistake, in Markdown."""
        lines = [
            f"- **{letter}** {'right' if choice.right else 'wrong'}: {choice.why}"
            for letter, choice in zip(LETTERS, self.choices, strict=False)
            if choice.why
        ]
        if not lines:
            lines = [f"- **{self.right}** right: {self.why}"]
        lines += [f"- **{answer}** wrong: {reason}" for answer, reason in self.mistakes]
        return "\n".join(lines)

    def shown(self) -> str:
        """The question in Markdown, with its lettered choices and how to answer it."""
        choices = [
            f"- **{letter}** · {choice.text}"
            for letter, choice in zip(LETTERS, self.choices, strict=False)
        ]
        return "\n\n".join(filter(None, [self.text, "\n".join(choices), ASKED[self.kind]]))

    def __repr__(self) -> str:
        return f"{self.text} ({ASKED[self.kind].strip('*')})"

    def _verify(self, answer: Any) -> str:
        given = as_number(answer) if self.kind == "number" else self._letters(answer)
        return self.verify(given)

    def _letters(self, answer: Any) -> str:
        """The letters of an answer, in the order given; NotYetError for anything else."""
        parts = sorted(answer, key=str) if isinstance(answer, set | frozenset) else answer
        if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
            parts = "".join(parts)
        known = LETTERS[: len(self.choices)]
        letters = re.sub(r"[\s,;.()>-]", "", parts).lower() if isinstance(parts, str) else ""
        if not letters or not set(letters) <= set(known):
            raise NotYetError(f"answer with letters from a to {known[-1]}, in quotes")
        if len(set(letters)) < len(letters):
            raise NotYetError("each letter counts once")
        return letters


ASKED = {
    "single": '*One letter, such as `check("a")`*',
    "multiple": '*One or several letters, such as `check("ab")`*',
    "number": "*A number, such as `check(1.5)`*",
    "order": '*All letters in order, such as `check("abc")`*',
}
"""How each kind of question is answered."""


def as_number(answer: Any) -> float:
    """An answer as a float; NotYetError for what is none.

    >>> as_number("1.5")
    1.5
    """
    try:
        given = math.nan if isinstance(answer, bool) else float(answer)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        given = math.nan
    if math.isnan(given):
        raise NotYetError("answer with a number, such as 1.5")
    return given
