"""A report on how good a model's predictions are, and where they are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset
from torch import nn

from ftlearn import compatibility, metrics
from ftlearn.data.batching import Encoded
from ftlearn.errors import ArgumentError, UnknownNameError
from ftlearn.evaluation.predicting import outputs
from ftlearn.metrics import Interval
from ftlearn.models.virtual_tokens import shorten_window
from ftlearn.tasks import Joint


def evaluate(
    model: nn.Module,
    dataset: Dataset,
    task: Any,
    tokenizer: Any,
    *,
    shared: bool = False,
    progress: bool = False,
    precision: str = "auto",
) -> Report:
    """Check that rows, task, model and tokenizer fit together; predict every row and report on it.

    With ``shared`` the work is distributed across the ranks of a run, and each gets the whole
    report; all of them must call this. ``progress`` shows a bar. ``precision`` is auto (the fastest
    on this machine, as measured), fp32, bf16 or fp16. What ``compatibility.check`` finds is warned
    of, and raised as DataError where the scores would be worthless.
    """
    shorten_window(model, tokenizer)
    compatibility.settle(compatibility.check({"the data": dataset}, task, model, tokenizer))
    return report_on(
        model, dataset, task, tokenizer, shared=shared, progress=progress, precision=precision
    )


def report_on(
    model: nn.Module,
    dataset: Dataset,
    task: Any,
    tokenizer: Any,
    *,
    shared: bool = False,
    progress: bool = False,
    precision: str = "auto",
) -> Report:
    """``evaluate`` without its checks, for data that was checked before."""
    encoded = task.encode(dataset, tokenizer)
    predicted = outputs(
        model, encoded, task, tokenizer, shared=shared, progress=progress, precision=precision
    )
    if isinstance(task, Joint):
        return JointReport(task, dataset, predicted, np.asarray(encoded.numbers))
    return Report(task, dataset, predicted, _targets(task, dataset, encoded))


def _targets(task: Any, dataset: Dataset, encoded: Encoded) -> np.ndarray:
    """The targets of the rows, as the metrics take them."""
    if encoded.windows:  # they have targets of their own
        return np.asarray(task.targets(dataset), dtype=object)
    # Of targets per token, the outputs hold all that the metrics need.
    ragged = isinstance(encoded.targets[0], list)
    return np.zeros(len(encoded)) if ragged else np.asarray(encoded.targets)


def shown_as(name: str) -> str:
    """The name of a column of the data in the rows of a report, which have some of their own.

    >>> shown_as("text"), shown_as("prediction")
    ('text', 'prediction (data)')
    """
    return f"{name} (data)" if name in ("label", "prediction", "loss", "probability") else name


@dataclass(frozen=True)
class Report:
    """A model's outputs (N, K) on a data set, and the targets (N,)."""

    task: Any
    dataset: Dataset
    outputs: np.ndarray
    targets: np.ndarray

    @cached_property
    def scores(self) -> dict[str, float]:
        """All metrics of the task."""
        return self.task.metrics(self.outputs, self.targets)

    @cached_property
    def example_losses(self) -> np.ndarray:
        """The loss of each row (N,)."""
        return self.task.example_losses(self.outputs, self.targets)

    @property
    def correct(self) -> np.ndarray:
        """Whether each row was classified correctly (N,)."""
        return self.task.class_ids(self.outputs) == self.targets

    def interval(self, name: str, *, draws: int = 1000, seed: int = 0) -> Interval:
        """One metric with its 95 % bootstrap interval over rows."""
        if name not in self.scores:
            raise UnknownNameError(f"no metric {name!r}; there are: {', '.join(self.scores)}")
        score, columns = self.task.resampling(self.outputs, self.targets)
        return metrics.bootstrap(
            lambda *sample: score(*sample)[name], *columns, draws=draws, seed=seed
        )

    def table(self, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
        """All metrics with their 95 % bootstrap intervals, one row each: value, low, high."""
        score, columns = self.task.resampling(self.outputs, self.targets)
        samples = metrics.resample(
            lambda *sample: list(score(*sample).values()), *columns, draws=draws, seed=seed
        )
        low, high = np.quantile(samples, [0.025, 0.975], axis=0)
        values = list(self.scores.values())
        return pd.DataFrame({"value": values, "low": low, "high": high}, index=list(self.scores))

    def errors(self, count: int = 10, *, columns: Sequence[str] = ()) -> pd.DataFrame:
        """The rows with the highest loss, worst first: text, label, prediction, loss, others."""
        worst = np.argsort(-self.example_losses, kind="stable")[:count]
        return self.rows(columns=columns).iloc[worst]

    def rows(self, *, columns: Sequence[str] = ()) -> pd.DataFrame:
        """Every row with its text, label, prediction and loss, and other columns of the data."""
        text = self.task.text
        names = [*([text] if isinstance(text, str) else text), *columns]
        table = pd.DataFrame({shown_as(name): list(self.dataset[name][:]) for name in names})
        texts = self.dataset[text][:] if isinstance(text, str) else self._pairs(text)
        return table.assign(
            label=self._labels(),
            prediction=self.task.predictions(self.outputs, texts),
            loss=self.example_losses,
        )

    def _pairs(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        return list(zip(*(self.dataset[name][:] for name in names), strict=True))

    def _labels(self) -> list[Any]:
        labels = getattr(self.task, "labels", None)
        if labels:
            return [labels[target] for target in self.targets]
        return self.task.readable_targets(self.dataset)

    def confusion(self) -> pd.DataFrame:
        """Counts of (label, prediction) pairs: labels in rows, predictions in columns."""
        labels = list(self.task.labels)
        predicted = self.task.class_ids(self.outputs)
        pairs = np.asarray(self.targets) * len(labels) + predicted
        counts = np.bincount(pairs, minlength=len(labels) ** 2).reshape(len(labels), -1)
        return pd.DataFrame(
            counts,
            index=pd.Index(labels, name="label"),
            columns=pd.Index(labels, name="prediction"),
        )

    def by_group(self, column: str) -> pd.DataFrame:
        """Metrics for each value of a column of the data, with the number of rows."""
        values = np.asarray([str(value) for value in self.dataset[column][:]])
        rows = {}
        for value in sorted(set(values)):
            part = values == value
            scores = self.task.metrics(self.outputs[part], self.targets[part])
            rows[value] = {"rows": int(part.sum()), **scores}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis(column)

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in self.scores.items())
        return f"Report({len(self.targets)} rows: {scores})"


@dataclass(frozen=True, repr=False)
class JointReport(Report):
    """The outputs of several tasks on a data set, and the targets (N, n), NaN where there is none.

    ``report["topic"]`` is the report on one of the tasks and the rows that have a target of it.
    """

    @cached_property
    def reports(self) -> dict[str, Report]:
        """The report on each task that has rows here, by its name."""
        parts = self.task.outputs_of(self.outputs)
        reports = {}
        for column, name in enumerate(self.task.names):
            rows = np.flatnonzero(~np.isnan(self.targets[:, column]))
            if len(rows):
                task, part = self.task.task(name), self.dataset.select(rows)
                targets = np.asarray(task.targets(part))
                reports[name] = Report(task, part, parts[name][rows], targets)
        return reports

    def __getitem__(self, name: str) -> Report:
        if name not in self.reports:
            raise UnknownNameError(
                f"no rows of a task {name!r}; there are: {', '.join(self.reports)}"
            )
        return self.reports[name]

    def table(self, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
        """The metrics of all tasks with their intervals, by task and metric: value, low, high."""
        tables = {name: part.table(draws=draws, seed=seed) for name, part in self.reports.items()}
        return pd.concat(tables, names=["task", "metric"])

    def interval(self, name: str, *, draws: int = 1000, seed: int = 0) -> Interval:
        """One metric of a task, such as ``"topic accuracy"``, with its 95 % interval."""
        for task, part in self.reports.items():
            if name.startswith(f"{task} ") and name.removeprefix(f"{task} ") in part.scores:
                return part.interval(name.removeprefix(f"{task} "), draws=draws, seed=seed)
        names = [name for name in self.scores if name != "loss"]
        raise UnknownNameError(f"no metric {name!r}; there are: {', '.join(names)}")

    def rows(self, *, columns: Sequence[str] = ()) -> pd.DataFrame:
        """The rows of each task, one task after the other: text, label, prediction, loss, task."""
        tables = [
            part.rows(columns=columns).assign(task=name) for name, part in self.reports.items()
        ]
        return pd.concat(tables, ignore_index=True)

    def errors(self, count: int = 10, *, columns: Sequence[str] = ()) -> pd.DataFrame:
        """For each task the rows with the highest loss, worst first."""
        tables = [
            part.errors(count, columns=columns).assign(task=name)
            for name, part in self.reports.items()
        ]
        return pd.concat(tables, ignore_index=True)

    def confusion(self) -> pd.DataFrame:
        raise self._of_one_task("confusion()")

    def by_group(self, column: str) -> pd.DataFrame:
        raise self._of_one_task(f"by_group({column!r})")

    @property
    def correct(self) -> np.ndarray:
        raise self._of_one_task("correct")

    def _of_one_task(self, what: str) -> ArgumentError:
        name = next(iter(self.reports))
        return ArgumentError(f"{what} is of one task: ask for report[{name!r}].{what}")
