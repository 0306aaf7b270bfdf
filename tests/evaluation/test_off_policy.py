"""Off-policy estimates against enumeration, over many logs, and by their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.errors import ArgumentError
from ftlearn.evaluation import Estimate, doubly_robust, effective_sample_size, ips, snips

# A bandit with two contexts and three actions: expected rewards, who logs, and who is judged.
REWARDS = np.array([[0.9, 0.2, 0.4], [0.1, 0.5, 0.3]])
LOGGING = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
TARGET = np.array([[0.7, 0.0, 0.3], [0.1, 0.8, 0.1]])
TRUTH = (TARGET * REWARDS).sum(1).mean()
WRONG_MODEL = np.array([[0.3, 0.6, 0.1], [0.8, 0.2, 0.7]])
WRONG_LOGGING = np.array([[0.4, 0.3, 0.3], [0.3, 0.4, 0.3]])
LOGS, ROWS = 600, 200


def draw(seed: int, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contexts, actions of the logging policy and rewards of 0 or 1."""
    random = np.random.default_rng(seed)
    contexts = random.integers(0, 2, rows)
    chance = random.random((rows, 1))
    actions = (LOGGING.cumsum(1)[contexts, :2] <= chance).sum(1)
    rewards = (random.random(rows) < REWARDS[contexts, actions]).astype(int)
    return contexts, actions, rewards


LOG = draw(0)


def estimate(name: str, log: tuple, logging=LOGGING, model=WRONG_MODEL, **options) -> Estimate:
    contexts, actions, rewards = log
    propensities = logging[contexts, actions]
    if name == "dr":
        return doubly_robust(
            rewards, actions, propensities, TARGET[contexts], model[contexts], **options
        )
    method = {"ips": ips, "snips": snips}[name]
    return method(rewards, propensities, TARGET[contexts, actions], **options)


def expected_term(logging: np.ndarray, model: np.ndarray) -> float:
    """The mean of a doubly robust term, by enumeration of contexts and actions."""
    total = 0.0
    for x in range(2):
        total += sum(TARGET[x, a] * model[x, a] for a in range(3)) / 2
        for a in range(3):
            weight = TARGET[x, a] / logging[x, a]
            total += LOGGING[x, a] / 2 * weight * (REWARDS[x, a] - model[x, a])
    return total


def test_ips_and_snips_by_a_loop():
    contexts, actions, rewards = LOG
    weights = [TARGET[x, a] / LOGGING[x, a] for x, a in zip(contexts, actions, strict=True)]
    products = [w * r for w, r in zip(weights, rewards, strict=True)]
    assert estimate("ips", LOG).value == pytest.approx(sum(products) / ROWS)
    assert estimate("snips", LOG).value == pytest.approx(sum(products) / sum(weights))
    clipped = [min(w, 2.0) * r for w, r in zip(weights, rewards, strict=True)]
    assert estimate("ips", LOG, max_weight=2.0).value == pytest.approx(sum(clipped) / ROWS)


def test_doubly_robust_by_a_loop():
    terms = []
    for x, a, r in zip(*LOG, strict=True):
        model = sum(TARGET[x, b] * WRONG_MODEL[x, b] for b in range(3))
        terms.append(model + TARGET[x, a] / LOGGING[x, a] * (r - WRONG_MODEL[x, a]))
    value, error = estimate("dr", LOG)
    assert value == pytest.approx(np.mean(terms))
    assert error == pytest.approx(np.sqrt(np.var(terms) / (ROWS - 1)))


def test_exact_if_the_propensities_or_the_model_are_right():
    assert expected_term(LOGGING, WRONG_MODEL) == pytest.approx(TRUTH)
    assert expected_term(WRONG_LOGGING, REWARDS) == pytest.approx(TRUTH)
    assert abs(expected_term(WRONG_LOGGING, WRONG_MODEL) - TRUTH) > 0.1


@pytest.mark.parametrize(
    ("name", "logging", "model", "mean"),
    [
        ("ips", LOGGING, WRONG_MODEL, TRUTH),
        ("snips", LOGGING, WRONG_MODEL, TRUTH),
        ("dr", LOGGING, WRONG_MODEL, TRUTH),
        ("dr", WRONG_LOGGING, REWARDS, TRUTH),
        ("dr", WRONG_LOGGING, WRONG_MODEL, expected_term(WRONG_LOGGING, WRONG_MODEL)),
    ],
)
def test_the_mean_over_many_logs_and_the_standard_error(name, logging, model, mean):
    estimates = [estimate(name, draw(seed), logging, model) for seed in range(LOGS)]
    values, errors = np.array(estimates).T
    spread = values.std(ddof=1)
    assert abs(values.mean() - mean) < 4 * spread / np.sqrt(LOGS)
    # The spread of 600 values is known to about 3 %.
    assert errors.mean() == pytest.approx(spread, rel=0.12)


