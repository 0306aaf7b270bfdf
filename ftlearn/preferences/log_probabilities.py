"""How probable a language model finds each text of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ftlearn.losses import IGNORED, counted_token_losses


class LogProbabilities(NamedTuple):
    """The log-probability of each sequence in nats, (B,), and how many tokens it sums, (B,)."""

    sums: torch.Tensor
    counts: torch.Tensor

    @property
    def means(self) -> torch.Tensor:
        """The log-probability per token, (B,); NaN for a sequence without a target."""
        return self.sums / self.counts


def sequence_log_probabilities(logits: torch.Tensor, targets: torch.Tensor) -> LogProbabilities:
    """log p of the targets of each sequence: the sum over its tokens that count.

    targets (B, T) are token ids, each at its own position, and ``IGNORED`` elsewhere. logits are
    (B, T, V), or (N, V) of the positions whose next token counts, row after row. Probabilities over
    the vocabulary are in memory for some positions at once, never for all.

    >>> targets = torch.tensor([[5, 1, 2], [5, 3, -100]])
    >>> sequence_log_probabilities(torch.zeros(2, 3, 8), targets)  # -2 ln 8 and -ln 8
    LogProbabilities(sums=tensor([-4.1589, -2.0794]), counts=tensor([2, 1]))
    """
    counted = targets[:, 1:] != IGNORED
    if logits.ndim == 3:
        logits = logits[:, :-1][counted]
    losses = counted_token_losses(logits, targets)
    # Each loss goes to its own place: a sum by index would not be the same twice on a GPU.
    per_token = losses.new_zeros(counted.shape).masked_scatter(counted, -losses)
    return LogProbabilities(per_token.sum(1), counted.sum(1))
