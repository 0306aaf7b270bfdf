"""Activation checkpointing of layers whose forward pass a speed-up replaced.

transformers checkpoints the forward pass of a layer's class, which a replaced one never reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from ftlearn.fast.replaced_forward import replaced_forward


@contextmanager
def checkpointed_layers(model: nn.Module) -> Iterator[None]:
    """A context in which replaced forward passes are checkpointed where their layers are.

    See ``models.checkpoint_activations``. To be entered after the contexts that replace them.

    >>> layer = nn.Linear(2, 2)
    >>> layer.gradient_checkpointing, layer.forward = True, layer.forward
    >>> with checkpointed_layers(layer):
    ...     layer.gradient_checkpointing  # the class need not do it as well
    False
    """
    layers = [
        module
        for module in model.modules()
        if getattr(module, "gradient_checkpointing", False) and "forward" in vars(module)
    ]
    passes = {layer: partial(_checkpointed, layer, layer.forward) for layer in layers}
    for layer in layers:
        layer.gradient_checkpointing = False
    try:
        with replaced_forward(passes):
            yield
    finally:
        for layer in layers:
            layer.gradient_checkpointing = True


def _checkpointed(layer: nn.Module, forward: Callable, *args: Any, **kwargs: Any) -> Any:
    """A forward pass that keeps its tensors only outside of training."""
    if not layer.training:
        return forward(*args, **kwargs)
    return checkpoint(partial(forward, **kwargs), *args, use_reentrant=False)
