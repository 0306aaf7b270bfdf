"""The figures of a run whose times are made up, so that all of them are known."""

import numpy as np
import pytest

from ftlearn.errors import ArgumentError
from ftlearn.load import LoadRun, table


def run_of(latencies, outcomes=None, gap=0.1, late=0.0):
    due = np.arange(len(latencies)) * gap
    outcomes = tuple(outcomes or ["200"] * len(latencies))
    done = due + late + np.asarray(latencies)
    return LoadRun(1 / gap, due, due + late, done, outcomes, ("",) * len(latencies))


def test_latency_counts_from_when_a_request_was_due():
    run = run_of([0.02, 0.03, 0.05], late=0.5)
    np.testing.assert_allclose(run.latencies, [0.52, 0.53, 0.55])
    np.testing.assert_allclose(run.response_times, [0.02, 0.03, 0.05])
    assert run.lateness == pytest.approx(0.5)


def test_only_answers_have_a_latency():
    run = run_of([0.02, 9.0, 0.04], ["200", "429", "200"])
    np.testing.assert_allclose(run.latencies, [0.02, 0.04])
    assert run.statuses == {"200": 2, "429": 1}


def test_requests_in_flight_are_littles_law():
    run = run_of([0.25] * 40)
    # From the first arrival to the last answer: 40 requests of 0.25 s in 4.15 s.
    assert run.in_flight == pytest.approx(40 * 0.25 / (3.9 + 0.25))
    assert run.answered_per_second == pytest.approx(40 / 4.15)
    assert run.in_flight == pytest.approx(run.answered_per_second * run.latencies.mean())


def test_percentiles_are_numpys_and_their_intervals_hold_them():
    latencies = np.random.default_rng(0).exponential(0.1, 2000)
    run = run_of(latencies)
    for percent in (50, 95, 99):
        value, low, high = run.percentile(percent)
        assert value == pytest.approx(np.percentile(latencies, percent))
        assert low < value < high
        assert low < -0.1 * np.log(1 - percent / 100) < high  # the true one


def test_intervals_of_a_queue_are_wider_than_those_of_independent_requests():
    """Latencies that come in long waves: a run of 2,000 holds few independent ones."""
    random = np.random.default_rng(1)
    waves = np.repeat(random.exponential(0.1, 40), 50)
    shuffled = random.permutation(waves)
    width = {}
    for name, latencies in (("waves", waves), ("shuffled", shuffled)):
        _, low, high = run_of(latencies).percentile(50)
        width[name] = high - low
    assert width["waves"] > 2 * width["shuffled"]


def test_a_table_has_a_row_per_run():
    frame = table([run_of([0.1] * 5), run_of([0.2] * 5, ["200"] * 4 + ["503"])])
    assert list(frame["answered"]) == [5, 4]
    assert list(frame["p50 ms"]) == [100.0, 200.0]
    assert (frame["p95 low"] <= frame["p95 ms"]).all()
    with pytest.raises(ArgumentError, match="at least one"):
        table([])
