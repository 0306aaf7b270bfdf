"""Loss functions as the course derives them: (predictions, targets) -> (sum, count).

A loss is returned as a sum and the number of terms, never as a mean. The mean over a batch that
was split into micro-batches is then the sum of the sums over the sum of the counts, however it was
split. Dividing each micro-batch by its own count and averaging the quotients is the mistake that
notebook 02 shows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F

IGNORED = -100
"""Target id of positions that do not count (padding, prompt tokens)."""


class LossSum(NamedTuple):
    """A summed loss in nats (or squared units) and the number of targets it sums over."""

    total: torch.Tensor
    count: int

    @property
    def mean(self) -> torch.Tensor:
        """The loss per target; NaN when nothing was counted."""
        return self.total / self.count if self.count else self.total * float("nan")


def count_targets(targets: torch.Tensor) -> int:
    """How many targets a loss sums over: all numbers, and all ids but ``IGNORED``.

    >>> count_targets(torch.tensor([2, -100, 0])), count_targets(torch.tensor([0.5, -100.0]))
    (2, 2)
    """
    return targets.numel() if targets.is_floating_point() else int((targets != IGNORED).sum())


def at_least_fp32(values: torch.Tensor) -> torch.Tensor:
    """Half-precision and integer tensors as fp32, before they are summed; fp64 stays fp64.

    >>> at_least_fp32(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, *, label_smoothing: float = 0.0
) -> LossSum:
    """Sum of −log p(y | x) over the targets that are not ``IGNORED``.

    logits (..., C), targets (...) as class ids. With label smoothing ε the target
    distribution is (1 − ε)·onehot(y) + ε/C (Szegedy et al. 2016, arXiv 1512.00567).

    >>> logits = torch.zeros(2, 3)
    >>> cross_entropy(logits, torch.tensor([0, 2])).mean  # ln 3
    tensor(1.0986)
    """
    flat, ids = at_least_fp32(logits.reshape(-1, logits.shape[-1])), targets.reshape(-1)
    total = F.cross_entropy(
        flat, ids, reduction="sum", ignore_index=IGNORED, label_smoothing=label_smoothing
    )
    return LossSum(total, int((ids != IGNORED).sum()))


def squared_error(predictions: torch.Tensor, targets: torch.Tensor) -> LossSum:
    """Sum of (y − ŷ)², the negative log-likelihood of Gaussian noise up to constants.

    predictions (B, 1) or (B,), targets (B,).

    >>> squared_error(torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 5.0]))
    LossSum(total=tensor(4.), count=2)
    """
    difference = at_least_fp32(predictions.reshape(-1)) - at_least_fp32(targets.reshape(-1))
    return LossSum(difference.square().sum(), difference.numel())


def brier(logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
    """Sum over examples of ‖p − onehot(y)‖², squared error on the softmax output.

    logits (B, C), targets (B,). Bounded by 2 per example (Brier 1950).

    >>> brier(torch.tensor([[100.0, 0.0]]), torch.tensor([1])).total
    tensor(2.)
    """
    probabilities = at_least_fp32(logits).softmax(-1)
    truth = F.one_hot(targets, logits.shape[-1])
    return LossSum((probabilities - truth).square().sum(), len(targets))


def next_token(logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
    """Cross-entropy of every token given the ones before it, per token.

    logits (B, T, V), targets (B, T): position t predicts the token at t + 1. The shift is made
    here, so targets are simply the input ids, with ``IGNORED`` for padding.

    >>> next_token(torch.zeros(1, 4, 8), torch.tensor([[1, 2, 3, -100]])).count
    2
    """
    return cross_entropy(logits[:, :-1], targets[:, 1:])
