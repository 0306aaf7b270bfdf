"""The training loop, as an iterator that the notebook drives, and ``fit``, which drains it."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from torch import nn
from torch.amp import GradScaler
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from ftlearn import optimisation, resources, runtime
from ftlearn.architecture import PooledClassifier
from ftlearn.batching import Batch, Batches
from ftlearn.config import TrainConfig
from ftlearn.evaluation import evaluate
from ftlearn.history import History, Step
from ftlearn.losses import LossSum
from ftlearn.runtime import device_of
from ftlearn.tasks.base import training_part

__all__ = ["DivergedError", "History", "Step", "TrainConfig", "accumulate", "fit", "steps"]

Loss = Callable[[torch.Tensor, torch.Tensor], LossSum]


class DivergedError(RuntimeError):
    """The loss or its gradient stopped being a number. ``history`` holds what came before."""

    history: History | None = None


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
    scaler = GradScaler(device_of(model).type, enabled=dtype is torch.float16)
    groups = optimisation.decay_groups(model, config.weight_decay)
    optimizer = optimisation.optimizer(config.optimizer, groups, config.learning_rate)
    optimizer.zero_grad()  # whatever the notebook left there is not of this run
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
    model: nn.Module, pieces: list[Batch], loss: Loss, dtype: torch.dtype, scaler: GradScaler
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


def _check_finite(loss: float, norm: float, scaler: GradScaler, where: str) -> None:
    # With fp16 an infinite gradient is routine: the scaler skips the update and scales down.
    if math.isfinite(loss) and (math.isfinite(norm) or scaler.is_enabled()):
        return
    raise DivergedError(
        f"training diverged at {where}: loss {loss}, gradient norm {norm}. "
        "The model still holds the weights before this update; try a learning rate ten times lower"
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
    and stops early after ``patience`` evaluations without a better one. An interrupt ends the
    run in order and returns the history so far. Raises TooLargeError at the start when the run
    would not fit in memory, and DivergedError with the best weights so far in the model.
    """
    valid = data.get("valid") if isinstance(data, DatasetDict) else None
    if patience is not None and valid is None:
        raise ValueError("patience needs validation data: pass a DatasetDict with a part 'valid'")
    batches = task.batches(training_part(data), tokenizer, config)
    _require_memory(model, batches, config)
    history = History(config, task.criterion)
    best = _Best(model, history)
    try:
        for step in _with_bar(steps(model, batches, task.loss, config), config, len(batches)):
            history.steps.append(step)
            if valid is not None and step.ends_epoch:
                best.add(step, evaluate(model, valid, task, tokenizer).scores)
                if patience is not None and best.waited >= patience:
                    history.stopped = f"no better {task.criterion} in {patience} evaluations"
                    break
    except KeyboardInterrupt:
        history.stopped = "interrupted"
        warnings.warn("training was interrupted; the history so far is returned", stacklevel=2)
    except DivergedError as error:
        error.history = history
        raise
    finally:
        best.restore()
    return history


class _Best:
    """Keeps the weights of the best evaluation of a run."""

    def __init__(self, model: nn.Module, history: History) -> None:
        self.model, self.history = model, history
        self.weights: dict[str, torch.Tensor] | None = None

    @property
    def waited(self) -> int:
        """Evaluations since the best one."""
        evaluations = self.history.evaluations
        return len(evaluations) - 1 - evaluations.index(self.history.best)

    def add(self, step: Step, scores: dict[str, float]) -> None:
        """Note an evaluation, and the weights if there was no better one."""
        self.history.evaluations.append({"step": step.number, "epoch": step.epoch, **scores})
        if self.waited == 0:
            self.weights = copy.deepcopy(self.model.state_dict())

    def restore(self) -> None:
        """Give the model the noted weights, if there are any."""
        if self.weights is not None:
            self.model.load_state_dict(self.weights)


def _require_memory(model: nn.Module, batches: Batches, config: TrainConfig) -> None:
    if not isinstance(model, PreTrainedModel | PooledClassifier):
        return  # the dry run knows how to rebuild only these
    needed = resources.estimate(
        model,
        batch_size=-(-config.batch_size // config.accumulate),
        tokens=max(batches.encoded.lengths),
        optimizer=config.optimizer,
    )
    # The weights are in memory already.
    free = runtime.memory_available(device_of(model)) + needed.weights
    resources.require_memory(needed, available=free)


def _with_bar(run: Iterator[Step], config: TrainConfig, length: int) -> Iterator[Step]:
    with tqdm(total=config.epochs * length, desc="training", unit="update", leave=False) as bar:
        for step in run:
            bar.update()
            bar.set_postfix(loss=f"{step.loss:.3f}", refresh=False)
            yield step
