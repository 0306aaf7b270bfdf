"""The log of a service, which delays and ends nothing: lines are written by a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Protocol

LOG = logging.getLogger("ftlearn.serving")
MOST_LINES = 10_000
"""Lines that may wait; a destination that takes none for so long loses the next ones."""
PATIENCE = 2.0
"""Seconds for the last lines when the service stops, which waits no longer for its log."""


class Destination(Protocol):
    """Where lines go, such as an unbuffered file: what cannot be written raises OSError at once."""

    def write(self, data: bytes, /) -> int | None:
        """Write bytes; returns how many."""


class BackgroundHandler(logging.Handler):
    """Writes log records as lines; a full disk or a reader that stands still costs only lines.

    Parameters
    ----------
    destination : an unbuffered binary file
    report : gets a sentence when lines begin to be lost, and one when they are written again
    count_lost : is called for each lost line
    """

    def __init__(
        self,
        destination: Destination,
        report: Callable[[str], None],
        count_lost: Callable[[], None],
    ) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._destination = destination
        self._report = report
        self._count_lost = count_lost
        self._lost = 0
        self._lines: queue.Queue[bytes | threading.Event] = queue.Queue(MOST_LINES)
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record; called in the event loop, so it never waits."""
        line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._count_lost()

    def flush(self) -> None:
        """Wait, for a moment at most, until what was queued is written."""
        written = threading.Event()
        try:
            self._lines.put(written, timeout=PATIENCE)
        except queue.Full:
            return
        written.wait(PATIENCE)

    def _write_all(self) -> None:
        while True:
            line = self._lines.get()
            if isinstance(line, threading.Event):
                line.set()
                continue
            try:
                while line:
                    line = line[self._destination.write(line) or 0 :]
            except OSError as error:
                self._lose(error)
            else:
                self._recover()

    def _lose(self, error: OSError) -> None:
        self._count_lost()
        self._lost += 1
        if self._lost == 1:
            reason = error.strerror or type(error).__name__
            self._report(f"the log cannot be written ({reason}): requests are answered without it")

    def _recover(self) -> None:
        if self._lost:
            self._report(f"the log is written again; {self._lost} lines were lost")
            self._lost = 0
