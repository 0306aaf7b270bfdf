"""Loss functions as the course derives them: (predictions, targets) -> (sum, count).

A loss is returned as a sum and the number of terms, never as a mean. The mean over a batch that
was split into micro-batches is then the sum of the sums over the sum of the counts, however it was
split. Dividing each micro-batch by its own count and averaging the quotients is the mistake that
notebook 02 shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

IGNORED = -100
"""Target id of positions that do not count (padding, prompt tokens)."""


CHUNK = 2**17
"""Logits whose probabilities are in memory at once: 0.5 MB, which a processor's cache holds."""


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


def next_counted_token(logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
    """``next_token`` from the logits of the positions that count alone.

    targets (B, T), logits (N, V): row after row, those of each position whose next token is not
    ``IGNORED``. Chunks of positions keep memory low: none but the logits, and in the backward pass
    their gradient, are there for all N at once.

    >>> next_counted_token(torch.zeros(2, 8), torch.tensor([[1, 2, 3, -100]])).count
    2
    """
    ids = targets[:, 1:]
    ids = ids[ids != IGNORED]
    return LossSum(_ChunkedCrossEntropy.apply(logits, ids), len(ids))


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The sum over n of log Σ_v exp(z_nv) − z_n,y(n) for logits z (N, V) and ids y (N,)."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        chunks = logits.split(_chunk_rows(logits))
        # The log of the sum over the vocabulary for each position, (N,).
        norms = torch.cat([torch.logsumexp(at_least_fp32(chunk), -1) for chunk in chunks])
        ctx.save_for_backward(logits, ids, norms)
        return (norms - at_least_fp32(logits.gather(1, ids[:, None]).squeeze(1))).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: torch.Tensor) -> tuple[torch.Tensor, None]:
        logits, ids, norms = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        size = _chunk_rows(logits)
        for start in range(0, len(ids), size):
            rows = slice(start, start + size)
            # softmax(z) − onehot(y)
            difference = at_least_fp32(logits[rows]).sub(norms[rows, None]).exp_()
            difference[torch.arange(len(difference)), ids[rows]] -= 1
            gradient[rows] = difference.mul_(factor)
        return gradient, None


def _chunk_rows(logits: torch.Tensor) -> int:
    return max(1, CHUNK // logits.shape[-1])


def on_counted_logits(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function of logits and targets that also takes logits (N, V) as above.

    A training loop then computes no others.
    """
    function.on_counted_logits = True
    return function


def accepts_counted_logits(function: Callable[..., Any]) -> bool:
    """Whether a function was marked by ``on_counted_logits``.

    >>> accepts_counted_logits(next_token)
    False
    """
    return getattr(function, "on_counted_logits", False)
