"""Both queues accept requests from their start to their drain, and measure alike."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.serving.admission import Admission, NotReadyError, State
from ftlearn.serving.batcher import Batcher
from ftlearn.serving.generation_queue import GenerationQueue


class Echo:
    def predict(self, items):
        return items


def batcher():
    return Batcher(Echo(), budget=10, max_queue=8, max_wait=0)


def generations():
    return GenerationQueue(8)


async def ask(queue):
    """One request, whatever the queue is of."""
    if isinstance(queue, Batcher):
        return (await queue.submit(["a"], 1)).answers
    return [await queue.submit(lambda is_stopped: iter_of("a"), 30).next()]


def iter_of(part):
    yield part


@pytest.mark.parametrize("make", [batcher, generations])
def test_a_queue_accepts_from_its_start_to_its_drain_and_again_after_a_new_start(make):
    async def scenario():
        queue = make()
        states = [queue.state]
        with pytest.raises(NotReadyError, match="is starting"):
            await ask(queue)
        for _ in range(2):
            queue.start()
            states.append(queue.state)
            assert await ask(queue) == ["a"]
            await queue.drain()
            states.append(queue.state)
            with pytest.raises(NotReadyError, match="shutting down"):
                await ask(queue)
        return states

    once = [State.READY, State.DRAINING]
    assert asyncio.run(scenario()) == [State.STARTING, *once, *once]


def test_retry_after_is_the_time_of_what_waits_at_the_measured_speed():
    admission = Admission()
    assert admission.retry_after(10**6) == 1  # nothing is measured yet
    admission.observe(100, 1.0)
    assert admission.retry_after(350) == 4
    assert admission.retry_after(1) == 1


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(1e-3, 10)), min_size=1, max_size=20))
def test_the_average_lies_between_the_measurements(measured):
    admission = Admission()
    for units, seconds in measured:
        admission.observe(units, seconds)
    speeds = [seconds / units for units, seconds in measured]
    assert min(speeds) <= admission.seconds_per_unit * (1 + 1e-9)
    assert admission.seconds_per_unit <= max(speeds) * (1 + 1e-9)
    assert admission.retry_after(10**6) >= math.floor(min(speeds) * 10**6)
