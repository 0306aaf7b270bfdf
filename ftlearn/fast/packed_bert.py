"""BERT's layers for inference: weights packed once, GELU and residual sums fused into products.

A matrix product first copies its matrix into the order in which the processor reads it, and the
GELU or residual sum after it reads and writes the result once more. oneDNN can keep the matrix in
its own order and fuse both into the product; torch uses that when it compiles a model, and here
the layers call it directly. Inference runtimes such as ONNX Runtime do the same.

In the comments N = B·T rows of D numbers, H heads of D/H, F numbers between the linear layers.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import nn

from ftlearn.fast.cls_only import attend, is_bert_layer, layer_read_at_cls
from ftlearn.fast.fused_bert import has_plain_parts, is_changed
from ftlearn.runtime.versions import X86

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "electra")
"""Kinds of models, by transformers' names, whose layers are BERT's."""


def available() -> bool:
    """Whether torch has these operations on this machine: x86 with oneDNN."""
    built = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return built and platform.machine() in X86


def pack_layers(model: nn.Module) -> nn.Module:
    """Replace BERT's plain layers by packed ones, in place; only for inference on a CPU.

    The layer that is computed for the first token only stays (see ``cls_only``), and so does
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
    cls_layer = layer_read_at_cls(model)
    for stack in [module for module in model.modules() if isinstance(module, nn.ModuleList)]:
        for index, layer in enumerate(stack):
            if layer is not cls_layer and is_packable(layer):
                stack[index] = PackedLayer(layer)
    return model


def is_packable(layer: nn.Module) -> bool:
    """Whether a module is a layer of BERT's family that computes as ``PackedLayer`` does."""
    is_plain = is_bert_layer(layer) and not is_changed(layer) and has_plain_parts(layer)
    return is_plain and packs(next(layer.parameters()).dtype)


def packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN can pack weights of this type here: bf16 takes a processor with AVX-512.

    >>> packs(torch.float32)
    True
    """
    return dtype is not torch.bfloat16 or torch.ops.mkldnn._is_mkldnn_bf16_supported()


class PackedLayer(nn.Module):
    """A BERT layer, (B, T, D) to the same, without a backward pass."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.attention = layer.attention.self  # its settings are read by `attend`
        self.query = PackedLinear(self.attention.query)
        self.key = PackedLinear(self.attention.key)
        self.value = PackedLinear(self.attention.value)
        self.projection = PackedLinear(layer.attention.output.dense)
        self.attention_norm = layer.attention.output.LayerNorm
        self.intermediate = PackedLinear(layer.intermediate.dense)
        self.output = PackedLinear(layer.output.dense)
        self.output_norm = layer.output.LayerNorm

    def forward(
        self, hidden: torch.Tensor, attention_mask: torch.Tensor | None = None, *_: Any, **__: Any
    ) -> torch.Tensor:
        """The layer's output for hidden states (B, T, D)."""
        batch, tokens, width = hidden.shape
        rows = hidden.reshape(-1, width)  # (N, D)
        q, k, v = (
            linear(rows).view(batch, tokens, -1, self.attention.attention_head_size).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )  # (B, H, T, D/H)
        context = attend(self.attention, q, k, v, attention_mask).reshape(-1, width)  # (N, D)
        rows = self.attention_norm(self.projection.plus(context, rows))
        inner = self.intermediate.gelu(rows)  # (N, F)
        rows = self.output_norm(self.output.plus(inner, rows))
        return rows.view(batch, tokens, width)


class PackedLinear(nn.Module):
    """y = x·Wᵀ + b with W in oneDNN's own order; x is (N, D)."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias = linear.bias.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The linear layer alone."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")

    def gelu(self, x: torch.Tensor) -> torch.Tensor:
        """GELU, in its exact form, of the linear layer's result."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "gelu", [], "none")

    def plus(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """The linear layer's result plus ``other``, of the same shape."""
        add = torch.ops.mkldnn._linear_pointwise.binary
        return add(x, other, self.weight, self.bias, "add")
