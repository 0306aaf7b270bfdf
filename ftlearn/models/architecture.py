"""Changing a pretrained model: its head, its pooling, its depth, what may move."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import pandas as pd
from torch import nn

from ftlearn.models.pooling import PooledClassifier, fresh_linear, pool_cls, pool_mean

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
    "use_attention",
    "with_pooling",
]

HEAD_NAMES = (
    *("classifier", "score", "pre_classifier", "lm_head", "pooler", "head", "cls"),
    *("sequence_summary", "logits_proj"),  # XLNet, XLM, FlauBERT
)
"""First part of the parameter names that belong to a head in transformers' models."""


def is_head(name: str) -> bool:
    """Whether a parameter belongs to the head rather than to the pretrained body.

    >>> is_head("classifier.weight"), is_head("bert.pooler.dense.weight"), is_head("bert.encoder.x")
    (True, True, False)
    """
    return any(part in HEAD_NAMES for part in name.split(".")[:2])


def backbone(model: nn.Module) -> nn.Module:
    """The pretrained part of a model, without its head.

    Raises ValueError when the model has no such part.
    """
    base = getattr(model, "base_model", None)
    if not isinstance(base, nn.Module):
        raise ValueError(f"{type(model).__name__} has no base_model: pass a transformers model")
    return base


def layers(model: nn.Module) -> nn.ModuleList:
    """The stack of transformer layers, bottom first.

    Raises ValueError for a model without one, or whose layers lie in several lists (FlauBERT).
    """
    depth, name = model.config.num_hidden_layers, type(model).__name__
    for module in backbone(model).modules():
        parts = [part for part in module.children() if isinstance(part, nn.ModuleList)]
        stacks = [part for part in parts if len(part) == depth]
        if len(stacks) > 1:
            raise ValueError(f"{name} keeps its layers in {len(stacks)} lists of parts, no stack")
        if stacks:
            return stacks[0]
    raise ValueError(f"no list of {depth} layers found in {name}")


def keep_layers(model: nn.Module, count: int) -> nn.Module:
    """Cut the model, in place, to its lowest ``count`` layers.

    Raises ValueError when ``count`` is not between 1 and the number of layers.
    """
    stack = layers(model)
    if not 1 <= count <= len(stack):
        raise ValueError(f"cannot keep {count} layers of {len(stack)}: choose 1 to {len(stack)}")
    del stack[count:]
    model.config.num_hidden_layers = count
    for field in ("layer_types", "mlp_layer_types"):  # ModernBERT and Qwen list them one by one
        if getattr(model.config, field, None):
            setattr(model.config, field, getattr(model.config, field)[:count])
    return model


def freeze(model: nn.Module, *parts: str) -> nn.Module:
    """Hold the parameters whose names contain one of ``parts`` fixed, in place.

    ``"body"`` stands for everything but the head. Raises ValueError, with names that exist,
    when a part matches nothing.
    """
    for part in parts:
        chosen = [
            parameter
            for name, parameter in model.named_parameters()
            if (part == "body" and not is_head(name)) or (part != "body" and part in name)
        ]
        if not chosen:
            names = sorted({name.rsplit(".", 1)[0] for name, _ in model.named_parameters()})
            raise ValueError(f"no parameter name contains {part!r}; there are: {', '.join(names)}")
        for parameter in chosen:
            parameter.requires_grad_(False)
    return model


def unfreeze(model: nn.Module) -> nn.Module:
    """Let all parameters move again, in place."""
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model


def replace_head(model: nn.Module, outputs: int, *, seed: int) -> nn.Module:
    """Put a freshly drawn linear head with ``outputs`` outputs on the model, in place.

    Weights are drawn from N(0, 0.02²) as in BERT (modeling.py in github.com/google-research/bert).
    """
    owner, name = _last_linear(model)
    old = getattr(owner, name)
    new = fresh_linear(old.in_features, outputs, seed=seed)
    if old.bias is None:
        new.bias = None
    setattr(owner, name, new.to(old.weight.device))
    model.config.num_labels = outputs
    if hasattr(model, "num_labels"):
        model.num_labels = outputs
    return model


