"""From lines to records: each row becomes a `Record` or a `Rejected`, with its line number.

Delimited text has its own module, `delimited`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow
import pyarrow.parquet

from ftlearn.data.decoding import Lines
from ftlearn.data.errors import DataError
from ftlearn.data.wrong_formats import check_objects

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
BATCH_ROWS = 1024


class Record(NamedTuple):
    """One row: the line on which it starts (1-based) and its cells by column."""

    line: int
    cells: dict[str, object]


class Rejected(NamedTuple):
    """One row that was not read: the line on which it starts (1-based) and why."""

    line: int
    reason: str


Row = Record | Rejected


def storable(text: str) -> bool:
    """Whether `text` can be stored: no NUL byte, no half of a surrogate pair."""
    return not UNSTORABLE.search(text)


def text_rows(lines: Lines, name: str) -> Iterator[Row]:
    """One record per line, blank lines included, with the text as its only cell."""
    for number, line in enumerate(lines, 1):
        fault = lines.fault(line)
        text = line.removesuffix("\n").removesuffix("\r")
        yield Rejected(number, fault) if fault else Record(number, {name: text})


def json_rows(lines: Lines, wanted: Sequence[str] = ()) -> Iterator[Row]:
    """Rows of text with one JSON object per line; blank lines are skipped.

    Only the wanted keys must be unique; other keys that are repeated are left out. Raises
    `DataError` for JSON of another layout, such as one array over the whole file.
    """
    previous = ""
    count = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip(" \t\r\n"):
            continue
        count += 1
        if count <= 2:
            check_objects(previous, line, lines.place)
            previous = line
        fault = lines.fault(line)
        yield Rejected(number, fault) if fault else _parse_json(number, line, wanted)


def _parse_json(number: int, line: str, wanted: Sequence[str]) -> Row:
    repeated: list[tuple[dict[str, object], list[str]]] = []

    def to_dict(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
        """The object of these pairs; its keys that occur more than once are noted."""
        cells = dict(pairs)
        if len(cells) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.append((cells, [key for key in cells if counts[key] > 1]))
        return cells

    try:
        value = json.loads(
            line,
            object_pairs_hook=to_dict,
            parse_constant=_reject_constant,
            parse_float=_finite_float,
        )
    except json.JSONDecodeError as error:
        return Rejected(number, f"invalid JSON: {error.msg} at character {error.colno}")
    except (ValueError, RecursionError) as error:
        return Rejected(number, f"invalid JSON: {error}")
    if not isinstance(value, dict):
        return Rejected(number, f"not a JSON object but {line.strip()[:40]!r}")
    for cells, keys in repeated:
        ambiguous = [key for key in keys if cells is not value or key in wanted]
        if ambiguous:
            return Rejected(number, f"invalid JSON: the key {ambiguous[0]!r} occurs twice")
        value = {key: cell for key, cell in value.items() if key not in keys}
    if not all(map(storable, value)):
        return Rejected(number, "a key holds a NUL byte or half a surrogate pair")
    return Record(number, value)


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def parquet_rows(path: Path, wanted: Sequence[str] = ()) -> tuple[list[str], Iterator[Row], int]:
    """Columns, rows and number of rows of a Parquet file; a row's line is its number, from 1.

    Only the wanted columns must be unique; other columns that are repeated are left out.
    """
    try:
        file = pyarrow.parquet.ParquetFile(path, buffer_size=2**20, page_checksum_verification=True)
        columns = file.schema_arrow.names
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(_unreadable(path, error)) from None
    for name in wanted:
        if columns.count(name) > 1:
            raise DataError(f"{path}: the column {name!r} occurs twice in {columns}; rename one.")
    unique = [index for index, name in enumerate(columns) if columns.count(name) == 1]
    rows = _parquet_records(file, path, unique)
    return [columns[index] for index in unique], rows, file.metadata.num_rows


def _parquet_records(
    file: pyarrow.parquet.ParquetFile, path: Path, columns: Sequence[int]
) -> Iterator[Row]:
    rows_read = 0
    try:
        with file:
            for batch in file.iter_batches(BATCH_ROWS):
                yield from _batch_records(batch.select(columns), rows_read + 1)
                rows_read += batch.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(_unreadable(path, error)) from None


def _batch_records(batch: pyarrow.RecordBatch, first: int) -> Iterator[Row]:
    """The rows of a batch; where it cannot be converted as a whole, row by row."""
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError, pyarrow.ArrowException) as error:
        if batch.num_rows == 1:
            yield Rejected(first, f"a value cannot be read: {error}")
            return
        for row in range(batch.num_rows):
            yield from _batch_records(batch.slice(row, 1), first + row)
        return
    for number, cells in enumerate(rows, first):
        yield Record(number, cells)


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} is not a readable Parquet file ({error}); write it again."
