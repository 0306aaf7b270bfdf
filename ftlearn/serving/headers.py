"""The headers that come with every answer of a model."""

from __future__ import annotations

from urllib.parse import quote


def milliseconds(seconds: float) -> float:
    """Seconds as milliseconds, to the hundredth.

    >>> milliseconds(0.0123456)
    12.35
    """
    return round(1000 * seconds, 2)


def answer_headers(model: str, queue_seconds: float, compute_seconds: float) -> dict[str, str]:
    """Who answered, and how long the request waited and was computed.

    A header holds ASCII only, so other characters in the name of a model are percent-encoded.

    >>> answer_headers("模型-1f6c2a90", 0.001, 0.02)["X-Model-Id"]
    '%E6%A8%A1%E5%9E%8B-1f6c2a90'
    """
    return {
        "X-Model-Id": quote(model),
        "X-Queue-Time-Ms": str(milliseconds(queue_seconds)),
        "X-Compute-Time-Ms": str(milliseconds(compute_seconds)),
    }
