"""Memory of this process and of its devices: held, peaked, free, and kept from the system."""

from __future__ import annotations

import ctypes
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from <malloc.h>


class _Kept:
    """How many contexts want memory kept: the allocator is the process's, and so is this count."""

    contexts = 0


@contextmanager
def retain_freed_memory() -> Iterator[None]:
    """A context in which freed memory stays with this process instead of going to the system.

    A training step frees and takes again hundreds of large tensors. glibc gives such blocks back
    to the kernel and pays with page faults for each new one: on two CPU cores that took a quarter
    to a third of a MiniLM step. Does nothing where the C library is not glibc. At the end of the
    outermost context the allocator is as it settles by itself, and what is free goes back.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(M_MMAP_THRESHOLD, 2**30)
    library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    _Kept.contexts += 1
    try:
        yield
    finally:
        _Kept.contexts -= 1
        if not _Kept.contexts:
            library.mallopt(M_MMAP_THRESHOLD, 2**25)  # the largest that glibc chooses by itself
            library.mallopt(M_TRIM_THRESHOLD, 2**26)
            library.malloc_trim(0)


def memory_used() -> int:
    """Bytes of memory that this process holds now (resident set)."""
    return psutil.Process().memory_info().rss


def memory_peak() -> int:
    """Bytes of memory that this process held at most since it started."""
    status = Path("/proc/self/status")  # getrusage counts what started this process, too
    high = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if high:
        return int(high[1]) * 1024
    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):
        return memory.peak_wset  # Windows
    import resource  # which Windows does not have

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_growth(function: Callable[[], Any]) -> int:
    """Bytes by which this process grows at most while ``function()`` runs, looked at every ms.

    For a true figure run it in a fresh process: memory that was freed before is used again.

    >>> import mmap
    >>> block = mmap.mmap(-1, 80_000_000)
    >>> memory_growth(lambda: block.write(bytes(80_000_000))) > 70_000_000
    True
    """
    before, done, seen = memory_used(), threading.Event(), [memory_used()]

    def watch() -> None:
        while not done.wait(0.001):
            seen.append(memory_used())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        seen.append(memory_used())
        done.set()
        watcher.join()
    return max(seen) - before


def memory_available(on: torch.device | None = None) -> int:
    """Bytes this process can still take on a device; None is the CPU.

    On the CPU the container's limit (Binder: 2 GB) is respected; on CUDA what torch keeps is free.
    """
    if on is not None and on.type == "cuda":
        kept = torch.cuda.memory_reserved(on) - torch.cuda.memory_allocated(on)
        return torch.cuda.mem_get_info(on)[0] + kept
    free = psutil.virtual_memory().available
    return min([free, *(limit - memory_used() for limit in _container_limits())])


def _container_limits() -> list[int]:
    paths = (
        Path("/sys/fs/cgroup/memory.max"),  # cgroup v2
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # cgroup v1
    )
    texts = [path.read_text().strip() for path in paths if path.is_file()]
    return [int(text) for text in texts if text.isdigit()]


def format_bytes(count: float) -> str:
    """A number of bytes for people, in powers of 1000.

    >>> format_bytes(1_610_000_000)
    '1.61 GB'
    """
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"
