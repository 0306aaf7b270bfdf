"""The numbers of a text and of its translation, with the words and signs that multiply them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

SMALL_NUMBER = 20
"""English writes such numbers as words, Chinese often as digits."""
MULTIPLIERS = {
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "B": 10**9,
    "千": 10**3,
    "万": 10**4,
    "十万": 10**5,
    "百万": 10**6,
    "千万": 10**7,
    "亿": 10**8,
    "十亿": 10**9,
    "百亿": 10**10,
    "千亿": 10**11,
    "万亿": 10**12,
}
_NUMBER = re.compile(
    r"(\d+(?:[.,]\d+)*)"
    r"( ?(?:thousand|million|billion|trillion)\b| ?[kKMB](?![A-Za-z\d])"
    r"| ?(?:[十百千万]?亿|[十百千]?万|千(?![字克米瓦兆卡赫])))?"  # 千字节 is a unit: a kilobyte
)


def differences(english: str, chinese: str) -> list[str]:
    """The numbers that are missing in the Chinese, and those that are not in the English.

    Numbers are the same if they are written the same, or, where one of them is multiplied by a
    word, if their values are exactly the same. English may name the multiplier once for several.
    Small numbers may be digits in Chinese only.

    >>> differences("85 of 109 million in 1,080 rows", "1,080 条中，1.09 亿里的 8500 万")
    []
    >>> differences("22.7 million", "227 万")
    ['the number 22.7 million is missing', 'the number 227 万 is not in the English']
    """
    wanted, found = Counter(numbers(english)), Counter(numbers(chinese))
    missing, more = wanted - found, found - wanted
    named = {factor(number) for number in wanted}
    for number in list(missing.elements()):
        equal = next((other for other in more.elements() if _are_equal(number, other, named)), None)
        if equal:
            missing[number] -= 1
            more[equal] -= 1
    small = {str(number) for number in range(SMALL_NUMBER + 1)}
    return [f"the number {number} is missing" for number in +missing] + [
        f"the number {number} is not in the English" for number in +more if number not in small
    ]


def numbers(text: str) -> list[str]:
    """The numbers of a text as they are written, with what multiplies them.

    >>> numbers("7B weights, 22.7 million, 32 kB, 2270 万 and 3 千字节")
    ['7B', '22.7 million', '32', '2270 万', '3']
    """
    return [match[0] for match in _NUMBER.finditer(text)]


def value(number: str) -> Decimal | None:
    """The value of a number as ``numbers`` gives it; None where its digits are no plain number.

    >>> value("2270 万") == value("22.7 million") == value("22,700,000") == 22_700_000
    True
    """
    digits = _NUMBER.fullmatch(number)[1].replace(",", "")
    try:
        return Decimal(digits) * factor(number)
    except InvalidOperation:  # a version, such as 4.1.2
        return None


def factor(number: str) -> int:
    """What multiplies the digits of a number.

    >>> factor("22.7 million"), factor("2270 万"), factor("1,080")
    (1000000, 10000, 1)
    """
    return MULTIPLIERS.get((_NUMBER.fullmatch(number)[2] or "").strip(), 1)


def _are_equal(number: str, other: str, factors: Iterable[int]) -> bool:
    first, second = value(number), value(other)
    if first is None or second is None or factor(number) == factor(other) == 1:
        return False
    shared = factors if factor(number) == 1 else {1}  # "85 of 109 million"
    return any(first * multiplier == second for multiplier in {1, *shared})
