"""Stop, pause and resume a run from another thread."""

from __future__ import annotations

import threading


class Control:
    """What the person at the run wants; the run asks after each update.

    >>> control = Control()
    >>> control.may_go_on()
    True
    >>> control.stop()
    >>> control.may_go_on()
    False
    """

    def __init__(self) -> None:
        self._going, self._stopped = threading.Event(), threading.Event()
        self._going.set()

    @property
    def paused(self) -> bool:
        """Whether the run waits after its update, or will."""
        return not self._going.is_set()

    @property
    def stopped(self) -> bool:
        """Whether the run ends after its update."""
        return self._stopped.is_set()

    def pause(self) -> None:
        """Have the run wait after the update at work."""
        self._going.clear()

    def resume(self) -> None:
        """Let a paused run go on."""
        self._going.set()

    def stop(self) -> None:
        """End the run after the update at work, paused or not."""
        self._stopped.set()

    def may_go_on(self) -> bool:
        """Wait while paused; False when the run is to end."""
        while not self.stopped:
            if self._going.wait(0.1):  # a stop reaches a paused run within this time
                return not self.stopped
        return False
