"""Queueing theory beside simulations and beside laws that any queue obeys."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn import load
from ftlearn.errors import ArgumentError

RATE, SERVICE = 20.0, 0.04
ARRIVALS = load.arrival_times(RATE, 20_000, seed=0)


def waits_by_events(arrivals, services):
    """One server, request by request: the slow obvious version."""
    free, waits = 0.0, []
    for arrival, service in zip(arrivals, services, strict=True):
        begin = max(arrival, free)
        waits.append(begin - arrival)
        free = begin + service
    return waits


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 5)), min_size=1, max_size=30).map(sorted)
)
def test_lindleys_recursion_is_a_server_that_takes_one_after_the_other(requests):
    arrivals, services = zip(*requests, strict=True)
    waits = load.queue_waits(arrivals, services)
    np.testing.assert_allclose(waits, waits_by_events(arrivals, services), atol=1e-9)


def test_simulated_waits_are_those_of_the_formulas():
    fixed = load.queue_waits(ARRIVALS, SERVICE)
    assert fixed.mean() == pytest.approx(load.md1_wait(RATE, SERVICE), rel=0.03)
    services = np.random.default_rng(1).exponential(SERVICE, len(ARRIVALS))
    waits = load.queue_waits(ARRIVALS, services)
    assert waits.mean() == pytest.approx(load.mm1_wait(RATE, SERVICE), rel=0.05)
    p99 = load.mm1_response_quantile(RATE, SERVICE, 0.99)
    assert np.quantile(waits + services, 0.99) == pytest.approx(p99, rel=0.07)
    assert p99 == pytest.approx(4.605 * (load.mm1_wait(RATE, SERVICE) + SERVICE), rel=1e-3)


def test_littles_law_counts_the_same_area_twice():
    waits = load.queue_waits(ARRIVALS, SERVICE)
    done = ARRIVALS + waits + SERVICE
    # The area under the number in the system, from the moments at which it changes.
    moments = np.sort(np.concatenate([ARRIVALS, done]))
    number = np.searchsorted(ARRIVALS, moments[:-1], "right") - np.searchsorted(
        np.sort(done), moments[:-1], "right"
    )
    area = (number * np.diff(moments)).sum()
    rate = len(ARRIVALS) / moments[-1]
    in_system = load.littles_law(rate, float((done - ARRIVALS).mean()))
    assert in_system == pytest.approx(area / moments[-1], rel=1e-4)


def test_an_overloaded_queue_grows_for_ever():
    assert load.mm1_wait(25, 0.04) == load.md1_wait(30, 0.04) == math.inf
    assert load.utilization(30, 0.04) == pytest.approx(1.2)
    assert load.mm1_response_quantile(RATE, SERVICE, 1) == math.inf


def test_arrivals_are_even_or_a_poisson_process():
    even = load.arrival_times(10, 3)
    np.testing.assert_allclose(np.diff(even), 0.1)
    assert len(even) == 30
    gaps = np.diff(ARRIVALS)
    assert gaps.mean() == pytest.approx(1 / RATE, rel=0.01)
    assert gaps.std() == pytest.approx(1 / RATE, rel=0.01)  # exponential: as large as the mean
    counts = np.histogram(ARRIVALS, bins=20_000, range=(0, 20_000))[0]
    assert counts.var() == pytest.approx(counts.mean(), rel=0.03)  # Poisson
    assert np.array_equal(load.arrival_times(5, 10, seed=3), load.arrival_times(5, 10, seed=3))


@pytest.mark.parametrize(
    ("rate", "seconds", "words"),
    [(0, 1, "rate is 0"), (-3, 1, "rate is -3"), (5, 0, "seconds is 0"), (1e5, 1e5, "lower rate")],
)
def test_impossible_rates_are_refused(rate, seconds, words):
    with pytest.raises(ArgumentError, match=words):
        load.arrival_times(rate, seconds)


@given(st.floats(1e-4, 0.5), st.floats(1e-4, 0.05))
def test_a_line_is_found_again(fixed, per_text):
    sizes = [1, 2, 4, 8, 16]
    curve = load.batch_curve(sizes, [fixed + per_text * size for size in sizes])
    assert curve.fixed == pytest.approx(fixed, rel=1e-3, abs=1e-7)
    assert curve.per_text == pytest.approx(per_text, rel=1e-3, abs=1e-7)


def test_no_part_of_a_step_takes_negative_time():
    curve = load.batch_curve([1, 2, 4], [0.01, 0.03, 0.08])
    assert curve.fixed == 0


@pytest.mark.parametrize(
    ("sizes", "seconds"), [([], []), ([4, 4], [1, 1]), ([1, 2], [1]), ([1, 2], [0, 1])]
)
def test_too_few_batches_make_no_line(sizes, seconds):
    with pytest.raises(ArgumentError):
        load.batch_curve(sizes, seconds)


def test_a_server_of_single_texts_is_a_queue_with_one_server():
    latencies = load.batch_latencies(ARRIVALS[:2000], load.BatchCurve(SERVICE, 0.0), 1)
    expected = load.queue_waits(ARRIVALS[:2000], SERVICE) + SERVICE
    np.testing.assert_allclose(latencies, expected, atol=1e-9)


def test_an_idle_server_waits_for_company_until_the_batch_is_full():
    curve = load.BatchCurve(1.0, 0.0)
    waits = lambda largest: load.batch_latencies([0.0, 0.2, 0.3, 5.0], curve, largest, 0.5) - 1.0  # noqa: E731
    np.testing.assert_allclose(waits(8), [0.5, 0.3, 0.2, 0.5])  # for half a second
    np.testing.assert_allclose(waits(2), [0.2, 0.0, 0.9, 0.5])  # or until two are there


def batches(curve, rate, largest, steps=3000):
    """Sizes of the batches of a server that computes what has collected meanwhile."""
    now, taken, sizes = 0.0, 0, []
    for _ in range(steps):
        arrived = int(now * rate) + 1
        if arrived == taken:
            now = taken / rate  # idle until the next one comes
            arrived = taken + 1
        size = min(arrived - taken, largest)
        now += curve.seconds(size)
        taken += size
        sizes.append(size)
    return np.array(sizes[steps // 2 :]), taken / now


def test_batches_grow_with_the_rate_as_the_formula_says():
    curve = load.BatchCurve(0.01, 0.002)
    for rate in (50, 100, 200, 400):
        sizes, _ = batches(curve, rate, largest=10_000)
        assert sizes.mean() == pytest.approx(curve.batch_at(rate), rel=0.1, abs=0.5)
    assert curve.batch_at(500) == curve.batch_at(900) == math.inf


@pytest.mark.parametrize("largest", [1, 4, 16])
def test_beyond_the_knee_a_server_answers_as_many_as_at_the_knee(largest):
    curve = load.BatchCurve(0.01, 0.002)
    saturation = load.knee(curve, largest)
    for factor in (1.2, 3.0):
        assert batches(curve, factor * saturation, largest)[1] == pytest.approx(
            saturation, rel=0.01
        )
    assert batches(curve, 0.8 * saturation, largest)[1] == pytest.approx(0.8 * saturation, rel=0.01)
    assert load.knee(curve, largest, overhead=0.001) < saturation
