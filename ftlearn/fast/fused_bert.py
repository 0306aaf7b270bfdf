"""The two blocks of a BERT layer, each fused into one operation with a hand-written backward pass.

Autograd sees some forty operations in a layer, and each allocates a new tensor. Here the attention
block and the feed-forward block are one operation each: sums are computed in place, the queries
are scaled instead of the scores, and where three gradients meet at a vector they are accumulated
by the products that compute them. The formulas are those of transformers' layers, and the rounding
is nearly the same.

In the comments N = B·T rows of D numbers, H heads of D/H, F numbers between the linear layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from ftlearn import runtime
from ftlearn.fast.cls_only import is_bert_layer
from ftlearn.fast.replaced_forward import replaced_forward
from ftlearn.runtime import sharding

DTYPE = torch.bfloat16
"""The only number format in which fusing is faster: in others the matrix products dominate."""

aten = torch.ops.aten  # autograd's own backward formulas for norms, softmax and GELU


@contextmanager
def fused_layers(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """A context in which each of BERT's layers trains as two operations, with bf16 on a CPU.

    That saves a twentieth of an update; in other formats and on other devices the matrix products
    dominate. Layers with dropout, hooks, adapters or another attention are left as they are.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> size = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
    >>> off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    >>> config = BertConfig(**size, **off, attn_implementation="eager")
    >>> layer = BertForSequenceClassification(config).base_model.encoder.layer[0]
    >>> with fused_layers(layer, torch.bfloat16), torch.autocast("cpu", torch.bfloat16):
    ...     layer(torch.ones(1, 3, 8).bfloat16()).grad_fn.name()
    '_FeedForwardBackward'
    """
    layers = []
    if dtype is DTYPE and runtime.device_of(model).type == "cpu":
        layers = [module for module in model.modules() if _can_be_fused(module)]
    passes = {layer: partial(_forward_fused, layer, layer.forward) for layer in layers}
    with replaced_forward(passes):
        yield


def _can_be_fused(layer: nn.Module) -> bool:
    """Whether a module is a BERT layer of plain parts, with eager attention and no dropout."""
    if not is_bert_layer(layer) or layer.attention.self.config._attn_implementation != "eager":
        return False
    dropouts = [module for module in layer.modules() if isinstance(module, nn.Dropout)]
    return has_plain_parts(layer) and all(dropout.p == 0 for dropout in dropouts)


def has_plain_parts(layer: nn.Module) -> bool:
    """Whether a layer of BERT's family has the modules it was built with, without hooks."""
    if "forward" in vars(layer) or sharding.is_sharded(layer):
        return False
    if layer.attention.self.config.hidden_act != "gelu":
        return False
    attention, projection, output = layer.attention.self, layer.attention.output, layer.output
    linears = [
        attention.query,
        attention.key,
        attention.value,
        projection.dense,
        layer.intermediate.dense,
        output.dense,
    ]
    norms = [projection.LayerNorm, output.LayerNorm]
    modules = list(layer.modules())[1:]
    weighted = [
        module for module in modules if next(module.parameters(recurse=False), None) is not None
    ]
    return (
        all(type(module) is nn.Linear for module in linears)
        and all(type(module) is nn.LayerNorm for module in norms)
        and all(module.bias is not None for module in (*linears, *norms))
        and len(weighted) == len(linears) + len(norms)
        and not any(map(is_changed, modules))
    )


def is_changed(module: nn.Module) -> bool:
    """Whether a module has hooks or another forward pass, or is of a class from elsewhere."""
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )
    foreign = not type(module).__module__.startswith(("torch.", "transformers."))
    return any(hooks) or foreign or "forward" in vars(module)


def _forward_fused(
    layer: nn.Module,
    original: Any,
    hidden: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    *args: Any,
    **kwargs: Any,
) -> torch.Tensor:
    """The layer's forward pass, (B, T, D) to the same; ``original`` is the layer's own."""
    with_prefix = kwargs.get("past_key_values") is not None
    if hidden.dtype is not DTYPE or with_prefix:
        return original(hidden, attention_mask, *args, **kwargs)
    attention, projection, output = layer.attention.self, layer.attention.output, layer.output
    with torch.autocast("cpu", enabled=False):
        hidden = _Attention.apply(
            hidden,
            attention_mask,
            attention.num_attention_heads,
            projection.LayerNorm.eps,
            *_parameters(attention.query, attention.key, attention.value),
            *_parameters(projection.dense, projection.LayerNorm),
        )
        return _FeedForward.apply(
            hidden,
            output.LayerNorm.eps,
            *_parameters(layer.intermediate.dense, output.dense, output.LayerNorm),
        )


def _parameters(*modules: nn.Module) -> list[nn.Parameter]:
    """Weight and bias of each module, in this order."""
    return [parameter for module in modules for parameter in (module.weight, module.bias)]


