"""Changing a pretrained model: its head, its pooling, its depth, and which parameters train."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import pandas as pd
from torch import nn

from ftlearn.errors import ArgumentError
from ftlearn.models.attention import attention_of, other_attention, use_attention
from ftlearn.models.pooling import PooledClassifier, fresh_linear, pool_cls, pool_mean
from ftlearn.models.task_heads import TaskHeads
from ftlearn.models.wrapping import (
    PREFIX,
    PROMPT_PREFIX,
    in_adapter,
    is_adapted,
    saved_head,
    unwrapped,
)

__all__ = [
    "Count",
    "PooledClassifier",
    "attention_of",
    "backbone",
    "count_parameters",
    "freeze",
    "is_head",
    "keep_layers",
    "last_linear",
    "layers",
    "other_attention",
    "parameter_table",
    "pool_cls",
    "pool_mean",
    "reorder_head",
    "replace_head",
    "rescale_head",
    "unfreeze",
    "unwrapped",
    "use_attention",
    "use_last_linear",
    "with_pooling",
]

HEAD_NAMES = (
    *("classifier", "score", "pre_classifier", "lm_head", "pooler", "head", "cls", "qa_outputs"),
    *("sequence_summary", "logits_proj"),  # XLNet, XLM, FlauBERT
)
"""First part of the parameter names that belong to a head in transformers' models."""


def is_head(name: str) -> bool:
    """Whether a parameter belongs to the head rather than to the pretrained backbone.

    >>> is_head("classifier.weight"), is_head("bert.pooler.dense.weight"), is_head("bert.encoder.x")
    (True, True, False)
    """
    return any(part in HEAD_NAMES for part in _in_base(name).split(".")[:2])


def _in_base(name: str) -> str:
    """A parameter name without what peft puts before it."""
    return name.removeprefix(PREFIX).removeprefix(PROMPT_PREFIX)


def backbone(model: nn.Module) -> nn.Module:
    """The pretrained part of a model, without its head.

    Raises ValueError for a model without one.
    """
    base = getattr(unwrapped(model), "base_model", None)
    if not isinstance(base, nn.Module):
        raise ArgumentError(f"{type(model).__name__} has no base_model: pass a transformers model")
    return base


def layers(model: nn.Module) -> nn.ModuleList:
    """The stack of transformer layers, bottom first.

    Raises ValueError for a model without one, or with layers in several lists (FlauBERT).
    """
    depth, name = model.config.num_hidden_layers, type(model).__name__
    for module in backbone(model).modules():
        parts = [part for part in module.children() if isinstance(part, nn.ModuleList)]
        stacks = [part for part in parts if len(part) == depth]
        if len(stacks) > 1:
            raise ArgumentError(
                f"{name} keeps its layers in {len(stacks)} lists of parts, no stack"
            )
        if stacks:
            return stacks[0]
    raise ArgumentError(f"no list of {depth} layers found in {name}")


def keep_layers(model: nn.Module, count: int) -> nn.Module:
    """Remove, in place, all layers but the lowest ``count``.

    Raises ValueError when ``count`` is not between 1 and the number of layers.
    """
    stack = layers(model)
    if not 1 <= count <= len(stack):
        raise ArgumentError(f"cannot keep {count} layers of {len(stack)}: choose 1 to {len(stack)}")
    del stack[count:]
    model.config.num_hidden_layers = count
    for field in ("layer_types", "mlp_layer_types"):  # ModernBERT and Qwen list them one by one
        if getattr(model.config, field, None):
            setattr(model.config, field, getattr(model.config, field)[:count])
    return model


def freeze(model: nn.Module, *parts: str) -> nn.Module:
    """Freeze, in place, the parameters whose names contain one of ``parts``.

    ``"body"`` stands for everything but the head. Raises ValueError, with the names that there
    are, when a part matches nothing.
    """
    for part in parts:
        chosen = [
            parameter
            for name, parameter in model.named_parameters()
            if (part == "body" and not is_head(name)) or (part != "body" and part in name)
        ]
        if not chosen:
            names = sorted({name.rsplit(".", 1)[0] for name, _ in model.named_parameters()})
            raise ArgumentError(
                f"no parameter name contains {part!r}; there are: {', '.join(names)}"
            )
        for parameter in chosen:
            parameter.requires_grad_(False)
    return model


