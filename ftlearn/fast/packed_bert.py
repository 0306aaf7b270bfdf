"""BERT's layers for prediction: weights packed once, GELU and sums done where products end.

A matrix product first copies its matrix into the order in which the processor reads it, and what
comes after it, GELU or the sum with what went in, walks over the result once more. oneDNN can keep
the matrix in its own order and do both on the way; torch uses that when it compiles a model, and
here the layers call it themselves. Runtimes for inference get their speed in the same way.

In the comments N = B·T rows of D numbers, H heads of D/H, F numbers between the linear layers.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import nn

from ftlearn.fast.cls_only import attend, is_bert_layer, read_by_first_token
from ftlearn.fast.fused_bert import has_plain_parts, is_changed

X86 = ("x86_64", "AMD64")
FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "electra")
"""Kinds of models, by transformers' names, whose layers are BERT's."""


def available() -> bool:
    """Whether torch has these operations here: x86 with oneDNN."""
    built = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return built and platform.machine() in X86


def pack_layers(model: nn.Module) -> nn.Module:
    """Put packed layers in place of BERT's plain ones, in place; only for prediction on a CPU.

    The layer that is computed for the first token alone stays (see ``last_layer``), and so does
    every layer with hooks, adapters or another attention.

    >>> from transformers import BertConfig, BertModel
    >>> size = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
    >>> model = BertModel(BertConfig(**size, attn_implementation="sdpa")).eval()
    >>> ids = torch.tensor([[2, 7, 9]])
    >>> with torch.no_grad():
    ...     before = model(ids).last_hidden_state
    ...     after = pack_layers(model)(ids).last_hidden_state
    >>> torch.allclose(before, after, atol=1e-5)
    True
    """
    special = read_by_first_token(model)
    for stack in [part for part in model.modules() if isinstance(part, nn.ModuleList)]:
        for at, layer in enumerate(stack):
            if layer is not special and is_packable(layer):
                stack[at] = PackedLayer(layer)
    return model


def is_packable(layer: nn.Module) -> bool:
    """Whether a module is a layer of BERT's family that computes as ``PackedLayer`` does."""
    return is_bert_layer(layer) and not is_changed(layer) and has_plain_parts(layer)


class PackedLayer(nn.Module):
    """A BERT layer, (B, T, D) to the same, without a backward pass."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        own, mixed = layer.attention.self, layer.attention.output
        self.own = own  # for what attention asks of its module
        self.query, self.key, self.value = map(PackedLinear, (own.query, own.key, own.value))
        self.mix, self.mix_norm = PackedLinear(mixed.dense), mixed.LayerNorm
        self.widen, self.narrow = map(PackedLinear, (layer.intermediate.dense, layer.output.dense))
        self.norm = layer.output.LayerNorm

    def forward(
        self, hidden: torch.Tensor, attention_mask: torch.Tensor | None = None, *_: Any, **__: Any
    ) -> torch.Tensor:
        """The layer's output for hidden states (B, T, D)."""
        batch, tokens, width = hidden.shape
        rows = hidden.reshape(-1, width)  # (N, D)
        q, k, v = (
            part(rows).view(batch, tokens, -1, self.own.attention_head_size).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )  # (B, H, T, D/H)
        context = attend(self.own, q, k, v, attention_mask).reshape(-1, width)  # (N, D)
        rows = self.mix_norm(self.mix.added(context, rows))
        rows = self.norm(self.narrow.added(self.widen.gelu(rows), rows))
        return rows.view(batch, tokens, width)


class PackedLinear(nn.Module):
    """y = x·Wᵀ + b with W in oneDNN's own order; x is (N, D)."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias = linear.bias.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The product alone."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")

    def gelu(self, x: torch.Tensor) -> torch.Tensor:
        """GELU, in its exact form, of the product."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "gelu", [], "none")

    def added(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """The product plus ``other``, of the product's shape."""
        add = torch.ops.mkldnn._linear_pointwise.binary
        return add(x, other, self.weight, self.bias, "add")
