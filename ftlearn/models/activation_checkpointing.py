"""Activation checkpointing: less memory for a second forward pass of each layer.

A training step keeps what each layer computes until its backward pass needs it. A checkpointed
layer keeps its input alone, and the backward pass computes the layer again (Chen et al. 2016, arXiv
1604.06174). Loss and gradients are the same, dropout included; an update takes up to a third more
time.
"""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from ftlearn.errors import ArgumentError
from ftlearn.models import architecture
from ftlearn.models.wrapping import method_of


def checkpoint_activations(model: nn.Module, enabled: bool = True) -> nn.Module:
    """Have each layer, in place, keep only its input between the two passes of a training step.

    It sets the flag of transformers' layers, so it holds in ``fit``, ``steps`` and in any other
    loop, and ends with ``enabled=False``. Unlike transformers' own switch it asks for no gradient
    of the embeddings, so that frozen layers at the bottom stay as cheap as they are.

    Raises ValueError for layers that transformers cannot checkpoint, and for a model with a prefix,
    which reaches the layers through a cache that cannot be read twice.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> size = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2}
    >>> model = checkpoint_activations(BertForSequenceClassification(BertConfig(**size)))
    >>> checkpoints_activations(model)
    True
    """
    stack = architecture.layers(model)
    for layer in stack:
        if not isinstance(layer, GradientCheckpointingLayer):
            raise ArgumentError(
                f"transformers cannot checkpoint the activations of {type(layer).__name__}: leave "
                "it out, and save memory by `micro_batches` instead"
            )
    if enabled:
        require_no_prefix(method_of(model))
    for layer in stack:
        layer.gradient_checkpointing = enabled
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
    return model


def checkpoints_activations(model: nn.Module) -> bool:
    """Whether any layer of a model computes again what its backward pass needs."""
    return any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def require_no_prefix(method: str | None) -> None:
    """Raise ArgumentError for the adapter that activation checkpointing would switch off.

    >>> require_no_prefix("lora")
    """
    if method == "prefix":
        raise ArgumentError(
            "a prefix reaches the layers through their cache, which a layer with activation "
            "checkpointing cannot read: use method='lora', or leave one of the two out"
        )
