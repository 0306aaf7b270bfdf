"""Claimed values beside measured ones, numbers within rounding of another processor."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ftlearn.capstone.failing import Failed
from ftlearn.capstone.submission import Submission

TOLERANCE = 0.005
"""How far two scores may differ. Grading computes in fp32, where processors differ by far less."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def agree(submission: Submission, name: str, now: Any) -> None:
    """Raise Failed where the claim ``name`` is missing or not what is measured now."""
    first = next(differences(submission.claim(name), now, name), None)
    if first:
        raise Failed(first)


def differences(claimed: Any, now: Any, name: str) -> Iterator[str]:
    """Each place where two values of JSON differ by more than rounding, in words.

    >>> list(differences({"rows": 9, "value": 0.95}, {"rows": 9, "value": 0.9}, "accuracy"))
    ['accuracy value is claimed to be 0.95, and measured as 0.9']
    >>> list(differences({"rows": 9}, {"rows": 9, "low": 0.7}, "accuracy"))
    ['accuracy low is missing']
    """
    if isinstance(claimed, Mapping) and isinstance(now, Mapping):
        for key in {**now, **claimed}:
            if key not in claimed:
                yield f"{name} {key} is missing"
            elif key not in now:
                yield f"{name} {key} is claimed, and there is no such thing"
            else:
                yield from differences(claimed[key], now[key], f"{name} {key}")
    elif _is_list(claimed) and _is_list(now) and len(claimed) == len(now):
        for number, pair in enumerate(zip(claimed, now, strict=True)):
            yield from differences(*pair, f"{name} {number}")
    elif not same(claimed, now):
        yield f"{name} is claimed to be {_shown(claimed)}, and measured as {_shown(now)}"


def same(first: Any, second: Any) -> bool:
    """Whether two values are equal, numbers with a fraction up to TOLERANCE.

    >>> same(0.912, 0.9123), same(3, 4), same("a", "a")
    (True, False, True)
    """
    if isinstance(first, float) and isinstance(second, float | int):
        return math.isclose(first, second, rel_tol=0, abs_tol=TOLERANCE)
    return type(first) is type(second) and first == second


def different_line(written: str, now: str) -> str | None:
    """The first line of a document that is not what is measured now; None where all agree.

    Words must be equal, and numbers within TOLERANCE and their last printed digit.

    >>> different_line("rows: 9\\nscore: 0.95", "rows: 9\\nscore: 0.9")
    'score: 0.95'
    """
    for line, expected in zip_longest(written.splitlines(), now.splitlines(), fillvalue=""):
        if NUMBER.sub("#", line) != NUMBER.sub("#", expected):
            return line or f"a line is missing: {expected}"
        for first, second in zip(NUMBER.findall(line), NUMBER.findall(expected), strict=True):
            allowed = TOLERANCE + 0.0015 if "." in second else 0.0
            if abs(float(first) - float(second)) > allowed:
                return line
    return None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _shown(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
