"""From text to records: one record or one refusal for each row, with its line number.

A row that is broken by itself is refused and the next is read. Where the quotes of a row do not
match, nobody knows where the next one starts, and the file is refused: a guess could be wrong.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow
import pyarrow.parquet

from .errors import DataError

DELIMITERS = {",": "','", ";": "';'", "\t": "'\\t'", "|": "'|'"}


class Record(NamedTuple):
    """One row: the line on which it starts (1-based) and its cells by column."""

    line: int
    cells: dict[str, object]


class Refusal(NamedTuple):
    """One row that was not read: the line on which it starts (1-based) and why."""

    line: int
    reason: str


Row = Record | Refusal


def csv_rows(text: str, delimiter: str, path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of delimited text with a header line, quoted as in RFC 4180."""
    rows = _split_csv(text, delimiter, path)
    _, header = next(rows)
    _check_header(header, delimiter, path)
    return header, [_match(line, cells, header) for line, cells in rows]


def _split_csv(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row starts, and its cells."""
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while reader.line_num < len(lines):
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except csv.Error as error:
            raise DataError(
                f"{path}: the quotes of the row that starts on line {start} do not match up to "
                f"line {reader.line_num} ({error}), so where the next row starts is unknown; "
                'close the quote, or double it ("") where it belongs to the text.'
            ) from None
        if cells:
            yield start, cells


def _check_header(header: list[str], delimiter: str, path: Path) -> None:
    if any("\0" in name for name in header):
        raise DataError(f"{path}: its header holds NUL bytes; try encoding='utf-16-le'.")
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise DataError(f"{path}: the header names {repeated} more than once; rename the columns.")
    others = [
        shown for mark, shown in DELIMITERS.items() if mark != delimiter and mark in header[0]
    ]
    if len(header) == 1 and others:
        raise DataError(
            f"{path}: one column {header[0]!r} was found with delimiter {delimiter!r}; "
            f"try delimiter={others[0]}."
        )


def _match(line: int, cells: list[str], header: list[str]) -> Row:
    if len(cells) != len(header):
        return Refusal(line, f"{len(cells)} fields where the header has {len(header)}")
    return Record(line, dict(zip(header, cells, strict=True)))


def json_rows(text: str) -> tuple[list[str], list[Row]]:
    """Columns (every key, in order of appearance) and rows of text with one object a line."""
    lines = enumerate(text.split("\n"), start=1)
    rows = [_parse_json(number, line) for number, line in lines if line.strip()]
    return _keys(rows), rows


def _parse_json(number: int, line: str) -> Row:
    try:
        value = json.loads(line, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return Refusal(number, f"invalid JSON: {error.msg} at character {error.colno}")
    except (ValueError, RecursionError) as error:
        return Refusal(number, f"invalid JSON: {error}")
    if not isinstance(value, dict):
        return Refusal(number, f"not a JSON object but {line.strip()[:40]!r}")
    if not all(map(storable, value)):
        return Refusal(number, "a key holds a NUL byte or half a surrogate pair")
    return Record(number, value)


def storable(text: str) -> bool:
    """Whether `text` can be kept: no NUL byte, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    cells = dict(pairs)
    if len(cells) < len(pairs):
        repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        raise ValueError(f"the key {repeated[0]!r} stands twice")
    return cells


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _keys(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(key for row in rows if isinstance(row, Record) for key in row.cells))


def parquet_rows(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of a Parquet file; a row's line is its number, from 1."""
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is not a readable Parquet file ({error}); write it anew."
        ) from None
    columns = table.column_names
    if len(set(columns)) < len(columns):
        raise DataError(f"{path}: a column name stands twice in {columns}; rename the columns.")
    return columns, [Record(number, cells) for number, cells in enumerate(table.to_pylist(), 1)]
