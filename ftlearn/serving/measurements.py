"""What a service measures of itself, for Prometheus; each service has a registry of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ftlearn.serving.headers import milliseconds

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper bounds of the histograms of time."""
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Measurements:
    """Counters and histograms of a service.

    ``queued`` is asked for the number of waiting texts whenever somebody looks.
    """

    def __init__(self, queued: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "ftlearn_requests",
            "Requests by path and status.",
            ("path", "status"),
            registry=self._registry,
        )
        self.texts = Counter("ftlearn_texts", "Texts answered.", registry=self._registry)
        self.generated_tokens = Counter(
            "ftlearn_generated_tokens", "Tokens of written answers.", registry=self._registry
        )
        self.request_seconds = self._seconds("request", "From the first byte to the answer.")
        self.queue_seconds = self._seconds("queue", "A request's time in the queue.")
        self.compute_seconds = self._seconds("compute", "The time of the batch of a request.")
        waiting = Gauge("ftlearn_queued_texts", "Texts that wait.", registry=self._registry)
        waiting.set_function(queued)

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

    def exposition(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)
