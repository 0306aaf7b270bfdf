"""Exact policies over K enumerated answers to one prompt.

The policy that maximises E[r] − β KL(π ‖ π_ref) is π_β ∝ π_ref exp(r / β). Since log π_β is linear
in 1/β, all of them lie on one line of geometric means: for β₁ < β and λ = β₁/β,
π_β ∝ π_ref^(1−λ) π_β₁^λ.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import rel_entr, softmax

from ftlearn.errors import ArgumentError
from ftlearn.runtime.arguments import whole_number


def anchored(reference: np.ndarray, rewards: np.ndarray, beta: float) -> np.ndarray:
    """softmax(log π_ref + r / β), (K,): the best policy under a KL penalty of β.

    reference (K,) are probabilities, rewards (K,) (arXiv 2305.18290, eq. 4). Raises ArgumentError
    unless β is above 0 and the reference sums to 1.

    >>> anchored(np.array([0.5, 0.5]), np.array([0.0, np.log(3.0)]), beta=1.0)
    array([0.25, 0.75])
    """
    if not beta > 0:
        raise ArgumentError(f"beta is {beta}: it must be above 0 (at 0 the best answer takes all)")
    reference = _probabilities(reference)
    with np.errstate(divide="ignore"):  # an answer that the reference never gives stays at 0
        return softmax(np.log(reference) + np.asarray(rewards, float) / beta)


def best_of_n(reference: np.ndarray, scores: np.ndarray, n: int) -> np.ndarray:
    """The distribution, (K,), of the best-scored of ``n`` answers drawn from the reference.

    reference (K,) are probabilities, scores (K,); among equal scores the first one drawn is kept.
    With F the share of answers scored at most as high, P(best = y) is F(y)ⁿ − F(below y)ⁿ, shared
    among equals. Raises ArgumentError for fewer than one answer.

    >>> best_of_n(np.array([0.5, 0.5]), np.array([0.0, 1.0]), n=2)
    array([0.25, 0.75])
    """
    n = whole_number("n", n, 1)
    reference, scores = _probabilities(reference), np.asarray(scores, float)
    equal = np.array([reference[scores == score].sum() for score in scores])
    below = np.array([reference[scores < score].sum() for score in scores])
    shares = np.divide(reference, equal, out=np.zeros_like(reference), where=equal > 0)
    return shares * ((below + equal) ** n - below**n)


def best_of_n_bound(n: int) -> float:
    """log n − (n − 1)/n: KL(best of n ‖ reference) for scores without ties, else an upper bound.

    See arXiv 2401.01879, which proves that it is no more than a bound for a discrete distribution.

    >>> round(best_of_n_bound(16), 4)
    1.8351
    """
    n = whole_number("n", n, 1)
    return math.log(n) - (n - 1) / n


def kl_divergence(policy: np.ndarray, reference: np.ndarray) -> float:
    """KL(π ‖ π_ref) in nats of two distributions (K,); infinite where π_ref excludes an answer.

    >>> round(kl_divergence(np.array([1.0, 0.0]), np.array([0.5, 0.5])), 4)  # ln 2
    0.6931
    """
    return float(rel_entr(_probabilities(policy), _probabilities(reference)).sum())


def _probabilities(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    if (values < 0).any() or not math.isclose(values.sum(), 1.0, abs_tol=1e-6):
        raise ArgumentError(
            f"the probabilities sum to {values.sum():g}, the least is {values.min():g}: pass a "
            "distribution"
        )
    return values
