"""How much n labels count against a prior: the weight n / (n + μ), and μ measured.

A prior that is off by b² and labels that scatter by σ² are mixed best, in squared error, with
weight n / (n + μ) for the mean of n labels, where μ = σ²/b²: the prior is worth μ labels. The
posterior mean of a Gaussian and Dirichlet smoothing of counts have the same form.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar


def weight(n: ArrayLike, worth: float) -> np.ndarray:
    """The weight n / (n + μ) of n labels against a prior that is worth μ labels.

    >>> float(weight(24, 8))
    0.75
    """
    if worth < 0:
        raise ValueError(f"a prior is worth {worth} labels: give a number of at least 0")
    return np.asarray(n) / (np.asarray(n) + worth)


def best_weight(prior: np.ndarray, data: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The λ for which (1 − λ)·prior + λ·data lies nearest to the goal, all (..., C, D).

    ⟨goal − prior, data − prior⟩ / ‖data − prior‖², a projection. It may leave [0, 1] where the
    goal does not lie between. Take the goal from rows that the data were not drawn from.

    >>> prior, data, goal = np.zeros((1, 2)), np.array([[2.0, 0.0]]), np.array([[0.5, 9.0]])
    >>> float(best_weight(prior, data, goal))
    0.25
    """
    way = data - prior
    length = np.square(way).sum((-2, -1))
    if (length == 0).any():
        raise ValueError("prior and data are the same: there is nothing to weigh")
    return ((goal - prior) * way).sum((-2, -1)) / length


def worth(counts: Sequence[int], weights: Sequence[float]) -> float:
    """The μ of the curve n / (n + μ) nearest to measured weights, in least squares; in labels.

    Raises ValueError where no weight lies between 0 and 1, so that no curve comes near.

    >>> round(worth([1, 2, 4], [1 / 6, 2 / 7, 4 / 9]), 4)
    5.0
    """
    n, measured = np.asarray(counts, dtype=float), np.asarray(weights, dtype=float)
    if n.shape != measured.shape:
        raise ValueError(f"{n.size} counts need as many weights, not {measured.size}")
    if not ((measured > 0) & (measured < 1)).any():
        raise ValueError(f"no weight of {measured.tolist()} lies between 0 and 1: nothing to fit")

    def misfit(log_worth: float) -> float:
        return float(np.square(weight(n, np.exp(log_worth)) - measured).sum())

    bounds = (np.log(n.min()) - 12, np.log(n.max()) + 12)
    found = minimize_scalar(misfit, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return float(np.exp(found.x))
