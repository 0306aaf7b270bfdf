"""The training loop: one update for each ``next``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.amp import GradScaler

from ftlearn import optim, runtime
from ftlearn.config import TrainConfig
from ftlearn.data.batching import Batch, Batches
from ftlearn.errors import FtlearnError
from ftlearn.fast import autotune
from ftlearn.fast.sparse_embeddings import TrainedRows
from ftlearn.fast.training import check_speedups, sparse_rows, speed_up
from ftlearn.losses import LossSum, count_targets
from ftlearn.models import architecture
from ftlearn.runtime import distributed, sharding
from ftlearn.runtime.arithmetic import Arithmetic
from ftlearn.training.history import Step
from ftlearn.training.out_of_memory import FitInMemory, explain_out_of_memory

Loss = Callable[[torch.Tensor, torch.Tensor], LossSum]
"""From logits and targets to a summed loss and the number of targets."""

Count = Callable[[torch.Tensor], int]
"""From targets to how many of them a loss sums over."""


class DivergedError(FtlearnError, RuntimeError):
    """The loss or its gradient stopped being a number. ``history`` holds what came before."""

    history: Any = None


def steps(
    model: nn.Module,
    batches: Batches,
    loss: Loss,
    config: TrainConfig,
    *,
    count: Count = count_targets,
    precision: str = "auto",
    without: Collection[str] = (),
) -> Run:
    """Train the model in place, one update for each ``next``.

    The gradient is that of the mean loss over the whole batch, however it is cut into micro-batches
    and on however many ranks it is. ``count`` counts the targets of a batch as the loss does. A
    batch that does not fit in memory is cut into smaller micro-batches, with a warning. ``without``
    switches speed-ups off by name (``fast.training.SPEEDUPS``).

    Raises DivergedError before a loss or gradient that is no number could reach the weights,
    and MemoryError, with a remedy, when not even single rows fit.
    """
    return Run(model, batches, loss, config, count=count, precision=precision, without=without)


class Run(Iterator[Step]):
    """A training run in progress: model, optimizer, and how far it is."""

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        loss: Loss,
        config: TrainConfig,
        *,
        count: Count,
        precision: str,
        without: Collection[str],
    ) -> None:
        check_speedups(without)
        self.model, self.loss, self.count, self.config = model, loss, count, config
        self.device, self.without = runtime.device_of(model), without
        fastest = autotune.training(model, self.device, precision)
        self.compute_in(distributed.all_gather(fastest)[0])  # every rank as the main one
        ranks = {"rank": distributed.rank(), "ranks": distributed.world_size()}
        self.batches = replace(batches, **ranks)
        self.replica = sharding.replicate(model)
        self.total = config.epochs * len(batches)
        self.sparse_rows = sparse_rows(model, batches, config, without)
        self.parameters = trainable(model, self.sparse_rows)
        groups = optim.decay_groups(self.parameters.values(), config.weight_decay)
        self.optimizer = optim.optimizer(config.optimizer, groups, config.learning_rate)
        for rows in self.sparse_rows:
            rows.follow(self.optimizer, steps=self.total)
        self.scaler = GradScaler(self.device.type, enabled=self.arithmetic.dtype is torch.float16)
        self.lr_factor = optim.schedule(
            config.schedule, total=self.total, warmup_ratio=config.warmup_ratio
        )
        self.fit_in_memory = FitInMemory(
            self.batches.split_in_half, self.optimizer.zero_grad, self.device
        )
        self.number, self.examples, self.seconds = 0, 0, 0.0
        self.rng_state: dict[str, Any] | None = None
        self._steps = self._train()

    def __next__(self) -> Step:
        return next(self._steps)

    def close(self) -> None:
        """End the run early and give its memory back."""
        self._steps.close()

    def compute_in(self, arithmetic: Arithmetic) -> None:
        """Use an arithmetic from now on, in the model's attention too."""
        architecture.use_attention(self.model, arithmetic.attention)
        self.arithmetic = replace(arithmetic, attention=architecture.attention_of(self.model))

    def _train(self) -> Iterator[Step]:
        with runtime.retain_freed_memory():
            for micro_batches in self._schedule():
                start = time.perf_counter()
                lr = self.config.learning_rate * self.lr_factor(self.number)
                for group in self.optimizer.param_groups:
                    group["lr"] = lr

                # The gradient of the mean loss over the batch. The context ends before the step
                # is given out: a loop that is left by break is never closed.
                self.model.train()
                with speed_up(self.model, self.arithmetic, self.sparse_rows, without=self.without):
                    loss = self.fit_in_memory(self._backward, micro_batches)

                # Clip it, check it, take the step.
                self.scaler.unscale_(self.optimizer)
                norm = optim.clip_grad_norm(self.parameters.values(), self.config.max_grad_norm)
                self._require_finite(loss, norm, lr)
                self.scaler.step(self.optimizer)
                self.scaler.update()
                self.optimizer.zero_grad()
                yield self._step(start, lr, loss, norm, micro_batches)

    def _schedule(self) -> Iterator[list[Batch]]:
        """The batches that are left, cut into micro-batches; a resumed run skips the first ones."""
        self.optimizer.zero_grad()  # gradients from before are not this run's
        if self.rng_state is None:
            runtime.seed_everything(self.config.seed + distributed.rank())
        else:
            runtime.set_rng_state(self.rng_state, self.device)
        first, done = divmod(self.number, len(self.batches))
        for epoch in range(first, self.config.epochs):
            yield from self.batches.epoch(epoch, skip=done if epoch == first else 0)

    def _backward(self, micro_batches: list[Batch]) -> float:
        dtype = self.arithmetic.dtype
        return backward(self.replica, micro_batches, self.loss, dtype, self.scaler, self.count)

    def _require_finite(self, loss: float, norm: float, lr: float) -> None:
        # With fp16 an infinite gradient is routine: the scaler skips the update and scales down.
        if math.isfinite(loss) and (math.isfinite(norm) or self.scaler.is_enabled()):
            return
        raise DivergedError(
            f"training diverged at update {self.number + 1} of {self.total}, learning rate {lr:g}: "
            f"loss {loss}, gradient norm {norm}. The model still holds the weights before this "
            "update; try a learning rate ten times lower"
        )

    def _step(
        self, start: float, lr: float, loss: float, norm: float, micro_batches: list[Batch]
    ) -> Step:
        rows = sum(len(batch.rows) for batch in micro_batches)
        (rows,) = distributed.all_reduce_sum([rows], self.device)
        self.number += 1
        self.examples += round(rows)
        self.seconds += time.perf_counter() - start
        epoch = self.number / len(self.batches)
        return Step(self.number, epoch, loss, lr, norm, self.examples, self.seconds, self.total)


