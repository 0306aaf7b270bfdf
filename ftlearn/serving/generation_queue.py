"""Answers that are written part by part: one at a time, in a thread, and sent as they grow.

    submit ──▶ queue (bounded) ──▶ worker thread ──▶ parts ──▶ the one who submitted

A generation ends after the token at which its answer is abandoned or its deadline has passed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from ftlearn.serving.admission import Admission, DeadlineError, QueueFullError, State

Generation = Callable[[Callable[[], bool]], Generator[Any]]
"""Yields the parts of an answer, and ends early once the function that it is given says so."""


class GrowingAnswer:
    """An answer that is being written: its parts, one after the other, and its times.

    ``next`` and ``abandon`` belong to the event loop, all else to any thread.
    """

    def __init__(self, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._parts: asyncio.Queue[Any] = asyncio.Queue()
        self._queued_at = time.monotonic()
        self._timeout = timeout
        self.started_at: float | None = None
        self._abandoned = False

    async def next(self) -> Any:
        """The next part; raises DeadlineError, and what the generation raised."""
        left = self._queued_at + self._timeout - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left)):
                part = await self._parts.get()
        except TimeoutError:
            raise DeadlineError(
                f"not answered within {self._timeout:g} s: ask for fewer tokens, or allow more time"
            ) from None
        if isinstance(part, Exception):
            raise part
        return part

    def abandon(self) -> None:
        """Give the answer up: what is not written yet is not wanted any more."""
        self._abandoned = True

    @property
    def waits(self) -> bool:
        """Whether it stands in the queue, and is still wanted."""
        return self.started_at is None and not self.is_stopped()

    @property
    def times(self) -> tuple[float, float]:
        """Seconds in the queue, and since the worker has begun."""
        started = self.started_at or time.monotonic()
        return started - self._queued_at, time.monotonic() - started

    def is_stopped(self) -> bool:
        """Whether nobody waits for further parts."""
        return self._abandoned or time.monotonic() > self._queued_at + self._timeout

    def write(self, generation: Generation) -> None:
        """Compute all parts, in the worker thread."""
        if self.is_stopped():
            return
        self.started_at = time.monotonic()
        try:
            with closing(generation(self.is_stopped)) as parts:
                for part in parts:
                    self._tell(part)
        except Exception as error:  # noqa: BLE001 - ``next`` raises it where it belongs
            self._tell(error)

    def _tell(self, part: Any) -> None:
        self._loop.call_soon_threadsafe(self._parts.put_nowait, part)


class GenerationQueue:
    """Writes answers in the order of their arrival; beside the present one, a few may wait."""

    def __init__(self, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        self._unfinished: dict[GrowingAnswer, asyncio.Future[None]] = {}
        self._admission = Admission()
        self._worker: ThreadPoolExecutor | None = None

    @property
    def state(self) -> State:
        """Whether requests are accepted."""
        return self._admission.state

    @property
    def queued(self) -> int:
        """Answers that wait for their turn."""
        return sum(answer.waits for answer in self._unfinished)

    def start(self) -> None:
        """Accept requests and begin to write."""
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compute")
        self._admission.state = State.READY

    async def drain(self) -> None:
        """Refuse new requests, write the answers that were accepted, and stop the worker."""
        self._admission.state = State.DRAINING
        if self._unfinished:
            await asyncio.wait(self._unfinished.values())
        if self._worker is not None:
            self._worker.shutdown()

    def submit(self, generation: Generation, timeout: float) -> GrowingAnswer:
        """Queue a generation; all of it must be done within ``timeout`` seconds.

        Raises QueueFullError and NotReadyError.
        """
        self._admission.check()
        wanted = sum(not answer.is_stopped() for answer in self._unfinished)
        if wanted > self.max_waiting:
            raise QueueFullError(
                f"{wanted - 1} dialogues wait for an answer, and no more may: try again later",
                self._admission.retry_after(wanted),
            )
        answer = GrowingAnswer(timeout)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._worker, answer.write, generation)
        self._unfinished[answer] = future
        future.add_done_callback(lambda _: self._finish(answer))
        return answer

    def _finish(self, answer: GrowingAnswer) -> None:
        """Forget an answer, and follow how long it took."""
        del self._unfinished[answer]
        if answer.started_at is None:
            return
        _, seconds = answer.times
        self._admission.observe(1, seconds)
