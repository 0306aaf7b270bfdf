"""Rows of delimited text: CSV, TSV and similar formats, with quotes as marks or as characters.

A row that is broken but ends for certain is rejected, and the next one is read. Where the end of
a row is uncertain, so is the start of the next, and the file is an error: a guess could be wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ftlearn.data.decoding import SPOILT, Lines
from ftlearn.data.dialect import Dialect, check_header, other_delimiters
from ftlearn.data.errors import DataError
from ftlearn.data.quoting import BROKEN, LONGEST, TOO_LONG, UNCLOSED, Grammar, RawRow, raw_rows
from ftlearn.data.records import Record, Rejected, Row

CHARACTERS = (
    "where quotes are characters in this file, read it with quoting='none' (--quoting none)"
)
BARE_RETURN = "a carriage return stands outside quotes; put its field in quotes"
STRAY_QUOTE = f"a quote stands alone; double it inside a quoted field, or {CHARACTERS}"
SPACED_QUOTE = "a field begins with spaces and a quote; take the spaces away, or double the quotes"
UNDOUBLED = f'quotes inside a quoted field are not doubled (""); double them, or {CHARACTERS}'
MANY_LINES = 100
"""A quoted field with more lines than this is reported: few texts are so long, and a field whose
closing quote is missing is."""
FEW_LINES = 10
"""A field of at most this many lines seems merged only if all of them look like rows; a longer one
if more than half of them do."""
SHOWN = 3


class Fields(NamedTuple):
    """One row before its columns are known: the line on which it starts, and its cells in order."""

    line: int
    cells: list[str]


class Delimited:
    """Columns and rows of delimited text with a header line.

    Parameters
    ----------
    lines : tells whether a line was decoded, and names the source
    content : the lines to read, with the header
    dialect : how they are written
    wanted : the requested columns. Only their names must be unique in the header: other columns
        whose names are repeated or empty are left out

    Raises `DataError` for a header that cannot be used and, once it is reached, for a quote after
    which the start of the next row is uncertain.
    """

    def __init__(
        self, lines: Lines, content: Iterable[str], dialect: Dialect, wanted: Sequence[str]
    ) -> None:
        self.dialect = dialect
        self._lines = lines
        self._width = 0  # columns of the header, once it is read
        self._merged: list[RawRow] = []
        self._quoted_rows = 0
        self._rows = (
            self._quoted_rows_of(content) if dialect.quoting == "csv" else self._plain_rows(content)
        )
        header = next(self._rows, Fields(1, []))
        if isinstance(header, Rejected):
            raise DataError(f"{lines.place}: its header cannot be read: {header.reason}.")
        check_header(header.cells, wanted, dialect.delimiter, lines.place)
        counts = Counter(header.cells)
        self._width = len(header.cells)
        self._columns = {
            index: name
            for index, name in enumerate(header.cells)
            if name.strip() and counts[name] == 1
        }

    @property
    def names(self) -> list[str]:
        """The columns that are read, in order."""
        return list(self._columns.values())

    def rows(self) -> Iterator[Row]:
        """The rows after the header; they can be read once."""
        return map(self._to_record, self._rows)

    def note(self) -> str | None:
        """A note on doubtful quotes, complete after the last row; None where there are none."""
        if self._merged:
            shown = [f"line {row.line} ({row.last - row.line + 1} lines)" for row in self._merged]
            more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
            return (
                "a quoted field takes in lines that look like rows, or very many, from "
                f"{', '.join(shown[:SHOWN])}{more}; {CHARACTERS}"
            )
        if self._quoted_rows and not self.dialect.explicit:
            rows = "1 row holds" if self._quoted_rows == 1 else f"{self._quoted_rows} rows hold"
            return (
                f"{rows} a field in quotes, which were read as characters; quoting='csv' "
                "(--quoting csv) takes them as marks around fields"
            )
        return None

    def _to_record(self, row: Fields | Rejected) -> Row:
        """The row with its cells by column; rejected where it has more or fewer than the header."""
        if isinstance(row, Rejected):
            return row
        if len(row.cells) != self._width:
            return Rejected(row.line, f"{len(row.cells)} fields where the header has {self._width}")
        return Record(row.line, {name: row.cells[index] for index, name in self._columns.items()})

    def _plain_rows(self, content: Iterable[str]) -> Iterator[Fields | Rejected]:
        """One row per line, its cells between the delimiters."""
        for number, line in enumerate(content, 1):
            body = line.rstrip("\r\n")
            fault = self._fault(line)
            if fault:
                yield Rejected(number, fault)
            elif "\r" in body or "\n" in body:
                yield Rejected(number, BARE_RETURN)
            elif body:
                cells = body.split(self.dialect.delimiter)
                self._quoted_rows += any(
                    len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells
                )
                yield Fields(number, cells)

    def _quoted_rows_of(self, content: Iterable[str]) -> Iterator[Fields | Rejected]:
        """Rows whose quoted fields may span several lines."""
        grammar = Grammar.of(self.dialect.delimiter)
        for raw in raw_rows(content, grammar):
            fault = self._fault(raw.text)
            if raw.state == UNCLOSED:
                raise DataError(_unclosed(self._lines.place, raw))
            if raw.state == TOO_LONG:
                yield Rejected(raw.line, f"it has more than {LONGEST:,} characters; cut it")
            elif raw.state == BROKEN:
                row = self._broken(raw)
                yield Rejected(raw.line, fault) if fault else row
            elif fault:
                yield Rejected(raw.line, fault)
            elif '"' not in raw.text:
                yield from _unquoted_row(raw, grammar.delimiter)
            elif self._seems_merged(raw) and self.dialect.delimiter == "\t":
                yield Rejected(raw.line, _merged(raw))
            else:
                yield Fields(raw.line, grammar.split(raw.text))

    def _fault(self, text: str) -> str | None:
        """Why a row was not decoded, or None; an error for the header, which every row needs."""
        fault = self._lines.fault(text)
        if fault and not self._width:
            raise DataError(
                f"{self._lines.place}: its header cannot be read: {fault}; {self._lines.remedy()}."
            )
        return fault

    def _seems_merged(self, raw: RawRow) -> bool:
        """Whether a quoted field seems to have swallowed rows, for the note; never if explicit."""
        lines = raw.last - raw.line + 1
        if self.dialect.explicit or lines == 1:
            return False
        if self.dialect.delimiter == "\t":
            merged = raw.looks_merged
        else:
            counts = [line.count(self.dialect.delimiter) for line in raw.text.split("\n")]
            like_rows = counts.count(self._width - 1)
            merged = self._width > 1 and (like_rows == lines or 2 * like_rows > lines > FEW_LINES)
        if merged or lines > MANY_LINES:
            self._merged.append(raw._replace(text=""))
        return merged

    def _broken(self, raw: RawRow) -> Fields | Rejected:
        """A line that does not follow the grammar: its row or why it is rejected; else an error.

        It is an error where the row may go on to the next line.
        """
        delimiter = self.dialect.delimiter
        body = SPOILT.sub("", raw.text).rstrip("\r\n")
        others = other_delimiters(body, delimiter)
        if not self._width and others and '"' + delimiter not in body:
            raise DataError(
                f"{self._lines.place}: its header is not split by {delimiter!r}; try {others[0]}."
            )
        even = body.count('"') % 2 == 0
        cells = body.split(delimiter)
        quoted = any(cell.startswith('"') for cell in cells)
        quoted_after_spaces = any(cell.lstrip().startswith('"') for cell in cells)
        if quoted_after_spaces and not (even and _ends_closed(cells)):
            raise DataError(_unclosed(self._lines.place, raw))
        if re.search(r"[\r\n]", body):
            return Rejected(raw.line, BARE_RETURN)
        if quoted_after_spaces:
            return Rejected(raw.line, UNDOUBLED if quoted else SPACED_QUOTE)
        return Fields(raw.line, cells) if even else Rejected(raw.line, STRAY_QUOTE)


def _unquoted_row(raw: RawRow, delimiter: str) -> Iterator[Fields | Rejected]:
    """The row of a line without quotes; nothing for a blank line."""
    body = raw.text.rstrip("\r\n")
    if "\r" in body or "\n" in body:
        yield Rejected(raw.line, BARE_RETURN)
    elif body:
        yield Fields(raw.line, body.split(delimiter))


def _ends_closed(cells: Sequence[str]) -> bool:
    """Whether a line ends outside quotes even if only a quote before a delimiter closes a field."""
    inside = False
    for cell in cells:
        if not inside and cell.startswith('"'):
            inside = True
            cell = cell[1:]
        inside = inside and not cell.endswith('"')
    return not inside


def _unclosed(place: str, raw: RawRow) -> str:
    end = f"on line {raw.last}" if raw.last == raw.quote_line else f"up to line {raw.last}"
    return (
        f"{place}: the quote that opens a field on line {raw.quote_line} is not closed as CSV "
        f"requires {end}, so where the next row starts is unknown; close the quote, double it "
        f'("") where it belongs to the text, or {CHARACTERS}.'
    )


def _merged(raw: RawRow) -> str:
    return f"a quoted field goes on to line {raw.last} over lines that look like rows; {CHARACTERS}"
