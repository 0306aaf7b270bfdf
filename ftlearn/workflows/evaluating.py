"""``evaluate``: a saved model on labelled files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from ftlearn import compatibility, evaluation, models
from ftlearn.data import ReadReport
from ftlearn.evaluation import Report
from ftlearn.runtime.versions import versions
from ftlearn.tasks import Task
from ftlearn.tasks.reading import as_rows, table_for
from ftlearn.workflows.agreeing import against_model
from ftlearn.workflows.plan import check_device
from ftlearn.workflows.summary import LIBRARIES, noted, scores


@dataclass(frozen=True)
class Scored:
    """A model's report on one file, how the file was read, and what was warned of."""

    path: Path
    read: ReadReport
    report: Report
    notes: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """For JSON: the file's name, rows, what was refused, metrics with intervals, notes."""
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
    given = {"text": text, "label": label, "device": device, "progress": progress}
    return list(scored_one_by_one(folder, paths, **given, **reading))


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
    """What ``evaluate`` gives, each file's report as soon as it is there.

    All files are read, and their labels compared with the model's, before the first is measured:
    a name that was mistyped must not cost the scores of the others. ``reading`` holds delimiter,
    encoding and the like, as ``data.read`` takes them.
    """
    check_device(device)
    model, tokenizer, task = models.load_finetuned(folder, device)
    task = with_columns(task, (text,) if isinstance(text, str) else text, label)
    paths = [paths] if isinstance(paths, str | Path) else paths
    files = [_read(Path(path), task, tokenizer, reading) for path in paths]
    for path, dataset, read, notes in files:
        with noted() as more:
            report = evaluation.report_on(model, dataset, task, tokenizer, progress=progress)
        yield Scored(path, read, report, [*notes, *more])


def _read(
    path: Path, task: Task, tokenizer: Any, reading: dict[str, str | None]
) -> tuple[Path, Dataset, ReadReport, list[str]]:
    """A labelled file's rows that the model can be scored on, and what was warned of."""
    with noted() as notes:
        table, wanted = table_for(task, path, **reading)
        table = against_model(table, wanted, task)
        dataset = as_rows(table, wanted)
        known = compatibility.texts_and_tokenizer({path.name: dataset}, task, tokenizer)
        compatibility.settle(known)
    return path, dataset, table.report, notes


def with_columns(task: Task, text: Sequence[str] = (), label: str | None = None) -> Task:
    """The task on columns of other names; ValueError for one text where the task reads a pair."""
    wanted = 1 if isinstance(task.text, str) else len(task.text)
    if text and len(text) != wanted:
        raise ValueError(
            f"the model reads {wanted} text column{'s' * (wanted > 1)}, and {len(text)} were "
            f"named: {', '.join(text)}"
        )
    named = (text[0] if wanted == 1 else tuple(text)) if text else task.text
    return replace(task, text=named, target=label or task.target)


def as_json(scored: Sequence[Scored]) -> dict[str, Any]:
    """What ``ftlearn evaluate --json`` writes."""
    return {"files": [each.summary() for each in scored], "versions": versions(LIBRARIES)}
