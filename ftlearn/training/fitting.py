"""``fit``: a whole run with validation, early stopping, checkpoints and an orderly end."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from torch import nn
from transformers import PreTrainedModel

from ftlearn import compatibility, runtime
from ftlearn.config import TrainConfig
from ftlearn.data.batching import Batches
from ftlearn.data.parts import training_part
from ftlearn.evaluation import report_on
from ftlearn.fast.training import sparse_rows
from ftlearn.models.architecture import PooledClassifier
from ftlearn.runtime import distributed, sharding
from ftlearn.runtime.progress import bar
from ftlearn.training import interrupts, resources
from ftlearn.training.checkpoints import Store
from ftlearn.training.history import History, Step
from ftlearn.training.loop import DivergedError, Run, steps
from ftlearn.training.resuming import INTERRUPTED, Checkpointer, weights_of

Scorer = Callable[[], dict[str, float]]


def fit(
    model: nn.Module,
    data: Dataset | DatasetDict,
    task: Any,
    tokenizer: Any,
    config: TrainConfig,
    *,
    patience: int | None = None,
    checkpoints: Store | str | Path | None = None,
    resume: bool = False,
) -> History:
    """Train on the part ``train``; after each epoch evaluate on the part ``valid``, if any.

    With validation data the model ends with the weights of its best evaluation (lowest loss),
    and stops early after ``patience`` evaluations without a better one. An interrupt (Ctrl-C,
    the stop button) ends the run in order after the update at work, and the history so far is
    returned; a second one aborts.

    With a folder for ``checkpoints`` the run is saved after each epoch, after five minutes at
    the latest (``Store`` changes that), and when it is interrupted; ``resume=True`` continues it,
    on the same machine to the same last bit. Under ``torchrun`` each process does its share.

    Before anything is trained, what ``compatibility.check`` finds in data, task, model and
    tokenizer is warned of, and raised as DataError where the result would be worthless.

    Raises TooLargeError at the start when the run would not fit in memory, CheckpointError when
    the folder cannot be used or holds another run, BusyError while another process trains into
    it, and DivergedError with the best weights so far in the model.
    """
    used = {"train": training_part(data)}
    if isinstance(data, DatasetDict) and "valid" in data:
        used["valid"] = data["valid"]
    compatibility.settle(compatibility.check(used, task, model, tokenizer))
    saving = {"checkpoints": checkpoints, "resume": resume}
    return train(model, data, task, tokenizer, config, patience=patience, **saving)


def train(
    model: nn.Module,
    data: Dataset | DatasetDict,
    task: Any,
    tokenizer: Any,
    config: TrainConfig,
    *,
    patience: int | None = None,
    checkpoints: Store | str | Path | None = None,
    resume: bool = False,
) -> History:
    """``fit`` without its checks, for data that was checked before."""
    batches = task.batches(training_part(data), tokenizer, config)
    history = History(config, task.monitor)
    run = steps(model, batches, task.loss, config, count=task.count_targets)
    check_memory(model, batches, config)
    validation = _Validation(run, history, _scorer(model, data, task, tokenizer), patience)
    keeper = _keeper(checkpoints, run, history, resume=resume)
    with keeper.at_work() if keeper else nullcontext():
        if keeper and keeper.begin(resume=resume):
            validation.recall(keeper.store)
        history.arithmetic = run.arithmetic
        try:
            _drain(run, history, validation, keeper)
        finally:
            validation.restore()
    return history


def _drain(
    run: Run, history: History, validation: _Validation, keeper: Checkpointer | None
) -> None:
    """Go through the run to its end, or until the history says why it stopped."""
    with closing(run), interrupts.graceful_interrupt() as interrupt, _telling(history):
        for step in _with_bar(run) if not history.stopped else ():
            history.steps.append(step)
            better = validation.after(step)
            asked, due = _agreed(run, interrupt.asked, keeper is not None and keeper.due)
            if asked and not history.stopped and step.number < step.total:
                history.stopped = INTERRUPTED
            if keeper and (step.ends_epoch or history.stopped or due):
                keeper.write(best=better)
            if history.stopped:
                break
    if history.stopped == INTERRUPTED:
        warnings.warn("training was interrupted; the history so far is returned", stacklevel=3)


@contextmanager
def _telling(history: History) -> Iterator[None]:
    """Put the history so far into a DivergedError that passes."""
    try:
        yield
    except DivergedError as error:
        error.history = history
        raise


def _scorer(model: nn.Module, data: Any, task: Any, tokenizer: Any) -> Scorer | None:
    valid = data.get("valid") if isinstance(data, DatasetDict) else None
    return (
        None
        if valid is None
        else lambda: report_on(model, valid, task, tokenizer, shared=True).scores
    )


class _Validation:
    """Evaluates after each epoch, and keeps the weights of the best evaluation."""

    def __init__(
        self, run: Run, history: History, scores: Scorer | None, patience: int | None
    ) -> None:
        if patience is not None and scores is None:
            raise ValueError(
                "patience needs validation data: pass a DatasetDict with a part 'valid'"
            )
        self.model, self.history = run.model, history
        self.scores, self.patience = scores, patience
        self.weights: dict[str, torch.Tensor] | None = None

    def after(self, step: Step) -> bool:
        """Evaluate at the end of an epoch; True, with the weights noted, if none was better.

        After ``patience`` evaluations without a better one the history says that it stopped.
        """
        if self.scores is None or not step.ends_epoch:
            return False
        evaluations = self.history.evaluations
        evaluations.append({"step": step.number, "epoch": step.epoch, **self.scores()})
        waited = len(evaluations) - 1 - evaluations.index(self.history.best)
        if waited == 0:
            self.weights = copy.deepcopy(self.model.state_dict())
        if self.patience is not None and waited >= self.patience:
            self.history.stopped = f"no better {self.history.monitor} in {waited} evaluations"
        return waited == 0

    def recall(self, store: Store) -> None:
        """Take the noted weights from the checkpoint of the best evaluation."""
        if not self.history.evaluations:
            return
        saved, number = store.best(), self.history.best["step"]
        if saved and saved.state["number"] == number:
            self.weights = weights_of(saved, self.model)
        else:
            warnings.warn(
                f"the weights of the best evaluation (update {number}) are lost: unless a better "
                "one follows, the model ends with its last weights",
                stacklevel=3,
            )

    def restore(self) -> None:
        """Give the model the noted weights, if there are any."""
        if self.weights is not None:
            self.model.load_state_dict(self.weights)


def _keeper(
    checkpoints: Store | str | Path | None, run: Run, history: History, *, resume: bool
) -> Checkpointer | None:
    if checkpoints is None:
        if resume:
            raise ValueError("resume=True needs the folder of the run: pass checkpoints=folder")
        return None
    store = checkpoints if isinstance(checkpoints, Store) else Store(checkpoints)
    return Checkpointer(store, run, history)


def _agreed(run: Run, *wishes: bool) -> list[bool]:
    """A wish of one rank is the wish of all."""
    return [wished > 0 for wished in distributed.all_reduce_sum(wishes, run.device)]


def check_memory(model: nn.Module, batches: Batches, config: TrainConfig) -> None:
    """Raise TooLargeError, naming smaller choices, where a run would not fit in what is free."""
    if not isinstance(model, PreTrainedModel | PooledClassifier) or sharding.is_sharded(model):
        return  # the dry run knows how to rebuild only these
    share = -(-config.batch_size // distributed.world_size())  # rows of a batch on this rank
    needed = resources.estimate(
        model,
        batch_size=-(-share // config.micro_batches),
        tokens=max(batches.encoded.lengths),
        optimizer=config.optimizer,
        left_out=sum(rows.left_out for rows in sparse_rows(model, batches, config)),
    )
    # The weights are in memory already.
    free = runtime.memory_available(runtime.device_of(model)) + needed.weights
    resources.require_memory(needed, available=free, micro_batches=config.micro_batches, rows=share)


def _with_bar(run: Run) -> Iterator[Step]:
    look = {"total": run.total, "initial": run.number, "desc": "training", "unit": "update"}
    with bar(shown=distributed.is_main(), **look) as progress:
        for step in run:
            progress.update()
            progress.set_postfix(loss=f"{step.loss:.3f}", refresh=False)
            yield step
