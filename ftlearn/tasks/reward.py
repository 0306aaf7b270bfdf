"""Score answers so that those that were chosen win: a reward model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from datasets import Dataset

from ftlearn.data.batching import Encoded
from ftlearn.data.comparisons import conversation
from ftlearn.losses import LossSum
from ftlearn.preferences import bradley_terry
from ftlearn.tasks.base import Task
from ftlearn.tasks.sequences import comparisons, side_by_side


@dataclass(frozen=True, kw_only=True)
class RewardModelling(Task):
    """One score r per prompt and answer: −log σ(r_w − r_l) on outputs (2B, 1), Bradley–Terry.

    An encoder reads the messages of the prompt, one per line, and the answer as a pair of texts.
    The outputs (N, 2) are the scores of the chosen and of the rejected answer. Only differences
    between answers to one prompt have a meaning.
    """

    text: tuple[str, str] = ("prompt", "chosen")
    target: str = "rejected"
    max_length: int = 256
    head: ClassVar[str] = "sequence classification"
    monitor: ClassVar[str] = "loss"
    columns: ClassVar[int] = 2
    center: ClassVar[float] = 0.0
    scale: ClassVar[float] = 1.0

    def head_arguments(self) -> dict[str, Any]:
        return {"num_labels": 1, "problem_type": "regression"}

    def encode(self, dataset: Dataset, tokenizer: Any) -> Encoded:
        """Both answers of all rows, side by side."""
        pairs = comparisons(dataset, (*self.text, self.target))
        both = [
            self.encode_texts([(pair.prompt, answer(pair)) for pair in pairs], tokenizer)
            for answer in (lambda pair: pair.chosen, lambda pair: pair.rejected)
        ]
        return side_by_side(*both)

    def encode_texts(self, texts: Sequence[Any], tokenizer: Any) -> Encoded:
        """Pairs (prompt, answer), each a text or messages."""
        return super().encode_texts([_as_texts(*pair) for pair in texts], tokenizer)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
        return bradley_terry(*logits.squeeze(-1).chunk(2))

    def join_sequences(self, outputs: np.ndarray, encoded: Encoded) -> np.ndarray:
        """From both answers of each row, (2, N, 1), to one output per row, (N, 2)."""
        return np.concatenate(list(outputs), axis=1)

    def decode(self, outputs: np.ndarray) -> list[float]:
        """By how much the chosen answer of each row is ahead; of one answer, its score."""
        rejected = outputs[:, 1] if outputs.shape[1] == 2 else 0.0
        return (outputs[:, 0] - rejected).tolist()

    def readable_targets(self, dataset: Dataset) -> list[str]:
        """The rejected answers."""
        return [pair.rejected for pair in comparisons(dataset, (*self.text, self.target))]

    def metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Means over rows: the loss, the share of pairs in the right order, and the margin."""
        margins = outputs[:, 0] - outputs[:, 1]
        return {
            "loss": float(self.example_losses(outputs, targets).mean()),
            "accuracy": pair_accuracy(margins),
            "margin": float(margins.mean()),
        }

    def example_losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.logaddexp(0.0, outputs[:, 1] - outputs[:, 0])


def pair_accuracy(margins: np.ndarray) -> float:
    """The share of pairs in the right order; one that is tied counts half.

    >>> pair_accuracy(np.array([1.0, 0.0, -1.0, 2.0]))
    0.625
    """
    return float(((margins > 0) + 0.5 * (margins == 0)).mean())


def _as_texts(prompt: Any, answer: Any) -> tuple[str, str]:
    """What comes before an answer as one text, one line per message, and the answer."""
    *before, last = conversation(prompt, answer)
    return "\n".join(message["content"] for message in before), last["content"]
