"""One level of an ordered scale per text: stars, grades, severities."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from datasets import ClassLabel, Dataset, DatasetDict
from scipy.special import log_softmax, softmax

from ftlearn import losses, metrics
from ftlearn.compatibility.labels import listed, unknown_labels
from ftlearn.data.labels import natural_order, parse_number
from ftlearn.data.number_notation import MISSING
from ftlearn.data.part_names import training_part
from ftlearn.errors import ArgumentError
from ftlearn.losses import LossSum
from ftlearn.tasks.base import Truncation, require_columns
from ftlearn.tasks.classification import Labelled, require_labels

OBJECTIVES = {"coral": losses.coral, "cumulative-link": losses.cumulative_link}
"""The losses on logits (B, K−1) of P(y > k)."""
ObjectiveName = Literal["coral", "cumulative-link"]
Decoding = Literal["mode", "median", "mean"]
"""Which level is predicted: the best one for accuracy, for absolute, or for squared error."""
DECODINGS = get_args(Decoding)


@dataclass(frozen=True, kw_only=True)
class Ordinal(Labelled):
    """One of K levels per text, lowest first: logits (B, K−1) of P(y > k) = σ(f(x) + b_k).

    There is one f for all thresholds b_k; ``models.load`` makes the head so, and lets it begin with
    the log-odds of ``shares``, the levels' shares of the training rows. The outputs (N, K) are
    log-probabilities of levels. A median is the lowest level that P(y ≤ k) ≥ 1/2 holds for, and the
    mean of the levels' numbers is rounded to a level; distances between neighbours count as equal.
    """

    objective: ObjectiveName = "coral"
    decoding: Decoding = "median"
    shares: tuple[float, ...] = ()
    ordered: ClassVar[bool] = True
    monitor: ClassVar[str] = "loss"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise ArgumentError(f"levels are {self.labels}: name two or more, each one once")
        if self.objective not in OBJECTIVES:
            raise ArgumentError(f"loss is {self.objective!r}: use {' or '.join(OBJECTIVES)}")
        if self.decoding not in DECODINGS:
            raise ArgumentError(f"decode is {self.decoding!r}: use {', '.join(DECODINGS)}")
        if self.shares and (len(self.shares) != len(self.labels) or min(self.shares) <= 0):
            raise ArgumentError(f"shares are {self.shares}: give a number above 0 per level")

    @staticmethod
    def label_name(value: Any) -> str:
        """The level that a value of the data stands for; 4.0 is level 4.

        >>> Ordinal.label_name(4.0), Ordinal.label_name(4.5), Ordinal.label_name("good")
        ('4', '4.5', 'good')
        """
        return str(int(value) if isinstance(value, float) and value.is_integer() else value)

    # Training

    def head_arguments(self) -> dict[str, Any]:
        names = [f"at least {label}" for label in self.labels[1:]]
        return {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
            "problem_type": "multi_label_classification",
        }

    def initial_thresholds(self) -> list[float]:
        """The log-odds of P(y > k) in the training rows, (K−1,); of equal shares where unknown."""
        shares = np.array(self.shares or [1.0] * len(self.labels), dtype=float)
        return cumulative_logits(np.log(shares)[None])[0].tolist()

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
        return OBJECTIVES[self.objective](logits, targets)

    # Prediction

    def reduce_logits(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (B, K) of the levels; with a warning, thresholds that cross are sorted.

        Sorting leaves the median and the mean as they are, and brings the probabilities closer to
        any true ones (Chernozhukov et al. 2010, Econometrica 78).
        """
        ordered = logits.sort(-1, descending=True).values
        if not torch.equal(ordered, logits):
            warnings.warn(
                "thresholds of the ordinal model cross, so they are sorted before levels get their "
                "probabilities: train for longer, or with a smaller learning_rate",
                stacklevel=2,
            )
        return losses.level_log_probabilities(ordered).log_softmax(-1)

    def class_ids(self, outputs: np.ndarray) -> np.ndarray:
        """The level that is predicted for each row, (N,), by ``decoding``."""
        probabilities = softmax(outputs.astype(np.float64), axis=-1)
        if self.decoding == "mode":
            return probabilities.argmax(-1)
        if self.decoding == "median":
            return (probabilities.cumsum(-1) >= 0.5).argmax(-1)
        return np.rint(probabilities @ np.arange(outputs.shape[-1])).astype(int)

    # Scores

    def metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """The loss, and ``metrics.ordinal`` of the predicted levels."""
        loss = float(self.example_losses(outputs, targets).mean())
        return {**metrics.ordinal(self.class_ids(outputs), targets), "loss": loss}

    def example_losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        if self.objective == "cumulative-link":
            return metrics.log_losses(outputs, targets)
        logits = cumulative_logits(outputs)
        above = targets[:, None] > np.arange(logits.shape[-1])
        return np.logaddexp(0.0, np.where(above, -logits, logits)).sum(-1)


