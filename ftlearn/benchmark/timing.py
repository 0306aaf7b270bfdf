"""Contenders in turn: A B C, B C A, C A B, so that a drifting machine treats all alike."""

from __future__ import annotations

import gc
import io
import logging
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

Run = Callable[[], Any]
Tell = Callable[[str], None]


class Timing(NamedTuple):
    """One run. Round 0 is the warm-up; ``result`` is what the run returned."""

    round: int
    name: str
    seconds: float
    result: Any


class Spread(NamedTuple):
    """A median and the range around it."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median, lowest and highest value.

    >>> spread([3.0, 1.0, 10.0])
    Spread(median=3.0, low=1.0, high=10.0)
    """
    return Spread(statistics.median(values), min(values), max(values))


@dataclass
class Outcome:
    """All runs in the order in which they ran, and what went wrong with whom."""

    timings: list[Timing] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def counted(self, name: str) -> dict[int, Timing]:
        """A contender's runs by round, without the warm-up."""
        return {each.round: each for each in self.timings if each.name == name and each.round}

    def times_faster(self, name: str, other: str) -> list[float]:
        """How many times sooner one was done than the other, in each round that both ran."""
        mine, theirs = self.counted(name), self.counted(other)
        return [theirs[at].seconds / mine[at].seconds for at in mine if at in theirs]


def in_turn(
    contenders: Mapping[str, Callable[[], Run]], rounds: int, *, tell: Tell = lambda line: None
) -> Outcome:
    """Run the contenders one after the other, ``rounds`` times after a warm-up round.

    A contender is a function that makes ready, untimed, and returns the function that is timed.
    The order moves by one each round. One that raises is noted and left out from then on.

    >>> outcome = in_turn({"a": lambda: int, "b": lambda: int}, rounds=2)
    >>> [(each.round, each.name) for each in outcome.timings]
    [(0, 'a'), (0, 'b'), (1, 'b'), (1, 'a'), (2, 'a'), (2, 'b')]
    """
    outcome, names = Outcome(), list(contenders)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if name in outcome.failures:
                continue
            with caught(outcome.failures, name), hushed():
                seconds, result = timed(contenders[name]())
                outcome.timings.append(Timing(number, name, seconds, result))
        tell(f"  {f'round {number} of {rounds}' if number else 'warm-up'} done")
    return outcome


def timed(run: Run) -> tuple[float, Any]:
    """Wall seconds of a function and what it returned; a GPU's work is waited for."""
    gc.collect()
    _wait()
    start = time.perf_counter()
    result = run()
    _wait()
    return time.perf_counter() - start, result


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@contextmanager
def caught(failures: dict[str, str], name: str) -> Iterator[None]:
    """Note an error under a contender's name instead of losing the others' results."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a library raises, and it is reported
        failures[name] = f"{type(error).__name__}: {error}"


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing that libraries print, draw or log below an error reaches the screen."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
