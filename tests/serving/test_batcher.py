"""The batcher with a compute function that tests hold back and release: no test waits for luck."""

import asyncio
import threading

import pytest

from ftlearn.serving.admission import DeadlineError, NotReadyError, QueueFullError, State
from ftlearn.serving.batcher import Batcher


class Gate:
    """Upper-cases words when it is open, and keeps the batches that it was given."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.batches: list[list[str]] = []
        self.entered = threading.Semaphore(0)
        self._open = threading.Event()
        if is_open:
            self._open.set()

    def predict(self, words):
        self.batches.append(list(words))
        self.entered.release()
        assert self._open.wait(30)
        if "bad" in words:
            raise ValueError("a bad word")
        return [word.upper() for word in words]

    def open(self) -> None:
        self._open.set()

    async def reached(self) -> None:
        """Wait until the worker is inside a batch."""
        assert await asyncio.to_thread(self.entered.acquire, timeout=30)


def served(scenario, model, **settings):
    """Run ``scenario(batcher)`` in an event loop and drain."""

    async def run():
        batcher = Batcher(model, **{"budget": 10, "max_queue": 8, "max_wait": 0.0} | settings)
        batcher.start()
        try:
            return await asyncio.wait_for(scenario(batcher), 60)
        finally:
            if isinstance(model, Gate):
                model.open()
            await batcher.drain()

    return asyncio.run(run())


async def held_back(batcher, gate, *requests):
    """Submit requests while the worker is inside a first one."""
    first = asyncio.ensure_future(batcher.submit(["first"], 1))
    await gate.reached()
    others = [asyncio.ensure_future(batcher.submit(words, tokens)) for words, tokens in requests]
    await asyncio.sleep(0)
    return first, others


def test_answers_come_back_to_their_requests():
    async def scenario(batcher):
        return await asyncio.gather(*(batcher.submit([word, word + "x"], 2) for word in "abcd"))

    results = served(scenario, Gate())
    assert [result.answers for result in results] == [[w.upper(), w.upper() + "X"] for w in "abcd"]
    assert all(result.queue_seconds >= 0 and result.compute_seconds >= 0 for result in results)


def test_what_waits_is_computed_together_up_to_the_budget_and_in_order():
    gate = Gate(is_open=False)

    async def scenario(batcher):
        first, others = await held_back(
            batcher, gate, (["a"], 4), (["b", "c"], 6), (["d"], 1), (["e"], 30), (["f"], 1)
        )
        gate.open()
        await asyncio.gather(first, *others)

    served(scenario, gate)
    assert gate.batches == [["first"], ["a", "b", "c"], ["d"], ["e"], ["f"]]


def test_an_idle_worker_waits_for_company_until_the_batch_is_full():
    gate = Gate()

    async def scenario(batcher):
        lonely = asyncio.ensure_future(batcher.submit(["a"], 4))
        await asyncio.sleep(0.01)
        assert gate.batches == []
        await asyncio.gather(lonely, batcher.submit(["b"], 6))

    served(scenario, gate, max_wait=3600)  # the test would hang if a full batch waited
    assert gate.batches == [["a", "b"]]


def test_the_wait_for_company_ends():
    result = served(lambda batcher: batcher.submit(["a"], 1), Gate(), max_wait=0.02)
    assert result.answers == ["A"]
    assert result.queue_seconds >= 0.019


def test_a_full_queue_refuses_and_says_when_to_come_back():
    gate = Gate(is_open=False)

    async def scenario(batcher):
        first, others = await held_back(batcher, gate, (list("abcdef"), 6))
        with pytest.raises(QueueFullError, match=r"6 texts wait, and 3 more .* of 8") as refused:
            await batcher.submit(list("xyz"), 3)
        assert refused.value.retry_after >= 1
        others += [asyncio.ensure_future(batcher.submit(["y", "z"], 2))]  # exactly full
        await asyncio.sleep(0)
        assert batcher.queued == 8
        gate.open()
        await asyncio.gather(first, *others)

    served(scenario, gate)


def test_a_request_that_would_wait_beyond_its_deadline_is_refused_at_once():
    gate = Gate(is_open=False)

    async def scenario(batcher):
        batcher._admission.observe(1, 1.0)  # a second per token
        first, others = await held_back(batcher, gate, (["a"], 2), (["b"], 3))
        with pytest.raises(QueueFullError, match=r"about 5 s, longer .* of 4 s") as refused:
            await batcher.submit(["late"], 1, timeout=4)
        assert refused.value.retry_after == 5
        others += [asyncio.ensure_future(batcher.submit(["c"], 1, timeout=60))]
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(first, *others)
        # Nothing waits: whatever was measured, a request is accepted.
        batcher._admission.observe(1, 1e6)
        assert (await batcher.submit(["d"], 1, timeout=60)).answers == ["D"]

    served(scenario, gate)


def test_requests_that_are_given_up_are_never_computed_and_free_their_place():
    gate = Gate(is_open=False)

    async def scenario(batcher):
        first, (late, cancelled, kept) = await held_back(
            batcher, gate, (["late"], 1), (["cancelled"], 1), (["kept"], 1)
        )
        with pytest.raises(DeadlineError, match=r"within 0\.01 s"):
            await batcher.submit(["deadline"], 1, timeout=0.01)
        late.cancel()
        cancelled.cancel()
        await asyncio.sleep(0)
        assert batcher.queued == 1
        gate.open()
        await asyncio.gather(first, kept)

    served(scenario, gate)
    assert gate.batches == [["first"], ["kept"]]


def test_only_the_request_that_fails_gets_the_error():
    gate = Gate(is_open=False)

    async def scenario(batcher):
        first, others = await held_back(batcher, gate, (["a"], 1), (["bad"], 1), (["c"], 1))
        gate.open()
        return await asyncio.gather(first, *others, return_exceptions=True)

    _, first, bad, last = served(scenario, gate)
    assert (first.answers, last.answers) == (["A"], ["C"])
    assert isinstance(bad, ValueError)
    assert str(bad) == "a bad word"


def test_a_timeout_inside_the_computation_is_not_called_a_deadline():
    class Failing:
        def predict(self, words):
            raise TimeoutError("disk")

    with pytest.raises(TimeoutError, match="disk") as error:
        served(lambda batcher: batcher.submit(["a"], 1, timeout=30), Failing())
    assert not isinstance(error.value, DeadlineError)


def test_draining_answers_what_was_accepted_and_refuses_the_rest():
    gate = Gate(is_open=False)

    async def scenario(batcher):
        first, others = await held_back(batcher, gate, (["a"], 1), (["b"], 99))
        drained = asyncio.ensure_future(batcher.drain())
        await asyncio.sleep(0)
        assert batcher.state is State.DRAINING
        with pytest.raises(NotReadyError, match="another"):
            await batcher.submit(["c"], 1)
        assert not drained.done()
        gate.open()
        await drained
        return await asyncio.gather(first, *others)

    results = served(scenario, gate)
    assert [result.answers for result in results] == [["FIRST"], ["A"], ["B"]]


def test_a_replaced_model_takes_over_between_batches_and_divides_no_request():
    gate = Gate(is_open=False)

    async def scenario(batcher):
        first, (other,) = await held_back(batcher, gate, (["a"] * 8, 80))
        batcher.model = doubling
        gate.open()
        return await first, await other

    doubling = Doubling()
    first, other = served(scenario, gate)
    assert (first.answers, first.model) == (["FIRST"], gate)
    assert other.model is doubling
    assert other.answers == ["aa"] * 8


class Doubling:
    def predict(self, words):
        return [word * 2 for word in words]
