"""``fit``: a complete run with validation, early stopping, checkpoints and a graceful stop."""

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
from ftlearn.data.batching import Batches, Encoded
from ftlearn.data.part_names import training_part
from ftlearn.errors import ArgumentError
from ftlearn.evaluation import report_on
from ftlearn.fast.training import sparse_rows
from ftlearn.losses import IGNORED, accepts_counted_logits
from ftlearn.models.architecture import PooledClassifier, unwrapped
from ftlearn.models.virtual_tokens import shorten_window
from ftlearn.runtime import distributed, sharding
from ftlearn.runtime.progress import bar
from ftlearn.training import resources
from ftlearn.training.checkpoints import Store
from ftlearn.training.history import History, Step
from ftlearn.training.interrupts import graceful_interrupt
from ftlearn.training.loop import DivergedError, Loss, Run, steps
from ftlearn.training.resuming import INTERRUPTED, Checkpointer, model_weights
from ftlearn.training.weights import load_trained, trained_weights

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
    and stops early after ``patience`` evaluations without a better one. After an interrupt (Ctrl-C,
    the stop button) the update in progress is finished and the history so far is returned; a
    second interrupt aborts.

    With a folder for ``checkpoints`` the run is saved after each epoch, at least every five
    minutes (``Store`` changes that), and when it is interrupted; ``resume=True`` continues it, on
    the same machine bit for bit. Under ``torchrun`` each process does its share.

    Texts are read up to so many tokens less as an adapter has learned tokens before them. Before
    training, what ``compatibility.check`` finds in data, task, model and tokenizer is warned
    of, and raised as DataError where the result would be worthless.

    Raises TooLargeError at the start when the run would not fit in memory, CheckpointError when
    the folder cannot be used or holds another run, BusyError while another process trains into
    it, and DivergedError with the best weights so far in the model.
    """
    shorten_window(model, tokenizer)
    _check_compatibility(model, data, task, tokenizer)
    how = {"patience": patience, "checkpoints": checkpoints, "resume": resume}
    return train(model, data, task, tokenizer, config, **how)


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
    check_memory(model, batches, config, run.loss)
    score = _scorer(model, data, task, tokenizer)
    early_stopping = EarlyStopping(run, history, score, patience)
    checkpointer = _checkpointer(checkpoints, run, history, resume=resume)
    with checkpointer.locked() if checkpointer else nullcontext():
        if checkpointer and checkpointer.begin(resume=resume):
            early_stopping.load_best(checkpointer.store)
        history.arithmetic = run.arithmetic
        try:
            _run_to_end(run, history, early_stopping, checkpointer)
        finally:
            early_stopping.restore_best()
    return history


def _check_compatibility(model: nn.Module, data: Any, task: Any, tokenizer: Any) -> None:
    """Warn of what does not fit together in the parts that a run uses, or raise DataError."""
    parts = {"train": training_part(data)}
    if isinstance(data, DatasetDict) and "valid" in data:
        parts["valid"] = data["valid"]
    compatibility.settle(compatibility.check(parts, task, model, tokenizer), stacklevel=3)


def _run_to_end(
    run: Run, history: History, early_stopping: EarlyStopping, checkpointer: Checkpointer | None
) -> None:
    """Take all steps of a run, unless the history says why it stopped before."""
    with closing(run), graceful_interrupt() as interrupt, _attach_to_divergence(history):
        for step in _with_bar(run) if not history.stopped else ():
            history.steps.append(step)
            is_best = early_stopping.evaluate_after(step)
            due = checkpointer is not None and checkpointer.due
            interrupted, due = _on_any_rank(run, interrupt.asked, due)
            if interrupted and not history.stopped and step.number < step.total:
                history.stopped = INTERRUPTED
            if checkpointer and (step.ends_epoch or history.stopped or due):
                checkpointer.write(best=is_best)
            if history.stopped:
                break
    if history.stopped == INTERRUPTED:
        warnings.warn("training was interrupted; the history so far is returned", stacklevel=3)


@contextmanager
def _attach_to_divergence(history: History) -> Iterator[None]:
    """A context that gives a DivergedError the history so far as it passes."""
    try:
        yield
    except DivergedError as error:
        error.history = history
        raise


def _scorer(model: nn.Module, data: Any, task: Any, tokenizer: Any) -> Scorer | None:
    """A function that scores the model on the validation part; None where there is none."""
    valid = data.get("valid") if isinstance(data, DatasetDict) else None
    if valid is None:
        return None
    return lambda: report_on(model, valid, task, tokenizer, shared=True).scores


class EarlyStopping:
    """Evaluates after each epoch, keeps the best trained weights, and stops a run without gain."""

    def __init__(
        self, run: Run, history: History, score: Scorer | None, patience: int | None
    ) -> None:
        if patience is not None and score is None:
            raise ArgumentError(
                "patience needs validation data: pass a DatasetDict with a part 'valid'"
            )
        self.model = run.model
        self.history = history
        self.score = score
        self.patience = patience
        self.weights: dict[str, torch.Tensor] | None = None

    def evaluate_after(self, step: Step) -> bool:
        """Evaluate after the last step of an epoch; if it is the best so far, keep the weights.

        True if it is. After ``patience`` evaluations without a better one the history says that
        the run stopped.
        """
        if self.score is None or not step.ends_epoch:
            return False
        evaluations = self.history.evaluations
        evaluations.append({"step": step.number, "epoch": step.epoch, **self.score()})
        since_best = len(evaluations) - 1 - evaluations.index(self.history.best)
        if since_best == 0:
            self.weights = copy.deepcopy(trained_weights(self.model))
        if self.patience is not None and since_best >= self.patience:
            self.history.stopped = f"no better {self.history.monitor} in {since_best} evaluations"
        return since_best == 0

    def load_best(self, store: Store) -> None:
        """Take the best weights of a resumed run from its checkpoint of that evaluation."""
        if not self.history.evaluations:
            return
        number = self.history.best["step"]
        checkpoint = store.best()
        if checkpoint and checkpoint.state["number"] == number:
            self.weights = model_weights(checkpoint, self.model)
        else:
            warnings.warn(
                f"the weights of the best evaluation (update {number}) are lost: unless a better "
                "one follows, the model ends with its last weights",
                stacklevel=3,
            )

    def restore_best(self) -> None:
        """Give the model the best weights, if there was an evaluation."""
        if self.weights is not None:
            load_trained(self.model, self.weights)


def _checkpointer(
    checkpoints: Store | str | Path | None, run: Run, history: History, *, resume: bool
) -> Checkpointer | None:
    if checkpoints is None:
        if resume:
            raise ArgumentError("resume=True needs the folder of the run: pass checkpoints=folder")
        return None
    store = checkpoints if isinstance(checkpoints, Store) else Store(checkpoints)
    return Checkpointer(store, run, history)


def _on_any_rank(run: Run, *flags: bool) -> list[bool]:
    """For each flag, whether it is true on any rank: so all ranks do the same."""
    return [count > 0 for count in distributed.all_reduce_sum(flags, run.device)]


def check_memory(
    model: nn.Module, batches: Batches, config: TrainConfig, loss: Loss | None = None
) -> None:
    """Raise TooLargeError, naming smaller choices, where a run would not fit in what is free.

    With a ``loss`` that takes logits of counted positions only, the others need no memory.
    """
    known = isinstance(unwrapped(model), PreTrainedModel | PooledClassifier)
    if not known or sharding.is_sharded(model):
        return  # the dry run knows the inputs of these only
    rows = -(-config.batch_size // distributed.world_size())  # of a batch on this rank
    micro_rows = -(-rows // config.micro_batches)
    needed = resources.estimate(
        model,
        batch_size=micro_rows * batches.encoded.sequences,
        tokens=max(batches.encoded.lengths),
        optimizer=config.optimizer,
        left_out=sum(table.left_out for table in sparse_rows(model, batches, config)),
        counted=most_counted(batches.encoded, micro_rows) if accepts_counted_logits(loss) else None,
    )
    # The weights are in memory already, and are part of what is needed.
    free = runtime.memory_available(runtime.device_of(model)) + needed.weights
    resources.require_memory(needed, available=free, micro_batches=config.micro_batches, rows=rows)


def most_counted(encoded: Encoded, rows: int) -> int | None:
    """How many targets that a token before them predicts so many rows hold at most.

    None where rows have no target per token.

    >>> ids, targets = [[5, 6, 7], [5, 6], [5]], [[-100, 6, 7], [5, 6], [-100]]
    >>> most_counted(Encoded({"input_ids": ids}, targets, 8), rows=2)
    3
    """
    if not isinstance(encoded.targets[0], list):
        return None
    counts = [sum(target != IGNORED for target in ids[1:]) for ids in encoded.targets]
    of_rows = [sum(counts[row :: len(encoded)]) for row in range(len(encoded))]
    return sum(sorted(of_rows)[-rows:])


def _with_bar(run: Run) -> Iterator[Step]:
    """The steps of a run, beside a progress bar on the main rank."""
    with bar(
        shown=distributed.is_main(),
        total=run.total,
        initial=run.number,
        desc="training",
        unit="update",
    ) as progress:
        for step in run:
            progress.update()
            progress.set_postfix(loss=f"{step.loss:.3f}", refresh=False)
            yield step
