"""Labels as written in a file: their order, and whether they are classes or numbers."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from datasets import ClassLabel, Value

from ftlearn.data.errors import DataError
from ftlearn.data.number_notation import COMMAS, notation

KINDS = ("auto", "class", "number")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGEST = 3.4e38  # of a float32
DIGITS = re.compile(r"([0-9]+)")
MOSTLY = 0.9
"""Labels seem to be numbers where at least this share of the rows holds one, in any notation."""
ENOUGH_ROWS = 10
SHOWN = 3


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
    """Sort key for natural order: numbers by value, also those inside names.

    >>> sorted(["10", "2", "1"], key=natural_order)
    ['1', '2', '10']
    >>> sorted(["class 10", "class 9", "-1"], key=natural_order)
    ['-1', 'class 9', 'class 10']
    """
    number = parse_number(name)
    if number is not None:
        return 0, number, (), name
    key = []
    for index, part in enumerate(DIGITS.split(name)):  # words and digits in turn
        digits = part.lstrip("0")
        key.append((len(digits), digits) if index % 2 else part)
    return 1, 0.0, tuple(key), name


def label_feature(
    values: Sequence[str], kind: str = "auto", lines: Sequence[int] = ()
) -> ClassLabel | Value:
    """The feature of a label column: classes in natural order, or a float32 number.

    `kind="auto"` means numbers only where every value is a number and at least one is not whole:
    "0", "1", "2" are classes, "0.5", "1", "2" are numbers. `lines` holds the line of each value, as
    far as known, for the error messages. Raises `DataError` for a single class, and under "auto"
    for labels that seem to be numbers although not all of them parse, or that are nearly all
    different.

    >>> label_feature(["2", "10", "1", "2"]).names
    ['1', '2', '10']
    >>> label_feature(["2", "10", "1"], kind="number").dtype
    'float32'
    """
    if kind == "number" or (kind == "auto" and _looks_numeric(values)):
        return Value("float32")
    if kind == "auto":
        _check_no_numbers(values, lines)
    names = sorted(set(values), key=natural_order)
    if len(names) < 2:
        is_number = parse_number(names[0]) is not None
        alternative = ", or give kind='number' for a regression" if is_number else ""
        raise DataError(
            f"every row has the same label {names[0]!r}, so there is nothing to tell apart; "
            f"add rows of another class{alternative}."
        )
    return ClassLabel(names=names)


def _looks_numeric(values: Sequence[str]) -> bool:
    numbers = [parse_number(value) for value in set(values)]
    return None not in numbers and any(number % 1 for number in numbers)


def _check_no_numbers(values: Sequence[str], lines: Sequence[int]) -> None:
    """Raise `DataError` for labels that seem to be numbers, naming the rows that are not."""
    counts = Counter(values)
    numbers = {value: _intended_number(value) for value in counts}
    numeric = sum(counts[value] for value, number in numbers.items() if number is not None)
    if len(values) < ENOUGH_ROWS or numeric < MOSTLY * len(values):
        return
    nearly_all_different = unique_labels_message(counts)
    decimals = any(number and number % 1 for number in numbers.values())
    if nearly_all_different or decimals:
        reason = (
            nearly_all_different
            or f"the {len(counts)} labels of {len(values)} rows seem to be numbers"
        )
        raise DataError(
            f"{reason}: for numbers use kind='number' (--task regression), and where they are "
            f"classes all the same, kind='class' (--task classification)."
            + _list_non_numbers(values, lines)
        )


def _intended_number(value: str) -> float | None:
    """The number that a value stands for, in any notation; None for a word or a missing value."""
    written = notation(value)
    plain = value if written is None else written.plain.partition(" or ")[0]
    return parse_number(plain)


def unique_labels_message(counts: Mapping[str, int]) -> str | None:
    """A message where nearly every row has its own label; None where labels are shared by rows.

    >>> unique_labels_message({"a1": 1, "a2": 1, "b1": 1, "b2": 1, "c": 2})
    'nearly every row has its own label (5 labels for 6 rows)'
    """
    rows = sum(counts.values())
    if 2 * len(counts) <= rows:
        return None
    return f"nearly every row has its own label ({len(counts)} labels for {rows} rows)"


def _list_non_numbers(values: Sequence[str], lines: Sequence[int]) -> str:
    """The rows whose labels are not plain numbers, and how to write them; "" for none."""
    non_numbers = [
        (line, value)
        for line, value in itertools.zip_longest(lines, values)
        if value is not None and parse_number(value) is None
    ]
    if not non_numbers:
        return ""
    shown = [_describe(line, value) for line, value in non_numbers[:SHOWN]]
    more = f", and {len(non_numbers) - SHOWN} more" if len(non_numbers) > SHOWN else ""
    rows = "1 row is" if len(non_numbers) == 1 else f"{len(non_numbers)} rows are"
    message = f" {rows} refused then as not a number: {', '.join(shown)}{more}."
    if any(notation(value) and notation(value).what in COMMAS for _, value in non_numbers):
        message += " pandas.read_csv(..., decimal=',') or (..., thousands=',') reads such numbers."
    return message


def _describe(line: int | None, value: str) -> str:
    place = "" if line is None else f"line {line}: "
    written = notation(value)
    if written is None:
        return f"{place}{value!r}"
    remedy = f": write {written.plain}" if written.plain else ""
    return f"{place}{value!r} ({written.what}{remedy})"
