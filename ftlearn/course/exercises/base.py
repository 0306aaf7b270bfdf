"""What an exercise is: a question, a check by properties, hints in steps, a solution."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ftlearn.course.exercises import outcome
from ftlearn.course.exercises.journal import HINT, SOLUTION
from ftlearn.course.exercises.outcome import Outcome, Shown

NOT_ATTEMPTED = Ellipsis
"""What a starter cell holds: ``answer = ...``."""

ASK_AGAIN = "sure? One more try teaches more. Call solution() again to see it."


class NotYetError(AssertionError):
    """Raised by a check: the answer is not right yet, and this is probably why."""


def forget(event: str) -> None:
    """Keep no note of an event: what an exercise does that belongs to no sheet."""


@dataclass
class Exercise:
    """One exercise. ``check``, ``hint`` and ``solution`` are for the learner.

    difficulty is 1 to 3, minutes a guess. ``verify`` takes the answer, returns a sentence of
    praise that says what was shown, and raises NotYetError with the likely misconception.
    ``worked`` is code that runs by itself and leaves ``answer``, its reasons in comments.
    ``example`` is an answer that passes; ``mistakes`` are wrong answers learners give, each with
    a fragment of the message it must get. All three hold the check to its word in the tests.
    ``note`` is told what happens: passed, not yet, error, hint or solution.
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
    note: Callable[[str], None] = field(default=forget, repr=False)

    def check(self, answer: Any = NOT_ATTEMPTED) -> Outcome:
        """Judge an answer; never raises because of it."""
        if answer is NOT_ATTEMPTED:
            return Outcome(outcome.NOT_ATTEMPTED, f"put your answer in place of ... ({self.name})")
        found = judged(self.verify, answer)
        self.note(found.status)
        return found

    def hint(self) -> Shown:
        """The next hint; the last one again when there are no more."""
        at = min(self.given, len(self.hints) - 1)
        self.given += 1
        self.note(HINT)
        return Shown(f"hint {at + 1} of {len(self.hints)}: {self.hints[at]}")

    def solution(self) -> Shown:
        """Asks once more, then shows the worked solution."""
        if not self.asked:
            self.asked = True
            return Shown(ASK_AGAIN)
        self.note(SOLUTION)
        return Shown(self.worked)

    def __repr__(self) -> str:
        stars = "★" * self.difficulty + "☆" * (3 - self.difficulty)
        return f"{self.name} {stars} about {self.minutes} min"


def judged(verify: Callable[[Any], str], answer: Any) -> Outcome:
    """What a check says of an answer; an answer that raises, or that leaves, is an error."""
    try:
        return Outcome(outcome.PASSED, verify(answer))
    except NotYetError as reason:
        return Outcome(outcome.NOT_YET, str(reason))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a learner's function may raise anything
        return outcome.failed(error)


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
    >>> require_function(0.5, "one number")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ftlearn.course.exercises.base.NotYetError: the answer is a function of one number: give ...
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
