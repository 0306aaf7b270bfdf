"""The head of an ordinal model: one weight vector for all thresholds.

transformers has no such head. Ours is a linear layer whose K − 1 rows are the same, so the saved
folder is one that every reader opens, as a multi-label classifier of P(y > k).
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from ftlearn.models import architecture
from ftlearn.models.hub import ModelError
from ftlearn.tasks import Ordinal

TOLERANCE = 1e-4
"""The difference of rows that rounding may leave, by their largest weight."""


class SharedRowLinear(nn.Linear):
    """f(x) + b_k: a linear layer (B, D) to (B, K−1) that computes with the first of its rows.

    Every row gets the gradient of f, the sum over thresholds, so an optimiser moves all of them
    alike. Being part of the layer rather than a hook on its weight, this survives copies of the
    model. It computes in fp32 under autocast, too: thresholds may be close.

    >>> layer = SharedRowLinear(2, 3)
    >>> layer(torch.ones(1, 2)).sum().backward()
    >>> layer.weight.grad
    tensor([[3., 3.],
            [3., 3.],
            [3., 3.]])
    """

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        weight = self.weight.float()
        # The first row in value; in the gradient, each of the rows.
        row = weight[:1].detach() + (weight - weight.detach()).sum(0, keepdim=True)
        with torch.autocast(vectors.device.type, enabled=False):
            return F.linear(vectors.float(), row) + self.bias.float()


def with_shared_row(model: nn.Module, task: Ordinal, folder: Path, *, trained: bool) -> nn.Module:
    """The model of an ordinal task with one row for all thresholds of its head, in place.

    As ``shared_row``, which makes the layer.
    """
    layer = architecture.last_linear(model)
    shared = shared_row(layer, task, folder, trained=trained, kind=model.config.model_type)
    return architecture.use_last_linear(model, shared)


def shared_row(
    layer: nn.Linear, task: Ordinal, folder: Path, *, trained: bool, kind: str
) -> SharedRowLinear:
    """A linear layer (B, D) to (B, K−1) with one row for all thresholds.

    A new head begins with the task's ``initial_thresholds``; a trained one keeps its weights.
    Raises ModelError for a layer without a bias, and for a trained one with rows that differ.
    """
    if layer.bias is None:
        raise ModelError(
            f"the head of {kind} has no bias to hold the thresholds of an ordinal model: load it "
            "with pooling='mean'"
        )
    weight = layer.weight.detach()
    if trained and not _rows_are_equal(weight):
        raise ModelError(
            f"the head in {str(folder)!r} has another weight vector for each threshold, so it is "
            "no ordinal model: load another checkpoint"
        )
    shared = SharedRowLinear(layer.in_features, layer.out_features, device=weight.device)
    with torch.no_grad():
        shared.weight.copy_(weight[:1].expand_as(weight))
        shared.bias.copy_(layer.bias if trained else torch.tensor(task.initial_thresholds()))
    return shared


def _rows_are_equal(weight: torch.Tensor) -> bool:
    return bool((weight - weight[:1]).abs().max() <= TOLERANCE * weight.abs().max())


@torch.no_grad()
def equal_rows(model: nn.Module) -> None:
    """Copy the first row of an ordinal head, the one that computes, into the others, in place.

    An optimiser gives all rows the same updates; but an element in another place of a processor's
    vectors may be rounded otherwise. Does nothing for other heads.
    """
    for layer in model.modules():
        if isinstance(layer, SharedRowLinear):
            layer.weight.copy_(layer.weight[:1].clone().expand_as(layer.weight))
