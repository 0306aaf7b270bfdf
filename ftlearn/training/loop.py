"""The loop: one update for each ``next``."""

from __future__ import annotations

import math
import time
import warnings
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
from ftlearn.fast import autotune, sparse_embeddings
from ftlearn.fast.training import speed_up
from ftlearn.losses import LossSum
from ftlearn.models import architecture
from ftlearn.runtime import distributed, sharding
from ftlearn.runtime.arithmetic import Arithmetic, products_by
from ftlearn.training.history import Step

Loss = Callable[[torch.Tensor, torch.Tensor], LossSum]

SHRINK_EVERY = 16
"""Updates after which the unused rows of a table shrink: each time it is a walk over all of it."""


class DivergedError(FtlearnError, RuntimeError):
    """The loss or its gradient stopped being a number. ``history`` holds what came before."""

    history: Any = None


def steps(
    model: nn.Module, batches: Batches, loss: Loss, config: TrainConfig, *, precision: str = "auto"
) -> Run:
    """Train the model in place, one update for each ``next``.

    The gradient is that of the mean loss over the whole batch, however it is cut and on however
    many ranks it is: sums are accumulated over the pieces and divided once by the number of
    targets. A batch that does not fit in memory is cut into smaller pieces, with a warning.

    Raises DivergedError before a loss or gradient that is no number could reach the weights,
    and MemoryError, with a remedy, when not even single rows fit.
    """
    return Run(model, batches, loss, config, precision=precision)


