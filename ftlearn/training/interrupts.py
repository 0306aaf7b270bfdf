"""Ctrl-C, the notebook's stop button, a cluster's SIGTERM: stop in order; a second one aborts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from tqdm.auto import tqdm


class Interrupt:
    """Whether the user has asked the run to stop."""

    asked = False


@contextmanager
def graceful_interrupt() -> Iterator[Interrupt]:
    """A context in which the first interrupt is noted, and the second raises KeyboardInterrupt.

    So an update and the checkpoint after it are finished and not torn. Outside the main thread,
    to which alone Python delivers signals, nothing is changed.

    >>> with graceful_interrupt() as interrupt:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interrupt.asked
    stopping after this update; once more to abort
    True
    """
    interrupt = Interrupt()

    def note(number: int, frame: FrameType | None) -> None:
        if interrupt.asked:
            raise KeyboardInterrupt
        interrupt.asked = True
        # The reader of a pipe may be gone, and a signal may come in the middle of a print.
        with suppress(OSError, RuntimeError):
            tqdm.write("stopping after this update; once more to abort")

    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
