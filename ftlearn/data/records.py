"""From lines to records: one record or one refusal for each row, with its line number.

A row that is broken by itself is refused and the next is read. Where the quotes of a row do not
match, nobody knows where the next one starts, and the file is refused: a guess could be wrong.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow
import pyarrow.parquet

from .errors import DataError

DELIMITERS = {  # as Python and a command line name them
    ",": "delimiter=',' (--delimiter ',')",
    ";": "delimiter=';' (--delimiter ';')",
    "\t": "delimiter='\\t' (--delimiter $'\\t')",
    "|": "delimiter='|' (--delimiter '|')",
}
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
BARE_RETURN = "a carriage return stands outside quotes; put its field in quotes"
SPACED_QUOTE = "a field begins with spaces and a quote; take the spaces away, or double the quotes"
ROWS_AT_ONCE = 1024


class Record(NamedTuple):
    """One row: the line on which it starts (1-based) and its cells by column."""

    line: int
    cells: dict[str, object]


class Refusal(NamedTuple):
    """One row that was not read: the line on which it starts (1-based) and why."""

    line: int
    reason: str


Row = Record | Refusal


def storable(text: str) -> bool:
    """Whether `text` can be kept: no NUL byte, no half of a surrogate pair."""
    return not UNSTORABLE.search(text)


def text_rows(lines: Iterable[str], name: str) -> Iterator[Row]:
    """A record for each line, blank ones too, with its text as the only cell."""
    for number, line in enumerate(lines, 1):
        yield Record(number, {name: line.removesuffix("\n").removesuffix("\r")})


def csv_rows(lines: Iterable[str], delimiter: str, place: str) -> tuple[list[str], Iterator[Row]]:
    """Columns and rows of delimited text with a header line, quoted as in RFC 4180."""
    rows = _split_csv(lines, delimiter, place)
    header = next(rows, Record(1, []))
    if isinstance(header, Refusal):
        raise DataError(f"{place}: its header cannot be read: {header.reason}.")
    _check_header(header.cells, delimiter, place)
    return header.cells, (_match(row, header.cells) for row in rows)


def _split_csv(lines: Iterable[str], delimiter: str, place: str) -> Iterator[Row]:
    """Yield the line on which each row starts, and the list of its cells."""
    taken: list[str] = []
    reader = csv.reader(_remembered(lines, taken), delimiter=delimiter, strict=True)
    quoted = re.compile(_quoted(delimiter))
    while True:
        taken.clear()
        start = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            if "new-line" in str(error) and _stands_alone(taken):
                yield Refusal(start, BARE_RETURN)
                continue
            raise DataError(_mismatch(place, start, taken, delimiter, error)) from None
        if cells is None:
            return
        if quoted.fullmatch("".join(taken)):
            if cells:
                yield Record(start, cells)
        elif not _stands_alone(taken):
            raise DataError(_mismatch(place, start, taken, delimiter, "a quote stands alone"))
        elif any(cell.lstrip().startswith('"') for cell in cells):
            yield Refusal(start, SPACED_QUOTE)
        else:
            yield Record(start, cells)


def _stands_alone(taken: Sequence[str]) -> bool:
    """Whether a row that breaks the grammar surely ends where its line does."""
    return len(taken) == 1 and taken[0].count('"') % 2 == 0


def _remembered(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def _quoted(delimiter: str) -> str:
    """The grammar of a row in RFC 4180: a field with a quote is quoted, its quotes doubled."""
    mark = re.escape(delimiter)
    field = rf'(?:"(?:[^"]|"")*+"|[^"\r\n{mark}]*+)'
    return rf"{field}(?:{mark}{field})*+(?:\r*\n|\r+)?"


def _mismatch(
    place: str, start: int, taken: list[str], delimiter: str, error: csv.Error | str
) -> str:
    others = [] if start > 1 else _other_delimiters(taken[0], delimiter)
    if others and '"' + delimiter not in taken[0]:
        return f"{place}: its header is not split by {delimiter!r}; try {others[0]}."
    end = start + len(taken) - 1
    if "field limit" in str(error):
        return (
            f"{place}: the row that starts on line {start} holds a field of more than "
            f"{csv.field_size_limit()} characters up to line {end}; close its quote, or cut it."
        )
    return (
        f"{place}: the quotes of the row that starts on line {start} do not match up to "
        f"line {end} ({error}), so where the next row starts is unknown; "
        'close the quote, put the field in quotes, or double it ("") where it belongs to the text.'
    )


def _check_header(header: list[str], delimiter: str, place: str) -> None:
    if not any(name.strip() for name in header):
        raise DataError(f"{place} is empty; it needs a header or keys, and rows.")
    if not all(map(storable, header)):
        raise DataError(
            f"{place}: its header holds NUL bytes or half surrogate pairs; "
            "try encoding='utf-16-le' (--encoding utf-16-le)."
        )
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise DataError(f"{place}: the header names {repeated} more than once; rename the columns.")
    others = _other_delimiters(header[0], delimiter)
    if len(header) == 1 and others:
        raise DataError(
            f"{place}: one column {header[0]!r} was found with delimiter {delimiter!r}; "
            f"try {others[0]}."
        )


def _other_delimiters(text: str, delimiter: str) -> list[str]:
    return [shown for mark, shown in DELIMITERS.items() if mark != delimiter and mark in text]


def _match(row: Row, header: list[str]) -> Row:
    if isinstance(row, Refusal):
        return row
    if len(row.cells) != len(header):
        return Refusal(row.line, f"{len(row.cells)} fields where the header has {len(header)}")
    return Record(row.line, dict(zip(header, row.cells, strict=True)))


def json_rows(lines: Iterable[str]) -> Iterator[Row]:
    """Rows of text with one JSON object a line; blank lines are none."""
    for number, line in enumerate(lines, start=1):
        if line.strip(" \t\r\n"):
            yield _parse_json(number, line)


def _parse_json(number: int, line: str) -> Row:
    try:
        value = json.loads(
            line, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        return Refusal(number, f"invalid JSON: {error.msg} at character {error.colno}")
    except (ValueError, RecursionError) as error:
        return Refusal(number, f"invalid JSON: {error}")
    if not isinstance(value, dict):
        return Refusal(number, f"not a JSON object but {line.strip()[:40]!r}")
    if not all(map(storable, value)):
        return Refusal(number, "a key holds a NUL byte or half a surrogate pair")
    return Record(number, value)


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    cells = dict(pairs)
    if len(cells) < len(pairs):
        repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        raise ValueError(f"the key {repeated[0]!r} stands twice")
    return cells


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def parquet_rows(path: Path) -> tuple[list[str], Iterator[Row], int]:
    """Columns, rows and number of rows of a Parquet file; a row's line is its number, from 1."""
    try:
        file = pyarrow.parquet.ParquetFile(path, buffer_size=2**20, page_checksum_verification=True)
        columns = file.schema_arrow.names
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(_unreadable(path, error)) from None
    if len(set(columns)) < len(columns):
        raise DataError(f"{path}: a column name stands twice in {columns}; rename the columns.")
    return columns, _parquet_records(file, path), file.metadata.num_rows


def _parquet_records(file: pyarrow.parquet.ParquetFile, path: Path) -> Iterator[Row]:
    done = 0
    try:
        with file:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                yield from _batch_records(batch, done + 1)
                done += batch.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(_unreadable(path, error)) from None


def _batch_records(batch: pyarrow.RecordBatch, first: int) -> Iterator[Row]:
    """The rows of a batch; where one of them cannot be read, each by itself."""
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError, pyarrow.ArrowException) as error:
        if batch.num_rows == 1:
            yield Refusal(first, f"a value cannot be read: {error}")
            return
        for row in range(batch.num_rows):
            yield from _batch_records(batch.slice(row, 1), first + row)
        return
    for number, cells in enumerate(rows, first):
        yield Record(number, cells)


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} is not a readable Parquet file ({error}); write it anew."
