"""Texts whose lengths are distributed like those of short news."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from datasets import Dataset

from ftlearn.data.adding_columns import add_columns

SPREAD = 0.34
"""Standard deviation of the logarithm of the lengths: batches of sixteen such texts, in any order,
are 42 % padding, as measured on AG News."""

SHORTEST = 8
"""Tokens of the shortest text."""


def with_news_lengths(rows: Dataset, task: Any, tokenizer: Any, *, mean: int, seed: int) -> Dataset:
    """The same rows with texts of log-normal length, of ``mean`` tokens on average.

    A length is drawn for each text. A longer text is cut, a shorter one is extended with other
    texts of its label: good for measuring speed, not for reading. Lengths count the special tokens
    and end at the task's window.
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

    changed = [
        cut_or_extend(text, round(length), others(label), tokenizer)
        for text, label, length in zip(rows[task.text], rows[task.target], lengths, strict=True)
    ]
    return add_columns(rows, {task.text: changed})


def cut_or_extend(text: str, tokens: int, more: Iterator[str], tokenizer: Any) -> str:
    """A text of ``tokens`` tokens, special ones included: its beginning, or it and ``more``."""
    count = tokens - tokenizer.num_special_tokens_to_add()
    while True:
        encoding = tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        offsets = encoding["offset_mapping"]
        if len(offsets) >= count:
            _, end = offsets[count - 1]
            return text[:end]
        text = f"{text} {next(more)}"
