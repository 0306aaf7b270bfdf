"""Numbers in other notations: decimal commas, thousands separators, units, missing values."""

from __future__ import annotations

import re
from typing import NamedTuple

MISSING = {"", "-", "--", ".", "?", "n/a", "na", "nan", "null", "none", "nil", "#n/a", "missing"}
DECIMAL_COMMA, THOUSANDS, COMMA = "decimal comma", "thousands separator", "comma"
COMMAS = (DECIMAL_COMMA, THOUSANDS, COMMA)
PERCENT, CURRENCY, MINUS, NO_NUMBER = "percent sign", "currency sign", "minus sign", "no number"
UNIT = re.compile(r"(?P<front>[$€£¥])?\s*(?P<number>[^%$€£¥]*?)\s*(?P<back>[%$€£¥])?")
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
COMMA_FOR_BOTH = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
GROUPED = {  # by thousands separator, each with its decimal mark
    ",": re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"),
    ".": re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?"),
    " ": re.compile(r"[+-]?\d{1,3}( \d{3})+([.,]\d+)?"),
    "'": re.compile(r"[+-]?\d{1,3}('\d{3})+([.,]\d+)?"),
}
WITH_COMMA = re.compile(r"[+-]?\d*,\d+")


class Notation(NamedTuple):
    """What keeps a value from being a plain number, and how to write it as one.

    `plain` is "" for a missing value.
    """

    what: str
    plain: str


def notation(value: str) -> Notation | None:
    """How a value that is not a plain number can be read as one; None for a plain number or a word.

    >>> notation("1.271,50"), notation("N/A"), notation("12.5 %").plain, notation("good")
    (Notation(what='thousands separator', plain='1271.50'), Notation(what='no number', plain=''),
    '12.5', None)
    """
    value = value.strip()
    if value.casefold() in MISSING:
        return Notation(NO_NUMBER, "")
    ascii_marks = re.sub("[\u00a0\u202f\u2009]", " ", value)
    ascii_marks = ascii_marks.replace("\u2019", "'").replace("\u2212", "-")
    parts = UNIT.fullmatch(ascii_marks)
    if parts is None or not parts["number"]:
        return None
    unit = parts["front"] or parts["back"]
    number = parts["number"]
    separated = _with_separators(number)
    if separated is not None:
        return separated
    if not PLAIN.fullmatch(number) or number == value:
        return None
    if unit is None:
        return Notation(MINUS, number)
    return Notation(PERCENT if unit == "%" else CURRENCY, number)


def _with_separators(number: str) -> Notation | None:
    """The notation of a number with a thousands separator or a decimal comma; None for others."""
    if COMMA_FOR_BOTH.fullmatch(number):
        return Notation(COMMA, f"{number.replace(',', '')} or {number.replace(',', '.')}")
    for mark, pattern in GROUPED.items():
        # "1.234" is a plain number, and "0,123" a decimal.
        single = number.count(mark) == 1 and "," not in number.replace(mark, "", 1)
        plain_point = mark == "." and single
        if pattern.fullmatch(number) and not plain_point and not re.match(r"[+-]?0,", number):
            return Notation(THOUSANDS, number.replace(mark, "").replace(",", "."))
    if WITH_COMMA.fullmatch(number):
        return Notation(DECIMAL_COMMA, number.replace(",", "."))
    return None
