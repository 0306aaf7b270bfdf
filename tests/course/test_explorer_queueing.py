"""The explorer of queues: each request is computed once, in order, and theory and limits hold."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn import load
from ftlearn.course import explorers, widgets
from ftlearn.course.explorers.queueing import batch_queue
from ftlearn.errors import ArgumentError
from ftlearn.load import BatchCurve

CURVE = BatchCurve(fixed=0.01, per_text=0.002)


def slowly(arrivals, window, largest):
    """The moments at which requests are done, by a server that looks at every request."""
    waiting, done, free = list(range(len(arrivals))), {}, 0.0
    while waiting:
        oldest = arrivals[waiting[0]]
        start = max(free, oldest + window)
        if len(waiting) >= largest:
            start = min(start, max(free, arrivals[waiting[largest - 1]]))
        batch = [k for k in waiting if arrivals[k] <= start][:largest]
        free = start + CURVE.fixed + CURVE.per_text * len(batch)
        done |= dict.fromkeys(batch, free)
        waiting = waiting[len(batch) :]
    return np.array([done[k] for k in range(len(arrivals))])


@given(
    gaps=st.lists(st.floats(0, 0.1), min_size=1, max_size=40),
    window=st.sampled_from([0.0, 0.005, 0.05]),
    largest=st.integers(1, 6),
)
def test_a_server_that_looks_at_every_request_is_done_at_the_same_moments(gaps, window, largest):
    arrivals = np.cumsum(gaps)
    queue = batch_queue(arrivals, CURVE, window=window, largest=largest)
    np.testing.assert_allclose(arrivals + queue.latencies, slowly(arrivals, window, largest))
    assert queue.sizes.sum() == len(arrivals)
    assert queue.sizes.max() <= largest
    assert 0 < queue.busy <= 1 + 1e-9


def test_batches_of_one_wait_as_the_recursion_says():
    arrivals = load.arrival_times(60, 20, seed=1)
    queue = batch_queue(arrivals, CURVE, largest=1)
    expected = load.queue_waits(arrivals, CURVE.seconds(1)) + CURVE.seconds(1)
    np.testing.assert_allclose(queue.latencies, expected)


def test_the_table_has_the_theory_only_where_it_holds():
    table, _ = explorers.queueing(CURVE, 50, largest=1).elements
    assert table.loc["theory, M/D/1", "mean ms"] == pytest.approx(21.0, abs=0.05)
    assert table.loc["simulated", "mean ms"] == pytest.approx(21.0, rel=0.1)
    for other in ({"largest": 8}, {"largest": 1, "window_ms": 5.0}):
        table, _ = explorers.queueing(CURVE, 50, **other).elements
        assert list(table.index) == ["simulated"]


def test_beyond_the_knee_the_sentence_says_that_the_queue_grows():
    assert "grows for ever" in explorers.queueing(CURVE, 90, largest=1).sentence
    assert "grows for ever" not in explorers.queueing(CURVE, 80, largest=1).sentence


@pytest.mark.parametrize("wrong", [{"largest": 0}, {"window_ms": -1.0}])
def test_impossible_settings_are_named(wrong):
    with pytest.raises(ArgumentError, match="largest is"):
        explorers.queueing(CURVE, 50, **wrong)


def test_the_widget_shows_what_the_printed_call_returns():
    box = widgets.queueing(CURVE, name="CURVE")
    rate, _, largest = box.children[0].children
    number = rate.children[-1] if hasattr(rate, "children") else rate
    number.value, largest.value = 90, 1
    code = html.unescape(re.sub("<[^>]+>", "", box.children[1].value))
    assert code.startswith("explorers.queueing(CURVE, rate=90")
    view = eval(code, {"explorers": explorers, "CURVE": CURVE})
    assert html.escape(view.sentence) in box.children[-1].value
