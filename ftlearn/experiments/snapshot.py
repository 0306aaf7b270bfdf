"""Snapshots of a run, from which it can resume, with the same settings or with others."""

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
from ftlearn.training.weights import load_trained, trained_weights

DIGITS = 20
"""Hex digits of a hash in the name of a snapshot's folder."""

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Snapshot:
    """A copy of all that training changes, taken between two updates.

    ``weights`` are those that are not frozen, ``memory`` is the optimiser's state, and ``state``
    holds the counters and the state of the random numbers, as JSON can hold them.
    """

    weights: Tensors
    memory: Tensors
    state: dict[str, Any]

    @property
    def size(self) -> int:
        """The size of all tensors in bytes."""
        tensors = (*self.weights.values(), *self.memory.values())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def snapshot(run: Run) -> Snapshot:
    """A snapshot of a run after its current update."""
    memory = {key: value.detach().clone() for key, value in optimizer_state(run).items()}
    weights = {name: value.detach().clone() for name, value in trained_weights(run.model).items()}
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
    """A run that resumes from the snapshot, under the settings given here.

    Under the settings of the snapshot it resumes bit for bit. Updates are numbered on from the
    snapshot's: the learning-rate schedule and the batches are those that the new settings have at
    these numbers. Another optimiser starts without state, and another seed draws new random
    numbers. Close the run that the snapshot was taken from before this one trains the same model.

    Raises ValueError if other weights are trained than in the snapshot.
    """
    run = steps(model, batches, loss, config, count=count)
    _load(model, taken.weights)
    if config.optimizer == taken.state["optimizer"]:
        load_optimizer_state(run, {key: value.clone() for key, value in taken.memory.items()})
    load_progress(run, taken.state)
    run.rng_state = taken.state["random"] if config.seed == taken.state["seed"] else None
    return run


def _load(model: nn.Module, weights: Tensors) -> None:
    differing = sorted(set(trained_weights(model)) ^ set(weights))
    if differing:
        raise ValueError(
            "the snapshot is of a model in which other weights are trained: they differ in "
            f"{len(differing)} tensors such as {differing[0]!r}. Build the model as for the run"
        )
    load_trained(model, weights)


class SnapshotCache:
    """Snapshots on disk by key; the oldest are removed when ``space`` bytes are full.

    No snapshot is indispensable, since a run can repeat its updates; snapshots save that time.
    """

    def __init__(self, folder: Path, *, space: int) -> None:
        self.folder, self.space = folder, space

    def put(self, key: str, taken: Snapshot) -> None:
        """Store a snapshot; warn if it cannot be written."""
        if taken.size > self.space:
            return
        tensors = {"weights": taken.weights, "memory": taken.memory}
        try:
            self._store(key).write(taken.state["number"], tensors, taken.state)
        except CheckpointError as error:
            warnings.warn(f"the run continues without a snapshot: {error}", stacklevel=2)
        self._remove_oldest()

    def get(self, key: str) -> Snapshot | None:
        """The snapshot stored under a key, or None if it was removed or is damaged."""
        try:
            checkpoint = self._store(key).newest()
        except CheckpointError:  # damaged; the store has warned
            return None
        if checkpoint is None:
            return None
        weights = checkpoint.tensors("weights")
        memory = checkpoint.tensors("memory")
        return Snapshot(weights, memory, checkpoint.state)

    def _store(self, key: str) -> Store:
        return Store(self.folder / hashlib.sha256(key.encode()).hexdigest()[:DIGITS], keep=1)

    def folder_size(self) -> int:
        """The size of all snapshots on disk in bytes."""
        return sum(Store(folder).bytes() for folder in self._folders())

    def _folders(self) -> list[Path]:
        """The folders of the snapshots, oldest first; other files and folders are not ours."""
        pattern = re.compile(f"[0-9a-f]{{{DIGITS}}}")
        folders = [path for path in self.folder.iterdir() if pattern.fullmatch(path.name)]
        return sorted(folders, key=lambda path: path.stat().st_mtime_ns)

    def _remove_oldest(self) -> None:
        """Remove snapshots, the oldest first, until the rest fit into the space."""
        folders = self._folders()
        while folders and self.folder_size() > self.space:
            Store(folders.pop(0)).clear()
