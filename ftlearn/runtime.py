"""What the machine offers: device, number format, memory, seeds."""

from __future__ import annotations

import ctypes
import random
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Number formats by name; weights stay fp32, only matrix products run in the format."""


def device() -> torch.device:
    """The best device here: CUDA, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def device_of(model: torch.nn.Module) -> torch.device:
    """Where the model's weights lie.

    >>> device_of(torch.nn.Linear(1, 1)).type
    'cpu'
    """
    return next(model.parameters()).device


def precision(on: torch.device, name: str = "auto") -> torch.dtype | None:
    """The number format for matrix products on a device; None where only measuring can tell.

    ``"auto"`` takes bf16 on CUDA cards that multiply it natively (from Ampere on), fp16 on older
    ones such as the T4, and fp32 on Apple's MPS. Which format is faster on a CPU depends on its
    units and on the libraries: ``autotune`` measures it.

    Raises ValueError for an unknown name and for fp16 away from CUDA, where gradients would
    underflow without a working scaler.

    >>> precision(torch.device("cpu"), "fp32")
    torch.float32
    """
    if name == "auto":
        return _native(on)
    if name not in PRECISIONS:
        raise ValueError(f"unknown precision {name!r}: use auto, {', '.join(PRECISIONS)}")
    if name == "fp16" and on.type != "cuda":
        raise ValueError(f"precision 'fp16' needs a CUDA device, not {on.type!r}: use bf16 or fp32")
    return PRECISIONS[name]


def _native(on: torch.device) -> torch.dtype | None:
    if on.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    return None if on.type == "cpu" else torch.float32


def name_of(dtype: torch.dtype) -> str:
    """A number format as people call it.

    >>> name_of(torch.bfloat16)
    'bf16'
    """
    return next(name for name, known in PRECISIONS.items() if known is dtype)


def autocast(on: torch.device, dtype: torch.dtype) -> torch.autocast:
    """A context in which matrix products run in ``dtype``; does nothing for fp32."""
    enabled = dtype is not torch.float32
    return torch.autocast(on.type, dtype if enabled else torch.bfloat16, enabled=enabled)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from <malloc.h>


class _Kept:
    """How many contexts want memory kept: the allocator is the process's, and so is this count."""

    contexts = 0


@contextmanager
def kept_memory() -> Iterator[None]:
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


def seed_everything(seed: int) -> None:
    """Set the seeds of Python, NumPy and torch (all devices).

    >>> seed_everything(0); first = torch.rand(2)
    >>> seed_everything(0); bool((torch.rand(2) == first).all())
    True
    """
    seed = int(seed)  # Python's generator takes no number of NumPy
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries still draw from the global generator
    torch.manual_seed(seed)


def random_state(on: torch.device) -> dict[str, Any]:
    """The state of the generators that a run on a device draws from, as JSON can hold it.

    >>> cpu = torch.device("cpu"); state = random_state(cpu); first = torch.rand(2)
    >>> set_random_state(state, cpu); bool((torch.rand(2) == first).all())
    True
    """
    version, words, gauss = random.getstate()
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    state = {
        "python": [version, list(words), gauss],
        "numpy": [name, keys.tolist(), *rest],
        "torch": torch.get_rng_state().tolist(),
    }
    if on.type != "cpu":
        state[on.type] = torch.get_device_module(on).get_rng_state(on).tolist()
    return state


def set_random_state(state: dict[str, Any], on: torch.device) -> None:
    """Put the generators back into a state that ``random_state`` gave.

    A state of another kind of device says nothing of this one's generator, which then stays.
    """
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(tuple(state["numpy"]))  # noqa: NPY002
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if state.get(on.type):
        own = torch.tensor(state[on.type], dtype=torch.uint8)
        torch.get_device_module(on).set_rng_state(own, on)


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


def read_size(count: float) -> str:
    """A number of bytes for people, in powers of 1000.

    >>> read_size(1_610_000_000)
    '1.61 GB'
    """
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"
