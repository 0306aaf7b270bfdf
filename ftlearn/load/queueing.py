"""The theory of queues with one server: how long requests wait before they are computed.

Rates are per second, times in seconds. "M" stands for arrivals that know nothing of each other
(Poisson) or for service times that are exponential, "D" for times that are all the same, and 1 for
the one server. Formulas: Kleinrock, "Queueing Systems", volume 1 (1975), chapters 3 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ftlearn.runtime.arguments import number


def littles_law(rate: float, seconds: float) -> float:
    """The mean number of requests in a system: their rate times the mean time of each in it.

    Both sides are the area under the number of requests in the system, counted once by time and
    once by request; it holds for every queue that does not grow for ever (Little 1961).

    >>> littles_law(rate=20, seconds=0.25)
    5.0
    """
    return number("rate", rate, 0) * number("seconds", seconds, 0)


def utilization(rate: float, service_seconds: float) -> float:
    """The share of time in which the server computes; a queue is stable below 1.

    >>> utilization(rate=20, service_seconds=0.04)
    0.8
    """
    return littles_law(rate, service_seconds)


def mm1_wait(rate: float, service_seconds: float) -> float:
    """The mean wait in the queue if service times are exponential; inf where it grows for ever.

    >>> round(mm1_wait(rate=20, service_seconds=0.04), 6)
    0.16
    """
    load = utilization(rate, service_seconds)
    return math.inf if load >= 1 else load * service_seconds / (1 - load)


def md1_wait(rate: float, service_seconds: float) -> float:
    """The mean wait in the queue if all service times are the same: half of ``mm1_wait``.

    The wait grows with the mean square of the service times (Pollaczek and Khinchine), which is
    S² for fixed times and 2 S² for exponential ones.

    >>> round(md1_wait(rate=20, service_seconds=0.04), 6)
    0.08
    """
    return mm1_wait(rate, service_seconds) / 2


def mm1_response_quantile(rate: float, service_seconds: float, quantile: float) -> float:
    """A quantile of the time in the system, wait and service, if service times are exponential.

    The time in the system is exponential itself, so its 99th percentile is 4.61 times its mean.

    >>> round(mm1_response_quantile(rate=20, service_seconds=0.04, quantile=0.99), 3)
    0.921
    """
    quantile = number("quantile", quantile, 0, 1)
    if quantile == 1:
        return math.inf
    mean = mm1_wait(rate, service_seconds) + service_seconds
    return -math.log1p(-quantile) * mean


def queue_waits(
    arrivals: Sequence[float] | np.ndarray, service_seconds: float | Sequence[float] | np.ndarray
) -> np.ndarray:
    """The waits (N,) of requests that arrive at given times (N,) at one server, in their order.

    Each waits until the one before it is done (Lindley 1952). ``service_seconds`` is one time for
    all, or one per request.

    >>> queue_waits([0.0, 1.0, 2.0], 1.5)
    array([0. , 0.5, 1. ])
    """
    arrivals = np.asarray(arrivals, float)
    services = np.broadcast_to(np.asarray(service_seconds, float), arrivals.shape)
    waits = np.zeros(len(arrivals))
    for index in range(1, len(arrivals)):
        gap = arrivals[index] - arrivals[index - 1]
        waits[index] = max(0.0, waits[index - 1] + services[index - 1] - gap)
    return waits
