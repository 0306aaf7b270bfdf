"""Bootstraps against enumeration, formulas and SciPy, and their laws."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from ftlearn import metrics
from ftlearn.metrics import Interval

FEW = settings(max_examples=50, deadline=None)


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


# Wilson's interval of a share


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (9, 9), (3, 10), (140, 300)])
def test_wilson_bounds_are_the_shares_at_the_edge_of_a_normal_test(successes, trials):
    interval = metrics.wilson(successes, trials, level=0.9)
    assert interval.value == pytest.approx(successes / trials)
    for bound in {interval.low, interval.high} - {0.0, 1.0}:
        distance = abs(interval.value - bound) / np.sqrt(bound * (1 - bound) / trials)
        assert distance == pytest.approx(stats.norm.ppf(0.95))
    assert 0 <= interval.low < interval.high <= 1
