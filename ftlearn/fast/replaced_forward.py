"""Other forward passes for some modules, for a while: what most speed-ups do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def replaced_forward(passes: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """A context in which each module computes by the function beside it; then as it did before.

    >>> layer = nn.Identity()
    >>> with replaced_forward({layer: lambda number: number + 1}):
    ...     layer(1)
    2
    >>> layer(1)
    1
    """
    before = {module: vars(module).get("forward") for module in passes}
    for module, forward in passes.items():
        module.forward = forward
    try:
        yield
    finally:
        for module, earlier in before.items():
            if earlier is None:
                del module.forward
            else:
                module.forward = earlier
