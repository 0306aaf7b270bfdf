"""A pull back to the weights that training began with, as one more step of interpolation."""

from __future__ import annotations

import torch
from torch import nn


class Anchor:
    """Keeps a copy of the weights a model has now, and pulls the model back towards them.

    ``pull(s)`` after an update is θ ← θ − s·(θ − θ_P) = (1 − s)·θ + s·θ_P: a step of the line from
    where the update led to where training began. With s = η·λ, the learning rate times a strength,
    it is the decoupled form of the penalty λ/2·‖θ − θ_P‖² of L2-SP (Li et al. 2018, arXiv
    1802.01483), as AdamW's decay is that of λ/2·‖θ‖²; λ = 0 changes nothing. Parameters that are
    frozen now are left alone. A fresh head has no pretrained weights to go back to: anchor the
    body only.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 4.0)
    >>> anchor = Anchor(layer)
    >>> _ = nn.init.constant_(layer.weight, 8.0)
    >>> anchor.pull(0.25); layer.weight.item(), anchor.distance()
    (7.0, 3.0)
    """

    def __init__(self, model: nn.Module) -> None:
        self._now = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._then = [parameter.detach().clone() for parameter in self._now]
        if not self._now:
            raise ValueError("every parameter is frozen: nothing can move, so nothing to pull back")

    @torch.no_grad()
    def pull(self, share: float) -> None:
        """Move all weights by a share of the way back; ValueError for one outside 0 to 1."""
        if not 0 <= share <= 1:
            raise ValueError(
                f"share is {share}: it must lie between 0 and 1. It is the learning rate times the "
                "strength of the pull, so lower one of them"
            )
        for now, then in zip(self._now, self._then, strict=True):
            now.lerp_(then, share)

    @torch.no_grad()
    def distance(self) -> float:
        """The length of θ − θ_P, over all weights."""
        pairs = zip(self._now, self._then, strict=True)
        return sum((now - then).double().square().sum().item() for now, then in pairs) ** 0.5
