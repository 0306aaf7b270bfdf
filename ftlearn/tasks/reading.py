"""The rows of a file as a task wants them."""

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
    """The rows of a file for a task that is known: class labels as they stand, numbers as numbers.

    One label in all rows is as good as several here, where nothing is to be learnt. ``reading``
    holds delimiter, encoding and the like, as ``data.read`` takes them. Raises DataError.
    """
    table, wanted = table_for(task, path, **reading)
    return as_rows(table, wanted), table.report


def table_for(task: Task, path: Path, **reading: str | None) -> tuple[Table, Columns]:
    """A file's columns that a task reads, with the lines they stand on."""
    label = None if isinstance(task, LanguageModelling) else task.target
    wanted = Columns.of(task.text, label, "number" if isinstance(task, Regression) else "class")
    return read_table(path, wanted, **reading), wanted


def as_rows(table: Table, wanted: Columns) -> Dataset:
    """A table as a data set: class labels as they stand, numbers as numbers."""
    return to_dataset(table, wanted, Value("float32") if wanted.kind == "number" else None)
