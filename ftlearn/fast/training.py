"""Faster training updates with the same result: one context for all speed-ups."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import nn

from ftlearn.config import TrainConfig
from ftlearn.data.batching import Batches
from ftlearn.errors import ArgumentError
from ftlearn.fast.bf16_hidden_states import bf16_hidden_states
from ftlearn.fast.checkpointed_layers import checkpointed_layers
from ftlearn.fast.cls_only import cls_only
from ftlearn.fast.counted_logits import without_cache
from ftlearn.fast.frozen_prefix import FrozenPrefix
from ftlearn.fast.fused_bert import fused_layers
from ftlearn.fast.fused_llama import fused_decoder_layers
from ftlearn.fast.sparse_embeddings import TrainedRows, trained_rows
from ftlearn.runtime import distributed
from ftlearn.runtime.arithmetic import Arithmetic, products_by

SPEEDUPS = (
    "bf16_hidden_states",
    "cls_only",
    "counted_logits",
    "frozen_prefix",
    "fused_bert",
    "fused_llama",
    "sparse_embeddings",
)
"""Speed-ups that can be switched off by name, each a module beside this one."""


@contextmanager
def speed_up(
    model: nn.Module,
    arithmetic: Arithmetic,
    rows: Sequence[TrainedRows] = (),
    prefix: FrozenPrefix | None = None,
    *,
    without: Collection[str] = (),
) -> Iterator[None]:
    """A context for one forward and backward pass that saves time and changes no result.

    A speed-up does nothing for a model that it does not know. ``rows`` are trained in place of
    embedding tables, and ``prefix`` stands in for frozen layers; speed-ups named in ``without`` are
    switched off.

    >>> with speed_up(nn.Linear(1, 1), Arithmetic()):
    ...     pass
    """
    with ExitStack() as stack:
        for trained in rows:
            trained.read()  # the model may have been changed since the last update
            stack.enter_context(trained.active())
        stack.enter_context(products_by(onednn=arithmetic.onednn))
        stack.enter_context(without_cache(model))
        if "bf16_hidden_states" not in without:
            stack.enter_context(bf16_hidden_states(model, arithmetic.dtype))
        if "cls_only" not in without:
            stack.enter_context(cls_only(model))
        if "fused_bert" not in without:
            stack.enter_context(fused_layers(model, arithmetic.dtype))
        if "fused_llama" not in without:
            stack.enter_context(fused_decoder_layers(model, arithmetic.dtype))
        stack.enter_context(checkpointed_layers(model))  # computes again what the others compute
        if prefix is not None:
            stack.enter_context(prefix.active(arithmetic))  # last: the others speed it up as well
        yield


def sparse_rows(
    model: nn.Module, batches: Batches, config: TrainConfig, without: Collection[str] = ()
) -> list[TrainedRows]:
    """Embedding tables of which only the rows in use need to be trained; usually one or none.

    Empty where it would change the result: where weight decay is part of the gradient (Adam,
    momentum), and where other ranks use other rows.
    """
    decoupled = config.optimizer == "adamw" or config.weight_decay == 0
    if not decoupled or distributed.world_size() > 1 or "sparse_embeddings" in without:
        return []
    if not isinstance(batches, Batches):
        return []
    padding = [batches.tokenizer.pad_token_id]  # no text holds it, and every batch may
    return trained_rows(model, [*batches.encoded.inputs["input_ids"], padding])


def check_speedups(names: Collection[str]) -> None:
    """Raise ArgumentError for a name that is no speed-up.

    >>> check_speedups(["cls_only"])
    """
    for name in names:
        if name not in SPEEDUPS:
            raise ArgumentError(f"unknown speed-up {name!r}: use {', '.join(SPEEDUPS)}")
