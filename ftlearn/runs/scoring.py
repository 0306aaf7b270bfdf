"""``evaluate``: a saved model on labelled files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, Value

from ftlearn import evaluation, saved
from ftlearn.data import ReadReport
from ftlearn.data.reading import read_table, to_dataset
from ftlearn.data.wanted import Wanted
from ftlearn.evaluation import Report
from ftlearn.runs.plan import check_device
from ftlearn.runs.results import Scores, scores, versions
from ftlearn.tasks import LanguageModelling, Regression, Task


@dataclass(frozen=True)
class Scored:
    """A model's report on one file, and how the file was read."""

    path: Path
    read: ReadReport
    report: Report

    def summary(self) -> dict[str, Any]:
        """For JSON: the file's name, its rows, refused rows, metrics with intervals, notes."""
        test: Scores = scores(self.report)
        refused = [{"line": line, "reason": reason} for line, reason in self.read.refused]
        return {
            "file": self.path.name,
            "rows": self.read.rows,
            "refused": refused,
            "test": test,
            "notes": list(self.read.notes),
        }


def evaluate(
    folder: str | Path,
    paths: Sequence[str | Path],
    *,
    text: Sequence[str] = (),
    label: str | None = None,
    device: str | None = None,
    progress: bool = False,
    **reading: str | None,
) -> list[Scored]:
    """Score the model that ``fit`` saved (or any saved classifier) on labelled files.

    ``text`` and ``label`` name the columns where they are called otherwise than in training, and
    ``reading`` holds delimiter, encoding and quoting as ``data.read`` takes them.
    ``progress`` shows a bar on a terminal. Raises ModelError, DataError, and ValueError for labels
    that the model does not know.
    """
    check_device(device)
    model, tokenizer, task = saved.load(folder, device)
    task = with_columns(task, text, label)
    found = []
    for path in map(Path, paths):
        dataset, read = read_for(task, path, **reading)
        report = evaluation.evaluate(model, dataset, task, tokenizer, progress=progress)
        found.append(Scored(path, read, report))
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


def read_for(task: Task, path: Path, **reading: str | None) -> tuple[Dataset, ReadReport]:
    """The rows of a file as the task wants them: class labels as they stand, numbers as numbers."""
    number = isinstance(task, Regression)
    label = None if isinstance(task, LanguageModelling) else task.target
    wanted = Wanted.of(task.text, label, "number" if number else "class")
    table = read_table(path, wanted, **reading)
    return to_dataset(table, wanted, Value("float32") if number else None), table.report


def as_json(scored: Sequence[Scored]) -> dict[str, Any]:
    """What ``ftlearn evaluate --json`` writes."""
    return {"files": [each.summary() for each in scored], "versions": versions()}
