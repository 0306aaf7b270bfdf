"""Where a run is, so that it can go on from there: with its own settings or with others."""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ftlearn import runtime
from ftlearn.config import TrainConfig
from ftlearn.data.batching import Batches
from ftlearn.losses import count_targets
from ftlearn.training import Count, Loss, Run, steps
from ftlearn.training.checkpoints import CheckpointError, Store
from ftlearn.training.state import (
    load_optimizer_state,
    load_progress,
    optimizer_state,
    progress_state,
)

DIGITS = 20
"""Of a hash, for the name of a snapshot's folder."""

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Snapshot:
    """A copy of what training changes, taken between two updates.

    ``weights`` are those that are not frozen, ``memory`` is the optimiser's, and ``state`` holds
    the counters and the random numbers, as JSON can hold them.
    """

    weights: Tensors
    memory: Tensors
    state: dict[str, Any]

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        tensors = (*self.weights.values(), *self.memory.values())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def snapshot(run: Run) -> Snapshot:
    """Copy where a run is."""
    memory = {key: value.detach().clone() for key, value in optimizer_state(run).items()}
    weights = {name: value.detach().clone() for name, value in _moving(run.model).items()}
    state = {
        **progress_state(run),
        "random": runtime.rng_state(run.device),
        "optimizer": run.config.optimizer,
        "seed": run.config.seed,
    }
    return Snapshot(weights, memory, state)


def resume(
    taken: Snapshot,
    model: nn.Module,
    batches: Batches,
    loss: Loss,
    config: TrainConfig,
    *,
    count: Count = count_targets,
) -> Run:
    """A run that goes on where the snapshot was taken, under the settings given here.

    With the settings it was taken under, the run goes on to the same last bit. Updates are
    counted on: the schedule is read at their number, and they take the batches that the new
    plan has there. Another optimiser begins without memory, and another seed draws anew. Close
    the run that the snapshot was taken from before this one trains the same model.

    Raises ValueError when the model has other weights that train.
    """
    run = steps(model, batches, loss, config, count=count)
    _load(model, taken.weights)
    if config.optimizer == taken.state["optimizer"]:
        load_optimizer_state(run, {key: value.clone() for key, value in taken.memory.items()})
    load_progress(run, taken.state)
    run.rng_state = taken.state["random"] if config.seed == taken.state["seed"] else None
    return run


def _moving(model: nn.Module) -> Tensors:
    """Weights and buffers that are not frozen, by name."""
    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


def _load(model: nn.Module, weights: Tensors) -> None:
    here = _moving(model)
    odd = sorted(set(here) ^ set(weights))
    if odd:
        raise ValueError(
            f"the snapshot is of a model in which other weights train: they differ in {len(odd)} "
            f"tensors such as {odd[0]!r}. Build the model as it was built for the run"
        )
    model.load_state_dict(weights, strict=False)


class SnapshotCache:
    """Snapshots on disk by what led to them; the oldest go when ``space`` bytes are full.

    None is ever needed, since a run can be repeated to any update; they save that time.
    """

    def __init__(self, folder: Path, *, space: int) -> None:
        self.folder, self.space = folder, space

    def put(self, key: str, taken: Snapshot) -> None:
        """Keep a snapshot; warn when the disk refuses."""
        if taken.size > self.space:
            return
        tensors = {"weights": taken.weights, "memory": taken.memory}
        try:
            self._store(key).write(taken.state["number"], tensors, taken.state)
        except CheckpointError as error:
            warnings.warn(f"the run goes on without a snapshot: {error}", stacklevel=2)
        self._tidy()

    def get(self, key: str) -> Snapshot | None:
        """The snapshot that was put under a key, if it is still there and whole."""
        try:
            found = self._store(key).newest()
        except CheckpointError:  # damaged; the store has warned
            return None
        if found is None:
            return None
        return Snapshot(found.tensors("weights"), found.tensors("memory"), found.state)

    def _store(self, key: str) -> Store:
        return Store(self.folder / hashlib.sha256(key.encode()).hexdigest()[:DIGITS], keep=1)

    def folder_size(self) -> int:
        """Bytes on disk of all snapshots."""
        return sum(Store(place).bytes() for place in self._places())

    def _places(self) -> list[Path]:
        """The folders of the snapshots, the oldest first; what else lies here is not ours."""
        named = re.compile(f"[0-9a-f]{{{DIGITS}}}")
        places = [place for place in self.folder.iterdir() if named.fullmatch(place.name)]
        return sorted(places, key=lambda place: place.stat().st_mtime_ns)

    def _tidy(self) -> None:
        kept = self._places()
        while kept and self.folder_size() > self.space:
            Store(kept.pop(0)).clear()
