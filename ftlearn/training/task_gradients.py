"""The gradients of several tasks on the parameters that they share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from torch import nn

from ftlearn import multitask
from ftlearn.data.batching import collate
from ftlearn.errors import ArgumentError
from ftlearn.models.joint_head import task_heads
from ftlearn.models.outputs import logits
from ftlearn.runtime import device_of
from ftlearn.runtime.arguments import whole_number
from ftlearn.tasks import Joint


def gradient_cosines(
    model: nn.Module,
    dataset: Dataset,
    joint: Joint,
    tokenizer: Any,
    *,
    rows: int = 64,
    seed: int = 0,
) -> pd.DataFrame:
    """The cosines between the tasks' gradients on the shared parameters, one row per task.

    Gradients and errors are those of ``task_gradients``; see ``multitask.cosines``.
    """
    gradients = task_gradients(model, dataset, joint, tokenizer, rows=rows, seed=seed)
    names = pd.Index(gradients, name="task")
    values = multitask.cosines(torch.stack(list(gradients.values())))
    return pd.DataFrame(values.cpu().numpy(), index=names, columns=list(gradients))


def task_gradients(
    model: nn.Module,
    dataset: Dataset,
    joint: Joint,
    tokenizer: Any,
    *,
    rows: int = 64,
    seed: int = 0,
) -> dict[str, torch.Tensor]:
    """The gradient of each task's mean loss on the shared parameters, (P,), in fp32.

    It is that of ``rows`` rows of the task, or of all if there are fewer, without its weight and
    without dropout. Shared is all that is trained but the heads. Tasks without rows are left out;
    the model and its own gradients do not change. Raises ValueError where nothing shared is
    trained.
    """
    whole_number("rows", rows, 1)
    shared = shared_parameters(model)
    was_training = model.training
    model.eval()
    gradients = {}
    for name in joint.names:
        part = joint.part(dataset, name)
        if len(part):
            chosen = np.random.default_rng(seed).permutation(len(part))[:rows]
            loss = _mean_loss(model, part.select(chosen), joint, tokenizer, name)
            parts = torch.autograd.grad(loss, shared, allow_unused=True, materialize_grads=True)
            gradients[name] = torch.cat([part.flatten() for part in parts])
    model.train(was_training)
    return gradients


def shared_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of a joint model that are trained and belong to no head."""
    in_heads = {id(parameter) for parameter in task_heads(model).parameters()}
    shared = [
        parameter
        for parameter in model.parameters()
        if parameter.requires_grad and id(parameter) not in in_heads
    ]
    if not shared:
        raise ArgumentError(
            "all parameters that the tasks share are frozen, so no gradients meet there: unfreeze "
            "some layers (models.architecture.unfreeze)"
        )
    return shared


def _mean_loss(
    model: nn.Module, part: Dataset, joint: Joint, tokenizer: Any, name: str
) -> torch.Tensor:
    """The mean loss of a task on rows that all have a target of it."""
    encoded = joint.encode(part, tokenizer)
    batch = collate(encoded, list(range(len(part))), tokenizer).to(device_of(model))
    return joint.task_losses(logits(model(**batch.inputs)), batch.targets)[name].mean
