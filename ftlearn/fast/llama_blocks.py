"""The two blocks of a Llama layer, each one operation with a hand-written backward pass.

As ``fused_bert`` does for BERT, and with adapters: low-rank matrices beside a linear layer (LoRA)
take part in the same operations. Autograd would see about ninety operations in such a layer and
keep twenty tensors; here a block keeps its input and what the products need, and the rest is
computed again. Attention multiplies the queries of a group of heads by their common keys at once.
The formulas are those of transformers and peft, and the rounding is nearly the same.

In the comments N = B·T rows of D numbers, H heads of E numbers, K of them keys and values, F
numbers between the linear layers, R the rank of an adapter. A linear layer is given as its weight
W (F, D) and, if it has an adapter, A (R, D) and Bᵀ (R, F): it computes Wx + BAx.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from ftlearn.losses import at_least_fp32

aten = torch.ops.aten  # autograd's own backward formulas for softmax and SiLU
Grads = tuple[torch.Tensor | None, ...]


class Geometry(NamedTuple):
    """What attention needs besides hidden states and weights: no gradient goes there."""

    mask: torch.Tensor
    cos: torch.Tensor
    sin: torch.Tensor
    width: int


class Attention(torch.autograd.Function):
    """y = x + Wo·attention(R·Wq·n, R·Wk·n, Wv·n) with n = norm(x) and the rotation R."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        gain: torch.Tensor,
        eps: float,
        geometry: Geometry,
        *weights: torch.Tensor,
    ) -> torch.Tensor:
        ctx.shape, ctx.geometry = x.shape, geometry
        batch, tokens, _ = x.shape
        mask, cos, sin, width = geometry
        x = x.flatten(0, 1)  # (N, D)
        inverse = _inverse_root_mean_square(x, eps)
        n = _scaled(x, inverse) * gain
        q, low_q = _linear(n, *weights[0:3])
        k, low_k = _linear(n, *weights[3:6])
        v, low_v = _linear(n, *weights[6:9])
        q = _rotate(_by_head(q.mul_(width**-0.5), tokens, width), cos, sin)  # (B, H, T, E)
        k = _rotate(_by_head(k, tokens, width), cos, sin)  # (B, K, T, E)
        v = _by_head(v, tokens, width)
        # The H/K heads of a group share their keys: one product for all, (B·K, H/K·T, T).
        groups = batch * k.shape[1]
        q, k, v = _grouped(q, groups), _grouped(k, groups), _grouped(v, groups)
        scores = torch.bmm(q, k.mT)
        scores.view(batch, -1, tokens, tokens).add_(mask)
        p = scores.softmax(-1)
        c = _joined(torch.bmm(p, v), batch, tokens)  # (N, H·E)
        y, low_o = _linear(c, *weights[9:12])
        ctx.save_for_backward(x, inverse, gain, q, k, v, p, c, low_q, low_k, low_v, low_o, *weights)
        return y.add_(x).view(ctx.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> Grads:
        x, inverse, gain, q, k, v, p, c, low_q, low_k, low_v, low_o, *weights = ctx.saved_tensors
        batch, tokens, _ = ctx.shape
        _, cos, sin, width = ctx.geometry
        need, need_x = ctx.needs_input_grad[4:], any(ctx.needs_input_grad[:2])
        dy = dy.flatten(0, 1)
        dc, *of_o = _linear_backward(dy, c, low_o, weights[9:12], need[9:12])
        dc = _grouped(_by_head(dc, tokens, width), len(p))
        dv = torch.bmm(p.mT, dc)
        dscores = aten._softmax_backward_data(torch.bmm(dc, v.mT), p, -1, p.dtype)
        dq, dk = torch.bmm(dscores, k), torch.bmm(dscores.mT, q)
        # The transpose of a rotation turns the other way.
        dq = _joined(_rotate(dq.view(batch, -1, tokens, width), cos, sin, back=True), batch, tokens)
        dk = _joined(_rotate(dk.view(batch, -1, tokens, width), cos, sin, back=True), batch, tokens)
        dq.mul_(width**-0.5)
        dv = _joined(dv, batch, tokens)
        scaled = _scaled(x, inverse)
        n = scaled * gain
        dn, *of_q = _linear_backward(dq, n, low_q, weights[0:3], need[0:3], need_x)
        dn, *of_k = _linear_backward(dk, n, low_k, weights[3:6], need[3:6], need_x, dn)
        dn, *of_v = _linear_backward(dv, n, low_v, weights[6:9], need[6:9], need_x, dn)
        dx, dgain = _norm_backward(ctx, dn, scaled, inverse, gain, dy)
        return dx, dgain, None, None, *of_q, *of_k, *of_v, *of_o


class FeedForward(torch.autograd.Function):
    """y = x + W2·(silu(Wg·n) ⊙ Wu·n) with n = norm(x)."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, gain: torch.Tensor, eps: float, *weights: torch.Tensor
    ) -> torch.Tensor:
        ctx.shape = x.shape
        x = x.flatten(0, 1)  # (N, D)
        inverse = _inverse_root_mean_square(x, eps)
        n = _scaled(x, inverse) * gain
        gate, low_g = _linear(n, *weights[0:3])  # (N, F)
        up, low_u = _linear(n, *weights[3:6])
        y, low_d = _linear(F.silu(gate).mul_(up), *weights[6:9])
        ctx.save_for_backward(x, inverse, gain, gate, up, low_g, low_u, low_d, *weights)
        return y.add_(x).view(ctx.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> Grads:
        x, inverse, gain, gate, up, low_g, low_u, low_d, *weights = ctx.saved_tensors
        need, need_x = ctx.needs_input_grad[3:], any(ctx.needs_input_grad[:2])
        dy = dy.flatten(0, 1)
        opened = F.silu(gate)
        dh, *of_d = _linear_backward(dy, opened * up, low_d, weights[6:9], need[6:9])
        dgate = aten.silu_backward(dh * up, gate)
        dup = dh.mul_(opened)
        scaled = _scaled(x, inverse)
        n = scaled * gain
        dn, *of_g = _linear_backward(dgate, n, low_g, weights[0:3], need[0:3], need_x)
        dn, *of_u = _linear_backward(dup, n, low_u, weights[3:6], need[3:6], need_x, dn)
        dx, dgain = _norm_backward(ctx, dn, scaled, inverse, gain, dy)
        return dx, dgain, None, *of_g, *of_u, *of_d


def _linear(
    x: torch.Tensor, weight: torch.Tensor, down: torch.Tensor | None, up: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Wx + BAx and, for the backward pass, Ax (N, R)."""
    y = F.linear(x, weight)
    if down is None:
        return y, None
    low = F.linear(x, down)
    return y.addmm_(low, up), low


def _linear_backward(
    dy: torch.Tensor,
    x: torch.Tensor,
    low: torch.Tensor | None,
    weights: tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None],
    need: tuple[bool, ...],
    need_x: bool = True,
    dx: torch.Tensor | None = None,
) -> Grads:
    """The gradients of x, added to ``dx``, and of W, A and Bᵀ, each where it is needed."""
    weight, down, up = weights
    if need_x:
        dx = dy @ weight if dx is None else dx.addmm_(dy, weight)
    dweight = dy.mT @ x if need[0] else None
    if down is None:
        return dx, dweight, None, None
    dlow = F.linear(dy, up)  # (N, R)
    if need_x:
        dx.addmm_(dlow, down)
    return dx, dweight, dlow.mT @ x if need[1] else None, low.mT @ dy if need[2] else None


