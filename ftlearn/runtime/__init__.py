"""What the machine offers and how the package uses it; nothing here knows about texts or tasks.

``device`` and number formats, ``memory``, ``rng`` (random-number generators), ``arithmetic`` (how
matrix products are computed), ``distributed`` and ``sharding`` (several processes), ``files``,
``locking`` and ``disk``, ``versions`` (of libraries, and the machine), ``arguments`` and
``progress``. The functions that nearly every module needs can be imported from here. They are
loaded when they are first used: torch comes with them, which ``files`` and ``locking`` do without.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [
    "PRECISIONS",
    "autocast",
    "best_device",
    "device_of",
    "format_bytes",
    "memory_available",
    "memory_growth",
    "memory_peak",
    "memory_used",
    "name_of",
    "precision",
    "retain_freed_memory",
    "rng_state",
    "seed_everything",
    "set_rng_state",
]

_HOMES = {
    "PRECISIONS": "device",
    "autocast": "device",
    "best_device": "device",
    "device_of": "device",
    "format_bytes": "memory",
    "memory_available": "memory",
    "memory_growth": "memory",
    "memory_peak": "memory",
    "memory_used": "memory",
    "name_of": "device",
    "precision": "device",
    "retain_freed_memory": "memory",
    "rng_state": "rng",
    "seed_everything": "rng",
    "set_rng_state": "rng",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"ftlearn.runtime.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ftlearn.runtime' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
