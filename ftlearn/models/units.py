"""A regression head in the data's units while it is written."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from torch import nn

from ftlearn.models import architecture
from ftlearn.tasks import Regression, Task


@contextmanager
def in_units(model: nn.Module, task: Task) -> Iterator[Task]:
    """A context in which the model predicts in the data's units; yields the task it then solves.

    The tensors of the last linear layer are replaced for the time being, so no weight changes.
    """
    if not isinstance(task, Regression) or (task.center, task.scale) == (0.0, 1.0):
        yield task
        return
    layer = architecture.last_linear(model)
    weight, bias = layer.weight, layer.bias
    if bias is None:
        warnings.warn(
            "the head of this model has no bias to hold the mean of the targets: only "
            "ftlearn answers in the data's units, transformers.pipeline does not",
            stacklevel=4,
        )
        yield task
        return
    layer.weight = nn.Parameter(weight.detach() * task.scale)
    layer.bias = nn.Parameter(bias.detach() * task.scale + task.center)
    try:
        yield replace(task, center=0.0, scale=1.0)
    finally:
        layer.weight, layer.bias = weight, bias
