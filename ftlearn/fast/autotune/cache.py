"""Measured times in the cache folders, one file per machine, shape and purpose."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ftlearn.errors import BusyError
from ftlearn.fast.autotune.measuring import Shape, measure
from ftlearn.runtime.arithmetic import Arithmetic
from ftlearn.runtime.files import write_json
from ftlearn.runtime.locking import locked
from ftlearn.runtime.user_cache import CACHE_VARIABLE, cache_folder, readable_folders
from ftlearn.runtime.versions import instruction_limits, processor, version

PATIENCE = 10.0
"""Seconds to wait for another process that is writing; it takes milliseconds."""


def measured(shape: Shape, purpose: str) -> dict[Arithmetic, float]:
    """Seconds of a layer's pass in each arithmetic, from this machine's file or measured now.

    The first file that is written stays, so that all processes make the same choice.
    """
    machine = json.dumps(conditions(), sort_keys=True)
    return _measured(shape, purpose, readable_folders(), machine)


@cache  # so that a process measures once even where the folder cannot be written
def _measured(
    shape: Shape, purpose: str, folders: tuple[Path, ...], machine: str
) -> dict[Arithmetic, float]:
    name = f"arithmetic-{_digest([machine, shape, purpose])}.json"
    for folder in folders:
        earlier = _read(folder / name)
        if earlier is not None:
            return earlier
    path = cache_folder() / name
    times = measure(shape, purpose)
    content = {
        "machine": json.loads(machine),
        "shape": shape._asdict(),
        "purpose": purpose,
        "times": [
            arithmetic.record() | {"seconds": seconds} for arithmetic, seconds in times.items()
        ],
    }
    _write(path, content)
    return _read(path) or times


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


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
    """Times from a file; None where there is none, or it is damaged."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["times"]
        return {Arithmetic.of_record(row): float(row["seconds"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write times, unless another process was first; warn where that is impossible."""
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
