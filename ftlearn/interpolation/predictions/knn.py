"""Predictions from the nearest stored examples, to be mixed with those of a model: kNN-LM.

Khandelwal et al. 2019, arXiv 1911.00172: every training example is stored as a pair of its
hidden vector f(x) and its target y. The k entries nearest to a new f(x) vote, with weights that
fall with distance d, and the vote is mixed with the model's own prediction:

    p_kNN(y | x) ∝ Σ_(k_i, v_i) [v_i = y] exp(−d(k_i, f(x)) / T)
    p(y | x) = λ p_kNN(y | x) + (1 − λ) p_model(y | x)

The temperature T came with kNN-MT (Khandelwal et al. 2020, arXiv 2010.00710); before, it was 1.
The vote is ``Datastore.log_probabilities``, the mixture ``mixtures.mixture``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ftlearn.losses import at_least_fp32

CHUNK = 2**24
"""Distances held in memory at a time (64 MiB of fp32)."""


class Neighbours(NamedTuple):
    """Squared distances (Q, k) of the nearest entries, nearest first, and their rows (Q, k)."""

    distances: torch.Tensor
    rows: torch.Tensor


@dataclass(frozen=True)
class Datastore:
    """Keys (N, D), the class or token id of each key, (N,), and the number C of classes or tokens.

    >>> store = Datastore(torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([0, 1, 1]), 2)
    >>> store.log_probabilities(torch.tensor([[0.5]]), k=2).exp()
    tensor([[0.5000, 0.5000]])
    """

    keys: torch.Tensor
    values: torch.Tensor
    classes: int

    def __post_init__(self) -> None:
        if self.keys.dim() != 2 or self.values.shape != self.keys.shape[:1]:
            raise ValueError(
                f"keys (N, D) and values (N,) must have one row per example; "
                f"these are {tuple(self.keys.shape)} and {tuple(self.values.shape)}"
            )
        if len(self.values) and not 0 <= self.values.min() <= self.values.max() < self.classes:
            raise ValueError(
                f"values lie in {self.values.min()}..{self.values.max()}, "
                f"but {self.classes} classes have the ids 0..{self.classes - 1}"
            )

    def __len__(self) -> int:
        return len(self.keys)

    def nearest(self, queries: torch.Tensor, *, k: int) -> Neighbours:
        """The k entries with the smallest squared distance to each query (Q, D), by full search.

        Raises ValueError if the store has fewer than k entries.
        """
        if not 1 <= k <= len(self):
            raise ValueError(f"k is {k}, but the store has {len(self)} entries to choose from")
        chunks = queries.split(max(1, CHUNK // len(self)))
        nearest = [_distances(chunk, self.keys).topk(k, largest=False) for chunk in chunks]
        distances = torch.cat([top.values for top in nearest])
        rows = torch.cat([top.indices for top in nearest])
        return Neighbours(distances, rows)

    def log_probabilities(
        self, queries: torch.Tensor, *, k: int = 8, temperature: float = 1.0
    ) -> torch.Tensor:
        """log p_kNN, (Q, D) to (Q, C); −inf for a class that none of the k neighbours has.

        At a low temperature T only the nearest neighbour counts, at a high one all k count the
        same. T is in squared units of the keys.
        """
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature}: it must be above 0")
        distances, rows = self.nearest(queries, k=k)
        votes = (-distances / temperature).softmax(-1)
        totals = votes.new_zeros(len(queries), self.classes)
        return totals.scatter_add(1, self.values[rows].long(), votes).log()


def _distances(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    # The expansion |q|² − 2qk + |k|² would be faster, but inaccurate for small distances.
    exact = "donot_use_mm_for_euclid_dist"
    queries = at_least_fp32(queries)
    return torch.cdist(queries, keys.to(queries), compute_mode=exact).square()
