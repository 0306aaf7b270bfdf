"""Search spaces: named ranges and choices, which are Optuna's distributions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Space = Mapping[str, BaseDistribution]


def uniform(low: float, high: float) -> FloatDistribution:
    """A number between two bounds, uniformly distributed.

    >>> uniform(0, 0.3).high
    0.3
    """
    return FloatDistribution(*_ordered(low, high))


def log_uniform(low: float, high: float) -> FloatDistribution:
    """A positive number whose logarithm is uniform: each power of ten is as likely as the next.

    Raises ValueError for a bound that is not positive.

    >>> log_uniform(0, 1)
    Traceback (most recent call last):
    ValueError: the low bound is 0: a logarithmic range begins above zero
    """
    if not low > 0:
        raise ValueError(f"the low bound is {low!r}: a logarithmic range begins above zero")
    return FloatDistribution(*_ordered(low, high), log=True)


def integers(low: int, high: int, *, log: bool = False) -> IntDistribution:
    """An integer between two bounds, both included; with ``log`` its logarithm is uniform."""
    if int(low) != low or int(high) != high:
        raise ValueError(f"the bounds are {low!r} and {high!r}: they must be whole numbers")
    if log and low < 1:
        raise ValueError(f"the low bound is {low!r}: a logarithmic range begins above zero")
    low, high = _ordered(low, high)
    return IntDistribution(int(low), int(high), log=log)


def choice(*values: Any) -> CategoricalDistribution:
    """One of several values: numbers, strings, booleans or None.

    >>> choice(8, 16, 32).choices
    (8, 16, 32)
    """
    if not values or len(set(values)) < len(values):
        raise ValueError(f"the choices are {values!r}: give one or more, each only once")
    return CategoricalDistribution(values)


def _ordered(low: float, high: float) -> tuple[float, float]:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"the bounds are {low!r} and {high!r}: the first must be the smaller one")
    return low, high


def grid(space: Space, points: int) -> list[dict[str, Any]]:
    """All combinations of the largest grid with at most ``points`` points, in order.

    Choices keep all their values; all ranges get the same number of values, evenly spaced on
    their scale, both bounds included (a single value is the middle). Raises ValueError if the
    choices alone have more than ``points`` combinations.

    >>> grid({"rate": log_uniform(0.01, 1), "size": choice(8, 16)}, 7)[1::2]
    [{'rate': 0.01, 'size': 16}, {'rate': 0.1, 'size': 16}, {'rate': 1.0, 'size': 16}]
    """
    choices = [distribution for distribution in space.values() if _is_choice(distribution)]
    combinations = math.prod(len(distribution.choices) for distribution in choices)
    if combinations > points:
        raise ValueError(
            f"the choices alone make {combinations} combinations, more than the {points} trials: "
            "give more trials or fewer choices"
        )
    ranges = len(space) - len(choices)
    count = max((n for n in range(1, points + 1) if combinations * n**ranges <= points), default=1)
    axes = [_values(distribution, count) for distribution in space.values()]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*axes)]


def _is_choice(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, CategoricalDistribution)


def _values(distribution: Any, count: int) -> list[Any]:
    if _is_choice(distribution):
        return list(distribution.choices)
    low, high = distribution.low, distribution.high
    share = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
    values = low * (high / low) ** share if distribution.log else low + (high - low) * share
    if isinstance(distribution, IntDistribution):
        return sorted({round(value) for value in values})
    return [round(float(value), 15 - math.floor(math.log10(abs(high)))) for value in values]
