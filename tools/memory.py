"""The peak memory of a process and its children together, measured from outside."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from types import TracebackType

import psutil

MB = 2**20
INTERVAL = 0.2  # seconds between two samples; a sample of all children takes milliseconds


class PeakMemory:
    """Watches a running process and its children until the `with` block ends.

    Between two samples, the system's own peak for the process (on Linux and Windows) still
    records what the process alone held. Unlike `getrusage`, that peak does not start at the
    memory of the parent process.
    """

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.bytes = 0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    @property
    def mb(self) -> float:
        """The peak of the process and its children up to now, in MB of 2^20 bytes."""
        return self.bytes / MB

    def __enter__(self) -> PeakMemory:
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sample()
        self._ended.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._sample()

    def _sample(self) -> None:
        try:
            process_bytes = max(peak_bytes(self.process), self.process.memory_info().rss)
            all_bytes = total_bytes(self.process)
        except psutil.Error:  # the process has ended
            return
        self.bytes = max(self.bytes, process_bytes, all_bytes)


def total_bytes(process: psutil.Process) -> int:
    """The memory of a process and all its descendants now, in bytes.

    Shared memory, such as the code of libraries, is counted once if the system reports it
    (Linux), and otherwise once per process.
    """
    private, shared = [], []
    for member in [process, *process.children(recursive=True)]:
        try:
            memory = member.memory_info()
        except psutil.Error:  # it ended between the list and the sample
            continue
        shared.append(getattr(memory, "shared", 0))
        private.append(memory.rss - shared[-1])
    return sum(private) + max(shared, default=0)


def peak_bytes(process: psutil.Process) -> int:
    """The peak memory of a process alone, in bytes; 0 if the system does not record it."""
    memory = process.memory_info()
    if hasattr(memory, "peak_wset"):
        return memory.peak_wset  # Windows
    status = Path(f"/proc/{process.pid}/status")
    text = status.read_text(encoding="utf-8") if status.exists() else ""
    match = re.search(r"VmHWM:\s*(\d+) kB", text)
    return int(match[1]) * 1024 if match else 0
