"""One number per text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from datasets import Dataset, DatasetDict

from ftlearn import losses, metrics
from ftlearn.data.part_names import training_part
from ftlearn.errors import ArgumentError
from ftlearn.losses import LossSum
from ftlearn.tasks.base import Task, Truncation, require_columns


@dataclass(frozen=True, kw_only=True)
class Regression(Task):
    """One number per text: squared error on outputs (B, 1).

    The model learns (y − center) / scale, so that an untrained head, whose outputs are near
    zero, starts at the mean of the data; ``decode`` and ``metrics`` are in the data's units.
    """

    center: float = 0.0
    scale: float = 1.0
    head: ClassVar[str] = "sequence classification"
    monitor: ClassVar[str] = "mse"

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
        return losses.squared_error(logits, targets)

    def decode(self, outputs: np.ndarray) -> list[float]:
        return self._in_units(outputs.reshape(-1)).tolist()

    def metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        return metrics.regression(self._in_units(outputs.reshape(-1)), self._in_units(targets))

    def example_losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return ((outputs.reshape(-1) - targets) * self.scale) ** 2

    def _in_units(self, values: np.ndarray) -> np.ndarray:
        return values * self.scale + self.center

    def head_arguments(self) -> dict[str, Any]:
        return {"num_labels": 1, "problem_type": "regression"}

    def targets(self, dataset: Dataset) -> list[float]:
        """Standardised numbers (N,)."""
        return [(value - self.center) / self.scale for value in numbers(dataset, self.target)]


def regression(
    data: Dataset | DatasetDict,
    *,
    text: str | tuple[str, str] = "text",
    target: str = "label",
    max_length: int = 128,
    truncation: Truncation = "warn",
) -> Regression:
    """A regression task, centred and scaled by the data (by its part ``train``).

    Texts longer than ``max_length`` tokens are cut, with a warning unless ``truncation`` is
    "silent". Raises ValueError when a target is not a finite number or all targets are equal.

    >>> task = regression(Dataset.from_dict({"text": ["a", "b"], "label": [1.0, 5.0]}))
    >>> task.center, task.scale
    (3.0, 2.0)
    """
    values = numbers(training_part(data), target)
    scale = float(np.std(values))
    if scale == 0:
        raise ArgumentError(f"all values of column {target!r} are {values[0]}: nothing to learn")
    return Regression(
        text=text,
        target=target,
        max_length=max_length,
        truncation=truncation,
        center=float(np.mean(values)),
        scale=scale,
    )


def numbers(dataset: Dataset, column: str) -> Sequence[float]:
    """A column as floats; raise ValueError at the first value that is not a finite number."""
    require_columns(dataset, [column])
    result = []
    for row, value in enumerate(dataset[column]):
        if isinstance(value, bool | str) or value is None or not np.isfinite(value):
            raise ArgumentError(
                f"row {row} of column {column!r} holds {value!r} instead of a finite number"
            )
        result.append(float(value))
    return result
