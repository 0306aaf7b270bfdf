"""The training loop: one update for each ``next``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.amp import GradScaler

from ftlearn import optim, runtime
from ftlearn.config import TrainConfig
from ftlearn.data.batching import Batch, Batches
from ftlearn.errors import ArgumentError, FtlearnError
from ftlearn.fast import autotune
from ftlearn.fast.counted_logits import counted_logits
from ftlearn.fast.frozen_prefix import frozen_prefix
from ftlearn.fast.training import check_speedups, sparse_rows, speed_up
from ftlearn.losses import LossSum, count_targets
from ftlearn.models import architecture, lora
from ftlearn.models.outputs import logits
from ftlearn.runtime import distributed, sharding
from ftlearn.runtime.arithmetic import Arithmetic
from ftlearn.training.history import Step
from ftlearn.training.out_of_memory import RetrySmaller, explain_out_of_memory
from ftlearn.training.parameters import parameter_groups, renew_parameters, trainable

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
    count: Count | None = None,
    precision: str = "auto",
    without: Collection[str] = (),
) -> Run:
    """Train the model in place, one update for each ``next``.

    The gradient is that of the mean loss over the whole batch, however it is cut into micro-batches
    and on however many ranks it is. ``count`` counts the targets of a batch as the loss does, by
    default as the task whose loss it is. A batch that does not fit in memory is cut into smaller
    micro-batches, with a warning. ``without`` switches speed-ups off by name
    (``fast.training.SPEEDUPS``).

    Raises DivergedError before a loss or gradient that is no number could reach the weights,
    and MemoryError, with a remedy, when not even single rows fit.
    """
    count = count or _count_of(loss)
    return Run(model, batches, loss, config, count=count, precision=precision, without=without)


def _count_of(loss: Loss) -> Count:
    """How the task of a loss counts targets; ``losses.count_targets`` where it is no task's."""
    return getattr(getattr(loss, "__self__", None), "count_targets", count_targets)


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
        self.model = model
        self.loss = partial(loss) if "counted_logits" in without else loss  # partial has no mark
        self.count = count
        self.config = config
        self.without = without
        self.device = runtime.device_of(model)
        fastest = autotune.training(model, self.device, precision)
        self.compute_in(distributed.all_gather(fastest)[0])  # all ranks as the main one
        self.batches = replace(batches, rank=distributed.rank(), ranks=distributed.world_size())
        self.replica = sharding.replicate(model)  # the model; on several ranks, wrapped in DDP
        self.total = config.epochs * len(batches)
        self.sparse_rows = sparse_rows(model, batches, config, without)
        self.prefix = frozen_prefix(model, batches, config, without)
        self.parameters = trainable(model, self.sparse_rows)
        groups = parameter_groups(model, self.parameters, config)
        self.optimizer = optim.optimizer(config.optimizer, groups, config.learning_rate)
        for rows in self.sparse_rows:
            rows.follow(self.optimizer, steps=self.total)
        self.scaler = GradScaler(self.device.type, enabled=self.arithmetic.dtype is torch.float16)
        self.lr_factor = learning_rate_factor(config, self.total)
        self.retry_smaller = RetrySmaller(
            self.batches.split_in_half, self.optimizer.zero_grad, self.device
        )
        self.number = 0  # steps so far; a resumed run sets it, and rng_state, before next()
        self.examples = 0
        self.seconds = 0.0
        self.rng_state: dict[str, Any] | None = None
        self._steps = self._train()  # nothing runs before the first next()

    def __next__(self) -> Step:
        return next(self._steps)

    def close(self) -> None:
        """End the run early and give its memory back."""
        self._steps.close()

    def update_trainable(self) -> None:
        """Train from now on what is not frozen now: call it after ``models.unfreeze_top``.

        Newly unfrozen weights begin with an empty optimiser state, the others keep theirs. Raises
        ValueError on several ranks, which share the gradients of the first choice.
        """
        renew_parameters(self)

    def compute_in(self, arithmetic: Arithmetic) -> None:
        """Use an arithmetic from now on, also in the model's attention."""
        architecture.use_attention(self.model, arithmetic.attention)
        lora.settle_frozen(self.model, arithmetic.dtype)
        self.arithmetic = replace(arithmetic, attention=architecture.attention_of(self.model))

    def _train(self) -> Iterator[Step]:
        with runtime.retain_freed_memory():  # every step takes the memory that the last one freed
            self.optimizer.zero_grad()  # gradients from before are not this run's
            self._set_random_numbers()
            for micro_batches in self._remaining_batches():
                start = time.perf_counter()
                lr = self.config.learning_rate * self.lr_factor(self.number)
                for group in self.optimizer.param_groups:
                    group["lr"] = lr * group["factor"]

                # The gradient of the mean loss over the batch. speed_up ends before the yield: a
                # caller that breaks out of its loop never comes back here to end it.
                self.model.train()
                with self._sped_up():
                    mean_loss = self.retry_smaller(self._backward, micro_batches)

                # Clip it, check it, take the step.
                self.scaler.unscale_(self.optimizer)
                norm = optim.clip_grad_norm(self.parameters.values(), self.config.max_grad_norm)
                self._require_finite(mean_loss, norm, lr)
                self.scaler.step(self.optimizer)
                self.scaler.update()
                self.optimizer.zero_grad()
                yield self._record_step(start, lr, mean_loss, norm, micro_batches)

    def _set_random_numbers(self) -> None:
        """Seed the generators, or in a resumed run set them to where it left off."""
        if self.rng_state is None:
            runtime.seed_everything(self.config.seed + distributed.rank())
        else:
            runtime.set_rng_state(self.rng_state, self.device)

    def _remaining_batches(self) -> Iterator[list[Batch]]:
        """The batches still to be trained on, of all epochs, each cut into micro-batches."""
        first_epoch, done = divmod(self.number, len(self.batches))
        for epoch in range(first_epoch, self.config.epochs):
            yield from self.batches.epoch(epoch, skip=done if epoch == first_epoch else 0)

    def _sped_up(self) -> AbstractContextManager[None]:
        rows, prefix = self.sparse_rows, self.prefix
        return speed_up(self.model, self.arithmetic, rows, prefix, without=self.without)

    def _backward(self, micro_batches: list[Batch]) -> float:
        dtype = self.arithmetic.dtype
        return backward(self.replica, micro_batches, self.loss, dtype, self.scaler, self.count)

    def _require_finite(self, mean_loss: float, norm: float, lr: float) -> None:
        # With fp16 an infinite gradient is routine: the scaler skips the update and scales down.
        if math.isfinite(mean_loss) and (math.isfinite(norm) or self.scaler.is_enabled()):
            return
        raise DivergedError(
            f"training diverged at update {self.number + 1} of {self.total}, learning rate {lr:g}: "
            f"loss {mean_loss}, gradient norm {norm}. The model still holds the weights before "
            "this update; try a learning rate ten times lower"
        )

    def _record_step(
        self, start: float, lr: float, mean_loss: float, norm: float, micro_batches: list[Batch]
    ) -> Step:
        """Update the counters; returns a record of the step that began at ``start``."""
        local_rows = sum(len(batch.rows) for batch in micro_batches)
        (rows,) = distributed.all_reduce_sum([local_rows], self.device)
        self.number += 1
        self.examples += round(rows)
        self.seconds += time.perf_counter() - start
        return Step(
            number=self.number,
            epoch=self.number / len(self.batches),
            loss=mean_loss,
            learning_rate=lr,
            gradient_norm=norm,
            examples=self.examples,
            seconds=self.seconds,
            total=self.total,
        )


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
    counts = [count(batch.targets) if batch.rows else 0 for batch in micro_batches]
    target_count = total_targets(counts, runtime.device_of(model))
    mean_loss = 0.0
    for batch, counted in zip(micro_batches, counts, strict=True):
        last = batch is micro_batches[-1]
        with explain_out_of_memory(batch), sharding.sync_gradients(model, last=last):
            summed = loss_sum(model, batch, loss, dtype)
            require_count(summed, counted)
            share = summed.total / target_count
            # DDP and FSDP take the mean of the ranks' gradients, and their sum is wanted.
            scaler.scale(share * distributed.world_size()).backward()
        mean_loss += share.item()
    return distributed.all_reduce_sum([mean_loss], runtime.device_of(model))[0]