class Run(Iterator[Step]):
    """A training run in progress: model, optimiser, and how far it is."""

    def __init__(
        self, model: nn.Module, batches: Batches, loss: Loss, config: TrainConfig, *, precision: str
    ) -> None:
        self.device, self.loss, self.config = runtime.device_of(model), loss, config
        chosen = autotune.training(model, self.device, precision)
        self.model = model
        self.compute_in(distributed.all_gather(chosen)[0])  # the main rank's: one kind of gradients
        self.batches = replace(batches, rank=distributed.rank(), ranks=distributed.world_size())
        self.replica = sharding.replicate(model)
        self.scaler = GradScaler(self.device.type, enabled=self.arithmetic.dtype is torch.float16)
        self.tables = used_tables(model, batches, config)
        self.trained = _trained(model, self.tables)
        groups = optim.decay_groups(self.trained.values(), config.weight_decay)
        self.optimizer = optim.optimizer(config.optimizer, groups, config.learning_rate)
        self.total = config.epochs * len(batches)
        self.factor = optim.schedule(
            config.schedule, total=self.total, warmup_ratio=config.warmup_ratio
        )
        self.number, self.examples, self.seconds = 0, 0, 0.0
        self.halvings = 0
        self.random: dict[str, Any] | None = None
        self._walk = self._updates()

    def __next__(self) -> Step:
        return next(self._walk)

    def compute_in(self, arithmetic: Arithmetic) -> None:
        """Use an arithmetic from now on, in the model's attention too."""
        architecture.use_attention(self.model, arithmetic.attention)
        self.arithmetic = replace(arithmetic, attention=architecture.attention_of(self.model))

    def close(self) -> None:
        """End the run early and give its memory back."""
        self._walk.close()

    def _updates(self) -> Iterator[Step]:
        self.optimizer.zero_grad()  # whatever the notebook left there is not of this run
        if self.random is None:
            runtime.seed_everything(self.config.seed + distributed.rank())
        else:
            runtime.set_rng_state(self.random, self.device)
        done, skip = divmod(self.number, len(self.batches))
        with runtime.retain_freed_memory():
            for epoch in range(done, self.config.epochs):
                for pieces in self.batches.epoch(epoch, skip=skip if epoch == done else 0):
                    yield self.update(pieces)

    def update(self, pieces: list[Batch]) -> Step:
        """One update of the weights from the pieces of one batch."""
        start = time.perf_counter()
        rate = self.config.learning_rate * self.factor(self.number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        for rows in self.tables:
            rows.read()  # whoever came in between may have changed the model
        # Not longer than this: a loop that is left by break is never closed.
        dtype, products = self.arithmetic.dtype, products_by(onednn=self.arithmetic.onednn)
        with sparse_embeddings.active_all(self.tables), speed_up(self.model, dtype), products:
            value = self._accumulate(pieces)
        self.scaler.unscale_(self.optimizer)
        norm = optim.clip_grad_norm(self.trained.values(), self.config.max_grad_norm)
        where = f"update {self.number + 1} of {self.total}, learning rate {rate:g}"
        _check_finite(value, norm, self.scaler, where)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.number += 1
        for rows in self.tables:
            rows.write(decay=self._shrinkage())
        self.examples += round(
            sum(distributed.all_reduce_sum([len(piece.rows) for piece in pieces], self.device))
        )
        self.seconds += time.perf_counter() - start
        epoch = self.number / len(self.batches)
        return Step(self.number, epoch, value, rate, norm, self.examples, self.seconds, self.total)

    def _shrinkage(self) -> float:
        """The share by which rows that no text holds shrink now, for all updates since the last."""
        if self.number % SHRINK_EVERY and self.number < self.total:
            return 0.0
        since = range((self.number - 1) // SHRINK_EVERY * SHRINK_EVERY, self.number)
        decay = self.config.learning_rate * self.config.weight_decay
        return 1 - math.prod(1 - decay * self.factor(number) for number in since)

    def _accumulate(self, pieces: list[Batch]) -> float:
        """``backward``, and again in smaller pieces while memory does not suffice."""
        for _ in range(self.halvings):
            pieces = self.batches.halved(pieces)
        while True:
            before = runtime.rng_state(self.device)
            try:
                given = self.replica, pieces, self.loss, self.arithmetic.dtype, self.scaler
                return backward(*given, self.trained.values())
            except MemoryError:
                self.optimizer.zero_grad()  # of the pieces that did fit
                smaller = self.batches.halved(pieces)
                if len(smaller) == len(pieces) or distributed.world_size() > 1:
                    raise
                pieces = smaller
            self.halvings += 1
            runtime.set_rng_state(before, self.device)
            warnings.warn(
                f"a piece did not fit in memory: batches are now cut into {len(pieces)} pieces; "
                "the gradient stays the same",
                stacklevel=2,
            )


def backward(
    model: nn.Module,
    pieces: list[Batch],
    loss: Loss,
    dtype: torch.dtype,
    scaler: GradScaler,
    trained: Collection[nn.Parameter] = (),
) -> float:
    """Put the gradient of the mean loss over all pieces into ``.grad``; return that mean.

    ``trained`` are the parameters that learn, the model's own unless given. A batch in one whole
    piece is divided in its loss: one number in place of all gradients.
    """
    summed, count, whole = 0.0, 0, len(pieces) == distributed.world_size() == 1
    for piece in pieces:
        with explain_out_of_memory(piece), sharding.sync_gradients(model, piece is pieces[-1]):
            total, number = loss_sum(model, piece, loss, dtype)
            scaler.scale(total / max(1, number) if whole else total).backward()
        summed, count = summed + total.item(), count + number
    summed, count = distributed.all_reduce_sum([summed, count], runtime.device_of(model))
    if count == 0:
        raise ValueError("a batch holds nothing to learn from: all its targets are ignored")
    for each in [p.grad for p in trained or model.parameters() if not (whole or p.grad is None)]:
        each /= count / distributed.world_size()  # ranks bring the mean of their sums
    return summed / count


def loss_sum(
    model: nn.Module, piece: Batch, loss: Loss, dtype: torch.dtype
) -> tuple[torch.Tensor, int]:
    """The summed loss and the number of targets of a piece; an idle one counts for nothing."""
    device = runtime.device_of(model)
    batch = piece.to(device)
    with runtime.autocast(device, dtype):
        total, number = loss(model(**batch.inputs).logits, batch.targets)
    return (total, number) if piece.rows else (0 * total, 0)


class explain_out_of_memory:  # noqa: N801 - a context manager, read like a function
    """Turn torch's out-of-memory errors into one sentence that says what to do."""

    def __init__(self, batch: Batch) -> None:
        self.shape = tuple(batch.inputs["input_ids"].shape)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> None:
        lacking = isinstance(error, torch.OutOfMemoryError) or (
            isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
        )
        if lacking:
            rows, tokens = self.shape
            raise MemoryError(
                f"a piece of {rows} rows and {tokens} tokens does not fit in memory: raise "
                "TrainConfig.micro_batches (the result stays the same), lower batch_size or the "
                "task's max_length, or freeze a part of the model"
            ) from error


def used_tables(
    model: nn.Module, batches: Any, config: TrainConfig
) -> list[sparse_embeddings.TrainedRows]:
    """Tables of which only the used rows need to be trained, where that changes nothing.

    It would where weight decay is a part of the gradient (Adam, momentum), or where other ranks
    have other rows.
    """
    decoupled = config.optimizer == "adamw" or config.weight_decay == 0
    if not decoupled or distributed.world_size() > 1 or not isinstance(batches, Batches):
        return []
    padding = [batches.tokenizer.pad_token_id]  # no text holds it, and every batch may
    return sparse_embeddings.trained_rows(model, [*batches.encoded.inputs["input_ids"], padding])


def _trained(
    model: nn.Module, left_out: list[sparse_embeddings.TrainedRows]
) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name; of some tables only the rows that are used."""
    moving = {name: each for name, each in model.named_parameters() if each.requires_grad}
    return moving | {rows.name: rows.parameter for rows in left_out}


def _check_finite(loss: float, norm: float, scaler: GradScaler, where: str) -> None:
    # With fp16 an infinite gradient is routine: the scaler skips the update and scales down.
    if math.isfinite(loss) and (math.isfinite(norm) or scaler.is_enabled()):
        return
    raise DivergedError(
        f"training diverged at {where}: loss {loss}, gradient norm {norm}. "
        "The model still holds the weights before this update; try a learning rate ten times lower"
    )
