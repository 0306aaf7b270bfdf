"""Losses against formulas written out in float64, against torch, and under laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from ftlearn import losses
from ftlearn.losses import IGNORED, LossSum

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)


def drawn(seed: int, rows: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random logits (rows, classes) in float64 and class ids (rows,)."""
    random = np.random.default_rng(seed)
    logits = torch.tensor(random.normal(0, 3, (rows, classes)))
    return logits, torch.tensor(random.integers(classes, size=rows))


def slow_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> float:
    """−log p(y | x) summed, one example at a time, from the definition of the softmax."""
    total = 0.0
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        if target != IGNORED:
            total -= row[target] - math.log(sum(math.exp(value) for value in row))
    return total


@given(seeds, sizes, st.integers(2, 7))
def test_cross_entropy_is_the_definition_and_torch(seed: int, rows: int, classes: int):
    logits, targets = drawn(seed, rows, classes)
    total, count = losses.cross_entropy(logits, targets)
    assert total.item() == pytest.approx(slow_cross_entropy(logits, targets), rel=1e-12)
    torch.testing.assert_close(total, F.cross_entropy(logits, targets, reduction="sum"))
    assert count == rows


@given(seeds, sizes, st.integers(2, 7))
def test_gradient_of_cross_entropy_is_p_minus_y(seed: int, rows: int, classes: int):
    logits, targets = drawn(seed, rows, classes)
    logits.requires_grad_()
    losses.cross_entropy(logits, targets).total.backward()
    expected = logits.detach().exp()
    expected /= expected.sum(1, keepdim=True)
    expected[range(rows), targets] -= 1
    torch.testing.assert_close(logits.grad, expected, rtol=0, atol=1e-12)


def test_cross_entropy_stays_finite_where_exp_overflows():
    logits = torch.tensor([[1000.0, 0.0], [0.0, 1000.0]])
    assert losses.cross_entropy(logits, torch.tensor([0, 0])).total == 1000


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.brier])
def test_half_precision_logits_are_summed_in_fp32(loss):
    logits = torch.tensor([[2.0, -1.0, 0.5]] * 1000, dtype=torch.bfloat16)
    targets = torch.zeros(1000, dtype=torch.long)
    total = loss(logits, targets).total
    assert total.dtype is torch.float32
    assert total.item() == pytest.approx(loss(logits.double(), targets).total.item(), rel=1e-5)


@given(seeds, st.integers(2, 8), st.integers(2, 5))
def test_ignored_targets_count_for_nothing(seed: int, rows: int, classes: int):
    logits, targets = drawn(seed, rows, classes)
    targets[0] = IGNORED
    all_but_first = losses.cross_entropy(logits[1:], targets[1:])
    result = losses.cross_entropy(logits.requires_grad_(), targets)
    torch.testing.assert_close(result.total, all_but_first.total)
    assert result.count == rows - 1
    result.total.backward()
    assert logits.grad[0].abs().sum() == 0
    assert logits.grad[1].abs().sum() > 0


def test_mean_of_nothing_is_nan():
    nothing = losses.cross_entropy(torch.zeros(2, 3), torch.full((2,), IGNORED))
    assert nothing.count == 0
    assert nothing.total == 0
    assert math.isnan(nothing.mean)


@given(seeds, st.floats(0, 1), st.integers(2, 6))
def test_label_smoothing_mixes_the_target_with_the_uniform(seed: int, epsilon: float, classes: int):
    logits, targets = drawn(seed, 4, classes)
    log_p = logits - logits.exp().sum(1, keepdim=True).log()
    mixed = (1 - epsilon) * torch.eye(classes, dtype=torch.float64)[targets] + epsilon / classes
    smoothed = losses.cross_entropy(logits, targets, label_smoothing=epsilon).total
    assert smoothed.item() == pytest.approx(-(mixed * log_p).sum().item(), rel=1e-10)


@given(seeds, st.integers(1, 12), st.integers(1, 12))
def test_sums_over_micro_batches_are_the_sum_over_the_batch(seed: int, rows: int, size: int):
    logits, targets = drawn(seed, rows, 3)
    numbers = targets.double()
    for loss, outputs, labels in (
        (losses.cross_entropy, logits, targets),
        (losses.brier, logits, targets),
        (losses.squared_error, logits[:, :1], numbers),
    ):
        batch = loss(outputs, labels)
        parts = [
            loss(outputs[start : start + size], labels[start : start + size])
            for start in range(0, rows, size)
        ]
        summed = LossSum(sum(part.total for part in parts), sum(part.count for part in parts))
        torch.testing.assert_close(summed.mean, batch.mean)
        assert summed.count == batch.count == rows


def test_mean_of_quotients_is_the_mistake_that_sums_avoid():
    logits, targets = drawn(0, 5, 3)
    parts = [losses.cross_entropy(logits[rows], targets[rows]) for rows in ([0, 1, 2, 3], [4])]
    quotients = sum(part.mean for part in parts) / 2
    assert abs(quotients - losses.cross_entropy(logits, targets).mean) > 0.01


@given(seeds, sizes)
def test_squared_error_is_the_negative_log_likelihood_of_gaussian_noise(seed: int, rows: int):
    outputs, _ = drawn(seed, rows, 2)
    predictions, targets = outputs[:, :1], outputs[:, 1]
    total, count = losses.squared_error(predictions, targets)
    noise = torch.distributions.Normal(predictions.reshape(-1), math.sqrt(0.5))
    constants = rows * 0.5 * math.log(math.pi)  # variance 1/2: −log p = (y − ŷ)² + log √π
    assert total.item() == pytest.approx(
        -noise.log_prob(targets).sum().item() - constants, abs=1e-9
    )
    assert count == rows


def test_squared_error_does_not_broadcast_a_column_against_a_row():
    predictions, targets = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([1.0, 2.0, 4.0])
    assert losses.squared_error(predictions, targets).total == 0
    assert losses.squared_error(predictions.reshape(-1), targets).total == 0


@given(seeds, sizes, st.integers(2, 5))
def test_brier_is_the_squared_distance_to_the_corner(seed: int, rows: int, classes: int):
    logits, targets = drawn(seed, rows, classes)
    slow = 0.0
    for row, target in zip(logits.numpy(), targets.tolist(), strict=True):
        p = np.exp(row) / np.exp(row).sum()
        slow += sum((p[c] - (c == target)) ** 2 for c in range(classes))
    total, count = losses.brier(logits, targets)
    assert total.item() == pytest.approx(slow, rel=1e-10, abs=1e-12)
    assert 0 <= total <= 2 * rows
    assert count == rows


@given(seeds, sizes, st.integers(2, 6))
def test_next_token_pairs_each_position_with_the_one_after_it(seed: int, rows: int, tokens: int):
    random = np.random.default_rng(seed)
    logits = torch.tensor(random.normal(size=(rows, tokens, 5)))
    ids = torch.tensor(random.integers(5, size=(rows, tokens)))
    ids[0, -1] = IGNORED
    slow = sum(
        slow_cross_entropy(logits[b, t][None], ids[b, t + 1][None])
        for b in range(rows)
        for t in range(tokens - 1)
    )
    total, count = losses.next_token(logits, ids)
    assert total.item() == pytest.approx(slow, rel=1e-10, abs=1e-12)
    assert count == rows * (tokens - 1) - 1
