"""The progress of a run and the state of its optimiser: taken from a run, and loaded into one."""

from __future__ import annotations

from typing import Any

import torch

from ftlearn.fast.sparse_embeddings import TrainedRows
from ftlearn.runtime import sharding
from ftlearn.training.loop import Run

OptimizerState = dict[str, torch.Tensor]
"""Tensors by names such as ``classifier.weight/exp_avg``."""


def progress_state(run: Run) -> dict[str, Any]:
    """The progress of a run, as JSON can hold it."""
    return {
        "number": run.number,
        "examples": run.examples,
        "seconds": run.seconds,
        "halvings": run.retry_smaller.halvings,
        "decay": {rows.name: rows.decay for rows in run.sparse_rows},
        "scaler": run.scaler.state_dict(),
    }


def load_progress(run: Run, progress: dict[str, Any]) -> None:
    """Let a run continue from a ``progress_state``."""
    run.number = progress["number"]
    run.examples = progress["examples"]
    run.seconds = progress["seconds"]
    run.retry_smaller.halvings = progress["halvings"]
    for rows in run.sparse_rows:  # the checkpoint may be of a run that trained whole tables
        rows.steps = run.number
        rows.decay = progress["decay"].get(rows.name, 1.0)
    if progress["scaler"]:  # empty where that run was not in fp16
        run.scaler.load_state_dict(progress["scaler"])


def optimizer_state(run: Run) -> OptimizerState:
    """The optimiser's tensors by name; for whole tables, also where a run trains some rows."""
    names = {parameter: name for name, parameter in run.parameters.items()}
    return {
        f"{names[parameter]}/{key}": _scatter(run, names[parameter], value)
        for parameter, state in run.optimizer.state.items()
        for key, value in state.items()
        if value is not None
    }


def load_optimizer_state(run: Run, state: OptimizerState) -> None:
    """Load an ``optimizer_state``. The run works on these tensors: pass copies of those to keep."""
    for path, value in state.items():
        name, _, key = path.rpartition("/")
        parameter = run.parameters[name]
        value = _gather(run, name, value)
        if value.ndim == 0:  # a counter of steps; a fused optimizer wants it on the device, too
            value = value.to(parameter.device)
        else:
            value = sharding.distribute_like(value, parameter)
        run.optimizer.state[parameter][key] = value


def _scatter(run: Run, name: str, value: torch.Tensor) -> torch.Tensor:
    """A tensor of trained rows as one of the whole table; others as they are."""
    rows = _rows_of_table(run, name, value)
    return value if rows is None else rows.scatter(value)


def _gather(run: Run, name: str, value: torch.Tensor) -> torch.Tensor:
    """A tensor of a whole table as one of the rows that this run trains; others as they are."""
    rows = _rows_of_table(run, name, value)
    return value if rows is None else rows.gather(value)


def _rows_of_table(run: Run, name: str, value: torch.Tensor) -> TrainedRows | None:
    matching = [rows for rows in run.sparse_rows if rows.name == name and value.ndim]
    return matching[0] if matching else None
