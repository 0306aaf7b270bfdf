"""What each choice in ftlearn's loop gains: each switched by itself, beside the default."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from ftlearn import models, optim, runtime
from ftlearn.benchmark import contenders, peak
from ftlearn.benchmark.part import Part
from ftlearn.benchmark.throughput import Amount, Comparison, Entry, compare
from ftlearn.benchmark.timing import Log, spread
from ftlearn.benchmark.workload import Workload
from ftlearn.data import batching
from ftlearn.fast import autotune, sparse_embeddings, training
from ftlearn.models import architecture

DEFAULT = "default"


def without_buckets() -> AbstractContextManager:
    """Batches in shuffled order, whatever the lengths of their texts."""
    return patch.object(batching, "plan", partial(batching.plan, bucketed=False))


def without_fused_optimizer() -> AbstractContextManager:
    """AdamW in many small operations instead of one pass over memory."""

    def plain(name: str, groups: list[dict], learning_rate: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(groups, lr=learning_rate, fused=False)

    return patch.object(optim, "optimizer", plain)


def with_whole_last_layer() -> AbstractContextManager:
    """The last layer for all tokens, also where the head reads the first one only."""
    return patch.object(training, "first_token_only", lambda model: nullcontext())


def with_whole_table() -> AbstractContextManager:
    """Gradients and moments for all rows of the table of words, also the unused ones."""
    return patch.object(sparse_embeddings, "trained_rows", lambda model, ids: [])


def with_wide_stream() -> AbstractContextManager:
    """Hidden states in fp32 between the layers, as autocast alone has them."""
    return patch.object(training, "narrow_stream", lambda model, dtype: nullcontext())


def with_autograds_layers() -> AbstractContextManager:
    """The layers as transformers has them, each operation with a backward pass of its own."""
    return patch.object(training, "whole_blocks", lambda model, dtype: nullcontext())


def freeze_embeddings(model: nn.Module) -> None:
    """Freeze the table of token vectors."""
    architecture.freeze(model, "embeddings")


def freeze_lower_half(model: nn.Module) -> None:
    """Freeze the token vectors and the lower half of the layers: no gradient goes there."""
    freeze_embeddings(model)
    stack = architecture.layers(model)
    for layer in stack[: len(stack) // 2]:
        layer.requires_grad_(False)


def other_attention(model: nn.Module) -> str:
    """The implementation of attention that the model does not use: eager or sdpa."""
    return "sdpa" if model.config._attn_implementation == "eager" else "eager"


def levers(work: Workload) -> dict[str, Entry]:
    """The default loop, and one loop per lever, by a name that says what is changed."""
    dtype = autotune.training(work.model_config, work.device).dtype
    other = "fp32" if dtype is not torch.float32 else "bf16"
    attention = other_attention(models.load(work.folder, work.task, device=work.device)[0])

    def lever(**switched: Any) -> Entry:
        format_name = switched.get("precision", runtime.name_of(dtype))
        run: Callable = partial(contenders.ftlearn_loop, work, **switched)
        return Entry(run, runtime.PRECISIONS[format_name])

    return {
        DEFAULT: lever(),
        "no buckets by length": lever(within=without_buckets),
        "dropout 0.1": lever(dropout=0.1),
        "AdamW not fused": lever(within=without_fused_optimizer),
        "last layer for all tokens": lever(within=with_whole_last_layer),
        "layers operation by operation": lever(within=with_autograds_layers),
        "all rows of the word table": lever(within=with_whole_table),
        "hidden states in fp32": lever(within=with_wide_stream),
        f"attention {attention}": lever(
            change=lambda model: model.set_attn_implementation(attention)
        ),
        f"precision {other}": lever(precision=other),
        "embeddings frozen": lever(change=freeze_embeddings),
        "lower half frozen": lever(change=freeze_lower_half),
    }


def lever_speeds(work: Workload, *, examples: int, rounds: int, log: Log) -> Part:
    """Examples per second of ftlearn's loop with each lever switched, over the default's."""
    work = work.sample(examples, seed=work.seed)
    entries = levers(work)
    amount = Amount.of(work, work.encoded, passes=1 + peak.BACKWARD)
    comparison = compare(entries, amount, work.device, rounds, log)
    return Part(
        name="levers",
        title=f"Levers of ftlearn's loop, switched one at a time: {amount.examples} texts, "
        f"{amount.tokens / amount.examples:.0f} tokens on average",
        rows=[_row(comparison, row) for row in comparison.rows()],
        bars=comparison.bars(),
        unit="training examples per second",
        rounds=comparison.raw(),
        failures=comparison.outcome.failures,
    )


def _row(comparison: Comparison, row: dict[str, Any]) -> dict[str, Any]:
    """A row with the speed over the default's instead of a share: frozen parts do less work."""
    ratios = comparison.outcome.times_faster(row["contender"], DEFAULT)
    columns = {name: value for name, value in row.items() if name != "share"}
    return {**columns, "speed over default": spread(ratios).median if ratios else None}
