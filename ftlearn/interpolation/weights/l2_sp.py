"""L2-SP: a pull back towards the weights that training began with, as a step of interpolation."""

from __future__ import annotations

import torch
from torch import nn


class Anchor:
    """Keeps a copy of the weights a model has now, and pulls the model back towards them.

    ``pull(s)`` after an update is θ ← θ − s·(θ − θ_P) = (1 − s)·θ + s·θ_P: a step on the line from
    the updated weights to those that training began with. With s = η·λ, the learning rate times a
    strength, it is the decoupled form of the penalty λ/2·‖θ − θ_P‖² of L2-SP (Li et al. 2018,
    arXiv 1802.01483), as AdamW's decay is that of λ/2·‖θ‖²; λ = 0 changes nothing. Parameters that
    are frozen now are left alone. A fresh head has no pretrained weights to return to: anchor the
    backbone only.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 4.0)
    >>> anchor = Anchor(layer)
    >>> _ = nn.init.constant_(layer.weight, 8.0)
    >>> anchor.pull(0.25); layer.weight.item(), anchor.distance()
    (7.0, 3.0)
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._initial = [parameter.detach().clone() for parameter in self._parameters]
        if not self._parameters:
            raise ValueError("every parameter is frozen: there is nothing to pull back")

    @torch.no_grad()
    def pull(self, share: float) -> None:
        """Move all weights back by a share of their distance; ValueError unless it is 0 to 1."""
        if not 0 <= share <= 1:
            raise ValueError(
                f"share is {share}: it must lie between 0 and 1. It is the learning rate times the "
                "strength of the pull, so lower one of them"
            )
        for parameter, initial in zip(self._parameters, self._initial, strict=True):
            parameter.lerp_(initial, share)

    @torch.no_grad()
    def distance(self) -> float:
        """The length of θ − θ_P, over all weights."""
        pairs = zip(self._parameters, self._initial, strict=True)
        squares = [(now - initial).double().square().sum().item() for now, initial in pairs]
        return sum(squares) ** 0.5
