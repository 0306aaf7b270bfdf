"""Answers as spans of tokens: marks, the loss, and the best span of a window.

A window's targets are one mark per position: ``IGNORED`` where no answer can stand (question,
separators, padding), and else whether the answer starts or ends there. The first position, [CLS],
stands for "no answer". Masking everything else makes loss and prediction of a window the same alone
and in any batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F

from ftlearn.losses import IGNORED, LossSum, at_least_fp32

NEITHER, START, END = 0, 1, 2
"""Marks of a position where an answer can stand; START + END where it is one token long."""
NULL = 0
"""The position that stands for "no answer"."""


def marked(length: int, first: int, count: int, answer: tuple[int, int] | None) -> list[int]:
    """The marks of a window of ``length`` tokens with ``count`` of the context from ``first`` on.

    ``answer`` holds the positions of the answer's first and last token, or ``NULL`` twice; None
    marks no answer, so that the window counts for nothing in the loss.

    >>> marked(8, 3, 4, (4, 5))
    [0, -100, -100, 0, 1, 2, 0, -100]
    """
    marks = [IGNORED] * length
    marks[NULL] = NEITHER
    marks[first : first + count] = [NEITHER] * count
    if answer is not None:
        marks[answer[0]] += START
        marks[answer[1]] += END
    return marks


def count_marks(marks: torch.Tensor) -> int:
    """How many starts and ends there are.

    >>> count_marks(torch.tensor([[0, -100, 1, 0, 2], [3, -100, 0, 0, -100]]))
    4
    """
    return int(_truths(marks).sum())


def window_losses(logits: torch.Tensor, marks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The summed losses of each window, and the number of its marks: two or none, (B,) each.

    logits (B, T, 2) of start and end, marks (B, T). A softmax over the positions where an answer
    can stand, for the start and for the end: −log p(start) − log p(end).
    """
    impossible = (marks == IGNORED).unsqueeze(-1)
    scores = at_least_fp32(logits).masked_fill(impossible, -torch.inf).log_softmax(1)
    truths = _truths(marks)
    losses = scores.masked_fill(~truths, 0.0)  # not a product: −∞ · 0 is no number
    return -losses.sum((1, 2)), truths.sum((1, 2))


def loss(logits: torch.Tensor, marks: torch.Tensor) -> LossSum:
    """The sum of −log p(start) and −log p(end) over the windows with marks; see window_losses.

    The mean is ½ (−log p(start) − log p(end)), averaged over windows.

    >>> loss(torch.zeros(1, 4, 2), torch.tensor([[0, -100, 1, 2]])).mean  # ln 3
    tensor(1.0986)
    """
    totals, _ = window_losses(logits, marks)
    return LossSum(totals.sum(), count_marks(marks))


class Best(NamedTuple):
    """Of each window the best span's score, that of no answer, and its first and last position."""

    score: torch.Tensor
    null: torch.Tensor
    start: torch.Tensor
    end: torch.Tensor


def best(logits: torch.Tensor, marks: torch.Tensor, longest: int) -> Best:
    """The span i..j with the highest a_i + b_j in the context, i ≤ j < i + ``longest``; (B,) each.

    logits (B, T, 2) hold a and b, marks (B, T) say where an answer can stand. O(T · longest).

    >>> logits = torch.tensor([[[0.0, 0], [5, 1], [2, 4], [3, 9]]])
    >>> marks = torch.tensor([[0, -100, 0, 0]])
    >>> [value.item() for value in best(logits, marks, longest=1)]
    [12.0, 0.0, 3, 3]
    """
    context = marks != IGNORED
    context[:, NULL] = False
    starts, ends = logits.masked_fill(~context.unsqueeze(-1), -torch.inf).unbind(-1)
    reachable = F.pad(ends, (0, longest - 1), value=-torch.inf).unfold(1, longest, 1)  # (B, T, L)
    best_ends, lengths = reachable.max(-1)
    scores, start = (starts + best_ends).max(-1)
    end = start + lengths.gather(1, start.unsqueeze(1)).squeeze(1)
    return Best(scores, logits[:, NULL].sum(-1), start, end)


def _truths(marks: torch.Tensor) -> torch.Tensor:
    """Which positions are the start and which are the end of an answer, (B, T, 2)."""
    possible = marks != IGNORED
    return torch.stack([possible & ((marks & mark) > 0) for mark in (START, END)], dim=-1)