def unfreeze(model: nn.Module) -> nn.Module:
    """Make all parameters trainable again, in place; of an adapted model, those of its adapter."""
    adapted = is_adapted(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(in_adapter(name) or not adapted)
    return model


def replace_head(model: nn.Module, outputs: int, *, seed: int) -> nn.Module:
    """Replace, in place, the model's head by a new linear layer with ``outputs`` outputs.

    Weights are drawn from N(0, 0.02²) as in BERT (modeling.py in github.com/google-research/bert).
    """
    owner, name = _last_linear(model)
    old = getattr(owner, name)
    new = fresh_linear(old.in_features, outputs, seed=seed)
    if old.bias is None:
        new.bias = None
    setattr(owner, name, new.to(old.weight.device))
    model.config.num_labels = outputs
    if hasattr(unwrapped(model), "num_labels"):
        unwrapped(model).num_labels = outputs
    return model


def reorder_head(model: nn.Module, order: Sequence[int]) -> nn.Module:
    """Reorder the outputs of the last linear layer, in place: ``order`` has C indices.

    >>> model = PooledClassifier.__new__(PooledClassifier)
    >>> nn.Module.__init__(model)
    >>> model.classifier = nn.Linear(1, 2)
    >>> weights = model.classifier.weight.flatten().tolist()
    >>> reorder_head(model, [1, 0]).classifier.weight.flatten().tolist() == weights[::-1]
    True
    """
    if list(order) == list(range(len(order))):
        return model
    layer = last_linear(model)
    for values in (layer.weight, layer.bias):
        if values is not None:
            values.data = values.data[list(order)]
    return model


def rescale_head(model: nn.Module, factor: float, shift: float) -> nn.Module:
    """Change the last linear layer, in place, so that its output y becomes factor · y + shift.

    A layer without a bias is only scaled.
    """
    if (factor, shift) == (1.0, 0.0):
        return model
    layer = last_linear(model)
    layer.weight.data = layer.weight.data * factor
    if layer.bias is not None:
        layer.bias.data = layer.bias.data * factor + shift
    return model


def use_last_linear(model: nn.Module, layer: nn.Linear) -> nn.Module:
    """Replace, in place, the last layer of a classification or regression head by another."""
    owner, name = _last_linear(model)
    setattr(owner, name, layer)
    return model


def last_linear(model: nn.Module) -> nn.Linear:
    """The last layer of a classification or regression head; of several tasks, ``TaskHeads``.

    >>> from ftlearn.models.pooling import PooledClassifier
    >>> from transformers import BertConfig, BertModel
    >>> encoder = BertModel(BertConfig(hidden_size=8, num_attention_heads=1, num_hidden_layers=1))
    >>> last_linear(PooledClassifier(encoder, 3, "mean", seed=0)).out_features
    3
    """
    owner, name = _last_linear(model)
    return getattr(owner, name)


def _last_linear(model: nn.Module) -> tuple[nn.Module, str]:
    for name in ("classifier", "score", "qa_outputs", "logits_proj", "sequence_summary"):
        owner, head = unwrapped(model), getattr(unwrapped(model), name, None)
        if saved_head(head):
            owner, name = head.modules_to_save, head.active_adapters[0]
            head = owner[name]
        if isinstance(head, nn.Linear | TaskHeads):
            return owner, name
        for last in ("out_proj", "summary"):
            if isinstance(getattr(head, last, None), nn.Linear | TaskHeads):
                return head, last
    raise ArgumentError(f"{type(model).__name__} has no linear classification head to replace")


def with_pooling(model: nn.Module, pooling: str, *, seed: int) -> nn.Module:
    """The model with another way from token vectors (B, T, D) to one vector (B, D).

    ``"mean"`` and ``"cls"`` put a new linear head on the mean of the token vectors or on the
    vector of the first token. With ``"pretrained"``, and where the model pools that way
    already, it stays as it is.
    """
    if pooling in ("pretrained", getattr(model, "pooling", None)):
        return model
    return PooledClassifier(backbone(model), model.config.num_labels, pooling, seed=seed)


class Count(NamedTuple):
    """How many parameters a model has, and how many of them are trained."""

    total: int
    trainable: int


def count_parameters(model: nn.Module) -> Count:
    """The number of all parameters and of the trainable ones.

    >>> count_parameters(nn.Linear(3, 2))
    Count(total=8, trainable=8)
    """
    parameters = list(model.parameters())
    return Count(
        total=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
    )


def parameter_table(model: nn.Module) -> pd.DataFrame:
    """Parameters by part of the model: embeddings, each layer, head.

    Columns: part, parameters, share, trainable.
    """
    rows: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        row = rows.setdefault(_part(name), [0, 0])
        row[0] += parameter.numel()
        row[1] += parameter.numel() * parameter.requires_grad
    table = pd.DataFrame(
        [(part, total, trainable) for part, (total, trainable) in rows.items()],
        columns=["part", "parameters", "trainable"],
    )
    table.insert(2, "share", table["parameters"] / table["parameters"].sum())
    return table


def _part(name: str) -> str:
    pieces = _in_base(name).split(".")
    if pieces[0] == "prompt_encoder":
        return "virtual tokens"
    for before, piece in pairwise(pieces):
        if piece.isdigit():
            return f"{before} {piece}"
    if is_head(name):
        return "head"
    return "embeddings" if "embed" in name or "wte" in name or "wpe" in name else pieces[0]
