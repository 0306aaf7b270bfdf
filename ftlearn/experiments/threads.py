"""Threads that compute in the background at full speed."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

SOFT = 1  # omp_pause_soft in <omp.h>


def started(work: Callable[..., None], *arguments: Any) -> threading.Thread:
    """Start a daemon thread, after releasing the idle worker threads of the calling thread.

    >>> done = []
    >>> started(done.append, 1).join(); done
    [1]
    """
    release()
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def release() -> bool:
    """End the OpenMP worker threads that wait for the calling thread; its next product starts more.

    Every thread that computes has its own team of workers. As soon as all teams together have
    more threads than there are cores, libgomp puts workers to sleep at each of the thousands of
    barriers of an update: training was a sixth slower beside an idle main thread. Returns False
    if torch came without its own libgomp, which its wheels for Linux have.
    """
    libraries = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    if not libraries:
        return False
    pause = getattr(ctypes.CDLL(str(libraries[0])), "omp_pause_resource_all", None)
    return pause is not None and pause(SOFT) == 0
