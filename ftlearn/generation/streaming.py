"""One answer, piece by piece, as it is made: in this thread, so nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from ftlearn.errors import ArgumentError, ArgumentTypeError
from ftlearn.generation.decoding import Decoding, end_tokens
from ftlearn.generation.generating import steps, text_of
from ftlearn.generation.inference import Draws, Writer
from ftlearn.generation.prompts import Prompt, encode_one

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer writes for bytes that are no character, or not yet one."""


def stream(
    model: nn.Module,
    tokenizer: Any,
    prompt: Prompt,
    *,
    decoding: Decoding | None = None,
    seed: int = 0,
    precision: str = "auto",
) -> Iterator[str]:
    """The answer to one prompt in pieces: joined, they are what ``generate`` writes for [prompt].

    ``for piece in stream(...): print(piece, end="")`` shows a text while it grows. The prompt is
    checked at once; each further piece is computed when it is asked for, so leaving the loop ends
    the work. Between pieces the global generators and the model are as they were. Raises as
    ``generate`` does, and ValueError for a beam search, whose text is known only at its end.
    """
    decoding = decoding or Decoding()
    if decoding.beams > 1:
        raise ArgumentError(
            f"beams is {decoding.beams}: a beam search knows its text only at the end, so it "
            "cannot be shown piece by piece; leave beams out, or call generate"
        )
    try:
        encoded = [encode_one(model, tokenizer, prompt, decoding.max_new_tokens)]
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(f"the prompt cannot be used: {error}") from error
    ends = end_tokens(model, tokenizer)
    tokens = answer_tokens(Writer.of(model, precision), encoded, decoding, ends, seed)
    return pieces(tokenizer, tokens)


def answer_tokens(
    writer: Writer, encoded: list[list[int]], decoding: Decoding, ends: list[int], seed: int
) -> Iterator[int]:
    """The tokens of one answer. What is global is changed only while a token is computed."""
    draws = Draws(seed, 0, writer.device)
    with writer.at_work():
        left = steps(writer.model, encoded, decoding, ends)
    while True:
        with writer.at_work(), draws.drawing():
            step = next(left, None)
        if step is None:
            return
        yield from step.tokens


def pieces(tokenizer: Any, tokens: Iterable[int]) -> Iterator[str]:
    """The text of tokens in pieces; a character of several tokens waits for the last of them."""
    ids: list[int] = []
    text = ""
    shown = 0
    for token in tokens:
        ids.append(token)
        text = text_of(tokenizer, ids)
        complete = len(text.rstrip(INCOMPLETE))
        if complete > shown:
            yield text[shown:complete]
            shown = complete
    if text[shown:]:
        yield text[shown:]
