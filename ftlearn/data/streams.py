"""Rows from a file or from standard input, one at a time, in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ftlearn.data.class_names import class_names, with_class_names
from ftlearn.data.columns import Columns
from ftlearn.data.decoding import Bytes, Lines
from ftlearn.data.delimited import Delimited
from ftlearn.data.dialect import Dialect, stated_delimiter
from ftlearn.data.errors import DataError, close_match, need_columns
from ftlearn.data.quoting import QUOTINGS, Choice, Grammar, choose
from ftlearn.data.records import Row, json_rows, parquet_rows, text_rows
from ftlearn.data.wrong_formats import START, check_exists, check_start, check_suffix

STANDARD_INPUT = "-"
FORMATS = {
    ".txt": "txt",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
DELIMITERS = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True)
class Format:
    """How a source is written; what is None or "auto" is detected.

    Parameters
    ----------
    name : txt (one text per line), csv, tsv, jsonl or parquet; by default as the suffix says, and
        txt for standard input
    delimiter : one character for csv and tsv; by default what a first line `sep=;` states, as Excel
        writes it, and otherwise the comma or the tab
    encoding : by default UTF-8, or UTF-16 where the source starts with its mark
    quoting : for csv and tsv: "csv" for quotes around fields, as in RFC 4180, "none" for quotes
        that are ordinary characters, so that each line is a row. "auto" is "csv"; with tabs it is
        detected from the whole file (`quoting.choose`), and is "none" on standard input
    """

    name: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    quoting: str = "auto"

    def resolve(self, source: str | Path) -> Format:
        """The format of a source, with its name filled in; raises `DataError`.

        >>> Format().resolve("notes.tsv")
        Format(name='tsv', delimiter=None, encoding=None, quoting='auto')
        """
        name = self.name or _format_of(source)
        if name not in FORMATS.values():
            known = ", ".join(dict.fromkeys(FORMATS.values()))
            raise DataError(
                f"{name!r} is not a known format; there are {known}."
                + close_match(name, FORMATS.values())
            )
        delimiter = self.delimiter
        if delimiter is not None and (name not in DELIMITERS or not _separates(delimiter)):
            raise DataError(
                f"delimiter={delimiter!r} must be one character, and no quote or line end, "
                "for a .csv or .tsv file."
            )
        if name == "parquet" and self.encoding is not None:
            raise DataError(f"encoding={self.encoding!r} has no meaning for Parquet; leave it out.")
        if self.quoting not in QUOTINGS:
            raise DataError(
                f"quoting={self.quoting!r} is none of {', '.join(QUOTINGS)}."
                + close_match(self.quoting, QUOTINGS)
            )
        if self.quoting != "auto" and name not in DELIMITERS:
            raise DataError(f"quoting={self.quoting!r} is for a .csv or .tsv file; leave it out.")
        return replace(self, name=name)


@dataclass(frozen=True)
class Source:
    """An open source.

    Parameters
    ----------
    names : its columns, or None for JSON lines, where each row has its own
    rows : its rows in order, checked
    format : the format with all defaults filled in
    total, unit, done : how much there is (None: unknown) in bytes ("B") or rows, and how much of it
        has been read
    notes : remarks on how it was read; complete after the last row
    """

    names: list[str] | None
    rows: Iterator[Row]
    format: Format
    total: int | None
    unit: str
    done: Callable[[], int]
    notes: Callable[[], list[str]]


def stream(
    source: str | Path,
    *,
    text: str | tuple[str, str] = "text",
    label: str | None = None,
    kind: str = "auto",
    file_format: Format | None = None,
) -> Iterator[Row]:
    """Yield the rows of a file, or of standard input ("-"), as `Record` or `Rejected`, in order.

    Rows are rejected as by `ftlearn.data.read`, and the arguments are the same. In a .txt file each
    line is a row with one column, named `text`; a blank line is rejected. One row is in memory at a
    time (and a few pages of a Parquet file). Raises `DataError` on reaching a place after which the
    rest cannot be trusted.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> _ = path.write_text("A new chip\\n\\nA new record\\n")
    >>> for row in stream(path):
    ...     print(row)
    Record(line=1, cells={'text': 'A new chip'})
    Rejected(line=2, reason="'text' is empty")
    Record(line=3, cells={'text': 'A new record'})
    """
    with opened(source, Columns.of(text, label, kind), file_format or Format()) as open_source:
        yield from open_source.rows


@contextmanager
def opened(source: str | Path, wanted: Columns, file_format: Format) -> Iterator[Source]:
    """Open a path or standard input ("-") and check its columns, as a context."""
    file_format = file_format.resolve(source)
    path = Path(source)
    if source == STANDARD_INPUT:
        if file_format.name == "parquet":
            raise DataError("Parquet is read from its end; give the path of the file, not '-'.")
        yield _text_source(Bytes(sys.stdin.buffer, "standard input"), None, wanted, file_format)
        return
    check_exists(path)
    if file_format.name == "parquet":
        check_start(_start(path), str(path), "parquet")
        yield _parquet_source(path, wanted, file_format)
    else:
        with path.open("rb") as file:
            yield _text_source(Bytes(file, str(path)), path, wanted, file_format)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(START)


def _text_source(data: Bytes, path: Path | None, wanted: Columns, file_format: Format) -> Source:
    check_start(data.first, data.place, file_format.name)
    newline = "\n" if file_format.name == "jsonl" else None  # in JSON a \r is a space
    lines = Lines(data, file_format.encoding, newline)
    names = None
    note_functions = [lines.note]
    used = replace(file_format, encoding=lines.encoding)
    if file_format.name == "jsonl":
        rows = json_rows(lines, wanted.columns)
    elif file_format.name == "txt":
        names = _only_text(wanted, data.place)
        rows = text_rows(lines, wanted.text[0])
    else:
        table, quoting_note = _table(lines, path, wanted, file_format)
        names = table.names
        rows = table.rows()
        note_functions.append(lambda: quoting_note or table.note())
        used = replace(used, delimiter=table.dialect.delimiter, quoting=table.dialect.quoting)
        need_columns(wanted.columns, names, data.place, wanted.chosen_by)
    size = None if path is None else path.stat().st_size

    def notes() -> list[str]:
        return [note for note in (function() for function in note_functions) if note]

    return Source(names, map(wanted.check, rows), used, size, "B", lambda: data.done, notes)


def _table(
    lines: Lines, path: Path | None, wanted: Columns, file_format: Format
) -> tuple[Delimited, str | None]:
    """Delimited text with its header read, and a note on its quoting where that is in doubt."""
    stated, content = stated_delimiter(lines)
    delimiter = file_format.delimiter or stated or DELIMITERS[file_format.name]
    explicit = file_format.quoting != "auto"
    if explicit:
        choice = Choice(file_format.quoting)
    else:
        choice = _detect_quoting(path, delimiter, lines.encoding)
    dialect = Dialect(delimiter, choice.quoting, explicit)
    return Delimited(lines, content, dialect, wanted.columns), choice.note


def _detect_quoting(path: Path | None, delimiter: str, encoding: str) -> Choice:
    """The quoting by the delimiter, and with tabs by reading the file once before."""
    if delimiter != "\t":
        return Choice("csv")
    if path is None:
        return Choice("none")
    with path.open("rb") as file:
        return choose(Lines(Bytes(file, str(path)), encoding), Grammar.of(delimiter))


def _only_text(wanted: Columns, place: str) -> list[str]:
    if len(wanted.columns) > 1:
        raise DataError(
            f"{place} is read as one text per line, so it has no columns {list(wanted.columns)}; "
            "give them as csv or jsonl, and name that format where the suffix does not."
        )
    return list(wanted.text)


def _parquet_source(path: Path, wanted: Columns, file_format: Format) -> Source:
    names, rows, total = parquet_rows(path, wanted.columns)
    rows = with_class_names(rows, class_names(path))
    need_columns(wanted.columns, names, str(path), wanted.chosen_by)
    rows_read = 0

    def checked_rows() -> Iterator[Row]:
        nonlocal rows_read
        for row in rows:
            rows_read += 1
            yield wanted.check(row)

    return Source(names, checked_rows(), file_format, total, " rows", lambda: rows_read, list)


def _format_of(source: str | Path) -> str:
    if source == STANDARD_INPUT:
        return "txt"
    check_suffix(Path(source), tuple(FORMATS), ", or any file whose format is named")
    return FORMATS[Path(source).suffix.lower()]


def _separates(delimiter: str) -> bool:
    return len(delimiter) == 1 and delimiter not in '"\r\n\0'
