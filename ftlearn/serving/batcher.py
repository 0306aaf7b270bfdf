"""Requests that arrive one by one are computed in batches, by one worker thread.

    submit ──▶ queue (bounded) ──▶ batch (at most a budget of tokens) ──▶ model ──▶ answers

While a batch is computed, the next requests collect in the queue, so batches grow with the load.
Only an idle worker waits for company, and for a few milliseconds at most. A request is never
divided: all its items are computed by the same model.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ftlearn.serving.admission import Admission, DeadlineError, QueueFullError, State


class Model(Protocol):
    """What answers."""

    def predict(self, items: Sequence[Any], /) -> Sequence[Any]:
        """One answer per item; called in a thread, and may take long."""


class Answered(NamedTuple):
    """The answers to one request, who gave them, and the seconds it waited and was computed."""

    answers: list[Any]
    model: Model
    queue_seconds: float
    compute_seconds: float


@dataclass(eq=False)
class _Request:
    """A request in the queue; its future is done when it is answered, given up or failed."""

    items: Sequence[Any]
    tokens: int
    queued_at: float
    future: asyncio.Future[Answered] = field(repr=False)


class Batcher:
    """Computes submitted requests in batches, in the order of their arrival.

    Parameters
    ----------
    model : makes one answer per item, in a thread of its own
    budget : tokens after which a batch is full; a larger request is a batch of its own
    max_queue : items that may wait; a request that would exceed it is refused
    max_wait : seconds that an idle worker waits for further requests

    ``model`` may be replaced at any time: the next batch uses it. ``observe_batch``, where it is
    set, gets the number of items of each batch. All methods belong to one event loop.
    """

    def __init__(self, model: Model, *, budget: int, max_queue: int, max_wait: float) -> None:
        self.model = model
        self.budget = budget
        self.max_queue = max_queue
        self.max_wait = max_wait
        self.observe_batch: Callable[[int], object] | None = None
        self._waiting: deque[_Request] = deque()
        self._changed = asyncio.Event()
        self._admission = Admission()
        self._worker: ThreadPoolExecutor | None = None
        self._loop: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """Whether requests are accepted."""
        return self._admission.state

    @property
    def queued(self) -> int:
        """Items that wait, those of requests that were given up not counted."""
        return sum(len(request.items) for request in self._waiting if not request.future.done())

    def start(self) -> None:
        """Accept requests and begin to compute, in the running event loop."""
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compute")
        self._loop = asyncio.get_running_loop().create_task(self._run())
        self._admission.state = State.READY

    async def drain(self) -> None:
        """Refuse new requests, answer those that were accepted, and stop the worker."""
        self._admission.state = State.DRAINING
        self._changed.set()
        if self._loop is not None:
            await self._loop
        if self._worker is not None:
            self._worker.shutdown()

    async def submit(
        self, items: Sequence[Any], tokens: int, timeout: float | None = None
    ) -> Answered:
        """Wait for the answers to a request of some tokens.

        A caller that is cancelled, or has waited for ``timeout`` seconds, gives its request up:
        if it still waits in the queue, it is never computed.

        Raises QueueFullError, NotReadyError, DeadlineError, and what the model raises for these
        items alone.
        """
        self._admission.check()
        self._check_room(len(items), timeout)
        loop = asyncio.get_running_loop()
        request = _Request(items, tokens, loop.time(), loop.create_future())
        self._waiting.append(request)
        self._changed.set()
        try:
            return await asyncio.wait_for(request.future, timeout)
        except TimeoutError:
            if request.future.cancelled():
                raise DeadlineError(
                    f"not answered within {timeout:g} s: send fewer texts, or allow more time"
                ) from None
            raise  # an error of the model

    def _check_room(self, items: int, timeout: float | None) -> None:
        """Raise QueueFullError where a request does not fit, or would wait beyond its deadline.

        To compute what nobody waits for any more would make the next requests late as well.
        """
        queued = self.queued
        tokens = sum(request.tokens for request in self._waiting if not request.future.done())
        seconds = self._admission.seconds(tokens)
        if queued + items > self.max_queue:
            reason = f"{items} more would exceed the limit of {self.max_queue}"
        elif timeout is not None and seconds > timeout:
            reason = f"they take about {seconds:.0f} s, longer than the deadline of {timeout:g} s"
        else:
            return
        raise QueueFullError(
            f"{queued} texts wait, and {reason}: try again later",
            self._admission.retry_after(tokens),
        )

    async def _run(self) -> None:
        while batch := await self._next_batch():
            await self._answer(batch)

    async def _next_batch(self) -> list[_Request]:
        """The next requests to compute, at least one; none when all is drained."""
        batch: list[_Request] = []
        while not batch:
            while not self._waiting:
                if self.state is State.DRAINING:
                    return []
                await self._change()
            await self._company()
            batch = self._take()
        return batch

    async def _company(self) -> None:
        """Return when a batch is full, or when the oldest request has waited long enough."""
        until = self._waiting[0].queued_at + self.max_wait
        while self.state is State.READY and sum(r.tokens for r in self._waiting) < self.budget:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                return
            try:
                await asyncio.wait_for(self._change(), left)
            except TimeoutError:
                return

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _take(self) -> list[_Request]:
        """Remove the oldest requests that fit into the budget; those given up are dropped."""
        batch: list[_Request] = []
        tokens = 0
        while self._waiting:
            request = self._waiting[0]
            if request.future.done():
                self._waiting.popleft()
                continue
            if batch and tokens + request.tokens > self.budget:
                break
            batch.append(self._waiting.popleft())
            tokens += request.tokens
        return batch

    async def _answer(self, batch: list[_Request]) -> None:
        """Compute a batch; if it fails, each request alone, so that only the guilty one fails."""
        loop = asyncio.get_running_loop()
        model = self.model
        items = [item for request in batch for item in request.items]
        started_at = loop.time()
        try:
            answers = await loop.run_in_executor(self._worker, model.predict, items)
        except Exception as error:  # noqa: BLE001 - it is raised again where it belongs
            if len(batch) > 1:
                for request in batch:
                    await self._answer([request])
            elif not batch[0].future.done():
                batch[0].future.set_exception(error)
            return
        seconds = loop.time() - started_at
        if self.observe_batch is not None:
            self.observe_batch(len(items))
        self._admission.observe(sum(request.tokens for request in batch), seconds)
        position = 0
        for request in batch:
            own = list(answers[position : position + len(request.items)])
            position += len(request.items)
            if not request.future.done():
                waited = started_at - request.queued_at
                request.future.set_result(Answered(own, model, waited, seconds))
