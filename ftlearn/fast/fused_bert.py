"""The two blocks of a BERT layer, each with its backward pass written out.

Autograd takes a layer apart into some forty operations, and each makes a new tensor. Here the
attention block and the feed-forward block are one operation each: sums are made in place, queries
are scaled in place of scores, and where three gradients meet at a vector the products that make
them add them up. The arithmetic is that of transformers' layers, the rounding nearly so.

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
from ftlearn.runtime import sharding

NARROW = torch.bfloat16
"""The format that pays: others spend their time on products."""

backward_of = torch.ops.aten  # autograd's own formulas for norms, softmax and GELU


@contextmanager
def fused_layers(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """A context in which BERT's layers train as two operations each, with bf16 on a CPU.

    That saves a twentieth of an update; other formats and devices spend their time on products.
    Layers with dropout, hooks, adapters or another attention keep their own way.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> size = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
    >>> off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    >>> config = BertConfig(**size, **off, attn_implementation="eager")
    >>> layer = BertForSequenceClassification(config).base_model.encoder.layer[0]
    >>> with fused_layers(layer, torch.bfloat16), torch.autocast("cpu", torch.bfloat16):
    ...     layer(torch.ones(1, 3, 8).bfloat16()).grad_fn.name()
    '_FeedForwardBackward'
    """
    fits = dtype is NARROW and runtime.device_of(model).type == "cpu"
    layers = [each for each in model.modules() if _is_plain(each)] if fits else []
    for layer in layers:
        layer.forward = partial(_layer, layer, layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _is_plain(layer: nn.Module) -> bool:
    """Whether a module is a layer as BERT has it, of plain parts, that nobody looks into."""
    if not is_bert_layer(layer) or layer.attention.self.config._attn_implementation != "eager":
        return False
    dropouts = [part for part in layer.modules() if isinstance(part, nn.Dropout)]
    return has_plain_parts(layer) and all(dropout.p == 0 for dropout in dropouts)


def has_plain_parts(layer: nn.Module) -> bool:
    """Whether a layer of BERT's family is made of the parts it came with, without hooks."""
    if "forward" in vars(layer) or sharding.is_sharded(layer):
        return False
    if layer.attention.self.config.hidden_act != "gelu":
        return False
    own, mixed, out = layer.attention.self, layer.attention.output, layer.output
    linear = own.query, own.key, own.value, mixed.dense, layer.intermediate.dense, out.dense
    norms, parts = (mixed.LayerNorm, out.LayerNorm), list(layer.modules())[1:]
    weighted = [part for part in parts if next(part.parameters(recurse=False), None) is not None]
    return (
        all(type(part) is nn.Linear for part in linear)
        and all(type(part) is nn.LayerNorm for part in norms)
        and all(part.bias is not None for part in (*linear, *norms))
        and len(weighted) == len(linear) + len(norms)
        and not any(map(is_changed, parts))
    )


def is_changed(part: nn.Module) -> bool:
    """Whether somebody looks into a part or has put something of their own in its place."""
    hooks = part._forward_hooks, part._forward_pre_hooks, part._backward_hooks
    foreign = not type(part).__module__.startswith(("torch.", "transformers."))
    return any((*hooks, part._backward_pre_hooks, foreign, "forward" in vars(part)))


def _layer(
    layer: nn.Module,
    usual: Any,
    hidden: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    *more: Any,
    **named: Any,
) -> torch.Tensor:
    """The layer's forward pass, (B, T, D) to the same; ``usual`` is its own."""
    if hidden.dtype is not NARROW:
        return usual(hidden, attention_mask, *more, **named)
    own, mixed, out = layer.attention.self, layer.attention.output, layer.output
    linear = own.query, own.key, own.value, mixed.dense
    with torch.autocast("cpu", enabled=False):
        hidden = _Attention.apply(
            hidden, attention_mask, own.num_attention_heads, mixed.LayerNorm.eps,
            *_parameters(*linear, mixed.LayerNorm),
        )  # fmt: skip
        linear = layer.intermediate.dense, out.dense
        return _FeedForward.apply(hidden, out.LayerNorm.eps, *_parameters(*linear, out.LayerNorm))


def _parameters(*parts: nn.Module) -> list[nn.Parameter]:
    return [parameter for part in parts for parameter in (part.weight, part.bias)]


