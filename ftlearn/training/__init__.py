"""The training loop as an iterator that a notebook drives, and ``fit``, which runs all of it."""

from __future__ import annotations

from ftlearn.config import TrainConfig
from ftlearn.training.fitting import fit, train
from ftlearn.training.history import History, Step
from ftlearn.training.loop import (
    Count,
    DivergedError,
    Loss,
    Run,
    backward,
    loss_sum,
    require_count,
    steps,
    total_targets,
)
from ftlearn.training.out_of_memory import explain_out_of_memory
from ftlearn.training.task_gradients import gradient_cosines, task_gradients
from ftlearn.training.unfreezing import gradual_unfreezing

__all__ = [
    "Count",
    "DivergedError",
    "History",
    "Loss",
    "Run",
    "Step",
    "TrainConfig",
    "backward",
    "explain_out_of_memory",
    "fit",
    "gradient_cosines",
    "gradual_unfreezing",
    "loss_sum",
    "require_count",
    "steps",
    "task_gradients",
    "total_targets",
    "train",
]
