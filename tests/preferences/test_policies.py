"""The exact optimum over enumerated answers: identities of the theory, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ftlearn.errors import ArgumentError
from ftlearn.preferences import anchored, best_of_n, best_of_n_bound, kl_divergence

ANSWERS = 6
weights = arrays(float, ANSWERS, elements=st.floats(0.05, 1.0))
rewards = arrays(float, ANSWERS, elements=st.floats(-2.0, 2.0))
betas = st.floats(0.2, 5.0)


def objective(policy: np.ndarray, reference: np.ndarray, reward: np.ndarray, beta: float) -> float:
    """E[r] − β KL(π ‖ π_ref)."""
    return float(policy @ reward) - beta * kl_divergence(policy, reference)


@given(weights, rewards, betas, weights)
def test_the_anchored_policy_has_the_value_beta_log_z_and_no_other_has_more(
    reference, reward, beta, other
):
    reference, other = reference / reference.sum(), other / other.sum()
    best = anchored(reference, reward, beta)
    value = beta * math.log(reference @ np.exp(reward / beta))
    assert objective(best, reference, reward, beta) == pytest.approx(value, abs=1e-9)
    # Gibbs: what another policy lacks is β times its KL from the best one.
    lack = value - objective(other, reference, reward, beta)
    assert lack == pytest.approx(beta * kl_divergence(other, best), abs=1e-9)


@given(weights, rewards, betas, st.floats(0.05, 1.0))
def test_all_anchored_policies_lie_on_one_geometric_line(reference, reward, beta, part):
    reference = reference / reference.sum()
    nearer = anchored(reference, reward, beta * part)
    mixed = reference ** (1 - part) * nearer**part
    expected = mixed / mixed.sum()
    np.testing.assert_allclose(anchored(reference, reward, beta), expected, atol=1e-12)


@given(weights, rewards, betas)
def test_reward_is_bought_at_beta_per_nat(reference, reward, beta):
    reference = reference / reference.sum()
    spread = float(reward.std())
    step = 1e-4
    low, high = (anchored(reference, reward, 1 / (1 / beta + side)) for side in (-step, step))
    gained = float((high - low) @ reward)
    paid = kl_divergence(high, reference) - kl_divergence(low, reference)
    here = anchored(reference, reward, beta)
    variance = float(here @ reward**2) - float(here @ reward) ** 2
    assert gained / (2 * step) == pytest.approx(variance, rel=1e-3, abs=1e-6)
    if spread > 0.5:
        assert gained / paid == pytest.approx(beta, rel=1e-3)


@given(weights, rewards, st.integers(1, 6))
def test_the_best_of_n_is_that_of_all_tuples(reference, reward, n):
    reference = (reference / reference.sum())[:3] / (reference / reference.sum())[:3].sum()
    reward = np.round(reward[:3])  # with ties
    exact = np.zeros(3)
    for number in range(3**n):
        drawn = [number // 3**place % 3 for place in range(n)]
        first_best = max(drawn, key=lambda answer: reward[answer])
        exact[first_best] += np.prod(reference[drawn])
    np.testing.assert_allclose(best_of_n(reference, reward, n), exact, atol=1e-12)


@given(weights, rewards, st.integers(1, 40))
def test_the_bound_holds_for_discrete_scores(reference, reward, n):
    reference = reference / reference.sum()
    divergence = kl_divergence(best_of_n(reference, reward, n), reference)
    assert divergence <= best_of_n_bound(n) + 1e-9


def test_the_bound_is_reached_by_many_answers_and_missed_by_four():
    many = np.full(20_000, 1 / 20_000)
    divergence = kl_divergence(best_of_n(many, np.arange(20_000), 16), many)
    assert divergence == pytest.approx(best_of_n_bound(16), abs=1e-3)
    four = np.full(4, 0.25)
    assert kl_divergence(best_of_n(four, np.arange(4), 16), four) == pytest.approx(1.33, abs=0.005)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: anchored(np.array([0.5, 0.5]), np.zeros(2), 0.0), "beta is 0.0"),
        (lambda: anchored(np.array([0.5, 0.6]), np.zeros(2), 1.0), "sum to 1.1"),
        (lambda: best_of_n(np.array([1.0]), np.zeros(1), 0), "n is 0"),
        (lambda: kl_divergence(np.array([1.5, -0.5]), np.array([0.5, 0.5])), "the least is -0.5"),
    ],
)
def test_what_is_no_distribution_is_refused(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_an_answer_that_the_reference_never_gives_stays_impossible():
    policy = anchored(np.array([0.0, 1.0]), np.array([100.0, 0.0]), 0.1)
    assert policy.tolist() == [0.0, 1.0]
