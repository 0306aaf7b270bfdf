"""Hidden states in half precision from the embeddings on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ftlearn import runtime


@contextmanager
def bf16_hidden_states(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """A context in which a model on a CPU carries its hidden states in ``dtype`` as it trains.

    Autocast alone narrows them for each matrix product and widens them after it, forth and back,
    since what the embeddings give is fp32. Does nothing for fp32, on other devices, and for
    models without a part ``embeddings``, such as those that read from left to right.
    """
    embeddings = getattr(getattr(model, "base_model", model), "embeddings", None)
    on_cpu = runtime.device_of(model).type == "cpu"
    if dtype is torch.float32 or not on_cpu or not isinstance(embeddings, nn.Module):
        yield
        return

    def narrow(module: nn.Module, _: Any, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.to(dtype) if module.training else hidden

    hook = embeddings.register_forward_hook(narrow)
    try:
        yield
    finally:
        hook.remove()
