"""What the machine offers and how the package uses it; nothing here knows about texts or tasks.

``device`` and number formats, ``memory``, ``rng`` (random-number generators), ``arithmetic`` (how
matrix products are computed), ``distributed`` and ``sharding`` (several processes), ``files``,
``locking`` and ``disk``, ``versions`` (of libraries, and the machine), ``arguments`` and
``progress``. The functions that nearly every module needs can be imported from here.
"""

from ftlearn.runtime.device import PRECISIONS, autocast, best_device, device_of, name_of, precision
from ftlearn.runtime.memory import (
    format_bytes,
    memory_available,
    memory_growth,
    memory_peak,
    memory_used,
    retain_freed_memory,
)
from ftlearn.runtime.rng import rng_state, seed_everything, set_rng_state

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
