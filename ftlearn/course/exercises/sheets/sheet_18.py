"""Exercises of notebook 18: sampled negatives undone, SNIPS by hand, the doubly robust estimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit, logit

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets import museum_18
from ftlearn.evaluation import doubly_robust


def exercises() -> list[Exercise]:
    """Three exercises, and the bug museum."""
    return [_sampling(), _snips(), _robust(), *museum_18.exercises()]


# --- q1: sampled rows, undone ---------------------------------------------------------------------


def _verify_sampling(answer: Callable[..., Any]) -> str:
    require_function(answer, "promises (N,) and the shares of rows kept, with and without a click")
    random = np.random.default_rng()
    for clicks, others in ((1.0, 0.1), (0.5, 0.1), (0.8, 0.02)):
        promises = random.uniform(0.05, 0.95, 50)
        honest = np.asarray(answer(promises.copy(), clicks, others), dtype=float)
        if honest.shape != promises.shape:
            raise NotYetError(f"50 promises need 50 corrected ones; the shape is {honest.shape}")
        _judge_sampling(honest, promises, clicks, others)
    return "right: the odds shrink by others / clicks, and equal shares would change nothing"


def _judge_sampling(honest: np.ndarray, promises: np.ndarray, clicks: float, others: float) -> None:
    log_odds = logit(promises)
    truth = expit(log_odds + np.log(others) - np.log(clicks))
    if np.allclose(honest, truth, atol=1e-9):
        return
    typical = (
        (promises * others / clicks, "the odds shrink, not the probability: 1 has to stay 1"),
        (promises, "those are the promises: the rows left out were mostly without a click"),
        (
            expit(log_odds - np.log(others) + np.log(clicks)),
            "that makes clicks more frequent; the missing rows make them rarer",
        ),
        (
            expit(log_odds + np.log(others)),
            "that is right where all clicks were kept: some of them are missing, too",
        ),
        (log_odds + np.log(others / clicks), "those are log-odds: turn them into probabilities"),
        (np.exp(log_odds) * others / clicks, "those are odds: turn them into probabilities"),
    )
    for wrong, sentence in typical:
        if np.allclose(honest, wrong):
            raise NotYetError(sentence)
    raise NotYetError(
        f"with clicks = {clicks} and others = {others} a promise of {promises[0]:.3f} becomes "
        f"{truth[0]:.3f}, not {honest[0]:.3f}"
    )


def _corrected(promises: np.ndarray, clicks: float, others: float) -> np.ndarray:
    return promises / clicks / (promises / clicks + (1 - promises) / others)


def _sampling() -> Exercise:
    return Exercise(
        name="sampled on both sides",
        difficulty=1,
        minutes=5,
        verify=_verify_sampling,
        hints=(
            "for how many rows of the log does a kept row with a click stand, and one without?",
            "so the odds p / (1 - p) are clicks / others times too large",
        ),
        worked=(
            "def answer(promises, clicks, others):\n"
            "    # a kept row with a click stands for 1 / clicks rows, one without for 1 / others\n"
            "    yes, no = promises / clicks, (1 - promises) / others\n"
            "    return yes / (yes + no)"
        ),
        example=_corrected,
        mistakes=(
            (lambda p, c, o: p * o / c, "not the probability"),
            (lambda p, c, o: p, "those are the promises"),
            (lambda p, c, o: p / (p + (1 - p) * o / c), "more frequent"),
            (lambda p, c, o: p / (p + (1 - p) / o), "where all clicks were kept"),
            (lambda p, c, o: p / (1 - p) * o / c, "those are odds"),
            (lambda p, c, o: logit(p) + np.log(o / c), "log-odds"),
            (lambda p, c, o: p**2, "becomes"),
            (lambda p, c, o: 0.5, "the shape"),
            (0.5, "is a function"),
        ),
    )


# --- q2: SNIPS by hand ----------------------------------------------------------------------------

SNIPS = 3.5 / 5.0
"""Weights 0.5, 1, 3 and 0.5; the first and the third row were clicked."""


def _verify_snips(answer: Any) -> str:
    if close(answer, SNIPS, tolerance=0.004):
        return "right: clicked weights 0.5 + 3 of all weights 0.5 + 1 + 3 + 0.5, so 0.7"
    reject_known(
        answer,
        (
            (3.5 / 4, "that is IPS: SNIPS divides by the sum of the weights, not by the rows"),
            (0.5, "that is the click rate of the log, which belongs to the old policy"),
            (3.5, "that is the sum of the clicked weights: divide it by the sum of all weights"),
            (0.55 / 1.45, "weigh by new / old probability; you took the new one alone"),
            (
                (2 + 1 / 3) / (2 + 1 + 1 / 3 + 2),
                "the ratio is turned round: new probability over propensity",
            ),
        ),
        tolerance=0.004,
    )
    raise NotYetError("the weights are 0.25 / 0.5, 0.5 / 0.5, 0.3 / 0.1 and 0.4 / 0.8")


def _snips() -> Exercise:
    return Exercise(
        name="four rows of a log",
        difficulty=2,
        minutes=5,
        verify=_verify_snips,
        hints=(
            "a weight is the new policy's probability over the propensity",
            "add up the weights of the clicked rows, and divide by the sum of all weights",
        ),
        worked=(
            "weights = [0.25 / 0.5, 0.5 / 0.5, 0.3 / 0.1, 0.4 / 0.8]\n"
            "answer = (weights[0] + weights[2]) / sum(weights)  # 3.5 / 5"
        ),
        example=SNIPS,
        mistakes=(
            (0.875, "that is IPS"),
            (0.5, "old policy"),
            (3.5, "sum of the clicked weights"),
            (0.379, "new one alone"),
            (0.4375, "turned round"),
            (0.9, "the weights are"),
        ),
    )


# --- q3: doubly robust ----------------------------------------------------------------------------


def _case(random: np.random.Generator) -> tuple[np.ndarray, ...]:
    rewards = random.integers(0, 2, 40).astype(float)
    actions = random.integers(0, 5, 40)
    policy = random.dirichlet(np.ones(5), 40)
    return rewards, actions, random.uniform(0.1, 0.6, 40), policy, random.random((40, 5))


def _verify_robust(answer: Callable[..., Any]) -> str:
    require_function(answer, "rewards, actions, propensities, policy and predictions")
    random = np.random.default_rng()
    for _ in range(3):
        case = _case(random)
        _judge_robust(float(answer(*(values.copy() for values in case))), case)
    return "right: the model's answer for all ads, and the weighted residuals of the logged ones"


def _judge_robust(value: float, case: tuple[np.ndarray, ...]) -> None:
    rewards, actions, propensities, policy, predictions = case
    truth = doubly_robust(*case).value
    if close(value, truth, tolerance=1e-9):
        return
    rows = np.arange(len(actions))
    weights = policy[rows, actions] / propensities
    model = (policy * predictions).sum(1)
    typical = (
        ((weights * rewards).mean(), "that is IPS: the model is missing"),
        (model.mean(), "that is the model alone: the weighted residuals are missing"),
        (
            (model + weights * rewards).mean(),
            "the model counts twice: weigh what it did not predict, rewards - predictions",
        ),
        (
            (model + rewards - predictions[rows, actions]).mean(),
            "the residuals are those of the old policy's ads: weigh them",
        ),
        (
            (predictions.mean(1) + weights * (rewards - predictions[rows, actions])).mean(),
            "the model's answer is a mean under the new policy, not over all ads alike",
        ),
    )
    reject_known(value, typical, tolerance=1e-9)
    raise NotYetError(f"on 40 rows the doubly robust estimate is {truth:.4f}, not {value:.4f}")


def _dr(rewards: Any, actions: Any, propensities: Any, policy: Any, predictions: Any) -> float:
    rows = np.arange(len(actions))
    weights = policy[rows, actions] / propensities
    residuals = rewards - predictions[rows, actions]
    return float(((policy * predictions).sum(1) + weights * residuals).mean())


def _robust() -> Exercise:
    return Exercise(
        name="doubly robust",
        difficulty=3,
        minutes=10,
        verify=_verify_robust,
        hints=(
            "policy[rows, actions] with rows = np.arange(len(actions)) picks the logged ads",
            "first the model: the sum over ads of policy * predictions, per row",
            "then add weight * (reward - prediction of the logged ad), and take the mean",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(rewards, actions, propensities, policy, predictions):\n"
            "    rows = np.arange(len(actions))\n"
            "    weights = policy[rows, actions] / propensities\n"
            "    residuals = rewards - predictions[rows, actions]\n"
            "    # what the model says of the new policy, and what it got wrong in the log\n"
            "    return ((policy * predictions).sum(1) + weights * residuals).mean()"
        ),
        example=_dr,
        mistakes=(
            (lambda r, a, p, pi, q: (pi[range(40), a] / p * r).mean(), "that is IPS"),
            (lambda r, a, p, pi, q: (pi * q).sum(1).mean(), "the model alone"),
            (
                lambda r, a, p, pi, q: ((pi * q).sum(1) + pi[range(40), a] / p * r).mean(),
                "counts twice",
            ),
            (lambda r, a, p, pi, q: ((pi * q).sum(1) + r - q[range(40), a]).mean(), "weigh them"),
            (
                lambda r, a, p, pi, q: (
                    q.mean(1) + pi[range(40), a] / p * (r - q[range(40), a])
                ).mean(),
                "not over all ads alike",
            ),
            (lambda r, a, p, pi, q: 7.0, "not 7.0000"),
            (0.5, "is a function"),
        ),
    )
