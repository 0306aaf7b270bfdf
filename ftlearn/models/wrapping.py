"""The model inside a ``peft.PeftModel``: peft wraps a model to add adapters to its layers.

Importing peft takes almost as long as importing transformers, and most models have no adapters. So
it is imported where adapters are made or opened; no model can have one before that.
"""

from __future__ import annotations

import sys
from typing import Any

from torch import nn

PREFIX = "base_model.model."
"""What peft puts before the parameter names of the model that it wraps."""


def is_adapted(model: nn.Module) -> bool:
    """Whether a model has adapters, as ``models.with_lora`` adds them."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(model, peft.PeftModel)


def saved_head(module: Any) -> bool:
    """Whether a module is a head that peft trains beside an adapter, in two copies."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(module, peft.utils.ModulesToSaveWrapper)


def is_lora_linear(module: nn.Module) -> bool:
    """Whether a module is just peft's linear layer with adapters of LoRA, none that derives."""
    peft = sys.modules.get("peft")
    return peft is not None and type(module) is peft.tuners.lora.Linear


def unwrapped(model: nn.Module) -> nn.Module:
    """The model that a ``peft.PeftModel`` wraps, its adapters included; others as they are.

    >>> layer = nn.Linear(1, 1)
    >>> unwrapped(layer) is layer
    True
    """
    return model.get_base_model() if is_adapted(model) else model
