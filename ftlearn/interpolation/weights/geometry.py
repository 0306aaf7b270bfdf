"""Lengths and angles between models, the plane through three of them, barriers, convex hulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linprog

from ftlearn.interpolation.weights.state_dicts import (
    Source,
    check_same_architecture,
    floating,
    state_of,
)


def inner_products(sources: Sequence[Source], *, origin: Source | None = None) -> np.ndarray:
    """⟨θ_i − o, θ_j − o⟩ over all floating tensors, (K, K), summed in fp64; o = 0 unless given.

    The diagonal holds squared lengths; tied weights count once.

    >>> inner_products([{"w": torch.tensor([3.0, 4.0])}, {"w": torch.tensor([0.0, 2.0])}])
    array([[25.,  8.],
           [ 8.,  4.]])
    """
    states = [state_of(source) for source in sources]
    base = None if origin is None else state_of(origin)
    check_same_architecture(states if base is None else [base, *states])
    products = torch.zeros(len(states), len(states), dtype=torch.float64)
    for name in floating(states[0]):
        rows = torch.stack([state[name].double().flatten().cpu() for state in states])
        if base is not None:
            rows -= base[name].double().flatten().cpu()
        products += rows @ rows.T
    return products.numpy()


@dataclass(frozen=True)
class Plane:
    """The plane through three models: the first is the origin, the second lies on the x-axis.

    ``corners`` (3, 2) are their coordinates, in units of ‖θ‖.
    """

    corners: np.ndarray

    def weights(self, x: float, y: float) -> tuple[float, float, float]:
        """The weights w, with Σw = 1, for which Σ_k w_k θ_k is the model at (x, y)."""
        (second_x, _), (third_x, third_y) = self.corners[1:]
        third = y / third_y
        second = (x - third * third_x) / second_x
        return float(1 - second - third), float(second), float(third)


def plane(first: Source, second: Source, third: Source) -> Plane:
    """The plane through three models (Garipov et al. 2018, arXiv 1802.10026).

    Raises ValueError when the three lie on one line.

    >>> three = [{"w": torch.tensor(w)} for w in ([1.0, 1.0], [3.0, 1.0], [2.0, 4.0])]
    >>> plane(*three).corners.tolist()
    [[0.0, 0.0], [2.0, 0.0], [1.0, 3.0]]
    >>> plane(*three).weights(1.0, 3.0)
    (0.0, 0.0, 1.0)
    """
    (uu, uv), (_, vv) = inner_products([second, third], origin=first)
    if uu * vv - uv**2 <= 1e-12 * uu * vv:
        raise ValueError("the three models lie on one line, or two are the same: no plane")
    second_x = uu**0.5
    third_x = uv / second_x
    third_y = (vv - third_x**2) ** 0.5
    return Plane(np.array([[0, 0], [second_x, 0], [third_x, third_y]]))


def barrier(alphas: Sequence[float], values: Sequence[float], *, better: str = "lower") -> float:
    """How far a path between two models rises above the straight line between its ends.

    max over 0 < α < 1 of L(α) − (1−α)·L(0) − α·L(1) (Entezari et al. 2021, arXiv 2110.06296);
    for ends of equal loss it is the barrier of Frankle et al. 2019 (arXiv 1912.05671). Negative
    where the path runs below that line. ``better="higher"`` is for accuracies: how far they fall.

    Raises ValueError unless ``alphas`` has 0, 1 and a value between them.

    >>> barrier([0, 0.5, 1], [0.3, 0.9, 0.5])
    0.5
    >>> barrier([0, 0.5, 1], [0.8, 0.7, 0.8], better="higher").__round__(3)
    0.1
    """
    if better not in ("lower", "higher"):
        raise ValueError(f"better is {better!r}: say 'lower' or 'higher'")
    sign = 1 if better == "lower" else -1
    pairs = zip(alphas, values, strict=True)
    losses = {float(alpha): sign * float(value) for alpha, value in pairs}
    inside = [alpha for alpha in losses if 0 < alpha < 1]
    if not {0.0, 1.0} <= set(losses) or not inside:
        raise ValueError(
            f"alphas {list(alphas)} must hold 0, 1 and a point between: a barrier lies between ends"
        )
    start, end = losses[0.0], losses[1.0]
    return max(losses[alpha] - (1 - alpha) * start - alpha * end for alpha in inside)


def inside_hull(point: np.ndarray, cloud: np.ndarray) -> bool:
    """Whether a point (D,) lies in the convex hull of a cloud (N, D).

    Solves for weights w ≥ 0 with Σw = 1 and Σ_i w_i x_i = point, a linear programme. Raises
    RuntimeError when the solver ends without an answer.

    >>> corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> inside_hull(np.array([0.2, 0.2]), corners), inside_hull(np.array([0.6, 0.6]), corners)
    (True, False)
    """
    if cloud.ndim != 2 or point.shape != cloud.shape[1:]:
        raise ValueError(
            f"a point (D,) and a cloud (N, D) are needed, not {point.shape} and {cloud.shape}"
        )
    equations = np.vstack([cloud.T, np.ones(len(cloud))])
    result = linprog(
        np.zeros(len(cloud)), A_eq=equations, b_eq=np.append(point, 1), bounds=(0, None)
    )
    if result.status not in (0, 2):  # solved, infeasible
        raise RuntimeError(f"the linear programme was not decided: {result.message}")
    return bool(result.status == 0)
