"""Memory of this process and of its devices: used, peak, available, and retained when freed."""

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


class _Retaining:
    """How many contexts retain memory: one count per process, as there is one allocator."""

    contexts = 0


@contextmanager
def retain_freed_memory() -> Iterator[None]:
    """A context in which freed memory stays with this process instead of going to the system.

    A training step frees and allocates hundreds of large tensors. glibc returns such blocks to the
    kernel, and each new one costs page faults: on two CPU cores they took a quarter to a third of
    a MiniLM step. Does nothing where the C library is not glibc. At the end of the outermost
    context the allocator has the thresholds that it settles at by itself, and free memory is
    returned.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(M_MMAP_THRESHOLD, 2**30)
    library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    _Retaining.contexts += 1
    try:
        yield
    finally:
        _Retaining.contexts -= 1
        if not _Retaining.contexts:
            library.mallopt(M_MMAP_THRESHOLD, 2**25)  # the largest that glibc chooses by itself
            library.mallopt(M_TRIM_THRESHOLD, 2**26)
            library.malloc_trim(0)


def memory_used() -> int:
    """Bytes of memory that this process uses now (resident set size)."""
    return psutil.Process().memory_info().rss


def memory_peak() -> int:
    """Bytes of memory that this process has used at most since it started."""
    status = Path("/proc/self/status")  # getrusage includes the peak of the parent process
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
    """Bytes by which this process grows at most while ``function()`` runs, sampled every ms.

    Run it in a new process for an exact figure: memory that was freed before is reused.

    >>> import mmap
    >>> block = mmap.mmap(-1, 80_000_000)
    >>> memory_growth(lambda: block.write(bytes(80_000_000))) > 70_000_000
    True
    """
    before = memory_used()
    samples, done = [before], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            samples.append(memory_used())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        samples.append(memory_used())
        done.set()
        watcher.join()
    return max(samples) - before


def memory_available(on: torch.device | None = None) -> int:
    """Bytes that this process can still allocate on a device; None is the CPU.

    On the CPU the container's limit (Binder: 2 GB) counts; on CUDA what torch has reserved but not
    allocated is available too.
    """
    if on is not None and on.type == "cuda":
        reserved = torch.cuda.memory_reserved(on) - torch.cuda.memory_allocated(on)
        return torch.cuda.mem_get_info(on)[0] + reserved
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
    """A number of bytes as text, in powers of 1000.

    >>> format_bytes(1_610_000_000)
    '1.61 GB'
    """
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"
