"""How much n labels count against a prior: the weight n / (n + μ), and how to measure μ.

For a prior with squared bias b² and labels with variance σ², the mixture with the least squared
error gives the mean of n labels the weight n / (n + μ), where μ = σ²/b²: the prior is worth μ
labels. The posterior mean of a Gaussian and Dirichlet smoothing of counts have the same form.
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
    """The λ for which (1 − λ)·prior + λ·data is nearest to the goal, all (..., C, D).

    ⟨goal − prior, data − prior⟩ / ‖data − prior‖², a projection. It may leave [0, 1] where the
    goal does not lie between prior and data. Take the goal from rows that are not in the data.

    >>> prior, data, goal = np.zeros((1, 2)), np.array([[2.0, 0.0]]), np.array([[0.5, 9.0]])
    >>> float(best_weight(prior, data, goal))
    0.25
    """
    direction = data - prior
    squared_length = np.square(direction).sum((-2, -1))
    if (squared_length == 0).any():
        raise ValueError("prior and data are the same: there is nothing to weigh")
    return ((goal - prior) * direction).sum((-2, -1)) / squared_length


def worth(counts: Sequence[int], weights: Sequence[float]) -> float:
    """The μ, in labels, for which n / (n + μ) fits measured weights best, in least squares.

    Raises ValueError if no weight lies between 0 and 1, so that no curve fits.

    >>> round(worth([1, 2, 4], [1 / 6, 2 / 7, 4 / 9]), 4)
    5.0
    """
    n = np.asarray(counts, dtype=float)
    measured = np.asarray(weights, dtype=float)
    if n.shape != measured.shape:
        raise ValueError(f"{n.size} counts need as many weights, not {measured.size}")
    if not ((measured > 0) & (measured < 1)).any():
        raise ValueError(f"no weight of {measured.tolist()} lies between 0 and 1: nothing to fit")

    def squared_error(log_worth: float) -> float:
        return float(np.square(weight(n, np.exp(log_worth)) - measured).sum())

    bounds = (np.log(n.min()) - 12, np.log(n.max()) + 12)
    result = minimize_scalar(
        squared_error, bounds=bounds, method="bounded", options={"xatol": 1e-9}
    )
    return float(np.exp(result.x))
