"""Contenders in turn: A B C, B C A, C A B, so that drift of the machine affects all alike."""

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
Log = Callable[[str], None]


class Timing(NamedTuple):
    """One run. Round 0 is the warm-up; ``result`` is the return value."""

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
    """All runs in the order in which they ran, and the error of each contender that failed."""

    timings: list[Timing] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def counted(self, name: str) -> dict[int, Timing]:
        """A contender's runs by round, without the warm-up."""
        return {run.round: run for run in self.timings if run.name == name and run.round}

    def times_faster(self, name: str, other: str) -> list[float]:
        """How many times faster one was than the other, in each round that both ran."""
        ours, theirs = self.counted(name), self.counted(other)
        rounds = [number for number in ours if number in theirs]
        return [theirs[number].seconds / ours[number].seconds for number in rounds]


def in_turn(
    contenders: Mapping[str, Callable[[], Run]], rounds: int, *, log: Log = lambda line: None
) -> Outcome:
    """Run the contenders one after the other, ``rounds`` times after a warm-up round.

    A contender is a function that prepares, untimed, and returns the function that is timed. The
    order rotates by one each round. One that raises is recorded and left out from then on.

    >>> outcome = in_turn({"a": lambda: int, "b": lambda: int}, rounds=2)
    >>> [(run.round, run.name) for run in outcome.timings]
    [(0, 'a'), (0, 'b'), (1, 'b'), (1, 'a'), (2, 'a'), (2, 'b')]
    """
    outcome, names = Outcome(), list(contenders)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if name in outcome.failures:
                continue
            with catch_errors(outcome.failures, name), silenced():
                seconds, result = timed(contenders[name]())
                outcome.timings.append(Timing(number, name, seconds, result))
        log(f"  {f'round {number} of {rounds}' if number else 'warm-up'} done")
    return outcome


def timed(run: Run) -> tuple[float, Any]:
    """Wall seconds of a function and its result, with the work of a GPU included."""
    gc.collect()
    _synchronize()
    start = time.perf_counter()
    result = run()
    _synchronize()
    return time.perf_counter() - start, result


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@contextmanager
def catch_errors(failures: dict[str, str], name: str) -> Iterator[None]:
    """Record an error under a contender's name, so that the others' results are not lost."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a library raises, and it is reported
        failures[name] = f"{type(error).__name__}: {error}"


@contextmanager
def silenced() -> Iterator[None]:
    """A context in which libraries print nothing and log only errors."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
