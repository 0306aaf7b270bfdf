"""A file with a column per task: which rows can be used, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from datasets import ClassLabel, Dataset, Features, Value

from ftlearn.data import DataError, ReadReport, Rejected
from ftlearn.data.columns import Columns
from ftlearn.data.errors import close_match
from ftlearn.data.labels import label_feature, parse_number
from ftlearn.data.reading import Table, read_table
from ftlearn.tasks.classification import Labelled
from ftlearn.tasks.joint_rows import is_missing
from ftlearn.tasks.joint_task import Joint

Known = Mapping[str, Sequence[str] | None]
"""The labels of each column; None for a column of numbers."""


def read_joint(task: Joint, path: Path, **reading: str | None) -> tuple[Dataset, ReadReport]:
    """The rows of a file for an existing joint task; raises DataError.

    Rows without a target, and with one that the task does not know, are refused.
    """
    table = read_columns(path, task.text_columns, task.names, **reading)
    table = usable(table, labels_of(task), "the model")
    return as_rows(table, task.text_columns, labels_of(task)), table.report


def labels_of(task: Joint) -> Known:
    """The labels that each task knows."""
    return {
        name: part.labels if isinstance(part, Labelled) else None
        for name, part in zip(task.names, task.tasks, strict=True)
    }


def read_columns(
    path: Path, text: Sequence[str], names: Sequence[str], **reading: str | None
) -> Table:
    """The rows of a file that have their texts; DataError where there is no column of a task."""
    table = read_table(path, Columns.of(tuple(text)), **reading)
    for name in names:
        if name not in table.columns:
            existing = ", ".join(table.columns)
            hint = close_match(name, table.columns)
            raise DataError(f"{path} has no column {name!r}; it has: {existing}.{hint}")
    return table


def labels_in(table: Table, names: Sequence[str], classes: Sequence[str] = ()) -> Known:
    """The labels of each column in natural order, None for numbers; errors as ``label_feature``.

    Those in ``classes`` have labels whatever they look like.
    """
    known: dict[str, Sequence[str] | None] = {}
    for name in names:
        cells = zip(table.columns[name], table.lines, strict=True)
        filled = [(cell, line) for cell, line in cells if not is_missing(cell)]
        if not filled:
            raise DataError(f"column {name!r} of {table.report.path} is empty: leave it out")
        kind = "class" if name in classes else "auto"
        feature = label_feature([cell for cell, _ in filled], kind, [line for _, line in filled])
        known[name] = feature.names if isinstance(feature, ClassLabel) else None
    return known


def usable(table: Table, known: Known, source: str) -> Table:
    """The table without rows that have no target, or one that ``source`` does not know."""
    rejected = []
    for row, line in enumerate(table.lines):
        cells = {name: table.columns[name][row] for name in known}
        reason = _reason({n: c for n, c in cells.items() if not is_missing(c)}, known, source)
        if reason:
            rejected.append(Rejected(line, reason))
    accepted = table.without(rejected) if rejected else table
    if not accepted.lines:
        raise DataError(f"no row can be used. {accepted.report}")
    return accepted


def _reason(cells: Mapping[str, str], known: Known, source: str) -> str | None:
    """Why a row with these targets cannot be used, or None."""
    if not cells:
        return f"all of {', '.join(map(repr, known))} are empty"
    for name, cell in cells.items():
        labels = known[name]
        if labels is None and parse_number(cell) is None:
            return f"{name!r} is {cell!r}, not a number as in {source}"
        if labels is not None and cell not in labels:
            return f"{name!r} is {cell!r}, a label that {source} does not have"
    return None


def as_rows(table: Table, text: Sequence[str], known: Known) -> Dataset:
    """A table as a data set: labels as strings, numbers as numbers, None where there is none."""
    columns = {name: table.columns[name] for name in text}
    features = {name: Value("string") for name in text}
    for name, labels in known.items():
        cells = [None if is_missing(cell) else cell for cell in table.columns[name]]
        if labels is None:
            cells = [None if cell is None else float(cell) for cell in cells]
        columns[name] = cells
        features[name] = Value("float64" if labels is None else "string")
    return Dataset.from_dict(columns, features=Features(features))
