"""What the optimiser of a run remembers, by parameter, taken out of it and put back."""

from __future__ import annotations

import torch

from ftlearn import parallel
from ftlearn.tables import Rows
from ftlearn.training.loop import Run

Memory = dict[str, torch.Tensor]
"""Tensors by names such as ``classifier.weight/exp_avg``."""


def memory_of(run: Run) -> Memory:
    """What the optimiser knows, of whole tables too where the run trains some of their rows."""
    names = {parameter: name for name, parameter in run.trained.items()}
    return {
        f"{names[parameter]}/{kind}": _whole(run, names[parameter], value)
        for parameter, known in run.optimizer.state.items()
        for kind, value in known.items()
        if value is not None
    }


def remember(run: Run, memory: Memory) -> None:
    """Give the optimiser a memory. The run works on these tensors: pass copies of those to keep."""
    for key, value in memory.items():
        name, _, kind = key.rpartition("/")
        parameter, value = run.trained[name], _part(run, name, value)
        # A fused optimizer wants its counters, too, where the weights are.
        single = value.ndim == 0
        known = value.to(parameter.device) if single else parallel.like(value, parameter)
        run.optimizer.state[parameter][kind] = known


def _whole(run: Run, name: str, value: torch.Tensor) -> torch.Tensor:
    rows = _used_rows(run, name, value)
    return value if rows is None else rows.spread(value)


def _part(run: Run, name: str, value: torch.Tensor) -> torch.Tensor:
    rows = _used_rows(run, name, value)
    return value if rows is None else rows.picked(value)


def _used_rows(run: Run, name: str, value: torch.Tensor) -> Rows | None:
    found = [rows for rows in run.tables if rows.name == name and value.ndim]
    return found[0] if found else None
