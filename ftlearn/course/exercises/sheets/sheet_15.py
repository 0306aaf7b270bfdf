"""Exercises of notebook 15: the median of probabilities, a shift of shares, quadratic kappa."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import cohen_kappa_score

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets import museum_15

SCALE = np.arange(1, 6)


def exercises() -> list[Exercise]:
    """Three exercises, and the bug museum."""
    return [_median(), _desk(), _kappa(), *museum_15.exercises()]


# --- q1: the stars with the least absolute error --------------------------------------------------


def _verify_median(answer: Callable[[np.ndarray], Any]) -> str:
    require_function(answer, "probabilities (N, 5)")
    p = np.random.default_rng().dirichlet(np.full(5, 0.7), 200)
    stars = np.asarray(answer(p.copy()))
    if stars.shape != (200,):
        raise NotYetError(f"200 rows need 200 answers; the answer has the shape {stars.shape}")
    stars = stars.astype(float)
    if not np.isin(stars, SCALE).all():
        raise NotYetError(
            "answers are whole stars from 1 to 5; a mean is not, and positions begin at 0"
        )
    # The slow, obvious way: the expected error of every answer.
    expected = np.array([[np.abs(a - SCALE) @ row for a in SCALE] for row in p])
    paid = expected[np.arange(200), stars.astype(int) - 1]
    worse = int((paid > expected.min(1) + 1e-9).sum())
    if not worse:
        return "right: no other whole number of stars has a smaller expected absolute error"
    if (stars == p.argmax(1) + 1).all():
        raise NotYetError(f"that is the mode: on {worse} of 200 rows another answer errs less")
    if (stars == np.rint(p @ SCALE)).all():
        raise NotYetError(f"that is the rounded mean: on {worse} of 200 rows another errs less")
    raise NotYetError(
        f"on {worse} of 200 rows another answer has a smaller expected absolute error: look for "
        "the first star at which the sum from below reaches one half"
    )


def _first_half(p: np.ndarray) -> np.ndarray:
    return (p.cumsum(1) >= 0.5).argmax(1) + 1


def _median() -> Exercise:
    return Exercise(
        name="the median of five stars",
        difficulty=1,
        minutes=5,
        verify=_verify_median,
        hints=(
            "p.cumsum(1) has P(y ≤ k) of each row",
            "argmax of True and False is the position of the first True; positions begin at 0",
        ),
        worked=(
            "def answer(p):\n"
            "    # the first star that P(y <= k) reaches one half at\n"
            "    return (p.cumsum(1) >= 0.5).argmax(1) + 1"
        ),
        example=_first_half,
        mistakes=(
            (lambda p: p.argmax(1) + 1, "that is the mode"),
            (lambda p: np.rint(p @ SCALE), "rounded mean"),
            (lambda p: p @ SCALE, "whole stars"),
            (lambda p: _first_half(p) - 1, "positions begin at 0"),
            (lambda p: np.full(len(p), 3), "another answer has"),
            (lambda p: p.cumsum(1), "the shape"),
            (3, "is a function"),
        ),
    )


# --- q2: another share of complaints --------------------------------------------------------------

AT_THE_DESK = 2.5 / 3.5


def _verify_desk(answer: Any) -> str:
    if close(answer, AT_THE_DESK, tolerance=0.004):
        return "right: the odds 1 to 4 become 10 to 4, so 0.714"
    reject_known(
        answer,
        (
            (0.2, "that is the probability where 1 in 11 is a complaint; the shares have changed"),
            (2.0, "a probability cannot be 2: multiply the odds by 10, not the probability"),
            (1.0, "multiply the odds, p / (1 - p), and turn them back into a probability"),
            (2.5, "those are the odds; the probability is odds / (1 + odds)"),
            (0.025 / 1.025, "complaints are more frequent at the desk, so the odds must rise"),
            (
                1.1 / 5.1,
                "shares 1/11 and 1/2 change both classes: complaints count 5.5 times, "
                "other letters 0.55 times",
            ),
            (1.1 / 1.9, "complaints count 5.5 times, but other letters only 0.55 times as often"),
        ),
        tolerance=0.004,
    )
    raise NotYetError("multiply the odds by the ratio of the ratios: (1/2 : 1/2) to (1/11 : 10/11)")


def _desk() -> Exercise:
    return Exercise(
        name="the complaints desk",
        difficulty=2,
        minutes=5,
        verify=_verify_desk,
        hints=(
            "the log-odds move by a constant, the odds by a factor",
            "0.2 has the odds 1 to 4; complaints to other letters go from 1 : 10 to 1 : 1",
        ),
        worked=(
            "odds = 0.2 / 0.8 * 10  # complaints to others: 1 : 10 in training, 1 : 1 here\n"
            "answer = odds / (1 + odds)  # 0.714"
        ),
        example=AT_THE_DESK,
        mistakes=(
            (0.2, "have changed"),
            (2.0, "cannot be 2"),
            (2.5, "those are the odds"),
            (0.0244, "must rise"),
            (0.579, "only 0.55 times"),
            (0.5, "ratio of the ratios"),
        ),
    )


# --- q3: quadratic kappa --------------------------------------------------------------------------


def _verify_kappa(answer: Callable[..., Any]) -> str:
    require_function(answer, "two lists and the number of levels")
    random = np.random.default_rng()
    for levels in (3, 5, 7):
        first = random.integers(0, levels - 1, 60)  # the highest level may not occur
        second = np.clip(first + random.integers(-1, 3, 60), 0, levels - 1)
        _judge_kappa(float(answer(first.tolist(), second.tolist(), levels)), first, second)
    return "right: a mistake of two levels weighs four times one of a single level"


def _judge_kappa(share: float, first: np.ndarray, second: np.ndarray) -> None:
    truth = cohen_kappa_score(first, second, weights="quadratic")
    if close(share, truth, tolerance=1e-6):
        return
    typical = (
        (cohen_kappa_score(first, second), "that kappa counts every mistake alike: weigh it"),
        (cohen_kappa_score(first, second, weights="linear"), "the weights are not squared"),
        ((first == second).mean(), "that is the share of equal scores: chance is missing"),
        (
            np.corrcoef(first, second)[0, 1],
            "that is the correlation, which forgives a rater who is always one level too kind",
        ),
        (1 - truth, "that is the ratio of the two sums: subtract it from 1"),
    )
    reject_known(share, typical, tolerance=1e-6)
    raise NotYetError(f"on 60 pairs quadratic kappa is {truth:.3f}, not {share:.3f}")


def _quadratic(first: Sequence[int], second: Sequence[int], levels: int) -> float:
    a, b = np.asarray(first), np.asarray(second)
    return 1 - np.square(a - b).mean() / np.square(a[:, None] - b).mean()


def _kappa() -> Exercise:
    return Exercise(
        name="quadratic kappa",
        difficulty=3,
        minutes=10,
        verify=_verify_kappa,
        hints=(
            "a table of counts, divided by its sum, gives O; its totals give E",
            "the weights are (i - j)²; a constant factor cancels",
            "or without a table: E of (i - j)² over all pairs of a first and a second score",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(first, second, levels):\n"
            "    observed = np.zeros((levels, levels))\n"
            "    np.add.at(observed, (first, second), 1 / len(first))\n"
            "    chance = np.outer(observed.sum(1), observed.sum(0))  # independent raters\n"
            "    scale = np.arange(levels)\n"
            "    w = (scale[:, None] - scale) ** 2  # the factor (K - 1)² cancels\n"
            "    return 1 - (w * observed).sum() / (w * chance).sum()"
        ),
        example=_quadratic,
        mistakes=(
            (lambda a, b, k: cohen_kappa_score(a, b), "weigh it"),
            (lambda a, b, k: cohen_kappa_score(a, b, weights="linear"), "not squared"),
            (lambda a, b, k: np.mean(np.array(a) == np.array(b)), "chance is missing"),
            (lambda a, b, k: np.corrcoef(a, b)[0, 1], "correlation"),
            (lambda a, b, k: 1 - _quadratic(a, b, k), "subtract it from 1"),
            (lambda a, b, k: 2.0, "not 2.000"),
            (0.5, "is a function"),
        ),
    )
