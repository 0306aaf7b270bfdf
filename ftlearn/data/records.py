"""From lines to records: one record or one refusal for each row, with its line number.

Delimited text has a module of its own, `delimited`.
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
from ftlearn.data.disguises import check_objects
from ftlearn.data.errors import DataError

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
ROWS_AT_ONCE = 1024


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
    """Whether `text` can be kept: no NUL byte, no half of a surrogate pair."""
    return not UNSTORABLE.search(text)


def text_rows(lines: Lines, name: str) -> Iterator[Row]:
    """A record for each line, blank ones too, with its text as the only cell."""
    for number, line in enumerate(lines, 1):
        fault = lines.fault(line)
        text = line.removesuffix("\n").removesuffix("\r")
        yield Rejected(number, fault) if fault else Record(number, {name: text})


def json_rows(lines: Lines, wanted: Sequence[str] = ()) -> Iterator[Row]:
    """Rows of text with one JSON object on each line; blank lines are none.

    Only the keys that are wanted must stand once: others that are repeated are left out. Raises
    `DataError` for JSON of another layout, such as an array over the whole file.
    """
    before, count = "", 0
    for number, line in enumerate(lines, start=1):
        if not line.strip(" \t\r\n"):
            continue
        count += 1
        if count <= 2:
            check_objects(before, line, lines.place)
            before = line
        fault = lines.fault(line)
        yield Rejected(number, fault) if fault else _parse_json(number, line, wanted)


def _parse_json(number: int, line: str, wanted: Sequence[str]) -> Row:
    repeating: list[tuple[dict[str, object], list[str]]] = []

    def cells(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            times = Counter(key for key, _ in pairs)
            repeating.append((found, [key for key in found if times[key] > 1]))
        return found

    try:
        value = json.loads(
            line, object_pairs_hook=cells, parse_constant=_no_constant, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        return Rejected(number, f"invalid JSON: {error.msg} at character {error.colno}")
    except (ValueError, RecursionError) as error:
        return Rejected(number, f"invalid JSON: {error}")
    if not isinstance(value, dict):
        return Rejected(number, f"not a JSON object but {line.strip()[:40]!r}")
    for found, keys in repeating:
        unclear = [key for key in keys if found is not value or key in wanted]
        if unclear:
            return Rejected(number, f"invalid JSON: the key {unclear[0]!r} stands twice")
        value = {key: cell for key, cell in value.items() if key not in keys}
    if not all(map(storable, value)):
        return Rejected(number, "a key holds a NUL byte or half a surrogate pair")
    return Record(number, value)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def parquet_rows(path: Path, wanted: Sequence[str] = ()) -> tuple[list[str], Iterator[Row], int]:
    """Columns, rows and number of rows of a Parquet file; a row's line is its number, from 1.

    Only the columns that are wanted must stand once: others that are repeated are left out.
    """
    try:
        file = pyarrow.parquet.ParquetFile(path, buffer_size=2**20, page_checksum_verification=True)
        columns = file.schema_arrow.names
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(_unreadable(path, error)) from None
    for name in wanted:
        if columns.count(name) > 1:
            raise DataError(f"{path}: the column {name!r} stands twice in {columns}; rename one.")
    kept = [at for at, name in enumerate(columns) if columns.count(name) == 1]
    rows = _parquet_records(file, path, kept)
    return [columns[at] for at in kept], rows, file.metadata.num_rows


def _parquet_records(
    file: pyarrow.parquet.ParquetFile, path: Path, kept: Sequence[int]
) -> Iterator[Row]:
    done = 0
    try:
        with file:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                yield from _batch_records(batch.select(kept), done + 1)
                done += batch.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(_unreadable(path, error)) from None


def _batch_records(batch: pyarrow.RecordBatch, first: int) -> Iterator[Row]:
    """The rows of a batch; where one of them cannot be read, each by itself."""
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
    return f"{path} is not a readable Parquet file ({error}); write it anew."
