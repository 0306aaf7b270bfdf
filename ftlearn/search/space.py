"""What may be searched: named ranges and choices, which are Optuna's own distributions."""

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
    """A number between two bounds, each part of the range as likely as any other.

    >>> uniform(0, 0.3).high
    0.3
    """
    return FloatDistribution(*_ordered(low, high))


def log_uniform(low: float, high: float) -> FloatDistribution:
    """A positive number whose logarithm is uniform: each factor of ten is as likely as the next.

    Raises ValueError for a bound that is not positive.

    >>> log_uniform(0, 1)
    Traceback (most recent call last):
    ValueError: the low bound is 0: a logarithmic range begins above zero
    """
    if not low > 0:
        raise ValueError(f"the low bound is {low!r}: a logarithmic range begins above zero")
    return FloatDistribution(*_ordered(low, high), log=True)


def integers(low: int, high: int, *, log: bool = False) -> IntDistribution:
    """A whole number between two bounds, both included; ``log`` spreads it by its logarithm."""
    if int(low) != low or int(high) != high:
        raise ValueError(f"the bounds are {low!r} and {high!r}: they must be whole numbers")
    if log and low < 1:
        raise ValueError(f"the low bound is {low!r}: a logarithmic range begins above zero")
    return IntDistribution(*map(int, _ordered(low, high)), log=log)


def choice(*values: Any) -> CategoricalDistribution:
    """One of some values: numbers, texts, booleans or None.

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
    """All combinations of a grid with at most so many points, in order.

    Choices keep all their values; ranges share what is left, equally many values each, evenly
    spaced on their scale with both bounds among them (a single value is the middle).
    Raises ValueError where the choices alone are more than ``points``.

    >>> grid({"rate": log_uniform(0.01, 1), "size": choice(8, 16)}, 7)[1::2]
    [{'rate': 0.01, 'size': 16}, {'rate': 0.1, 'size': 16}, {'rate': 1.0, 'size': 16}]
    """
    fixed = math.prod(len(each.choices) for each in space.values() if _is_choice(each))
    if fixed > points:
        raise ValueError(
            f"the choices alone make {fixed} combinations, more than the {points} trials: "
            "give more trials or fewer choices"
        )
    ranges = sum(not _is_choice(each) for each in space.values())
    count = max((n for n in range(1, points + 1) if fixed * n**ranges <= points), default=1)
    axes = [_values(each, count) for each in space.values()]
    return [dict(zip(space, combination, strict=True)) for combination in itertools.product(*axes)]


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
