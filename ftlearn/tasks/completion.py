"""Learn to complete a prompt: of all tokens, those of the answer count."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftlearn.errors import ArgumentError
from ftlearn.tasks import control_tokens
from ftlearn.tasks.answers import AnsweredRow, AnswerModelling, Count
from ftlearn.tasks.base import Truncation, check_texts
from ftlearn.tasks.chat_template import Answer
from ftlearn.tasks.control_tokens import Tokens


class BorderWarning(UserWarning):
    """Some prompts end within a token, which generation would cut."""


@dataclass(frozen=True, kw_only=True)
class Completion(AnswerModelling):
    """A prompt and its answer, written one right after the other, and the end token.

    Both are tokenised as one text. A token that holds characters of both counts, since the answer
    begins in it; a BorderWarning says so, because generation tokenises the prompt alone. So a space
    between them belongs to the answer: "Capital of France:" and " Paris".
    """

    text: tuple[str, str] = ("prompt", "answer")
    target: str = "answer"
    max_length: int = 256

    def answered_rows(self, rows: Sequence[Any], tokenizer: Any) -> list[AnsweredRow]:
        columns = list(zip(*rows, strict=True))
        prompts, answers = map(check_texts, columns, self.text)
        if tokenizer.eos_token is None:
            raise ArgumentError(
                "this tokenizer has no end token, so that a model would never stop: set "
                "tokenizer.eos_token"
            )
        control = control_tokens.pattern(tokenizer)
        texts = [
            control_tokens.marked(prompt, control)
            + control_tokens.marked(answer, control)
            + tokenizer.eos_token
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        tokenised = control_tokens.tokenise(tokenizer, texts, control)
        borders = [len(control_tokens.unmarked(prompt)) for prompt in prompts]
        if self.truncation == "warn":
            self._warn_of_borders(tokenised, prompts, tokenizer)
        beginning = beginning_of_text(tokenizer)
        return [
            _answered_row(tokens, border, beginning, tokenizer)
            for tokens, border in zip(tokenised, borders, strict=True)
        ]

    def _warn_of_borders(
        self, tokenised: Sequence[Tokens], prompts: Sequence[str], tokenizer: Any
    ) -> None:
        """Warn where the tokens of a prompt alone are not those that its row begins with."""
        control = control_tokens.pattern(tokenizer)
        marked = [control_tokens.marked(prompt, control) for prompt in prompts]
        alone = control_tokens.tokenise(tokenizer, marked, control)
        differing = [
            row
            for row, (whole, prompt) in enumerate(zip(tokenised, alone, strict=True))
            if whole.ids[: len(prompt.ids)] != prompt.ids
        ]
        if not differing:
            return
        warnings.warn(
            f"{len(differing)} of {len(prompts)} prompts end within a token, the first on row "
            f"{differing[0]} in {prompts[differing[0]][-20:]!r}: generation tokenises the prompt "
            "alone and would continue from other tokens. Move spaces at the end of a prompt to the "
            "start of its answer",
            BorderWarning,
            stacklevel=5,
        )


def completion(
    *,
    prompt: str = "prompt",
    answer: str = "answer",
    count: Count = "answers",
    max_length: int = 256,
    truncation: Truncation = "warn",
) -> Completion:
    """A task on two text columns, a prompt and the answer that continues it.

    ``count`` and ``truncation`` as in ``chat``.

    >>> completion(answer="summary").text
    ('prompt', 'summary')
    """
    return Completion(
        text=(prompt, answer),
        target=answer,
        count=count,
        max_length=max_length,
        truncation=truncation,
    )


def prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    """The ids of a prompt as training reads it; control tokens typed into it are plain text."""
    control = control_tokens.pattern(tokenizer)
    text = control_tokens.marked(prompt, control)
    tokens = control_tokens.tokenise(tokenizer, [text], control)[0]
    return [*beginning_of_text(tokenizer), *tokens.ids]


def beginning_of_text(tokenizer: Any) -> list[int]:
    """The token that this tokenizer puts before every text, if there is one."""
    ids = tokenizer("")["input_ids"]
    return ids[:1] if ids[:1] == [tokenizer.bos_token_id] else []


def _answered_row(tokens: Tokens, border: int, beginning: list[int], tokenizer: Any) -> AnsweredRow:
    """The row with the token that begins a text, and its answer up to the end token."""
    start = next(index for index, end in enumerate(tokens.ends) if end > border)
    shifted = Tokens(tokens.text, [*beginning, *tokens.ids], [*[0] * len(beginning), *tokens.ends])
    return AnsweredRow(shifted, [Answer(start + len(beginning), len(shifted.ids) - 1)])
