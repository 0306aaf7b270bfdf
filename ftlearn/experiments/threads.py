"""Threads that compute in the background at full speed."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

SOFT = 1  # omp_pause_soft in <omp.h>


def started(work: Callable[..., None], *given: Any) -> threading.Thread:
    """A thread at work, with the idle workers of the calling thread out of its way.

    >>> done = []
    >>> started(done.append, 1).join(); done
    [1]
    """
    release()
    thread = threading.Thread(target=work, args=given, daemon=True)
    thread.start()
    return thread


def release() -> bool:
    """Let go of the worker threads that wait for the calling thread; its next product makes more.

    Every thread that computes has a team of its own. As soon as all teams together have more
    threads than there are cores, libgomp sends workers to sleep at each of the thousands of
    barriers of an update, and training beside an idle main thread was a sixth slower. Returns
    whether torch came with a libgomp that was asked, as its wheels for Linux do.
    """
    libraries = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    if not libraries:
        return False
    pause = getattr(ctypes.CDLL(str(libraries[0])), "omp_pause_resource_all", None)
    return pause is not None and pause(SOFT) == 0
