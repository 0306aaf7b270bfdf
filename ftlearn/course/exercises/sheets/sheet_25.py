"""Exercises of lesson 25: the winner's curse, a threshold, the interval of a small slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ftlearn import metrics
from ftlearn.capstone.measures import smallest_threshold
from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets import museum_25


def exercises() -> list[Exercise]:
    """Three exercises, and the bug museum."""
    return [_winner(), _threshold(), _slice(), *museum_25.exercises()]


# --- q1: the winner's curse -----------------------------------------------------------------------

BEST, MEAN, SIGNAL, NOISE = 0.88, 0.80, 0.02, 0.04
WINNER = MEAN + SIGNAL**2 / (SIGNAL**2 + NOISE**2) * (BEST - MEAN)


def _verify_winner(answer: Any) -> str:
    if close(answer, WINNER, tolerance=5e-4):
        return "right: the weight is 0.0004 / 0.0020 = 0.2, so four fifths of the lead were luck"
    reject_known(
        answer,
        (
            (BEST, "that takes the winner at its word: part of its lead is luck"),
            (MEAN, "that gives the winner no credit: the candidates do differ by 2 points"),
            (
                MEAN + SIGNAL / (SIGNAL + NOISE) * (BEST - MEAN),
                "variances are compared, not deviations",
            ),
            (
                MEAN + NOISE**2 / (SIGNAL**2 + NOISE**2) * (BEST - MEAN),
                "that is the share of the noise",
            ),
            (0.2, "that is the weight λ: now go from the mean towards the winner by it"),
        ),
        tolerance=5e-4,
    )
    raise NotYetError("λ = τ² / (τ² + σ²), and the expected score is mean + λ (best − mean)")


def _winner() -> Exercise:
    return Exercise(
        name="what the winner is worth",
        difficulty=1,
        minutes=5,
        verify=_verify_winner,
        hints=(
            "the lead is a sum of skill and luck: which share of its variance is skill?",
            "λ = 0.02² / (0.02² + 0.04²)",
        ),
        worked=(
            "signal, noise = 0.02**2, 0.04**2  # variances\n"
            "weight = signal / (signal + noise)\n"
            "answer = 0.80 + weight * (0.88 - 0.80)  # 0.816"
        ),
        example=WINNER,
        mistakes=(
            (0.88, "at its word"),
            (0.80, "no credit"),
            (0.80 + 0.08 / 3, "not deviations"),
            (0.864, "share of the noise"),
            (0.2, "weight λ"),
            (0.5, "τ² / (τ² + σ²)"),
        ),
    )


# --- q2: the smallest threshold -------------------------------------------------------------------


def _verify_threshold(answer: Callable[..., Any]) -> str:
    require_function(answer, "confidences (N,), whether each is correct (N,), and a target share")
    random = np.random.default_rng()
    for target in (0.7, 0.9, 0.95):
        confidences = random.permutation(np.linspace(0.5, 1, 60))
        correct = random.random(60) < confidences
        value = answer(confidences.copy(), correct.copy(), target)
        _judge_threshold(value, confidences, correct, target)
    return "right: the smallest confidence from which on the answers are good enough"


def _judge_threshold(
    value: Any, confidences: np.ndarray, correct: np.ndarray, target: float
) -> None:
    truth = _slow_threshold(confidences, correct, target)
    if close(value, truth, tolerance=1e-9):
        return
    shares = {t: correct[confidences >= t].mean() for t in confidences}
    fitting = [t for t, share in shares.items() if share >= target]
    typical = (
        (target, "the target is an accuracy; a confidence that reaches it promises nothing"),
        (max(fitting, default=-1), "that is the largest such confidence: it answers hardly a text"),
        (
            _first_failure(shares, target),
            "the share of correct answers is no straight line: look on after it first fails",
        ),
        (
            max(confidences[~correct], default=-1),
            "that is the most confident error: the target allows for some errors",
        ),
    )
    for known, reason in typical:
        if close(value, float(known), tolerance=1e-9):
            raise NotYetError(reason)
    raise NotYetError(f"for the target {target} it is {truth:.4f}, and you have {value!r}")


def _slow_threshold(confidences: np.ndarray, correct: np.ndarray, target: float) -> float:
    fitting = [t for t in confidences if correct[confidences >= t].mean() >= target]
    return float(min(fitting, default=1.0))


def _first_failure(shares: dict[float, float], target: float) -> float:
    """The last confidence, coming from above, before the target is missed for the first time."""
    last = -1.0
    for t in sorted(shares, reverse=True):
        if shares[t] < target:
            break
        last = t
    return last


def _stops_early(confidences: np.ndarray, correct: np.ndarray, target: float) -> float:
    return _first_failure({t: correct[confidences >= t].mean() for t in confidences}, target)


def _largest(confidences: np.ndarray, correct: np.ndarray, target: float) -> float:
    return max(t for t in confidences if correct[confidences >= t].mean() >= target)


def _threshold() -> Exercise:
    return Exercise(
        name="the smallest threshold",
        difficulty=2,
        minutes=10,
        verify=_verify_threshold,
        hints=(
            "every confidence that occurs is a candidate: which share of the rows at or above it "
            "is correct?",
            "take the smallest candidate that reaches the target, and 1.0 where none does",
        ),
        worked=(
            "def threshold(confidences, correct, target):\n"
            "    fitting = [t for t in confidences if correct[confidences >= t].mean() >= target]\n"
            "    return min(fitting, default=1.0)  # the smallest answers the most texts\n\n"
            "answer = threshold"
        ),
        example=smallest_threshold,
        mistakes=(
            (lambda c, right, target: target, "promises nothing"),
            (_largest, "hardly a text"),
            (lambda c, right, target: c[~right].max(), "most confident error"),
            (lambda c, right, target: 0.0, "you have"),
        ),
    )


# --- q3: the interval of a small slice ------------------------------------------------------------


def _verify_slice(answer: Callable[..., Any]) -> str:
    require_function(answer, "the number of correct rows and the number of rows")
    for rows in (9, 23, 180):
        for correct in (rows, rows - 1, rows // 2):
            bounds = answer(correct, rows)
            _judge_slice(bounds, correct, rows)
    return "right: 9 of 9 is compatible with an accuracy of 0.70"


def _judge_slice(bounds: Any, correct: int, rows: int) -> None:
    if np.shape(bounds) != (2,):
        raise NotYetError(f"return two numbers, low and high, not {bounds!r}")
    truth = metrics.wilson(correct, rows)
    if np.allclose(bounds, (truth.low, truth.high), atol=2e-3):
        return
    share = correct / rows
    half = 1.96 * np.sqrt(share * (1 - share) / rows)
    typical = (
        (
            (share - half, share + half),
            "that is Wald's interval: for 9 of 9 it has no width, as if nothing were uncertain",
        ),
        ((0.0, 1.0), "that is certainly true, and says nothing"),
        (_wilson(correct, rows, 1.0), "z is 1 there, which gives 68 %: use 1.96"),
        (
            (truth.high, truth.low),
            "the low end comes first",
        ),
    )
    for known, reason in typical:
        if np.allclose(bounds, known, atol=2e-3):
            raise NotYetError(reason)
    raise NotYetError(f"of {correct} of {rows} the interval is [{truth.low:.3f}, {truth.high:.3f}]")


def _wilson(correct: int, rows: int, z: float = 1.96) -> tuple[float, float]:
    share, extra = correct / rows, z**2 / rows
    centre = (share + extra / 2) / (1 + extra)
    half = z * np.sqrt(share * (1 - share) / rows + extra / 4 / rows) / (1 + extra)
    return centre - half, centre + half


def _wald(correct: int, rows: int) -> tuple[float, float]:
    share = correct / rows
    half = 1.96 * np.sqrt(share * (1 - share) / rows)
    return share - half, share + half


def _slice() -> Exercise:
    return Exercise(
        name="the interval of a small slice",
        difficulty=3,
        minutes=12,
        verify=_verify_slice,
        hints=(
            "Wilson keeps every true share p for which the observed share lies within "
            "z √(p (1 − p) / n) of p: solve that quadratic equation for p",
            "centre (k/n + z²/2n) / (1 + z²/n), half width z √(k/n (1 − k/n) / n + z²/4n²) / "
            "(1 + z²/n), with z = 1.96",
        ),
        worked=(
            "import math\n\n"
            "def interval(correct, rows):\n"
            "    share, extra = correct / rows, 1.96**2 / rows\n"
            "    centre = (share + extra / 2) / (1 + extra)  # pulled towards one half\n"
            "    spread = math.sqrt(share * (1 - share) / rows + extra / (4 * rows))\n"
            "    half = 1.96 * spread / (1 + extra)\n"
            "    return centre - half, centre + half\n\n"
            "answer = interval"
        ),
        example=_wilson,
        mistakes=(
            (_wald, "Wald's interval"),
            (lambda k, n: (0.0, 1.0), "says nothing"),
            (lambda k, n: _wilson(k, n, 1.0), "use 1.96"),
            (lambda k, n: _wilson(k, n)[::-1], "low end comes first"),
            (lambda k, n: k / n, "two numbers"),
        ),
    )
