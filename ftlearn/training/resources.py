"""Estimates before a training run starts: memory, floating-point operations, time."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PretrainedConfig

from ftlearn import optim, runtime
from ftlearn.errors import FtlearnError
from ftlearn.fast import autotune
from ftlearn.fast.training import speed_up
from ftlearn.models import architecture, checkpoints_activations
from ftlearn.models.outputs import logits
from ftlearn.runtime.arithmetic import Arithmetic
from ftlearn.training.dry_run import BatchShape, dry_run

OPTIMIZER_COPIES = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
"""fp32 copies of each trainable number that an optimiser keeps."""

LIBRARIES = 45_000_000
"""Bytes of code and buffers that the first update loads, measured on Linux x86."""

MINILM = 600_000_000
"""Bytes for training all of MiniLM with a batch of 16 texts of 64 tokens."""

REUSE = 2
"""Memory of short-lived tensors over their size: freed blocks are seldom reused exactly."""


class TooLargeError(FtlearnError, MemoryError):
    """A run that would not fit in memory; the message names a smaller choice."""


@dataclass(frozen=True)
class Estimate:
    """Memory in bytes and operations of one update on a batch (B, T)."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """What the forward pass keeps for the backward pass."""
    working: int
    """Short-lived tensors inside a layer, and what the libraries load."""
    flops: int
    """Floating-point operations of one update: forward, and backward where anything is trained."""
    checkpointed: bool = False
    """Whether the activations are those of ``models.checkpoint_activations``."""

    @property
    def memory(self) -> int:
        """The sum of all parts; Python with its imported libraries holds about 500 MB besides."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.working

    def __str__(self) -> str:
        parts = ("weights", "gradients", "optimizer", "activations", "working")
        sizes = ", ".join(f"{part} {runtime.format_bytes(getattr(self, part))}" for part in parts)
        total = runtime.format_bytes(self.memory)
        return f"{total} ({sizes}), {self.flops / 1e9:.0f} GFLOP per update"


def skeleton(config: PretrainedConfig, *, causal: bool = False) -> nn.Module:
    """A model of a configuration without weights: its shapes alone, no memory.

    >>> from transformers import BertConfig
    >>> architecture.count_parameters(skeleton(BertConfig(num_labels=3))).total
    109484547
    """
    auto = AutoModelForCausalLM if causal else AutoModelForSequenceClassification
    with torch.device("meta"):
        return auto.from_config(config)


def estimate(
    model: nn.Module,
    *,
    batch_size: int,
    tokens: int,
    optimizer: str = "adamw",
    precision: str | Arithmetic = "auto",
    left_out: int = 0,
    counted: int | None = None,
) -> Estimate:
    """Memory and operations of training a model on batches of ``batch_size`` × ``tokens``.

    ``model`` may be a ``skeleton``. Weights count with 4 bytes, frozen ones with their own; frozen
    ones have no gradient and no optimiser state, nor have ``left_out`` others
    (``TrainedRows.left_out``). Of a batch ``counted`` positions get logits over a vocabulary (None:
    all; see ``fast.counted_logits``). What autograd saves, short-lived tensors and operations are
    counted in a dry run on tensors without memory; activation checkpointing is followed.
    """
    total, trained = architecture.count_parameters(model)
    trained -= left_out
    device = runtime.device_of(model)
    if device.type == "meta":
        device = runtime.best_device()
    arithmetic = precision
    if not isinstance(arithmetic, Arithmetic):
        arithmetic = autotune.training(model, device, precision)
    cost = dry_run(model, BatchShape(batch_size, tokens, counted), arithmetic, device)
    return Estimate(
        weights=4 * total - _saved_by_format(model),
        gradients=4 * trained,
        optimizer=4 * trained * OPTIMIZER_COPIES[optimizer],
        activations=cost.saved,
        working=LIBRARIES + REUSE * cost.short_lived,
        flops=cost.flops,
        checkpointed=checkpoints_activations(model),
    )


def _saved_by_format(model: nn.Module) -> int:
    """Bytes that frozen weights take less than they would in fp32."""
    frozen = [weight for weight in model.parameters() if not weight.requires_grad]
    return sum((4 - weight.element_size()) * weight.numel() for weight in frozen)


def seconds_per_update(
    model: nn.Module, *, batch_size: int, tokens: int, repeats: int = 3, precision: str = "auto"
) -> float:
    """Measure one whole update on this machine, forward to AdamW's step; median of ``repeats``.

    Weights are not changed, because the learning rate is zero; gradients are dropped.
    """
    device, was_training = runtime.device_of(model), model.training
    arithmetic = autotune.training(model, device, precision)
    ids = torch.full((batch_size, tokens), 5, device=device)
    groups = optim.decay_groups(model.parameters(), weight_decay=0.0)
    optimizer = optim.optimizer("adamw", groups, learning_rate=0.0)
    model.train()
    times = []
    for _ in range(repeats + 1):  # the first one warms up
        start = time.perf_counter()
        with speed_up(model, arithmetic):
            with runtime.autocast(device, arithmetic.dtype):
                out = model(input_ids=ids, attention_mask=torch.ones_like(ids))
            logits(out).float().sum().backward()
        optim.clip_grad_norm(model.parameters(), 1.0)  # waits for a GPU to finish
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
    model.train(was_training)
    return statistics.median(times[1:])


def require_memory(
    needed: Estimate,
    *,
    available: int | None = None,
    micro_batches: int = 1,
    rows: int | None = None,
) -> None:
    """Raise TooLargeError, naming smaller choices, where a micro-batch does not fit in memory.

    ``needed`` is for one of ``micro_batches`` micro-batches of a batch of ``rows`` rows (None: more
    than ever need to be cut apart), ``available`` in bytes (None: what is free now).
    """
    free = runtime.memory_available() if available is None else available
    if needed.memory <= free:
        return
    rows = rows or micro_batches * needed.activations  # a row per byte: any cut is possible
    room = free - (needed.memory - needed.activations)
    fitting_rows = room * -(-rows // micro_batches) // max(1, needed.activations)
    if fitting_rows > 0:
        count = -(-rows // fitting_rows)
        remedy = f"cut the batch into {count} micro-batches with TrainConfig(micro_batches={count})"
    else:
        remedy = "freeze the body (architecture.freeze(model, 'body')) or keep fewer layers"
        if room > 0 and not needed.checkpointed:
            remedy = f"recompute activations with models.checkpoint_activations(model), {remedy}"
        if needed.memory > MINILM:
            remedy += ", or load 'minilm', which needs about 0.6 GB"
    raise TooLargeError(
        f"this run needs {runtime.format_bytes(needed.memory)} and the machine has "
        f"{runtime.format_bytes(free)} free: {remedy}"
    )


def plan_time(model: nn.Module, lengths: list[int], *, config: Any) -> float:
    """Estimated seconds of a run on rows of these ``lengths`` in tokens, from a measured update."""
    mean = max(1, round(sum(lengths) / len(lengths)))  # cost is taken as linear in tokens
    rows = -(-config.batch_size // config.micro_batches)
    updates = config.epochs * len(lengths) / rows
    return seconds_per_update(model, batch_size=rows, tokens=mean) * updates
