"""What each choice in ftlearn's loop gains: each switched by itself, beside the default."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from ftlearn import models, runtime
from ftlearn.benchmark import contenders, peak
from ftlearn.benchmark.part_result import Part
from ftlearn.benchmark.throughput import Amount, Comparison, Entry, compare
from ftlearn.benchmark.timing import Log, spread
from ftlearn.benchmark.workload import Workload
from ftlearn.data.batching import Batch, Batches, collate, plan
from ftlearn.fast import autotune
from ftlearn.models import architecture
from ftlearn.training import Run

DEFAULT = "default"


class ShuffledBatches(Batches):
    """Batches in shuffled order, whatever the lengths of their texts; each is one micro-batch."""

    def epoch(self, number: int, *, skip: int = 0) -> Iterator[list[Batch]]:
        """The batches of one epoch after the first ``skip``."""
        lengths, size = self.encoded.lengths, self.batch_size
        for rows in plan(lengths, size, seed=self.seed, epoch=number, bucketed=False)[skip:]:
            yield [collate(self.encoded, rows, self.tokenizer)]


def shuffle(batches: Batches) -> ShuffledBatches:
    """The same rows without buckets of similar length."""
    return ShuffledBatches(
        batches.encoded, batches.tokenizer, batches.batch_size, seed=batches.seed
    )


def unfuse_optimizer(run: Run) -> None:
    """AdamW in many small operations instead of one pass over memory."""
    for group in run.optimizer.param_groups:
        group["fused"] = False


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

    def lever(**options: Any) -> Entry:
        format_name = options.get("precision", runtime.name_of(dtype))
        prepare: Callable = partial(contenders.ftlearn_loop, work, **options)
        return Entry(prepare, runtime.PRECISIONS[format_name])

    return {
        DEFAULT: lever(),
        "no buckets by length": lever(change_batches=shuffle),
        "dropout 0.1": lever(dropout=0.1),
        "AdamW not fused": lever(change_run=unfuse_optimizer),
        "last layer for all tokens": lever(without=("cls_only",)),
        "layers operation by operation": lever(without=("fused_bert",)),
        "all rows of the word table": lever(without=("sparse_embeddings",)),
        "hidden states in fp32": lever(without=("bf16_hidden_states",)),
        f"attention {attention}": lever(
            change_model=lambda model: model.set_attn_implementation(attention)
        ),
        f"precision {other}": lever(precision=other),
        "embeddings frozen": lever(change_model=freeze_embeddings),
        "lower half frozen": lever(change_model=freeze_lower_half),
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