def test_clipping_lowers_the_estimate_of_rewards_that_are_not_negative():
    values = [estimate("ips", LOG, max_weight=w).value for w in (0.5, 1.0, 2.0, 4.0, np.inf)]
    assert values == sorted(values)
    assert values[0] < values[-1]


def test_a_model_of_zeros_gives_ips_and_a_perfect_fit_gives_the_model():
    contexts, actions, _ = LOG
    zeros = np.zeros((2, 3))
    assert estimate("dr", LOG, model=zeros) == pytest.approx(estimate("ips", LOG))
    certain = WRONG_MODEL[contexts, actions]  # rewards as the model predicts them
    model = (TARGET[contexts] * WRONG_MODEL[contexts]).sum(1).mean()
    assert estimate("dr", (contexts, actions, certain)).value == pytest.approx(model)


weights = st.lists(st.floats(0, 1), min_size=2, max_size=20)


@given(weights, st.data())
def test_laws_of_the_weights(probabilities, data):
    rows = len(probabilities)
    column = st.lists(st.floats(0.01, 1), min_size=rows, max_size=rows)
    propensities, rewards = data.draw(column), data.draw(column)
    size = effective_sample_size(propensities, probabilities)
    assert 0 <= size <= rows * (1 + 1e-9)
    if sum(probabilities) > 1e-3:
        assert size >= 1 - 1e-9
        value = snips(rewards, propensities, probabilities).value
        assert min(rewards) - 1e-9 <= value <= max(rewards) + 1e-9
        shifted = snips(np.add(rewards, 3), propensities, probabilities).value
        assert shifted == pytest.approx(value + 3)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=20), st.data())
def test_the_logging_policy_itself_has_the_mean_reward(propensities, data):
    rows = len(propensities)
    rewards = np.array(data.draw(st.lists(st.floats(-5, 5), min_size=rows, max_size=rows)))
    plain = (rewards.mean(), rewards.std(ddof=1) / np.sqrt(rows))
    assert ips(rewards, propensities, propensities) == pytest.approx(plain)
    assert snips(rewards, propensities, propensities) == pytest.approx(plain)
    assert effective_sample_size(propensities, propensities) == pytest.approx(rows)


def test_effective_sample_sizes_in_closed_form():
    ones = np.ones(8)
    assert effective_sample_size(ones, ones / 4) == pytest.approx(8)
    assert effective_sample_size(ones, np.eye(8)[3]) == 1
    assert effective_sample_size(ones, 0 * ones) == 0
    # One weight of k among ones: (N - 1 + k)² / (N - 1 + k²)
    assert effective_sample_size([0.2, 1, 1, 1], [1, 1, 1, 1]) == pytest.approx(64 / 28)
    assert effective_sample_size([0.2, 1, 1, 1], [1] * 4, max_weight=1) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 0], [0.5, 0.0], [0.5, 0.5]), "propensities contain 0.0: use the probability"),
        (([1, 0], [0.5, 1.5], [0.5, 0.5]), "propensities contain 1.5"),
        (([1, 0], [0.5, 0.5], [0.5, -0.1]), "probabilities contain -0.1"),
        (([1, np.nan], [0.5, 0.5], [0.5, 0.5]), "rewards contain nan: use finite numbers"),
        (([1, 0, 1], [0.5, 0.5], [0.5, 0.5]), r"rewards have shape \(3,\): give one per row"),
        (([1], [0.5], [0.5]), "1 rows: a standard error needs two"),
        (([1, 0], [0.5, 0.5], [[0.5], [0.5]]), r"probabilities have shape \(2, 1\)"),
    ],
)
def test_what_is_no_log_is_refused(arguments, message):
    for method in (ips, snips):
        with pytest.raises(ArgumentError, match=message):
            method(*arguments)


def test_weights_that_say_nothing_are_refused():
    with pytest.raises(ArgumentError, match="all weights are 0"):
        snips([1, 0], [0.5, 0.5], [0.0, 0.0])
    with pytest.raises(ArgumentError, match="max_weight is 0"):
        ips([1, 0], [0.5, 0.5], [0.5, 0.5], max_weight=0)


@pytest.mark.parametrize(
    ("actions", "predictions", "message"),
    [
        ([0, 2], [[0.1, 0.2]] * 2, "actions contain 2: use the number of a column"),
        ([0, -1], [[0.1, 0.2]] * 2, "actions contain -1"),
        ([0.0, 1.0], [[0.1, 0.2]] * 2, "type float64: give the number"),
        ([0, 1], [[0.1, 0.2, 0.3]] * 2, r"predictions \(2, 3\): give both"),
        ([0, 1], [0.1, 0.2], r"predictions has shape \(2,\)"),
    ],
)
def test_doubly_robust_refuses_what_does_not_fit(actions, predictions, message):
    with pytest.raises(ArgumentError, match=message):
        doubly_robust([1, 0], actions, [0.5, 0.5], [[0.5, 0.5]] * 2, predictions)
