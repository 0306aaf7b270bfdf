"""Learn from pairs of answers to a prompt, of which one was chosen and the other rejected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from datasets import Dataset, DatasetDict

from ftlearn import losses
from ftlearn.data.batching import Batches, Encoded, RowTargets, target_ids
from ftlearn.data.comparisons import conversation
from ftlearn.data.part_names import training_part
from ftlearn.errors import ArgumentError
from ftlearn.losses import LossSum
from ftlearn.preferences import dpo, ipo, kto, orpo, sequence_log_probabilities, simpo
from ftlearn.runtime.arguments import number
from ftlearn.tasks.answers import AnsweredRow
from ftlearn.tasks.chat import Chat
from ftlearn.tasks.reward import RewardModelling, pair_accuracy
from ftlearn.tasks.sequences import comparisons, side_by_side

if TYPE_CHECKING:
    from ftlearn.config import TrainConfig

REFERENCE_COLUMNS = ("reference_chosen", "reference_rejected")
"""The columns with the reference's log-probabilities of the two answers."""
CHOSEN, CHOSEN_TOKENS, REJECTED, REJECTED_TOKENS, REFERENCE_CHOSEN, REFERENCE_REJECTED = range(6)
"""The columns of the outputs, see ``Preference``."""


class Objective(NamedTuple):
    """A loss on pairs, its usual β, and whether it compares with a reference."""

    loss: Callable[..., LossSum]
    beta: float
    with_reference: bool


OBJECTIVES = {
    "dpo": Objective(dpo, 0.1, with_reference=True),
    "ipo": Objective(ipo, 0.1, with_reference=True),
    "kto": Objective(kto, 0.1, with_reference=True),
    "orpo": Objective(orpo, 0.1, with_reference=False),
    "simpo": Objective(simpo, 2.0, with_reference=False),
}
"""The losses of ``ftlearn.preferences`` on log-probabilities."""
ObjectiveName = Literal["dpo", "ipo", "kto", "orpo", "simpo"]


