"""The quotes of delimited text: marks around fields, as in RFC 4180, or characters like others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

QUOTINGS = ("auto", "csv", "none")
LONGEST = 10_000_000
"""Characters of a cell, or of a row in several lines; a row that has more is refused."""
WHOLE, BROKEN, UNCLOSED, TOO_LONG = "whole", "broken", "unclosed", "too long"
INSIDE = r'[^"]*+(?:""[^"]*+)*+'
END = r"(?:\r*\n|\r+)?"


@dataclass(frozen=True)
class Grammar:
    """RFC 4180 for a delimiter: a field with a quote is quoted, and its own quotes are doubled.

    Parameters
    ----------
    whole : a row on one line
    opening : a line that ends inside a quoted field, whose part is the group `opened`
    closing : a line that begins inside a quoted field, whose part is the group `before`, and ends
        the row
    inner : a line that begins and ends inside a quoted field, or inside two of them
    field : a delimiter and the field after it
    """

    delimiter: str
    whole: re.Pattern[str]
    opening: re.Pattern[str]
    closing: re.Pattern[str]
    inner: re.Pattern[str]
    field: re.Pattern[str]

    @classmethod
    def of(cls, delimiter: str) -> Grammar:
        """The grammar with its patterns compiled; each takes time in proportion to the line."""
        mark = re.escape(delimiter)
        field = rf'(?:"{INSIDE}"|[^"\r\n{mark}]*+)'
        opening = rf'(?:{field}{mark})*+"(?P<opened>{INSIDE})'
        patterns = (
            rf"{field}(?:{mark}{field})*+{END}",
            opening,
            rf'(?P<before>{INSIDE})"(?:{mark}{field})*+{END}',
            rf'(?P<before>{INSIDE})(?:"{mark}{opening})?',
            rf"{mark}({field})",
        )
        return cls(delimiter, *map(re.compile, patterns))

    def split(self, row: str) -> list[str]:
        r"""The fields of a whole row, without the quotes around them.

        >>> Grammar.of(",").split('1,"say ""hi"" twice"\n')
        ['1', 'say "hi" twice']
        """
        fields = self.field.findall(self.delimiter + row)
        return [
            field[1:-1].replace('""', '"') if field.startswith('"') else field for field in fields
        ]


class Piece(NamedTuple):
    """The lines that seem to be one row.

    Parameters
    ----------
    state : WHOLE, or BROKEN where a line has another grammar, UNCLOSED where a quote that opens on
        one line is not closed as it should be on another, or TOO_LONG
    line, opened, last : the lines on which it starts, its last open quote stands, and it ends
    text : all of it; nothing of one that is too long
    holds : whether one of its quoted fields holds both the delimiter and a line end
    """

    state: str
    line: int
    opened: int
    last: int
    text: str
    holds: bool = False


def pieces(lines: Iterable[str], grammar: Grammar) -> Iterator[Piece]:
    r"""Put lines together to rows by their quotes; what follows an UNCLOSED one is a guess.

    >>> found = pieces(['a,"two\n', 'lines"\n', 'a 5" pipe,b\n'], Grammar.of(","))
    >>> [(piece.state, piece.line, piece.last) for piece in found]
    [('whole', 1, 2), ('broken', 3, 3)]
    """
    row: _Unfinished | None = None
    for number, line in enumerate(lines, 1):
        if row is not None:
            state = row.add(number, line)
            if state is not None:
                yield row.piece(state)
                row = None
        elif '"' not in line or grammar.whole.fullmatch(line):
            yield Piece(WHOLE, number, number, number, line)
        elif found := grammar.opening.fullmatch(line):
            row = _Unfinished(grammar, number, found)
        else:
            yield Piece(BROKEN, number, number, number, line)
    if row is not None:
        yield row.piece(UNCLOSED)


class _Unfinished:
    """A row whose last line so far ends inside a quoted field."""

    def __init__(self, grammar: Grammar, number: int, found: re.Match[str]) -> None:
        self.grammar = grammar
        self.line = self.opened = self.last = number
        self.lines, self.size = [found[0]], len(found[0])
        self.delimited = grammar.delimiter in found["opened"]  # the quoted field that is open
        self.holds = False

    def add(self, number: int, line: str) -> str | None:
        """The state of the row where it ends with this line; None where it goes on."""
        self.last = number
        self.size += len(line)
        if self.size <= LONGEST:
            self.lines.append(line)
        found = self.grammar.closing.fullmatch(line)
        ends = found is not None
        found = found or self.grammar.inner.fullmatch(line)
        if found is None:
            return UNCLOSED
        self.delimited = self.delimited or self.grammar.delimiter in found["before"]
        if ends or found["opened"] is not None:
            self.holds = self.holds or self.delimited
        if ends:
            return WHOLE if self.size <= LONGEST else TOO_LONG
        if found["opened"] is not None:
            self.opened, self.delimited = number, self.grammar.delimiter in found["opened"]
        return None

    def piece(self, state: str) -> Piece:
        """The row as far as it goes."""
        text = "".join(self.lines) if state != TOO_LONG else ""
        return Piece(state, self.line, self.opened, self.last, text, self.holds)


class Choice(NamedTuple):
    """A quoting that was found out, and why where it could be another."""

    quoting: str
    note: str | None = None


def choose(lines: Iterable[str], grammar: Grammar) -> Choice:
    r"""The quoting of a file whose kind has none by itself, as files with tabs.

    It is "csv" where every row with quotes keeps the grammar and no quoted field holds a delimiter
    with a line end, as one does that begins in one row and ends in another. Where some break it, it
    is "csv" all the same if most rows have quoted fields or some in several lines, and "none"
    otherwise.

    >>> choose(['"a, b"\tc\n'], Grammar.of("\t")).quoting
    'csv'
    >>> choose(['a 5" pipe\tc\n'], Grammar.of("\t")).quoting
    'none'
    """
    rows = quoted = folded = width = 0
    odd: Piece | None = None
    for piece in pieces(lines, grammar):
        rows += 1
        width = width or len(grammar.split(piece.text))
        if piece.holds or piece.state in (BROKEN, UNCLOSED):
            odd = odd or piece
        elif '"' in piece.text:
            quoted += 1
            folded += piece.last > piece.line and len(grammar.split(piece.text)) == width
    if odd is None or folded or 2 * quoted > rows:
        return Choice("csv")
    where = (
        f"line {odd.line} does" if odd.last == odd.line else f"lines {odd.line} to {odd.last} do"
    )
    return Choice(
        "none",
        f"quotes were read as characters, since {where} not look quoted as in CSV; "
        "quoting='csv' (--quoting csv) takes them as marks around fields",
    )
