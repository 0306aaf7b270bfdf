"""Rows of the files of a run that do not fit together, each named by its line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Value

from ftlearn import compatibility
from ftlearn.compatibility import labels
from ftlearn.compatibility.texts import Rows, same_columns
from ftlearn.data import DataError, Rejected
from ftlearn.data.columns import Columns
from ftlearn.data.labels import parse_number
from ftlearn.data.reading import Table

LEFT_OUT = "these rows are left out"


def against_train(
    tables: Mapping[str, Table], columns: Columns, feature: ClassLabel | Value
) -> dict[str, Table]:
    """The tables of a run without the rows whose label the training file does not have.

    They are rejected like rows that cannot be read. Warns with the labels that may be meant; raises
    DataError where no row of a file has a label of the training file.
    """
    rows = {part: rows_of(table, columns, feature) for part, table in tables.items()}
    compatibility.settle(compatibility.rows_and_labels(rows, fate=LEFT_OUT), stacklevel=3)
    known = feature.names if isinstance(feature, ClassLabel) else None
    return {
        part: _with_known_labels(table, columns.label, known, "train")
        for part, table in tables.items()
    }


def against_model(table: Table, columns: Columns, task: Any) -> Table:
    """The table of a labelled file without the rows whose label the task does not know.

    Warns and raises as ``against_train`` does.
    """
    known = getattr(task, "labels", None)
    if known is None:
        return table
    name = Path(table.report.path).name
    rows = rows_of(table, columns, None)
    findings = compatibility.rows_and_labels({name: rows}, fate=LEFT_OUT)
    counts = Counter(rows.labels)
    findings += labels.unseen(name, counts, known, by="the model", fate=LEFT_OUT)
    compatibility.settle(findings, stacklevel=3)
    return _with_known_labels(table, columns.label, known, "the model")


def rows_of(table: Table, columns: Columns, feature: ClassLabel | Value | None) -> Rows:
    """The rows of a table for comparison; without labels where these are numbers."""
    name = Path(table.report.path).name
    places = [f"on line {line} of {name}" for line in table.lines]
    texts = same_columns([table.columns[text] for text in columns.text])
    classes = None if isinstance(feature, Value) else table.columns[columns.label]
    return Rows(texts, classes, places)


def _with_known_labels(table: Table, label: str, known: list[str] | None, source: str) -> Table:
    """The table without the rows whose label is not known, or, where that is None, no number."""
    rejected = []
    for line, value in zip(table.lines, table.columns[label], strict=True):
        if known is None and parse_number(value) is None:
            rejected.append(Rejected(line, f"{label!r} is {value!r}, not a number as in {source}"))
        elif known is not None and value not in known:
            rejected.append(
                Rejected(line, f"{label!r} is {value!r}, a label that {source} does not have")
            )
    accepted = table.without(rejected) if rejected else table
    if not accepted.lines:
        raise DataError(f"no row can be used. {accepted.report}")
    return accepted
