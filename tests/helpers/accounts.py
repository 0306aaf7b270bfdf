"""The account that runs the tests."""

from __future__ import annotations

import os


def is_root() -> bool:
    """Whether it is root, who may start processes as other users; never on Windows."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
