"""What a checkpoint of a run holds, and how a run resumes from one."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from ftlearn import runtime
from ftlearn.config import TrainConfig
from ftlearn.errors import FtlearnError
from ftlearn.models import lora
from ftlearn.runtime import disk, distributed, sharding
from ftlearn.runtime.arithmetic import Arithmetic
from ftlearn.runtime.versions import processor, versions
from ftlearn.training.checkpoints import Checkpoint, CheckpointError, Store
from ftlearn.training.history import History, Step
from ftlearn.training.loop import Run
from ftlearn.training.resources import OPTIMIZER_COPIES
from ftlearn.training.state import (
    load_optimizer_state,
    load_progress,
    optimizer_state,
    progress_state,
)
from ftlearn.training.weights import frozen_fingerprint, load_trained, trained_weights

INTERRUPTED = "interrupted"
"""The reason for stopping of a run that can be resumed."""

LIBRARIES = ("ftlearn", "torch", "transformers", "tokenizers", "datasets", "numpy")
"""Those whose version may change the rounding of a run."""


class Checkpointer:
    """Writes the checkpoints of a run, and restores a run from one."""

    def __init__(self, store: Store, run: Run, history: History) -> None:
        self.store, self.run, self.history = store, run, history
        self.identity = _identity(run)  # once: it reads all data
        self.frozen = frozen_fingerprint(run.model)
        self.written = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the store's longest time without a checkpoint has passed."""
        return time.monotonic() - self.written > self.store.seconds

    def write(self, *, best: bool = False) -> None:
        """Write the state of the run; if that fails, warn, and training goes on."""
        tensors, state = _tensors(self.run), _state(self.run, self.history)
        state["run"] = self.identity
        state["frozen"] = self.frozen
        if distributed.is_main():
            try:
                self.store.write(self.run.number, tensors, state, best=best)
            except CheckpointError as error:
                warnings.warn(f"training goes on without a checkpoint: {error}", stacklevel=2)
        distributed.barrier()
        self.written = time.monotonic()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """A context in which no other process may write into the folder.

        Raises CheckpointError when the folder cannot be used, and BusyError when another process
        is writing there.
        """
        with ExitStack() as stack:
            _on_main_rank(lambda: stack.enter_context(self.store.locked()))
            yield

    def begin(self, *, resume: bool) -> Checkpoint | None:
        """Begin the run, or with ``resume`` restore it from its newest checkpoint, if any.

        Returns that checkpoint. Raises CheckpointError when the folder holds another run's
        checkpoints, or only damaged ones. Warns where the disk has no room for those to come.
        """
        self._warn_of_shortage()
        if not resume:
            if self.store:
                raise CheckpointError(
                    f"{str(self.store.folder)!r} holds the checkpoints of an earlier run: "
                    "continue it with resume=True, or choose another folder"
                )
            return None
        newest = self.store.newest()
        _check_all_ranks_see(newest, self.store)
        if newest is None:
            warnings.warn(
                f"there is no checkpoint in {str(self.store.folder)!r}: the run starts from the "
                "beginning",
                stacklevel=3,
            )
            return None
        _use_same_arithmetic(newest, self.run)
        _check_same_run(newest, self.run, self.identity)
        _on_main_rank(lambda: self.store.tidy(newest.state["number"]))
        _check_trained(newest, self.run.model, self.frozen)
        _restore(self.run, newest)
        self.history.steps = [Step(**step) for step in newest.state["steps"]]
        self.history.evaluations = newest.state["evaluations"]
        if newest.state["stopped"] != INTERRUPTED:
            self.history.stopped = newest.state["stopped"]
        return newest

    def _warn_of_shortage(self) -> None:
        count = expected(self.run.config.epochs, len(self.run.batches), self.store)
        size = checkpoint_bytes(self.run.model, self.run.config) * bool(count)
        why = disk.shortage(self.store.folder, count * size, size, taken=self.store.bytes())
        if why and distributed.is_main():
            warnings.warn(
                f"the checkpoints do not fit into {str(self.store.folder)!r}: {why}. Training "
                "goes on without those that do not",
                stacklevel=3,
            )


def checkpoint_bytes(model: nn.Module, config: TrainConfig) -> int:
    """What one checkpoint takes on the disk: the weights that are trained, the optimiser's copies.

    Less where only some rows of a table are trained: the copies are of these rows.

    >>> checkpoint_bytes(nn.Linear(10, 10, bias=False), TrainConfig(optimizer="adamw"))
    1200
    """
    tensors = trained_weights(model).values()
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return weights + 4 * trained * OPTIMIZER_COPIES[config.optimizer]


