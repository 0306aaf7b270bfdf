"""The window that is asked for, and the one that model and tokenizer have."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import PreTrainedConfig
from transformers.tokenization_utils_base import LARGE_INTEGER

from ftlearn.compatibility.findings import Finding

ENDLESS = int(1e30)
"""What transformers calls the window of a tokenizer that has none."""


def positions(model: nn.Module) -> int | None:
    """Tokens of a text that a model has positions for; None where its configuration is silent.

    RoBERTa's family counts positions from its padding token, so those up to it are not for texts.
    """
    config = getattr(model, "config", None)
    if not isinstance(config, PreTrainedConfig):
        return None
    found = getattr(config.get_text_config(), "max_position_embeddings", None)
    if found is None:
        return None
    padding = position_padding(model)
    return ENDLESS if found <= 0 else found - (0 if padding is None else padding + 1)  # XLNet: -1


def position_padding(model: nn.Module) -> int | None:
    """The padding token that a model counts its positions from, if it does."""
    tables = [part for name, part in model.named_modules() if name.endswith("position_embeddings")]
    return getattr(tables[0], "padding_idx", None) if tables else None


def task_and_window(task: Any, model: nn.Module | None, tokenizer: Any) -> list[Finding]:
    """A note where a task asks for a longer window than model and tokenizer have."""
    asked = getattr(task, "max_length", None)
    allowed = getattr(tokenizer, "model_max_length", None)
    if asked is None or allowed is None or asked <= allowed:
        return []
    possible = positions(model) if model is not None else None
    if possible is not None and allowed < min(asked, possible):
        why = (
            f"the tokenizer allows (its model_max_length); the model has {possible} positions, so "
            f"set tokenizer.model_max_length = {min(asked, possible)} to use more"
        )
    else:
        why = "the model has positions for; for more, take a model with a longer window"
    message = (
        f"max_length is {asked}, and texts are read up to {allowed} tokens, which is all {why}"
    )
    return [Finding("window", message)]


def cut(count: int, texts: int, window: int, longest: int, allowed: int) -> str:
    """The sentence on texts that were cut, with what would keep more of them.

    ``allowed`` is the longest window that model and tokenizer have.

    >>> print(cut(2, 9, 64, 80, 512))
    2 of 9 texts are longer than 64 tokens (the longest has 80) and were cut at the end; fit with a
    larger max_length (up to 512) to keep more
    >>> print(cut(2, 9, 512, 800, 512))
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
