"""Tests wait for a state, however busy the machine is; the time limit only ends a hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

HANG = 600
"""Seconds after which something that normally takes seconds certainly hangs."""


def waited(condition: Callable[[], object]) -> None:
    """Returns when a condition holds.

    >>> waited(lambda: True)
    """
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.01)


def joined(thread: threading.Thread) -> None:
    """Returns when a thread has ended."""
    thread.join(HANG)
    assert not thread.is_alive()
