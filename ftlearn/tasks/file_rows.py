"""The rows of a file as a task needs them."""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset, Value

from ftlearn.data import ReadReport
from ftlearn.data.columns import Columns
from ftlearn.data.reading import Table, read_table, to_dataset
from ftlearn.tasks.base import Task
from ftlearn.tasks.language_modelling import LanguageModelling
from ftlearn.tasks.regression import Regression


def read_for(task: Task, path: Path, **reading: str | None) -> tuple[Dataset, ReadReport]:
    """The rows of a file for an existing task: class labels as strings, numbers as numbers.

    All rows may have the same label here, since nothing is trained. ``reading`` holds delimiter,
    encoding and quoting, as ``data.read`` takes them. Raises DataError.
    """
    table, wanted = table_for(task, path, **reading)
    return as_rows(table, wanted), table.report


def table_for(task: Task, path: Path, **reading: str | None) -> tuple[Table, Columns]:
    """The columns of a file that a task reads, with the line of each row."""
    label = None if isinstance(task, LanguageModelling) else task.target
    kind = "number" if isinstance(task, Regression) else "class"
    wanted = Columns.of(task.text, label, kind)
    return read_table(path, wanted, **reading), wanted


def as_rows(table: Table, wanted: Columns) -> Dataset:
    """A table as a data set: class labels as strings, numbers as numbers."""
    feature = Value("float32") if wanted.kind == "number" else None
    return to_dataset(table, wanted, feature)
