"""Checking numbers that callers pass: Python's, NumPy's and pandas' alike, returned as Python's."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from ftlearn.errors import ArgumentError


def whole_number(name: str, value: Any, least: int) -> int:
    """The value as an int; ValueError unless it is a whole number of at least ``least``.

    >>> import numpy as np
    >>> whole_number("epochs", np.int64(3), 1)
    3
    >>> whole_number("epochs", True, 1)
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: epochs is True: it must be a whole number of at least 1
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ArgumentError(f"{name} is {value!r}: it must be a whole number of at least {least}")
    return int(value)


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """The value as a float; ValueError unless it is a number from ``low`` to ``high``.

    >>> import numpy as np
    >>> number("warmup_ratio", np.float32(0.5), 0, 1)
    0.5
    >>> number("warmup_ratio", "0.5", 0, 1)
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: warmup_ratio is '0.5': it must be a number
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise ArgumentError(f"{name} is {value!r}: it must be a number")
    if not low <= value <= high:
        raise ArgumentError(f"{name} is {value!r}: it must lie between {low} and {high}")
    return float(value)
