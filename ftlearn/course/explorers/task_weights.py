"""The weight of two tasks that share a linear model: both losses, and what else could be had."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ftlearn import figures
from ftlearn.course.explorers.view import View

Rows = tuple[np.ndarray, np.ndarray]


def task_weights(first: Rows, second: Rows, weight: float = 0.5, *, penalty: float = 0.1) -> View:
    """The optimum of weight · L₁ + (1 − weight) · L₂ on the curve of all such optima.

    ``first`` and ``second`` are features (N, D) and targets (N,) of two tasks with the same D;
    both use the same linear model θ, (D,). A loss is the mean squared error plus
    ``penalty`` · ‖θ‖². The dashed curve averages the two tasks' own optima instead. Raises
    ValueError for a weight outside [0, 1] and for unequal D.

    >>> x = np.array([[1.0]])
    >>> task_weights((x, np.array([0.0])), (x, np.array([4.0])), 0.25, penalty=0.0).sentence
    'At weight 0.25 the first task loses 9 and the second 1 against its own optimum.'
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"the weight is {weight:g}: choose a number from 0 to 1")
    if first[0].shape[1] != second[0].shape[1]:
        raise ValueError(
            f"the tasks have {first[0].shape[1]} and {second[0].shape[1]} features: a shared "
            "model needs the same features"
        )
    tasks = [_quadratic(*rows, penalty) for rows in (first, second)]
    shares = np.linspace(0, 1, 21)
    joint = np.array([_losses(tasks, _joint_optimum(tasks, share)) for share in shares])
    soups = np.array([_losses(tasks, _soup(tasks, share)) for share in shares])
    chosen = {
        "first alone": _losses(tasks, _joint_optimum(tasks, 1.0)),
        "second alone": _losses(tasks, _joint_optimum(tasks, 0.0)),
        "joint": _losses(tasks, _joint_optimum(tasks, weight)),
        "average of weights": _losses(tasks, _soup(tasks, weight)),
    }
    table = pd.DataFrame(chosen, index=["loss of the first task", "loss of the second task"]).T
    cost = chosen["joint"] - np.array([chosen["first alone"][0], chosen["second alone"][1]])
    sentence = (
        f"At weight {weight:g} the first task loses {abs(cost[0]):.3g} and the second "
        f"{abs(cost[1]):.3g} against its own optimum."
    )
    return View(sentence, (table.round(4), _draw(joint, soups, chosen["joint"])))


def _quadratic(x: np.ndarray, y: np.ndarray, penalty: float) -> tuple[np.ndarray, ...]:
    """H (D, D), b (D,) and c of the loss θᵀHθ − 2bᵀθ + c."""
    hessian = x.T @ x / len(x) + penalty * np.eye(x.shape[1])
    return hessian, x.T @ y / len(x), np.square(y).mean()


def _joint_optimum(tasks: list[tuple[np.ndarray, ...]], share: float) -> np.ndarray:
    (first, b, _), (second, d, _) = tasks
    return np.linalg.solve(share * first + (1 - share) * second, share * b + (1 - share) * d)


def _soup(tasks: list[tuple[np.ndarray, ...]], share: float) -> np.ndarray:
    return share * _joint_optimum(tasks, 1.0) + (1 - share) * _joint_optimum(tasks, 0.0)


def _losses(tasks: list[tuple[np.ndarray, ...]], theta: np.ndarray) -> np.ndarray:
    return np.array([theta @ h @ theta - 2 * b @ theta + c for h, b, c in tasks])


def _draw(joint: np.ndarray, soups: np.ndarray, point: np.ndarray) -> figures.Axes:
    ax = figures.axes(width=4.6, height=3.6)
    blue, orange = figures.COLORS[:2]
    ax.plot(*joint.T, color=blue, label="joint training, all weights")
    ax.plot(*soups.T, color="#888888", linestyle="--", label="averages of weights")
    ax.plot(*point, "o", color=orange, markersize=8, label="this weight")
    ax.set_xlabel("loss of the first task")
    ax.set_ylabel("loss of the second task")
    ax.legend(frameon=False)
    return ax
