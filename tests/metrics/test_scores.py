"""Scores against scikit-learn and NumPy, closed forms, and their laws."""

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.special import logsumexp, softmax

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
numbers = st.integers(2, 30).flatmap(
    lambda rows: st.tuples(*[arrays(float, rows, elements=st.integers(-50, 50)) for _ in "ab"])
)


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


@FEW
@given(logits_and_targets, st.integers(0, 99))
def test_scores_of_rows_drawn_from_columns_are_those_of_the_rows_themselves(given_rows, seed):
    logits, targets = given_rows
    drawn = np.random.default_rng(seed).integers(0, len(targets), len(targets))
    columns = metrics.classified_rows(logits, targets)
    of_columns = metrics.classification_of_rows(*(column[drawn] for column in columns))
    assert of_columns == metrics.classification(logits[drawn], targets[drawn])
