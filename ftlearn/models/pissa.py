"""PiSSA: an adapter that begins as the principal part of the weights (arXiv 2404.02948).

W = W_res + s B₀A₀, where s B₀A₀ are the R largest singular values of W with their vectors, and the
residual W_res is frozen in its place. Without the adapter the model is not the pretrained one. What
was learnt, s (BA − B₀A₀), is a change of W of rank 2R at most, and is saved as such: an ordinary
LoRA on the weights as they were published, which opens without a decomposition.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from ftlearn.errors import ArgumentError
from ftlearn.models.wrapping import ADAPTER, is_lora_linear

if TYPE_CHECKING:
    from peft import PeftModel

INITIALISATION = "pissa_niter_16"
"""peft's name: R singular values by 16 power iterations, in milliseconds instead of seconds."""
STARTS = {"lora_A": "pissa_start_A", "lora_B": "pissa_start_B"}
"""The buffers that hold A₀ and B₀ beside A and B."""


def require_fp32(model: nn.Module) -> None:
    """Raise ValueError where a residual would be rounded to the bf16 of the weights."""
    if any(weight.dtype is not torch.float32 for weight in model.parameters()):
        raise ArgumentError(
            "the weights are in bf16, which would round the residual of PiSSA: load the model with "
            "precision='fp32'"
        )


def remember_start(model: PeftModel) -> None:
    """Keep a copy of A₀ and B₀ in each adapted layer, outside checkpoints."""
    for layer in _layers(model):
        for part, name in STARTS.items():
            start = getattr(layer, part)[ADAPTER].weight.detach().clone()
            layer.register_buffer(name, start, persistent=False)


@contextmanager
def published(model: PeftModel) -> Iterator[None]:
    """A context in which the model computes as before any training: A₀ and B₀ for A and B.

    ``model.disable_adapter()`` would leave the residual alone.
    """
    swapped = [
        (getattr(layer, part)[ADAPTER].weight, getattr(layer, name))
        for layer in _layers(model)
        for part, name in STARTS.items()
    ]
    trained = [weight.data for weight, _ in swapped]
    try:
        for weight, start in swapped:
            weight.data = start
        yield
    finally:
        for (weight, _), values in zip(swapped, trained, strict=True):
            weight.data = values


@contextmanager
def scaled(model: PeftModel, factor: float) -> Iterator[None]:
    """A context in which what was learned counts ``factor`` times: W + factor · s (BA − B₀A₀).

    In units of the residual this is s (factor · BA + (1 − factor) · B₀A₀), of rank 2R. Raises
    ValueError where A₀ and B₀ are not known.
    """
    layers = _layers(model)
    if not all(hasattr(layer, name) for layer in layers for name in STARTS.values()):
        raise ArgumentError(
            "it is not known how this PiSSA adapter began, so what it learned cannot be scaled: "
            "make it with models.with_adapter(model, 'pissa'), or save and open it, as a LoRA"
        )
    before = []
    try:
        for layer in layers:
            down, up = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
            before += [(down, down.data), (up, up.data)]
            down.data = torch.cat([down.data, layer.pissa_start_A], dim=0)
            up.data = torch.cat([factor * up.data, (1 - factor) * layer.pissa_start_B], dim=1)
        yield
    finally:
        for weight, values in before:
            weight.data = values


@contextmanager
def as_lora(model: PeftModel) -> Iterator[dict[str, torch.Tensor]]:
    """A context in which the settings are of an ordinary LoRA of rank 2R; gives its tensors.

    [B, −B₀] and [A; A₀] multiply to BA − B₀A₀, and 2 alpha / 2R is the same scale.
    """
    tensors = model.state_dict()
    for name, layer in model.named_modules():
        if is_lora_linear(layer):
            down, up = f"{name}.lora_A.{ADAPTER}.weight", f"{name}.lora_B.{ADAPTER}.weight"
            tensors[down] = torch.cat([tensors[down], layer.pissa_start_A], dim=0)
            tensors[up] = torch.cat([tensors[up], -layer.pissa_start_B], dim=1)
    before = model.peft_config[ADAPTER]
    config = copy.copy(before)
    config.r, config.lora_alpha = 2 * before.r, 2 * before.lora_alpha
    config.init_lora_weights = True
    try:
        model.peft_config[ADAPTER] = config
        yield tensors
    finally:
        model.peft_config[ADAPTER] = before


def _layers(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if is_lora_linear(module)]
