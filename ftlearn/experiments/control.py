"""Stop, pause and resume a run from another thread."""

from __future__ import annotations

import threading


class Control:
    """Requests of the user to a run, which checks them after each update.

    >>> control = Control()
    >>> control.may_continue()
    True
    >>> control.stop()
    >>> control.may_continue()
    False
    """

    def __init__(self) -> None:
        self._running = threading.Event()
        self._running.set()
        self._stopped = threading.Event()

    @property
    def paused(self) -> bool:
        """Whether the run waits, or will wait after the current update."""
        return not self._running.is_set()

    @property
    def stopped(self) -> bool:
        """Whether the run ends after the current update."""
        return self._stopped.is_set()

    def pause(self) -> None:
        """Make the run wait after the current update."""
        self._running.clear()

    def resume(self) -> None:
        """Let a paused run continue."""
        self._running.set()

    def stop(self) -> None:
        """End the run after the current update, paused or not."""
        self._stopped.set()

    def may_continue(self) -> bool:
        """Wait while paused; False if the run is to end."""
        while not self.stopped:
            if self._running.wait(0.1):  # a stop reaches a paused run within this time
                return not self.stopped
        return False
