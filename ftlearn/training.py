"""The training loop, as an iterator that the notebook drives, and ``fit``, which drains it."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
import torch
from datasets import Dataset, DatasetDict
from torch import nn
from tqdm.auto import tqdm

from ftlearn import optimisation, runtime
from ftlearn.batching import Batch, Batches
from ftlearn.evaluation import device_of, evaluate
from ftlearn.losses import LossSum
from ftlearn.tasks.base import training_part

Loss = Callable[[torch.Tensor, torch.Tensor], LossSum]


class DivergedError(RuntimeError):
    """The loss or its gradient stopped being a number. ``history`` holds what came before."""

    history: History | None = None


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a training run; unknown or impossible values raise ValueError.

    epochs         passes over the training data
    batch_size     rows in one update
    learning_rate  peak step size (Adam: roughly the change of a weight in one update)
    optimizer      sgd, momentum, adam or adamw
    weight_decay   share of the learning rate by which matrices shrink each update
    schedule       constant, linear or cosine
    warmup         share of all updates in which the learning rate rises, 0 to 1
    clip_norm      largest length of the gradient; infinity for no limit
    accumulate     number of pieces a batch is cut into to save memory; the gradient is the same
    seed           fixes the order of the data and the dropout

    >>> TrainConfig(batch_size=0)
    Traceback (most recent call last):
    ValueError: batch_size is 0: it must be a whole number of at least 1
    """

    epochs: int = 3
    batch_size: int = 16
    learning_rate: float = 1e-4
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "linear"
    warmup: float = 0.1
    clip_norm: float = 1.0
    accumulate: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} is {value!r}: it must be a whole number of at least 1")
        for name, low, high in (
            ("learning_rate", 0, math.inf),
            ("weight_decay", 0, math.inf),
            ("warmup", 0, 1),
            ("clip_norm", 0, math.inf),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value!r}: it must lie between {low} and {high}")
        if self.accumulate > self.batch_size:
            raise ValueError(
                f"accumulate is {self.accumulate}, more pieces than the {self.batch_size} rows "
                "of a batch"
            )
        for name, known in (
            ("optimizer", optimisation.OPTIMIZERS),
            ("schedule", optimisation.SCHEDULES),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: use {', '.join(known)}")


@dataclass(frozen=True)
class Step:
    """What one update did. The loss is the one before the update."""

    number: int
    """Updates so far, from 1."""
    epoch: float
    """Passes over the data so far: 1.0 after the first."""
    loss: float
    """Mean loss of the batch."""
    learning_rate: float
    gradient_norm: float
    """Length of the gradient before clipping."""
    examples: int
    """Rows seen so far."""
    seconds: float
    """Time spent in updates so far."""
    total: int
    """Updates in the whole run."""

    @property
    def examples_per_second(self) -> float:
        """Mean training speed so far."""
        return self.examples / self.seconds

    @property
    def ends_epoch(self) -> bool:
        """Whether this was the last update of an epoch."""
        return self.epoch.is_integer()


def steps(
    model: nn.Module, batches: Batches, loss: Loss, config: TrainConfig, *, precision: str = "auto"
) -> Iterator[Step]:
    """Train the model in place, one update for each ``next``.

    The gradient is that of the mean loss over the whole batch, however it is cut: sums are
    accumulated over the pieces and divided once by the number of targets.

    Raises DivergedError before a loss or gradient that is no number could reach the weights,
    and MemoryError, with a remedy, when a batch does not fit.
    """
    dtype = runtime.precision(device_of(model), precision)
    scaler = torch.amp.GradScaler(device_of(model).type, enabled=dtype is torch.float16)
    groups = optimisation.decay_groups(model, config.weight_decay)
    optimizer = optimisation.optimizer(config.optimizer, groups, config.learning_rate)
    total = config.epochs * len(batches)
    factor = optimisation.schedule(config.schedule, total=total, warmup=config.warmup)
    runtime.seed_everything(config.seed)
    examples, seconds = 0, 0.0
    run = (batch for epoch in range(config.epochs) for batch in batches.epoch(epoch))
    for number, pieces in enumerate(run, start=1):
        start = time.perf_counter()
        rate = config.learning_rate * factor(number - 1)
        for group in optimizer.param_groups:
            group["lr"] = rate
        model.train()
        value = accumulate(model, pieces, loss, dtype, scaler)
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm).item()
        _check_finite(value, norm, scaler, f"update {number} of {total}, learning rate {rate:g}")
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        examples += sum(len(piece.rows) for piece in pieces)
        seconds += time.perf_counter() - start
        yield Step(number, number / len(batches), value, rate, norm, examples, seconds, total)


