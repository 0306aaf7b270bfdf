"""What all tasks share: text columns, tokenising, batches."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
import torch
from datasets import Dataset

from ftlearn.compatibility.window import truncation_message
from ftlearn.data.batching import Batches, Encoded
from ftlearn.errors import ArgumentError, ArgumentTypeError, UnknownNameError
from ftlearn.losses import LossSum, count_targets
from ftlearn.runtime.arguments import whole_number

if TYPE_CHECKING:
    from ftlearn.config import TrainConfig

Truncation = Literal["warn", "silent"]
"""Whether texts that are cut are warned of."""
TRUNCATION = get_args(Truncation)


class TruncationWarning(UserWarning):
    """Some texts were longer than the window and were cut."""


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """One kind of problem. Subclasses define the targets, the loss and the predictions.

    ``text`` is a column name, or a pair of names for tasks about two texts. Texts longer than
    ``max_length`` tokens are cut at the end and counted; a TruncationWarning says so, unless
    ``truncation`` is "silent".
    """

    text: str | tuple[str, str] = "text"
    target: str = "label"
    max_length: int = 128
    truncation: Truncation = field(default="warn", repr=False)  # changes no result
    head: ClassVar[str]
    """The transformers head that this task needs: sequence classification or causal lm."""
    monitor: ClassVar[str]
    """The metric, lower is better, by which training picks its best weights."""
    columns: ClassVar[int] = 1
    """The least number of columns K of the outputs that ``metrics`` needs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_length", whole_number("max_length", self.max_length, 1))
        if self.truncation not in TRUNCATION:
            raise ArgumentError(
                f"truncation is {self.truncation!r}: use {' or '.join(map(repr, TRUNCATION))}"
            )

    @abstractmethod
    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
        """The summed loss of a batch and the number of targets in it."""

    def reduce_logits(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The outputs (B, K) that prediction keeps of a batch of logits, one row per text."""
        return logits

    @abstractmethod
    def decode(self, outputs: np.ndarray) -> list[Any]:
        """Outputs (N, K) as readable predictions, one per row."""

    def predictions(self, outputs: np.ndarray, texts: Sequence[Any]) -> list[Any]:
        """Outputs (N, K) as readable predictions on texts or pairs, which they may quote."""
        return self.decode(outputs)

    @abstractmethod
    def metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Named scores of the outputs (N, K) against the targets (N,)."""

    def resampling(
        self, outputs: np.ndarray, targets: np.ndarray
    ) -> tuple[Callable[..., dict[str, float]], tuple[np.ndarray, ...]]:
        """``metrics`` as a function of columns, and the columns (N, ...) of these outputs.

        A bootstrap draws rows of the columns: what needs no other row is computed once in them.
        """
        return self.metrics, (outputs, targets)

    def count_targets(self, targets: torch.Tensor) -> int:
        """How many targets of a batch the loss sums over, known before the model is run."""
        return count_targets(targets)

    def metric_names(self) -> tuple[str, ...]:
        """The names of the metrics, also before there are any outputs."""
        return tuple(self.metrics(np.ones((1, self.columns)), np.zeros(1, dtype=int)))

    @abstractmethod
    def example_losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The loss of each row (N,)."""

    def head_arguments(self) -> dict[str, Any]:
        """Keyword arguments for ``from_pretrained`` that shape the head."""
        return {}

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The text column, or the two columns of a task on pairs of texts."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    def targets(self, dataset: Dataset) -> Sequence[Any]:
        """The targets of all rows, in the form that the loss takes."""
        require_columns(dataset, [self.target])
        return dataset[self.target]

    def readable_targets(self, dataset: Dataset) -> list[Any]:
        """The targets of all rows as a report shows them."""
        return list(dataset[self.target][:])

    def encode(self, dataset: Dataset, tokenizer: Any) -> Encoded:
        """Tokenise all rows, without padding."""
        inputs, truncated = self._token_ids(dataset, tokenizer)
        return Encoded(inputs, list(self.targets(dataset)), self.window(tokenizer), truncated)

    def encode_texts(self, texts: Sequence[Any], tokenizer: Any) -> Encoded:
        """Tokenise texts, or pairs of texts, without targets."""
        texts = list(texts)
        values = [texts] if isinstance(self.text, str) else map(list, zip(*texts, strict=True))
        columns = dict(zip(self.text_columns, values, strict=True))
        inputs, truncated = self._token_ids(Dataset.from_dict(columns), tokenizer)
        return Encoded(inputs, [0] * len(texts), self.window(tokenizer), truncated)

    def batches(self, dataset: Dataset, tokenizer: Any, config: TrainConfig) -> Batches:
        """The training batches of a data set in the order that ``config.seed`` determines."""
        encoded = self.encode(dataset, tokenizer)
        return Batches(encoded, tokenizer, config.batch_size, config.micro_batches, config.seed)

    def window(self, tokenizer: Any) -> int:
        """Tokens that are read of each text: ``max_length``, or fewer if the model reads fewer."""
        return min(self.max_length, tokenizer.model_max_length)

    def _token_ids(
        self, dataset: Dataset, tokenizer: Any, names: Sequence[str] = ()
    ) -> tuple[dict[str, list[list[int]]], int]:
        """The tokenizer's outputs for all rows, cut to the window, and the number of rows cut."""
        names = names or self.text_columns
        require_columns(dataset, names)
        if len(dataset) == 0:
            raise ArgumentError("the data set is empty (0 rows): load one with at least one row")
        window = self.window(tokenizer)
        columns = [check_texts(dataset[name][:], name) for name in names]
        encoding = tokenizer(*columns, verbose=False)  # whole, to count what is cut
        lengths = [len(ids) for ids in encoding["input_ids"]]
        truncated = sum(length > window for length in lengths)
        if truncated:
            if self.truncation == "warn":
                allowed = tokenizer.model_max_length
                message = truncation_message(truncated, len(dataset), window, max(lengths), allowed)
                warnings.warn(message, TruncationWarning, stacklevel=4)
            encoding = tokenizer(*columns, truncation=True, max_length=window)
        return {name: list(ids) for name, ids in encoding.items()}, truncated


def require_columns(dataset: Dataset, names: Sequence[str]) -> None:
    """Raise KeyError for a missing column, naming those that exist; TypeError for another type."""
    if not hasattr(dataset, "column_names"):
        raise ArgumentTypeError(
            f"the data is a {type(dataset).__name__}: pass a datasets.Dataset, such as "
            "Dataset.from_pandas(frame)"
        )
    for name in names:
        if name not in dataset.column_names:
            existing = ", ".join(dataset.column_names)
            raise UnknownNameError(f"the data set has no column {name!r}; it has: {existing}")


def check_texts(texts: Sequence[Any], column: str) -> list[str]:
    """The texts as a list; raise ValueError at the first that is not a string or is blank."""
    texts = list(texts)
    for row, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise ArgumentError(
                f"row {row} of column {column!r} holds {text!r} instead of a text: "
                "drop the row or fill it in"
            )
    return texts
