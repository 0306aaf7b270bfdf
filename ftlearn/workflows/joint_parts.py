"""Train, valid and test of a run on several columns of labels or numbers."""

from __future__ import annotations

from collections.abc import Sequence

from datasets import Dataset

from ftlearn import compatibility, tasks
from ftlearn.compatibility.texts import Rows, leaks, same_texts
from ftlearn.data.labels import parse_number
from ftlearn.errors import ArgumentError
from ftlearn.tasks import Joint, Task
from ftlearn.tasks.joint_files import as_rows, labels_in, read_columns, usable
from ftlearn.tasks.joint_rows import rows_with
from ftlearn.workflows.joint_settings import JointSettings
from ftlearn.workflows.plan import Files
from ftlearn.workflows.splits import Parts, split_off


def read_joint_parts(
    files: Files, settings: JointSettings, *, max_length: int, seed: int
) -> tuple[Parts, Joint]:
    """Read the files, split off what is missing, and make the task of the training rows.

    A column of levels is ordinal, one where all cells are numbers and one has decimals a
    regression, and another one a classification; a row may lack some of its targets. Rows of the
    other files with a label that the training file does not have are refused. Raises DataError for
    files that cannot be read, ArgumentError for levels that do not fit, and RunError where there
    are too few rows.
    """
    tables = {
        part: read_columns(path, files.text, files.labels, **files.reading)
        for part, path in files.paths.items()
    }
    known = labels_in(tables["train"], files.labels, classes=tuple(settings.ordinal))
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
            if name not in settings.ordinal
            else _ordinal(parts.data["train"], name, settings.ordinal[name], files, max_length)
            for name, labels in known.items()
        },
        weights=settings.weights(files.labels),
        temperature=settings.temperature,
    )


def _ordinal(
    train: Dataset, name: str, levels: Sequence[str], files: Files, max_length: int
) -> Task:
    """The task of a column of levels, in the order given or that of the numbers that they are."""
    text = files.text[0] if len(files.text) == 1 else files.text
    filled = train.select(rows_with(train, name))
    names = sorted(set(filled[name]))
    if not levels and any(parse_number(label) is None for label in names):
        raise ArgumentError(
            f"the labels of column {name!r} are names, whose order is not known: give all of them "
            f"from the lowest to the highest with `ordinal`, as in {name}={','.join(names)}"
        )
    return tasks.ordinal(
        filled, levels=levels or None, text=text, target=name, max_length=max_length
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
