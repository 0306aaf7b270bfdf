"""``evaluate``: a saved model on labelled files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, Value

from ftlearn import compatibility, evaluation, saved
from ftlearn.data import ReadReport
from ftlearn.data.reading import read_table, to_dataset
from ftlearn.data.wanted import Wanted
from ftlearn.evaluation import Report
from ftlearn.runs.agreeing import against_model
from ftlearn.runs.plan import check_device
from ftlearn.runs.results import noted, scores, versions
from ftlearn.tasks import LanguageModelling, Regression, Task


@dataclass(frozen=True)
class Scored:
    """A model's report on one file, how the file was read, and what was warned of."""

    path: Path
    read: ReadReport
    report: Report
    notes: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """For JSON: the file's name, rows, what was refused, metrics with intervals, warnings."""
        return {
            "file": self.path.name,
            "rows": self.read.rows,
            "refused": [{"line": line, "reason": reason} for line, reason in self.read.refused],
            "test": scores(self.report),
            "notes": self.notes,
        }


def evaluate(
    folder: str | Path,
    paths: Sequence[str | Path],
    *,
    text: Sequence[str] = (),
    label: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    device: str | None = None,
    progress: bool = False,
) -> list[Scored]:
    """Score the model that ``fit`` saved (or any saved classifier) on labelled files.

    ``text`` and ``label`` name the columns where they are called otherwise than in training.
    ``progress`` shows a bar on a terminal. Rows with a label that the model does not know are
    refused, with a warning. Raises ModelError, and DataError for files that cannot be read or have
    no label that the model knows.
    """
    check_device(device)
    model, tokenizer, task = saved.load(folder, device)
    task = with_columns(task, text, label)
    found = []
    for path in map(Path, paths):
        with noted() as notes:
            dataset, read = read_for(task, path, delimiter=delimiter, encoding=encoding)
            known = compatibility.texts_and_tokenizer({path.name: dataset}, task, tokenizer)
            compatibility.settle(known)
            report = evaluation.report_on(model, dataset, task, tokenizer, progress=progress)
        found.append(Scored(path, read, report, notes))
    return found


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


def read_for(
    task: Task, path: Path, *, delimiter: str | None = None, encoding: str | None = None
) -> tuple[Dataset, ReadReport]:
    """The rows of a file as the task wants them: class labels that it knows, numbers as numbers."""
    number = isinstance(task, Regression)
    label = None if isinstance(task, LanguageModelling) else task.target
    wanted = Wanted.of(task.text, label, "number" if number else "class")
    table = read_table(path, wanted, delimiter=delimiter, encoding=encoding)
    table = against_model(table, wanted, task)
    return to_dataset(table, wanted, Value("float32") if number else None), table.report


def as_json(scored: Sequence[Scored]) -> dict[str, Any]:
    """What ``ftlearn evaluate --json`` writes."""
    return {"files": [each.summary() for each in scored], "versions": versions()}
