"""A queue before a model that computes in batches: simulated waits beside those of the theory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from ftlearn import figures, load
from ftlearn.course.explorers.view import View
from ftlearn.errors import ArgumentError
from ftlearn.load import BatchCurve

REQUESTS = 4000
"""Simulated requests, whose 99th percentile then rests on forty."""
RATES = np.geomspace(5, 450, 14)
WINDOWS = np.array([0, 2, 5, 10, 20, 35, 50, 70, 100])


class Queue(NamedTuple):
    """What became of the requests (N,) and of the batches that they formed.

    latencies  seconds from the arrival of each request to the end of its batch
    sizes      requests of each batch
    busy       share of the time in which the model computed
    """

    latencies: np.ndarray
    sizes: np.ndarray
    busy: float


def batch_queue(
    arrivals: np.ndarray, curve: BatchCurve, *, window: float = 0.0, largest: int = 32
) -> Queue:
    """Requests (N,) that arrive at given seconds, computed in batches of at most ``largest``.

    An idle server waits for company until the oldest request is ``window`` seconds old. A batch of
    B takes ``curve.seconds(B)``; what arrives meanwhile forms the next one.

    >>> curve = BatchCurve(fixed=1.0, per_text=0.5)
    >>> batch_queue(np.array([0.0, 0.2, 0.4]), curve).latencies
    array([1.5, 3.3, 3.1])
    """
    if largest < 1 or window < 0:
        raise ArgumentError(
            f"largest is {largest} and window {window:g}: use at least 1 and at least 0 seconds"
        )
    done, sizes = np.empty(len(arrivals)), []
    first, free, computed = 0, 0.0, 0.0
    while first < len(arrivals):
        start = max(free, arrivals[first] + window)
        among = arrivals[first : first + largest]
        size = int(np.searchsorted(among, start, side="right"))
        if size == largest:  # full: nothing to wait for
            start = max(free, among[-1])
        seconds = curve.seconds(size)
        free = start + seconds
        done[first : first + size] = free
        computed += seconds
        sizes.append(size)
        first += size
    return Queue(done - arrivals, np.array(sizes), computed / (free - arrivals[0]))


def queueing(
    curve: BatchCurve,
    rate: float = 50.0,
    window_ms: float = 0.0,
    *,
    largest: int = 32,
    seed: int = 0,
) -> View:
    """Simulated latencies of requests that arrive at random, ``rate`` of them per second.

    ``curve`` has the seconds of a batch; an idle server waits ``window_ms`` milliseconds for
    company. Without a window and in batches of one, the theory (M/D/1) knows the mean. Raises
    ArgumentError for a rate that is not above 0, a negative window, and batches below 1.

    >>> answers, batches = queueing(BatchCurve(0.01, 0.002), 50).sentence.split("; ")
    >>> answers
    'At 50 requests per second half of the answers come within 13 ms and 99 % within 27 ms'
    >>> batches
    'batches hold 1.2 requests on average, and the model computes 54 % of the time.'
    """
    queue = _simulated(curve, rate, window_ms, largest, seed)
    middle, late = _milliseconds(queue)
    sentence = (
        f"At {rate:g} requests per second half of the answers come within {middle:.0f} ms and 99 % "
        f"within {late:.0f} ms; batches hold {queue.sizes.mean():.1f} requests on average, and the "
        f"model computes {100 * queue.busy:.0f} % of the time."
    )
    if rate >= load.knee(curve, largest):
        sentence += " More arrive than can be computed: the queue grows for ever."
    mean = 1000 * queue.latencies.mean()
    table = pd.DataFrame(
        {"mean ms": [mean], "p50 ms": [middle], "p99 ms": [late]}, index=["simulated"]
    )
    if largest == 1 and window_ms == 0:
        table.loc["theory, M/D/1", "mean ms"] = 1000 * _theory(curve, rate)
    return View(sentence, (table.round(1), _figure(curve, rate, window_ms, largest, seed)))


def _simulated(curve: BatchCurve, rate: float, window_ms: float, largest: int, seed: int) -> Queue:
    arrivals = load.arrival_times(rate, REQUESTS / rate, seed)
    return batch_queue(arrivals, curve, window=window_ms / 1000, largest=largest)


def _theory(curve: BatchCurve, rate: float) -> float:
    """Seconds from arrival to answer in batches of one."""
    return load.md1_wait(rate, curve.seconds(1)) + curve.seconds(1)


def _milliseconds(queue: Queue) -> np.ndarray:
    """The median and the 99th percentile."""
    return 1000 * np.percentile(queue.latencies, [50, 99])


def _figure(curve: BatchCurve, rate: float, window_ms: float, largest: int, seed: int) -> Figure:
    """Latencies over the rate with this window, and over the window at this rate."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
    by_rate = [_milliseconds(_simulated(curve, x, window_ms, largest, seed)) for x in RATES]
    by_window = [_milliseconds(_simulated(curve, rate, x, largest, seed)) for x in WINDOWS]
    for ax, x, values, label, now in (
        (left, RATES, by_rate, "requests per second", rate),
        (right, WINDOWS, by_window, "batching window (ms)", window_ms),
    ):
        curves = dict(zip(("p50", "p99"), np.transpose(values), strict=True))
        log = "xy" if ax is left else "y"
        figures.lines(x, curves, xlabel=label, ylabel="latency (ms)", log=log, ax=ax)
        ax.axvline(now, color="#888888", linewidth=1)
    right.set_ylabel("")
    plt.close(figure)
    return figure
