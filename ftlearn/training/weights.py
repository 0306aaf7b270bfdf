"""The weights that a run trains, apart from the frozen ones, which need no copy.

An adapter adds 2 million weights to a model of 135 million. A checkpoint holds those that are
trained, and a fingerprint of the frozen ones: beside others they would be another model.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ftlearn.models.fingerprints import fingerprint
from ftlearn.runtime import sharding


def trained_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Weights that are not frozen, and buffers, by name; they share the model's memory.

    >>> layer = nn.Linear(2, 1)
    >>> _ = layer.weight.requires_grad_(False)
    >>> list(trained_weights(layer))
    ['bias']
    """
    named = model.named_parameters(remove_duplicate=False)  # tied weights have several names
    frozen = {name for name, weight in named if not weight.requires_grad}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def load_trained(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Load what ``trained_weights`` gave; the frozen weights stay as they are."""
    model.load_state_dict(weights, strict=False)


def frozen_fingerprint(model: nn.Module) -> str | None:
    """A fingerprint of the frozen weights, the same in bf16 as in fp32; None where there are none.

    All processes must call this together.
    """
    frozen = [
        (name, weight)
        for name, weight in model.named_parameters()
        # peft keeps the head that a trained copy replaced; nothing reads it.
        if not weight.requires_grad and ".original_module." not in name
    ]
    if not frozen:
        return None
    return fingerprint((name, sharding.full_tensor(weight)) for name, weight in frozen)
