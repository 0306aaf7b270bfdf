"""The window that a task asks for, and the one that model and tokenizer have."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import PreTrainedConfig
from transformers.tokenization_utils_base import LARGE_INTEGER

from ftlearn.compatibility.findings import Finding

ENDLESS = int(1e30)
"""The window that transformers gives to a tokenizer without a limit."""


def positions(model: nn.Module) -> int | None:
    """Tokens of a text that a model has positions for; None where its configuration does not say.

    RoBERTa and its relatives count positions from the padding id, so those up to it are not used.
    Tokens that an adapter learned before the text take positions, too.
    """
    config = getattr(model, "config", None)
    if not isinstance(config, PreTrainedConfig):
        return None
    embeddings = getattr(config.get_text_config(), "max_position_embeddings", None)
    if embeddings is None:
        return None
    if embeddings <= 0:  # XLNet has -1: no limit
        return ENDLESS
    padding = position_padding(model)
    free = embeddings if padding is None else embeddings - (padding + 1)
    return free - learned_tokens(model)


def learned_tokens(model: nn.Module) -> int:
    """How many tokens an adapter of a model puts before a text, in peft's configuration."""
    adapters = (getattr(model, "peft_config", None) or {}).values()
    return sum(getattr(adapter, "num_virtual_tokens", None) or 0 for adapter in adapters)


def position_padding(model: nn.Module) -> int | None:
    """The padding id that a model counts its positions from, or None."""
    tables = [
        module for name, module in model.named_modules() if name.endswith("position_embeddings")
    ]
    return getattr(tables[0], "padding_idx", None) if tables else None


def task_and_window(task: Any, model: nn.Module | None, tokenizer: Any) -> list[Finding]:
    """A note where a task asks for a longer window than model and tokenizer have."""
    requested = getattr(task, "max_length", None)
    allowed = getattr(tokenizer, "model_max_length", None)
    if requested is None or allowed is None or requested <= allowed:
        return []
    possible = positions(model) if model is not None else None
    if possible is not None and allowed < min(requested, possible):
        reason = (
            f"the tokenizer allows (its model_max_length); the model has {possible} positions, so "
            f"set tokenizer.model_max_length = {min(requested, possible)} to use more"
        )
    elif model is not None and learned_tokens(model):
        reason = f"the model has positions for beside the {learned_tokens(model)} that it learned"
    else:
        reason = "the model has positions for; for more, take a model with a longer window"
    message = (
        f"max_length is {requested}, and texts are read up to {allowed} tokens, which is all "
        f"{reason}"
    )
    return [Finding("window", message)]


def truncation_message(count: int, texts: int, window: int, longest: int, allowed: int) -> str:
    """The message on texts that were cut, with the remedy that keeps more of them.

    ``allowed`` is the longest window that model and tokenizer have.

    >>> print(truncation_message(2, 9, 64, 80, 512))
    2 of 9 texts are longer than 64 tokens (the longest has 80) and were cut at the end; fit with a
    larger max_length (up to 512) to keep more
    >>> print(truncation_message(2, 9, 512, 800, 512))
    2 of 9 texts are longer than 512 tokens (the longest has 800) and were cut at the end; this is
    all the model reads: shorten them, or take a model with a longer window
    """
    remedy = "this is all the model reads: shorten them, or take a model with a longer window"
    if window < allowed:
        limit = f" (up to {allowed})" if allowed < LARGE_INTEGER else ""
        remedy = f"fit with a larger max_length{limit} to keep more"
    return (
        f"{count} of {texts} texts are longer than {window} tokens (the longest has {longest}) "
        f"and were cut at the end; {remedy}"
    )