class _Attention(torch.autograd.Function):
    """y = norm(x + Wo·attention(Wq·x, Wk·x, Wv·x)), biases left out of the formula."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, mask: torch.Tensor | None, heads: int, eps: float, *given: Any
    ) -> torch.Tensor:
        wq, bq, wk, bk, wv, bv, wo, bo = (each.to(x.dtype) for each in given[:8])
        ctx.shape = batch, tokens, width = x.shape
        ctx.scale, ctx.heads = (width // heads) ** -0.5, heads
        x = x.flatten(0, 1)  # (N, D)
        q = _split(F.linear(x, wq, bq).mul_(ctx.scale), tokens, heads)  # (B·H, T, D/H)
        k, v = (_split(F.linear(x, w, b), tokens, heads) for w, b in ((wk, bk), (wv, bv)))
        scores = torch.bmm(q, k.mT)  # (B·H, T, T)
        if mask is not None:
            scores.view(batch, heads, tokens, tokens).add_(mask)
        p = scores.softmax(-1)
        c = _joined(torch.bmm(p, v), tokens, heads)
        total = F.linear(c, wo, bo).add_(x)
        y, *moments = torch.native_layer_norm(total, (width,), *given[8:], eps)
        ctx.save_for_backward(x, q, k, v, p, c, total, *moments, wq, wk, wv, wo, *given[8:])
        return y.view(ctx.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple:
        x, q, k, v, p, c, total, mean, inverse, wq, wk, wv, wo, gain, shift = ctx.saved_tensors
        (_, tokens, width), heads, need = ctx.shape, ctx.heads, ctx.needs_input_grad[4:]
        dx, dgain, dshift = backward_of.native_layer_norm_backward(
            dy.flatten(0, 1), total, (width,), mean, inverse, gain, shift, (True, *need[8:])
        )
        dout = _of_linear(dx, c, need[6:8])
        dc = _split(dx @ wo, tokens, heads)
        dv = _joined(torch.bmm(p.mT, dc), tokens, heads)
        dp = torch.bmm(dc, v.mT)
        dscores = backward_of._softmax_backward_data(dp, p, -1, p.dtype)
        dq = _joined(torch.bmm(dscores, k), tokens, heads).mul_(ctx.scale)
        dk = _joined(torch.bmm(dscores.mT, q), tokens, heads)
        of_q, of_k, of_v = (
            _of_linear(each, x, need[at : at + 2]) for each, at in ((dq, 0), (dk, 2), (dv, 4))
        )
        dx.addmm_(dq, wq).addmm_(dk, wk).addmm_(dv, wv)
        return (
            dx.view(ctx.shape), None, None, None, *of_q, *of_k, *of_v, *dout, dgain, dshift
        )  # fmt: skip


class _FeedForward(torch.autograd.Function):
    """y = norm(x + W2·gelu(W1·x)), biases left out of the formula."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, eps: float, *given: Any) -> torch.Tensor:
        w1, b1, w2, b2 = (each.to(x.dtype) for each in given[:4])
        ctx.shape = x.shape
        x = x.flatten(0, 1)  # (N, D)
        h = F.linear(x, w1, b1)  # (N, F)
        g = F.gelu(h)
        total = F.linear(g, w2, b2).add_(x)
        y, *moments = torch.native_layer_norm(total, x.shape[1:], *given[4:], eps)
        ctx.save_for_backward(x, h, g, total, *moments, w1, w2, *given[4:])
        return y.view(ctx.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple:
        x, h, g, total, mean, inverse, w1, w2, gain, shift = ctx.saved_tensors
        need = ctx.needs_input_grad[2:]
        dx, dgain, dshift = backward_of.native_layer_norm_backward(
            dy.flatten(0, 1), total, x.shape[1:], mean, inverse, gain, shift, (True, *need[4:])
        )
        second = _of_linear(dx, g, need[2:4])
        dh = backward_of.gelu_backward(dx @ w2, h)
        first = _of_linear(dh, x, need[:2])
        return dx.addmm_(dh, w1).view(ctx.shape), None, *first, *second, dgain, dshift


def _split(rows: torch.Tensor, tokens: int, heads: int) -> torch.Tensor:
    """(N, D) as one matrix for each text and head, (B·H, T, D/H)."""
    width = rows.shape[-1] // heads
    return rows.view(-1, tokens, heads, width).transpose(1, 2).reshape(-1, tokens, width)


def _joined(matrices: torch.Tensor, tokens: int, heads: int) -> torch.Tensor:
    """What ``_split`` took apart: (B·H, T, D/H) as (N, D)."""
    width = matrices.shape[-1] * heads
    return matrices.view(-1, heads, tokens, width // heads).transpose(1, 2).reshape(-1, width)


def _of_linear(
    dy: torch.Tensor, x: torch.Tensor, need: tuple[bool, ...]
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The gradients of a linear layer's matrix and bias, where they are needed."""
    return dy.mT @ x if need[0] else None, dy.sum(0) if need[1] else None
