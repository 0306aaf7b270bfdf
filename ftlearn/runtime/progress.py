"""Progress bars, on a terminal and in a notebook only."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm


def bar(*, shown: bool = True, **look: Any) -> tqdm:
    """A bar that removes itself at the end; none in a file or a pipe, where it would be noise.

    ``look`` holds options of tqdm: total, initial, desc, unit and so on.
    """
    # A notebook's output is no terminal, but shows bars all the same.
    disable = False if in_notebook() else None
    return tqdm(disable=disable if shown else True, leave=False, **look)


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
