"""Times are kept in the user's cache folder, one file per machine, shape and purpose."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
import torch

from ftlearn.errors import BusyError
from ftlearn.fast.autotune.measuring import Shape, measure
from ftlearn.runtime.arithmetic import Arithmetic
from ftlearn.runtime.files import write_json
from ftlearn.runtime.locking import locked
from ftlearn.runtime.versions import instruction_limits, processor, version

CACHE_VARIABLE = "FTLEARN_CACHE"

PATIENCE = 10.0
"""Seconds to wait for another process that is writing; it takes milliseconds."""


def measured(shape: Shape, purpose: str) -> dict[Arithmetic, float]:
    """Seconds of a layer's pass in each arithmetic, from this machine's file or measured now.

    The first file that is written stays, so that all processes choose alike.
    """
    return _measured(shape, purpose, cache_folder(), json.dumps(conditions(), sort_keys=True))


@cache  # of what does not change while a process lives; where the cache cannot be written, too
def _measured(shape: Shape, purpose: str, folder: Path, here: str) -> dict[Arithmetic, float]:
    path = folder / f"arithmetic-{_digest([here, shape, purpose])}.json"
    kept = _read(path)
    if kept is not None:
        return kept
    times = measure(shape, purpose)
    content = {
        "machine": json.loads(here),
        "shape": shape._asdict(),
        "purpose": purpose,
        "times": [one.record() | {"seconds": seconds} for one, seconds in times.items()],
    }
    _keep(path, content)
    return _read(path) or times


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Where times are kept: ``FTLEARN_CACHE``, else the user's cache folder of this system."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("ftlearn"))


def conditions() -> dict[str, Any]:
    """What the times depend on beside the model: processor, threads, libraries and their limits."""
    return {
        "processor": processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": version("torch"),
        "transformers": version("transformers"),
        "limits": instruction_limits(),
    }


def _read(path: Path) -> dict[Arithmetic, float] | None:
    """Times from a file; None where there is none, or one that was not written whole."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["times"]
        return {Arithmetic.of_record(row): float(row["seconds"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, content: Mapping[str, Any]) -> None:
    """Write times, unless another process was first; warn where nothing can be written."""
    try:
        with locked(path.parent, f".{path.name}.lock", wait=PATIENCE):
            if _read(path) is None:
                write_json(path, content, indent=1)
    except (OSError, BusyError) as error:
        warnings.warn(
            f"which number format is fastest here cannot be kept in {path.parent} ({error}) and is "
            f"measured in each process: set {CACHE_VARIABLE} to a folder that you can write to",
            stacklevel=2,
        )
