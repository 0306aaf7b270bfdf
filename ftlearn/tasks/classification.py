"""One label out of C per text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from datasets import ClassLabel, Dataset, DatasetDict

from ftlearn import losses, metrics
from ftlearn.compatibility.labels import unknown_labels
from ftlearn.data.labels import natural_order
from ftlearn.data.part_names import training_part
from ftlearn.errors import ArgumentError
from ftlearn.losses import LossSum
from ftlearn.tasks.base import Task, Truncation, require_columns


@dataclass(frozen=True, kw_only=True)
class Labelled(Task):
    """One of C labels per text, with outputs (N, C) whose softmax is their probabilities."""

    labels: tuple[str, ...]
    head: ClassVar[str] = "sequence classification"

    def class_ids(self, outputs: np.ndarray) -> np.ndarray:
        """The number of the label that is predicted for each row, (N,)."""
        return outputs.argmax(-1)

    def decode(self, outputs: np.ndarray) -> list[str]:
        return [self.labels[class_id] for class_id in self.class_ids(outputs)]

    @staticmethod
    def label_name(value: Any) -> str:
        """The label that a value of the data stands for."""
        return str(value)

    def targets(self, dataset: Dataset) -> list[int]:
        """Class ids (N,); raises ValueError for ids or names that the task does not know."""
        require_columns(dataset, [self.target])
        feature = dataset.features[self.target]
        values = list(dataset[self.target][:])  # row by row takes 100 times as long
        if isinstance(feature, ClassLabel):
            self._check_ids(values, len(feature.names))
            values = [feature.names[value] for value in values]
        require_labels(values, self.target)
        class_ids = {label: class_id for class_id, label in enumerate(self.labels)}
        names = [self.label_name(value) for value in values]
        unknown = set(names) - set(class_ids)
        if unknown:
            raise ArgumentError(unknown_labels(self.target, unknown, self.labels))
        return [class_ids[name] for name in names]

    def _check_ids(self, values: list[int | None], count: int) -> None:
        for row, value in enumerate(values):
            if value is None or not 0 <= value < count:
                raise ArgumentError(
                    f"row {row} of column {self.target!r} holds the class id {value!r}, "
                    f"which is not in 0..{count - 1}: drop or relabel the row"
                )


@dataclass(frozen=True, kw_only=True)
class Classification(Labelled):
    """One of C classes per text: cross-entropy on logits (B, C)."""

    label_smoothing: float = 0.0
    monitor: ClassVar[str] = "log_loss"

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
        return losses.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)

    def metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        return metrics.classification(outputs, targets)

    def resampling(
        self, outputs: np.ndarray, targets: np.ndarray
    ) -> tuple[Callable[..., dict[str, float]], tuple[np.ndarray, ...]]:
        if type(self).metrics is not Classification.metrics:  # a subclass has its own
            return super().resampling(outputs, targets)
        return metrics.classification_of_rows, metrics.classified_rows(outputs, targets)

    def example_losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return metrics.log_losses(outputs, targets)

    def head_arguments(self) -> dict[str, Any]:
        return {
            "num_labels": len(self.labels),
            "id2label": dict(enumerate(self.labels)),
            "label2id": {label: class_id for class_id, label in enumerate(self.labels)},
            "problem_type": "single_label_classification",
        }


def classification(
    data: Dataset | DatasetDict,
    *,
    text: str | tuple[str, str] = "text",
    target: str = "label",
    max_length: int = 128,
    truncation: Truncation = "warn",
    label_smoothing: float = 0.0,
) -> Classification:
    """A classification task with the labels of the data (of its part ``train``).

    Labels that are no ``ClassLabel`` are put in natural order (2 before 10); ``truncation`` as in
    ``Task``. Raises KeyError for a missing column, ValueError for a missing label or one class.

    >>> articles = Dataset.from_dict({"text": ["a", "b"], "label": ["cold", "warm"]})
    >>> classification(articles).labels
    ('cold', 'warm')
    """
    rows = training_part(data)
    require_columns(rows, [target])
    values = rows[target][:]
    require_labels(values, target)
    feature, present = rows.features[target], set(values)
    if isinstance(feature, ClassLabel):
        labels = tuple(feature.names)
    else:
        labels = tuple(sorted(map(str, present), key=natural_order))
    if len(present) < 2:
        raise ArgumentError(
            f"column {target!r} holds one class only ({', '.join(map(repr, present))}): "
            "a classifier needs examples of at least two"
        )
    return Classification(
        text=text,
        target=target,
        max_length=max_length,
        truncation=truncation,
        labels=labels,
        label_smoothing=label_smoothing,
    )


def require_labels(values: Sequence[Any], column: str) -> None:
    """Raise ValueError at the first row whose label is missing: None, NaN or blank."""
    for row, value in enumerate(values):
        if value is None or value != value or not str(value).strip():
            raise ArgumentError(
                f"row {row} of column {column!r} holds {value!r} instead of a label: "
                "drop the row or fill it in"
            )
