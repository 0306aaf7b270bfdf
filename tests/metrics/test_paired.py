"""Paired tests against counted outcomes, and their laws."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from ftlearn import metrics
from ftlearn.metrics import McNemar

FEW = settings(max_examples=50, deadline=None)

outcomes = st.integers(1, 40).flatmap(
    lambda rows: st.tuples(*[arrays(bool, rows, elements=st.booleans()) for _ in "ab"])
)


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


# permutation test


def slow_p(differences):
    """The share of all sign flips whose mean is at least as far from 0."""
    means = [np.mean(differences * signs) for signs in product((-1, 1), repeat=len(differences))]
    return np.mean(np.abs(means) >= abs(np.mean(differences)) - 1e-12)


@pytest.mark.parametrize("rows", [3, 6, 10])
def test_all_swaps_are_counted_where_they_are_few(rows):
    first, second = np.random.default_rng(rows).normal([[0.7], [0.0]], 1, (2, rows))
    result = metrics.paired_test(first, second)
    assert result.difference == pytest.approx(first.mean() - second.mean())
    assert result.p_value == pytest.approx(slow_p(first - second))


def test_drawn_swaps_are_close_to_students_test():
    first, second = np.random.default_rng(0).normal([[0.2], [0.0]], 1, (2, 200))
    expected = stats.ttest_rel(first, second).pvalue
    assert metrics.paired_test(first, second).p_value == pytest.approx(expected, abs=0.01)


def test_equal_scores_are_no_effect():
    assert metrics.paired_test(np.ones(20), np.ones(20)) == (0, 1)


@pytest.mark.parametrize("second", [np.ones(4), np.ones((5, 1))])
def test_scores_of_other_rows_are_refused(second):
    with pytest.raises(ValueError, match=r"\(5,\)"):
        metrics.paired_test(np.ones(5), second)
