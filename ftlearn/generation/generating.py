"""Texts for a list of prompts, in batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import DynamicCache

from ftlearn import runtime
from ftlearn.generation.batches import padded, plan, shared_beginning
from ftlearn.generation.decoding import Decoding, end_tokens
from ftlearn.generation.decoding_loop import Step, decode
from ftlearn.generation.inference import Draws, Writer
from ftlearn.generation.prompts import Prompt, encode
from ftlearn.models.architecture import backbone
from ftlearn.models.virtual_tokens import generation_inputs
from ftlearn.models.wrapping import unwrapped, virtual_token_count
from ftlearn.runtime import device_of
from ftlearn.runtime.progress import bar


class Generated(NamedTuple):
    """An answer: its text, the number of its tokens, and whether the model ended it by itself.

    The end token is counted, and does not stand in the text.
    """

    text: str
    tokens: int
    ended: bool


def generate(
    model: nn.Module,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    *,
    decoding: Decoding | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    precision: str = "auto",
    progress: bool = False,
) -> list[Generated]:
    """The model's answer to each prompt, in the order of the prompts.

    A prompt is a text to continue or a list of messages, ``{"role": ..., "content": ...}``, which
    the tokenizer's chat template renders. An answer has neither the prompt nor special tokens in
    it, and stops at an end token of the tokenizer or of the model's generation settings; nothing
    else is taken from those settings. Prompts of similar length are computed together,
    ``batch_size`` at a time (None: as many as are fast). Draws are determined by ``seed`` and the
    batches, and the global generators stay as they are. Raises TypeError and ValueError for
    prompts that cannot be used.
    """
    decoding = decoding or Decoding()
    encoded = encode(model, tokenizer, prompts, decoding.max_new_tokens)
    ends = end_tokens(model, tokenizer) if encoded else []
    batches = plan(list(map(len, encoded)), decoding, device_of(model), batch_size)
    writer = Writer.of(model, precision)
    answers: dict[int, Generated] = {}
    with bar(shown=progress, total=len(encoded), desc="generating", unit="text") as shown:
        for number, rows in enumerate(batches):
            batch = [encoded[row] for row in rows]
            draws = Draws(seed, number, writer.device)
            with runtime.retain_freed_memory(), writer.at_work(), draws.drawing():
                new_tokens = _new_tokens(writer.model, batch, decoding, ends)
            for row, ids in zip(rows, new_tokens, strict=True):
                answers[row] = Generated(text_of(tokenizer, ids), len(ids), ids[-1] in ends)
            shown.update(len(rows))
    return [answers[row] for row in range(len(encoded))]


def text_of(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of an answer, without special tokens, and with the spaces that the model wrote."""
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def steps(
    model: nn.Module, prompts: Sequence[list[int]], decoding: Decoding, ends: Sequence[int]
) -> Iterator[Step]:
    """The next tokens of a batch of prompts, step by step."""
    shared = [] if virtual_token_count(model) else shared_beginning(prompts)
    inputs: dict[str, Any] = padded(prompts, device_of(model), shared=len(shared))
    if shared:
        inputs["past_key_values"] = _computed_once(model, shared, len(prompts))
    inputs = generation_inputs(model, inputs)
    config = decoding.config(ends, padding=prompts[0][0])
    writer = unwrapped(model)
    return writer.generate(**inputs, generation_config=config, custom_generate=decode)


def _new_tokens(
    model: nn.Module, prompts: Sequence[list[int]], decoding: Decoding, ends: Sequence[int]
) -> list[list[int]]:
    """The new token ids of each prompt of a batch, the end token included."""
    if decoding.beams > 1:
        return _beam_search(model, prompts, decoding, ends)
    new_tokens: list[list[int]] = [[] for _ in prompts]
    for step in steps(model, prompts, decoding, ends):
        for row, token in zip(step.rows, step.tokens, strict=True):
            new_tokens[row].append(token)
    return new_tokens


def _computed_once(model: nn.Module, shared: list[int], rows: int) -> DynamicCache:
    """The keys and values of tokens with which all rows begin: computed once, and copied."""
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    ids = torch.tensor([shared], device=device_of(model))
    backbone(model)(input_ids=ids, past_key_values=cache, use_cache=True)
    cache.batch_repeat_interleave(rows)
    return cache


def _beam_search(
    model: nn.Module, prompts: Sequence[list[int]], decoding: Decoding, ends: Sequence[int]
) -> list[list[int]]:
    """The best beam of each prompt, by transformers' own search."""
    inputs = generation_inputs(model, padded(prompts, device_of(model)), beams=decoding.beams)
    padding = ends[0] if ends else 0  # behind an answer, where only an end token may stand
    config = decoding.config(ends, padding)
    sequences = unwrapped(model).generate(**inputs, generation_config=config)
    new_tokens = sequences[:, inputs["input_ids"].shape[1] :].tolist()
    return [_up_to_end(ids, ends) for ids in new_tokens]


def _up_to_end(ids: list[int], ends: Sequence[int]) -> list[int]:
    """The ids up to the first end token, which is included.

    >>> _up_to_end([5, 7, 2, 2], [2])
    [5, 7, 2]
    """
    first = next((at for at, token in enumerate(ids) if token in ends), len(ids))
    return ids[: first + 1]
