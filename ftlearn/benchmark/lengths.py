"""Texts whose lengths are spread like those of short news."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from datasets import Dataset

SPREAD = 0.34
"""Standard deviation of the logarithm of the lengths: sixteen such texts, as they come, are 42 %
padding, as was measured on AG News."""

SHORTEST = 8
"""Tokens of the shortest text."""


def like_news(rows: Dataset, task: Any, tokenizer: Any, *, mean: int, seed: int) -> Dataset:
    """The same rows with texts of log-normal length, of ``mean`` tokens on average.

    Each text is cut where it is longer than drawn for it, and goes on with other texts of its
    label where it is shorter: something to measure speed on, and hardly to read. Lengths count
    the special tokens and end at the task's window.
    """
    random = np.random.default_rng(seed)
    noise = SPREAD * random.standard_normal(len(rows))
    lengths = np.clip(mean * np.exp(noise - SPREAD**2 / 2), SHORTEST, task.max_length)
    texts: dict[Any, list[str]] = {}
    for text, label in zip(rows[task.text], rows[task.target], strict=True):
        texts.setdefault(label, []).append(text)

    def others(label: Any) -> Iterator[str]:
        while True:
            yield texts[label][random.integers(len(texts[label]))]

    given = zip(rows[task.text], rows[task.target], lengths, strict=True)
    changed = [of_length(text, round(n), others(label), tokenizer) for text, label, n in given]
    return rows.remove_columns(task.text).add_column(task.text, changed)


def of_length(text: str, tokens: int, more: Iterator[str], tokenizer: Any) -> str:
    """A text of so many tokens, with the special ones: its beginning, or it and ``more``."""
    wanted = tokens - tokenizer.num_special_tokens_to_add()
    while True:
        places = tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )["offset_mapping"]
        if len(places) >= wanted:
            return text[: places[wanted - 1][1]]
        text = f"{text} {next(more)}"
