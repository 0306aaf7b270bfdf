"""The metrics of the models on the straight line between two models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset
from matplotlib.axes import Axes
from torch import nn

from ftlearn import evaluation, figures
from ftlearn.data.errors import close_match
from ftlearn.errors import ArgumentError, UnknownNameError
from ftlearn.evaluation import Report
from ftlearn.interpolation import barrier, sweep
from ftlearn.interpolation.weights.state_dicts import Source
from ftlearn.tasks import Task

ALPHAS = tuple(tenth / 10 for tenth in range(11))
"""From the start, 0, to the end, 1, in steps of 0.1."""

HIGHER = ("accuracy", "precision", "recall", "f1", "r2", "pearson", "spearman")
"""The metrics for which higher is better; for all others lower is."""


@dataclass(frozen=True)
class Line:
    """Reports at each α of the line between two models, on one or more named data sets."""

    alphas: tuple[float, ...]
    reports: Mapping[str, Sequence[Report]]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per data set and α, with all metrics of the task."""
        rows = [
            {"data": name, "alpha": alpha, "rows": len(report.targets), **report.scores}
            for name, reports in self.reports.items()
            for alpha, report in zip(self.alphas, reports, strict=True)
        ]
        return pd.DataFrame(rows)

    def values(self, metric: str | None = None, *, on: str | None = None) -> np.ndarray:
        """A metric along the line (len(alphas),), on the first data set unless named.

        The metric is ``task.monitor``, by which training selects weights, unless named.
        """
        reports = self.reports[self._name(on)]
        return np.array([report.scores[self._metric(metric)] for report in reports])

    def best(self, metric: str | None = None, *, on: str | None = None) -> float:
        """The α with the best metric; of several, the one nearest to the start."""
        sign = -1 if self._metric(metric) in HIGHER else 1
        costs = sign * self.values(metric, on=on)
        best = min(range(len(costs)), key=lambda index: (costs[index], abs(self.alphas[index])))
        return self.alphas[best]

    def barrier(self, metric: str | None = None, *, on: str | None = None) -> float:
        """How much worse the line gets than a linear mixture of the scores at its ends."""
        better = "higher" if self._metric(metric) in HIGHER else "lower"
        return barrier(self.alphas, self.values(metric, on=on), better=better)

    def draw(self, metric: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Plot a metric over α, one curve per data set."""
        metric = self._metric(metric)
        curves = {name: self.values(metric, on=name) for name in self.reports}
        label = metric.replace("_", " ")
        return figures.lines(self.alphas, curves, xlabel="α (0 start, 1 end)", ylabel=label, ax=ax)

    def _name(self, on: str | None) -> str:
        if on is not None and on not in self.reports:
            raise UnknownNameError(
                f"no data set {on!r} was evaluated; there are: {list(self.reports)}"
            )
        return next(iter(self.reports)) if on is None else on

    def _metric(self, metric: str | None) -> str:
        task = self.reports[self._name(None)][0].task
        check_metric(metric, task)
        return task.monitor if metric is None else metric


def check_metric(metric: str | None, task: Task) -> None:
    """Raise KeyError for a metric that the task does not have; None stands for ``task.monitor``."""
    names = task.metric_names()
    if metric is not None and metric not in names:
        raise UnknownNameError(
            f"no metric {metric!r}; there are: {', '.join(names)}.{close_match(metric, names)}"
        )


def evaluate_line(
    model: nn.Module,
    start: Source,
    end: Source,
    dataset: Dataset | Mapping[str, Dataset],
    task: Task,
    tokenizer: Any,
    *,
    alphas: Sequence[float] = ALPHAS,
) -> Line:
    """Evaluate (1 − α)·start + α·end at each α, on one data set or on several by name.

    Weights are written into ``model`` in place, so that a point costs little more than its
    forward passes; the model's own weights are restored at the end, even after an error.
    ``start`` or ``end`` may be the model itself. Choose α by the first data set, and report
    results on another.
    """
    if not alphas:
        raise ArgumentError("alphas is empty: give the points of the line, such as [0, 0.5, 1]")
    sets = dataset if isinstance(dataset, Mapping) else {"valid": dataset}

    def measure(model: nn.Module) -> list[Report]:
        return [evaluation.evaluate(model, rows, task, tokenizer) for rows in sets.values()]

    measured = sweep(model, start, end, alphas, measure)
    columns = zip(*measured, strict=True)
    return Line(tuple(map(float, alphas)), dict(zip(sets, columns, strict=True)))
