"""What became of the requests of one run, and its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlearn.errors import ArgumentError
from ftlearn.metrics import Interval

if TYPE_CHECKING:
    import pandas as pd

ANSWERED = "200"
DRAWS = 1000
SHOWN = (50, 95, 99)
"""The percentiles of tables."""


@dataclass(frozen=True, eq=False)
class LoadRun:
    """The requests of one run; times are seconds since its start.

    rate      requests per second that were due; None for clients that wait for their answers
    due       (N,) when each request was to be sent
    sent      (N,) when it was sent
    done      (N,) when its answer was complete, or its failure known
    outcomes  (N,) the status, such as "200", or the name of an error, such as "TimeoutError"
    answers   (N,) the label that was answered, or all of the prediction as JSON; "" if nothing
    """

    rate: float | None
    due: np.ndarray
    sent: np.ndarray
    done: np.ndarray
    outcomes: tuple[str, ...]
    answers: tuple[str, ...]

    @property
    def answered(self) -> np.ndarray:
        """Which requests were answered with status 200, (N,) bool."""
        return np.array([outcome == ANSWERED for outcome in self.outcomes], bool)

    @property
    def statuses(self) -> dict[str, int]:
        """How many requests ended how."""
        return dict(sorted(Counter(self.outcomes).items()))

    @property
    def latencies(self) -> np.ndarray:
        """Seconds from when each answered request was due until its answer."""
        return (self.done - self.due)[self.answered]

    @property
    def response_times(self) -> np.ndarray:
        """Seconds from when each answered request was sent until its answer."""
        return (self.done - self.sent)[self.answered]

    @property
    def answered_per_second(self) -> float:
        """Answers per second, from the first request to the last answer."""
        return float(self.answered.sum() / self._seconds)

    @property
    def in_flight(self) -> float:
        """The mean number of requests that were due and not done: the area under it over time."""
        return float((self.done - self.due).sum() / self._seconds)

    @property
    def lateness(self) -> float:
        """Seconds by which the client was late with one request in a hundred.

        If it is not small against the latencies, the client is what was measured.
        """
        return float(np.quantile(self.sent - self.due, 0.99))

    @property
    def _seconds(self) -> float:
        return float(self.done.max() - self.due.min())

    def percentile(self, percent: float, *, seed: int = 0) -> Interval:
        """A percentile of the latencies in seconds, and its 95 % interval; NaN without answers.

        Requests that follow each other wait in the same queue, so whole blocks of them are drawn
        again, not single ones (Künsch 1989; circular: Politis and Romano 1992). Near saturation
        the latency grows as long as the run lasts, and no interval is valid.
        """
        latencies = self.latencies
        if not len(latencies):
            return Interval(np.nan, np.nan, np.nan)
        score = partial(np.percentile, q=percent, axis=-1)
        scores = score(latencies[_blocks(len(latencies), seed)])
        low, high = np.quantile(scores, [0.025, 0.975])
        return Interval(float(score(latencies)), float(low), float(high))

    def row(self) -> dict[str, Any]:
        """The figures of a run, times in milliseconds."""
        row: dict[str, Any] = {
            "rate": self.rate,
            "requests": len(self.due),
            "answered": int(self.answered.sum()),
            "answered per second": round(self.answered_per_second, 2),
        }
        for percent in SHOWN:
            value, low, high = self.percentile(percent)
            row[f"p{percent} ms"] = round(1000 * value, 1)
            row[f"p{percent} low"] = round(1000 * low, 1)
            row[f"p{percent} high"] = round(1000 * high, 1)
        row["in flight"] = round(self.in_flight, 2)
        row["client late ms"] = round(1000 * self.lateness, 1)
        return row


def _blocks(rows: int, seed: int) -> np.ndarray:
    """Indices (draws, N) of samples made of blocks of about √N rows, around the end."""
    random = np.random.default_rng(seed)
    length = int(np.ceil(np.sqrt(rows)))
    starts = random.integers(0, rows, size=(DRAWS, -(-rows // length), 1))
    samples = (starts + np.arange(length)) % rows
    return samples.reshape(DRAWS, -1)[:, :rows]


def table(runs: Sequence[LoadRun]) -> pd.DataFrame:
    """One row per run; raises ValueError without any."""
    import pandas as pd

    if not runs:
        raise ArgumentError("there are no runs to show: give at least one")
    return pd.DataFrame([run.row() for run in runs])
