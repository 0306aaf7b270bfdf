"""Progress bars, on a terminal and in a notebook only."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm


def bar(*, shown: bool = True, leave: bool = False, **look: Any) -> tqdm:
    """A bar on a terminal or in a notebook; none in a file or a pipe, where it would be litter.

    It removes itself at the end unless ``leave`` is true. ``look`` is for tqdm: iterable, total,
    initial, desc, unit and so on.
    """
    # A notebook's output is no terminal, but shows bars all the same.
    disable = False if in_notebook() else None
    return tqdm(disable=disable if shown else True, leave=leave, **look)


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
