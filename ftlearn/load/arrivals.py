"""When requests are due."""

from __future__ import annotations

import math

import numpy as np

from ftlearn.errors import ArgumentError
from ftlearn.runtime.arguments import number, whole_number

MOST = 1_000_000
"""Requests of one run: more is a mistake in the units."""


def arrival_times(rate: float, seconds: float, seed: int | None = None) -> np.ndarray:
    """The times (N,) from 0 to ``seconds`` at which requests are due.

    Without a seed they are exactly ``1 / rate`` apart. With one they are a Poisson process of that
    rate: what many clients send who know nothing of each other. Raises ValueError for a rate or a
    time that is not positive.

    >>> arrival_times(4, 1)
    array([0.  , 0.25, 0.5 , 0.75])
    >>> len(arrival_times(100, 100, seed=0))
    10039
    """
    rate = number("rate", rate, 1e-6, 1e6)
    seconds = number("seconds", seconds, 1e-3, 1e6)
    if rate * seconds > MOST:
        raise ArgumentError(
            f"{rate:g} requests per second for {seconds:g} s are more than {MOST:,}: choose a "
            "lower rate or a shorter time"
        )
    if seed is None:
        # Without rounding, 0.3 s at 10 per second would be 3 requests or 4.
        return np.arange(max(1, math.floor(round(rate * seconds, 6)))) / rate
    random = np.random.default_rng(whole_number("seed", seed, 0))
    # Given their number, the arrivals of a Poisson process are uniform.
    return np.sort(random.uniform(0, seconds, random.poisson(rate * seconds)))
