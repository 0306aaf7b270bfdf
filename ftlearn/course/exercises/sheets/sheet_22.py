"""Exercises of notebook 22: an anchored policy, a walk along its line, the gradient of DPO."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ftlearn import preferences
from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets import museum_22


def exercises() -> list[Exercise]:
    """Three exercises, and the bug museum."""
    return [_two_answers(), _line(), _gradient(), *museum_22.exercises()]


# --- q1: the best policy of two answers -----------------------------------------------------------

PULL = math.exp(2)
"""exp(r / β) of the better answer, r = 1 and β = 0.5."""
BEST = 0.2 * PULL / (0.2 * PULL + 0.8)


def _verify_two_answers(answer: Any) -> str:
    if close(answer, BEST, tolerance=0.003):
        return "right: 0.2 e² to 0.8, so 0.649: the reward must first make up for the reference"
    reject_known(
        answer,
        (
            (1.0, "that is the answer without a leash, β = 0: the reference still counts"),
            (0.2, "that is the reference; the reward pulls away from it"),
            (PULL / (PULL + 1), "that is the softmax of r / β: multiply by the reference first"),
            (0.2 * math.exp(0.5) / (0.2 * math.exp(0.5) + 0.8), "β divides the reward"),
            (0.2 * math.e / (0.2 * math.e + 0.8), "that is for β = 1: here β = 0.5"),
            (0.2 * PULL, "divide by Z, so that the two probabilities sum to 1"),
        ),
        tolerance=0.003,
    )
    raise NotYetError("the probabilities are in the ratio 0.8 · exp(0 / 0.5) to 0.2 · exp(1 / 0.5)")


def _two_answers() -> Exercise:
    return Exercise(
        name="the best policy of two answers",
        difficulty=1,
        minutes=5,
        verify=_verify_two_answers,
        hints=(
            "the best policy is the reference times exp(r / β), divided by the sum",
            "exp(1 / 0.5) = e² = 7.389",
        ),
        worked=(
            "import math\n\n"
            "second = 0.2 * math.exp(1 / 0.5)\n"
            "first = 0.8 * math.exp(0 / 0.5)\n"
            "answer = second / (first + second)  # 0.649"
        ),
        example=BEST,
        mistakes=(
            (1.0, "without a leash"),
            (0.2, "that is the reference"),
            (0.881, "multiply by the reference"),
            (0.2919, "divides the reward"),
            (0.4046, "β = 0.5"),
            (1.478, "sum to 1"),
            (0.5, "in the ratio"),
        ),
    )


# --- q2: another β without the reward -------------------------------------------------------------


def _verify_line(answer: Callable[..., Any]) -> str:
    require_function(answer, "two distributions (K,), and two values of β")
    random = np.random.default_rng()
    reference, rewards = random.dirichlet(np.ones(9)), random.normal(size=9)
    for beta_1, beta in ((0.5, 2.0), (1.0, 1.5), (1.0, 0.6)):
        policy = preferences.anchored(reference, rewards, beta_1)
        moved = np.asarray(answer(reference.copy(), policy.copy(), beta_1, beta), float)
        _judge_line(moved, reference, policy, beta_1 / beta)
        if abs(moved - preferences.anchored(reference, rewards, beta)).max() > 1e-8:
            raise NotYetError(f"from β₁ = {beta_1} to β = {beta} the policy is another one")
    return "right: the reward is in the two policies, and λ = β₁/β may even exceed 1"


def _judge_line(
    moved: np.ndarray, reference: np.ndarray, policy: np.ndarray, weight: float
) -> None:
    if moved.shape != reference.shape:
        raise NotYetError(f"nine answers need nine probabilities; the shape is {moved.shape}")
    if abs(moved.sum() - 1) > 1e-6:
        raise NotYetError(f"the probabilities sum to {moved.sum():.3f}: divide by their sum")
    typical = (
        (
            (1 - weight) * reference + weight * policy,
            "that is the arithmetic mean: take logarithms",
        ),
        (_geometric(reference, policy, 1 / weight), "λ is β₁/β: yours is upside down"),
        (
            _geometric(policy, reference, weight),
            "the two ends are exchanged: λ belongs to the policy",
        ),
        (policy, "that is the policy at β₁: move it"),
    )
    for known, reason in typical:
        if abs(moved - known).max() < 1e-9:
            raise NotYetError(reason)


def _geometric(reference: np.ndarray, policy: np.ndarray, weight: float) -> np.ndarray:
    mixed = reference ** (1 - weight) * policy**weight
    return mixed / mixed.sum()


def _on_line(reference: np.ndarray, policy: np.ndarray, beta_1: float, beta: float) -> np.ndarray:
    return _geometric(reference, policy, beta_1 / beta)


def _line() -> Exercise:
    return Exercise(
        name="another β without the reward",
        difficulty=2,
        minutes=8,
        verify=_verify_line,
        hints=(
            "log π_β is linear in 1/β: how far between the two ends does β lie?",
            "λ = β₁/β; the result is proportional to reference^(1 − λ) · policy^λ",
        ),
        worked=(
            "def answer(reference, policy, beta_1, beta):\n"
            "    weight = beta_1 / beta  # above 1 it goes beyond the policy\n"
            "    mixed = reference ** (1 - weight) * policy**weight\n"
            "    return mixed / mixed.sum()"
        ),
        example=_on_line,
        mistakes=(
            (lambda p, q, a, b: (1 - a / b) * p + a / b * q, "arithmetic mean"),
            (lambda p, q, a, b: _geometric(p, q, b / a), "upside down"),
            (lambda p, q, a, b: _geometric(q, p, a / b), "exchanged"),
            (lambda p, q, a, b: p ** (1 - a / b) * q ** (a / b), "divide by their sum"),
            (lambda p, q, a, b: q, "move it"),
            (lambda p, q, a, b: p, "another one"),
            (0.5, "is a function"),
        ),
    )


# --- q3: the gradient of DPO ----------------------------------------------------------------------


def _verify_gradient(answer: Callable[..., Any]) -> str:
    require_function(answer, "four arrays (B,) and β")
    random = np.random.default_rng()
    for beta in (0.1, 0.5):
        columns = random.normal(-30, 3, size=(4, 6))
        truth = _autograd(columns, beta)
        gradient = np.asarray(answer(*columns.copy(), beta), float)
        if gradient.shape != (6,):
            raise NotYetError(f"six pairs need six derivatives; the shape is {gradient.shape}")
        if abs(gradient - truth).max() > 1e-6:
            _name_gradient(gradient, truth, columns, beta)
    return "right: autograd agrees; well ordered pairs pull least"


def _autograd(columns: np.ndarray, beta: float) -> np.ndarray:
    tensors = torch.tensor(columns, dtype=torch.float64, requires_grad=True)
    loss = preferences.dpo(*tensors, beta=beta).mean
    return torch.autograd.grad(loss, tensors)[0][0].numpy()


def _name_gradient(
    gradient: np.ndarray, truth: np.ndarray, columns: np.ndarray, beta: float
) -> None:
    margin = columns[0] - columns[2] - columns[1] + columns[3]
    without_reference = columns[0] - columns[1]
    typical = (
        (-truth, "the sign: a larger log π(chosen) lowers the loss"),
        (truth * 6, "the loss is the mean over pairs: divide by their number"),
        (truth / beta, "the inner derivative is missing: a factor β"),
        (
            -beta * _sigmoid(beta * margin) / 6,
            "the weight is the probability of the *wrong* order, σ(−βm)",
        ),
        (
            -beta * _sigmoid(-beta * without_reference) / 6,
            "the margin compares with the reference: Δ is a difference to it",
        ),
    )
    for known, reason in typical:
        if np.allclose(gradient, known, rtol=1e-4, atol=1e-9):
            raise NotYetError(reason)
    raise NotYetError(f"for the first pair autograd says {truth[0]:.4f}, not {gradient[0]:.4f}")


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def _by_hand(w: Any, l: Any, w_ref: Any, l_ref: Any, beta: float) -> np.ndarray:  # noqa: E741
    margin = (w - w_ref) - (l - l_ref)
    return -beta * _sigmoid(-beta * margin) / len(margin)


def _gradient() -> Exercise:
    return Exercise(
        name="the gradient of DPO",
        difficulty=3,
        minutes=12,
        verify=_verify_gradient,
        hints=(
            "the loss of a pair is −log σ(βm) with m = (w − w_ref) − (l − l_ref)",
            "the derivative of −log σ(z) is −σ(−z); then dz/dw = β",
            "and the mean over B pairs divides by B",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(chosen, rejected, reference_chosen, reference_rejected, beta):\n"
            "    margin = (chosen - reference_chosen) - (rejected - reference_rejected)\n"
            "    wrong_order = 1 / (1 + np.exp(beta * margin))  # sigma(-beta m)\n"
            "    return -beta * wrong_order / len(margin)  # the mean over pairs"
        ),
        example=_by_hand,
        mistakes=(
            (lambda *a: -_by_hand(*a), "the sign"),
            (lambda *a: _by_hand(*a) * len(a[0]), "divide by their number"),
            (lambda *a: _by_hand(*a) / a[-1], "a factor β"),
            (lambda w, l, p, q, b: _by_hand(-w, -l, -p, -q, b), "wrong* order"),  # noqa: E741
            (lambda w, l, p, q, b: _by_hand(w, l, 0 * p, 0 * q, b), "compares with the reference"),  # noqa: E741
            (lambda *a: _by_hand(*a).sum(), "the shape is"),
            (lambda *a: np.zeros(6), "autograd says"),
            (0.5, "is a function"),
        ),
    )
