"""The names of classes that a Parquet file of `datasets` keeps beside their numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet

from ftlearn.data.records import Record, Rejected, Row

UNLABELLED = -1
"""The class id by which `datasets` says that a row has no label."""


def class_names(path: Path) -> dict[str, list[str]]:
    """The names of the classes of each column that is a `ClassLabel`; empty for other files."""
    metadata = pyarrow.parquet.read_schema(path).metadata or {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        labels = {name: kind for name, kind in features.items() if kind["_type"] == "ClassLabel"}
        return {name: [str(each) for each in kind["names"]] for name, kind in labels.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}  # of another program, or of a version that wrote it otherwise


def with_class_names(rows: Iterator[Row], names: Mapping[str, list[str]]) -> Iterator[Row]:
    """The rows with names in place of class ids; an id without a name is refused.

    >>> rows = iter([Record(1, {"label": 1}), Record(2, {"label": -1}), Record(3, {"label": 7})])
    >>> for row in with_class_names(rows, {"label": ["cold", "warm"]}):
    ...     print(row)
    Record(line=1, cells={'label': 'warm'})
    Record(line=2, cells={'label': None})
    Refusal(line=3, reason="'label' is the class 7, and the file names those from 0 to 1")
    """
    for row in rows:
        yield _named(row, names) if names and isinstance(row, Record) else row


def _named(row: Record, names: Mapping[str, list[str]]) -> Row:
    cells = dict(row.cells)
    for column, known in names.items():
        number = cells.get(column)
        if number is None or number == UNLABELLED:
            cells[column] = None
        elif not isinstance(number, int) or not 0 <= number < len(known):
            last = len(known) - 1
            reason = f"is the class {number!r}, and the file names those from 0 to {last}"
            return Rejected(row.line, f"{column!r} {reason}")
        else:
            cells[column] = known[number]
    return Record(row.line, cells)
