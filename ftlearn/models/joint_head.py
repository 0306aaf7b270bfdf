"""A model of several tasks: its heads made from one layer, joined in one, or each one alone."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ftlearn.compatibility import heads
from ftlearn.errors import ArgumentError
from ftlearn.models import architecture, folders, lora
from ftlearn.models.ordinal_head import shared_row
from ftlearn.models.task_heads import RATE, TaskHeads
from ftlearn.models.wrapping import is_adapted, unwrapped
from ftlearn.tasks import Joint, Regression, Task

LOG_VARIANCES = "task_log_variances"
"""The setting of a configuration with the log-variances of learned weights."""


def with_task_heads(model: nn.Module, joint: Joint, folder: Path, *, trained: bool) -> nn.Module:
    """The model of several tasks with a head for each in place of its last linear layer.

    Each head takes its rows of that layer; the thresholds of a new ordinal one are as in
    ``ordinal_head``.
    """
    whole = architecture.last_linear(model)
    biases = [None] * len(joint.tasks)
    if whole.bias is not None:
        biases = whole.bias.detach().split(joint.widths)
    layers: dict[str, nn.Linear] = {}
    parts = zip(whole.weight.detach().split(joint.widths), biases, strict=True)
    for name, task, (weight, bias) in zip(joint.names, joint.tasks, parts, strict=True):
        layer = linear(weight, bias)
        if heads.is_ordinal(task):
            kind = model.config.model_type
            layer = shared_row(layer, task, folder, trained=trained, kind=kind)
        layers[name] = layer
    head = TaskHeads(layers, learned=joint.learned)
    saved = getattr(model.config, LOG_VARIANCES, None)
    if trained and joint.learned and saved:
        head.log_variance_steps.data = torch.tensor(saved, device=whole.weight.device) / RATE
    return architecture.use_last_linear(model, head)


def in_units_of(model: nn.Module, joint: Joint, folder: Path) -> nn.Module:
    """The model with the trained heads of a folder in the units of the task's regressions."""
    layer = architecture.last_linear(model)
    saved = _saved_tasks(folder)
    start = 0
    for name, task, width in zip(joint.names, joint.tasks, joint.widths, strict=True):
        if isinstance(task, Regression):
            before = saved.get(name, Regression())
            factor, shift = before.scale / task.scale, (before.center - task.center) / task.scale
            layer.weight.data[start] *= factor
            if layer.bias is not None:
                layer.bias.data[start] = layer.bias.data[start] * factor + shift
        start += width
    return model


def _saved_tasks(folder: Path) -> dict[str, Task]:
    """The tasks by name of a folder that holds a joint model."""
    if not (folder / heads.TASK_FILE).is_file():
        return {}
    task, _ = folders.read_task(folder)
    return dict(zip(task.names, task.tasks, strict=True)) if isinstance(task, Joint) else {}


def joined(model: nn.Module, joint: Joint) -> nn.Module:
    """A copy whose heads are one linear layer, and which shares all other weights with the model.

    Regressions stay in the units of training, so the task beside it must be the same.
    """
    head = task_heads(model)
    copied = _with_layer(model, linear(head.weight.detach(), head.bias))
    if joint.learned:
        setattr(copied.config, LOG_VARIANCES, head.log_variances.tolist())
    return copied


def single_task(model: nn.Module, joint: Joint, name: str) -> tuple[nn.Module, Task]:
    """The model with the head of one task, and that task: a classifier as any other.

    It shares its weights with the joint model; of one with adapters they are merged.
    """
    task = joint.task(name)
    if is_adapted(model):
        model = lora.merged_view(model)
    alone = _with_layer(model, task_heads(model)[name])
    settings = task.head_arguments()
    labels = settings.setdefault("id2label", {0: "LABEL_0"})
    settings.setdefault("label2id", {label: number for number, label in labels.items()})
    for setting, value in settings.items():
        setattr(alone.config, setting, value)
    heads.describe_levels(alone.config, task)
    return alone, task


def task_heads(model: nn.Module) -> TaskHeads:
    """The heads of a joint model; ArgumentError for another model."""
    layer = architecture.last_linear(model)
    if not isinstance(layer, TaskHeads):
        raise ArgumentError(
            f"{type(model).__name__} has a single head: load it for a joint task, as "
            "models.load(name, tasks.joint(...)) does"
        )
    return layer


def task_weights(model: nn.Module, joint: Joint) -> dict[str, float]:
    """What the loss of each task counts: its weight, or exp(−s_i) / 2 where it is learned."""
    if not joint.learned:
        return dict(zip(joint.names, joint.weights, strict=True))
    learned = 0.5 * torch.exp(-task_heads(model).log_variances)
    return dict(zip(joint.names, learned.tolist(), strict=True))


def linear(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    """A linear layer with copies of these weights.

    >>> linear(torch.ones(2, 3), None)
    Linear(in_features=3, out_features=2, bias=False)
    """
    outputs, inputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def _with_layer(model: nn.Module, layer: nn.Linear) -> Any:
    """A copy that shares all weights but those of the head, which is this layer."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    copied = architecture.use_last_linear(copy.deepcopy(model, shared), layer)
    if hasattr(unwrapped(copied), "num_labels"):
        unwrapped(copied).num_labels = layer.out_features
    return copied
