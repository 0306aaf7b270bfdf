"""Confidence intervals: bootstrap over rows, or over rows and seeds, and of a share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest


class Interval(NamedTuple):
    """A measured value and the bounds of its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(
    score: Callable[..., float],
    *columns: np.ndarray,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The score and its percentile bootstrap interval; all columns are resampled together.

    Rows are drawn with replacement; the interval accounts for the sampling of test rows, not for
    the seeds of training (Efron 1979).

    >>> bootstrap(np.mean, np.array([0.0, 1.0] * 50)).value
    0.5
    """
    scores = resample(score, *columns, draws=draws, seed=seed)
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(score(*columns)), float(low), float(high))


def resample(
    score: Callable[..., float | list[float]], *columns: np.ndarray, draws: int, seed: int
) -> np.ndarray:
    """The score, or scores, of ``draws`` bootstrap samples of the rows, (draws, ...).

    >>> resample(np.mean, np.ones(5), draws=3, seed=0)
    array([1., 1., 1.])
    """
    columns = tuple(np.asarray(column) for column in columns)
    random = np.random.default_rng(seed)
    rows = len(columns[0])
    # One sample at a time: 1,000 at once would take 8 kB per row.
    scores = []
    for _ in range(draws):
        sample = random.integers(0, rows, size=rows)
        scores.append(score(*(column[sample] for column in columns)))
    return np.array(scores)


def crossed(
    values: np.ndarray, *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """The mean of values (S, N) over S seeds and N test rows, and its interval with both resampled.

    The scores of several models on the same rows vary for two reasons, the seeds and the rows:
    both are drawn with replacement (Owen 2007, "The pigeonhole bootstrap").

    >>> crossed(np.ones((3, 5)))
    Interval(value=1.0, low=1.0, high=1.0)
    """
    if values.ndim != 2 or not values.size:
        raise ValueError(f"values have shape {values.shape}: give one row per seed, (S, N)")
    random = np.random.default_rng(seed)
    seeds, rows = values.shape
    means = [
        values[random.integers(0, seeds, seeds)][:, random.integers(0, rows, rows)].mean()
        for _ in range(draws)
    ]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def wilson(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """A share and its Wilson interval, which holds for small counts and shares near 0 and 1.

    Wilson 1927. Unlike the bootstrap, it has a width when all trials agree.

    >>> print(wilson(9, 9))
    1.000 [0.701, 1.000]
    """
    test = binomtest(successes, trials)
    low, high = test.proportion_ci(confidence_level=level, method="wilson")
    return Interval(test.statistic, float(low), float(high))