class _Attention(torch.autograd.Function):
    """y = norm(x + Wo·attention(Wq·x, Wk·x, Wv·x)), biases left out of the formula."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        mask: torch.Tensor | None,
        heads: int,
        eps: float,
        *parameters: torch.Tensor,
    ) -> torch.Tensor:
        wq, bq, wk, bk, wv, bv, wo, bo = (tensor.to(x.dtype) for tensor in parameters[:8])
        norm = parameters[8:]  # gain and shift
        ctx.shape = batch, tokens, width = x.shape
        ctx.scale, ctx.heads = (width // heads) ** -0.5, heads
        x = x.flatten(0, 1)  # (N, D)
        q = _split(F.linear(x, wq, bq).mul_(ctx.scale), tokens, heads)  # (B·H, T, D/H)
        k = _split(F.linear(x, wk, bk), tokens, heads)
        v = _split(F.linear(x, wv, bv), tokens, heads)
        scores = torch.bmm(q, k.mT)  # (B·H, T, T)
        if mask is not None:
            scores.view(batch, heads, tokens, tokens).add_(mask)
        p = scores.softmax(-1)
        c = _joined(torch.bmm(p, v), tokens, heads)
        total = F.linear(c, wo, bo).add_(x)
        y, *moments = torch.native_layer_norm(total, (width,), *norm, eps)
        ctx.save_for_backward(x, q, k, v, p, c, total, *moments, wq, wk, wv, wo, *norm)
        return y.view(ctx.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple:
        x, q, k, v, p, c, total, mean, inverse, wq, wk, wv, wo, gain, shift = ctx.saved_tensors
        _, tokens, width = ctx.shape
        heads = ctx.heads
        need = ctx.needs_input_grad[4:]
        dx, dgain, dshift = aten.native_layer_norm_backward(
            dy.flatten(0, 1), total, (width,), mean, inverse, gain, shift, (True, *need[8:])
        )
        dwo_dbo = _linear_gradients(dx, c, need[6:8])
        dc = _split(dx @ wo, tokens, heads)
        dv = _joined(torch.bmm(p.mT, dc), tokens, heads)
        dp = torch.bmm(dc, v.mT)
        dscores = aten._softmax_backward_data(dp, p, -1, p.dtype)
        dq = _joined(torch.bmm(dscores, k), tokens, heads).mul_(ctx.scale)
        dk = _joined(torch.bmm(dscores.mT, q), tokens, heads)
        dwq_dbq = _linear_gradients(dq, x, need[0:2])
        dwk_dbk = _linear_gradients(dk, x, need[2:4])
        dwv_dbv = _linear_gradients(dv, x, need[4:6])
        dx.addmm_(dq, wq).addmm_(dk, wk).addmm_(dv, wv)
        dx = dx.view(ctx.shape)
        of_projections = (*dwq_dbq, *dwk_dbk, *dwv_dbv, *dwo_dbo)
        return dx, None, None, None, *of_projections, dgain, dshift


class _FeedForward(torch.autograd.Function):
    """y = norm(x + W2·gelu(W1·x)), biases left out of the formula."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, eps: float, *parameters: torch.Tensor) -> torch.Tensor:
        w1, b1, w2, b2 = (tensor.to(x.dtype) for tensor in parameters[:4])
        norm = parameters[4:]  # gain and shift
        ctx.shape = x.shape
        x = x.flatten(0, 1)  # (N, D)
        h = F.linear(x, w1, b1)  # (N, F)
        g = F.gelu(h)
        total = F.linear(g, w2, b2).add_(x)
        y, *moments = torch.native_layer_norm(total, x.shape[1:], *norm, eps)
        ctx.save_for_backward(x, h, g, total, *moments, w1, w2, *norm)
        return y.view(ctx.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple:
        x, h, g, total, mean, inverse, w1, w2, gain, shift = ctx.saved_tensors
        need = ctx.needs_input_grad[2:]
        dx, dgain, dshift = aten.native_layer_norm_backward(
            dy.flatten(0, 1), total, x.shape[1:], mean, inverse, gain, shift, (True, *need[4:])
        )
        dw2_db2 = _linear_gradients(dx, g, need[2:4])
        dh = aten.gelu_backward(dx @ w2, h)
        dw1_db1 = _linear_gradients(dh, x, need[:2])
        return dx.addmm_(dh, w1).view(ctx.shape), None, *dw1_db1, *dw2_db2, dgain, dshift


def _split(rows: torch.Tensor, tokens: int, heads: int) -> torch.Tensor:
    """(N, D) as one matrix per text and head, (B·H, T, D/H)."""
    width = rows.shape[-1] // heads
    return rows.view(-1, tokens, heads, width).transpose(1, 2).reshape(-1, tokens, width)


def _joined(matrices: torch.Tensor, tokens: int, heads: int) -> torch.Tensor:
    """The inverse of ``_split``: (B·H, T, D/H) as (N, D)."""
    width = matrices.shape[-1] * heads
    return matrices.view(-1, heads, tokens, width // heads).transpose(1, 2).reshape(-1, width)


def _linear_gradients(
    dy: torch.Tensor, x: torch.Tensor, need: tuple[bool, ...]
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The gradients of a linear layer's weight and bias, each where ``need`` says so."""
    dweight = dy.mT @ x if need[0] else None
    dbias = dy.sum(0) if need[1] else None
    return dweight, dbias
