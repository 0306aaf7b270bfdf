"""Quotes in delimited text: marks around fields, as in RFC 4180, or ordinary characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

QUOTINGS = ("auto", "csv", "none")
LONGEST = 10_000_000
"""Characters of a cell, or of a row that spans several lines; a row that has more is rejected."""
COMPLETE = "complete"
BROKEN = "broken"
UNCLOSED = "unclosed"
TOO_LONG = "too long"
INSIDE = r'[^"]*+(?:""[^"]*+)*+'
END = r"(?:\r*\n|\r+)?"


@dataclass(frozen=True)
class Grammar:
    """RFC 4180 for one delimiter: a field that holds a quote is quoted, and its quotes are doubled.

    Parameters
    ----------
    complete : a row on one line
    opening : a line that ends inside a quoted field; the group `opened` is its part of that field
    closing : a line that begins inside a quoted field and ends the row; the group `before` is its
        part of that field
    inner : a line that begins and ends inside a quoted field, the same one or two different ones
    field : a delimiter and the field after it
    """

    delimiter: str
    complete: re.Pattern[str]
    opening: re.Pattern[str]
    closing: re.Pattern[str]
    inner: re.Pattern[str]
    field: re.Pattern[str]

    @classmethod
    def of(cls, delimiter: str) -> Grammar:
        """The grammar with compiled patterns; each matches in time proportional to the line."""
        mark = re.escape(delimiter)
        field = rf'(?:"{INSIDE}"|[^"\r\n{mark}]*+)'
        opening = rf'(?:{field}{mark})*+"(?P<opened>{INSIDE})'
        return cls(
            delimiter,
            complete=re.compile(rf"{field}(?:{mark}{field})*+{END}"),
            opening=re.compile(opening),
            closing=re.compile(rf'(?P<before>{INSIDE})"(?:{mark}{field})*+{END}'),
            inner=re.compile(rf'(?P<before>{INSIDE})(?:"{mark}{opening})?'),
            field=re.compile(rf"{mark}({field})"),
        )

    def split(self, row: str) -> list[str]:
        r"""The fields of a complete row, without the quotes around them.

        >>> Grammar.of(",").split('1,"say ""hi"" twice"\n')
        ['1', 'say "hi" twice']
        """
        fields = self.field.findall(self.delimiter + row)
        return [
            field[1:-1].replace('""', '"') if field.startswith('"') else field for field in fields
        ]


class RawRow(NamedTuple):
    """The lines that seem to be one row, not yet split into fields.

    Parameters
    ----------
    state : COMPLETE, BROKEN where a line does not follow the grammar, UNCLOSED where a quote that
        opens on one line is not closed properly on a later one, or TOO_LONG
    line, quote_line, last : the lines on which it starts, on which its last quoted field opens,
        and on which it ends
    text : its text with all line ends; empty for a row that is too long
    looks_merged : whether one of its quoted fields holds both the delimiter and a line end
    """

    state: str
    line: int
    quote_line: int
    last: int
    text: str
    looks_merged: bool = False


def raw_rows(lines: Iterable[str], grammar: Grammar) -> Iterator[RawRow]:
    r"""Join lines into rows by their quotes; what follows an UNCLOSED row is a guess.

    >>> rows = raw_rows(['a,"two\n', 'lines"\n', 'a 5" pipe,b\n'], Grammar.of(","))
    >>> [(row.state, row.line, row.last) for row in rows]
    [('complete', 1, 2), ('broken', 3, 3)]
    """
    open_row: _OpenRow | None = None
    for number, line in enumerate(lines, 1):
        if open_row is not None:
            state = open_row.add(number, line)
            if state is not None:
                yield open_row.close(state)
                open_row = None
        elif '"' not in line or grammar.complete.fullmatch(line):
            yield RawRow(COMPLETE, number, number, number, line)
        elif opening := grammar.opening.fullmatch(line):
            open_row = _OpenRow(grammar, number, opening)
        else:
            yield RawRow(BROKEN, number, number, number, line)
    if open_row is not None:
        yield open_row.close(UNCLOSED)


class _OpenRow:
    """A row whose last line so far ends inside a quoted field."""

    def __init__(self, grammar: Grammar, number: int, opening: re.Match[str]) -> None:
        self.grammar = grammar
        self.line = self.quote_line = self.last = number
        self.lines = [opening[0]]
        self.size = len(opening[0])
        self.has_delimiter = grammar.delimiter in opening["opened"]  # in the field that is open
        self.looks_merged = False

    def add(self, number: int, line: str) -> str | None:
        """Add a line; return the state of the row if it ends there, None if it goes on."""
        self.last = number
        self.size += len(line)
        if self.size <= LONGEST:
            self.lines.append(line)
        closing = self.grammar.closing.fullmatch(line)
        match = closing or self.grammar.inner.fullmatch(line)
        if match is None:
            return UNCLOSED
        self.has_delimiter = self.has_delimiter or self.grammar.delimiter in match["before"]
        if closing:
            self.looks_merged = self.looks_merged or self.has_delimiter
            return COMPLETE if self.size <= LONGEST else TOO_LONG
        if match["opened"] is not None:  # one quoted field closes on this line, another opens
            self.looks_merged = self.looks_merged or self.has_delimiter
            self.quote_line = number
            self.has_delimiter = self.grammar.delimiter in match["opened"]
        return None

    def close(self, state: str) -> RawRow:
        """The row in its final state, with its text unless that is too long."""
        text = "" if state == TOO_LONG else "".join(self.lines)
        return RawRow(state, self.line, self.quote_line, self.last, text, self.looks_merged)


class Choice(NamedTuple):
    """The quoting that was detected, and a note on why where another one is possible."""

    quoting: str
    note: str | None = None


def choose(lines: Iterable[str], grammar: Grammar) -> Choice:
    r"""The quoting of a file whose format does not settle it, such as one with tabs.

    It is "csv" where every row with quotes follows the grammar and no quoted field holds both the
    delimiter and a line end, as a field does that begins in one row and ends in another. Where
    some rows break these rules, it is still "csv" if most rows have quoted fields, or if one with
    quoted fields spans several lines; otherwise it is "none".

    >>> choose(['"a, b"\tc\n'], Grammar.of("\t")).quoting
    'csv'
    >>> choose(['a 5" pipe\tc\n'], Grammar.of("\t")).quoting
    'none'
    """
    rows = 0
    quoted = 0
    multiline = 0
    columns = 0
    not_csv: RawRow | None = None  # the first row that breaks the rules
    for row in raw_rows(lines, grammar):
        rows += 1
        columns = columns or len(grammar.split(row.text))
        if row.looks_merged or row.state in (BROKEN, UNCLOSED):
            not_csv = not_csv or row
        elif '"' in row.text:
            quoted += 1
            multiline += row.last > row.line and len(grammar.split(row.text)) == columns
    if not_csv is None or multiline or 2 * quoted > rows:
        return Choice("csv")
    if not_csv.last == not_csv.line:
        place = f"line {not_csv.line} does"
    else:
        place = f"lines {not_csv.line} to {not_csv.last} do"
    return Choice(
        "none",
        f"quotes were read as characters, since {place} not look quoted as in CSV; "
        "quoting='csv' (--quoting csv) takes them as marks around fields",
    )
