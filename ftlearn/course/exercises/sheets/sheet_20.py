"""Exercises of notebook 20: a joint optimum, weights of geometric means, sampling temperatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets import museum_20


def exercises() -> list[Exercise]:
    """Three exercises, and the bug museum."""
    return [_optimum(), _weights(), _shares(), *museum_20.exercises()]


# --- q1: two parabolas ----------------------------------------------------------------------------


def _verify_optimum(answer: Any) -> str:
    if close(answer, 4.0, tolerance=1e-6):
        return "right: curvatures 6 and 2 pull 3 to 1, so (3 · 2 + 1 · 10) / 4"
    reject_known(
        answer,
        (
            (6.0, "that is the mean of the two optima, right only where the curvatures are equal"),
            (8.0, "the curvatures are swapped: the steeper parabola pulls more strongly"),
            (16.0, "divide by the sum of the curvatures"),
            (2.0, "that is the optimum of the first task alone"),
            (10.0, "that is the optimum of the second task alone"),
        ),
        tolerance=1e-6,
    )
    raise NotYetError("set the derivative of 3(θ − 2)² + (θ − 10)² to zero")


def _optimum() -> Exercise:
    return Exercise(
        name="two parabolas",
        difficulty=1,
        minutes=3,
        verify=_verify_optimum,
        hints=(
            "the derivative of the sum is 6(θ − 2) + 2(θ − 10)",
            "(ΣwH)⁻¹ ΣwHθ* with H = 6 and 2",
        ),
        worked=(
            "H = [6, 2]  # second derivatives\n"
            "best = [2, 10]\n"
            "answer = sum(h * t for h, t in zip(H, best)) / sum(H)  # 4"
        ),
        example=4.0,
        mistakes=(
            (6.0, "equal"),
            (8.0, "swapped"),
            (16, "divide"),
            (2, "first task alone"),
            (5.0, "derivative"),
        ),
    )


# --- q2: the weights of uncertainty weighting -----------------------------------------------------


def _verify_weights(answer: Callable[[np.ndarray], Any]) -> str:
    require_function(answer, "losses (n,)")
    losses = np.random.default_rng().uniform(0.2, 3, 5)
    weights = np.asarray(answer(losses.copy()), dtype=float)
    if weights.shape != (5,):
        raise NotYetError(f"5 losses need 5 weights; the answer has the shape {weights.shape}")
    truth = _slopes(losses)
    if np.allclose(weights, truth, rtol=1e-4):
        return "right: the weights are the derivatives of ½ Σ log L, and small losses weigh most"
    typical = (
        (2 * truth, "twice too large: the objective is ½ Σ log L"),
        (2 * truth**2, "with σ² = L the weight is 1/(2σ²): not squared once more"),
        (truth / truth.sum(), "the weights need not sum to 1: only their ratios are right"),
        (0.5 * np.log(losses), "that is the objective; its derivative is the weight"),
        (losses / 2, "the larger a loss, the smaller its weight"),
    )
    for values, reason in typical:
        if np.allclose(weights, values, rtol=1e-4):
            raise NotYetError(reason)
    raise NotYetError(
        f"for a loss of {losses[0]:.3f} the weight is {truth[0]:.3f}, not {weights[0]:.3f}"
    )


def _slopes(losses: np.ndarray) -> np.ndarray:
    """Central differences of the objective at its best σ, found on a fine grid of log σ²."""
    step = 1e-5
    return np.array([(_least(loss + step) - _least(loss - step)) / (2 * step) for loss in losses])


def _least(loss: float) -> float:
    """The minimum of L/(2σ²) + log σ over σ, by Newton steps in s = log σ²."""
    s = 0.0
    for _ in range(60):
        pull = loss * np.exp(-s)
        s -= np.clip((1 - pull) / pull, -1, 1)
    return float(0.5 * loss * np.exp(-s) + 0.5 * s)


def _half_inverse(losses: np.ndarray) -> np.ndarray:
    return 1 / (2 * losses)


def _weights() -> Exercise:
    return Exercise(
        name="what uncertainty weighting weighs",
        difficulty=2,
        minutes=6,
        verify=_verify_weights,
        hints=(
            "set the derivative of L/(2σ²) + log σ with respect to σ to zero",
            "σ² = L; put it into the factor before L",
        ),
        worked=(
            "def answer(losses):\n"
            "    variances = losses  # -L / σ³ + 1 / σ = 0 gives σ² = L\n"
            "    return 1 / (2 * variances)"
        ),
        example=_half_inverse,
        mistakes=(
            (lambda losses: 1 / losses, "twice too large"),
            (lambda losses: 1 / (2 * losses**2), "squared once more"),
            (lambda losses: (1 / losses) / (1 / losses).sum(), "need not sum to 1"),
            (lambda losses: 0.5 * np.log(losses), "that is the objective"),
            (lambda losses: losses / 2, "the smaller its weight"),
            (lambda losses: 1.0, "the shape"),
            (0.5, "is a function"),
        ),
    )


# --- q3: sampling temperatures --------------------------------------------------------------------


def _verify_shares(answer: Callable[..., Any]) -> str:
    require_function(answer, "sizes and a temperature")
    sizes = np.random.default_rng().integers(10, 5000, 4).astype(float)
    for temperature in (1.0, 2.0, 5.0, float("inf")):
        shares = np.asarray(answer(sizes.tolist(), temperature), dtype=float)
        _judge_shares(shares, sizes, temperature)
    return "right: T = 1 draws by size, and with T = ∞ every task is drawn alike"


def _judge_shares(shares: np.ndarray, sizes: np.ndarray, temperature: float) -> None:
    if shares.shape != sizes.shape:
        raise NotYetError(f"4 tasks need 4 shares; the answer has the shape {shares.shape}")
    if not np.isclose(shares.sum(), 1):
        raise NotYetError(f"shares sum to 1; yours sum to {shares.sum():.3g}")
    # The law: the log-odds of two tasks are those of their sizes, divided by T.
    odds = np.log(np.maximum(shares, 1e-300) / np.maximum(shares[0], 1e-300))
    if np.allclose(odds, np.log(sizes / sizes[0]) / temperature, atol=1e-6):
        return
    if np.allclose(odds, 0):
        raise NotYetError(f"at T = {temperature:g} larger tasks are drawn more often")
    if np.allclose(odds, np.log(sizes / sizes[0])):
        raise NotYetError(f"at T = {temperature:g} you still draw by size")
    raise NotYetError(
        f"at T = {temperature:g} two tasks whose sizes are 16 : 1 are drawn "
        f"{16 ** (1 / temperature):.3g} : 1; raise the sizes to the power 1/T"
    )


def _powers(sizes: Sequence[float], temperature: float) -> np.ndarray:
    powers = np.asarray(sizes, dtype=float) ** (1 / temperature)
    return powers / powers.sum()


def _softmax(sizes: Sequence[float], temperature: float) -> np.ndarray:
    scaled = np.asarray(sizes) / temperature
    shifted = np.exp(scaled - scaled.max())
    return shifted / shifted.sum()


def _wrong_way(sizes: Sequence[float], temperature: float) -> np.ndarray:
    scaled = min(temperature, 20) * (np.log(sizes) - np.log(np.max(sizes)))
    return np.exp(scaled) / np.exp(scaled).sum()


def _shares() -> Exercise:
    return Exercise(
        name="shares under a temperature",
        difficulty=2,
        minutes=6,
        verify=_verify_shares,
        hints=(
            "p_i ∝ n_i^(1/T): first the powers, then divide by their sum",
            "1 / float('inf') is 0, and any size to the power 0 is 1",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(sizes, temperature):\n"
            "    powers = np.array(sizes, dtype=float) ** (1 / temperature)\n"
            "    return powers / powers.sum()  # 1/inf = 0: all powers are 1, all shares equal"
        ),
        example=_powers,
        mistakes=(
            (lambda sizes, t: np.asarray(sizes) ** (1 / t), "shares sum to 1"),
            (_softmax, "to the power 1/T"),
            (_wrong_way, "to the power 1/T"),
            (lambda sizes, t: np.asarray(sizes) / np.sum(sizes), "still draw by size"),
            (lambda sizes, t: np.full(len(sizes), 1 / len(sizes)), "drawn more often"),
            (lambda sizes, t: 1.0, "the shape"),
            (0.5, "is a function"),
        ),
    )
