"""Metrics against scikit-learn and SciPy, closed forms, slow obvious versions, and their laws."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.special import logsumexp, softmax

from ftlearn import metrics
from ftlearn.metrics import Interval, McNemar

RANDOM = np.random.default_rng(7)
LOGITS = RANDOM.normal(size=(200, 4)) * 2
TARGETS = np.where(RANDOM.random(200) < 0.6, LOGITS.argmax(-1), RANDOM.integers(0, 4, 200))
PREDICTED = LOGITS.argmax(-1)
PROBABILITIES = softmax(LOGITS, -1)
FEW = settings(max_examples=50, deadline=None)

logits_and_targets = st.integers(1, 30).flatmap(
    lambda rows: st.tuples(
        arrays(float, (rows, 3), elements=st.integers(-80, 80).map(lambda x: x / 4)),
        arrays(int, rows, elements=st.integers(0, 2)),
    )
)
numbers = st.integers(2, 30).flatmap(
    lambda rows: st.tuples(*[arrays(float, rows, elements=st.integers(-50, 50)) for _ in "ab"])
)
outcomes = st.integers(1, 40).flatmap(
    lambda rows: st.tuples(*[arrays(bool, rows, elements=st.booleans()) for _ in "ab"])
)


# classification


def test_classification_scores_are_scikit_learns():
    macro = {"average": "macro", "zero_division": 0}
    scores = metrics.classification(LOGITS, TARGETS)
    expected = {
        "accuracy": reference.accuracy_score(TARGETS, PREDICTED),
        "precision": reference.precision_score(TARGETS, PREDICTED, **macro),
        "recall": reference.recall_score(TARGETS, PREDICTED, **macro),
        "f1": reference.f1_score(TARGETS, PREDICTED, **macro),
        "log_loss": reference.log_loss(TARGETS, PROBABILITIES),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_macro_scores_by_hand_from_counts():
    # Label 0: 3 predicted 0, 1 predicted 1; label 1: 2 predicted 0, 4 predicted 1.
    targets = np.repeat([0, 0, 1, 1], [3, 1, 2, 4])
    logits = np.eye(2)[np.repeat([0, 1, 0, 1], [3, 1, 2, 4])]
    scores = metrics.classification(logits, targets)
    assert scores["accuracy"] == 0.7
    assert scores["precision"] == pytest.approx((3 / 5 + 4 / 5) / 2)
    assert scores["recall"] == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert scores["f1"] == pytest.approx((6 / 9 + 8 / 11) / 2)


def test_a_class_never_predicted_has_precision_zero_and_no_warning(recwarn):
    scores = metrics.classification(np.tile([1.0, 0.0], (4, 1)), np.array([0, 0, 1, 1]))
    assert scores["precision"] == 0.25
    assert scores["recall"] == 0.5
    assert not recwarn


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_uniform_probabilities_have_known_scores(classes):
    logits, targets = np.zeros((classes, classes)), np.arange(classes)
    scores = metrics.classification(logits, targets)
    assert scores["log_loss"] == pytest.approx(np.log(classes))
    assert scores["brier"] == pytest.approx(1 - 1 / classes)
    assert scores["calibration_error"] == pytest.approx(0)


def test_log_losses_are_the_slow_formula():
    slow = [logsumexp(row) - row[target] for row, target in zip(LOGITS, TARGETS, strict=True)]
    np.testing.assert_allclose(metrics.log_losses(LOGITS, TARGETS), slow, atol=1e-12)


def test_log_losses_are_finite_where_the_probability_underflows():
    losses = metrics.log_losses(np.array([[2000.0, 0.0]], dtype=np.float32), np.array([1]))
    assert losses.tolist() == [2000.0]


def test_brier_of_two_classes_is_twice_scikit_learns():
    logits, targets = LOGITS[:, :2], (TARGETS > 1).astype(int)
    binary = reference.brier_score_loss(targets, softmax(logits, -1)[:, 1])
    assert metrics.brier(logits, targets) == pytest.approx(2 * binary)


def test_brier_reaches_its_bounds():
    logits = np.array([[900.0, 0.0]])
    assert metrics.brier(logits, np.array([0])) == 0
    assert metrics.brier(logits, np.array([1])) == 2


@FEW
@given(logits_and_targets, st.integers(-50, 50))
def test_scores_do_not_see_a_shift_of_all_logits_or_the_order_of_rows(data, shift):
    logits, targets = data
    order = np.random.default_rng(0).permutation(len(targets))
    scores = metrics.classification(logits, targets)
    moved = metrics.classification((logits + shift)[order], targets[order])
    # The calibration error may jump where a confidence lies on the edge of a bin.
    del scores["calibration_error"], moved["calibration_error"]
    assert moved == pytest.approx(scores, abs=1e-9)


@FEW
@given(logits_and_targets)
def test_scores_keep_their_bounds(data):
    scores = metrics.classification(*data)
    assert all(0 <= scores[name] <= 1 for name in ("accuracy", "precision", "recall", "f1"))
    assert 0 <= scores["calibration_error"] <= 1
    assert 0 <= scores["brier"] <= 2
    assert scores["log_loss"] >= 0


# calibration


def slow_calibration_error(probabilities, targets, bins):
    total = 0.0
    for index in range(bins):
        inside = [
            (row.max(), row.argmax() == target)
            for row, target in zip(probabilities, targets, strict=True)
            if index == min(int(row.max() * bins), bins - 1)
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            total += len(inside) / len(targets) * abs(confidence - right)
    return total


@pytest.mark.parametrize("bins", [1, 5, 10, 37])
def test_calibration_error_is_the_slow_formula(bins):
    error = metrics.calibration_error(LOGITS, TARGETS, bins=bins)
    assert error == pytest.approx(slow_calibration_error(PROBABILITIES, TARGETS, bins))


def test_one_bin_compares_mean_confidence_with_accuracy():
    gap = PROBABILITIES.max(-1).mean() - (PREDICTED == TARGETS).mean()
    assert metrics.calibration_error(LOGITS, TARGETS, bins=1) == pytest.approx(abs(gap))


def test_certain_and_always_wrong_has_the_largest_calibration_error():
    logits = np.tile([1000.0, 0.0], (5, 1))
    assert metrics.calibration_error(logits, np.ones(5, dtype=int)) == 1
    assert metrics.calibration_error(logits, np.zeros(5, dtype=int)) == 0


def test_full_confidence_falls_into_the_last_bin():
    logits = np.array([[1000.0, 0.0], [np.log(0.96), np.log(0.04)]])
    error = metrics.calibration_error(logits, np.array([1, 0]))
    assert error == pytest.approx(0.98 - 0.5)


def test_confidence_equal_to_accuracy_has_no_calibration_error():
    logits = np.log(np.tile([0.75, 0.25], (8, 1)))
    targets = np.repeat([0, 1], [6, 2])
    assert metrics.calibration_error(logits, targets) == pytest.approx(0, abs=1e-12)


def test_labels_drawn_from_the_model_are_calibrated_up_to_sampling():
    random = np.random.default_rng(0)
    logits = random.normal(size=(40_000, 3)) * 2
    drawn = (random.random((40_000, 1)) > softmax(logits, -1).cumsum(-1)[:, :-1]).sum(-1)
    assert metrics.calibration_error(logits, drawn) < 0.012
    assert metrics.calibration_error(3 * logits, drawn) > 0.05


@FEW
@given(logits_and_targets, st.integers(1, 20))
def test_reliability_bins_hold_every_row_once(data, bins):
    logits, targets = data
    table = metrics.reliability(logits, targets, bins=bins)
    confidence, accuracy, rows = table.T
    assert rows.sum() == len(targets)
    assert (rows > 0).all()
    assert rows @ accuracy == pytest.approx((logits.argmax(-1) == targets).sum())
    assert rows @ confidence == pytest.approx(softmax(logits, -1).max(-1).sum())
    assert (np.diff(confidence) > 0).all()


# regression


def test_regression_scores_are_those_of_the_libraries():
    targets = RANDOM.normal(size=100)
    predictions = targets + RANDOM.normal(size=100)
    assert metrics.regression(predictions, targets) == pytest.approx(
        {
            "mae": reference.mean_absolute_error(targets, predictions),
            "mse": reference.mean_squared_error(targets, predictions),
            "r2": reference.r2_score(targets, predictions),
            "pearson": np.corrcoef(predictions, targets)[0, 1],
            "spearman": np.corrcoef(stats.rankdata(predictions), stats.rankdata(targets))[0, 1],
        }
    )


def test_always_the_mean_has_r2_zero_and_no_correlation():
    targets = np.array([1.0, 2.0, 6.0])
    scores = metrics.regression(np.full(3, 3.0), targets)
    assert scores["r2"] == pytest.approx(0)
    assert scores["mse"] == pytest.approx(targets.var())
    assert np.isnan(scores["pearson"])
    assert np.isnan(scores["spearman"])


def test_targets_that_do_not_vary_have_no_r2():
    scores = metrics.regression(np.array([1.0, 2.0]), np.array([3.0, 3.0]))
    assert scores["mae"] == 1.5
    assert np.isnan(scores["r2"])
    assert np.isnan(scores["pearson"])


@FEW
@given(numbers, st.floats(0.1, 10), st.floats(-10, 10))
def test_regression_follows_a_change_of_units(data, scale, shift):
    predictions, targets = data
    assume(np.ptp(predictions) > 0)
    assume(np.ptp(targets) > 0)
    scores = metrics.regression(predictions, targets)
    other = metrics.regression(scale * predictions + shift, scale * targets + shift)
    expected = scores | {"mae": scale * scores["mae"], "mse": scale**2 * scores["mse"]}
    assert other == pytest.approx(expected, abs=1e-6, rel=1e-6)


@FEW
@given(numbers)
def test_mean_absolute_error_is_at_most_the_root_of_the_squared(data):
    scores = metrics.regression(*data)
    assert scores["mae"] ** 2 <= scores["mse"] + 1e-9
    assert not scores["r2"] > 1


# intervals


def test_bootstrap_of_all_samples_of_three_rows():
    values = np.array([0.0, 1.0, 5.0])
    means = [np.mean(sample) for sample in product(values, repeat=3)]
    drawn = metrics.resample(np.mean, values, draws=20_000, seed=0)
    assert set(drawn.round(6)) == set(np.round(means, 6))
    assert drawn.mean() == pytest.approx(np.mean(means), abs=0.05)
    assert drawn.std() == pytest.approx(np.std(means), abs=0.03)


def test_bootstrap_of_an_accuracy_is_as_wide_as_the_formula():
    right = np.repeat([1.0, 0.0], [320, 80])
    interval = metrics.bootstrap(np.mean, right, draws=4000)
    half = 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert interval.value == pytest.approx(0.8)
    assert (interval.low, interval.high) == pytest.approx((0.8 - half, 0.8 + half), abs=0.006)


def test_bootstrap_is_close_to_scipys():
    values = np.random.default_rng(1).exponential(size=80)
    ours = metrics.bootstrap(np.median, values, draws=4000, level=0.9)
    theirs = stats.bootstrap(
        (values,),
        np.median,
        n_resamples=4000,
        method="percentile",
        confidence_level=0.9,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.05)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        interval = metrics.bootstrap(np.mean, random.normal(size=60), draws=300, level=0.9)
        hits += interval.low <= 0 <= interval.high
    assert 0.83 < hits / 300 < 0.95


def test_crossed_is_as_wide_as_the_variance_of_seeds_and_rows():
    random = np.random.default_rng(0)
    seeds, rows = random.normal(0, 2, (30, 1)), random.normal(0, 3, (1, 200))
    values = seeds + rows  # no noise of its own: the variances of the two means add up
    found = metrics.crossed(values, draws=4000)
    expected = 1.96 * np.sqrt(seeds.var() / 30 + rows.var() / 200)
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.06)


def test_crossed_with_one_seed_is_the_bootstrap_of_its_rows():
    values = np.random.default_rng(0).normal(size=300)
    crossed = metrics.crossed(values[None], draws=4000)
    bootstrap = metrics.bootstrap(np.mean, values)
    assert crossed.value == pytest.approx(bootstrap.value)
    assert (crossed.low, crossed.high) == pytest.approx((bootstrap.low, bootstrap.high), abs=0.02)


def test_crossed_refuses_values_without_seeds():
    with pytest.raises(ValueError, match=r"\(5,\).*\(S, N\)"):
        metrics.crossed(np.ones(5))


def test_columns_are_resampled_together():
    column = np.arange(50.0)
    same = metrics.resample(
        lambda a, b: float(np.abs(a - b).max()), column, column, draws=20, seed=0
    )
    assert (same == 0).all()
    assert np.ptp(metrics.resample(np.mean, column, draws=20, seed=0)) > 0


@pytest.mark.parametrize("rows", [1, 2, 7, 200])
def test_samples_are_those_of_one_large_draw(rows):
    values = np.random.default_rng(5).normal(size=rows)
    picks = np.random.default_rng(3).integers(0, rows, size=(51, rows))
    expected = [values[pick].mean() for pick in picks]
    drawn = metrics.resample(np.mean, values, draws=51, seed=3)
    assert drawn.tolist() == expected


def test_a_bootstrap_holds_one_sample_at_a_time():
    values = np.ones(20_000)
    tracemalloc.start()
    try:
        metrics.resample(np.mean, values, draws=200, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * values.nbytes  # all samples at once are 200 times


def test_bootstrap_depends_on_its_seed_alone():
    values = np.arange(30.0)
    first, again, other = (metrics.bootstrap(np.mean, values, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@FEW
@given(arrays(float, st.integers(1, 30), elements=st.floats(-100, 100)))
def test_a_narrower_level_lies_inside_a_wider_one(values):
    wide, narrow = (metrics.bootstrap(np.mean, values, draws=50, level=x) for x in (0.95, 0.5))
    assert wide.low <= narrow.low <= narrow.high <= wide.high
    assert values.min() - 1e-9 <= wide.low
    assert wide.high <= values.max() + 1e-9


def test_an_interval_reads_well():
    assert str(Interval(0.84, 0.8, 0.88)) == "0.840 [0.800, 0.880]"


# McNemar's test


def exact_p(only_first, only_second):
    """Two-sided p-value by counting every sequence of fair coin flips."""
    flips = only_first + only_second
    distance = abs(only_first - flips / 2)
    heads = [sum(sequence) for sequence in product((0, 1), repeat=flips)]
    return np.mean([abs(count - flips / 2) >= distance for count in heads])


@pytest.mark.parametrize("counts", [(4, 1), (7, 0), (3, 3), (0, 1), (2, 9)])
def test_mcnemar_counts_coin_flips(counts):
    only_first, only_second = counts
    first = np.repeat([1, 0, 1, 0], [only_first, only_second, 6, 3])
    second = np.repeat([0, 1, 1, 0], [only_first, only_second, 6, 3])
    result = metrics.mcnemar(first, second)
    assert (result.only_first, result.only_second) == counts
    assert result.p_value == pytest.approx(exact_p(*counts))


def test_a_model_does_not_differ_from_itself():
    right = np.array([1, 0, 1])
    assert metrics.mcnemar(right, right) == McNemar(0, 0, 1.0)


@FEW
@given(outcomes)
def test_mcnemar_is_symmetric_and_blind_to_rows_on_which_both_agree(data):
    first, second = data
    result, turned = metrics.mcnemar(first, second), metrics.mcnemar(second, first)
    assert turned == (result.only_second, result.only_first, result.p_value)
    more = np.repeat([True, False], [20, 5])
    assert metrics.mcnemar(np.append(first, more), np.append(second, more)) == result
    assert 0 < result.p_value <= 1
    difference = first.mean() - second.mean()
    assert (result.only_first - result.only_second) / len(first) == pytest.approx(difference)


def test_equal_models_are_rarely_called_different():
    random = np.random.default_rng(4)
    pairs = random.random((400, 2, 100)) < 0.8
    found = np.mean([metrics.mcnemar(first, second).p_value < 0.05 for first, second in pairs])
    assert found <= 0.06  # an exact test is conservative
