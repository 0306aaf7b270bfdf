"""Which implementation of attention a model uses, and switching to another one."""

from __future__ import annotations

from torch import nn

from ftlearn.models.wrapping import unwrapped

EXCHANGEABLE = {"eager", "sdpa"}
"""Implementations of the same attention, by transformers' names."""


def attention_of(model: nn.Module) -> str | None:
    """How a model computes attention, by transformers' name; None where it has no choice."""
    return getattr(getattr(_body(model), "config", None), "_attn_implementation", None)


def other_attention(model: nn.Module, wanted: str | None) -> str | None:
    """The wanted attention where the model supports it and does not use it yet; else None."""
    supported = wanted == "eager" or getattr(_body(model), "_supports_sdpa", False)
    # One that was chosen by name, such as flash attention, stays.
    replaceable = attention_of(model) in EXCHANGEABLE - {wanted}
    return wanted if supported and replaceable else None


def use_attention(model: nn.Module, wanted: str | None) -> None:
    """Switch a model, in place, to another attention where it supports it."""
    if other := other_attention(model, wanted):
        _body(model).set_attn_implementation(other)


def _body(model: nn.Module) -> nn.Module:
    model = unwrapped(model)
    return getattr(model, "base_model", model)
