"""More columns for a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import datasets
from datasets import Dataset


def add_columns(dataset: Dataset, columns: Mapping[str, Sequence[Any]]) -> Dataset:
    """The data set with these columns; they replace older ones of the same names.

    >>> rows = Dataset.from_dict({"text": ["a", "b", "c"], "score": [0, 0, 0]}).select([2, 0])
    >>> add_columns(rows, {"score": [0.5, 0.1]})[:]
    {'text': ['c', 'a'], 'score': [0.5, 0.1]}
    """
    dataset = dataset.remove_columns([name for name in columns if name in dataset.column_names])
    with _without_bars():  # rows that were selected are copied
        for name, values in columns.items():
            dataset = dataset.add_column(name, list(values))
    return dataset


@contextmanager
def _without_bars() -> Iterator[None]:
    """A context in which `datasets` draws no bars, which it does in files and pipes as well."""
    shown = not datasets.are_progress_bars_disabled()
    if shown:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
