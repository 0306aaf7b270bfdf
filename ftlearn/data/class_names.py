"""The class names that a Parquet file written by `datasets` stores beside the class ids."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet

from ftlearn.data.records import Record, Rejected, Row

UNLABELLED = -1
"""The class id that `datasets` gives to a row without a label."""


def class_names(path: Path) -> dict[str, list[str]]:
    """The names of the classes of each column that is a `ClassLabel`; empty for other files."""
    metadata = pyarrow.parquet.read_schema(path).metadata or {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if feature["_type"] == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}  # written by another program, or by a version with another layout


def with_class_names(rows: Iterator[Row], names: Mapping[str, list[str]]) -> Iterator[Row]:
    """The rows with names in place of class ids; a row whose id has no name is rejected.

    >>> rows = iter([Record(1, {"label": 1}), Record(2, {"label": -1}), Record(3, {"label": 7})])
    >>> for row in with_class_names(rows, {"label": ["cold", "warm"]}):
    ...     print(row)
    Record(line=1, cells={'label': 'warm'})
    Record(line=2, cells={'label': None})
    Rejected(line=3, reason="'label' is the class 7, and the file names those from 0 to 1")
    """
    for row in rows:
        yield _with_names(row, names) if names and isinstance(row, Record) else row


def _with_names(row: Record, names: Mapping[str, list[str]]) -> Row:
    cells = dict(row.cells)
    for column, classes in names.items():
        class_id = cells.get(column)
        if class_id is None or class_id == UNLABELLED:
            cells[column] = None
        elif not isinstance(class_id, int) or not 0 <= class_id < len(classes):
            last = len(classes) - 1
            reason = f"is the class {class_id!r}, and the file names those from 0 to {last}"
            return Rejected(row.line, f"{column!r} {reason}")
        else:
            cells[column] = classes[class_id]
    return Record(row.line, cells)
