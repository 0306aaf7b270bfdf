"""The loop of decoding, one token per row and step, which leaves out rows that have ended.

transformers prepares everything (``generate(custom_generate=decode)``): the settings, the
processors of logits, the cache, the positions. Its own loop computes a batch until the last row has
ended; this one shrinks the batch, and yields each step, so that a text can be shown as it grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

ENDED_SHARE = 0.125
"""The share of a batch that must have ended before it is shrunk, which copies the cache."""


PER_ROW = "prompt_ignore_length"
"""What a repetition penalty knows of each row: the length of its padding."""


class Step(NamedTuple):
    """The next tokens of the rows of a batch that have not ended yet."""

    rows: list[int]
    tokens: list[int]


def decode(
    model: nn.Module,
    input_ids: torch.Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    **state: Any,
) -> Iterator[Step]:
    """Yield the tokens of a batch (B, T) of prompts until all rows have ended.

    The arguments are those that transformers hands to a decoding function. Without ``sample`` the
    most probable token is taken; otherwise torch's global generator draws.
    """
    rows = torch.arange(len(input_ids), device=input_ids.device)
    running = torch.ones_like(rows, dtype=torch.bool)
    new_positions = input_ids.shape[1] - _cached(state)
    first = True
    while running.any():
        inputs = model.prepare_inputs_for_generation(
            input_ids, next_sequence_length=new_positions, is_first_iteration=first, **state
        )
        outputs = model(**inputs, return_dict=True)
        state = model._update_model_kwargs_for_generation(outputs, state)
        scores = logits_processor(input_ids, outputs.logits[:, -1].float())
        tokens = _choose(scores, sample=generation_config.do_sample)
        input_ids = torch.cat([input_ids, tokens[:, None]], dim=-1)
        yield Step(rows[running].tolist(), tokens[running].tolist())
        running = running & ~stopping_criteria(input_ids, None)
        new_positions = 1
        first = False
        if len(running) - int(running.sum()) >= max(1, ENDED_SHARE * len(running)):
            kept = running.nonzero().squeeze(1)
            rows, running, input_ids = rows[kept], running[kept], input_ids[kept]
            state = _select(state, kept)
            _select_in(logits_processor, kept)


def _cached(state: dict[str, Any]) -> int:
    """How many positions of the prompts the cache holds already."""
    cache = state.get("past_key_values")
    return 0 if cache is None else cache.get_seq_length()


def _choose(scores: torch.Tensor, *, sample: bool) -> torch.Tensor:
    """One token per row (B, V) -> (B)."""
    if sample:
        return torch.multinomial(scores.softmax(-1), num_samples=1).squeeze(1)
    return scores.argmax(-1)


def _select_in(processors: Any, kept: torch.Tensor) -> None:
    """Have processors of logits forget the rows that ended; some hold a number per row."""
    for processor in processors:
        value = getattr(processor, PER_ROW, None)
        if isinstance(value, torch.Tensor):
            setattr(processor, PER_ROW, value[kept.to(value.device)])


def _select(state: dict[str, Any], kept: torch.Tensor) -> dict[str, Any]:
    """The state of some rows; the cache is changed in place."""
    selected = {}
    for name, value in state.items():
        if hasattr(value, "batch_select_indices"):
            value.batch_select_indices(kept)
        selected[name] = value[kept] if isinstance(value, torch.Tensor) else value
    return selected
