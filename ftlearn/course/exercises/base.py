"""An exercise: a task, a check of the answer's properties, hints in steps, and a solution."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

from ftlearn.course.exercises import outcome
from ftlearn.course.exercises.journal import HINT, SOLUTION
from ftlearn.course.exercises.outcome import Outcome, Shown

NOT_ATTEMPTED = Ellipsis
"""The answer in a starter cell: ``answer = ...``, or a function that does ``return ...``."""

STARTER = "answer = ..."

ASK_AGAIN = "sure? One more try teaches more. Call solution() again to see it."


class NotYetError(AssertionError):
    """Raised by a check: the answer is not right yet; the message says what probably went wrong."""


def ignore_event(event: str) -> None:
    """Record nothing: the default of an exercise that belongs to no sheet."""


def in_english(text: str) -> str:
    """The text itself: the translation into the language in which exercises are written."""
    return text


@dataclass
class Exercise:
    """One exercise. ``check``, ``hint`` and ``solution`` are for the learner.

    ``difficulty`` is 1 to 3, ``minutes`` a guess. ``verify`` takes the answer and returns a
    sentence of praise that says what the answer has shown, or raises NotYetError with the likely
    misconception. ``worked`` is code that runs by itself and assigns ``answer``; comments give the
    reasons. ``example`` is an answer that passes; ``mistakes`` are typical wrong answers, each
    with a fragment of the message it must get. Tests check ``verify`` against these three.
    ``broken`` is code with a real mistake in it, from which the learner starts instead of a stub:
    it runs, and the check says what is wrong with its result.
    ``on_event`` is called with what happens: passed, not yet, error, hint or solution;
    ``translate`` with every text before it is shown.
    """

    name: str
    difficulty: int
    minutes: int
    verify: Callable[[Any], str]
    hints: tuple[str, ...]
    worked: str
    example: Any = field(repr=False)
    mistakes: tuple[tuple[Any, str], ...] = field(repr=False)
    broken: str = field(default="", repr=False)
    hints_shown: int = field(default=0, repr=False)
    solution_requested: bool = field(default=False, repr=False)
    on_event: Callable[[str], None] = field(default=ignore_event, repr=False)
    translate: Callable[[str], str] = field(default=in_english, repr=False)

    @property
    def starter(self) -> str:
        """The code with which the learner begins: broken code, a stub, or ``answer = ...``."""
        return self.broken or starter(self.worked)

    def check(self, answer: Any = NOT_ATTEMPTED) -> Outcome:
        """Check an answer; an answer never makes this raise."""
        if answer is NOT_ATTEMPTED or is_stub(answer):
            message = self.translate(f"put your answer in place of ... ({self.name})")
            return Outcome(outcome.NOT_ATTEMPTED, message)
        result = run_check(self.verify, answer)
        self.on_event(result.status)
        return replace(result, message=self.translate(result.message))

    def hint(self) -> Shown:
        """The next hint; the last one again when there are no more."""
        index = min(self.hints_shown, len(self.hints) - 1)
        self.hints_shown += 1
        self.on_event(HINT)
        hint = f"hint {index + 1} of {len(self.hints)}: {self.hints[index]}"
        return Shown(self.translate(hint))

    def solution(self) -> Shown:
        """The worked solution; the first call only asks whether to show it."""
        if not self.solution_requested:
            self.solution_requested = True
            return Shown(self.translate(ASK_AGAIN))
        self.on_event(SOLUTION)
        return Shown(self.translate(self.worked))

    def __repr__(self) -> str:
        stars = "★" * self.difficulty + "☆" * (3 - self.difficulty)
        time = self.translate(f"about {self.minutes} min")
        return f"{self.translate(self.name)} {stars} {time}"


def starter(worked: str) -> str:
    """The code of a solution with the answer left out.

    A function called ``answer``, or one that the last line makes the answer, becomes a stub.

    >>> print(starter("def double(x):\\n    return 2 * x\\n\\nanswer = double"))
    def double(x):
        return ...
    <BLANKLINE>
    <BLANKLINE>
    answer = double
    >>> starter("answer = 2 * 3")
    'answer = ...'
    """
    body = ast.parse(worked).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    name = (
        "answer" if "answer" in functions else getattr(getattr(body[-1], "value", None), "id", "")
    )
    if name not in functions:
        return STARTER
    stub = f"def {name}({ast.unparse(functions[name].args)}):\n    return ...\n\n"
    return stub if name == "answer" else f"{stub}\nanswer = {name}"


def is_stub(answer: Any) -> bool:
    """Whether an answer is a function that nobody has written yet: its body is ``return ...``.

    >>> def double(x): return ...
    >>> is_stub(double), is_stub(abs)
    (True, False)
    """
    if not isinstance(answer, FunctionType):
        return False
    code, empty = answer.__code__, _stub.__code__
    return code.co_code == empty.co_code and NOT_ATTEMPTED in code.co_consts


def _stub() -> Any:
    return ...


def run_check(verify: Callable[[Any], str], answer: Any) -> Outcome:
    """The outcome of a check; an answer that raises or calls ``exit`` is an error."""
    try:
        return Outcome(outcome.PASSED, verify(answer))
    except NotYetError as reason:
        return Outcome(outcome.NOT_YET, str(reason))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a learner's function may raise anything
        return outcome.from_error(error)


def close(answer: Any, truth: float, *, tolerance: float = 1e-3) -> bool:
    """Whether an answer is a number within ``tolerance`` of the truth.

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


def reject_known(
    answer: Any, mistakes: Iterable[tuple[float, str]], *, tolerance: float = 1e-3
) -> None:
    """Raise NotYetError if the answer equals a known mistake, with the reason for that mistake.

    >>> reject_known(3, [(2, "that is the square root")])
    """
    for value, reason in mistakes:
        if close(answer, value, tolerance=tolerance):
            raise NotYetError(reason)
