"""What ``report.json`` and ``history.csv`` contain."""

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
from ftlearn.evaluation import JointReport, Report, baselines
from ftlearn.fast import autotune
from ftlearn.models import saving
from ftlearn.models.architecture import count_parameters
from ftlearn.runtime import device_of
from ftlearn.runtime.versions import versions
from ftlearn.tasks import (
    Joint,
    LanguageModelling,
    Ordinal,
    QuestionAnswering,
    Ranking,
    Regression,
    RewardModelling,
    Task,
)
from ftlearn.training.history import History
from ftlearn.workflows.plan import Plan
from ftlearn.workflows.splits import Parts
from ftlearn.workflows.writing import Writing, comparison

Scores = dict[str, dict[str, float]]

COUNTED = {"word": "word counts (TF-IDF)", "character": "character counts (TF-IDF)"}
"""The baseline on counts, by what is counted."""
LIBRARIES = ("torch", "transformers", "ftlearn")
"""Those whose versions decide the result."""


def scores(report: Report) -> Scores:
    """Each metric with its 95 % bootstrap interval: value, low, high."""
    if isinstance(report, JointReport):
        return {
            f"{name} {metric}": score
            for name, part in report.reports.items()
            for metric, score in scores(part).items()
        }
    return report.table().to_dict(orient="index")


def baseline_reports(data: DatasetDict, task: Task) -> dict[str, Report]:
    """Baselines without a pretrained model, scored on the test part, by a descriptive name."""
    if isinstance(task, Joint):
        return _joint_baselines(data, task)
    train, test = data["train"], data["test"]
    if isinstance(task, QuestionAnswering):
        return {
            "no answer to any question": baselines.no_answer(test, task),
            "the sentence most like the question": baselines.best_sentence(test, task),
        }
    if isinstance(task, RewardModelling):
        return {"length of the answer": baselines.length_of_answer(train, test, task)}
    if isinstance(task, Ranking):
        return {
            "the most frequent items": baselines.popularity(train, test, task),
            "the most similar words (TF-IDF)": baselines.similar_words(test, task),
        }
    pair = len(task.text_columns) == 2
    shared = {"shared words": baselines.overlap(train, test, task)} if pair else {}
    if isinstance(task, Regression):
        # The task is centred on the training data: output 0 is their mean.
        outputs = np.zeros((len(test), 1))
        targets = np.asarray(task.targets(test))
        return {"mean of the training data": Report(task, test, outputs, targets), **shared}
    reports = {"most frequent label": baselines.majority(train, test, task)}
    if isinstance(task, Ordinal):
        reports = baselines.by_shares(train, test, task)
    reports |= shared
    try:
        train_texts, test_texts = _one_text(train, task), _one_text(test, task)
        counted = COUNTED[baselines.unit(train_texts["text"])]
        one_text = replace(task, text="text", target="label")
        reports[counted] = baselines.tfidf(train_texts, test_texts, one_text)
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        warnings.warn("the texts have no words to count: no TF-IDF baseline", stacklevel=2)
    return reports


def _joint_baselines(data: DatasetDict, task: Joint) -> dict[str, Report]:
    """The baselines of each task that has test rows, named after it."""
    reports = {}
    for name in task.names:
        parts = DatasetDict({part: task.part(data[part], name) for part in ("train", "test")})
        if len(parts["test"]):
            of_task = baseline_reports(parts, task.task(name))
            reports |= {f"{name}: {baseline}": report for baseline, report in of_task.items()}
    return reports


def _one_text(dataset: Dataset, task: Task) -> Dataset:
    """The data with the texts of a pair joined into one, in the columns ``text`` and ``label``."""
    names = task.text_columns
    rows = zip(*(dataset[name][:] for name in names), strict=True)
    columns = {"text": ["\n".join(row) for row in rows], "label": dataset[task.target][:]}
    features = Features({"text": Value("string"), "label": dataset.features[task.target]})
    return Dataset.from_dict(columns, features=features)


