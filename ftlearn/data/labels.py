"""Labels as they stand in a file: their order, and whether they are classes or numbers."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from datasets import ClassLabel, Value

from ftlearn.data.errors import DataError
from ftlearn.data.notation import COMMAS, notation

KINDS = ("auto", "class", "number")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGEST = 3.4e38  # of a float32
DIGITS = re.compile(r"([0-9]+)")
MOSTLY = 0.9
"""Labels are meant as numbers where at least this share of the rows has one, however written."""
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


def label_feature(
    values: Sequence[str], kind: str = "auto", lines: Sequence[int] = ()
) -> ClassLabel | Value:
    """The feature of a label column: classes in natural order, or a float32 number.

    `kind="auto"` takes numbers only where every value is a number and at least one is not whole:
    "0", "1", "2" are classes, "0.5", "1", "2" are numbers. `lines` are those of the values, as far
    as they are known, for the errors. Raises `DataError` for a single class, and under "auto" for
    labels that seem to be numbers although they do not all read as such, or of which nearly every
    row has its own.

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


def _check_no_numbers(values: Sequence[str], lines: Sequence[int]) -> None:
    """Raise DataError for labels that seem to be numbers, with the rows that stand in the way."""
    counts = Counter(values)
    numbers = {value: _meant(value) for value in counts}
    numeric = sum(counts[value] for value, number in numbers.items() if number is not None)
    if len(values) < ENOUGH_ROWS or numeric < MOSTLY * len(values):
        return
    own, decimals = own_labels(counts), any(number and number % 1 for number in numbers.values())
    if own or decimals:
        found = own or f"the {len(counts)} labels of {len(values)} rows seem to be numbers"
        raise DataError(
            f"{found}: for numbers use kind='number' (--task regression), and where they are "
            f"classes all the same, kind='class' (--task classification)."
            + _in_the_way(values, lines)
        )


def _meant(value: str) -> float | None:
    """The number that a value is, in whatever notation; None for a word or where it is missing."""
    other = notation(value)
    plain = value if other is None else other.plain.partition(" or ")[0]
    return parse_number(plain)


def own_labels(counts: Mapping[str, int]) -> str | None:
    """What to say where nearly every row has its own label; None where labels stand for several.

    >>> own_labels({"a1": 1, "a2": 1, "b1": 1, "b2": 1, "c": 2})
    'nearly every row has its own label (5 labels for 6 rows)'
    """
    rows = sum(counts.values())
    if 2 * len(counts) <= rows:
        return None
    return f"nearly every row has its own label ({len(counts)} labels for {rows} rows)"


def _in_the_way(values: Sequence[str], lines: Sequence[int]) -> str:
    """The rows whose labels are not written as numbers, and how to write them; "" for none."""
    odd = [
        (line, value)
        for line, value in itertools.zip_longest(lines, values)
        if value is not None and parse_number(value) is None
    ]
    if not odd:
        return ""
    shown = [_shown(line, value) for line, value in odd[:SHOWN]]
    more = f", and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
    rows = "1 row is" if len(odd) == 1 else f"{len(odd)} rows are"
    said = f" {rows} refused then as not a number: {', '.join(shown)}{more}."
    if any(notation(value) and notation(value).what in COMMAS for _, value in odd):
        said += " pandas.read_csv(..., decimal=',') or (..., thousands=',') reads such numbers."
    return said


def _shown(line: int | None, value: str) -> str:
    where = "" if line is None else f"line {line}: "
    other = notation(value)
    how = f" ({other.what}{': write ' if other.plain else ''}{other.plain})" if other else ""
    return f"{where}{value!r}{how}"
