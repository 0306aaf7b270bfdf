"""Exercises of notebook 24: a mean latency, latencies of an open loop, a distillation gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets import museum_24
from ftlearn.interpolation import targets


def exercises() -> list[Exercise]:
    """Three exercises, and the bug museum."""
    return [_mean_latency(), _open_loop(), _gradient(), *museum_24.exercises()]


# --- q1: the mean latency of a queue --------------------------------------------------------------


def _verify_mean_latency(answer: Any) -> str:
    if close(answer, 120, tolerance=0.5):
        return "right: 80 ms of waiting and 40 ms of work, and the server is busy 80 % of the time"
    reject_known(
        answer,
        (
            (80, "that is the wait in the queue: the computation itself comes on top"),
            (200, "that is for exponential times: fixed ones wait half as long"),
            (160, "that is the wait for exponential times; here all take 40 ms, and work counts"),
            (40, "that is the work alone: at 80 % load most requests have to wait for others"),
            (0.12, "in milliseconds, please"),
            (50, "20 per second are one every 50 ms; ask how long each stays"),
        ),
        tolerance=0.005,
    )
    raise NotYetError("first ρ = λS, then W_q = λS² / 2(1 − ρ), then add S")


def _mean_latency() -> Exercise:
    return Exercise(
        name="the mean latency of a queue",
        difficulty=1,
        minutes=4,
        verify=_verify_mean_latency,
        hints=(
            "the server is busy a share ρ = 20 · 0.04 of the time",
            "W_q = λ E[S²] / 2(1 − ρ), and fixed times have E[S²] = S²",
        ),
        worked=(
            "rate, seconds = 20, 0.04\n"
            "busy = rate * seconds  # 0.8\n"
            "wait = rate * seconds**2 / (2 * (1 - busy))  # 0.08 s\n"
            "answer = 1000 * (wait + seconds)  # 120 ms"
        ),
        example=120.0,
        mistakes=(
            (80, "comes on top"),
            (200, "half as long"),
            (160, "work counts"),
            (40, "work alone"),
            (0.12, "milliseconds"),
            (50, "stays"),
            (7, "add S"),
        ),
    )


# --- q2: latencies of an open loop ----------------------------------------------------------------


def _latencies(due: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """The slow obvious way: a clock that goes from request to request."""
    free, latencies = -np.inf, []
    for moment, work in zip(due, seconds, strict=True):
        free = max(free, moment) + work
        latencies.append(free - moment)
    return np.array(latencies)


def _from_sending(due: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    return np.array(seconds, float)


def _without_idling(due: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    return due[0] + np.cumsum(seconds) - due


def _verify_open_loop(answer: Callable[..., Any]) -> str:
    require_function(answer, "the times at which requests are due, and the seconds that each takes")
    random = np.random.default_rng()
    for busy in (0.3, 0.9):
        due = 3 + np.cumsum(random.exponential(1 / busy, 200))
        seconds = random.uniform(0.5, 1.5, 200)
        given = np.asarray(answer(due.copy(), seconds.copy()), float)
        if given.shape != (200,):
            raise NotYetError(f"200 requests have 200 latencies; the shape is {given.shape}")
        truth = _latencies(due, seconds)
        if not np.allclose(given, truth):
            _name_open_loop(given, truth, due, seconds)
    return "right: from due to done, the wait for others included"


def _name_open_loop(
    given: np.ndarray, truth: np.ndarray, due: np.ndarray, seconds: np.ndarray
) -> None:
    typical = (
        (seconds, "that counts from when the work began: coordinated omission"),
        (truth - seconds, "that is the wait; the latency ends with the answer"),
        (truth + due, "that is when each was done: subtract when it was due"),
        (
            _without_idling(due, seconds),
            "the server cannot work ahead: it begins when a request is there, not before",
        ),
    )
    for known, reason in typical:
        if np.allclose(given, known):
            raise NotYetError(reason)
    worst = int(abs(given - truth).argmax())
    raise NotYetError(f"request {worst} takes {truth[worst]:.3f} s, not {given[worst]:.3f}")


def _open_loop() -> Exercise:
    return Exercise(
        name="latencies of an open loop",
        difficulty=2,
        minutes=8,
        verify=_verify_open_loop,
        hints=(
            "keep the moment at which the server is free again, and go from request to request",
            "a request begins at the later of two moments: when it is due, when the server is free",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(due, seconds):\n"
            "    free, latencies = 0.0, []\n"
            "    for moment, work in zip(due, seconds):\n"
            "        free = max(free, moment) + work  # it waits until the server is free\n"
            "        latencies.append(free - moment)  # counted from when it was due\n"
            "    return np.array(latencies)"
        ),
        example=_latencies,
        mistakes=(
            (_from_sending, "coordinated omission"),
            (lambda due, s: _latencies(due, s) - s, "ends with the answer"),
            (lambda due, s: _latencies(due, s) + due, "subtract when"),
            (_without_idling, "work ahead"),
            (lambda due, s: _latencies(due, s).mean(), "the shape is"),
            (lambda due, s: 2 * s, "takes"),
            (0.5, "is a function"),
        ),
    )


# --- q3: the gradient of distillation -------------------------------------------------------------


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _terms(
    student: np.ndarray, teacher: np.ndarray, labels: np.ndarray, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of the two cross-entropies per row: p − y, and (p^T − q^T) / T."""
    hard = _softmax(student) - np.eye(student.shape[1])[labels]
    soft = (_softmax(student / temperature) - _softmax(teacher / temperature)) / temperature
    return hard, soft


