"""Uncertainty weighting and its minimum in closed form."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal

from ftlearn.multitask import best_log_variances, uncertainty_weighting

LOSSES = st.lists(st.floats(0.01, 100), min_size=1, max_size=4)


@given(LOSSES)
def test_the_minimum_is_half_the_sum_of_logarithms(losses):
    values = torch.tensor(losses, dtype=torch.float64)
    at_best = uncertainty_weighting(values, best_log_variances(values))
    expected = 0.5 * sum(map(math.log, losses)) + len(losses) / 2
    assert math.isclose(at_best.item(), expected, abs_tol=1e-9)


@given(LOSSES, st.floats(-3, 3))
def test_no_other_log_variances_are_better(losses, shift):
    values = torch.tensor(losses, dtype=torch.float64)
    best = best_log_variances(values)
    moved = uncertainty_weighting(values, best + shift)
    assert moved >= uncertainty_weighting(values, best) - 1e-12


@given(LOSSES)
def test_at_the_minimum_a_loss_weighs_one_over_twice_itself(losses):
    values = torch.tensor(losses, dtype=torch.float64, requires_grad=True)
    log_variances = best_log_variances(values.detach()).requires_grad_()
    uncertainty_weighting(values, log_variances).backward()
    torch.testing.assert_close(values.grad, 1 / (2 * values.detach()))
    torch.testing.assert_close(log_variances.grad, torch.zeros_like(values))


def test_of_a_squared_error_it_is_the_negative_log_likelihood_of_gaussian_noise():
    log_variance = torch.tensor([0.7], dtype=torch.float64)
    noise = Normal(torch.zeros(1, dtype=torch.float64), (log_variance / 2).exp())
    error = torch.tensor([1.3], dtype=torch.float64)
    likelihood = -noise.log_prob(error).sum() - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(uncertainty_weighting(error.square(), log_variance), likelihood)
