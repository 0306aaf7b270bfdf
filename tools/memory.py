"""The most memory that a process and what it starts hold together, looked at from outside."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from types import TracebackType

import psutil

MB = 2**20
PAUSE = 0.2  # seconds between two looks: a look at all children takes some milliseconds


class PeakMemory:
    """Watches a running process and its children until the `with` block ends.

    Between two looks the system's own mark of the process, where it keeps one (Linux, Windows),
    still sees what the process alone held. Unlike `getrusage`, that mark does not begin at the
    memory of the process that started it.
    """

    def __init__(self, pid: int) -> None:
        self.process, self.bytes, self.own_bytes = psutil.Process(pid), 0, 0
        self._ended, self._watcher = threading.Event(), threading.Thread(target=self._watch)

    @property
    def mb(self) -> float:
        """The peak of all together up to now, in MB of 2^20 bytes."""
        return self.bytes / MB

    @property
    def own_mb(self) -> float:
        """The peak of the process without its children, in MB."""
        return self.own_bytes / MB

    def __enter__(self) -> PeakMemory:
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._look()
        self._ended.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(PAUSE):
            self._look()

    def _look(self) -> None:
        try:
            own = max(high_water(self.process), self.process.memory_info().rss)
            found = together(self.process)
        except psutil.Error:  # it has ended
            return
        self.own_bytes = max(self.own_bytes, own)
        self.bytes = max(self.bytes, own, found)


def together(process: psutil.Process) -> int:
    """Bytes that a process and all below it hold now.

    What they share, such as the libraries' code, is counted once where the system tells it apart
    (Linux), and once for each process elsewhere.
    """
    own, shared = [], []
    for member in [process, *process.children(recursive=True)]:
        try:
            memory = member.memory_info()
        except psutil.Error:  # it ended between the list and the look
            continue
        shared.append(getattr(memory, "shared", 0))
        own.append(memory.rss - shared[-1])
    return sum(own) + max(shared, default=0)


def high_water(process: psutil.Process) -> int:
    """Bytes that a process alone has held at most; 0 where the system keeps no such mark."""
    memory = process.memory_info()
    if hasattr(memory, "peak_wset"):
        return memory.peak_wset  # Windows
    status = Path(f"/proc/{process.pid}/status")
    text = status.read_text(encoding="utf-8") if status.exists() else ""
    mark = re.search(r"VmHWM:\s*(\d+) kB", text)
    return int(mark[1]) * 1024 if mark else 0
