"""Labels as they stand in a file: their order, and whether they are classes or numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from datasets import ClassLabel, Value

from .errors import DataError

KINDS = ("auto", "class", "number")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGEST = 3.4e38  # of a float32
DIGITS = re.compile(r"([0-9]+)")


def parse_number(value: str) -> float | None:
    """The number that `value` spells, or None (also for one too large for a float32).

    >>> parse_number(" 4.5 "), parse_number("nan"), parse_number("1_000")
    (4.5, None, None)
    """
    if not NUMBER.fullmatch(value.strip()):
        return None
    number = float(value)
    return number if abs(number) < LARGEST else None


def natural_order(name: str) -> tuple:
    """Sort key that counts as people do: numbers by value, digits inside names as numbers.

    >>> sorted(["10", "2", "1"], key=natural_order)
    ['1', '2', '10']
    >>> sorted(["class 10", "class 9", "-1"], key=natural_order)
    ['-1', 'class 9', 'class 10']
    """
    number = parse_number(name)
    if number is not None:
        return 0, number, (), name
    pieces = [piece.lstrip("0") if i % 2 else piece for i, piece in enumerate(DIGITS.split(name))]
    return 1, 0.0, tuple((len(p), p) if i % 2 else p for i, p in enumerate(pieces)), name


def label_feature(values: Sequence[str], kind: str = "auto") -> ClassLabel | Value:
    """The feature of a label column: classes in natural order, or a float32 number.

    `kind="auto"` takes numbers only where every value is a number and at least one is not whole:
    "0", "1", "2" are classes, "0.5", "1", "2" are numbers. Raises `DataError` for a single class.

    >>> label_feature(["2", "10", "1", "2"]).names
    ['1', '2', '10']
    >>> label_feature(["2", "10", "1"], kind="number").dtype
    'float32'
    """
    if kind == "number" or (kind == "auto" and _looks_numeric(values)):
        return Value("float32")
    names = sorted(set(values), key=natural_order)
    if len(names) < 2:
        number = parse_number(names[0]) is not None
        other = ", or give kind='number' for a regression" if number else ""
        raise DataError(
            f"every row has the same label {names[0]!r}, so there is nothing to tell apart; "
            f"add rows of another class{other}."
        )
    return ClassLabel(names=names)


def _looks_numeric(values: Sequence[str]) -> bool:
    numbers = [parse_number(value) for value in set(values)]
    return None not in numbers and any(number % 1 for number in numbers)
