"""The tangent kernel of a model: as a linear model it would interpolate with this kernel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call, grad, vmap


def tangent_kernel(
    model: nn.Module, inputs: torch.Tensor, others: torch.Tensor, *, chunk: int = 16
) -> torch.Tensor:
    """⟨∂f(x)/∂θ, ∂f(z)/∂θ⟩ for each x of inputs (N, ...) and z of others (M, ...), as (N, M).

    The model maps (B, ...) to one number a row, (B, 1) or (B,), and rows do not influence each
    other. To first order around its weights, gradient descent on the squared error changes f as
    kernel interpolation with this kernel does (Jacot et al. 2018, arXiv 1806.07572). All
    trainable parameters count; ``chunk`` gradients of inputs are held at a time, those of others
    all at once, so give the longer list first.

    Raises ValueError for a model with more than one output a row.

    >>> linear = nn.Linear(2, 1, bias=False)
    >>> tangent_kernel(linear, torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([[11.]])
    """
    slope = _row_gradient(model)
    fixed = slope(others)
    parts = [slope(part) @ fixed.T for part in inputs.split(chunk)]
    return torch.cat(parts)


def _row_gradient(model: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function from rows (B, ...) to the gradients of their outputs, flat, (B, parameters)."""
    moving = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    held = {name: p.detach() for name, p in model.named_parameters() if not p.requires_grad}
    held |= dict(model.named_buffers())

    def output(parameters: dict[str, torch.Tensor], row: torch.Tensor) -> torch.Tensor:
        value = functional_call(model, {**held, **parameters}, (row[None],))
        if value.numel() != 1:
            raise ValueError(
                f"a row has {value.numel()} outputs: choose one, such as model(x)[:, :1]"
            )
        return value.reshape(())

    by_row = vmap(grad(output), in_dims=(None, 0))

    def slope(rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([part.flatten(1) for part in by_row(moving, rows).values()], dim=1)

    return slope
