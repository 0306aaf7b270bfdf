"""What a training run will take, before it starts: memory, time, arithmetic."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PretrainedConfig

from ftlearn import architecture, runtime

OPTIMIZER_COPIES = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
"""fp32 copies of each trainable number that an optimiser keeps."""


class TooLargeError(MemoryError):
    """A run that would not fit in memory; the message names a smaller choice."""


@dataclass(frozen=True)
class Estimate:
    """Memory in bytes and arithmetic of one update of a batch of rows, each of T tokens."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """What the forward pass keeps for the backward pass."""
    flops: int
    """Floating-point operations of one update: forward, and twice that backward."""

    @property
    def memory(self) -> int:
        """All of it together; the libraries themselves take about 500 MB more."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def __str__(self) -> str:
        parts = ("weights", "gradients", "optimizer", "activations")
        sizes = ", ".join(f"{part} {runtime.read_size(getattr(self, part))}" for part in parts)
        return f"{runtime.read_size(self.memory)} ({sizes}), {self.flops / 1e9:.0f} GFLOP an update"


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
    model: nn.Module, *, batch_size: int, tokens: int, optimizer: str = "adamw"
) -> Estimate:
    """Memory and arithmetic of training a model on batches of ``batch_size`` × ``tokens``.

    ``model`` may be a ``skeleton``. Weights count with 4 bytes; frozen ones have no gradient
    and no optimiser state. Activations are counted exactly as autograd saves them, on tensors
    that have shapes but no memory.
    """
    total, moving = architecture.count_parameters(model)
    saved, flops = _count(model, batch_size, tokens)
    return Estimate(
        weights=4 * total,
        gradients=4 * moving,
        optimizer=4 * moving * OPTIMIZER_COPIES[optimizer],
        activations=saved,
        flops=3 * flops,
    )


def _count(model: nn.Module, batch_size: int, tokens: int) -> tuple[int, int]:
    """Bytes saved for the backward pass and forward FLOPs of one batch, by a dry run.

    Fake tensors go the way of real ones through every operation, and have shapes only.
    """
    sizes: dict[int, int] = {}
    alive = []  # a freed storage's address would be used again

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            alive.append(storage)
            sizes[storage._cdata] = storage.nbytes()
        return tensor

    counter = FlopCounterMode(display=False)
    with FakeTensorMode(), torch.random.fork_rng():
        copy = _same_shape(model)
        ids = torch.zeros(batch_size, tokens, dtype=torch.long)
        with counter, saved_tensors_hooks(pack, lambda tensor: tensor):
            copy(input_ids=ids, attention_mask=torch.ones_like(ids))
    return sum(sizes.values()), counter.get_total_flops()


def _same_shape(model: nn.Module) -> nn.Module:
    """A new model of the same architecture with the same parts frozen, in training mode."""
    if isinstance(model, architecture.PooledClassifier):
        encoder = type(model.base_model)(model.config)
        outputs = model.classifier.out_features
        copy = architecture.PooledClassifier(encoder, outputs, model.pooling, seed=0)
    else:
        copy = type(model)(model.config)
    moves = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    for name, parameter in copy.named_parameters():
        parameter.requires_grad_(moves[name])
    return copy.train()


def seconds_per_update(
    model: nn.Module, *, batch_size: int, tokens: int, repeats: int = 3
) -> float:
    """Measure one update on this machine: forward and backward of a batch, best of ``repeats``.

    Weights are not changed. The optimiser's own time, some 5 % for MiniLM, is not in it.
    """
    device = next(model.parameters()).device
    ids = torch.full((batch_size, tokens), 5, device=device)
    times = []
    for _ in range(repeats + 1):  # the first one warms up
        start = time.perf_counter()
        model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        model.zero_grad()
    return min(times[1:])


def require_memory(needed: Estimate, *, available: int | None = None) -> None:
    """Raise TooLargeError, naming smaller choices, when a run would not fit.

    ``available`` is in bytes; None asks the machine.
    """
    free = runtime.memory_available() if available is None else available
    if needed.memory <= free:
        return
    fixed = needed.memory - needed.activations
    if fixed < free:
        pieces = -(-needed.activations // max(1, free - fixed))
        remedy = f"cut the batch into {pieces} pieces with TrainConfig(accumulate={pieces})"
    else:
        remedy = (
            "freeze the body (architecture.freeze(model, 'body')), keep fewer layers, or load "
            "'minilm', which needs about 0.4 GB"
        )
    raise TooLargeError(
        f"this run needs {runtime.read_size(needed.memory)} and the machine has "
        f"{runtime.read_size(free)} free: {remedy}"
    )


def plan_time(model: nn.Module, lengths: list[int], *, config: Any) -> float:
    """Estimated seconds of a whole run, from one measured update of typical length.

    ``lengths`` are the tokens of each row. Cost is taken as linear in tokens.
    """
    mean = max(1, round(sum(lengths) / len(lengths)))
    rows = -(-config.batch_size // config.accumulate)
    one = seconds_per_update(model, batch_size=rows, tokens=mean)
    return one * config.epochs * len(lengths) / rows