def ordinal(
    data: Dataset | DatasetDict,
    *,
    levels: Sequence[Any] | None = None,
    loss: ObjectiveName = "coral",
    decode: Decoding = "median",
    text: str | tuple[str, str] = "text",
    target: str = "label",
    max_length: int = 128,
    truncation: Truncation = "warn",
) -> Ordinal:
    """An ordinal task with the levels of the data (of its part ``train``), lowest first.

    Numbers are put in order; of names, ``levels`` says the order. Raises KeyError for a missing
    column, ValueError for a missing or unknown label, a level without a row, and names without
    an order.

    >>> rows = Dataset.from_dict({"text": ["a", "b", "c"], "label": ["fair", "good", "bad"]})
    >>> task = ordinal(rows, levels=("bad", "fair", "good"))
    >>> [round(threshold, 3) for threshold in task.initial_thresholds()]  # ±ln 2
    [0.693, -0.693]
    """
    counts = Counter(_label_names(training_part(data), target))
    labels = _in_order(counts, target) if levels is None else tuple(map(Ordinal.label_name, levels))
    return Ordinal(
        text=text,
        target=target,
        max_length=max_length,
        truncation=truncation,
        labels=labels,
        objective=loss,
        decoding=decode,
        shares=_shares(counts, labels, target),
    )


def _label_names(rows: Dataset, target: str) -> list[str]:
    """The label of each row as a string."""
    require_columns(rows, [target])
    values, feature = list(rows[target]), rows.features[target]
    if isinstance(feature, ClassLabel):
        values = [feature.names[value] if value is not None else None for value in values]
    require_labels(values, target)
    return [Ordinal.label_name(value) for value in values]


def _in_order(counts: Counter[str], target: str) -> tuple[str, ...]:
    """The labels by the numbers that they are; ArgumentError for names."""
    labels = sorted(counts, key=natural_order)
    names = [label for label in labels if parse_number(label) is None]
    if names and set(map(str.casefold, names)) <= MISSING:
        raise ArgumentError(
            f"column {target!r} holds {listed(names)} beside numbers: if a value is missing there, "
            "empty these cells, and their rows are left out; else name all levels as `levels`"
        )
    if names:
        raise ArgumentError(
            f"the labels of column {target!r} are names ({', '.join(map(repr, labels[:8]))}), "
            "whose order is not known: name all of them from the lowest to the highest as `levels`"
        )
    return tuple(labels)


def _shares(counts: Counter[str], labels: tuple[str, ...], target: str) -> tuple[float, ...]:
    """The share of each level; ArgumentError for labels that are no level, and the reverse."""
    unknown = set(counts) - set(labels)
    if unknown:
        raise ArgumentError(unknown_labels(target, unknown, labels))
    empty = [label for label in labels if not counts[label]]
    if empty:
        raise ArgumentError(
            f"no training row has the level {empty[0]!r}, so its threshold cannot be learnt: add "
            "rows, or leave it out of `levels`"
        )
    return tuple(counts[label] / counts.total() for label in labels)


def cumulative_logits(log_probabilities: np.ndarray) -> np.ndarray:
    """The log-odds of P(y > k), (N, K−1), from log-probabilities (N, K), up to a constant per row.

    >>> cumulative_logits(np.log([[0.5, 0.25, 0.25]])).round(3)  # ln 1, ln 1/3
    array([[ 0.   , -1.099]])
    """
    values = log_softmax(log_probabilities.astype(np.float64), axis=-1)
    up_to = np.logaddexp.accumulate(values, axis=-1)[:, :-1]
    above = np.logaddexp.accumulate(values[:, ::-1], axis=-1)[:, ::-1][:, 1:]
    return above - up_to