def total_targets(counts: list[int], device: torch.device) -> float:
    """The sum of the counts of targets over all ranks; ValueError where there are none."""
    (total,) = distributed.all_reduce_sum([sum(counts)], device)
    if total == 0:
        raise ArgumentError("a batch holds nothing to learn from: all its targets are ignored")
    return total


def loss_sum(model: nn.Module, batch: Batch, loss: Loss, dtype: torch.dtype) -> LossSum:
    """The forward pass of a micro-batch: its summed loss, and over how many targets.

    An idle micro-batch only keeps its rank in step with the others, and counts for nothing.
    """
    device = runtime.device_of(model)
    batch = batch.to(device)
    with runtime.autocast(device, dtype), counted_logits(model, batch.targets, loss):
        summed = loss(logits(model(**batch.inputs)), batch.targets)
    return summed if batch.rows else LossSum(0 * summed.total, 0)


def require_count(summed: LossSum, counted: int) -> None:
    """Raise ValueError where a loss sums over other targets than were counted.

    >>> require_count(LossSum(torch.tensor(1.4), 2), counted=2)
    """
    if summed.count != counted:
        raise ArgumentError(
            f"the loss sums over {summed.count} targets where {counted} were counted: pass "
            "steps(count=) a function that counts targets as the loss does"
        )


def learning_rate_factor(config: TrainConfig, total: int) -> Callable[[int], float]:
    """The factor on the learning rate at each of ``total`` updates."""
    return optim.schedule(config.schedule, total=total, warmup_ratio=config.warmup_ratio)
