"""Rank and scale of an update of weights: what few directions keep of it, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ftlearn import figures
from ftlearn.course.explorers.view import View
from ftlearn.errors import ArgumentError

PATH = (0.0, 0.5, 1.0, 2.0)
"""Scales that are always measured: before the update, halfway, the update itself, beyond it."""

Factors = tuple[np.ndarray, np.ndarray, np.ndarray]
"""A singular value decomposition U (F, K), S (K,), V (K, D), as of ``np.linalg.svd``."""


def lora(
    factors: Mapping[str, Factors],
    measure: Callable[[Mapping[str, np.ndarray]], Mapping[str, float]],
    rank: int = 8,
    scale: float = 1.0,
) -> View:
    """What rank ``rank`` keeps of an update, and the scores along its scale at that rank.

    ``factors`` holds the decomposition of each matrix's update. ``measure`` takes updates (F, D)
    by the same names and returns the scores of the weights to which they are added.

    Raises ArgumentError for a rank below 1.
    """
    if rank < 1:
        raise ArgumentError(f"rank is {rank}: choose 1 or more")
    updates = {name: truncated(factor, rank) for name, factor in factors.items()}
    scores = {
        value: measure({name: value * update for name, update in updates.items()})
        for value in sorted({*PATH, float(scale)})
    }
    path = pd.DataFrame(scores).T.rename_axis("scale")
    shares = kept_shares(factors)
    rows = {name: share[min(rank, len(share)) - 1] for name, share in shares.items()}
    kept = pd.DataFrame({"kept of the squared length": rows}).rename_axis("matrix")
    reading = ", ".join(f"{name} {value:.3f}" for name, value in scores[float(scale)].items())
    sentence = (
        f"Rank {rank} keeps {min(rows.values()):.0%} to {max(rows.values()):.0%} of the squared "
        f"length of each matrix's update. At scale {scale:g}: {reading}."
    )
    return View(sentence, (path.round(3), kept.round(3), _by_rank(shares, rank)))


def truncated(factor: Factors, rank: int) -> np.ndarray:
    """The closest matrix (F, D) of a rank (Eckart and Young 1936).

    >>> truncated((np.eye(2), np.array([3.0, 1.0]), np.eye(2)), 1).tolist()
    [[3.0, 0.0], [0.0, 0.0]]
    """
    left, values, right = factor
    return (left[:, :rank] * values[:rank]) @ right[:rank]


def kept_shares(factors: Mapping[str, Factors]) -> dict[str, np.ndarray]:
    """The share of the squared length (K,) that each rank from 1 keeps, by matrix.

    >>> kept_shares({"W": (np.eye(2), np.array([2.0, 1.0]), np.eye(2))})["W"].tolist()
    [0.8, 1.0]
    """
    squares = {name: np.square(values) for name, (_, values, _) in factors.items()}
    return {name: np.cumsum(values) / values.sum() for name, values in squares.items()}


def _by_rank(shares: Mapping[str, np.ndarray], rank: int) -> Axes:
    """The kept share over the rank, one line per matrix, and the chosen rank."""
    longest = max(len(share) for share in shares.values())
    curves = {
        name: np.pad(share, (0, longest - len(share)), constant_values=1.0)
        for name, share in shares.items()
    }
    ax = figures.lines(
        range(1, longest + 1),
        curves,
        xlabel="rank",
        ylabel="share of the squared length",
        log="x",
    )
    ax.axvline(rank, color="#888888", linestyle=":")
    ax.set_ylim(0, 1.02)
    return ax
