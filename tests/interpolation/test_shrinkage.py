"""The weight of n labels against a prior: against brute force, simulation and known fits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit, minimize_scalar

from ftlearn.interpolation import shrinkage


@given(st.floats(1, 1e4), st.floats(0.01, 1e4))
def test_data_and_prior_share_all_the_weight_and_more_labels_weigh_more(n, worth):
    data = shrinkage.weight(n, worth)
    assert data + shrinkage.weight(worth, n) == pytest.approx(1)  # the roles exchanged
    assert shrinkage.weight(2 * n, worth) > data
    assert shrinkage.weight(n, 0) == 1


def test_the_best_weight_is_what_a_search_finds():
    random = np.random.default_rng(0)
    prior, data, goal = random.normal(size=(3, 4, 7))

    def error(share):
        return np.square((1 - share) * prior + share * data - goal).sum()

    found = minimize_scalar(error).x
    assert shrinkage.best_weight(prior, data, goal) == pytest.approx(found, abs=1e-6)


def test_weights_of_many_draws_are_found_at_once():
    random = np.random.default_rng(1)
    prior, goal = random.normal(size=(2, 3, 5))
    draws = random.normal(size=(6, 2, 3, 5))
    together = shrinkage.best_weight(prior, draws, goal)
    assert together.shape == (6, 2)
    assert together[4, 1] == pytest.approx(shrinkage.best_weight(prior, draws[4, 1], goal))


def test_the_law_holds_in_a_simulation():
    random = np.random.default_rng(2)
    counts = np.array([1, 2, 4, 8, 16, 32])
    truth = random.normal(size=(1, 400))
    scatter = 2.0
    prior = truth + random.normal(size=truth.shape) * 0.5  # off by b² = 400 / 4
    noise = random.normal(size=(len(counts), 60, *truth.shape))
    means = truth + noise * scatter / np.sqrt(counts)[:, None, None, None]
    weights = shrinkage.best_weight(prior, means, truth).mean(1)
    squared_bias = np.square(prior - truth).sum()
    expected = 400 * scatter**2 / squared_bias
    assert shrinkage.worth(counts, weights) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("true", [0.05, 3, 65, 4000])
def test_the_fitted_worth_is_scipys(true):
    counts = np.array([1, 2, 4, 8, 16, 32, 64])
    noisy = shrinkage.weight(counts, true) * (1 + 0.05 * np.sin(counts))
    expected = curve_fit(lambda n, mu: n / (n + mu), counts, noisy, p0=true)[0][0]
    assert shrinkage.worth(counts, noisy) == pytest.approx(expected, rel=1e-3)


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match=r"worth -1 labels"):
        shrinkage.weight(3, -1)
    with pytest.raises(ValueError, match="nothing to weigh"):
        shrinkage.best_weight(np.ones((2, 2)), np.ones((2, 2)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"3 counts need as many weights, not 2"):
        shrinkage.worth([1, 2, 4], [0.1, 0.2])
    with pytest.raises(ValueError, match="nothing to fit"):
        shrinkage.worth([1, 2], [0.0, 1.0])
