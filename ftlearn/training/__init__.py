"""The training loop as an iterator that the notebook drives, and ``fit``, which drains it."""

from __future__ import annotations

from ftlearn.config import TrainConfig
from ftlearn.training.fitting import fit, train
from ftlearn.training.history import History, Step
from ftlearn.training.loop import (
    DivergedError,
    Loss,
    Run,
    backward,
    explain_out_of_memory,
    loss_sum,
    steps,
)

__all__ = [
    "DivergedError",
    "History",
    "Loss",
    "Run",
    "Step",
    "TrainConfig",
    "backward",
    "explain_out_of_memory",
    "fit",
    "loss_sum",
    "steps",
    "train",
]
