"""The training loop as an iterator that the notebook drives, and ``fit``, which drains it."""

from __future__ import annotations

from ftlearn.config import TrainConfig
from ftlearn.training.fitting import fit, train
from ftlearn.training.history import History, Step
from ftlearn.training.loop import (
    DivergedError,
    Loss,
    Run,
    accumulate,
    loss_sum,
    memory_advice,
    steps,
)

__all__ = [
    "DivergedError",
    "History",
    "Loss",
    "Run",
    "Step",
    "TrainConfig",
    "accumulate",
    "fit",
    "loss_sum",
    "memory_advice",
    "steps",
    "train",
]
