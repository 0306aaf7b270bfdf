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
PROMPT_PREFIX = "base_model."
"""The same where virtual tokens are learned, which leave the model's modules as they are."""
ADAPTER = "default"
"""The name that peft gives to the only adapter of a model."""
PARTS = ("lora_", "ia3_", "ln_tuning_layers", "prompt_encoder", "modules_to_save")
"""What the parameter names of an adapter, and of the head trained beside it, contain."""
METHODS_OF_PEFT = {
    "IA3": "ia3",
    "LN_TUNING": "layernorm",
    "PREFIX_TUNING": "prefix",
    "PROMPT_TUNING": "prompt",
}
"""Our names of peft's methods besides LoRA."""


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


def method_of(model: nn.Module) -> str | None:
    """The method of a model's adapter, as ``models.with_adapter`` names it; None without one.

    >>> method_of(nn.Linear(1, 1)) is None
    True
    """
    if not is_adapted(model):
        return None
    config = model.peft_config[ADAPTER]
    kind = config.peft_type.value
    if kind != "LORA":
        return METHODS_OF_PEFT.get(kind, kind.lower())
    if str(config.init_lora_weights).startswith("pissa"):
        return "pissa"
    return "dora" if config.use_dora else "rslora" if config.use_rslora else "lora"


def virtual_token_count(model: nn.Module) -> int:
    """How many learned tokens a model reads before a text; 0 for all others.

    >>> virtual_token_count(nn.Linear(1, 1))
    0
    """
    config = model.peft_config[ADAPTER] if is_adapted(model) else None
    return config.num_virtual_tokens if config is not None and config.is_prompt_learning else 0


def in_adapter(name: str) -> bool:
    """Whether a parameter belongs to an adapter, or to the head that is trained beside it.

    >>> in_adapter("base_model.model.layer.query.lora_A.default.weight"), in_adapter("classifier")
    (True, False)
    """
    return any(part in name for part in PARTS)


def base_name(model: nn.Module, name: str) -> str:
    """The name that a parameter of an adapted model has in its base model."""
    prefix = PROMPT_PREFIX if virtual_token_count(model) else PREFIX
    return name.removeprefix(prefix).replace(".base_layer.", ".")


def unwrapped(model: nn.Module) -> nn.Module:
    """The model that a ``peft.PeftModel`` wraps, its adapters included; others as they are.

    >>> layer = nn.Linear(1, 1)
    >>> unwrapped(layer) is layer
    True
    """
    return model.get_base_model() if is_adapted(model) else model
