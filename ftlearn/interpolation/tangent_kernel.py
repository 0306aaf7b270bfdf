"""The tangent kernel: near its weights, a model interpolates its examples with this kernel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call, grad, vmap


def tangent_kernel(
    model: nn.Module, inputs: torch.Tensor, others: torch.Tensor, *, chunk: int = 16
) -> torch.Tensor:
    """⟨∂f(x)/∂θ, ∂f(z)/∂θ⟩ for each x of inputs (N, ...) and z of others (M, ...), as (N, M).

    The model maps (B, ...) to one number per row, (B, 1) or (B,), and rows do not influence each
    other. To first order around its weights, gradient descent on the squared error changes f as
    kernel interpolation with this kernel does (Jacot et al. 2018, arXiv 1806.07572). All
    trainable parameters count. Gradients of ``inputs`` are held in memory ``chunk`` at a time,
    those of ``others`` all at once, so give the longer list first.

    Raises ValueError for a model with more than one output per row.

    >>> linear = nn.Linear(2, 1, bias=False)
    >>> tangent_kernel(linear, torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([[11.]])
    """
    gradients = _row_gradients(model)
    other_gradients = gradients(others)
    return torch.cat([gradients(rows) @ other_gradients.T for rows in inputs.split(chunk)])


def _row_gradients(model: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function from rows (B, ...) to the flat gradients of their outputs, (B, parameters)."""
    trainable = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    constant = {name: p.detach() for name, p in model.named_parameters() if not p.requires_grad}
    constant |= dict(model.named_buffers())

    def output(parameters: dict[str, torch.Tensor], row: torch.Tensor) -> torch.Tensor:
        value = functional_call(model, {**constant, **parameters}, (row[None],))
        if value.numel() != 1:
            raise ValueError(
                f"a row has {value.numel()} outputs: choose one, such as model(x)[:, :1]"
            )
        return value.reshape(())

    by_row = vmap(grad(output), in_dims=(None, 0))

    def gradients(rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([part.flatten(1) for part in by_row(trainable, rows).values()], dim=1)

    return gradients
