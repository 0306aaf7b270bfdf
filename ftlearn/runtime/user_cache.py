"""The folders in which what can be made again is kept between runs: models, measured times."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from ftlearn.errors import ArgumentError

CACHE_VARIABLE = "FTLEARN_CACHE"
SHARED_VARIABLE = "FTLEARN_SHARED_CACHE"


def cache_folder() -> Path:
    """``FTLEARN_CACHE`` where it is set, or else the system's cache folder of the user."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen or platformdirs.user_cache_dir("ftlearn"))


def readable_folders() -> tuple[Path, ...]:
    """Where to look: first ``FTLEARN_SHARED_CACHE`` if it is set, then the user's own folder.

    The shared folder is only read, so a class can use one that nobody in it may write to. Its
    measured times come first, so that all of the class compute in the same number format.

    Raises ValueError where the shared folder does not exist: everybody would fetch the models.
    """
    chosen = os.environ.get(SHARED_VARIABLE)
    if not chosen:
        return (cache_folder(),)
    shared = Path(chosen)
    if not shared.is_dir():
        raise ArgumentError(
            f"{SHARED_VARIABLE} is {chosen}, and there is no such folder: fill one with "
            f"{CACHE_VARIABLE}={chosen} and `ftlearn fetch smollm2`, or unset {SHARED_VARIABLE}"
        )
    return (shared, cache_folder())
