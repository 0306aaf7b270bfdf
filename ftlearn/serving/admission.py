"""Whom a queue admits, and when it tells the others to come back."""

from __future__ import annotations

import math
from enum import Enum

from ftlearn.errors import FtlearnError

NEWEST = 0.2
"""The weight of the newest measurement in a moving average."""


class QueueFullError(FtlearnError, RuntimeError):
    """The queue has no room for a request; ``retry_after`` says in how many seconds it may have."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotReadyError(FtlearnError, RuntimeError):
    """The service has not started yet, or finishes what it has accepted and accepts no more."""


class DeadlineError(FtlearnError, TimeoutError):
    """A request was not answered in time."""


class State(Enum):
    """What a queue does with new requests: it accepts them only when it is ready."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


REFUSALS = {
    State.STARTING: "the service is starting: send the request again in some seconds",
    State.DRAINING: "the service is shutting down: send the request to another one",
}


class Admission:
    """The state of a queue, and how long what waits in it is likely to take.

    ``seconds_per_unit`` is a moving average over what was computed; a unit is whatever the queue
    counts, such as a token or an answer.

    >>> admission = Admission()
    >>> admission.observe(units=100, seconds=2.0)
    >>> admission.retry_after(units=150)
    3
    """

    def __init__(self) -> None:
        self.state = State.STARTING
        self.seconds_per_unit = 0.0

    def check(self) -> None:
        """Raise NotReadyError unless requests are accepted."""
        if self.state is not State.READY:
            raise NotReadyError(REFUSALS[self.state])

    def observe(self, units: float, seconds: float) -> None:
        """Follow the speed of the last few computations."""
        newest = seconds / units
        before = self.seconds_per_unit or newest
        self.seconds_per_unit = (1 - NEWEST) * before + NEWEST * newest

    def seconds(self, units: float) -> float:
        """The seconds that so many units are likely to take; 0 while nothing was measured."""
        return units * self.seconds_per_unit

    def retry_after(self, units: float) -> int:
        """Whole seconds until so many units are likely to be computed, at least 1."""
        return max(1, math.ceil(round(self.seconds(units), 6)))
