"""How far two models agree on the same texts: the share of equal answers, and the difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from scipy.stats import beta
from torch import nn

from ftlearn.evaluation import predicting
from ftlearn.formats.names import FormatError
from ftlearn.tasks import Joint, QuestionAnswering, Task
from ftlearn.tasks.question_answering import NULL_SCORE, SCORE

CLOSE = 0.05
"""Standard deviations of the source's answers within which two numbers count as equal: an error of
that size adds (0.05)² = 0.25 % to the variance that a model leaves unexplained at most."""
CONFIDENCE = 0.95
PROBABILITY, DEVIATION = "probability", "standard deviation"

Loaded = tuple[nn.Module, Any, Task]
"""A model, its tokenizer and its task, as ``formats.load`` gives them."""


@dataclass(frozen=True)
class Parity:
    """How many of the answers to ``rows`` texts are equal, and the largest difference.

    ``difference`` is of probabilities, of a number in standard deviations of the source's answers,
    and of a task on spans of the probability that there is an answer. ``unit`` says which.

    >>> print(Parity(198, 200, 0.03, "probability"))
    198 of 200 answers equal (99.0 %, with 95 % confidence at least 96.8 %), largest difference
    0.03 (probability)
    """

    equal: int
    rows: int
    difference: float
    unit: str

    @property
    def share(self) -> float:
        """The share of equal answers."""
        return self.equal / self.rows

    @property
    def at_least(self) -> float:
        """The lower end of the share's one-sided interval (Clopper and Pearson, 1934).

        Where all of N answers are equal it is about 1 − 3/N.

        >>> round(Parity(300, 300, 0.0, "probability").at_least, 3)
        0.99
        """
        if self.equal == 0:
            return 0.0
        return float(beta.ppf(1 - CONFIDENCE, self.equal, self.rows - self.equal + 1))

    def __str__(self) -> str:
        return (
            f"{self.equal} of {self.rows} answers equal ({_percent(self.share)}, with 95 % "
            f"confidence at least {_percent(self.at_least)}), largest difference "
            f"{self.difference:.2g} ({self.unit})"
        )

    def record(self) -> dict[str, Any]:
        """For JSON: the fields, the share and its bound."""
        return {**asdict(self), "share": self.share, "at_least": self.at_least}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> Parity:
        """The inverse of ``record``; KeyError or ValueError where it is none."""
        equal, rows = int(record["equal"]), int(record["rows"])
        return cls(equal, rows, float(record["difference"]), str(record["unit"]))


def parity(source: Loaded, other: Loaded, texts: Sequence[Any]) -> Parity:
    """Compare the answers of two models to the same texts, or pairs of texts.

    Raises FormatError where there are no texts, or the models solve different tasks.
    """
    outputs = [outputs_of(loaded, texts) for loaded in (source, other)]
    if outputs[0].shape != outputs[1].shape:
        raise FormatError(
            f"the outputs of the two models, {outputs[0].shape} and {outputs[1].shape}, cannot be "
            "compared: they solve different tasks"
        )
    return compared(source[2], outputs[0], outputs[1], texts)


def outputs_of(loaded: Loaded, texts: Sequence[Any]) -> np.ndarray:
    """The outputs (N, K) of a model for texts; FormatError where there are none."""
    if not texts:
        raise FormatError("there are no texts to compare answers on: give some")
    model, tokenizer, task = loaded
    encoded = replace(task, truncation="silent").encode_texts(list(texts), tokenizer)
    return predicting.outputs(model, encoded, task, tokenizer)


def compared(task: Task, source: np.ndarray, other: np.ndarray, texts: Sequence[Any]) -> Parity:
    """The parity of two models' outputs (N, K) for the same texts."""
    if isinstance(task, Joint):
        outputs = task.outputs_of(source).values(), task.outputs_of(other).values()
        parts = zip(task.names, *outputs, strict=True)
        results = [_single(task.task(name), ours, theirs, texts) for name, ours, theirs in parts]
    else:
        results = [_single(task, source, other, texts)]
    equal = np.logical_and.reduce([rows for rows, _, _ in results])
    _, difference, unit = max(results, key=lambda result: result[1])
    return Parity(int(equal.sum()), len(equal), difference, unit)


def _single(
    task: Task, source: np.ndarray, other: np.ndarray, texts: Sequence[Any]
) -> tuple[np.ndarray, float, str]:
    """Which answers of one task are equal (N,), the largest difference, and its unit."""
    if not np.isfinite(other).all():
        return np.isfinite(other).all(axis=-1) & False, float("inf"), PROBABILITY
    answers = task.predictions(source, texts), task.predictions(other, texts)
    if getattr(task, "labels", ()):
        difference = np.abs(softmax(source, -1) - softmax(other, -1)).max()
    elif isinstance(task, QuestionAnswering):
        margins = [outputs[:, SCORE] - outputs[:, NULL_SCORE] for outputs in (source, other)]
        difference = np.abs(expit(margins[0]) - expit(margins[1])).max()
    else:
        numbers = [np.asarray(values, dtype=np.float64) for values in answers]
        spread = float(numbers[0].std()) or float(np.abs(numbers[0]).mean()) or 1.0
        distances = np.abs(numbers[0] - numbers[1]) / spread
        return distances <= CLOSE, float(distances.max()), DEVIATION
    equal = np.array([ours == theirs for ours, theirs in zip(*answers, strict=True)])
    return equal, float(difference), PROBABILITY


def _percent(share: float) -> str:
    """A share in per cent, rounded down: 100 % is said of all alone.

    >>> _percent(0.9999)
    '99.9 %'
    """
    return f"{math.floor(1000 * share) / 10:.1f} %"