def backward(
    model: nn.Module,
    micro_batches: list[Batch],
    loss: Loss,
    dtype: torch.dtype,
    scaler: GradScaler,
    count: Count = count_targets,
) -> float:
    """Fill ``.grad`` with the gradient of the mean loss over all micro-batches and ranks.

    Returns that mean. Raises ValueError where there is nothing to learn from, and where ``count``
    counts other targets than the loss sums over.
    """
    device = runtime.device_of(model)
    counted = sum(count(batch.targets) for batch in micro_batches if batch.rows)
    (targets,) = distributed.all_reduce_sum([counted], device)
    if targets == 0:
        raise ValueError("a batch holds nothing to learn from: all its targets are ignored")
    total, summed = 0.0, 0
    for batch in micro_batches:
        last = batch is micro_batches[-1]
        with explain_out_of_memory(batch), sharding.sync_gradients(model, last=last):
            batch_loss = loss_sum(model, batch, loss, dtype)
            share = batch_loss.total / targets
            # Ranks average their gradients, and the sum is wanted.
            scaler.scale(share * distributed.world_size()).backward()
        total, summed = total + share.item(), summed + batch_loss.count
    if summed != counted:
        raise ValueError(
            f"the loss sums over {summed} targets where {counted} were counted: pass steps(count=) "
            "a function that counts targets as the loss does"
        )
    return distributed.all_reduce_sum([total], device)[0]


def loss_sum(model: nn.Module, batch: Batch, loss: Loss, dtype: torch.dtype) -> LossSum:
    """The forward pass: the summed loss of a micro-batch; an idle one counts for nothing."""
    device = runtime.device_of(model)
    moved = batch.to(device)
    with runtime.autocast(device, dtype):
        summed = loss(model(**moved.inputs).logits, moved.targets)
    return summed if batch.rows else LossSum(0 * summed.total, 0)


def trainable(model: nn.Module, sparse: list[TrainedRows]) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name; ``sparse`` rows in place of their tables."""
    parameters = {
        name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    return parameters | {rows.name: rows.parameter for rows in sparse}
