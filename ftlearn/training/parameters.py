"""Which parameters a run trains, and at which rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from ftlearn import optim, runtime
from ftlearn.config import TrainConfig
from ftlearn.errors import ArgumentError
from ftlearn.fast.frozen_prefix import frozen_prefix
from ftlearn.fast.sparse_embeddings import TrainedRows
from ftlearn.fast.training import sparse_rows
from ftlearn.models import architecture
from ftlearn.runtime import distributed

if TYPE_CHECKING:
    from ftlearn.training.loop import Run


def trainable(model: nn.Module, sparse: list[TrainedRows]) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name; ``sparse`` rows in place of their tables."""
    parameters = {
        name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    for name, parameter in parameters.items():
        if parameter.dtype in (torch.bfloat16, torch.float16):
            raise ArgumentError(
                f"the weight {name!r} is in {runtime.name_of(parameter.dtype)}, which rounds most "
                "updates off: load the model in fp32, or give it adapters (models.with_lora)"
            )
    return parameters | {rows.name: rows.parameter for rows in sparse}


def parameter_groups(
    model: nn.Module, parameters: Mapping[str, nn.Parameter], config: TrainConfig
) -> list[dict]:
    """The optimiser's groups for the parameters of a run, each with its ``factor`` on the rate.

    Raises ValueError where nothing is trained, and for ``lora_plus_ratio`` without LoRA.
    """
    names = [name for name, _ in model.named_parameters()]
    if config.lora_plus_ratio != 1 and not any("lora_B" in name for name in names):
        raise ArgumentError(
            f"lora_plus_ratio is {config.lora_plus_ratio:g}, and the model has no LoRA: add it "
            "with models.with_lora, or leave lora_plus_ratio out"
        )
    by_layer = optim.layer_factors(names, config.layer_decay)
    by_matrix = optim.lora_plus_factors(names, config.lora_plus_ratio)
    factors = {
        name: by_matrix[name] * (1.0 if architecture.is_head(name) else by_layer[name])
        for name in names
    }
    return optim.parameter_groups(parameters, config.weight_decay, factors)


def renew_parameters(run: Run) -> None:
    """Have a run train what is not frozen now; the optimiser keeps the state of what it trained."""
    if distributed.world_size() > 1:
        raise ArgumentError("what is trained cannot change on several ranks: use one process")
    known = {rows.name: rows for rows in run.sparse_rows}
    rows_now = sparse_rows(run.model, run.batches, run.config, run.without)
    run.sparse_rows = [known.get(rows.name, rows) for rows in rows_now]
    for rows in run.sparse_rows:
        if rows.name not in known:
            rows.steps = run.number
            rows.follow(run.optimizer, steps=run.total)
    run.prefix = frozen_prefix(run.model, run.batches, run.config, run.without)
    run.parameters = trainable(run.model, run.sparse_rows)
    run.optimizer.param_groups.clear()
    for group in parameter_groups(run.model, run.parameters, run.config):
        run.optimizer.add_param_group(group)
    trained = set(run.parameters.values())
    for parameter in [weight for weight in run.optimizer.state if weight not in trained]:
        del run.optimizer.state[parameter]
        parameter.grad = None
