"""Soups chosen by a metric on data, and a metric over the plane through three models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from torch import nn

from ftlearn import evaluation
from ftlearn.interpolation import Plane, Soup, plane, soup
from ftlearn.interpolation.landscape.line import HIGHER
from ftlearn.interpolation.weights.linear import weights_in_place
from ftlearn.interpolation.weights.merging import choose
from ftlearn.interpolation.weights.state_dicts import Source
from ftlearn.tasks import Task


def greedy_soup(
    model: nn.Module,
    sources: Sequence[Source],
    dataset: Dataset,
    task: Task,
    tokenizer: Any,
    *,
    by: str | None = None,
) -> Soup:
    """``interpolation.greedy_soup`` by a metric on held-out data (``task.monitor`` unless named).

    Soups are tried in ``model``, in place; its own weights are restored at the end. The scores of
    the result are values of the metric.
    """
    metric = by or task.monitor
    sign = 1 if metric in HIGHER else -1
    with weights_in_place(model, sources) as put:

        def score(members: tuple[int, ...]) -> float:
            put([(index in members) / len(members) for index in range(len(sources))])
            report = evaluation.evaluate(model, dataset, task, tokenizer)
            return sign * report.scores[metric]

        members, scores = choose(len(sources), score)
    state = soup([sources[index] for index in members])
    return Soup(state, members, tuple(sign * score for score in scores))


@dataclass(frozen=True)
class Surface:
    """A metric over the plane through three models: values (len(y), len(x))."""

    plane: Plane
    x: np.ndarray
    y: np.ndarray
    values: np.ndarray


def evaluate_plane(
    model: nn.Module,
    sources: tuple[Source, Source, Source],
    dataset: Dataset,
    task: Task,
    tokenizer: Any,
    *,
    metric: str | None = None,
    steps: int = 9,
    margin: float = 0.2,
) -> Surface:
    """A metric at ``steps``² points of the plane through three models, for a contour map.

    The grid extends beyond the three corners by a share ``margin`` of their spread.
    """
    through = plane(*sources)
    low = through.corners.min(0)
    high = through.corners.max(0)
    border = margin * (high - low)
    x, y = np.linspace(low - border, high + border, steps).T
    values = np.empty((steps, steps))
    with weights_in_place(model, sources) as put:
        for row, column in np.ndindex(steps, steps):
            put(through.weights(x[column], y[row]))
            scores = evaluation.evaluate(model, dataset, task, tokenizer).scores
            values[row, column] = scores[metric or task.monitor]
    return Surface(through, x, y, values)
