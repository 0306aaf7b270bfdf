"""Quiz questions: single and multiple choice, a number, an order; answered with letters."""

from __future__ import annotations

import hashlib
import itertools
import random

from ftlearn.course.exercises.base import NotYetError, close
from ftlearn.course.exercises.question import LETTERS, Choice, Question

__all__ = ["Choice", "Question", "multiple", "number", "order", "single"]


def single(text: str, *choices: Choice) -> Question:
    """A question with one right choice; each wrong one names a misconception.

    Raises ValueError unless there are at least two choices, exactly one right, all with a reason.
    """
    _check_choices(text, choices)
    rights = [letter for letter, choice in zip(LETTERS, choices, strict=False) if choice.right]
    if len(rights) != 1:
        raise ValueError(f"{len(rights)} choices of {text!r} are right: mark exactly one")

    def verify(letters: str) -> str:
        if len(letters) > 1:
            raise NotYetError("give one letter: the best choice")
        chosen = choices[LETTERS.index(letters)]
        if not chosen.right:
            raise NotYetError(chosen.why)
        return chosen.why

    right = choices[LETTERS.index(rights[0])]
    return Question("single", text, choices, rights[0], right.why, verify)


def multiple(text: str, *choices: Choice) -> Question:
    """A question with one or several right choices, each with a reason of its own.

    Raises ValueError unless there are at least two choices, one right, all with a reason.
    """
    _check_choices(text, choices)
    right = "".join(
        letter for letter, choice in zip(LETTERS, choices, strict=False) if choice.right
    )
    if not right:
        raise ValueError(f"no choice of {text!r} is right: mark at least one")
    why = "; ".join(f"**{letter}**: {choices[LETTERS.index(letter)].why}" for letter in right)

    def verify(letters: str) -> str:
        wrong = [letter for letter in sorted(letters) if letter not in right]
        if wrong:
            reasons = (f"{letter}: {choices[LETTERS.index(letter)].why}" for letter in wrong)
            raise NotYetError("; ".join(reasons))
        missing = len(right) - len(letters)
        if missing:
            raise NotYetError(f"what you chose is right, but {missing} more should be chosen")
        return why

    return Question("multiple", text, choices, right, why, verify)


def number(
    text: str,
    *,
    truth: float,
    tolerance: float,
    why: str,
    mistakes: tuple[tuple[float, str], ...] = (),
) -> Question:
    """A question answered by a number within a tolerance; known mistakes get their own reason.

    Raises ValueError for a mistake that would pass.

    >>> number("2 * 3?", truth=6, tolerance=0, why="2 + 2 + 2", mistakes=((5, "a sum"),)).check(5)
    not yet: a sum
    """
    if not why or not all(reason for _, reason in mistakes):
        raise ValueError(f"a reason is missing in {text!r}: the answer and each mistake need one")
    for value, _ in mistakes:
        if close(value, truth, tolerance=tolerance):
            raise ValueError(f"the mistake {value} of {text!r} is within {tolerance} of the truth")

    def verify(answer: float) -> str:
        if close(answer, truth, tolerance=tolerance):
            return why
        for value, reason in mistakes:
            if close(answer, value, tolerance=tolerance):
                raise NotYetError(reason)
        raise NotYetError("too small" if answer < truth else "too large")

    return Question("number", text, (), truth, why, verify, mistakes)


def order(text: str, *, items: tuple[str, ...], why: str) -> Question:
    """A question answered by putting items in order; ``items`` come in the right order.

    They are shown shuffled. The shuffle depends only on the text and the items, so that the
    letters stay the same.
    Raises ValueError unless there are at least three different items and a reason.

    >>> order("Count.", items=("one", "two", "three"), why="1, 2, 3").kind
    'order'
    """
    if len(items) < 3 or len(set(items)) < len(items) or not why:
        raise ValueError(f"{text!r} needs three or more different items and a reason")
    shown = _shuffled(text, items)
    choices = tuple(Choice(item) for item in shown)
    right = "".join(LETTERS[shown.index(item)] for item in items)

    def verify(letters: str) -> str:
        if len(letters) < len(items):
            raise NotYetError(f"all {len(items)} letters are needed, each once")
        for before, after in itertools.pairwise(letters):
            if right.index(before) > right.index(after):
                raise NotYetError(f"{before} does not come before {after}")
        return why

    return Question("order", text, choices, right, why, verify)


def _shuffled(text: str, items: tuple[str, ...]) -> list[str]:
    seed = hashlib.sha256("\n".join([text, *items]).encode()).digest()
    generator = random.Random(seed)
    shuffled = list(items)
    while shuffled == list(items):
        generator.shuffle(shuffled)
    return shuffled


def _check_choices(text: str, choices: tuple[Choice, ...]) -> None:
    if not 2 <= len(choices) <= len(LETTERS):
        raise ValueError(f"{text!r} has {len(choices)} choices: give 2 to {len(LETTERS)}")
    unexplained = [choice.text for choice in choices if not choice.why]
    if unexplained:
        raise ValueError(f"the choice {unexplained[0]!r} of {text!r} gives no reason: set `why`")
