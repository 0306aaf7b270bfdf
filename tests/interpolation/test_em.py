"""Weights found by EM against a grid, SciPy's optimiser, and the conditions of an optimum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from ftlearn.interpolation.predictions.em import fit_weights

seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, members: int, rows: int = 30) -> np.ndarray:
    """Log-probabilities of targets under some predictors, each of them good on other rows."""
    return np.log(np.random.default_rng(seed).beta(0.8, 1.2, (members, rows)).clip(1e-6))


def likelihood(log_p: np.ndarray, weights: np.ndarray) -> float:
    return float(np.log(weights @ np.exp(log_p)).mean())


@given(seeds)
def test_two_weights_are_the_best_of_a_grid(seed: int):
    log_p = drawn(seed, 2)
    fit = fit_weights(log_p, steps=20_000, tolerance=1e-9)
    grid = np.linspace(0, 1, 2001)
    on_grid = [likelihood(log_p, np.array([1 - weight, weight])) for weight in grid]
    assert fit.history[-1] >= max(on_grid) - 1e-9
    inside = grid[np.argmax(on_grid)]
    if 0.01 < inside < 0.99:
        assert fit.weights[1].item() == pytest.approx(inside, abs=2e-3)


@given(seeds)
def test_four_weights_are_the_best_of_a_general_optimiser(seed: int):
    log_p = drawn(seed, 4)
    fit = fit_weights(log_p, tolerance=1e-6, steps=20_000)
    best = minimize(
        lambda z: -likelihood(log_p, np.exp(z - z.max()) / np.exp(z - z.max()).sum()), np.zeros(4)
    )
    assert fit.gap <= 1e-6
    assert fit.history[-1] >= -best.fun - 2e-6


@given(seeds, st.integers(2, 5))
def test_likelihood_never_falls_and_is_that_of_the_weights(seed: int, members: int):
    log_p = drawn(seed, members)
    fit = fit_weights(log_p, steps=50)
    assert (np.diff(fit.history) >= -1e-13).all()
    assert len(fit.history) <= 51
    assert fit.weights.sum().item() == pytest.approx(1, abs=1e-12)
    assert fit.history[0] == pytest.approx(likelihood(log_p, np.full(members, 1 / members)))
    assert fit.history[-1] == pytest.approx(likelihood(log_p, fit.weights.numpy()), abs=1e-12)


@given(seeds, st.integers(2, 4))
def test_one_step_averages_the_responsibilities(seed: int, members: int):
    log_p = drawn(seed, members)
    start = np.arange(1, members + 1) / sum(range(1, members + 1))
    responsibilities = np.zeros(members)
    for row in np.exp(log_p).T:
        responsibilities += start * row / (start @ row)
    fit = fit_weights(log_p, start=start.tolist(), steps=1, tolerance=0)
    np.testing.assert_allclose(fit.weights.numpy(), responsibilities / log_p.shape[1], atol=1e-12)


@given(seeds, st.integers(2, 4), st.integers(0, 20))
def test_gap_bounds_what_any_other_weights_would_win(seed: int, members: int, steps: int):
    log_p = drawn(seed, members)
    fit = fit_weights(log_p, steps=steps)
    for other in np.random.default_rng(seed).dirichlet(np.full(members, 0.3), size=50):
        assert likelihood(log_p, other) <= fit.history[-1] + fit.gap + 1e-12


@given(seeds)
def test_the_optimum_is_a_fixed_point(seed: int):
    log_p = drawn(seed, 3, rows=60)
    weights = fit_weights(log_p, steps=50_000, tolerance=1e-8).weights.numpy()
    gains = (np.exp(log_p) / (weights @ np.exp(log_p))).mean(1)
    assert (gains <= 1 + 1e-7).all()
    assert gains[weights > 0.05] == pytest.approx(1, abs=1e-6)


def test_order_of_predictors_does_not_matter():
    log_p = drawn(0, 3)
    forward = fit_weights(log_p)
    reverse = fit_weights(log_p[::-1].copy())
    np.testing.assert_allclose(forward.weights, reverse.weights.flip(0), atol=1e-12)


def test_a_predictor_that_is_always_better_gets_all_weight():
    log_p = torch.stack([torch.full((9,), 0.9).log(), torch.full((9,), 0.3).log()])
    assert fit_weights(log_p, tolerance=1e-9).weights[0] > 1 - 1e-8


def test_likelihoods_below_the_smallest_float_are_no_trouble():
    log_p = np.array([[-2000.0, -2001.0, -2002.0], [-2001.0, -2001.0, -2000.5]])
    shifted = fit_weights(log_p + 1999).weights
    np.testing.assert_allclose(fit_weights(log_p).weights, shifted, atol=1e-12)


def test_what_cannot_be_fitted_is_refused():
    nothing = torch.tensor([[0.0, -torch.inf], [0.0, -torch.inf]])
    with pytest.raises(ValueError, match="target 1 has probability 0"):
        fit_weights(nothing)
    with pytest.raises(ValueError, match="holds a 0"):
        fit_weights(torch.zeros(2, 3), start=[1, 0])
    for shape in [(2,), (2, 0), (2, 3, 4)]:
        with pytest.raises(ValueError, match=r"instead of \(K, N\)"):
            fit_weights(torch.zeros(shape))
