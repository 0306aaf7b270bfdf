"""What another policy would have earned, estimated from the log of the one that was in use.

Row i of a log holds the context of a decision, the action that was chosen there, the probability of
that choice (the propensity), and the reward. With the probability that the target policy chooses
the same action, the weight of the row is w = probability / propensity. The estimates are means over
independent rows, with the standard error of that mean.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ftlearn.errors import ArgumentError


class Estimate(NamedTuple):
    """An estimated value, in rewards per decision, and its standard error."""

    value: float
    standard_error: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.standard_error:.3f}"


def ips(
    rewards: ArrayLike,
    propensities: ArrayLike,
    probabilities: ArrayLike,
    *,
    max_weight: float = math.inf,
) -> Estimate:
    """Inverse propensity scoring, the mean of w r, of shapes (N,).

    It is unbiased if the propensities are right and nowhere 0 where the target policy is not.
    Weights above ``max_weight`` are clipped to it, which lowers the variance and, where rewards are
    not negative, the estimate: it is then biased. Raises `ArgumentError` for what is no log.
    Horvitz and Thompson 1952.

    >>> ips([1, 0], [0.5, 0.25], [0.25, 0.5]).value
    0.25
    """
    weights = _weights(propensities, probabilities, max_weight)
    return _mean(weights * _column("rewards", rewards, len(weights)))


def snips(
    rewards: ArrayLike,
    propensities: ArrayLike,
    probabilities: ArrayLike,
    *,
    max_weight: float = math.inf,
) -> Estimate:
    """Self-normalised inverse propensity scoring, Σ w r / Σ w, of shapes (N,).

    It lies between the least and the largest reward, and is consistent but not unbiased. Its
    standard error is that of the linearised ratio. Raises `ArgumentError` for what is no log, and
    if all weights are 0. Swaminathan and Joachims 2015, NeurIPS.

    >>> snips([1, 0], [0.5, 0.25], [0.25, 0.5]).value
    0.2
    """
    weights = _weights(propensities, probabilities, max_weight)
    rewards = _column("rewards", rewards, len(weights))
    total = weights.sum()
    if total == 0:
        raise ArgumentError(
            "all weights are 0: the target policy takes none of the logged actions, so the log "
            "says nothing of it; log a policy that explores"
        )
    value = float((weights * rewards).sum() / total)
    # Scaled by the mean weight, the terms are those of a mean, to the first order in 1 / N.
    terms = value + weights * (rewards - value) / weights.mean()
    return Estimate(value, _mean(terms).standard_error)


def doubly_robust(
    rewards: ArrayLike,
    actions: ArrayLike,
    propensities: ArrayLike,
    policy: ArrayLike,
    predictions: ArrayLike,
    *,
    max_weight: float = math.inf,
) -> Estimate:
    """What a reward model predicts for the target policy, corrected by the weighted residuals.

    The mean of Σ_a policy(a) q(a) + w (r - q(action)): rewards, actions (numbers from 0) and
    propensities are of shape (N,), the policy's probabilities and the predictions q of shape
    (N, A). Its mean is the true value if either the propensities or the predictions are right,
    provided that the model was not fitted to the same rows. Raises `ArgumentError` for what is no
    log. Dudík, Langford and Li 2011, arXiv 1103.4601.

    >>> policy, predictions = [[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.25], [0.5, 0.25]]
    >>> doubly_robust([1, 0], [0, 1], [0.5, 0.5], policy, predictions).value
    0.5
    """
    policy = _table("policy", policy)
    predictions = _table("predictions", predictions)
    if policy.shape != predictions.shape:
        raise ArgumentError(
            f"policy has shape {policy.shape} and predictions {predictions.shape}: give both of "
            "shape (rows, actions)"
        )
    taken = _actions(actions, policy.shape)
    rows = np.arange(len(policy))
    weights = _weights(propensities, policy[rows, taken], max_weight)
    residuals = _column("rewards", rewards, len(policy)) - predictions[rows, taken]
    return _mean((policy * predictions).sum(1) + weights * residuals)


def effective_sample_size(
    propensities: ArrayLike, probabilities: ArrayLike, *, max_weight: float = math.inf
) -> float:
    """(Σ w)² / Σ w²: how many rows of equal weight would be as precise (Kish 1965).

    N if all weights are equal, 1 if all but one are 0, and 0 if all are.

    >>> effective_sample_size([0.5, 0.5, 0.5], [0.25, 0.25, 0.0])
    2.0
    """
    weights = _weights(propensities, probabilities, max_weight)
    squares = np.square(weights).sum()
    return float(np.square(weights.sum()) / squares) if squares else 0.0


def _mean(terms: np.ndarray) -> Estimate:
    """The mean of independent terms (N,) and its standard error."""
    return Estimate(float(terms.mean()), float(terms.std(ddof=1) / math.sqrt(len(terms))))


def _weights(propensities: ArrayLike, probabilities: ArrayLike, max_weight: float) -> np.ndarray:
    """The clipped weights of the rows, (N,)."""
    if not max_weight > 0:
        raise ArgumentError(f"max_weight is {max_weight}: use a number above 0, or leave it out")
    propensities = _column("propensities", propensities)
    probabilities = _column("probabilities", probabilities, len(propensities))
    _check_range("propensities", propensities, (propensities > 0) & (propensities <= 1))
    _check_range("probabilities", probabilities, (probabilities >= 0) & (probabilities <= 1))
    return np.minimum(probabilities / propensities, max_weight)


def _column(name: str, values: ArrayLike, rows: int | None = None) -> np.ndarray:
    """Finite numbers of shape (N,), at least two."""
    column = np.asarray(values, dtype=float)
    if column.ndim != 1 or rows not in (None, len(column)):
        wanted = "N" if rows is None else rows
        raise ArgumentError(f"{name} have shape {column.shape}: give one per row, ({wanted},)")
    if len(column) < 2:
        raise ArgumentError(f"{name} have {len(column)} rows: a standard error needs two or more")
    _check_range(name, column, np.isfinite(column))
    return column


def _table(name: str, values: ArrayLike) -> np.ndarray:
    """Finite numbers of shape (N, A)."""
    table = np.asarray(values, dtype=float)
    if table.ndim != 2:
        raise ArgumentError(f"{name} has shape {table.shape}: give (rows, actions)")
    _check_range(name, table, np.isfinite(table))
    return table


def _actions(actions: ArrayLike, shape: tuple[int, int]) -> np.ndarray:
    """Numbers of actions (N,), each of one of the columns of a table of this shape."""
    taken = np.asarray(actions)
    rows, columns = shape
    if taken.shape != (rows,) or taken.dtype.kind not in "iu":
        raise ArgumentError(
            f"actions have shape {taken.shape} and type {taken.dtype}: give the number of the "
            f"chosen column for each of the {rows} rows"
        )
    _check_range("actions", taken, (taken >= 0) & (taken < columns))
    return taken


def _check_range(name: str, values: np.ndarray, valid: np.ndarray) -> None:
    if not valid.all():
        wrong = values[~valid].flat[0]
        raise ArgumentError(f"{name} contain {wrong}: {REMEDIES.get(name, 'use finite numbers')}")


REMEDIES = {
    "propensities": "use the probability, above 0 and at most 1, with which the action was chosen",
    "probabilities": "use the target policy's probability of the logged action, from 0 to 1",
    "actions": "use the number of a column of `policy`, from 0",
}
