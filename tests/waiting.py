"""Tests wait for a state, however busy the machine is; only a hang ends them by the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

HANG = 600
"""Seconds after which something that takes seconds has certainly stopped moving."""


def waited(condition: Callable[[], object]) -> None:
    """Returns when a condition holds.

    >>> waited(lambda: True)
    """
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def joined(thread: threading.Thread) -> None:
    """Returns when a thread has ended."""
    thread.join(HANG)
    assert not thread.is_alive()
