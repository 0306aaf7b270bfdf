"""The law of the data set `impressions`, its logs, and what estimators make of them."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from ftlearn import data
from ftlearn.data import DataError, draw_log, draw_slates, policy_value, relevance, seen
from ftlearn.data.impressions import STORED

SHAPE = (240, 80)


@pytest.fixture(scope="module")
def parts() -> DatasetDict:
    """All parts."""
    return data.load("impressions")


@pytest.fixture(scope="module")
def truth(parts) -> np.ndarray:
    """P(click | seen) of every reader and ad."""
    return relevance(parts["readers"], parts["ads"])


@pytest.fixture(scope="module")
def logging_policy(truth) -> np.ndarray:
    """A stochastic policy that leans to relevant ads."""
    return data.softmax_policy(truth, temperature=0.2)


def indices(log: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the readers and ads of a log, from their ids ("u001" and "d01" are 0)."""
    return tuple(
        np.array([int(name[1:]) - 1 for name in log[column]]) for column in ("reader", "ad")
    )


def column(log: Dataset, name: str) -> np.ndarray:
    return np.array(log[name][:])


def standard_scores(counts, rates, rows) -> np.ndarray:
    """How many standard errors counts lie from what binomial probabilities let expect."""
    return (counts - rows * rates) / np.sqrt(rows * rates * (1 - rates))


def test_relevance_is_the_law_as_the_card_states_it(parts, truth):
    """Pair by pair, with the constants written out."""
    assert truth.shape == SHAPE
    for x, a in [(0, 0), (17, 61), (100, 40), (239, 79), (55, 3)]:
        reader, ad = parts["readers"][x], parts["ads"][a]
        product = 0.0
        for name, weight in reader["interests"].items():
            product += weight * ad["interests"][name]
        expected = 1 / (1 + math.exp(2.5 - ad["appeal"] - 4 * product))
        assert truth[x, a] == pytest.approx(expected, rel=1e-12)


def test_relevance_takes_some_rows_and_plain_columns(parts, truth):
    readers, ads = parts["readers"].select([3, 8]), parts["ads"].select([70])
    assert np.array_equal(relevance(readers, ads), truth[[3, 8]][:, [70]])
    assert np.array_equal(relevance(readers.to_dict(), ads.to_dict()), truth[[3, 8]][:, [70]])


def test_lower_positions_are_seen_less_and_others_are_refused():
    assert seen([1, 2, 3, 4, 5]).tolist() == [1, 0.7, 0.5, 0.35, 0.25]
    assert seen(3) == 0.5
    assert seen([[1, 3], [5, 1]]).tolist() == [[1, 0.5], [0.25, 1]]
    for position in (0, 6, [1, -1], 1.5):
        with pytest.raises(DataError, match="from 1 to 5"):
            seen(position)


def test_a_softmax_policy_is_uniform_when_hot_and_greedy_when_cold():
    scores = np.random.default_rng(0).normal(size=(7, 5))
    policy = data.softmax_policy(scores, 0.5)
    assert np.allclose(policy.sum(axis=1), 1)
    assert np.allclose(np.log(policy[:, 1] / policy[:, 0]), (scores[:, 1] - scores[:, 0]) / 0.5)
    assert np.allclose(data.softmax_policy(scores, 1e9), 0.2)
    assert np.allclose(data.softmax_policy(scores, 1e-9), scores == scores.max(1, keepdims=True))
    for temperature in (0, -1, math.nan):
        with pytest.raises(DataError, match="temperature"):
            data.softmax_policy(scores, temperature)


def test_the_value_of_a_policy_by_loops_and_its_bounds(truth, logging_policy):
    total = 0.0
    for x in range(SHAPE[0]):
        for a in range(SHAPE[1]):
            total += logging_policy[x, a] * truth[x, a] / SHAPE[0]
    assert policy_value(logging_policy) == pytest.approx(total)
    best = np.eye(SHAPE[1])[truth.argmax(axis=1)]
    uniform = np.full(SHAPE, 1 / SHAPE[1])
    assert policy_value(best) == pytest.approx(truth.max(axis=1).mean())
    assert policy_value(uniform) < policy_value(logging_policy) < policy_value(best)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (np.full((80, 240), 1 / 240), "shape"),
        (np.full(SHAPE, 1 / 79), "u001: the row sums to 1.013"),
        (np.full(SHAPE, np.nan), "u001"),
        (
            np.eye(80)[np.zeros(240, int)] * 2 - np.eye(80)[np.ones(240, int)],
            "smallest value is -1",
        ),
    ],
)
def test_a_policy_without_probabilities_is_refused(policy, message):
    with pytest.raises(DataError, match=message):
        policy_value(policy)
    with pytest.raises(DataError, match=message):
        draw_log(3, 0, policy)


def test_propensities_of_a_log_are_those_of_the_policy(logging_policy):
    assert np.allclose(logging_policy.sum(axis=1), 1)
    log = draw_log(2000, 5, logging_policy, start=70)
    assert np.array_equal(column(log, "propensity"), logging_policy[indices(log)])
    assert log["time"][:] == list(range(70, 2070))
    assert set(log["position"]) == {1}


def test_ads_without_probability_are_never_drawn(truth):
    policy = np.eye(SHAPE[1])[truth.argmin(axis=1)]
    log = draw_log(2000, 1, policy)
    readers, ads = indices(log)
    assert np.array_equal(ads, truth.argmin(axis=1)[readers])
    assert set(log["propensity"]) == {1.0}


