"""Confident learning against cleanlab."""

from __future__ import annotations

import numpy as np
import pytest
from cleanlab.filter import find_label_issues

from ftlearn.data import DataError, label_errors


def noisy(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (N, C) of a fair model, labels (N,) with 15 % noise, and the true labels."""
    rng = np.random.default_rng(seed)
    N, C = 200, int(rng.integers(2, 6))
    true = rng.integers(0, C, N)
    labels = np.where(rng.random(N) < 0.15, rng.integers(0, C, N), true)
    scores = rng.normal(size=(N, C))
    scores[np.arange(N), true] += 2
    exponent = np.exp(scores * rng.uniform(0.5, 2))
    return exponent / exponent.sum(axis=1, keepdims=True), labels, true


@pytest.mark.parametrize("seed", range(20))
def test_the_same_rows_in_the_same_order_as_cleanlab(seed):
    probabilities, labels, _ = noisy(seed)
    expected = find_label_issues(
        labels,
        probabilities,
        filter_by="confident_learning",
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    assert len(expected) > 0
    assert label_errors(probabilities, labels).tolist() == expected.tolist()


def test_most_of_what_is_found_is_wrong():
    probabilities, labels, true = noisy(1)
    suspects = label_errors(probabilities, labels)
    assert (labels[suspects] != true[suspects]).mean() > 0.6 > 2 * (labels != true).mean()


def test_a_label_that_the_model_prefers_is_no_error():
    probabilities = np.array([[0.99, 0.01], [0.98, 0.02], [0.55, 0.45], [0.6, 0.4], [0.6, 0.4]])
    labels = np.array([0, 0, 0, 1, 1])  # thresholds 0.84 and 0.4: row 2 counts as class 1
    assert find_label_issues(labels, probabilities, filter_by="confident_learning").sum() == 0
    assert label_errors(probabilities, labels).tolist() == []


def test_a_class_without_rows_is_never_the_answer():
    assert label_errors([[0.2, 0.8, 0.0], [0.1, 0.2, 0.7]], [1, 1]).tolist() == []


@pytest.mark.parametrize(
    ("probabilities", "labels", "expected"),
    [
        ([[0.5, 0.5]], [0, 1], r"\(1, 2\) and labels \(2,\)"),
        ([[0.5, 0.5], [2.0, 3.0]], [0, 1], "row 1 .*sums to 5.*softmax"),
        ([[0.5, 0.5]], [2], "from 2 to 2.*0 to 1"),
        ([[0.5, 0.5]], [0.5], "whole numbers"),
    ],
)
def test_errors_name_the_value_and_the_remedy(probabilities, labels, expected):
    with pytest.raises(DataError, match=expected):
        label_errors(probabilities, labels)
