"""How delimited text is written, and whether its header can be used."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ftlearn.data.encodings import to_try
from ftlearn.data.errors import DataError
from ftlearn.data.records import storable

DELIMITERS = {  # as Python and a command line name them
    ",": "delimiter=',' (--delimiter ',')",
    ";": "delimiter=';' (--delimiter ';')",
    "\t": "delimiter='\\t' (--delimiter $'\\t')",
    "|": "delimiter='|' (--delimiter '|')",
}
STATED = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)


class Dialect(NamedTuple):
    """How delimited text is written: its delimiter, its quoting, and whether a caller said that.

    `quoting` is "csv", for quotes around fields as in RFC 4180, or "none", for quotes that are
    characters like others, so that a row ends where its line does.
    """

    delimiter: str
    quoting: str
    asked: bool = True


def stated_delimiter(lines: Iterable[str]) -> tuple[str | None, Iterator[str]]:
    r"""The delimiter that Excel states on a first line, which is left blank, and all lines.

    >>> delimiter, lines = stated_delimiter(["sep=;\n", "text;label\n"])
    >>> delimiter, list(lines)
    (';', ['\n', 'text;label\n'])
    """
    rest = iter(lines)
    first = list(itertools.islice(rest, 1))
    stated = STATED.fullmatch(first[0]) if first else None
    if stated:
        return stated[1], itertools.chain(["\n"], rest)
    return None, itertools.chain(first, rest)


def check_header(header: Sequence[str], wanted: Sequence[str], delimiter: str, place: str) -> None:
    """Raise `DataError` for a header without names, or with one that is asked for and not clear."""
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
    """The delimiters that stand in a text besides its own, as arguments to try."""
    return [shown for mark, shown in DELIMITERS.items() if mark != delimiter and mark in text]
