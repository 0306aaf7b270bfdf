"""Log-probabilities per sequence against the whole softmax."""

from __future__ import annotations

import pytest
import torch

from ftlearn import losses
from ftlearn.losses import IGNORED
from ftlearn.preferences import sequence_log_probabilities


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (3, 6, 11) and targets (3, 6): prompts, answers, padding, and a row without target."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(3, 6, 11, generator=generator, dtype=torch.float64) * 4
    targets = torch.tensor(
        [
            [IGNORED, IGNORED, 4, 5, 6, IGNORED],
            [IGNORED, 1, 2, 3, 9, 10],
            [7, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED],
        ]
    )
    return logits, targets


def slow(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Each sum, token by token."""
    sums = []
    for row_logits, row in zip(logits, targets, strict=True):
        total = row_logits.sum() * 0
        for at in range(1, len(row)):
            if row[at] != IGNORED:
                total = total + row_logits[at - 1].log_softmax(-1)[row[at]]
        sums.append(total)
    return torch.stack(sums)


def counted(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The logits of the positions whose next token counts, (N, V)."""
    return logits[:, :-1][targets[:, 1:] != IGNORED]


@pytest.mark.parametrize("shape", ["all", "counted"])
@pytest.mark.parametrize("chunk", [losses.CHUNK, 16])
def test_sums_and_gradients_are_those_of_the_softmax(shape, chunk, monkeypatch):
    monkeypatch.setattr(losses, "CHUNK", chunk)  # 16: each position is a chunk of its own
    logits, targets = batch()
    expected = logits.clone().requires_grad_()
    ours = logits.clone().requires_grad_()
    weights = torch.tensor([2.0, -3.0, 5.0], dtype=torch.float64)
    (slow(expected, targets) * weights).sum().backward()
    scores = sequence_log_probabilities(ours if shape == "all" else counted(ours, targets), targets)
    (scores.sums * weights).sum().backward()
    torch.testing.assert_close(scores.sums, slow(logits, targets))
    torch.testing.assert_close(ours.grad, expected.grad)
    assert scores.counts.tolist() == [3, 5, 0]


def test_means_are_per_token_and_unknown_without_a_target():
    logits, targets = batch()
    scores = sequence_log_probabilities(logits, targets)
    torch.testing.assert_close(scores.means[:2], scores.sums[:2] / torch.tensor([3, 5]))
    assert scores.means[2].isnan()


def test_half_precision_is_summed_in_fp32():
    logits, targets = batch()
    halved = logits.bfloat16()
    scores = sequence_log_probabilities(halved, targets)
    assert scores.sums.dtype is torch.float32
    torch.testing.assert_close(scores.sums, slow(halved.float(), targets))
