"""Exercises of notebook 21: the worth of a prior, an estimated noise rate, shares of labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets import museum_21


def exercises() -> list[Exercise]:
    """Three exercises, and the bug museum."""
    return [_worth(), _rate(), _shares(), *museum_21.exercises()]


# --- q1: labels that outweigh a prior -------------------------------------------------------------


def _verify_worth(answer: Any) -> str:
    if close(answer, 36):
        return "right: 36 / (36 + 12) = 3/4"
    reject_known(
        answer,
        (
            (12, "with as many labels as the prior is worth, both weigh one half"),
            (16, "that is 12 / (3/4): the weight is n / (n + 12), and n is on both sides"),
            (9, "that is 3/4 of 12; solve n / (n + 12) = 3/4 for n"),
            (4, "with 4 labels the mean weighs 4 / 16, a quarter: the two ends are exchanged"),
            (48, "48 is n + 12, labels and prior together"),
        ),
    )
    raise NotYetError("solve n / (n + 12) = 3/4 for n")


def _worth() -> Exercise:
    return Exercise(
        name="labels against a prior",
        difficulty=1,
        minutes=5,
        verify=_verify_worth,
        hints=("the mean of n labels weighs n / (n + κ)", "κ is 12, the weight 3/4"),
        worked="answer = 12 * 0.75 / (1 - 0.75)  # n = κ λ / (1 - λ)",
        example=36,
        mistakes=(
            (12, "one half"),
            (16, "both sides"),
            (9, "3/4 of 12"),
            (4, "a quarter"),
            (48, "together"),
            (20, "solve"),
        ),
    )


# --- q2: the noise rate from two accuracies -------------------------------------------------------


def _verify_rate(answer: Callable[[float, float, int], Any]) -> str:
    require_function(answer, "two accuracies and the number of classes")
    random = np.random.default_rng()
    for classes in (2, 3, 10):
        a, rate = random.uniform(0.6, 0.95), random.uniform(0.05, 0.4)
        # Forward: every pair of a true and a written label, one by one.
        right_and_kept = a * (1 - rate)
        wrong_and_moved_here = sum(
            (1 - a) / (classes - 1) * rate / (classes - 1) for _ in range(1, classes)
        )
        _judge_rate(
            float(answer(a, right_and_kept + wrong_and_moved_here, classes)), a, rate, classes
        )
    return "right: with the true rate, the formula gives the observed accuracy back"


def _judge_rate(estimate: float, a: float, rate: float, classes: int) -> None:
    if close(estimate, rate, tolerance=1e-6):
        return
    o = (1 - rate) * a + (1 - a) * rate / (classes - 1)
    typical = (
        (a - o, "that is the fall in accuracy: not every wrong label costs a hit, so divide"),
        ((a - o) / a, "a wrong answer can agree with a wrong label: that chance is missing"),
        (1 - o, "that is the share of disagreements; the classifier errs, too"),
        ((a - o) / (2 * a - 1), "that is right for 2 classes; with more, noise is spread"),
        (1 - rate, "that is the share of right labels"),
    )
    reject_known(estimate, typical, tolerance=1e-6)
    raise NotYetError(
        f"for a = {a:.3f}, o = {o:.3f} and {classes} classes the rate is {rate:.3f}, "
        f"not {estimate:.3f}"
    )


def _solve_rate(a: float, o: float, classes: int) -> float:
    return (a - o) / (a - (1 - a) / (classes - 1))


def _rate() -> Exercise:
    return Exercise(
        name="the share of wrong labels",
        difficulty=2,
        minutes=5,
        verify=_verify_rate,
        hints=(
            "o = (1 - ε) a + (1 - a) ε / (K - 1) is linear in ε",
            "o - a = ε ((1 - a) / (K - 1) - a)",
        ),
        worked=(
            "def answer(a, o, classes):\n"
            "    # o = a - rate * (a - (1 - a) / (classes - 1)), solved for the rate\n"
            "    return (a - o) / (a - (1 - a) / (classes - 1))"
        ),
        example=_solve_rate,
        mistakes=(
            (lambda a, o, classes: a - o, "the fall in accuracy"),
            (lambda a, o, classes: (a - o) / a, "is missing"),
            (lambda a, o, classes: 1 - o, "errs, too"),
            (lambda a, o, classes: (a - o) / (2 * a - 1), "right for 2 classes"),
            (lambda a, o, classes: 1 - _solve_rate(a, o, classes), "share of right labels"),
            (lambda a, o, classes: 2.0, "not 2.000"),
            (0.5, "is a function"),
        ),
    )


# --- q3: shares of labels from shares of predictions ----------------------------------------------


def _verify_shares(answer: Callable[[np.ndarray, np.ndarray], Any]) -> str:
    require_function(answer, "a confusion matrix (K, K) and shares (K,)")
    random = np.random.default_rng()
    for _ in range(5):
        totals = random.integers(80, 400, 4)
        likely = random.dirichlet(np.ones(4), 4) * 0.3 + 0.7 * np.eye(4)
        confusion = np.array(
            [
                np.bincount(random.choice(4, n, p=p), minlength=4)
                for n, p in zip(totals, likely, strict=True)
            ]
        )
        truth = random.dirichlet(np.full(4, 3.0))
        counted = truth @ (confusion / confusion.sum(1, keepdims=True))
        _judge_shares(answer(confusion.copy(), counted.copy()), confusion, counted, truth)
    return "right: these shares of labels make just these shares of predictions"


def _judge_shares(
    answer: Any, confusion: np.ndarray, counted: np.ndarray, truth: np.ndarray
) -> None:
    shares = np.asarray(answer, dtype=float)
    if shares.shape != (4,):
        raise NotYetError(f"4 classes need 4 shares; the answer has the shape {shares.shape}")
    if np.allclose(shares, truth, atol=1e-6):
        return
    if np.allclose(shares, counted):
        raise NotYetError("those are the shares of predictions: errors leak from class to class")
    source = confusion.sum(1) / confusion.sum()
    if np.allclose(shares * source, truth, atol=1e-6):
        raise NotYetError("those are the ratios w: multiply by the shares of the source")
    if np.allclose(shares, np.linalg.solve(confusion / confusion.sum(1, keepdims=True), counted)):
        raise NotYetError("the matrix is transposed: rows of `confusion` are labels")
    if not close(shares.sum(), 1.0, tolerance=1e-6):
        raise NotYetError(f"shares sum to 1; yours sum to {shares.sum():.3f}")
    raise NotYetError(
        "these shares of labels would not make the counted shares of predictions: solve "
        "counted = P(prediction | label)ᵀ · shares"
    )


def _solve_shares(confusion: np.ndarray, counted: np.ndarray) -> np.ndarray:
    return np.linalg.solve((confusion / confusion.sum(1, keepdims=True)).T, counted)


def _shares() -> Exercise:
    return Exercise(
        name="shares without target labels",
        difficulty=2,
        minutes=8,
        verify=_verify_shares,
        hints=(
            "each row of counts, divided by its sum, is P(prediction | label)",
            "the shares of predictions are a mixture of these rows; np.linalg.solve undoes it",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(confusion, counted):\n"
            "    per_label = confusion / confusion.sum(1, keepdims=True)  # P(prediction | label)\n"
            "    # counted[j] = sum over i of shares[i] * per_label[i, j]\n"
            "    return np.linalg.solve(per_label.T, counted)"
        ),
        example=_solve_shares,
        mistakes=(
            (lambda c, q: q, "shares of predictions"),
            (lambda c, q: np.linalg.solve(c.T / c.sum(), q), "the ratios w"),
            (lambda c, q: np.linalg.solve(c / c.sum(1, keepdims=True), q), "transposed"),
            (lambda c, q: 2 * _solve_shares(c, q), "sum to 1"),
            (lambda c, q: np.full(4, 0.25), "would not make"),
            (lambda c, q: c, "the shape"),
            (0.5, "is a function"),
        ),
    )
