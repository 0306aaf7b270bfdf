"""Train, valid and test of a run on several columns of labels or numbers."""

from __future__ import annotations

from collections.abc import Sequence

from datasets import Dataset

from ftlearn import compatibility, tasks
from ftlearn.compatibility.texts import Rows, leaks, same_texts
from ftlearn.tasks import Joint, Task
from ftlearn.tasks.joint_files import as_rows, labels_in, read_columns, usable
from ftlearn.tasks.joint_rows import rows_with
from ftlearn.workflows.plan import Files
from ftlearn.workflows.splits import Parts, split_off


def read_joint_parts(files: Files, *, max_length: int, seed: int) -> tuple[Parts, Joint]:
    """Read the files, split off what is missing, and make the task of the training rows.

    A column where all cells are numbers and one has decimals is a regression, another one a
    classification; a row may lack some of its targets. Rows of the other files with a label that
    the training file does not have are refused. Raises DataError for files that cannot be read, and
    RunError where there are too few rows.
    """
    tables = {
        part: read_columns(path, files.text, files.labels, **files.reading)
        for part, path in files.paths.items()
    }
    known = labels_in(tables["train"], files.labels)
    tables = {part: usable(table, known, "train") for part, table in tables.items()}
    data = {part: as_rows(table, files.text, known) for part, table in tables.items()}
    texts = {part: same_texts(rows, files.text) for part, rows in data.items()}
    rows = {part: Rows(part_texts, None, []) for part, part_texts in texts.items()}
    compatibility.settle(leaks(rows), stacklevel=3)
    reports = {part: table.report for part, table in tables.items()}
    parts = split_off(data, reports, texts["train"], files, {}, seed=seed)
    return parts, tasks.joint(
        {
            name: _task(parts.data["train"], name, labels, files, max_length)
            for name, labels in known.items()
        }
    )


def _task(
    train: Dataset, name: str, labels: Sequence[str] | None, files: Files, max_length: int
) -> Task:
    """The task of one column, with all labels of the training file."""
    text = files.text[0] if len(files.text) == 1 else files.text
    if labels is None:
        filled = train.select(rows_with(train, name))
        return tasks.regression(filled, text=text, target=name, max_length=max_length)
    return tasks.Classification(text=text, target=name, max_length=max_length, labels=tuple(labels))
