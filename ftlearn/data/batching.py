"""Which rows go together into a batch, and how they are padded.

The order of an epoch is a function of (seed, epoch) alone: no random state is consumed, so
evaluation in between changes nothing, and a run that is resumed in the middle of an epoch sees
the same batches.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from ftlearn.data.windows import Window
from ftlearn.errors import ArgumentError
from ftlearn.losses import IGNORED

POOL = 32
"""Batches that are sorted by length together: large enough to save padding, small enough to
keep the order of the data random."""


class RowTargets(NamedTuple):
    """The targets of rows, and numbers per row (B, K) that the loss takes beside them.

    ``ids`` are one per row, (B,), or one per token of each sequence, (S·B, T).
    """

    ids: torch.Tensor
    numbers: torch.Tensor

    def to(self, device: torch.device) -> RowTargets:
        """The same targets on another device."""
        return RowTargets(self.ids.to(device), self.numbers.to(device))


def target_ids(targets: torch.Tensor | RowTargets) -> torch.Tensor:
    """The targets without the numbers beside them.

    >>> target_ids(RowTargets(torch.tensor([3]), torch.ones(1, 2)))
    tensor([3])
    """
    return targets.ids if isinstance(targets, RowTargets) else targets


class Batch(NamedTuple):
    """Model inputs, each (B, T), the targets, (B,) or (B, T), and the rows they came from.

    Where a row has S sequences, inputs are (S·B, T): the first ones of all rows, then the second.
    A batch without rows is idle: it adds nothing and only keeps a rank in step with the others.
    """

    inputs: dict[str, torch.Tensor]
    targets: torch.Tensor | RowTargets
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

    A row may have S ``sequences`` that meet in the loss alone, such as two answers to compare:
    sequence s of row r is input s·N + r, and ``join_sequences`` of the task makes one output per
    row of theirs. Targets are then one per row or, where they are lists of ids, one per sequence.
    ``numbers`` (N, K) are what the loss takes beside the targets.
    """

    inputs: dict[str, list[list[int]]]
    targets: Sequence[Any]
    max_length: int
    truncated: int = 0
    windows: Sequence[Window] | None = None
    sequences: int = 1
    numbers: Sequence[Sequence[float]] | None = None

    def __len__(self) -> int:
        return len(self.inputs["input_ids"]) // self.sequences

    @property
    def lengths(self) -> list[int]:
        """Number of tokens of each row; of several sequences that of the longest."""
        lengths = [len(ids) for ids in self.inputs["input_ids"]]
        return [max(lengths[row :: len(self)]) for row in range(len(self))]

    def apart(self) -> Encoded:
        """The same with every sequence as a row of its own: S·N rows, the first ones before."""
        if self.sequences == 1:
            return self
        repeated = 1 if isinstance(self.targets[0], list) else self.sequences
        return replace(self, targets=list(self.targets) * repeated, sequences=1, numbers=None)

    def places(self, rows: Sequence[int]) -> list[int]:
        """Where the sequences of rows are among the inputs: all first ones, then all second ones.

        >>> Encoded({"input_ids": [[1], [2], [3], [4]]}, [0, 0], 8, sequences=2).places([1, 0])
        [1, 0, 3, 2]
        """
        return [place * len(self) + row for place in range(self.sequences) for row in rows]

    def fingerprint(self) -> str:
        """A hash of all ids and targets, by which a resumed run recognises the same data."""
        parts = [self.inputs, list(self.targets)]
        parts += [] if self.numbers is None else [[list(row) for row in self.numbers]]
        content = json.dumps(parts, separators=(",", ":"))
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
    """Pad the sequences of rows to the longest of them and stack them into tensors (S·B, T).

    T is a multiple of ``step`` where the window allows it. Padding is on the right whatever the
    tokenizer prefers: on the left it would shift the positions of the tokens, and a language model
    would predict the first token from padding.
    """
    places = encoded.places(rows)
    longest = max(len(encoded.inputs["input_ids"][place]) for place in places)
    width = max(longest, min(-(-longest // step) * step, encoded.max_length))

    def pad(sequences: Sequence[list[int]], padding: int) -> torch.Tensor:
        padded = np.full((len(places), width), padding, np.int64)
        for index, place in enumerate(places):
            padded[index, : len(sequences[place])] = sequences[place]
        return torch.from_numpy(padded)

    padding = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    inputs = {
        name: pad(ids, padding.get(name, 0))  # the attention mask is 0 at padding
        for name, ids in encoded.inputs.items()
    }
    if isinstance(encoded.targets[0], list):  # one target per token
        targets = pad(encoded.targets, IGNORED)
    else:
        dtype = torch.float32 if isinstance(encoded.targets[rows[0]], float) else torch.long
        targets = torch.tensor([encoded.targets[row] for row in rows], dtype=dtype)
    if encoded.numbers is not None:
        numbers = torch.tensor([list(encoded.numbers[row]) for row in rows], dtype=torch.float32)
        targets = RowTargets(targets, numbers)
    return Batch(inputs, targets, rows)


@dataclass(frozen=True)
class Batches:
    """The training batches of a data set: ``batches.epoch(k)`` yields lists of micro-batches.

    A global batch of ``batch_size`` rows is distributed across ``ranks`` processes; each splits its
    share into ``micro_batches`` micro-batches, whose gradients are summed before one update.

    Where the loss compares the rows of a batch with each other, ``whole`` keeps them together: a
    batch is cut nowhere, and its rows are drawn at random, whatever their lengths. Raises
    ArgumentError for micro-batches or ranks, which would cut it.
    """

    encoded: Encoded
    tokenizer: Any
    batch_size: int
    micro_batches: int = 1
    seed: int = 0
    rank: int = 0
    ranks: int = 1
    whole: bool = False

    def __post_init__(self) -> None:
        if self.whole and (self.micro_batches > 1 or self.ranks > 1):
            raise ArgumentError(
                f"micro_batches is {self.micro_batches} and the number of processes {self.ranks}, "
                "but this loss compares the rows of a batch with each other, so that parts of it "
                "would have another loss: set micro_batches=1 in one process, and a smaller "
                "batch_size if memory is short"
            )

    def __len__(self) -> int:
        """Number of updates per epoch."""
        return -(-len(self.encoded) // self.batch_size)

    def settings(self) -> dict[str, Any]:
        """What, besides the data and the configuration, decides which rows are drawn."""
        return {}

    def epoch(self, number: int, *, skip: int = 0) -> Iterator[list[Batch]]:
        """The global batches of one epoch after the first ``skip``, as lists of micro-batches."""
        order = plan(
            self.encoded.lengths,
            self.batch_size,
            seed=self.seed,
            epoch=number,
            bucketed=not self.whole,
        )
        return map(self._split, order[skip:])

    def split_in_half(self, micro_batches: list[Batch]) -> list[Batch]:
        """The same rows in micro-batches of half the size.

        Those of one row, and batches that stay ``whole``, are left unchanged.
        """
        if self.whole:
            return micro_batches
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