def reorder_head(model: nn.Module, order: Sequence[int]) -> nn.Module:
    """Give the outputs of the last linear layer another order, in place; C indices of the old one.

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
    """Turn the outputs y of the last linear layer into factor · y + shift, in place.

    Without a bias they are only scaled.
    """
    if (factor, shift) == (1.0, 0.0):
        return model
    layer = last_linear(model)
    layer.weight.data = layer.weight.data * factor
    if layer.bias is not None:
        layer.bias.data = layer.bias.data * factor + shift
    return model


def last_linear(model: nn.Module) -> nn.Linear:
    """The last layer of a classification or regression head.

    >>> from ftlearn.models.pooling import PooledClassifier
    >>> from transformers import BertConfig, BertModel
    >>> encoder = BertModel(BertConfig(hidden_size=8, num_attention_heads=1, num_hidden_layers=1))
    >>> last_linear(PooledClassifier(encoder, 3, "mean", seed=0)).out_features
    3
    """
    owner, name = _last_linear(model)
    return getattr(owner, name)


def _last_linear(model: nn.Module) -> tuple[nn.Module, str]:
    for name in ("classifier", "score", "logits_proj", "sequence_summary"):
        head = getattr(model, name, None)
        if isinstance(head, nn.Linear):
            return model, name
        for last in ("out_proj", "summary"):
            if isinstance(getattr(head, last, None), nn.Linear):
                return head, last
    raise ValueError(f"{type(model).__name__} has no linear classification head to replace")


def with_pooling(model: nn.Module, pooling: str, *, seed: int) -> nn.Module:
    """The model with another way from token vectors (B, T, D) to one vector (B, D).

    ``"mean"`` and ``"cls"`` put a fresh linear head on the mean of the token vectors or on the
    vector of the first token. With ``"pretrained"``, or if it pools in that way already, the model
    stays as it is.
    """
    if pooling in ("pretrained", getattr(model, "pooling", None)):
        return model
    return PooledClassifier(backbone(model), model.config.num_labels, pooling, seed=seed)


class Count(NamedTuple):
    """Numbers of parameters."""

    total: int
    trainable: int


def count_parameters(model: nn.Module) -> Count:
    """How many numbers the model holds, and how many of them training may move.

    >>> count_parameters(nn.Linear(3, 2))
    Count(total=8, trainable=8)
    """
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return Count(sum(size for size, _ in sizes), sum(size for size, moves in sizes if moves))


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
        [(part, total, moves) for part, (total, moves) in rows.items()],
        columns=["part", "parameters", "trainable"],
    )
    table.insert(2, "share", table["parameters"] / table["parameters"].sum())
    return table


def _part(name: str) -> str:
    pieces = name.split(".")
    for before, piece in pairwise(pieces):
        if piece.isdigit():
            return f"{before} {piece}"
    if is_head(name):
        return "head"
    return "embeddings" if "embed" in name or "wte" in name or "wpe" in name else pieces[0]


EXCHANGEABLE = {"eager", "sdpa"}
"""Ways to compute the same attention, by transformers' names."""


def attention_of(model: nn.Module) -> str | None:
    """The attention that a model computes, by transformers' name; None where it has no choice."""
    config = getattr(getattr(model, "base_model", model), "config", None)
    return getattr(config, "_attn_implementation", None)


def other_attention(model: nn.Module, wanted: str | None) -> str | None:
    """The attention that is wanted, where the model can use it and does not; else None."""
    able = wanted == "eager" or getattr(
        getattr(model, "base_model", model), "_supports_sdpa", False
    )
    # One that somebody chose by name, such as flash attention, stays.
    return wanted if able and attention_of(model) in EXCHANGEABLE - {wanted} else None


def use_attention(model: nn.Module, wanted: str | None) -> None:
    """Let a model compute another attention from now on, where it can."""
    if other := other_attention(model, wanted):
        getattr(model, "base_model", model).set_attn_implementation(other)
