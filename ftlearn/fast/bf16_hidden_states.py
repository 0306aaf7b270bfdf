"""Hidden states in half precision from the embeddings on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ftlearn import runtime
from ftlearn.models.wrapping import unwrapped


@contextmanager
def bf16_hidden_states(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """A context in which a model on a CPU keeps its hidden states in ``dtype`` during training.

    The embeddings give fp32, so autocast alone would cast the hidden states to ``dtype`` before
    each matrix product and back after it. Does nothing for fp32, on other devices, and for models
    without a module ``embeddings``, such as those that read from left to right.
    """
    inner = unwrapped(model)
    embeddings = getattr(getattr(inner, "base_model", inner), "embeddings", None)
    on_cpu = runtime.device_of(model).type == "cpu"
    if dtype is torch.float32 or not on_cpu or not isinstance(embeddings, nn.Module):
        yield
        return

    def cast(module: nn.Module, _: Any, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.to(dtype) if module.training else hidden

    hook = embeddings.register_forward_hook(cast)
    try:
        yield
    finally:
        hook.remove()
