"""Loss functions as the course derives them: (predictions, targets) -> (sum, count).

A loss is returned as a sum and the number of terms, never as a mean. The mean over a batch that
was split into micro-batches is then the sum of the sums over the sum of the counts, however it was
split. Dividing each micro-batch by its own count and averaging the quotients is the mistake that
notebook 02 shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

IGNORED = -100
"""Target id of positions that do not count (padding, prompt tokens)."""


CHUNK = 2**17
"""Logits whose probabilities are in memory at once: 0.5 MB, which a processor's cache holds."""


GAP = 1e-4
"""The least distance of two thresholds of an ordinal model for which a loss is exact."""


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


def coral(logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
    """Sum over examples of the K − 1 binary cross-entropies of "is y above level k?".

    logits (B, K−1) of P(y > k), targets (B,) as numbers of levels from 0. It is defined for any
    thresholds; at its minimum those with one weight vector are in order (Cao et al. 2020, arXiv
    1901.07884).

    >>> coral(torch.zeros(1, 4), torch.tensor([2])).total  # 4 ln 2
    tensor(2.7726)
    """
    thresholds = torch.arange(logits.shape[-1], device=logits.device)
    above = (targets[:, None] > thresholds).to(torch.promote_types(logits.dtype, torch.float32))
    total = F.binary_cross_entropy_with_logits(at_least_fp32(logits), above, reduction="sum")
    return LossSum(total, len(targets))


def cumulative_link(logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
    """Sum over examples of −log(P(y > k−1) − P(y > k)) of their level k (McCullagh 1980).

    logits (B, K−1) of P(y > k), targets (B,) as numbers of levels from 0; see
    ``level_log_probabilities``, also for thresholds that cross.

    >>> cumulative_link(torch.tensor([[1.0, -1.0]]), torch.tensor([1])).total  # -ln .462
    tensor(0.7719)
    """
    log_probabilities = level_log_probabilities(logits)
    return LossSum(-log_probabilities.gather(1, targets[:, None]).sum(), len(targets))


def level_log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """log(σ(a) − σ(b)) of each level, (B, K), from logits (B, K−1) of P(y > k).

    a and b are the logits at its lower and its upper end, ∞ and −∞ at the ends of the scale. As a
    product, σ(a) σ(−b) (1 − e^−(a−b)), no digits cancel. Where thresholds are closer than ``GAP``
    or cross, a − b < 0, the difference has no logarithm: log(1 − e^−g) then continues along its
    tangent at ``GAP``, so that the loss stays finite and its gradient drives the two apart.

    >>> level_log_probabilities(torch.tensor([[1.0, -1.0]])).exp()
    tensor([[0.2689, 0.4621, 0.2689]])
    """
    logits = at_least_fp32(logits)
    end = torch.full_like(logits[:, :1], float("inf"))
    lower, upper = torch.cat((end, logits), 1), torch.cat((logits, -end), 1)
    gap = lower - upper
    exact = torch.log(-torch.expm1(-gap.clamp(min=GAP)))
    tangent = math.log(-math.expm1(-GAP)) + (gap - GAP) / math.expm1(GAP)
    log_difference = torch.where(gap > GAP, exact, tangent)
    return F.logsigmoid(lower) + F.logsigmoid(-upper) + log_difference


def in_batch_softmax(
    scores: torch.Tensor, items: torch.Tensor, log_frequencies: torch.Tensor | None = None
) -> LossSum:
    """Cross-entropy of each row's own item among all items of the batch, on s − log Q.

    scores (B, B) of row i with the item of row j, items (B,) as ids, log_frequencies (B,) of the
    items in the training rows. Frequent items are negatives more often, for which −log Q makes up
    (Yi et al. 2019, RecSys, eq. 3). Copies of a row's own item do not count as others.

    >>> in_batch_softmax(torch.zeros(3, 3), torch.tensor([0, 1, 1])).total  # ln 3 + 2 ln 2
    tensor(2.4849)
    """
    scores = at_least_fp32(scores)
    if log_frequencies is not None:
        scores = scores - log_frequencies
    copies = (items[:, None] == items) & ~torch.eye(len(items), dtype=bool, device=items.device)
    return cross_entropy(
        scores.masked_fill(copies, float("-inf")), torch.arange(len(items), device=items.device)
    )


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
    losses = counted_token_losses(logits, targets)
    return LossSum(losses.sum(), len(losses))


def counted_token_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """−log p of each next token that counts, (N,), with logits (N, V) and targets (B, T) as above.

    >>> counted_token_losses(torch.zeros(2, 8), torch.tensor([[1, 2, 3, -100]]))  # ln 8
    tensor([2.0794, 2.0794])
    """
    ids = targets[:, 1:]
    return _ChunkedCrossEntropy.apply(logits, ids[ids != IGNORED])


class _ChunkedCrossEntropy(torch.autograd.Function):
    """log Σ_v exp(z_nv) − z_n,y(n) for each n, with logits z (N, V) and ids y (N,)."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        chunks = logits.split(_chunk_rows(logits))
        # The log of the sum over the vocabulary for each position, (N,).
        norms = torch.cat([torch.logsumexp(at_least_fp32(chunk), -1) for chunk in chunks])
        ctx.save_for_backward(logits, ids, norms)
        return norms - at_least_fp32(logits.gather(1, ids[:, None]).squeeze(1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factors: torch.Tensor) -> tuple[torch.Tensor, None]:
        logits, ids, norms = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        size = _chunk_rows(logits)
        for start in range(0, len(ids), size):
            rows = slice(start, start + size)
            # softmax(z) − onehot(y)
            difference = at_least_fp32(logits[rows]).sub(norms[rows, None]).exp_()
            difference[torch.arange(len(difference)), ids[rows]] -= 1
            gradient[rows] = difference.mul_(factors[rows, None])
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
