"""How good the models on the straight line between two models are."""

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

ALPHAS = tuple(at / 10 for at in range(11))
"""From the start, 0, to the end, 1, in steps of a tenth."""

HIGHER = ("accuracy", "precision", "recall", "f1", "r2", "pearson", "spearman")
"""The metrics of which more is better; of all others less is."""


@dataclass(frozen=True)
class Line:
    """Reports at each α of the line between two models, on one or more named data sets."""

    alphas: tuple[float, ...]
    reports: Mapping[str, Sequence[Report]]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each data set and α, with all metrics of the task."""
        rows = [
            {"data": name, "alpha": alpha, "rows": len(report.targets), **report.scores}
            for name, reports in self.reports.items()
            for alpha, report in zip(self.alphas, reports, strict=True)
        ]
        return pd.DataFrame(rows)

    def values(self, metric: str | None = None, *, on: str | None = None) -> np.ndarray:
        """A metric along the line (len(alphas),), on the first data set unless named.

        The metric is the one that training goes by (``task.monitor``) unless named.
        """
        reports = self.reports[self._name(on)]
        return np.array([report.scores[self._metric(metric)] for report in reports])

    def best(self, metric: str | None = None, *, on: str | None = None) -> float:
        """The α with the best metric; of equals the one nearest to the start."""
        values = self.values(metric, on=on) * (-1 if self._metric(metric) in HIGHER else 1)
        order = sorted(range(len(values)), key=lambda at: (values[at], abs(self.alphas[at])))
        return self.alphas[order[0]]

    def barrier(self, metric: str | None = None, *, on: str | None = None) -> float:
        """How much worse the line gets than a straight mixture of its ends' scores."""
        better = "higher" if self._metric(metric) in HIGHER else "lower"
        return barrier(self.alphas, self.values(metric, on=on), better=better)

    def draw(self, metric: str | None = None, *, ax: Axes | None = None) -> Axes:
        """A metric over α, one curve for each data set."""
        metric = self._metric(metric)
        curves = {name: self.values(metric, on=name) for name in self.reports}
        label = metric.replace("_", " ")
        return figures.lines(self.alphas, curves, xlabel="α (0 start, 1 end)", ylabel=label, ax=ax)

    def _name(self, on: str | None) -> str:
        if on is not None and on not in self.reports:
            raise UnknownNameError(
                f"no data set {on!r} was walked over; there are: {list(self.reports)}"
            )
        return next(iter(self.reports)) if on is None else on

    def _metric(self, metric: str | None) -> str:
        task = self.reports[self._name(None)][0].task
        check_metric(metric, task)
        return task.monitor if metric is None else metric


def check_metric(metric: str | None, task: Task) -> None:
    """Raise KeyError for a metric that the task has not; None is the one that training goes by."""
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
    forward passes; its own are back at the end, even after an error. ``start`` or ``end`` may be
    the model itself. Choose α by the first data set, on which nothing else is reported.
    """
    if not alphas:
        raise ArgumentError("alphas is empty: give the points of the line, such as [0, 0.5, 1]")
    sets = dataset if isinstance(dataset, Mapping) else {"valid": dataset}

    def measure(model: nn.Module) -> list[Report]:
        return [evaluation.evaluate(model, rows, task, tokenizer) for rows in sets.values()]

    measured = sweep(model, start, end, alphas, measure)
    columns = zip(*measured, strict=True)
    return Line(tuple(map(float, alphas)), dict(zip(sets, columns, strict=True)))
