"""Numbers as people write them: with decimal commas, thousands separators, units, or missing."""

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
GROUPED = {  # how thousands are grouped, and the decimal mark that goes with it
    ",": re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"),
    ".": re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?"),
    " ": re.compile(r"[+-]?\d{1,3}( \d{3})+([.,]\d+)?"),
    "'": re.compile(r"[+-]?\d{1,3}('\d{3})+([.,]\d+)?"),
}
WITH_COMMA = re.compile(r"[+-]?\d*,\d+")


class Notation(NamedTuple):
    """What keeps a value from being a number as Python writes it, and how that would be written.

    `plain` is "" for a value that is missing.
    """

    what: str
    plain: str


def notation(value: str) -> Notation | None:
    """How a value that is no plain number is one all the same; None for a plain number or a word.

    >>> notation("1.271,50"), notation("N/A"), notation("12.5 %").plain, notation("good")
    (Notation(what='thousands separator', plain='1271.50'), Notation(what='no number', plain=''),
    '12.5', None)
    """
    value = value.strip()
    if value.casefold() in MISSING:
        return Notation(NO_NUMBER, "")
    even = re.sub("[\u00a0\u202f\u2009]", " ", value).replace("\u2019", "'")
    even = even.replace("\u2212", "-")
    parts = UNIT.fullmatch(even)
    if parts is None or not parts["number"]:
        return None
    unit = parts["front"] or parts["back"]
    number = parts["number"]
    found = _grouped(number)
    if found is not None:
        return found
    if not PLAIN.fullmatch(number) or number == value:
        return None
    return Notation(PERCENT if unit == "%" else CURRENCY if unit else MINUS, number)


def _grouped(number: str) -> Notation | None:
    if COMMA_FOR_BOTH.fullmatch(number):
        return Notation(COMMA, f"{number.replace(',', '')} or {number.replace(',', '.')}")
    for mark, pattern in GROUPED.items():
        # One group after a point is a plain number, and after 0 and a comma a decimal.
        single = number.count(mark) == 1 and "," not in number.replace(mark, "", 1)
        plain_point = mark == "." and single
        if pattern.fullmatch(number) and not plain_point and not re.match(r"[+-]?0,", number):
            return Notation(THOUSANDS, number.replace(mark, "").replace(",", "."))
    if WITH_COMMA.fullmatch(number):
        return Notation(DECIMAL_COMMA, number.replace(",", "."))
    return None
