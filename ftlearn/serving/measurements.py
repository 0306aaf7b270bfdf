"""What a service measures of itself, for Prometheus; each service has a registry of its own.

Several workers share a folder, named by PROMETHEUS_MULTIPROC_DIR: then the measurements of each
are those of all, summed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from ftlearn.runtime.memory import memory_used
from ftlearn.serving.headers import milliseconds

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper bounds of the histograms of time."""
TEXTS = tuple(2**power for power in range(11))
"""Upper bounds of the histogram of batches: 1 to 1,024 texts."""
CONTENT_TYPE = CONTENT_TYPE_LATEST
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that prometheus_client reads when it is imported."""
REFRESH = 1.0
"""Seconds between two looks at what a worker cannot be asked for by another one."""


class Measurements:
    """Counters and histograms of a service.

    ``queued`` is asked for the number of waiting texts whenever somebody looks, or every second
    where workers share their measurements.
    """

    def __init__(self, queued: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._queued = queued
        self.requests = Counter(
            "ftlearn_requests",
            "Requests by path and status.",
            ("path", "status"),
            registry=self._registry,
        )
        self.texts = self._counter("texts", "Texts answered.")
        self.generated_tokens = self._counter("generated_tokens", "Tokens of written answers.")
        self.lost_log_lines = self._counter("lost_log_lines", "Lines that the log did not take.")
        self.request_seconds = self._seconds("request", "From the first byte to the answer.")
        self.queue_seconds = self._seconds("queue", "A request's time in the queue.")
        self.compute_seconds = self._seconds("compute", "The time of the batch of a request.")
        self.batch_texts = Histogram(
            "ftlearn_batch_texts", "Texts per batch.", buckets=TEXTS, registry=self._registry
        )
        self._waiting = self._gauge("queued_texts", "Texts that wait.", "livesum")
        self._memory = self._gauge("memory_bytes", "Memory of a process.", "liveall")
        self.refresh()

    def _counter(self, name: str, description: str) -> Counter:
        return Counter(f"ftlearn_{name}", description, registry=self._registry)

    def _gauge(self, name: str, description: str, of_workers: Any) -> Gauge:
        return Gauge(
            f"ftlearn_{name}", description, registry=self._registry, multiprocess_mode=of_workers
        )

    def _seconds(self, name: str, description: str) -> Histogram:
        return Histogram(
            f"ftlearn_{name}_seconds", description, buckets=SECONDS, registry=self._registry
        )

    def record(
        self, entry: dict[str, Any], texts: int, queue_seconds: float, compute_seconds: float
    ) -> None:
        """Count an answer, and write its times into its entry of the log."""
        entry["queue_ms"] = milliseconds(queue_seconds)
        entry["compute_ms"] = milliseconds(compute_seconds)
        self.texts.inc(texts)
        self.queue_seconds.observe(queue_seconds)
        self.compute_seconds.observe(compute_seconds)

    def refresh(self) -> None:
        """Look at the queue and the memory of this process."""
        self._waiting.set(self._queued())
        self._memory.set(memory_used())

    async def keep_fresh(self) -> None:
        """Refresh for ever, for the other workers that may be asked."""
        while True:
            self.refresh()
            await asyncio.sleep(REFRESH)

    def exposition(self) -> bytes:
        """All of it in Prometheus's text format."""
        self.refresh()
        registry = self._registry
        if SHARED_FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return generate_latest(registry)
