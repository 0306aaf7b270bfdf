"""Where adapters go in a model: its layers, their linear parts and norms, and the head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)
from transformers.pytorch_utils import Conv1D

from ftlearn.errors import ArgumentError
from ftlearn.models import architecture

ALL_LINEAR = "all-linear"
TASK_TYPES = {
    "CAUSAL_LM": MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "SEQ_CLS": MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "QUESTION_ANS": MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
}
"""peft's name of a task, and transformers' names of its models. The mappings of the classes
themselves would import the modules of all architectures: 300 MB, and seconds."""
KEYS_AND_VALUES = ("key", "value", "k_proj", "v_proj", "k_lin", "v_lin")
"""The linear layers of keys and values in the families that (IA)³ is known for."""
FEED_FORWARD = ("output.dense", "down_proj", "lin2")
"""In them, the second linear layer of the feed-forward block."""


def task_type(model: nn.Module) -> str | None:
    """What peft calls the model's task; None for a model that is not one of transformers' own."""
    kind = type(model)
    if kind.__module__.partition(".")[0] != "transformers":
        return None
    return next(
        (name for name, kinds in TASK_TYPES.items() if kind.__name__ in kinds.values()), None
    )


def head_parts(model: nn.Module) -> list[str]:
    """The modules of a head, which learns whole: all outside the backbone, and BERT's pooler."""
    if task_type(model) == "CAUSAL_LM":
        return []
    body = architecture.backbone(model)
    parts = [
        name
        for name, module in model.named_children()
        if module is not body and any(True for _ in module.parameters())
    ]
    pooled_by_body = not isinstance(model, architecture.PooledClassifier)
    return [*parts, "pooler"] if pooled_by_body and getattr(body, "pooler", None) else parts


def linear_layers(
    model: nn.Module, targets: str | Sequence[str], count: int | None
) -> dict[str, Any]:
    """peft's settings for the ``targets`` in the ``count`` layers from the top (None: in all)."""
    depth, stack = _stack(model)
    return {
        "target_modules": _targets(model, targets),
        "layers_to_transform": list(range(depth - _checked(count, depth), depth)),
        "layers_pattern": stack.rpartition(".")[2],
        "fan_in_fan_out": any(isinstance(module, Conv1D) for module in model.modules()),
    }


def scaled_layers(model: nn.Module, count: int | None) -> dict[str, Any]:
    """peft's settings for (IA)³: keys, values, and what enters the second feed-forward layer.

    Raises ValueError for a model whose layers have other names.
    """
    names = [
        name
        for name, module in _in_top_layers(model, count)
        if isinstance(module, nn.Linear) and not name.endswith("attention.output.dense")
    ]
    scaled = [name for name in names if name.endswith(KEYS_AND_VALUES)]
    inner = [name for name in names if name.endswith(FEED_FORWARD)]
    if not scaled or not inner:
        raise ArgumentError(
            f"(IA)³ does not know which layers of {type(model).__name__} give keys, values and the "
            "feed-forward output: use method='lora', or a model of BERT's or Llama's family"
        )
    return {"target_modules": scaled + inner, "feedforward_modules": inner}


def norms(model: nn.Module, count: int | None) -> dict[str, Any]:
    """peft's settings for norms: all of the backbone, or those in the top ``count`` layers."""
    body = architecture.backbone(model)
    inside = body if count is None else _top_layers(model, count)
    parts = {id(part) for part in inside.modules()}
    names = [
        name for name, module in model.named_modules() if is_norm(module) and id(module) in parts
    ]
    return {"target_modules": names}


def is_norm(module: nn.Module) -> bool:
    """Whether a module is LayerNorm, RMSNorm or the like.

    >>> is_norm(nn.LayerNorm(2)), is_norm(nn.Linear(2, 2))
    (True, False)
    """
    return type(module).__name__.endswith("Norm")


def _in_top_layers(model: nn.Module, count: int | None) -> list[tuple[str, nn.Module]]:
    parts = {id(part) for part in _top_layers(model, count).modules()}
    return [(name, module) for name, module in model.named_modules() if id(module) in parts]


def _top_layers(model: nn.Module, count: int | None) -> nn.ModuleList:
    stack = architecture.layers(model)
    return stack[len(stack) - _checked(count, len(stack)) :]


def _checked(count: int | None, depth: int) -> int:
    """How many layers from the top get adapters; ValueError where there are fewer."""
    if count is not None and not 1 <= count <= depth:
        raise ArgumentError(f"layers is {count}: the model has {depth}, choose 1 to {depth}")
    return count or depth


def _stack(model: nn.Module) -> tuple[int, str]:
    """How many transformer layers there are, and the name of the list that they are in."""
    stack = architecture.layers(model)
    return len(stack), next(name for name, module in model.named_modules() if module is stack)


def _targets(model: nn.Module, targets: str | Sequence[str]) -> list[str]:
    """The names, without their path, of the linear layers to adapt."""
    stack = architecture.layers(model)
    linear = [name for name, part in stack.named_modules() if isinstance(part, nn.Linear | Conv1D)]
    names = sorted({name.rpartition(".")[2] for name in linear})
    if targets == ALL_LINEAR:
        return names
    if isinstance(targets, str) or not targets:
        raise ArgumentError(f"targets is {targets!r}: use {ALL_LINEAR!r} or a list of {names}")
    for target in targets:
        if target not in names:
            raise ArgumentError(
                f"no linear layer {target!r} in the transformer layers, which have: "
                f"{', '.join(names)}"
            )
    return sorted(set(targets))
