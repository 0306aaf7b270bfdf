"""How delimited text is written, and whether its header can be used."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ftlearn.data.encodings import to_try
from ftlearn.data.errors import DataError
from ftlearn.data.records import storable

DELIMITERS = {  # as written in Python and on the command line
    ",": "delimiter=',' (--delimiter ',')",
    ";": "delimiter=';' (--delimiter ';')",
    "\t": "delimiter='\\t' (--delimiter $'\\t')",
    "|": "delimiter='|' (--delimiter '|')",
}
STATED = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)


class Dialect(NamedTuple):
    """How delimited text is written: its delimiter, its quoting, and whether the caller chose it.

    `quoting` is "csv", for quotes around fields as in RFC 4180, or "none", for quotes that are
    ordinary characters, so that a row ends where its line does. `explicit` says that the caller
    named the quoting; otherwise it was detected.
    """

    delimiter: str
    quoting: str
    explicit: bool = True


def stated_delimiter(lines: Iterable[str]) -> tuple[str | None, Iterator[str]]:
    r"""The delimiter that Excel states on a first line, and all lines, with that one blank.

    >>> delimiter, lines = stated_delimiter(["sep=;\n", "text;label\n"])
    >>> delimiter, list(lines)
    (';', ['\n', 'text;label\n'])
    """
    remaining = iter(lines)
    first = list(itertools.islice(remaining, 1))
    match = STATED.fullmatch(first[0]) if first else None
    if match:
        return match[1], itertools.chain(["\n"], remaining)
    return None, itertools.chain(first, remaining)


def check_header(header: Sequence[str], wanted: Sequence[str], delimiter: str, place: str) -> None:
    """Raise `DataError` for a header without names, or one that repeats a wanted name."""
    if not any(name.strip() for name in header):
        raise DataError(f"{place} is empty; it needs a header or keys, and rows.")
    if not all(map(storable, header)):
        raise DataError(
            f"{place}: its header holds NUL bytes or half surrogate pairs; {to_try('utf-16-le')}."
        )
    for name in wanted:
        places = [str(number) for number, other in enumerate(header, 1) if other == name]
        if len(places) > 1:
            raise DataError(
                f"{place}: the header names {name!r} {len(places)} times, as columns "
                f"{' and '.join(places)}; rename all but one."
            )
    others = other_delimiters(header[0], delimiter)
    if len(header) == 1 and others:
        raise DataError(
            f"{place}: one column {header[0]!r} was found with delimiter {delimiter!r}; "
            f"try {others[0]}."
        )


def other_delimiters(text: str, delimiter: str) -> list[str]:
    """The delimiters that a text holds besides its own, as arguments to try."""
    return [argument for mark, argument in DELIMITERS.items() if mark != delimiter and mark in text]
