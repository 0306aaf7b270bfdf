"""The settings of a training run as one frozen, validated value."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ftlearn import optim
from ftlearn.errors import ArgumentError
from ftlearn.runtime.arguments import number, whole_number


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a training run; unknown or impossible values raise ValueError.

    epochs         passes over the training data
    batch_size     rows in one update
    learning_rate  peak step size (Adam: roughly the change of a weight in one update)
    optimizer      sgd, momentum, adam or adamw
    weight_decay   matrices shrink by learning_rate · weight_decay per update
    schedule       constant, linear or cosine
    warmup_ratio   share of all updates in which the learning rate rises, 0 to 1
    max_grad_norm  gradients are clipped to this norm; infinity for no limit
    layer_decay    ξ ≤ 1: each layer learns at ξ times the rate of the one above; 1 for one rate
    lora_plus_ratio  how many times the rate of A the matrices B of LoRA learn at; 1 for one rate
    micro_batches  parts into which a batch is split to save memory; the gradient is the same
    seed           determines the order of the data and the dropout

    Numbers of NumPy and other libraries are converted to Python's.

    >>> TrainConfig(batch_size=0)
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: batch_size is 0: it must be a whole number of at least 1
    """

    epochs: int = 3
    batch_size: int = 16
    learning_rate: float = 1e-4
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "linear"
    warmup_ratio: float = 0.1
    max_grad_norm: float = 1.0
    layer_decay: float = 1.0
    lora_plus_ratio: float = 1.0
    micro_batches: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch_size", 1), ("micro_batches", 1), ("seed", 0)):
            self._set(name, whole_number(name, getattr(self, name), low))
        for name, low, high in (
            ("learning_rate", 0, math.inf),
            ("weight_decay", 0, math.inf),
            ("warmup_ratio", 0, 1),
            ("max_grad_norm", 0, math.inf),
            ("layer_decay", 0, 1),
            ("lora_plus_ratio", 1, math.inf),
        ):
            self._set(name, number(name, getattr(self, name), low, high))
        if self.micro_batches > self.batch_size:
            raise ArgumentError(
                f"micro_batches is {self.micro_batches}, more than the {self.batch_size} rows of a "
                "batch"
            )
        for name, known in (
            ("optimizer", optim.OPTIMIZERS),
            ("schedule", optim.SCHEDULES),
        ):
            if getattr(self, name) not in known:
                raise ArgumentError(
                    f"unknown {name} {getattr(self, name)!r}: use {', '.join(known)}"
                )

    def _set(self, name: str, value: float) -> None:
        """Store a setting in Python's own type, since configurations are written as JSON."""
        object.__setattr__(self, name, value)