def _by_hand(
    student: np.ndarray, teacher: np.ndarray, labels: np.ndarray, weight: float, temperature: float
) -> np.ndarray:
    hard, soft = _terms(student, teacher, labels, temperature)
    return ((1 - weight) * hard + weight * temperature**2 * soft) / len(student)


def _autograd(
    student: np.ndarray, teacher: np.ndarray, labels: np.ndarray, weight: float, temperature: float
) -> np.ndarray:
    logits = torch.tensor(student, requires_grad=True)
    options = {"weight": weight, "temperature": temperature}
    loss = targets.distillation(logits, torch.tensor(labels), torch.tensor(teacher), **options).mean
    return torch.autograd.grad(loss, logits)[0].numpy()


def _verify_gradient(answer: Callable[..., Any]) -> str:
    require_function(answer, "two arrays of logits (B, C), labels (B,), a weight and a temperature")
    random = np.random.default_rng()
    for weight, temperature in ((0.3, 3.0), (0.8, 2.0)):
        student, teacher = random.normal(0, 2, size=(2, 6, 4))
        labels = random.integers(0, 4, 6)
        given = answer(student.copy(), teacher.copy(), labels.copy(), weight, temperature)
        gradient = np.asarray(given, float)
        if gradient.shape != (6, 4):
            raise NotYetError(f"six rows of four logits; the shape is {gradient.shape}")
        truth = _autograd(student, teacher, labels, weight, temperature)
        if abs(gradient - truth).max() > 1e-5:
            parts = _terms(student, teacher, labels, temperature)
            _name_gradient(gradient, truth, parts, weight, temperature)
    return "right: autograd agrees; one T of T² is left, the other was the chain rule's"


def _name_gradient(
    gradient: np.ndarray,
    truth: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray],
    weight: float,
    temperature: float,
) -> None:
    hard, soft = parts
    rows, square = len(gradient), temperature**2
    typical = (
        (truth * rows, "the loss is the mean over rows: divide by their number"),
        (((1 - weight) * hard + weight * soft) / rows, "the factor T² is missing"),
        (
            ((1 - weight) * hard + weight * square * temperature * soft) / rows,
            "the chain rule of z / T gives a factor 1/T",
        ),
        (
            (weight * hard + (1 - weight) * square * soft) / rows,
            "α is the weight of the teacher: yours are exchanged",
        ),
        (-truth, "the sign: the gradient is prediction minus target"),
    )
    for known, reason in typical:
        if np.allclose(gradient, known, atol=1e-6):
            raise NotYetError(reason)
    raise NotYetError(f"for the first logit autograd says {truth[0, 0]:.4f}")


def _gradient() -> Exercise:
    return Exercise(
        name="the gradient of distillation",
        difficulty=3,
        minutes=12,
        verify=_verify_gradient,
        hints=(
            "the gradient of a cross-entropy with respect to its logits is prediction minus target",
            "the soft term is T² times (p^T − q^T) / T",
            "weights 1 − α and α, and the mean over B rows",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def softmax(logits):\n"
            "    powers = np.exp(logits - logits.max(1, keepdims=True))\n"
            "    return powers / powers.sum(1, keepdims=True)\n\n\n"
            "def answer(student, teacher, labels, weight, temperature):\n"
            "    hard = softmax(student) - np.eye(student.shape[1])[labels]\n"
            "    soft = softmax(student / temperature) - softmax(teacher / temperature)\n"
            "    # T² from the loss, 1/T from the chain rule\n"
            "    return ((1 - weight) * hard + weight * temperature * soft) / len(student)"
        ),
        example=_by_hand,
        mistakes=(
            (lambda *a: _by_hand(*a) * len(a[0]), "divide by their number"),
            (lambda s, q, y, a, t: _mixed(s, q, y, (1 - a, a), t), "T² is missing"),
            (lambda s, q, y, a, t: _mixed(s, q, y, (1 - a, a * t**3), t), "chain rule"),
            (lambda s, q, y, a, t: _by_hand(s, q, y, 1 - a, t), "exchanged"),
            (lambda *a: -_by_hand(*a), "the sign"),
            (lambda *a: _by_hand(*a).sum(), "the shape is"),
            (lambda *a: np.zeros((6, 4)), "autograd says"),
            (0.5, "is a function"),
        ),
    )


def _mixed(
    student: np.ndarray,
    teacher: np.ndarray,
    labels: np.ndarray,
    weights: tuple[float, float],
    temperature: float,
) -> np.ndarray:
    hard, soft = _terms(student, teacher, labels, temperature)
    return (weights[0] * hard + weights[1] * soft) / len(student)
