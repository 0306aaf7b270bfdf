"""The texts on which two formats of a fitted model are compared.

A run keeps the names and fingerprints of its files, not their texts. So its validation part is read
again, where the same files are still there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset

from ftlearn import data
from ftlearn.config import TrainConfig
from ftlearn.data.columns import Columns
from ftlearn.data.records import Record
from ftlearn.data.streams import Format, opened
from ftlearn.errors import FtlearnError
from ftlearn.runtime.files import sha256
from ftlearn.tasks import LanguageModelling, Task
from ftlearn.workflows import tasks
from ftlearn.workflows.folder import RunFolder
from ftlearn.workflows.plan import Files, Plan
from ftlearn.workflows.writing import prompts_of

TEXTS = 512
"""The most texts that are compared."""


class ComparedTexts(NamedTuple):
    """Texts, pairs or prompts, and a phrase that says which they are."""

    texts: list[Any]
    described: str


def texts_to_compare(
    folder: str | Path, task: Task, file: str | Path | None = None
) -> ComparedTexts:
    """The texts of a file; else the validation part of a run; else articles of the course.

    The validation part is read from the files of the run if they are, unchanged, in the present
    folder or in that of the run. Raises DataError for a file that cannot be read.
    """
    if file is not None:
        return ComparedTexts(_of_file(Path(file), task), Path(file).name)
    valid = _valid_part(Path(folder))
    if valid is not None and len(valid):
        texts = _inputs(valid, task)
        return ComparedTexts(_spaced(texts), "the validation part of the run")
    return ComparedTexts(_articles(task), "articles that come with ftlearn, not your texts")


def _of_file(path: Path, task: Task) -> list[Any]:
    """The texts, or pairs, of a file: without labels."""
    columns = Columns.of(task.text_columns[:1] if _writes(task) else task.text)
    with opened(path, columns, Format()) as reader:
        cells = [row.cells for row in _first(reader.rows) if isinstance(row, Record)]
    if len(columns.text) == 1:
        return [row[columns.text[0]] for row in cells]
    return [tuple(row[name] for name in columns.text) for row in cells]


def _first(rows: Iterable[Any]) -> list[Any]:
    return [row for row, _ in zip(rows, range(TEXTS), strict=False)]


def _valid_part(folder: Path) -> Dataset | None:
    """The validation part of a run, where its files are found; None elsewhere."""
    run = RunFolder(folder)
    if not (run.record.is_file() and run.report.is_file()):
        return None
    settings = run.read_record()["configuration"]
    files = _found(json.loads(run.report.read_text(encoding="utf-8")), folder)
    if files is None:
        return None
    try:
        parts, _ = tasks.read(_plan(settings, files, folder))
    except (FtlearnError, KeyError):  # a run of an older version, whose settings were others
        return None
    return parts.data["valid"]


def _found(report: dict[str, Any], folder: Path) -> dict[str, Path] | None:
    """The files of a run by part, if each is here with the content that it had."""
    found = {}
    for entry in report["data"]["files"]:
        places = [place / entry["name"] for place in (Path(), folder.parent, folder)]
        same = [path for path in places if path.is_file() and sha256(path) == entry["sha256"]]
        if not same:
            return None
        found[entry["part"]] = same[0]
    return found


def _plan(settings: dict[str, Any], files: dict[str, Path], folder: Path) -> Plan:
    """The plan of a run, as far as it decides which rows are in which part."""
    reading = ("task", "label", "delimiter", "encoding", "quoting", "drop_rare")
    of_files = {name: settings[name] for name in reading}
    of_files |= {name: tuple(settings[name] or ()) for name in ("text", "labels", "levels")}
    if not (settings["label"] or "") or settings["task"] in ("joint", "ranking"):
        of_files["label"] = None
    config = {field.name: settings[field.name] for field in fields(TrainConfig)}
    return Plan(
        files=Files(**files, **of_files),
        out=folder,
        checkpoint=settings["checkpoint"],
        max_length=settings["max_length"],
        system=settings["system"],
        config=TrainConfig(**config),
    )


def _writes(task: Task) -> bool:
    return isinstance(task, LanguageModelling)


def _inputs(rows: Dataset, task: Task) -> list[Any]:
    """What a model reads of rows: texts, pairs of texts, or prompts."""
    if _writes(task):
        return prompts_of(rows, task)[0]
    columns = [rows[name][:] for name in task.text_columns]
    return list(columns[0]) if len(columns) == 1 else list(zip(*columns, strict=True))


def _spaced(texts: list[Any]) -> list[Any]:
    count = min(TEXTS, len(texts))
    return [texts[at * len(texts) // count] for at in range(count)]


def _articles(task: Task) -> list[Any]:
    """Articles of the course, or their beginnings; of a task on pairs, each with the next one."""
    articles = data.load("topics")["valid"]["text"][:TEXTS]
    if _writes(task):
        return [" ".join(article.split()[:12]) for article in articles]
    if len(task.text_columns) == 1:
        return list(articles)
    return list(zip(articles, [*articles[1:], articles[0]], strict=True))
