"""``evaluate``: a saved model on labelled files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from ftlearn import compatibility, evaluation, models
from ftlearn.data import ReadReport
from ftlearn.errors import ArgumentError
from ftlearn.evaluation import Report
from ftlearn.runtime.versions import versions
from ftlearn.tasks import Joint, Task
from ftlearn.tasks.file_rows import as_rows, read_for, reads_json, table_for
from ftlearn.workflows.plan_checks import check_device
from ftlearn.workflows.references import from_named_reference
from ftlearn.workflows.row_checks import against_model
from ftlearn.workflows.summary import LIBRARIES, record_warnings, scores


@dataclass(frozen=True)
class Scored:
    """A model's report on one file, how the file was read, and the warnings on the way."""

    path: Path
    read: ReadReport
    report: Report
    notes: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """For JSON: the file's name, rows, refused rows, metrics with intervals, and notes."""
        return {
            "file": self.path.name,
            "rows": self.read.rows,
            "refused": [{"line": line, "reason": reason} for line, reason in self.read.rejected],
            "test": scores(self.report),
            "notes": [*self.read.notes, *self.notes],
        }


def evaluate(
    folder: str | Path,
    paths: str | Path | Sequence[str | Path],
    *,
    text: str | Sequence[str] = (),
    label: str | None = None,
    device: str | None = None,
    progress: bool = False,
    **reading: str | None,
) -> list[Scored]:
    """Score the model that ``fit`` saved (or any saved classifier) on labelled files.

    ``text`` and ``label`` name the columns where they are called otherwise than in training, and
    ``reading`` holds delimiter, encoding and quoting as ``data.read`` takes them. ``progress``
    shows a bar on a terminal. Rows with a label that the model does not know are refused, with a
    warning. Raises ModelError, and DataError for files that cannot be read or have no label that
    the model knows, before anything is measured.
    """
    return list(
        scored_one_by_one(
            folder, paths, text=text, label=label, device=device, progress=progress, **reading
        )
    )


def scored_one_by_one(
    folder: str | Path,
    paths: str | Path | Sequence[str | Path],
    *,
    text: str | Sequence[str] = (),
    label: str | None = None,
    device: str | None = None,
    progress: bool = False,
    **reading: str | None,
) -> Iterator[Scored]:
    """``evaluate`` one file at a time: each report as soon as it is measured.

    All files are read, and their labels compared with the model's, before the first is measured:
    a mistyped name must not cost the scores of the others. ``reading`` holds delimiter, encoding
    and the like, as ``data.read`` takes them.
    """
    check_device(device)
    model, tokenizer, task = models.load_finetuned(folder, device)
    task = with_columns(task, (text,) if isinstance(text, str) else text, label)
    paths = [paths] if isinstance(paths, str | Path) else paths
    files = [_read(Path(path), task, tokenizer, reading) for path in paths]
    for path, dataset, read, notes in files:
        with record_warnings() as later_notes:
            dataset = from_named_reference(dataset, task, tokenizer, device)
            report = evaluation.report_on(model, dataset, task, tokenizer, progress=progress)
        yield Scored(path, read, report, [*notes, *later_notes])


def _read(
    path: Path, task: Task, tokenizer: Any, reading: dict[str, str | None]
) -> tuple[Path, Dataset, ReadReport, list[str]]:
    """A labelled file's rows that the model can be scored on, and the warnings on the way."""
    with record_warnings() as notes:
        dataset, report = _rows(path, task, reading)
        findings = compatibility.texts_and_tokenizer({path.name: dataset}, task, tokenizer)
        compatibility.settle(findings)
    return path, dataset, report, notes


def _rows(path: Path, task: Task, reading: dict[str, str | None]) -> tuple[Dataset, ReadReport]:
    if reads_json(task) or isinstance(task, Joint):
        return read_for(task, path, **reading)
    table, columns = table_for(task, path, **reading)
    table = against_model(table, columns, task)
    return as_rows(table, columns), table.report


def with_columns(task: Task, text: Sequence[str] = (), label: str | None = None) -> Task:
    """The task on columns of other names; ValueError for one text where the task reads a pair."""
    count = len(task.text_columns)
    if text and len(text) != count:
        raise ArgumentError(
            f"the model reads {count} text column{'s' * (count > 1)}, and {len(text)} were "
            f"named: {', '.join(text)}"
        )
    if label is not None and isinstance(task, Joint):
        raise ArgumentError(
            f"label is {label!r}, and the model has several tasks, each of which reads the column "
            f"with its name ({', '.join(task.names)}): leave it out"
        )
    columns = task.text
    if text:
        columns = text[0] if count == 1 else tuple(text)
    return replace(task, text=columns, target=label or task.target)


def as_json(scored: Sequence[Scored]) -> dict[str, Any]:
    """What ``ftlearn evaluate --json`` writes."""
    return {"files": [file.summary() for file in scored], "versions": versions(LIBRARIES)}
