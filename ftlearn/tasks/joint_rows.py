"""Rows of several tasks in one data set: a text, and a column with the target of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, Features, Value

from ftlearn.errors import ArgumentError, ArgumentTypeError, UnknownNameError
from ftlearn.tasks.base import Task, require_columns
from ftlearn.tasks.classification import Classification, Labelled
from ftlearn.tasks.ordinal import Ordinal
from ftlearn.tasks.regression import Regression, numbers

SHARING = (Classification, Ordinal, Regression)
"""Tasks whose model is an encoder with a linear head on one vector per text."""


def merge(
    data: Mapping[str, Dataset | DatasetDict], tasks: Mapping[str, Task], text: Sequence[str]
) -> Dataset | DatasetDict:
    """One data set of those of several tasks, or of the parts that they have.

    ``tasks`` say in which columns their own rows have text and target; in the result the columns
    are ``text``, and one per task with its name, None where a row has no target of it.
    """
    unknown = [name for name in data if name not in tasks]
    if unknown or not data:
        raise UnknownNameError(
            f"there is no task {', '.join(map(repr, unknown)) or 'named'}: give the rows of one or "
            f"more of {', '.join(tasks)}"
        )
    in_parts = {isinstance(rows, DatasetDict) for rows in data.values()}
    if in_parts == {True, False}:
        raise ArgumentTypeError(
            "some of the data sets have parts (train, valid, ...) and others do not: give all of "
            "them with parts, or one part of each"
        )
    if in_parts == {False}:
        return _merged(data, tasks, text)
    parts = dict.fromkeys(part for rows in data.values() for part in rows)
    return DatasetDict(
        {
            part: _merged({n: rows[part] for n, rows in data.items() if part in rows}, tasks, text)
            for part in parts
        }
    )


def _merged(data: Mapping[str, Dataset], tasks: Mapping[str, Task], text: Sequence[str]) -> Dataset:
    columns: dict[str, list[Any]] = {name: [] for name in (*text, *tasks)}
    for name, rows in data.items():
        task = tasks[name]
        require_columns(rows, task.text_columns)
        targets = readable(rows, task)
        for column, source in zip(text, task.text_columns, strict=True):
            columns[column] += list(rows[source])
        for other in tasks:
            columns[other] += targets if other == name else [None] * len(rows)
    features = {column: Value("string") for column in text}
    features |= {
        name: Value("string" if isinstance(task, Labelled) else "float64")
        for name, task in tasks.items()
    }
    return Dataset.from_dict(columns, features=Features(features))


def readable(rows: Dataset, task: Task) -> list[Any]:
    """The target of each row as a name or a number.

    >>> from ftlearn.tasks.classification import Classification
    >>> rows = Dataset.from_dict({"text": ["a", "b"], "label": ["no", "yes"]})
    >>> readable(rows, Classification(labels=("no", "yes")))
    ['no', 'yes']
    """
    if isinstance(task, Labelled):
        return [task.labels[target] for target in task.targets(rows)]
    return list(numbers(rows, task.target))


def target_rows(dataset: Dataset, tasks: Mapping[str, Task]) -> list[tuple[float, ...]]:
    """The target of each task in each row, (N, n), NaN where there is none.

    Each task stands in the column with its name. Raises ArgumentError for a row without any target.
    """
    require_columns(dataset, list(tasks))
    columns = np.full((len(dataset), len(tasks)), np.nan)
    for column, (name, task) in enumerate(tasks.items()):
        rows = rows_with(dataset, name)
        if rows:
            columns[rows, column] = task.targets(dataset.select(rows))
    empty = np.flatnonzero(np.isnan(columns).all(1))
    if len(empty):
        raise ArgumentError(
            f"row {empty[0]} has no target of any task ({', '.join(tasks)}): drop the row, or fill "
            "one in"
        )
    return [tuple(row) for row in columns.tolist()]


def targets_by_name(dataset: Dataset, names: Sequence[str]) -> list[dict[str, Any]]:
    """The targets that each row has, as they stand in the columns with these names."""
    rows: list[dict[str, Any]] = [{} for _ in range(len(dataset))]
    for name in names:
        values = dataset[name][:]
        for row in rows_with(dataset, name):
            rows[row][name] = values[row]
    return rows


def is_missing(value: Any) -> bool:
    """Whether a cell holds no target: None, NaN, or blank.

    >>> is_missing(None), is_missing(float("nan")), is_missing(" "), is_missing(0)
    (True, True, True, False)
    """
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def rows_with(dataset: Dataset, column: str) -> list[int]:
    """The numbers of the rows that have a target in a column."""
    return [row for row, value in enumerate(dataset[column]) if not is_missing(value)]


def check_names(names: Sequence[str], text: Sequence[str]) -> None:
    """Raise ArgumentError for names of tasks that cannot be columns, folders and parts of a model.

    >>> check_names(["topic", "stars"], ["text"])
    """
    for name in names:
        if not isinstance(name, str) or not name.strip() or any(sign in name for sign in "./\\"):
            raise ArgumentError(
                f"a task is named {name!r}: names become folders and parts of the model, so use a "
                "word without a full stop, / and \\"
            )
        if name in text:
            raise ArgumentError(f"a task is named {name!r}, as its text column: name one otherwise")
        if list(names).count(name) > 1:
            raise ArgumentError(f"two tasks are named {name!r}: name each of them once")


def check_shares(name: str, task: Task, texts: int | None = None) -> None:
    """Raise ArgumentError for a task that cannot share an encoder with others on so many texts."""
    if not isinstance(task, SHARING):
        kind = type(task).__name__
        raise ArgumentError(
            f"task {name!r} is a {kind}, whose model needs another head ({task.head}) or other "
            "rows: tasks that share an encoder are classification, ordinal and regression"
        )
    if texts is not None and len(task.text_columns) != texts:
        raise ArgumentError(
            f"task {name!r} reads {len(task.text_columns)} texts per row and another task {texts}: "
            "tasks that share an encoder read single texts, or all of them pairs"
        )
