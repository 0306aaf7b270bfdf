"""Logits of a language model only where the loss counts.

A vocabulary has tens of thousands of tokens, so the logits are the largest tensor of a training
step and their product one of the most expensive. The prompt and the padding need none. While
``counted_logits`` is on, the head sees the hidden states of the N positions whose next token counts
and returns (N, V) instead of (B, T, V); loss and gradients are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ftlearn.data.batching import RowTargets, target_ids
from ftlearn.losses import IGNORED, accepts_counted_logits
from ftlearn.models.wrapping import method_of, virtual_token_count


@contextmanager
def counted_logits(
    model: nn.Module, targets: torch.Tensor | RowTargets, function: Callable[..., Any]
) -> Iterator[None]:
    """A context in which a language model gives logits (N, V) for targets (B, T) that count.

    Targets may have numbers per row beside them (``data.batching.RowTargets``).
    ``function`` takes logits and targets; unless it is marked by ``losses.on_counted_logits``, and
    for models without an output embedding, nothing changes.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> from ftlearn import tasks
    >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=8, n_head=2, n_layer=1))
    >>> ids = torch.tensor([[1, 2, 3, 4]])
    >>> targets = torch.tensor([[-100, -100, 3, 4]])
    >>> with counted_logits(model, targets, tasks.language_modelling().loss):
    ...     model(ids).logits.shape
    torch.Size([2, 9])
    """
    head = output_embeddings(model) if accepts_counted_logits(function) else None
    if head is None:
        yield
        return
    # Position t predicts the token at t + 1, and the last position predicts nothing.
    positions = F.pad(target_ids(targets)[:, 1:] != IGNORED, (0, 1))
    adapted = getattr(model, "module", model)
    if method_of(adapted) == "prompt":  # learned tokens predict nothing
        positions = F.pad(positions, (virtual_token_count(adapted), 0))

    def select(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not inputs or inputs[0].shape[:2] != positions.shape:
            return None
        return (inputs[0][positions], *inputs[1:])

    hook = head.register_forward_pre_hook(select)
    try:
        yield
    finally:
        hook.remove()


def output_embeddings(model: nn.Module) -> nn.Module | None:
    """The layer from hidden states to logits over the vocabulary; None for other models.

    >>> output_embeddings(nn.Linear(2, 2)) is None
    True
    """
    model = getattr(model, "module", model)  # inside DDP
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return head if isinstance(head, nn.Module) else None


@contextmanager
def without_cache(model: nn.Module) -> Iterator[None]:
    """A context in which a decoder copies no keys and values into a cache that nobody reads.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=8, n_head=2, n_layer=1))
    >>> with without_cache(model):
    ...     model(torch.tensor([[1, 2]])).past_key_values is None
    True
    """
    config = getattr(getattr(model, "module", model), "config", None)
    if getattr(config, "use_cache", None) is not True:
        yield
        return
    config.use_cache = False
    try:
        yield
    finally:
        config.use_cache = True
