"""What a language model writes before and after its training, and what it has forgotten."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from datasets import Dataset
from torch import nn

from ftlearn import data
from ftlearn.evaluation import report_on
from ftlearn.generation import Decoding, Generated, generate, measures
from ftlearn.tasks import Chat, Completion, Preference, Task, language_modelling
from ftlearn.tasks.sequences import comparisons

PROMPTS = 16
"""Rows of the test part, evenly spaced, whose prompts are answered."""
SHOWN = 8
"""Answers that report.json and the page hold."""
NEW_TOKENS = 64
OPENING = 12
"""Words with which a text begins that a language model without prompts is to continue."""
GENERIC_TEXTS = 24
"""Articles of the course's own corpus on which forgetting is measured."""


@dataclass(frozen=True)
class Writing:
    """Answers to prompts of the test rows, and the loss on texts that no run is about."""

    prompts: list[Any]
    references: list[str]
    answers: list[Generated]
    generic_loss: float
    """Nats per token."""

    def scores(self) -> dict[str, float]:
        """Measures of the answers: the share that ended, lengths, repetition, variety."""
        texts = [answer.text for answer in self.answers]
        repeated = [measures.repetition(text) for text in texts]
        long_enough = [share for share in repeated if not math.isnan(share)]
        return {
            "stop_rate": measures.stop_rate(self.answers),
            "tokens": fmean(answer.tokens for answer in self.answers),
            "repetition": fmean(long_enough) if long_enough else 0.0,
            "distinct_2": measures.distinct(texts, 2),
            "generic_loss": self.generic_loss,
        }


def observe(model: nn.Module, tokenizer: Any, task: Task, test: Dataset) -> Writing:
    """Have a model write for some prompts of the test part, and measure what it has forgotten."""
    rows = test.select(evenly_spaced(len(test), PROMPTS))
    prompts, references = prompts_of(rows, task)
    answers = generate(
        model, tokenizer, prompts, decoding=Decoding(max_new_tokens=NEW_TOKENS), progress=True
    )
    generic = language_modelling(max_length=task.max_length, truncation="silent")
    articles = data.load("topics")["valid"].select(range(GENERIC_TEXTS))
    return Writing(
        prompts,
        references,
        answers,
        report_on(model, articles, generic, tokenizer).scores["loss"],
    )


def evenly_spaced(rows: int, count: int) -> list[int]:
    """The numbers of at most ``count`` of the rows.

    >>> evenly_spaced(10, 4), evenly_spaced(2, 4)
    ([0, 2, 5, 7], [0, 1])
    """
    return list(range(rows)) if rows <= count else [at * rows // count for at in range(count)]


def prompts_of(rows: Dataset, task: Task) -> tuple[list[Any], list[str]]:
    """The prompts of rows, and what stands there as the answer.

    Of a conversation it is the last message of the assistant, of two answers the chosen one; of a
    text without a prompt, all after its first words.
    """
    if isinstance(task, Preference):
        pairs = [pair[:2] for pair in comparisons(rows, (*task.text, task.target))]
    elif isinstance(task, Chat):
        pairs = [_last_answer(messages) for messages in rows[task.text]]
    elif isinstance(task, Completion):
        pairs = list(zip(*(rows[name] for name in task.text_columns), strict=True))
    else:
        pairs = [_opening(text) for text in rows[task.text]]
    prompts, references = zip(*pairs, strict=True)
    return list(prompts), list(references)


def _last_answer(messages: Sequence[Mapping[str, str]]) -> tuple[list[Any], str]:
    last = max(at for at, message in enumerate(messages) if message["role"] == "assistant")
    return list(messages[:last]), messages[last]["content"]


def _opening(text: str) -> tuple[str, str]:
    """The first words of a text, and the rest with the space that separates them.

    >>> _opening("One two three.")
    ('One', ' two three.')
    """
    words = text.split()
    count = max(1, min(OPENING, len(words) // 2))
    start = 0
    for word in words[:count]:
        start = text.index(word, start) + len(word)
    return text[:start], text[start:]


def as_text(prompt: Any) -> str:
    """A prompt as one reads it: of messages the last.

    >>> as_text([{"role": "user", "content": "Where is it?"}])
    'Where is it?'
    """
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]


def comparison(before: Writing, after: Writing) -> dict[str, Any]:
    """Both for ``report.json``: the measures, and some answers side by side."""
    pairs = zip(before.prompts, before.references, before.answers, after.answers, strict=True)
    return {
        "before": before.scores(),
        "after": after.scores(),
        "samples": [
            {
                "prompt": as_text(prompt),
                "reference": reference,
                "before": untrained.text,
                "after": trained.text,
            }
            for prompt, reference, untrained, trained in list(pairs)[:SHOWN]
        ],
    }
