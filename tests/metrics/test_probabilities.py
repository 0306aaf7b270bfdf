"""Log losses, Brier score and calibration against slow formulas."""

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from ftlearn import metrics

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


def test_errors_of_a_calibrated_model_are_those_of_labels_drawn_one_by_one():
    random = np.random.default_rng(0)
    slow = []
    for _ in range(300):
        drawn = np.array([random.choice(4, p=row) for row in PROBABILITIES])
        slow.append(metrics.calibration_error(LOGITS, drawn))
    errors = metrics.calibrated_errors(LOGITS, draws=1000)
    assert errors.mean() == pytest.approx(np.mean(slow), rel=0.1)
    assert np.quantile(errors, 0.95) == pytest.approx(np.quantile(slow, 0.95), rel=0.15)


def test_errors_of_a_calibrated_model_shrink_with_the_root_of_the_rows():
    few, many = (metrics.calibrated_errors(np.zeros((rows, 2)), draws=400) for rows in (100, 1600))
    assert few.mean() / many.mean() == pytest.approx(4, rel=0.15)


# normalised log loss

yes_or_no = arrays(int, st.integers(2, 30), elements=st.integers(0, 1)).filter(
    lambda targets: 0 < targets.mean() < 1
)


@FEW
@given(yes_or_no, st.integers(0, 2**32 - 1))
def test_normalised_log_loss_is_a_ratio_of_two_of_scikit_learns(targets, seed):
    probabilities = np.random.default_rng(seed).uniform(0.01, 0.99, len(targets))
    share = np.full(len(targets), targets.mean())
    expected = reference.log_loss(targets, probabilities) / reference.log_loss(targets, share)
    assert metrics.normalised_log_loss(probabilities, targets) == pytest.approx(expected)
    assert metrics.normalised_log_loss(share, targets) == pytest.approx(1)
    assert metrics.normalised_log_loss(targets, targets) == 0


def test_what_was_called_impossible_costs_infinity():
    assert metrics.normalised_log_loss(np.array([0.0, 0.5]), np.array([1, 0])) == np.inf


def test_targets_that_are_all_alike_have_nothing_to_normalise_by():
    with pytest.raises(ValueError, match="all 3 targets are 1"):
        metrics.normalised_log_loss(np.full(3, 0.5), np.ones(3))
