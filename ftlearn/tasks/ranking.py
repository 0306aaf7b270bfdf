"""Two towers: which item belongs to a text, among all items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from scipy.special import logsumexp

from ftlearn.data.batching import Batches, Encoded, RowTargets, target_ids
from ftlearn.data.part_names import training_part
from ftlearn.errors import ArgumentError
from ftlearn.losses import LossSum, count_targets, in_batch_softmax
from ftlearn.runtime.arguments import number
from ftlearn.tasks.base import Task, Truncation, check_texts, require_columns
from ftlearn.tasks.sequences import side_by_side

if TYPE_CHECKING:
    from ftlearn.config import TrainConfig

LOSS, RANK, SCORE = range(3)
"""The columns of the outputs, see ``Ranking``."""
CUTS = (1, 5, 10)
"""The k of recall@k."""
ROWS = 1024
"""Rows whose scores with all items are in memory at once."""


@dataclass(frozen=True, kw_only=True)
class Ranking(Task):
    """Pairs of a text and its item: one encoder gives both a vector of length 1, u and v.

    Training is a softmax over the items of a batch on s = u·v / ``temperature``, with
    ``correction`` on s − log Q, where Q is an item's share of the training rows; see
    ``losses.in_batch_softmax``. The negatives of a row are the other rows of its batch, so a batch
    is never cut, and its rows are drawn whatever their lengths.

    The outputs (N, 3) of a row are −log of the softmax of s over all distinct items of the rows,
    the rank of its own item among them, from 1 and behind all that score the same, and u·v.
    """

    text: tuple[str, str] = ("query", "item")
    target: str = "item"
    temperature: float = 0.05
    correction: bool = True
    head: ClassVar[str] = "embedding"
    monitor: ClassVar[str] = "loss"
    columns: ClassVar[int] = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "temperature", number("temperature", self.temperature, 0.0))
        if self.temperature == 0:
            raise ArgumentError("temperature is 0: choose a number above 0, such as 0.05")
        if isinstance(self.text, str) or len(self.text) != 2:
            raise ArgumentError(f"text is {self.text!r}: name two columns, a text and its item")

    # Training

    def encode(self, dataset: Dataset, tokenizer: Any) -> Encoded:
        """The texts and items of all rows, side by side; the targets number the distinct items."""
        require_columns(dataset, self.text)
        return self._encoded([dataset[name][:] for name in self.text], tokenizer)

    def encode_texts(self, texts: Sequence[Any], tokenizer: Any) -> Encoded:
        """Pairs of a text and an item, side by side."""
        return self._encoded(list(zip(*texts, strict=True)), tokenizer)

    def _encoded(self, columns: Sequence[Sequence[str]], tokenizer: Any) -> Encoded:
        named = zip(columns, self.text, strict=True)
        towers = [self.encode_alone(column, tokenizer, name) for column, name in named]
        numbers = {item: number for number, item in enumerate(dict.fromkeys(columns[1]))}
        return replace(side_by_side(*towers), targets=[numbers[item] for item in columns[1]])

    def encode_alone(self, texts: Sequence[str], tokenizer: Any, name: str = "text") -> Encoded:
        """Single texts, of either tower."""
        rows = Dataset.from_dict({name: list(texts)})
        inputs, truncated = self._token_ids(rows, tokenizer, [name])
        return Encoded(inputs, [0] * len(rows), self.window(tokenizer), truncated)

    def batches(self, dataset: Dataset, tokenizer: Any, config: TrainConfig) -> Batches:
        """The training batches, which stay whole; with the correction they hold log Q."""
        encoded = self.encode(dataset, tokenizer)
        if self.correction:
            counts = Counter(encoded.targets)
            shares = np.array([counts[item] for item in encoded.targets]) / len(encoded)
            encoded = replace(encoded, numbers=np.log(shares)[:, None].tolist())
        return Batches(
            encoded, tokenizer, config.batch_size, config.micro_batches, config.seed, whole=True
        )

    def count_targets(self, targets: torch.Tensor | RowTargets) -> int:
        return count_targets(target_ids(targets))

    def loss(self, logits: torch.Tensor, targets: torch.Tensor | RowTargets) -> LossSum:
        with torch.autocast(logits.device.type, enabled=False):  # scores need their digits
            texts, others = logits.float().chunk(2)
            scores = texts @ others.T / self.temperature
        log_frequencies = targets.numbers[:, 0] if isinstance(targets, RowTargets) else None
        return in_batch_softmax(scores, target_ids(targets), log_frequencies)

    # Prediction

    def join_sequences(self, outputs: np.ndarray, encoded: Encoded) -> np.ndarray:
        """From the vectors of both towers, (2, N, D), to one output per row, (N, 3)."""
        texts, items = outputs
        _, first, own = np.unique(encoded.targets, return_index=True, return_inverse=True)
        rows = []
        for start in range(0, len(texts), ROWS):
            part = slice(start, start + ROWS)
            cosines = texts[part].astype(np.float64) @ items[first].T
            rows.append(ranked(cosines / self.temperature, own[part]))
        joined = np.concatenate(rows)
        joined[:, SCORE] *= self.temperature
        return joined

    def decode(self, outputs: np.ndarray) -> list[float]:
        """The cosine u·v of each row's text and item."""
        return outputs[:, SCORE].tolist()

    def readable_targets(self, dataset: Dataset) -> list[str]:
        """The item of each row."""
        require_columns(dataset, self.text)
        return check_texts(dataset[self.text[1]][:], self.text[1])

    # Scores

    def metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Means over rows: the loss, the reciprocal rank, and the share of ranks up to k."""
        ranks = outputs[:, RANK]
        scores = {"loss": float(outputs[:, LOSS].mean()), "mrr": float((1 / ranks).mean())}
        return scores | {f"recall@{k}": float((ranks <= k).mean()) for k in CUTS}

    def example_losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return outputs[:, LOSS]


def ranking(
    data: Dataset | DatasetDict | None = None,
    *,
    text: tuple[str, str] = ("query", "item"),
    temperature: float = 0.05,
    correction: bool = True,
    max_length: int = 128,
    truncation: Truncation = "warn",
) -> Ranking:
    """A task on two columns of texts, each row a text and the item that belongs to it.

    The rows (of the part ``train``) are checked if they are given. ``evaluation.embed_texts`` gives
    the vector of a text or an item. Raises KeyError for a missing column, ValueError for a blank
    text, and where all rows have one item.

    >>> ranking(text=("reader", "ad")).target
    'ad'
    """
    task = Ranking(
        text=text,
        target=text[1],
        temperature=temperature,
        correction=correction,
        max_length=max_length,
        truncation=truncation,
    )
    if data is not None and len(set(task.readable_targets(training_part(data)))) < 2:
        raise ArgumentError(f"column {text[1]!r} holds one item only: there is nothing to rank")
    return task


def ranked(scores: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The outputs of rows, (N, 3), by their scores with M items (N, M) and the index of their own.

    >>> ranked(np.array([[0.0, 0.0, -9.0]]), np.array([0])).round(3)  # tied: behind the other
    array([[0.693, 2.   , 0.   ]])
    """
    score = scores[np.arange(len(own)), own]
    ranks = (scores >= score[:, None]).sum(1)
    return np.stack([logsumexp(scores, axis=1) - score, ranks, score], axis=1)