def test_frequencies_of_a_log_are_its_probabilities(truth, logging_policy):
    rows = 20_000
    log = draw_log(rows, 2, logging_policy)
    readers, ads = indices(log)
    clicks = column(log, "click")
    assert np.abs(standard_scores(np.bincount(readers), 1 / 240, rows)).max() < 4
    assert np.abs(standard_scores(np.bincount(ads), logging_policy.mean(axis=0), rows)).max() < 4
    rate = (logging_policy * truth).sum(axis=1).mean()
    assert abs(standard_scores(clicks.sum(), rate, rows)) < 4
    rates = truth[readers, ads]
    for low, high in pairwise([0, 0.05, 0.1, 0.2, 0.4, 0.7, 1]):
        inside = (low <= rates) & (rates < high)
        error = (clicks - rates)[inside].sum() / np.sqrt((rates * (1 - rates))[inside].sum())
        assert abs(error) < 4


def test_estimates_of_another_policy_agree_with_its_true_value(truth, logging_policy):
    """IPS and doubly robust estimates are unbiased; the mean of the log is not."""
    target = data.softmax_policy(truth, temperature=0.1)
    value = policy_value(target)
    guess = truth.mean(axis=0, keepdims=True) * np.ones(SHAPE)  # a poor model: no readers
    expected = (target * guess).sum(axis=1)
    estimates = []
    for seed in range(200):
        log = draw_log(300, seed, logging_policy)
        pairs = indices(log)
        weights, clicks = target[pairs] / column(log, "propensity"), column(log, "click")
        ips = (weights * clicks).mean()
        doubly_robust = (expected[pairs[0]] + weights * (clicks - guess[pairs])).mean()
        estimates.append((ips, doubly_robust, clicks.mean()))
    estimates = np.array(estimates)
    scores = (estimates.mean(axis=0) - value) / (estimates.std(axis=0, ddof=1) / np.sqrt(200))
    assert np.abs(scores[:2]).max() < 4
    assert scores[2] < -10


def test_propensities_of_a_slate_sum_to_1(parts):
    """Ads keep the positions of their bids but for a share of random orders."""
    bids = column(parts["ads"], "bid")
    log = draw_slates(500, 3, shuffle=0.4)
    ads = indices(log)[1].reshape(500, 5)
    propensities = column(log, "propensity").reshape(500, 5)
    for slate, probabilities in zip(ads, propensities, strict=True):
        assert len(set(slate)) == 5
        ranked = sorted(slate, key=lambda ad: -bids[ad])
        table = np.array([[0.4 / 5 + 0.6 * (ad == ranked[k]) for k in range(5)] for ad in slate])
        assert np.allclose(table.sum(axis=0), 1)
        assert np.allclose(table.sum(axis=1), 1)
        assert np.allclose(probabilities, np.diag(table))
    with pytest.raises(DataError, match=r"shuffle is 1\.2"):
        draw_slates(1, 0, shuffle=1.2)


def test_frequencies_of_slates_are_their_probabilities(truth, parts):
    slates = 8_000
    log = draw_slates(slates, 4)
    readers, ads = indices(log)
    positions, clicks = column(log, "position"), column(log, "click")
    assert np.abs(standard_scores(np.bincount(ads), 5 / 80, slates)).max() < 4
    by_bid = column(log, "propensity") > 0.5
    for k in range(1, 6):
        chosen = positions == k
        assert abs(standard_scores(by_bid[chosen].sum(), 0.76, slates)) < 4
        rates = seen(k) * truth[readers, ads][chosen]
        error = (clicks[chosen] - rates).sum() / np.sqrt((rates * (1 - rates)).sum())
        assert abs(error) < 4


def test_propensities_of_slates_undo_the_order_by_bid(truth):
    """Weighted by 1 / (5 propensity), each position shows ads of the same relevance."""
    slates = 8_000
    log = draw_slates(slates, 6)
    clicks, positions = column(log, "click"), column(log, "position")
    weighted = clicks / (5 * column(log, "propensity"))
    for k in range(1, 6):
        at_k = weighted[positions == k]
        error = at_k.std() / np.sqrt(slates)
        assert abs(at_k.mean() - seen(k) * truth.mean()) < 4 * error


def test_naive_click_rates_mistake_bids_for_relevance(truth, parts):
    """Divided by seen(k), they rank the ads better than as they are."""
    log = draw_slates(5000, 7)
    ads, clicks = indices(log)[1], column(log, "click")
    shown = np.bincount(ads)
    naive = np.bincount(ads, clicks) / shown
    corrected = np.bincount(ads, clicks / seen(log["position"][:])) / shown
    quality, bids = truth.mean(axis=0), column(parts["ads"], "bid")
    agreement = [np.corrcoef(rates, quality)[0, 1] for rates in (naive, corrected)]
    assert agreement[1] > agreement[0] + 0.2
    assert np.corrcoef(naive, bids)[0, 1] > 0.5


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_the_stored_logs_are_the_ones_that_the_law_draws(parts, part):
    drawn, stored = draw_slates(**STORED[part]), parts[part]
    assert drawn.features == stored.features
    assert drawn.to_dict() == stored.to_dict()


def test_a_seed_gives_the_same_log_and_another_seed_another():
    for draw in (draw_log, draw_slates):
        assert draw(50, 1).to_dict() == draw(50, 1).to_dict()
        assert draw(50, 1)["reader"][:] != draw(50, 2)["reader"][:]
        assert len(draw(0, 0)) == 0