def _inverse_root_mean_square(x: torch.Tensor, eps: float) -> torch.Tensor:
    """1 / sqrt(mean(x²) + eps) of each row, (N, 1), at least in fp32."""
    norm = torch.linalg.vector_norm(at_least_fp32(x), dim=-1, keepdim=True)
    return norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()


def _scaled(x: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    return (x * inverse).to(x.dtype)


def _norm_backward(
    ctx: Any,
    dn: torch.Tensor | None,
    scaled: torch.Tensor,
    inverse: torch.Tensor,
    gain: torch.Tensor,
    dy: torch.Tensor,
) -> Grads:
    """The gradients of a block's input x and of its gain, where n = gain ⊙ s and s = x·inverse."""
    if dn is None:
        return None, None
    dgain = (dn * scaled).sum(0) if ctx.needs_input_grad[1] else None
    ds = at_least_fp32(dn * gain)
    scaled = at_least_fp32(scaled)
    shared = torch.linalg.vecdot(ds, scaled).div_(ds.shape[-1]).unsqueeze(-1)
    dx = torch.addcmul(ds, scaled, shared, value=-1).mul_(inverse).add_(dy)  # dy: x is added
    return dx.to(dy.dtype).view(ctx.shape), dgain


def _rotate(
    heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *, back: bool = False
) -> torch.Tensor:
    """Heads (B, ·, T, E) turned by the angle of their position, or ``back``."""
    half = heads.shape[-1] // 2
    if back:
        return (heads * cos).add_((heads * sin).roll(half, -1))
    return (heads * cos).addcmul_(heads.roll(half, -1), sin)


def _by_head(rows: torch.Tensor, tokens: int, width: int) -> torch.Tensor:
    """(N, H·E) as (B, H, T, E)."""
    return rows.view(-1, tokens, rows.shape[-1] // width, width).transpose(1, 2)


def _grouped(heads: torch.Tensor, groups: int) -> torch.Tensor:
    """(B, H, T, E) as one matrix for each text and group of heads, (B·K, H/K·T, E)."""
    return heads.reshape(groups, -1, heads.shape[-1])


def _joined(heads: torch.Tensor, batch: int, tokens: int) -> torch.Tensor:
    """The inverse of both: heads in any grouping as (N, H·E)."""
    heads = heads.view(batch, -1, tokens, heads.shape[-1]).transpose(1, 2)
    return heads.reshape(batch * tokens, -1)