def expected(epochs: int, updates: int, store: Store) -> int:
    """How many checkpoints a run will have at once: newest, best, and the one being written.

    ``updates`` are those per epoch; the epochs that the store has checkpoints of are done.
    """
    return min(max(0, epochs - store.last_number() // updates), store.keep + 2)


def _on_main_rank(action: Callable[[], Any]) -> None:
    """Call a function on the main rank; an error there is raised on every rank."""
    error = None
    if distributed.is_main():
        try:
            action()
        except FtlearnError as failure:
            error = failure
    error = distributed.all_gather(error)[0]
    if error is not None:
        raise error


def _check_all_ranks_see(newest: Checkpoint | None, store: Store) -> None:
    """Raise CheckpointError where ranks see different ones: they would train different models."""
    names = distributed.all_gather(newest and newest.folder.name)
    if len(set(names)) > 1:
        raise CheckpointError(
            f"the processes see different checkpoints in {str(store.folder)!r} "
            f"({', '.join(map(str, names))}): choose a folder that all machines share"
        )


def _tensors(run: Run) -> dict[str, dict[str, torch.Tensor]]:
    """Trained weights and the optimiser's state by parameter name, complete on the main rank."""
    weights = trained_weights(run.model)
    return {
        "model": sharding.full_state_dict(weights),
        "optimizer": sharding.full_state_dict(optimizer_state(run)),
    }


def _state(run: Run, history: History) -> dict[str, Any]:
    return {
        **progress_state(run),
        "random": distributed.all_gather(runtime.rng_state(run.device)),
        "trained": _trained(run.model),
        "machine": _machine(run),
        "arithmetic": run.arithmetic.record(),
        "steps": [asdict(step) for step in history.steps],
        "evaluations": history.evaluations,
        "stopped": history.stopped,
    }


def _identity(run: Run) -> dict[str, Any]:
    """What must be equal for a run to be the same run."""
    dropout = {module.p for module in run.model.modules() if isinstance(module, nn.Dropout)}
    data = run.batches.encoded.fingerprint()
    adapter = lora.settings(run.model)
    drawn = run.batches.settings()
    return {**asdict(run.config), **adapter, **drawn, "dropout": sorted(dropout), "data": data}


def _trained(model: nn.Module) -> list[str]:
    """Names of the parameters that are not frozen."""
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def _machine(run: Run) -> dict[str, Any]:
    """What changes the rounding of a run."""
    return {
        "threads": torch.get_num_threads(),
        "ranks": distributed.world_size(),
        "device": run.device.type,
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "arithmetic": str(run.arithmetic),
        **versions(LIBRARIES),
    }


def _use_same_arithmetic(checkpoint: Checkpoint, run: Run) -> None:
    """Compute as the run did before, where this is the same processor.

    The measurement that chose that arithmetic may choose another one now, and the results would
    not be the same bit for bit.
    """
    before, now = checkpoint.state["machine"], _machine(run)
    same = all(before.get(name) == now[name] for name in ("device", "processor", "instructions"))
    if same and "arithmetic" in checkpoint.state:
        run.compute_in(Arithmetic.of_record(checkpoint.state["arithmetic"]))


def _check_same_run(checkpoint: Checkpoint, run: Run, identity: dict[str, Any]) -> None:
    """Raise CheckpointError for another run; warn where only the rounding will differ."""
    before = checkpoint.state["run"]
    changed = [
        f"{name} was {before.get(name)!r} and is {value!r}"
        for name, value in identity.items()
        if before.get(name) != value
    ]
    if changed:
        raise CheckpointError(
            f"the checkpoint {str(checkpoint.folder)!r} belongs to another run: "
            f"{'; '.join(changed)}. Use the same settings and data, or another folder"
        )
    before, now = checkpoint.state["machine"], _machine(run)
    changed = [
        f"{name} {before.get(name)} → {value}"
        for name, value in now.items()
        if before.get(name) != value
    ]
    if changed:
        warnings.warn(
            f"the run goes on under other conditions ({', '.join(changed)}): its results will not "
            "be the same bit for bit",
            stacklevel=4,
        )


def _restore(run: Run, checkpoint: Checkpoint) -> None:
    load_trained(run.model, model_weights(checkpoint, run.model))
    load_optimizer_state(run, checkpoint.tensors("optimizer"))
    state = checkpoint.state
    load_progress(run, state)
    run.rng_state = state["random"][distributed.rank() % len(state["random"])]


def _check_trained(checkpoint: Checkpoint, model: nn.Module, frozen: str | None) -> None:
    """Raise CheckpointError where other weights are trained, or beside other frozen ones."""
    before, now = checkpoint.state["trained"], _trained(model)
    different = sorted(set(before) ^ set(now))
    if different and set(before) <= {name for name, _ in model.named_parameters()}:
        raise CheckpointError(
            f"the checkpoint {str(checkpoint.folder)!r} belongs to a run in which other parts were "
            f"frozen: they differ in {len(different)} tensors such as {different[0]!r}"
        )
    if not different and checkpoint.state.get("frozen") != frozen:
        raise CheckpointError(
            f"the checkpoint {str(checkpoint.folder)!r} belongs to a run on another base model, "
            "whose frozen weights had other numbers: load the model that this run began with"
        )


def model_weights(checkpoint: Checkpoint, model: nn.Module) -> dict[str, torch.Tensor]:
    """A checkpoint's trained weights, distributed as the model's; CheckpointError for another."""
    current = trained_weights(model)
    saved = checkpoint.tensors("model")
    different = sorted(set(current) ^ set(saved)) or [
        name
        for name, tensor in current.items()
        if (tensor.shape, tensor.dtype) != (saved[name].shape, saved[name].dtype)
    ]
    if different:
        raise CheckpointError(
            f"the checkpoint {str(checkpoint.folder)!r} is of another model: they differ in "
            f"{len(different)} tensors such as {different[0]!r}"
        )
    return {name: sharding.distribute_like(saved[name], current[name]) for name in current}
