"""The progress of a run and the state of its optimiser: taken from a run, and loaded into one."""

from __future__ import annotations

from typing import Any

import torch

from ftlearn.runtime import sharding
from ftlearn.training.loop import Run

OptimizerState = dict[str, torch.Tensor]
"""Tensors by names such as ``classifier.weight/exp_avg``."""

ROWS = "rows"
"""The key of the numbers of the rows that a table's tensors hold, where they are not all."""


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
    """The optimiser's tensors by name.

    Of a table of which a run trains some rows, they hold these rows, and ``table/rows`` says which
    they are: the others, most of the table, are zero.
    """
    names = {parameter: name for name, parameter in run.parameters.items()}
    tensors = {
        f"{names[parameter]}/{key}": value
        for parameter, state in run.optimizer.state.items()
        for key, value in state.items()
        if value is not None
    }
    stored = {path.rpartition("/")[0] for path in tensors}
    used = {f"{rows.name}/{ROWS}": rows.used for rows in run.sparse_rows if rows.name in stored}
    return tensors | used


def load_optimizer_state(run: Run, state: OptimizerState) -> None:
    """Load an ``optimizer_state``. The run works on these tensors: pass copies of those to keep.

    It may be of a run that trained other rows of a table, or all of them.
    """
    for path, value in state.items():
        name, _, key = path.rpartition("/")
        if key == ROWS:
            continue
        parameter = run.parameters[name]
        if value.ndim == 0:  # a counter of steps; a fused optimizer wants it on the device, too
            value = value.to(parameter.device)
        else:
            value = _rows_to_train(run, name, value, state.get(f"{name}/{ROWS}"))
            value = sharding.distribute_like(value, parameter)
        run.optimizer.state[parameter][key] = value


def _rows_to_train(
    run: Run, name: str, value: torch.Tensor, held: torch.Tensor | None
) -> torch.Tensor:
    """The part of a parameter's tensor that this run trains, from one that holds some rows or all.

    Rows that it does not hold were not trained, and their part of an optimiser's state is zero.
    """
    trained = next((rows for rows in run.sparse_rows if rows.name == name), None)
    if held is not None:
        count = run.model.get_parameter(name).shape[0]
        value = value.new_zeros(count, *value.shape[1:]).index_copy_(0, held, value)
    return value if trained is None else trained.gather(value.to(trained.used.device))
