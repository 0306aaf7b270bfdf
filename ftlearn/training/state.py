"""How far a run is and what its optimiser remembers, taken out of it and put back."""

from __future__ import annotations

from typing import Any

import torch

from ftlearn.fast.sparse_embeddings import TrainedRows
from ftlearn.runtime import sharding
from ftlearn.training.loop import Run

OptimizerState = dict[str, torch.Tensor]
"""Tensors by names such as ``classifier.weight/exp_avg``."""


def progress_state(run: Run) -> dict[str, Any]:
    """How far a run is, as JSON can hold it."""
    return {
        "number": run.number,
        "examples": run.examples,
        "seconds": run.seconds,
        "halvings": run.fit_in_memory.halvings,
        "decay": {rows.name: rows.decay for rows in run.sparse_rows},
        "scaler": run.scaler.state_dict(),
    }


def load_progress(run: Run, progress: dict[str, Any]) -> None:
    """Let a run count on from what ``progress_state`` gave."""
    run.number, run.examples = progress["number"], progress["examples"]
    run.seconds, run.fit_in_memory.halvings = progress["seconds"], progress["halvings"]
    for rows in run.sparse_rows:  # the run before may have trained whole tables
        rows.steps, rows.decay = run.number, progress["decay"].get(rows.name, 1.0)
    if progress["scaler"]:  # a run without fp16 has no scale to go on with
        run.scaler.load_state_dict(progress["scaler"])


def optimizer_state(run: Run) -> OptimizerState:
    """What the optimiser knows, of whole tables too where the run trains some of their rows."""
    names = {parameter: name for name, parameter in run.parameters.items()}
    return {
        f"{names[parameter]}/{kind}": _whole(run, names[parameter], value)
        for parameter, known in run.optimizer.state.items()
        for kind, value in known.items()
        if value is not None
    }


def load_optimizer_state(run: Run, memory: OptimizerState) -> None:
    """Give the optimiser a memory. The run works on these tensors: pass copies of those to keep."""
    for key, value in memory.items():
        name, _, kind = key.rpartition("/")
        parameter, value = run.parameters[name], _part(run, name, value)
        # A fused optimizer wants its counters, too, where the weights are.
        single = value.ndim == 0
        known = value.to(parameter.device) if single else sharding.distribute_like(value, parameter)
        run.optimizer.state[parameter][kind] = known


def _whole(run: Run, name: str, value: torch.Tensor) -> torch.Tensor:
    rows = _used_rows(run, name, value)
    return value if rows is None else rows.scatter(value)


def _part(run: Run, name: str, value: torch.Tensor) -> torch.Tensor:
    rows = _used_rows(run, name, value)
    return value if rows is None else rows.gather(value)


def _used_rows(run: Run, name: str, value: torch.Tensor) -> TrainedRows | None:
    found = [rows for rows in run.sparse_rows if rows.name == name and value.ndim]
    return found[0] if found else None
