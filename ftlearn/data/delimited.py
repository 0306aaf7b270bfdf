"""Rows of delimited text: CSV, TSV and their kin, with quotes as marks or as characters.

A row that is broken by itself is refused and the next is read. Where it is not known where a row
ends, nobody knows where the next one starts, and the file is refused: a guess could be wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ftlearn.data.decoding import SPOILT, Lines
from ftlearn.data.dialect import Dialect, check_header, other_delimiters
from ftlearn.data.errors import DataError
from ftlearn.data.quoting import BROKEN, LONGEST, TOO_LONG, UNCLOSED, Grammar, Piece, pieces
from ftlearn.data.records import Record, Rejected, Row

CHARACTERS = (
    "where quotes are characters in this file, read it with quoting='none' (--quoting none)"
)
BARE_RETURN = "a carriage return stands outside quotes; put its field in quotes"
STRAY_QUOTE = f"a quote stands alone; double it inside a quoted field, or {CHARACTERS}"
SPACED_QUOTE = "a field begins with spaces and a quote; take the spaces away, or double the quotes"
UNDOUBLED = f'quotes inside a quoted field are not doubled (""); double them, or {CHARACTERS}'
MANY_LINES = 100
"""A quoted field of more lines than this is told; few texts are so long, and a lost quote is."""
FEW_LINES = 10
"""In a field of no more lines than this, all must look like rows for it to seem a lost quote."""
SHOWN = 3


class Delimited:
    """Columns and rows of delimited text with a header line.

    Parameters
    ----------
    lines : what says of a line whether it was decoded, and where it comes from
    content : the lines to read, the header among them
    dialect : how they are written
    wanted : the columns that are asked for. Only they must stand once in the header: others that
        stand more than once, or have no name, are left out

    Raises `DataError` for a header that cannot be used, and, when it comes to it, for a quote after
    which nobody knows where the next row starts.
    """

    def __init__(
        self, lines: Lines, content: Iterable[str], dialect: Dialect, wanted: Sequence[str]
    ) -> None:
        self.dialect, self._lines = dialect, lines
        self._width = 0  # of the header, once it is read
        self._merged: list[Piece] = []
        self._in_quotes = 0
        self._split = self._by_quotes(content) if dialect.quoting == "csv" else self._plain(content)
        header = next(self._split, Record(1, []))
        if isinstance(header, Rejected):
            raise DataError(f"{lines.place}: its header cannot be read: {header.reason}.")
        check_header(header.cells, wanted, dialect.delimiter, lines.place)
        times = Counter(header.cells)
        self._width = len(header.cells)
        self._kept = {
            at: name for at, name in enumerate(header.cells) if name.strip() and times[name] == 1
        }

    @property
    def names(self) -> list[str]:
        """The columns that are kept, in order."""
        return list(self._kept.values())

    def rows(self) -> Iterator[Row]:
        """The rows after the header, once."""
        return map(self._match, self._split)

    def note(self) -> str | None:
        """What one should know of the quotes, after all rows; None where there is nothing."""
        if self._merged:
            shown = [f"line {row.line} ({row.last - row.line + 1} lines)" for row in self._merged]
            more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
            return (
                "a quoted field takes in lines that look like rows, or very many, from "
                f"{', '.join(shown[:SHOWN])}{more}; {CHARACTERS}"
            )
        if self._in_quotes and not self.dialect.asked:
            rows = "1 row holds" if self._in_quotes == 1 else f"{self._in_quotes} rows hold"
            return (
                f"{rows} a field in quotes, which were read as characters; quoting='csv' "
                "(--quoting csv) takes them as marks around fields"
            )
        return None

    def _match(self, row: Row) -> Row:
        if isinstance(row, Rejected):
            return row
        if len(row.cells) != self._width:
            return Rejected(row.line, f"{len(row.cells)} fields where the header has {self._width}")
        return Record(row.line, {name: row.cells[at] for at, name in self._kept.items()})

    def _plain(self, content: Iterable[str]) -> Iterator[Row]:
        """Each line a row, its cells between the delimiters."""
        for number, line in enumerate(content, 1):
            body = line.rstrip("\r\n")
            fault = self._fault(line)
            if fault:
                yield Rejected(number, fault)
            elif "\r" in body or "\n" in body:
                yield Rejected(number, BARE_RETURN)
            elif body:
                cells = body.split(self.dialect.delimiter)
                self._in_quotes += any(
                    len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells
                )
                yield Record(number, cells)

    def _by_quotes(self, content: Iterable[str]) -> Iterator[Row]:
        """Rows as the quotes put lines together."""
        grammar = Grammar.of(self.dialect.delimiter)
        for piece in pieces(content, grammar):
            fault = self._fault(piece.text)
            if piece.state == UNCLOSED:
                raise DataError(_unclosed(self._lines.place, piece))
            if piece.state == TOO_LONG:
                yield Rejected(piece.line, f"it has more than {LONGEST:,} characters; cut it")
            elif piece.state == BROKEN:
                row = self._broken(piece)
                yield Rejected(piece.line, fault) if fault else row
            elif fault:
                yield Rejected(piece.line, fault)
            elif '"' not in piece.text:
                yield from _bare_row(piece, grammar.delimiter)
            elif self._seems_merged(piece) and self.dialect.delimiter == "\t":
                yield Rejected(piece.line, _merged(piece))
            else:
                yield Record(piece.line, grammar.split(piece.text))

    def _fault(self, text: str) -> str | None:
        """Why a row was not decoded; an error where it is the header, without which none is."""
        fault = self._lines.fault(text)
        if fault and not self._width:
            raise DataError(
                f"{self._lines.place}: its header cannot be read: {fault}; {self._lines.remedy()}."
            )
        return fault

    def _seems_merged(self, piece: Piece) -> bool:
        """Whether quotes seem to have put rows together; noted where nobody asked for it."""
        lines = piece.last - piece.line + 1
        if self.dialect.asked or lines == 1:
            return False
        if self.dialect.delimiter == "\t":
            seems = piece.holds
        else:
            counts = [line.count(self.dialect.delimiter) for line in piece.text.split("\n")]
            alike = counts.count(self._width - 1)
            seems = self._width > 1 and (alike == lines or 2 * alike > lines > FEW_LINES)
        if seems or lines > MANY_LINES:
            self._merged.append(piece._replace(text=""))
        return seems

    def _broken(self, piece: Piece) -> Row:
        """A line with another grammar: its row, or its refusal; an error where it may go on."""
        delimiter, body = self.dialect.delimiter, SPOILT.sub("", piece.text).rstrip("\r\n")
        others = other_delimiters(body, delimiter)
        if not self._width and others and '"' + delimiter not in body:
            raise DataError(
                f"{self._lines.place}: its header is not split by {delimiter!r}; try {others[0]}."
            )
        even, cells = body.count('"') % 2 == 0, body.split(delimiter)
        begun = any(cell.startswith('"') for cell in cells)
        spaced = any(cell.lstrip().startswith('"') for cell in cells)
        if spaced and not (even and _ends_closed(cells)):
            raise DataError(_unclosed(self._lines.place, piece))
        if re.search(r"[\r\n]", body):
            return Rejected(piece.line, BARE_RETURN)
        if spaced:
            return Rejected(piece.line, UNDOUBLED if begun else SPACED_QUOTE)
        return Record(piece.line, cells) if even else Rejected(piece.line, STRAY_QUOTE)


def _bare_row(piece: Piece, delimiter: str) -> Iterator[Row]:
    """The row of a line without quotes; none for a blank one."""
    body = piece.text.rstrip("\r\n")
    if "\r" in body or "\n" in body:
        yield Rejected(piece.line, BARE_RETURN)
    elif body:
        yield Record(piece.line, body.split(delimiter))


def _ends_closed(cells: Sequence[str]) -> bool:
    """Whether a line ends outside quotes also where only a quote before a delimiter closes."""
    opened = False
    for cell in cells:
        if not opened and cell.startswith('"'):
            opened, cell = True, cell[1:]
        opened = opened and not cell.endswith('"')
    return not opened


def _unclosed(place: str, piece: Piece) -> str:
    lines = f"on line {piece.last}" if piece.last == piece.opened else f"up to line {piece.last}"
    return (
        f"{place}: the quote that opens a field on line {piece.opened} is not closed as CSV has it "
        f"{lines}, so where the next row starts is unknown; close the quote, double it "
        f'("") where it belongs to the text, or {CHARACTERS}.'
    )


def _merged(piece: Piece) -> str:
    return (
        f"a quoted field goes on to line {piece.last} over lines that look like rows; {CHARACTERS}"
    )
