"""A ready-made objective: fine-tune with the settings, and yield the loss after each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ftlearn.search.running import Objective

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import nn

    from ftlearn.config import TrainConfig


def fine_tuning(
    make_model: Callable[[], nn.Module],
    data: DatasetDict,
    task: Any,
    tokenizer: Any,
    config: TrainConfig,
) -> Objective:
    """An objective that trains a fresh model with settings that replace those of ``config``.

    The settings are fields of ``TrainConfig``. After each epoch it yields the lowest loss on the
    part ``valid`` so far, which is the loss of the weights that ``fit`` would keep. A run that
    diverges is a failed trial. Raises KeyError for data without a part ``train`` or ``valid``;
    the objective raises ValueError for a setting that ``TrainConfig`` does not have.
    """
    # Imported here, so that a worker whose objective needs no torch does not load it.
    from ftlearn.data.part_names import require_part
    from ftlearn.evaluation import evaluate
    from ftlearn.training import TrainConfig, steps

    train, valid = require_part(data, "train"), require_part(data, "valid")
    known = [field.name for field in fields(TrainConfig)]

    def objective(**settings: Any) -> Iterator[float]:
        unknown = [name for name in settings if name not in known]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no training setting: use {', '.join(known)}")
        chosen = replace(config, **settings)
        model = make_model()
        best = math.inf
        batches = task.batches(train, tokenizer, chosen)
        with closing(steps(model, batches, task.loss, chosen, count=task.count_targets)) as run:
            for step in run:
                if step.ends_epoch:
                    scores = evaluate(model, valid, task, tokenizer).scores
                    best = min(best, scores[task.monitor])
                    yield best

    return objective
