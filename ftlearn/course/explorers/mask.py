"""Which tokens of a dialogue count in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ftlearn.course.explorers.view import View
from ftlearn.errors import ArgumentError
from ftlearn.tasks.answers import AnswerModelling, Count

LEARNED = {
    "answers": "the answers with their end tokens, so the model learns when to stop",
    "last answer": "the last answer with its end token; earlier answers are only read",
    "all": "all but the first, which nothing predicts, so the model learns to ask, too",
    "answers without end": "the answers, but not their end tokens; the model never learns to stop",
}
"""What counts, and what follows from it."""


def mask(
    task: AnswerModelling,
    rows: Sequence[Any],
    tokenizer: Any,
    *,
    row: int = 0,
    count: Count = "answers",
) -> View:
    """The tokens of one row, highlighted where they count in the loss.

    ``task`` is a chat or a completion, whose own ``count`` is replaced by the given one. Raises
    ValueError for a row that is not there and for an unknown ``count``.
    """
    if not 0 <= row < len(rows):
        raise ArgumentError(f"row is {row}: use a number from 0 to {len(rows) - 1}")
    tokens = replace(task, count=count).show(rows[row], tokenizer)
    return View(_sentence(sum(tokens.counts), len(tokens.counts), LEARNED[count]), (tokens,))


def _sentence(counted: int, total: int, learned: str) -> str:
    """How many tokens count, and what the model learns; whole, so that it can be translated."""
    share = f"{counted / total:.0%}".replace("%", " %")
    if counted == 1:
        return f"1 of {total} tokens counts ({share}): {learned}."
    return f"{counted} of {total} tokens count ({share}): {learned}."
