"""The model inside a ``peft.PeftModel``: peft wraps a model to add adapters to its layers."""

from __future__ import annotations

from peft import PeftModel
from torch import nn

PREFIX = "base_model.model."
"""What peft puts before the parameter names of the model that it wraps."""


def is_adapted(model: nn.Module) -> bool:
    """Whether a model has adapters, as ``models.with_lora`` adds them."""
    return isinstance(model, PeftModel)


def unwrapped(model: nn.Module) -> nn.Module:
    """The model that a ``peft.PeftModel`` wraps, its adapters included; others as they are.

    >>> layer = nn.Linear(1, 1)
    >>> unwrapped(layer) is layer
    True
    """
    return model.get_base_model() if isinstance(model, PeftModel) else model
