"""Which prompts are computed together, and how they become one table of ids."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ftlearn.generation.decoding import Decoding
from ftlearn.runtime.arguments import whole_number

ROWS = {"cpu": 32, "cuda": 256}
"""The most prompts of a batch. On a CPU more were slower, as measured."""
POSITIONS = {"cpu": 8192, "cuda": 65_536}
"""The most positions of a batch, prompts and answers: the cache holds keys and values for each."""
SHARED = 8
"""From how many tokens on a beginning that all prompts of a batch share is computed only once."""


def plan(
    lengths: Sequence[int], decoding: Decoding, on: torch.device, batch_size: int | None = None
) -> list[list[int]]:
    """Batches of rows of similar length; the longest come first, so a lack of memory shows at once.

    >>> plan([3, 9, 4], Decoding(), torch.device("cpu"), batch_size=2)
    [[1, 2], [0]]
    """
    kind = on.type if on.type in ROWS else "cuda"
    if batch_size is not None:
        batch_size = whole_number("batch_size", batch_size, 1)
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    batches = []
    while order:
        positions = decoding.beams * (lengths[order[0]] + decoding.max_new_tokens)
        rows = batch_size or max(1, min(ROWS[kind], POSITIONS[kind] // positions))
        batches.append(order[:rows])
        order = order[rows:]
    return batches


def shared_beginning(prompts: Sequence[list[int]]) -> list[int]:
    """The tokens with which all prompts of a batch begin, such as a system prompt.

    Every prompt keeps a token of its own. Empty where computing it apart is not worth the trouble.

    >>> shared_beginning([[*range(20), 7], [*range(20), 8, 9]]) == list(range(20))
    True
    >>> shared_beginning([[1, 2, 3], [1, 2, 4]])
    []
    """
    low, high = min(prompts), max(prompts)
    most = min(map(len, prompts)) - 1
    same = next((at for at in range(most) if low[at] != high[at]), most)
    return low[:same] if len(prompts) > 1 and same >= SHARED else []


def padded(
    prompts: Sequence[list[int]], on: torch.device, *, shared: int = 0
) -> dict[str, torch.Tensor]:
    """Ids and mask (B, T), padded so that each prompt ends where its answer begins.

    Padding is on the left, behind the first ``shared`` tokens. A row is padded with its own first
    token: a repetition penalty sees all ids, also masked ones, and must find none that does not
    stand in the prompt. Several rows get one position more than they need, because a mask without
    padding is dropped by transformers, and without a mask torch's attention took 1.7 times as long
    for a step of grouped heads on a CPU.

    >>> padded([[5, 6], [7]], torch.device("cpu"))["input_ids"].tolist()
    [[5, 5, 6], [7, 7, 7]]
    """
    width = max(map(len, prompts)) + (len(prompts) > 1)
    ids = []
    mask = []
    for prompt in prompts:
        padding = width - len(prompt)
        ids.append([*prompt[:shared], *[prompt[0]] * padding, *prompt[shared:]])
        mask.append([1] * shared + [0] * padding + [1] * (len(prompt) - shared))
    return {
        "input_ids": torch.tensor(ids, device=on),
        "attention_mask": torch.tensor(mask, device=on),
    }