def accumulate(
    model: nn.Module,
    pieces: list[Batch],
    loss: Loss,
    dtype: torch.dtype,
    scaler: torch.amp.GradScaler,
) -> float:
    """Put the gradient of the mean loss over all pieces into ``.grad``; return that mean."""
    device, summed, count = device_of(model), 0.0, 0
    for piece in pieces:
        batch = piece.to(device)
        with memory_advice(batch), runtime.autocast(device, dtype):
            total, number = loss(model(**batch.inputs).logits, batch.targets)
        with memory_advice(batch):
            scaler.scale(total).backward()
        summed, count = summed + total.item(), count + number
    if count == 0:
        raise ValueError("a batch holds nothing to learn from: all its targets are ignored")
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= count
    return summed / count


class memory_advice:  # noqa: N801 - a context manager, read like a function
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
                "TrainConfig.accumulate (the result stays the same), lower batch_size or the "
                "task's max_length, or freeze a part of the model"
            ) from error


def _check_finite(loss: float, norm: float, scaler: torch.amp.GradScaler, where: str) -> None:
    # With fp16 an infinite gradient is routine: the scaler skips the update and scales down.
    if math.isfinite(loss) and (math.isfinite(norm) or scaler.is_enabled()):
        return
    raise DivergedError(
        f"training diverged at {where}: loss {loss}, gradient norm {norm}. "
        "The model still holds the weights before this update; try a learning rate ten times lower"
    )


@dataclass
class History:
    """What happened in a run: every step, and every evaluation on the validation data."""

    config: TrainConfig
    criterion: str
    steps: list[Step] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)
    stopped: str = ""
    """Why the run ended before its last update; empty when it did not."""

    @property
    def best(self) -> dict[str, float] | None:
        """The evaluation with the lowest loss."""
        return min(self.evaluations, key=lambda scores: scores[self.criterion], default=None)

    def table(self) -> pd.DataFrame:
        """One row a step."""
        return pd.DataFrame([asdict(step) for step in self.steps])

    def evaluation_table(self) -> pd.DataFrame:
        """One row an evaluation: step, epoch and the scores."""
        return pd.DataFrame(self.evaluations)

    def __repr__(self) -> str:
        if not self.steps:
            return "History(no steps)"
        last = self.steps[-1]
        scores = f", best {self.criterion} {self.best[self.criterion]:.4f}" if self.best else ""
        ended = f", stopped: {self.stopped}" if self.stopped else ""
        return (
            f"History({last.number} updates, {last.epoch:.1f} epochs, {last.seconds:.1f} s, "
            f"{last.examples_per_second:.0f} examples/s, last loss {last.loss:.4f}{scores}{ended})"
        )


def fit(
    model: nn.Module,
    data: Dataset | DatasetDict,
    task: Any,
    tokenizer: Any,
    config: TrainConfig,
    *,
    patience: int | None = None,
) -> History:
    """Train on the part ``train``; after each epoch evaluate on the part ``valid``, if any.

    With validation data the model ends with the weights of its best evaluation (lowest loss),
    and stops early after ``patience`` evaluations without a better one. An interrupt (Ctrl-C,
    the notebook's stop button) ends the run in order and returns the history so far.

    Raises DivergedError, its ``history`` filled, with the best weights so far in the model.
    """
    valid = data.get("valid") if isinstance(data, DatasetDict) else None
    if patience is not None and valid is None:
        raise ValueError("patience needs validation data: pass a DatasetDict with a part 'valid'")
    batches = task.batches(training_part(data), tokenizer, config)
    history, best = History(config, task.criterion), None
    try:
        for step in _with_bar(steps(model, batches, task.loss, config), config, len(batches)):
            history.steps.append(step)
            if valid is not None and step.ends_epoch:
                scores = evaluate(model, valid, task, tokenizer).scores
                history.evaluations.append({"step": step.number, "epoch": step.epoch, **scores})
                if history.best is history.evaluations[-1]:
                    best = copy.deepcopy(model.state_dict())
                if patience is not None and _since_best(history) >= patience:
                    history.stopped = f"no better {task.criterion} in {patience} evaluations"
                    break
    except KeyboardInterrupt:
        history.stopped = "interrupted"
        warnings.warn("training was interrupted; the history so far is returned", stacklevel=2)
    except DivergedError as error:
        error.history = history
        raise
    finally:
        if best is not None:
            model.load_state_dict(best)
    return history


def _since_best(history: History) -> int:
    return len(history.evaluations) - 1 - history.evaluations.index(history.best)


def _with_bar(run: Iterator[Step], config: TrainConfig, length: int) -> Iterator[Step]:
    with tqdm(total=config.epochs * length, desc="training", unit="update", leave=False) as bar:
        for step in run:
            bar.update()
            bar.set_postfix(loss=f"{step.loss:.3f}", refresh=False)
            yield step
