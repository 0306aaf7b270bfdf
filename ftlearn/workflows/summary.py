"""What ``report.json`` and ``history.csv`` hold."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset, DatasetDict, Features, Value
from torch import nn

from ftlearn import runtime
from ftlearn.evaluation import Report, baselines
from ftlearn.fast import autotune
from ftlearn.models import saving
from ftlearn.runtime import device_of
from ftlearn.runtime.versions import versions
from ftlearn.tasks import Regression, Task
from ftlearn.training.history import History
from ftlearn.workflows.plan import Plan
from ftlearn.workflows.splits import Parts

Scores = dict[str, dict[str, float]]

LIBRARIES = ("torch", "transformers", "ftlearn")
"""Those whose versions decide the result."""


def scores(report: Report) -> Scores:
    """Each metric with its 95 % bootstrap interval: value, low, high."""
    return report.table().to_dict(orient="index")


def baseline_reports(data: DatasetDict, task: Task) -> dict[str, Report]:
    """What needs no pretrained model, scored on the test part, by a name that says what it does."""
    train, test = data["train"], data["test"]
    if isinstance(task, Regression):
        # The task is centred on the training data: output 0 is their mean.
        outputs, targets = np.zeros((len(test), 1)), np.asarray(task.targets(test))
        return {"mean of the training data": Report(task, test, outputs, targets)}
    found = {"most frequent label": baselines.majority(train, test, task)}
    try:
        counted = [_one_text(rows, task) for rows in (train, test)]
        unit = baselines.unit(counted[0]["text"])
        words = replace(task, text="text", target="label")
        found[f"{unit} counts (TF-IDF)"] = baselines.tfidf(*counted, words)
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        warnings.warn("the texts have no words to count: no TF-IDF baseline", stacklevel=2)
    return found


def _one_text(dataset: Dataset, task: Task) -> Dataset:
    """The data with both texts of a pair in one, in the columns ``text`` and ``label``."""
    names = [task.text] if isinstance(task.text, str) else task.text
    rows = zip(*(dataset[name] for name in names), strict=True)
    texts, label = ["\n".join(row) for row in rows], dataset.features[task.target]
    features = Features({"text": Value("string"), "label": label})
    columns = {"text": texts, "label": dataset[task.target][:]}
    return Dataset.from_dict(columns, features=features)


def history_table(history: History) -> pd.DataFrame:
    """One row an update; where an epoch ended, with the scores on the validation part."""
    table = history.table()
    if not history.evaluations:
        return table
    evaluations = history.evaluation_table().drop(columns="epoch").add_prefix("valid_")
    return table.merge(evaluations, how="left", left_on="number", right_on="valid_step").drop(
        columns="valid_step"
    )


@dataclass(frozen=True)
class Result:
    """What a run has come to, before it is written down."""

    plan: Plan
    parts: Parts
    task: Task
    model: nn.Module
    tokenizer: Any
    history: History
    valid: Report
    test: Report
    notes: list[str]


def summary(result: Result, *, start: float, resumed: int) -> dict[str, Any]:
    """Everything for ``report.json``, with no path but the names of the files.

    ``start`` is when this process began the run, by ``time.perf_counter``.
    """
    plan, history, last = result.plan, result.history, result.history.steps[-1]
    counted, device = baseline_reports(result.parts.data, result.task), device_of(result.model)
    return {
        "title": f"{plan.checkpoint} fine-tuned on {plan.files.given['train'].name}",
        "task": saving.kind(result.task),
        "test": scores(result.test),
        "valid": scores(result.valid),
        "baselines": {name: scores(report) for name, report in counted.items()},
        "seconds": {"training": last.seconds, "total": time.perf_counter() - start},
        "examples_per_second": last.examples_per_second,
        "peak_memory_bytes": runtime.memory_peak(),
        "training": {
            "updates": last.number,
            "epochs": last.epoch,
            "best_epoch": history.best["epoch"],
            "stopped": history.stopped or None,
            "resumed": resumed,
        },
        "device": device.type,
        "training_in": str(result.history.arithmetic),
        "prediction_in": str(autotune.prediction(result.model, device)),
        "threads": torch.get_num_threads(),
        "versions": versions(LIBRARIES),
        "data": _data(plan, result.parts),
        "window": result.task.window(result.tokenizer),
        "labels": list(getattr(result.task, "labels", ())) or None,
        "configuration": plan.settings(),
        "notes": [*_reading_notes(plan, result.parts), *result.notes],
    }


def _data(plan: Plan, parts: Parts) -> dict[str, Any]:
    given, hashes = plan.files.given, plan.files.sha256()
    return {
        "files": [
            {"part": part, "name": path.name, "sha256": hashes[part]}
            for part, path in given.items()
        ],
        "rows": {part: len(rows) for part, rows in parts.data.items()},
        "cut_from_train": list(parts.cut),
        "repeated_texts": parts.repeated,
        "left_out": parts.left_out,
        "refused": [
            {"file": given[part].name, "line": line, "reason": reason}
            for part, report in parts.reports.items()
            for line, reason in report.rejected
        ],
    }


def _reading_notes(plan: Plan, parts: Parts) -> list[str]:
    """What one should know of how each file was read."""
    return [
        f"{plan.files.given[part].name}: {note}"
        for part, report in parts.reports.items()
        for note in report.notes
    ]


@contextmanager
def noted() -> Iterator[list[str]]:
    """A context that keeps the text of each warning for the report, and shows it as before."""
    notes: list[str] = []
    show = warnings.showwarning

    def keep(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, UserWarning) and str(message) not in notes:
            notes.append(str(message))
        show(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.showwarning = keep
        yield notes