@dataclass(frozen=True, kw_only=True)
class Preference(Chat):
    """Pairs of answers to a prompt, read as conversations; a causal language model learns.

    Of both, the last answer and its end token count. The outputs (N, 6) are the log-probability of
    the chosen answer, the number of its tokens, the same of the rejected one, and the reference's
    log-probability of each, (N, 4) without a reference. The margin is Δ_w − Δ_l in nats, by which
    the model prefers the chosen answer more than its reference does; without a reference it is
    ℓ_w − ℓ_l, in nats per token.
    """

    text: tuple[str, str] = ("prompt", "chosen")
    target: str = "rejected"
    count: Literal["last answer"] = "last answer"
    objective: ObjectiveName = "dpo"
    beta: float = 0.1
    gamma: float = 1.0
    reference: str | None = None
    monitor: ClassVar[str] = "loss"
    columns: ClassVar[int] = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective not in OBJECTIVES:
            known = ", ".join(map(repr, OBJECTIVES))
            raise ArgumentError(f"loss is {self.objective!r}: use one of {known}")
        for name in ("beta", "gamma"):
            object.__setattr__(self, name, number(name, getattr(self, name), 0.0))
        if self.beta == 0:
            raise ArgumentError("beta is 0: choose a number above 0")

    @property
    def with_reference(self) -> bool:
        """Whether the loss compares the model with the one that it started from."""
        return OBJECTIVES[self.objective].with_reference

    # Training

    def answered_rows(self, rows: Sequence[Any], tokenizer: Any) -> list[AnsweredRow]:
        return super().answered_rows([conversation(*row) for row in rows], tokenizer)

    def encode(self, dataset: Dataset, tokenizer: Any) -> Encoded:
        """Both answers of all rows, side by side; ArgumentError where the reference is missing."""
        numbers = self._reference_numbers(dataset) if self.with_reference else None
        return replace(self.encode_pairs(dataset, tokenizer), numbers=numbers)

    def encode_pairs(self, dataset: Dataset, tokenizer: Any) -> Encoded:
        """Both answers of all rows without the reference, which is computed of them."""
        pairs = comparisons(dataset, (*self.text, self.target))
        chosen = self._encoded([(pair.prompt, pair.chosen) for pair in pairs], tokenizer)
        rejected = self._encoded([(pair.prompt, pair.rejected) for pair in pairs], tokenizer)
        for row, both in enumerate(zip(chosen.targets, rejected.targets, strict=True)):
            if both[0] == both[1]:
                raise ArgumentError(
                    f"row {row}: its two answers are the same in the first {chosen.max_length} "
                    "tokens. Set a larger max_length, shorten the prompt, or drop the row"
                )
        return side_by_side(chosen, rejected)

    def _reference_numbers(self, dataset: Dataset) -> list[tuple[float, float]]:
        missing = [name for name in REFERENCE_COLUMNS if name not in dataset.column_names]
        if missing:
            raise ArgumentError(
                f"{self.objective} compares with a reference, and the data has no column "
                f"{missing[0]!r}: call evaluation.reference_log_probabilities(model, data, task, "
                "tokenizer) before training, and go on with the data that it returns"
            )
        columns = [dataset[name] for name in REFERENCE_COLUMNS]
        return list(zip(*columns, strict=True))

    def batches(self, dataset: Dataset, tokenizer: Any, config: TrainConfig) -> Batches:
        """The training batches; those of KTO stay whole, since z₀ is estimated from all rows."""
        return replace(super().batches(dataset, tokenizer, config), whole=self.objective == "kto")

    def count_targets(self, targets: torch.Tensor | RowTargets) -> int:
        return len(target_ids(targets)) // 2

    @losses.on_counted_logits
    def loss(self, logits: torch.Tensor, targets: torch.Tensor | RowTargets) -> LossSum:
        halves = self.reduce_logits(logits, target_ids(targets)).chunk(2)
        outputs = [half.T for half in halves]
        if isinstance(targets, RowTargets):
            outputs.append(targets.numbers.T)
        return self._pair_loss(torch.cat(outputs).T)

    def _pair_loss(self, outputs: torch.Tensor) -> LossSum:
        """The loss of pairs with outputs (B, 6), or (B, 4) without a reference."""
        columns = outputs.unbind(1)
        loss = OBJECTIVES[self.objective].loss
        if self.with_reference:
            answers = (CHOSEN, REJECTED, REFERENCE_CHOSEN, REFERENCE_REJECTED)
            return loss(*(columns[column] for column in answers), beta=self.beta)
        chosen = columns[CHOSEN] / columns[CHOSEN_TOKENS]
        rejected = columns[REJECTED] / columns[REJECTED_TOKENS]
        more = {"gamma": self.gamma} if self.objective == "simpo" else {}
        return loss(chosen, rejected, beta=self.beta, **more)

    # Prediction

    @losses.on_counted_logits
    def reduce_logits(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The log-probability of each answer and the number of its tokens, (B, 2)."""
        return torch.stack(sequence_log_probabilities(logits, targets), dim=1)

    def join_sequences(self, outputs: np.ndarray, encoded: Encoded) -> np.ndarray:
        """From both answers of each row, (2, N, 2), to one output per row."""
        numbers = [] if encoded.numbers is None else [np.asarray(encoded.numbers)]
        return np.concatenate([*outputs, *numbers], axis=1)

    def decode(self, outputs: np.ndarray) -> list[float]:
        """The margin of each row; of pairs (prompt, answer), the answer's log-probability."""
        if outputs.shape[1] == 2:
            return outputs[:, CHOSEN].tolist()
        return self.margins(outputs).tolist()

    def margins(self, outputs: np.ndarray) -> np.ndarray:
        """By how much the chosen answer of each row is ahead, (N,), in nats."""
        chosen, rejected = outputs[:, CHOSEN], outputs[:, REJECTED]
        if not self.with_reference:
            return chosen / outputs[:, CHOSEN_TOKENS] - rejected / outputs[:, REJECTED_TOKENS]
        return chosen - outputs[:, REFERENCE_CHOSEN] - rejected + outputs[:, REFERENCE_REJECTED]

    def readable_targets(self, dataset: Dataset) -> list[str]:
        """The rejected answers."""
        return [pair.rejected for pair in comparisons(dataset, (*self.text, self.target))]

    # Scores

    def metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Means over rows; watch the log-probability of the chosen answers, which may fall, too."""
        margins = self.margins(outputs)
        return {
            "loss": float(self._pair_loss(torch.as_tensor(outputs)).mean),
            "accuracy": pair_accuracy(margins),
            "margin": float(margins.mean()),
            "chosen_log_probability": float(outputs[:, CHOSEN].mean()),
            "rejected_log_probability": float(outputs[:, REJECTED].mean()),
        }

    def example_losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The loss of each row alone, (N,)."""
        rows = torch.as_tensor(outputs).split(1)
        return np.array([self._pair_loss(row).total.item() for row in rows])


def preference(
    data: Dataset | DatasetDict | None = None,
    *,
    prompt: str = "prompt",
    chosen: str = "chosen",
    rejected: str = "rejected",
    loss: ObjectiveName | Literal["bradley-terry"] = "dpo",
    beta: float | None = None,
    max_length: int | None = None,
    **settings: Any,
) -> Preference | RewardModelling:
    """A task on three columns: a prompt, and two answers to it.

    All are texts, or lists of messages as trl has them; rows (of the part ``train``) are checked if
    they are given. ``loss`` is dpo, ipo, kto, orpo or simpo (``ftlearn.preferences``), with its
    usual ``beta`` unless given, for a causal language model; the first three compare with a
    reference (``evaluation.reference_log_probabilities``). With "bradley-terry" an encoder learns
    to score answers. ``settings`` are ``truncation``, and for language models ``gamma`` (of simpo),
    ``template`` and ``system`` as in ``chat``. Raises ArgumentError, and DataError for no pair.

    >>> preference(loss="simpo").beta
    2.0
    """
    if data is not None:
        comparisons(training_part(data), (prompt, chosen, rejected))
    columns = {"text": (prompt, chosen), "target": rejected}
    if loss == "bradley-terry":
        if beta is not None:
            raise ArgumentError(f"beta is {beta}, and bradley-terry has none: leave it out")
        length = 256 if max_length is None else max_length
        return RewardModelling(**columns, max_length=length, **settings)
    usual = OBJECTIVES[loss].beta if loss in OBJECTIVES else 1.0
    return Preference(
        **columns,
        objective=loss,
        beta=usual if beta is None else beta,
        max_length=512 if max_length is None else max_length,
        **settings,
    )
