"""What an exercise is: a question, a check by properties, hints in steps, a solution."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

NOT_ATTEMPTED = Ellipsis
"""What a starter cell holds: ``answer = ...``."""

SHEETS = ("00", "01", "02", "03", "04", "05", "06")


class NotYetError(AssertionError):
    """Raised by a check: the answer is not right yet, and this is probably why."""


class Outcome(NamedTuple):
    """What a check found: passed, not yet, error or not attempted, and a sentence about it."""

    status: str
    message: str

    def __repr__(self) -> str:
        return f"{self.status}: {self.message}"


@dataclass
class Exercise:
    """One exercise. ``check``, ``hint`` and ``solution`` are for the learner.

    difficulty is 1 to 3, minutes a guess. ``verify`` takes the answer, returns a sentence of
    praise that says what was shown, and raises NotYetError with the likely misconception.
    ``example`` is an answer that passes; ``mistakes`` are wrong answers learners give, each with
    a fragment of the message it must get. Both hold the check to its word in the tests.
    """

    name: str
    difficulty: int
    minutes: int
    verify: Callable[[Any], str]
    hints: tuple[str, ...]
    worked: str
    example: Any = field(repr=False)
    mistakes: tuple[tuple[Any, str], ...] = field(repr=False)
    given: int = field(default=0, repr=False)
    asked: bool = field(default=False, repr=False)

    def check(self, answer: Any = NOT_ATTEMPTED) -> Outcome:
        """Judge an answer; never raises because of it."""
        if answer is NOT_ATTEMPTED:
            return Outcome("not attempted", f"put your answer in place of ... ({self.name})")
        try:
            return Outcome("passed", self.verify(answer))
        except NotYetError as reason:
            return Outcome("not yet", str(reason))
        except Exception as error:  # noqa: BLE001 - a learner's function may raise anything
            return Outcome("error", f"your answer raised {type(error).__name__}: {error}")

    def hint(self) -> str:
        """The next hint; the last one again when there are no more."""
        at = min(self.given, len(self.hints) - 1)
        self.given += 1
        return f"hint {at + 1} of {len(self.hints)}: {self.hints[at]}"

    def solution(self) -> str:
        """Asks once more, then shows the worked solution."""
        if not self.asked:
            self.asked = True
            return "sure? One more try teaches more. Call solution() again to see it."
        return self.worked

    def __repr__(self) -> str:
        stars = "★" * self.difficulty + "☆" * (3 - self.difficulty)
        return f"{self.name} {stars} about {self.minutes} min"


class ExerciseSheet:
    """The exercises of one notebook as attributes q1, q2, ..."""

    def __init__(self, exercises: list[Exercise]) -> None:
        self.exercises = exercises
        for number, exercise in enumerate(exercises, start=1):
            setattr(self, f"q{number}", exercise)

    def __repr__(self) -> str:
        return "\n".join(
            f"q{number}: {exercise!r}" for number, exercise in enumerate(self.exercises, start=1)
        )


def load(number: str) -> ExerciseSheet:
    """The exercises of a notebook by its number, freshly made.

    Raises ValueError for a number that has none.
    """
    if number not in SHEETS:
        raise ValueError(f"no exercises for notebook {number!r}: there are {', '.join(SHEETS)}")
    module = importlib.import_module(f"ftlearn.exercises.sheet_{number}")
    return ExerciseSheet(module.exercises())


def close(answer: Any, truth: float, *, tolerance: float = 1e-3) -> bool:
    """Whether an answer is a number within a tolerance of the truth.

    >>> close(0.50004, 0.5), close("half", 0.5)
    (True, False)
    """
    try:
        return abs(float(answer) - truth) <= tolerance
    except (TypeError, ValueError):
        return False


def require_function(answer: Any, arguments: str) -> None:
    """Raise NotYetError unless the answer is a function.

    >>> require_function(max, "two numbers")
    >>> require_function(0.5, "two numbers")
    Traceback (most recent call last):
    ftlearn.exercises.base.NotYetError: the answer is a function of two numbers: give the function
    itself, without brackets, not 0.5
    """
    if not callable(answer):
        raise NotYetError(
            f"the answer is a function of {arguments}: give the function itself, "
            f"without brackets, not {answer!r}"
        )


def refuse_known(
    answer: Any, mistakes: Iterable[tuple[float, str]], *, tolerance: float = 1e-3
) -> None:
    """Raise NotYetError with the reason of the first known mistake that the answer equals.

    >>> refuse_known(3, [(2, "that is the square root")])
    """
    for value, reason in mistakes:
        if close(answer, value, tolerance=tolerance):
            raise NotYetError(reason)
