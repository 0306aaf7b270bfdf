"""Which rows go together into a batch, and how they are padded.

The order of an epoch is a function of (seed, epoch) alone: no random state is consumed, so
evaluation in between changes nothing, and a run that is resumed in the middle of an epoch sees
the same batches.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ftlearn.data.windows import Window
from ftlearn.losses import IGNORED

POOL = 32
"""Batches that are sorted by length together: large enough to save padding, small enough to
keep the order of the data random."""


class Batch(NamedTuple):
    """Model inputs, each (B, T), the targets, (B,) or (B, T), and the rows they came from.

    A batch without rows is idle: it adds nothing and only keeps a rank in step with the others.
    """

    inputs: dict[str, torch.Tensor]
    targets: torch.Tensor
    rows: list[int]

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        inputs = {name: tensor.to(device) for name, tensor in self.inputs.items()}
        return Batch(inputs, self.targets.to(device), self.rows)


@dataclass(frozen=True)
class Encoded:
    """Rows as token ids, not yet padded: inputs[name][row] is a list of T ids.

    ``truncated`` counts the rows that were longer than ``max_length`` and were cut. With
    ``windows`` each input is a part of a row, and ``reduce_windows`` of the task makes one output
    per row of theirs.
    """

    inputs: dict[str, list[list[int]]]
    targets: Sequence[Any]
    max_length: int
    truncated: int = 0
    windows: Sequence[Window] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def lengths(self) -> list[int]:
        """Number of tokens of each row."""
        return [len(ids) for ids in self.inputs["input_ids"]]

    def fingerprint(self) -> str:
        """A hash of all ids and targets, by which a resumed run recognises the same data."""
        content = json.dumps([self.inputs, list(self.targets)], separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()


def plan(
    lengths: Sequence[int], batch_size: int, *, seed: int, epoch: int, bucketed: bool = True
) -> list[list[int]]:
    """Cut the rows 0..N−1 into batches of one epoch; every row is in exactly one batch.

    Rows are shuffled; within each pool of 32 batches they are sorted by length, cut, and the
    batches shuffled again, so that a batch holds rows of similar length (few padding tokens).
    With ``bucketed=False`` they are only shuffled and cut.

    >>> plan([3, 9, 4, 8], 2, seed=0, epoch=0)
    [[2, 0], [1, 3]]
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths)).tolist()
    if not bucketed:
        return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    batches = []
    for start in range(0, len(order), POOL * batch_size):
        pool = sorted(order[start : start + POOL * batch_size], key=lambda row: -lengths[row])
        batches += [pool[start : start + batch_size] for start in range(0, len(pool), batch_size)]
    return [batches[index] for index in random.permutation(len(batches))]


def by_length(lengths: Sequence[int], positions: int) -> list[list[int]]:
    """Batches for prediction, of at most ``positions`` (B × T, padding included) or a single row.

    The longest rows come first, so that a lack of memory shows at once.

    >>> by_length([3, 9, 4, 2], 9)
    [[1], [2, 0], [3]]
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    batches = []
    start = 0
    while start < len(order):
        rows = max(1, positions // max(1, lengths[order[start]]))
        batches.append(order[start : start + rows])
        start += rows
    return batches


def collate(encoded: Encoded, rows: list[int], tokenizer: Any, *, step: int = 1) -> Batch:
    """Pad the given rows to the longest of them and stack them into tensors (B, T).

    T is a multiple of ``step`` where the window allows it. Padding is on the right whatever the
    tokenizer prefers: on the left it would shift the positions of the tokens, and a language model
    would predict the first token from padding.
    """
    longest = max(len(encoded.inputs["input_ids"][row]) for row in rows)
    width = max(longest, min(-(-longest // step) * step, encoded.max_length))

    def pad(sequences: Sequence[list[int]], padding: int) -> torch.Tensor:
        padded = np.full((len(rows), width), padding, np.int64)
        for index, row in enumerate(rows):
            padded[index, : len(sequences[row])] = sequences[row]
        return torch.from_numpy(padded)

    padding = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    inputs = {
        name: pad(ids, padding.get(name, 0))  # the attention mask is 0 at padding
        for name, ids in encoded.inputs.items()
    }
    targets = [encoded.targets[row] for row in rows]
    if isinstance(targets[0], list):  # one target per token
        return Batch(inputs, pad(encoded.targets, IGNORED), rows)
    dtype = torch.float32 if isinstance(targets[0], float) else torch.long
    return Batch(inputs, torch.tensor(targets, dtype=dtype), rows)


@dataclass(frozen=True)
class Batches:
    """The training batches of a data set: ``batches.epoch(k)`` yields lists of micro-batches.

    A global batch of ``batch_size`` rows is distributed across ``ranks`` processes; each splits its
    share into ``micro_batches`` micro-batches, whose gradients are summed before one update.
    """

    encoded: Encoded
    tokenizer: Any
    batch_size: int
    micro_batches: int = 1
    seed: int = 0
    rank: int = 0
    ranks: int = 1

    def __len__(self) -> int:
        """Number of updates per epoch."""
        return -(-len(self.encoded) // self.batch_size)

    def epoch(self, number: int, *, skip: int = 0) -> Iterator[list[Batch]]:
        """The global batches of one epoch after the first ``skip``, as lists of micro-batches."""
        order = plan(self.encoded.lengths, self.batch_size, seed=self.seed, epoch=number)
        return map(self._split, order[skip:])

    def split_in_half(self, micro_batches: list[Batch]) -> list[Batch]:
        """The same rows in micro-batches of half the size; those of one row are left unchanged."""
        halves = []
        for batch in micro_batches:
            middle = -(-len(batch.rows) // 2)
            halves += [half for half in (batch.rows[:middle], batch.rows[middle:]) if half]
        return [self._collate(half) for half in halves]

    def _split(self, rows: list[int]) -> list[Batch]:
        """This rank's share of a global batch, in as many micro-batches as the largest share."""
        largest_share = -(-len(rows) // self.ranks)
        size = -(-self.batch_size // (self.ranks * self.micro_batches))
        # Rows are sorted by length, so every n-th gives each rank rows of every length.
        share = rows[self.rank :: self.ranks]
        parts = [share[start : start + size] for start in range(0, largest_share, size)]
        return [self._collate(part) if part else self._idle(rows) for part in parts]

    def _collate(self, rows: list[int]) -> Batch:
        return collate(self.encoded, rows, self.tokenizer)

    def _idle(self, rows: list[int]) -> Batch:
        return self._collate(rows[-1:])._replace(rows=[])


def padding_share(lengths: Sequence[int], batches: list[list[int]]) -> float:
    """Share of the positions of padded batches that hold no token.

    >>> padding_share([2, 4], [[0, 1]])
    0.25
    """
    cells = sum(len(rows) * max(lengths[row] for row in rows) for rows in batches)
    return 1 - sum(lengths) / cells
