"""Llama's layers, adapters included, as two operations each: ``llama_blocks`` in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm

from ftlearn import runtime
from ftlearn.fast.llama_blocks import Attention, FeedForward, Geometry, Grads
from ftlearn.fast.replaced_forward import replaced_forward
from ftlearn.models.wrapping import is_lora_linear

TOKENS = 256
"""The longest texts that are fused: the attention weights that are kept grow with the square."""


@contextmanager
def fused_decoder_layers(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """A context in which each Llama layer on a CPU trains as two operations, in ``dtype``.

    Layers with dropout, hooks, biases, unusual adapters or hidden states in another format are
    left as they are.

    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    >>> model = LlamaForCausalLM(LlamaConfig(vocab_size=9, num_attention_heads=2, **size))
    >>> with fused_decoder_layers(model, torch.float32):
    ...     model.model.layers[0](
    ...         torch.ones(1, 3, 8), position_embeddings=(torch.ones(1, 3, 4), torch.ones(1, 3, 4))
    ...     ).grad_fn.name()
    'FeedForwardBackward'
    """
    layers = []
    if runtime.device_of(model).type == "cpu":
        layers = [module for module in model.modules() if _can_be_fused(module)]
    passes = {layer: partial(_forward_fused, layer, layer.forward, dtype) for layer in layers}
    with replaced_forward(passes):
        yield


def _can_be_fused(layer: nn.Module) -> bool:
    """Whether a module is a Llama layer of plain parts and plain adapters, without dropout."""
    if type(layer) is not LlamaDecoderLayer or "forward" in vars(layer):
        return False
    config = layer.self_attn.config
    if config.hidden_act != "silu" or config._attn_implementation not in ("eager", "sdpa"):
        return False
    modules = list(layer.modules())
    norms = (layer.input_layernorm, layer.post_attention_layernorm)
    return (
        config.attention_dropout == 0
        and all(type(norm) is LlamaRMSNorm for norm in norms)
        and all(_is_plain(linear) for linear in _linears(layer))
        and not any(_has_hooks(module) for module in modules)
    )


def _linears(layer: nn.Module) -> tuple[nn.Module, ...]:
    attention, mlp = layer.self_attn, layer.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
    return (*projections, mlp.gate_proj, mlp.up_proj, mlp.down_proj)


def _is_plain(linear: nn.Module) -> bool:
    """Whether a module is a linear layer without bias, alone or with one adapter of LoRA."""
    if type(linear) is nn.Linear:
        return linear.bias is None
    if not is_lora_linear(linear) or not _is_plain(linear.get_base_layer()):
        return False
    names = linear.active_adapters
    if linear.merged or linear.disable_adapters or linear.lora_variant or linear.fan_in_fan_out:
        return False
    if len(names) != 1 or names[0] not in linear.lora_A:
        return False
    dropout = getattr(linear.lora_dropout[names[0]], "p", 0.0)
    return dropout == 0 and linear.lora_B[names[0]].bias is None


def _has_hooks(module: nn.Module) -> bool:
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )
    return any(hooks) or "forward" in vars(module)


def _forward_fused(
    layer: nn.Module,
    original: Any,
    dtype: torch.dtype,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
    past_key_values: Any = None,
    **others: Any,
) -> torch.Tensor:
    """The layer's forward pass, (B, T, D) to the same; ``original`` is the layer's own."""
    x, angles = hidden_states, position_embeddings
    first, second = layer.input_layernorm, layer.post_attention_layernorm
    other_format = x.dtype is not dtype or first.weight.dtype is not dtype
    if past_key_values is not None or angles is None or other_format or x.shape[1] > TOKENS:
        return original(
            x,
            attention_mask=attention_mask,
            position_embeddings=angles,
            past_key_values=past_key_values,
            **others,
        )
    linears = _linears(layer)
    with torch.autocast("cpu", enabled=False):
        mask = _added_mask(attention_mask, x)
        cos, sin = (table.to(dtype)[:, None] for table in angles)  # (B or 1, 1, T, E)
        # Half of the rotation is x·cos, the other a rolled x times this, (−sin, sin).
        low, high = sin.chunk(2, -1)
        geometry = Geometry(mask, cos, torch.cat((-low, high), -1), layer.self_attn.head_dim)
        weights = [_weights(linear, dtype) for linear in linears]
        x = Attention.apply(
            x, first.weight, first.variance_epsilon, geometry, *sum(weights[:4], ())
        )
        return FeedForward.apply(x, second.weight, second.variance_epsilon, *sum(weights[4:], ()))


def _added_mask(mask: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    """What is added to the scores, (B or 1, 1, T, T): 0 where a token attends, else very low."""
    tokens, lowest = x.shape[1], torch.finfo(x.dtype).min
    if mask is None:
        mask = torch.ones(tokens, tokens, dtype=torch.bool).tril()[None, None]
    if mask.dtype is torch.bool:
        return torch.zeros_like(mask, dtype=x.dtype).masked_fill_(~mask, lowest)
    return mask.to(x.dtype)


def _weights(linear: nn.Module, dtype: torch.dtype) -> Grads:
    """A layer's weight W (F, D), and of its adapter A (R, D) and the scaled Bᵀ (R, F), or None.

    The layer computes Wx + BAx.
    """
    if type(linear) is nn.Linear:
        return linear.weight.to(dtype), None, None
    (name,) = linear.active_adapters
    up = linear.lora_B[name].weight.mT * linear.scaling[name]
    return linear.weight.to(dtype), linear.lora_A[name].weight.to(dtype), up.to(dtype)
