"""Predict each token from the ones before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from datasets import Dataset

from ftlearn import losses
from ftlearn.data.batching import Encoded
from ftlearn.losses import LossSum
from ftlearn.tasks.base import Task, Truncation


@dataclass(frozen=True, kw_only=True)
class LanguageModelling(Task):
    """Causal language modelling: cross-entropy per token on logits (B, T, V).

    The targets of a text are its own token ids. The outputs (B, 2) are the loss of each text,
    summed over its tokens, and the number of these tokens.
    """

    head: ClassVar[str] = "causal lm"
    monitor: ClassVar[str] = "loss"
    columns: ClassVar[int] = 2

    @losses.on_counted_logits
    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
        if logits.ndim == 2:  # (N, V), of the positions that count
            return losses.next_counted_token(logits, targets)
        return losses.next_token(logits, targets)

    def count_targets(self, targets: torch.Tensor) -> int:
        return losses.count_targets(targets[:, 1:])  # nothing predicts the first token

    @losses.on_counted_logits
    def reduce_logits(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        rows = targets.split(1)
        sizes = 1 if logits.ndim == 3 else [self.count_targets(row) for row in rows]
        outputs = []
        for row_logits, row_targets in zip(logits.split(sizes), rows, strict=True):
            loss = self.loss(row_logits, row_targets)
            outputs.append([loss.total.item(), loss.count])
        return torch.tensor(outputs)

    def encode(self, dataset: Dataset, tokenizer: Any) -> Encoded:
        inputs, truncated = self._token_ids(dataset, tokenizer)
        return Encoded(inputs, inputs["input_ids"], self.window(tokenizer), truncated)

    def encode_texts(self, texts: Sequence[Any], tokenizer: Any) -> Encoded:
        encoded = super().encode_texts(texts, tokenizer)
        return replace(encoded, targets=encoded.inputs["input_ids"])

    def decode(self, outputs: np.ndarray) -> list[float]:
        """The perplexity of each text."""
        return np.exp(outputs[:, 0] / outputs[:, 1]).tolist()

    def metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        loss = outputs[:, 0].sum() / outputs[:, 1].sum()
        return {"loss": float(loss), "perplexity": float(np.exp(loss))}

    def example_losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return outputs[:, 0] / outputs[:, 1]


def language_modelling(
    *, text: str = "text", max_length: int = 128, truncation: Truncation = "warn"
) -> LanguageModelling:
    """A causal language modelling task on one text column; the text is its own target.

    Texts longer than ``max_length`` tokens are cut, with a warning unless ``truncation`` is
    "silent".

    >>> language_modelling(max_length=64).max_length
    64
    """
    return LanguageModelling(text=text, target=text, max_length=max_length, truncation=truncation)
