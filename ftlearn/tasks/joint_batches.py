"""Training batches of several tasks: which rows an epoch draws, and what a row's loss counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ftlearn.data.batching import Batch, Batches, RowTargets, plan
from ftlearn.multitask import drawn_rows, rows_per_epoch


@dataclass(frozen=True)
class JointBatches(Batches):
    """Batches of rows with targets of several tasks, of which ``encoded.numbers`` (N, n) holds NaN.

    Rows with targets of the same tasks form a group, numbered by ``encoded.targets``; an epoch
    draws ``rows_per_epoch`` of the groups' sizes. The targets of a batch have numbers (B, 2n):
    beside the targets the factor of each task, which is the same in all micro-batches of a batch.
    """

    temperature: float = 1.0
    cap: int | None = None
    average: str = "task"
    weights: tuple[float, ...] | str = ()

    def __len__(self) -> int:
        return -(-sum(self.counts) // self.batch_size)

    @property
    def counts(self) -> list[int]:
        """The rows of each group that an epoch draws."""
        sizes = np.bincount(self.encoded.targets)
        return rows_per_epoch(sizes, temperature=self.temperature, cap=self.cap)

    def settings(self) -> dict[str, Any]:
        weights = self.weights if isinstance(self.weights, str) else list(self.weights)
        return {
            "temperature": self.temperature,
            "cap": self.cap,
            "average": self.average,
            "weights": weights,
        }

    def epoch(self, number: int, *, skip: int = 0) -> Iterator[list[Batch]]:
        rows = self.rows_of(number)
        lengths = np.asarray(self.encoded.lengths)[rows]
        order = plan(lengths.tolist(), self.batch_size, seed=self.seed, epoch=number)
        return map(self._split, [rows[batch].tolist() for batch in order[skip:]])

    def rows_of(self, epoch: int) -> np.ndarray:
        """The rows that an epoch draws, in ascending order; some may stand there repeatedly."""
        groups = np.asarray(self.encoded.targets)
        drawn = []
        for group, count in enumerate(self.counts):
            rows = np.flatnonzero(groups == group)
            drawn.append(rows[drawn_rows(len(rows), count, seed=(self.seed, group), epoch=epoch)])
        return np.sort(np.concatenate(drawn))

    def split_in_half(self, micro_batches: list[Batch]) -> list[Batch]:
        factors = micro_batches[0].targets.numbers[0, -self._tasks :]
        return [_with_factors(half, factors) for half in super().split_in_half(micro_batches)]

    def _split(self, rows: list[int]) -> list[Batch]:
        factors = self._factors(rows)
        return [_with_factors(batch, factors) for batch in super()._split(rows)]

    def _factors(self, rows: list[int]) -> torch.Tensor:
        """By what each task's loss is multiplied in a mean over all rows of a global batch, (n,).

        For a mean over the task's rows, B / n_i; for one over all rows, 1.
        """
        if self.average == "batch":
            return torch.ones(self._tasks)
        targets = torch.tensor([list(self.encoded.numbers[row]) for row in rows])
        return factors_of(targets)

    @property
    def _tasks(self) -> int:
        return len(self.encoded.numbers[0])


def factors_of(targets: torch.Tensor) -> torch.Tensor:
    """B / n_i of each task, (n,), from targets (B, n) that are NaN where there is none.

    >>> factors_of(torch.tensor([[1.0, float("nan")], [0.0, 2.0]]))
    tensor([1., 2.])
    """
    return len(targets) / (~targets.isnan()).sum(0).clamp(min=1)


def _with_factors(batch: Batch, factors: torch.Tensor) -> Batch:
    ids, numbers = batch.targets
    repeated = factors.expand(len(numbers), -1)
    return batch._replace(targets=RowTargets(ids, torch.cat((numbers, repeated), dim=1)))
