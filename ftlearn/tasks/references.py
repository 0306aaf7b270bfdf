"""The right answers of rows, and the tokens in which they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftlearn.data.windows import Spans, Window, tokens_of
from ftlearn.errors import ArgumentError
from ftlearn.tasks import spans

Tokens = tuple[int, int]
"""The first and the last token of an answer."""


@dataclass(frozen=True)
class Reference:
    """A context and the answers that count as right, each with its first character; maybe none."""

    context: str
    answers: tuple[str, ...]
    starts: tuple[int, ...]


def read_reference(row: int, context: str, cell: Any) -> Reference:
    """The answers of a row, checked against its context."""
    try:
        texts, starts = cell["text"], cell["answer_start"]
        answers = list(zip(texts, starts, strict=True))
    except (TypeError, KeyError, ValueError):
        raise ArgumentError(
            f"the answers of row {row} are {str(cell)[:60]}: give "
            '{"text": [...], "answer_start": [...]} with lists of one length'
        ) from None
    for text, start in answers:
        if not text.strip() or context[start : start + len(text)] != text:
            raise ArgumentError(
                f"the answer {text[:40]!r} of row {row} does not stand at character {start} of "
                f"its context, where {context[start : start + max(1, len(text))][:40]!r} does: "
                "correct its start, or leave the row out"
            )
    return Reference(context, tuple(texts), tuple(starts))


def check_tokens(tokens: Sequence[Spans], column: str) -> None:
    """Raise ArgumentError for a context without any token."""
    for row, context in enumerate(tokens):
        if not context:
            raise ArgumentError(
                f"the tokenizer finds nothing to read in row {row} of column {column!r}: "
                "drop the row or fill it in"
            )


def answer_tokens(references: Sequence[Reference], tokens: Sequence[Spans]) -> list[Tokens | None]:
    """The first and last token of each row's first answer in its context; None for no answer."""
    answers = []
    for row, (reference, context) in enumerate(zip(references, tokens, strict=True)):
        answer = None
        if reference.answers:
            text, start = reference.answers[0], reference.starts[0]
            answer = tokens_of(context, start, start + len(text))
            if answer is None:
                raise ArgumentError(
                    f"the answer {text[:40]!r} of row {row} holds nothing that the tokenizer "
                    "reads: leave the row out"
                )
        answers.append(answer)
    return answers


def answer_in(window: Window, answers: Sequence[Tokens | None]) -> Tokens | None:
    """The positions of the answer in a window; ``spans.NULL`` twice where it holds none of it.

    None where it holds a part of it.
    """
    answer = answers[window.row]
    past = window.skipped + len(window.spans)
    if answer is None or answer[1] < window.skipped or answer[0] >= past:
        return (spans.NULL, spans.NULL)
    if answer[0] < window.skipped or answer[1] >= past:
        return None
    shift = window.first - window.skipped
    return (answer[0] + shift, answer[1] + shift)


def check_whole(
    marks: Sequence[list[int]],
    windows: Sequence[Window],
    answers: Sequence[Tokens | None],
    stride: int,
) -> None:
    """Raise ArgumentError for an answer that no window holds completely."""
    whole = {part.row for part, row in zip(windows, marks, strict=True) if max(row[1:]) > 0}
    for row, answer in enumerate(answers):
        if answer and row not in whole:
            length = answer[1] - answer[0] + 1
            raise ArgumentError(
                f"the answer of row {row} has {length} tokens and is cut in every window: use "
                f"a stride of {length} in place of {stride}, or a larger max_length"
            )
