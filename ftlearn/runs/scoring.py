"""``evaluate``: a saved model on labelled files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ftlearn import evaluation, saved
from ftlearn.data import ReadReport
from ftlearn.evaluation import Report
from ftlearn.runs.plan import check_device
from ftlearn.runs.results import Scores, scores, versions
from ftlearn.tasks import Task
from ftlearn.tasks.reading import read_for


@dataclass(frozen=True)
class Scored:
    """A model's report on one file, and how the file was read."""

    path: Path
    read: ReadReport
    report: Report

    def summary(self) -> dict[str, Any]:
        """For JSON: the file's name, its rows, what was refused, the metrics with intervals."""
        test: Scores = scores(self.report)
        refused = [{"line": line, "reason": reason} for line, reason in self.read.refused]
        return {"file": self.path.name, "rows": self.read.rows, "refused": refused, "test": test}


def evaluate(
    folder: str | Path,
    paths: str | Path | Sequence[str | Path],
    *,
    text: str | Sequence[str] = (),
    label: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    device: str | None = None,
    progress: bool = False,
) -> list[Scored]:
    """Score the model that ``fit`` saved (or any saved classifier) on labelled files.

    ``text`` and ``label`` name the columns where they are called otherwise than in training.
    ``progress`` shows a bar on a terminal. Raises ModelError, DataError, and ValueError for labels
    that the model does not know, before anything is measured.
    """
    how = {"delimiter": delimiter, "encoding": encoding}
    given = {"text": text, "label": label, "device": device, "progress": progress}
    return list(scored_one_by_one(folder, paths, **given, **how))


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
    model, tokenizer, task = saved.load(folder, device)
    task = with_columns(task, (text,) if isinstance(text, str) else text, label)
    paths = [paths] if isinstance(paths, str | Path) else paths
    files = [(Path(path), *read_for(task, Path(path), **reading)) for path in paths]
    for _, dataset, _ in files:
        task.targets(dataset)
    for path, dataset, read in files:
        report = evaluation.evaluate(model, dataset, task, tokenizer, progress=progress)
        yield Scored(path, read, report)


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
    return {"files": [each.summary() for each in scored], "versions": versions()}
