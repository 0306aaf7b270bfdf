"""Long contexts cut into windows that share some tokens with their neighbours.

    context   t0 t1 t2 t3 t4 t5 t6 t7      room for 4 tokens, stride 2
    window 0  t0 t1 t2 t3
    window 1        t2 t3 t4 t5
    window 2              t4 t5 t6 t7

Each window is encoded together with the whole question. Every span of at most ``stride`` tokens is
complete in at least one window.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ftlearn.data.errors import DataError

Spans = list[tuple[int, int]]
"""The first character of each token, and the one after its last."""


class Window(NamedTuple):
    """A part of a row's context.

    row      the row it belongs to
    first    the position of its first context token among its input ids
    skipped  the number of context tokens before it
    spans    the characters of each of its context tokens
    """

    row: int
    first: int
    skipped: int
    spans: Spans


def cut(
    tokenizer: Any,
    questions: Sequence[str],
    contexts: Sequence[str],
    *,
    max_length: int,
    stride: int,
) -> tuple[dict[str, list[list[int]]], list[Window]]:
    """Model inputs of all windows, in the order of the rows, and which part of a row each holds.

    A window has at most ``max_length`` tokens: those of the question, those that the tokenizer adds
    and some of the context. Raises DataError where a question leaves no room for more than
    ``stride`` tokens, and where the tokenizer counts no characters, or puts no token of its own
    before a question.
    """
    _check_room(tokenizer, questions, max_length, stride)
    encoding = tokenizer(
        list(questions),
        list(contexts),
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    rows = encoding.pop("overflow_to_sample_mapping")
    spans = encoding.pop("offset_mapping")
    sequences = [encoding.sequence_ids(window) for window in range(len(rows))]
    if sequences[0][0] is not None:
        raise DataError(
            "the tokenizer puts no token of its own before a question, and a reader points to that "
            "one where there is no answer: load an encoder such as 'minilm'"
        )
    inputs = {name: list(ids) for name, ids in encoding.items()}
    return inputs, _windows(rows, spans, sequences, stride)


def _check_room(tokenizer: Any, questions: Sequence[str], max_length: int, stride: int) -> None:
    """Raise DataError where a question leaves a window too little room to move on."""
    if not tokenizer.is_fast:
        raise DataError(
            f"{type(tokenizer).__name__} does not say where its tokens stand in a text: load a "
            "model with a fast tokenizer (tokenizer.json)"
        )
    added = tokenizer.num_special_tokens_to_add(pair=True)
    ids = tokenizer(list(questions), add_special_tokens=False, verbose=False)["input_ids"]
    for row, question in enumerate(ids):
        room = max_length - added - len(question)
        if room <= stride:
            raise DataError(
                f"the question of row {row} has {len(question)} tokens and leaves room for "
                f"{max(0, room)} of its context in a window of {max_length}, which is not more "
                f"than the stride of {stride}: shorten it, or raise max_length"
            )


def _windows(
    rows: Sequence[int], spans: Sequence[Spans], sequences: Sequence[list[int | None]], stride: int
) -> list[Window]:
    windows: list[Window] = []
    for row, tokens, sequence in zip(rows, spans, sequences, strict=True):
        first = sequence.index(1) if 1 in sequence else len(sequence)
        before = windows[-1] if windows and windows[-1].row == row else None
        skipped = before.skipped + len(before.spans) - stride if before else 0
        in_context = [tokens[position] for position, part in enumerate(sequence) if part == 1]
        windows.append(Window(row, first, skipped, in_context))
    return windows


def whole_contexts(windows: Sequence[Window]) -> list[Spans]:
    """The characters of every token of each row's context.

    >>> whole_contexts([Window(0, 3, 0, [(0, 2), (3, 5)]), Window(0, 3, 1, [(3, 5), (6, 9)])])
    [[(0, 2), (3, 5), (6, 9)]]
    """
    contexts = []
    for _, parts in groupby(windows, key=lambda window: window.row):
        tokens: Spans = []
        for window in parts:
            tokens += window.spans[len(tokens) - window.skipped :]
        contexts.append(tokens)
    return contexts


def tokens_of(spans: Spans, start: int, end: int) -> tuple[int, int] | None:
    """The first and the last token that hold some of the characters start..end−1, if any do.

    >>> tokens_of([(0, 2), (3, 5), (6, 9)], 4, 7)
    (1, 2)
    """
    touched = [
        token for token, (first, last) in enumerate(spans) if max(first, start) < min(last, end)
    ]
    return (touched[0], touched[-1]) if touched else None
