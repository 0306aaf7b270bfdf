"""What batches do to a service: a step over B texts takes a + b B seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from ftlearn.errors import ArgumentError
from ftlearn.runtime.arguments import number


class BatchCurve(NamedTuple):
    """The seconds of a step: ``fixed`` for any batch, and ``per_text`` for each text in it."""

    fixed: float
    per_text: float

    def seconds(self, batch: float) -> float:
        """The seconds of a step over a batch.

        >>> BatchCurve(0.01, 0.002).seconds(5)
        0.02
        """
        return self.fixed + self.per_text * batch

    def throughput(self, batch: float) -> float:
        """Texts per second with batches of one size; it tends to ``1 / per_text``.

        >>> BatchCurve(0.01, 0.002).throughput(5)
        250.0
        """
        return batch / self.seconds(batch)

    def batch_at(self, rate: float) -> float:
        """The size of the batches that form by themselves if texts arrive at a rate (per second).

        While one batch is computed, the next collects: B = rate · (a + b B), so
        B = rate · a / (1 - rate · b), but at least 1, since nothing computes an empty batch. It is
        inf from the rate ``1 / per_text`` on.

        >>> BatchCurve(0.01, 0.002).batch_at(250)
        5.0
        """
        left = 1 - number("rate", rate, 0) * self.per_text
        return math.inf if left <= 0 else max(1.0, rate * self.fixed / left)


def batch_curve(sizes: Sequence[int], seconds: Sequence[float]) -> BatchCurve:
    """The line through measured steps: the seconds (N,) of batches of some sizes (N,).

    The relative errors are smallest in the mean square, so that small batches, whose seconds are
    few, count as much as large ones; no time is negative. Raises ValueError with fewer than two
    different sizes.

    >>> batch_curve([1, 2, 4, 8], [0.012, 0.014, 0.018, 0.026])
    BatchCurve(fixed=0.01, per_text=0.002)
    """
    if len(sizes) != len(seconds) or len(set(sizes)) < 2:
        raise ArgumentError(
            f"{len(seconds)} times of {len(set(sizes))} different sizes of {len(sizes)} batches: "
            "a line needs one time per batch and at least two sizes"
        )
    times = np.asarray(seconds, float)
    if not (np.isfinite(times).all() and times.min() > 0 and min(sizes) >= 1):
        raise ArgumentError("sizes must be at least 1, and times finite and above 0")
    parts = np.stack([np.ones(len(times)), np.asarray(sizes, float)], axis=1) / times[:, None]
    (fixed, per_text), _ = nnls(parts, np.ones(len(times)))
    return BatchCurve(round(float(fixed), 9), round(float(per_text), 9))


def knee(curve: BatchCurve, largest_batch: int, overhead: float = 0.0) -> float:
    """The rate (texts per second) at which a service is saturated, where latency begins to soar.

    With full batches, a text costs its share of the step and ``overhead``: the seconds per request
    outside the model (HTTP, JSON, log) that cannot go on at the same time.

    >>> round(knee(BatchCurve(0.01, 0.002), largest_batch=5), 6)
    250.0
    >>> round(knee(BatchCurve(0.01, 0.002), largest_batch=5, overhead=0.001), 6)
    200.0
    """
    if largest_batch < 1:
        raise ArgumentError(f"largest_batch is {largest_batch}: it must be at least 1")
    share = curve.seconds(largest_batch) / largest_batch
    return 1 / (share + number("overhead", overhead, 0))


def batch_latencies(
    arrivals: Sequence[float] | np.ndarray,
    curve: BatchCurve,
    largest_batch: int,
    max_wait: float = 0.0,
) -> np.ndarray:
    """The latencies (N,) of texts that arrive at given times (N,), in order, at such a service.

    A simulation: what waits when the server is free is computed together, ``largest_batch`` texts
    at most, and an idle server waits ``max_wait`` seconds for company unless the batch is full.

    >>> batch_latencies([0.0, 0.1, 0.2], BatchCurve(1.0, 0.5), largest_batch=8).round(6)
    array([1.5, 3.4, 3.3])
    """
    arrivals = np.asarray(arrivals, float)
    done = np.empty_like(arrivals)
    free, first = 0.0, 0
    while first < len(arrivals):
        full = first + largest_batch - 1
        until = arrivals[first] + max_wait
        if full < len(arrivals):
            until = min(until, arrivals[full])
        begin = max(free, arrivals[first], until)
        waiting = int(np.searchsorted(arrivals, begin, "right")) - first
        batch = min(max(waiting, 1), largest_batch)
        free = begin + curve.seconds(batch)
        done[first : first + batch] = free
        first += batch
    return done - arrivals