def history_table(history: History) -> pd.DataFrame:
    """One row per update; where an epoch ended, with the scores on the validation part."""
    table = history.table()
    if not history.evaluations:
        return table
    evaluations = history.evaluation_table().drop(columns="epoch").add_prefix("valid_")
    return table.merge(evaluations, how="left", left_on="number", right_on="valid_step").drop(
        columns="valid_step"
    )


@dataclass(frozen=True)
class Written:
    """What a language model wrote before and after its training, and its first test scores."""

    before: Writing
    after: Writing
    untrained: Report

    def summary(self) -> dict[str, Any]:
        """For ``report.json``: the measures, and some answers side by side."""
        return {"writing": comparison(self.before, self.after)}


@dataclass(frozen=True)
class Result:
    """The results of a run, before they are written down."""

    plan: Plan
    parts: Parts
    task: Task
    model: nn.Module
    tokenizer: Any
    history: History
    valid: Report
    test: Report
    notes: list[str]
    written: Written | None = None


def compared_with(result: Result) -> dict[str, Report]:
    """Reports on the test part to compare with, by a descriptive name."""
    if isinstance(result.task, LanguageModelling):
        return {"before fine-tuning": result.written.untrained} if result.written else {}
    return baseline_reports(result.parts.data, result.task)


def summary(result: Result, *, start: float, resumed: int) -> dict[str, Any]:
    """Everything for ``report.json``; of paths only the names of the files.

    ``start`` is when this process began the run, by ``time.perf_counter``.
    """
    plan, history = result.plan, result.history
    last = history.steps[-1]
    device = device_of(result.model)
    compared = compared_with(result)
    return {
        "title": f"{plan.checkpoint!s} fine-tuned on {plan.files.paths['train'].name!s}",
        "task": saving.kind(result.task),
        "test": scores(result.test),
        "valid": scores(result.valid),
        "baselines": {name: scores(report) for name, report in compared.items()},
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
        "trained": _trained(result),
        "device": device.type,
        "training_in": str(result.history.arithmetic),
        "prediction_in": str(autotune.prediction(result.model, device)),
        "threads": torch.get_num_threads(),
        "versions": versions(LIBRARIES),
        "data": _data(plan, result.parts),
        "window": result.task.window(result.tokenizer),
        "labels": list(getattr(result.task, "labels", ())) or None,
        **(result.written.summary() if result.written else {}),
        "configuration": plan.settings(),
        "notes": [*_reading_notes(plan, result.parts), *result.notes],
    }


def _trained(result: Result) -> str:
    """What was trained, and how large a share of the parameters it is."""
    total, trained = count_parameters(result.model)
    what = f"{result.plan.method}, " if result.plan.method else ""
    return f"{what}{trained:,} of {total:,} parameters ({trained / total:.2%})"


def _data(plan: Plan, parts: Parts) -> dict[str, Any]:
    paths, hashes = plan.files.paths, plan.files.sha256()
    return {
        "files": [
            {"part": part, "name": path.name, "sha256": hashes[part]}
            for part, path in paths.items()
        ],
        "rows": {part: len(rows) for part, rows in parts.data.items()},
        "cut_from_train": list(parts.cut),
        "repeated_texts": parts.repeated,
        "left_out": parts.left_out,
        "refused": [
            {"file": paths[part].name, "line": line, "reason": reason}
            for part, report in parts.reports.items()
            for line, reason in report.rejected
        ],
    }


def _reading_notes(plan: Plan, parts: Parts) -> list[str]:
    """What the reader should know of how each file was read."""
    return [
        f"{plan.files.paths[part].name}: {note}"
        for part, report in parts.reports.items()
        for note in report.notes
    ]


@contextmanager
def record_warnings() -> Iterator[list[str]]:
    """A context that records the text of each UserWarning once, and shows it as before."""
    notes: list[str] = []
    show = warnings.showwarning

    def record(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, UserWarning) and str(message) not in notes:
            notes.append(str(message))
        show(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.showwarning = record
        yield notes
