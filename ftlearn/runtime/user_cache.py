"""The folder in which what can be made again is kept between runs: models, measured times."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "FTLEARN_CACHE"


def cache_folder() -> Path:
    """``FTLEARN_CACHE`` where it is set, or else the system's cache folder of the user."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen or platformdirs.user_cache_dir("ftlearn"))
