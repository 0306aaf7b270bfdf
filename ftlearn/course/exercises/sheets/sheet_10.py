"""Exercises of notebook 10: a point on the line, barriers, swapped units, soups, honest choice."""

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


def exercises() -> list[Exercise]:
    """The five exercises of the sheet."""
    return [_compromise(), _barrier(), _swapped(), _greedy(), _report()]


# --- q1 -----------------------------------------------------------------------------------------


def _verify_compromise(answer: Any) -> str:
    if close(answer, 0.375):
        return "right: the best weight is 3.5, halfway between the optima, and α = (3.5 − 2) / 4"
    reject_known(
        answer,
        (
            (3.5, "that is the weight itself; α says how far it is from θ_P, as a share of 4"),
            (0.75, "that is best for the task alone; the control pulls back to α = 0"),
            (0.625, "that counts from the fine-tuned end: α = 0 is the pretrained model"),
            (0.5, "the middle of the two *models* is 4; what is the middle of the two optima?"),
            (1.5, "that is the distance from θ_P; divide it by the whole way, 6 − 2"),
        ),
    )
    raise NotYetError("set the derivative 2(θ − 5) + 2(θ − 2) to zero, then θ = 2 + 4α")


def _compromise() -> Exercise:
    return Exercise(
        name="one weight, two tasks",
        difficulty=1,
        minutes=5,
        verify=_verify_compromise,
        hints=(
            "first find the weight θ that is best for the sum of the two losses",
            "then solve θ = 2 + α · (6 − 2) for α",
        ),
        worked=(
            "# (θ − 5)² + (θ − 2)² is smallest where 2(θ − 5) + 2(θ − 2) = 0\n"
            "theta = (5 + 2) / 2\n"
            "# θ = 2 + α · (6 − 2)\n"
            "answer = (theta - 2) / (6 - 2)"
        ),
        example=0.375,
        mistakes=(
            (3.5, "the weight itself"),
            (0.75, "task alone"),
            (0.625, "fine-tuned end"),
            (0.5, "middle of the two *models*"),
            (1.5, "distance from θ_P"),
            ("half", "derivative"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------


def _slow_barrier(alphas: Sequence[float], losses: Sequence[float]) -> float:
    first, last = float(losses[0]), float(losses[-1])
    rises = []
    for alpha, loss in list(zip(alphas, losses, strict=True))[1:-1]:
        rises.append(float(loss) - (first + (last - first) * float(alpha)))
    return max(rises)


def _verify_barrier(answer: Callable[[Any, Any], Any]) -> str:
    require_function(answer, "alphas and losses")
    random = np.random.default_rng()
    for _ in range(10):
        alphas = np.array([0.0, *np.sort(random.uniform(0.05, 0.95, 3)), 1.0])
        losses = random.uniform(0.2, 2.0, 5)
        _judge_barrier(answer, alphas, losses)
        sagging = (1 - alphas) * losses[0] + alphas * losses[-1] - alphas * (1 - alphas)
        _judge_barrier(answer, alphas, sagging)
    return "right: ends of unequal loss are compared with the line between them, and dips count"


def _judge_barrier(answer: Callable[[Any, Any], Any], alphas: np.ndarray, losses: Any) -> None:
    truth = _slow_barrier(alphas, losses)
    got = float(answer(alphas.copy(), losses.copy()))
    if close(got, truth, tolerance=1e-9):
        return
    inner, ends = losses[1:-1], (losses[0], losses[-1])
    named = (
        (max(0.0, truth), "a path may dip: keep a negative value, and look strictly inside"),
        (inner.max() - np.mean(ends), "the ends differ: compare with the line, not their mean"),
        (inner.max() - max(ends), "the ends differ: compare with the line, not the worse end"),
        (inner.max(), "that is the highest loss: subtract the line between the two ends"),
    )
    for value, reason in named:
        if close(got, value, tolerance=1e-9):
            raise NotYetError(reason)
    reached = f"for α = {alphas.round(2).tolist()} and losses {np.round(losses, 2).tolist()}"
    raise NotYetError(f"{reached} the barrier is {truth:.3f}, not {got:.3f}")


def _line_of(alphas: np.ndarray, losses: np.ndarray) -> np.ndarray:
    return (1 - alphas) * losses[0] + alphas * losses[-1]


def _barrier() -> Exercise:
    return Exercise(
        name="the height of a barrier",
        difficulty=2,
        minutes=8,
        verify=_verify_barrier,
        hints=(
            "the straight line between the end losses is (1 − α)·L(0) + α·L(1)",
            "take the largest of L(α) minus that line, without the first and the last point",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(alphas, losses):\n"
            "    alphas, losses = np.asarray(alphas), np.asarray(losses)\n"
            "    line = (1 - alphas) * losses[0] + alphas * losses[-1]\n"
            "    return (losses - line)[1:-1].max()  # at the ends it is 0, and would hide a dip"
        ),
        example=lambda alphas, losses: (losses - _line_of(alphas, losses))[1:-1].max(),
        mistakes=(
            (lambda alphas, losses: (losses - _line_of(alphas, losses)).max(), "may dip"),
            (lambda alphas, losses: losses[1:-1].max() - losses[[0, -1]].mean(), "not their mean"),
            (lambda alphas, losses: losses[1:-1].max() - max(losses[0], losses[-1]), "worse end"),
            (lambda alphas, losses: losses[1:-1].max(), "highest loss"),
            (lambda alphas, losses: (_line_of(alphas, losses) - losses)[1:-1].max(), "barrier is"),
            (0.5, "a function of"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------


def _verify_swapped(answer: Any) -> str:
    if close(answer, 0):
        return "right: the weights +1 and −1 average to 0, and both units output 0"
    reject_known(
        answer,
        (
            (3, "both ends answer 3, but the midpoint of *weights* is another network: average"),
            (1.5, "halving the answer is not halving the weights: what is (1 + −1) / 2?"),
            (-3, "the twin computes the same function, not its negative"),
            (0.75, "each weight is the mean of +1 and −1, which is 0, not 1/2"),
        ),
    )
    raise NotYetError("write both weight lists, (1, −1) and (−1, 1), and average them")


def _swapped() -> Exercise:
    return Exercise(
        name="the twin with swapped units",
        difficulty=2,
        minutes=5,
        verify=_verify_swapped,
        hints=(
            "the network has input weights (1, −1) and output weights (1, −1)",
            "its twin has (−1, 1) and (−1, 1): average each of the two lists",
        ),
        worked=(
            "import numpy as np\n\n"
            "network, twin = np.array([1, -1]), np.array([-1, 1])\n"
            "middle = (network + twin) / 2  # of the input and of the output weights: all are 0\n"
            "answer = float(middle @ np.maximum(middle * 3, 0))"
        ),
        example=0,
        mistakes=(
            (3, "another network"),
            (1.5, "halving the answer"),
            (-3, "not its negative"),
            (0.75, "mean of +1"),
            ("x", "both weight lists"),
        ),
    )


# --- q4 -----------------------------------------------------------------------------------------

Score = Callable[[np.ndarray], float]


def _slow_greedy(models: Sequence[np.ndarray], score: Score) -> np.ndarray:
    indices = [0]
    for new in range(1, len(models)):
        soup = sum(models[index] for index in indices) / len(indices)
        candidate = sum(models[index] for index in [*indices, new]) / (len(indices) + 1)
        if score(candidate) >= score(soup):
            indices.append(new)
    return sum(models[index] for index in indices) / len(indices)


def _pot(random: np.random.Generator) -> tuple[list[np.ndarray], Score]:
    """Models around a goal, some far away, sorted by distance; the score is minus the distance."""
    goal = random.normal(size=6)
    models = [goal + random.normal(size=6) * random.choice([0.5, 0.5, 4.0]) for _ in range(8)]
    models.sort(key=lambda model: float(np.square(model - goal).sum()))
    return models, lambda model: -float(np.square(np.asarray(model) - goal).sum())


def _verify_greedy(answer: Callable[..., Any]) -> str:
    require_function(answer, "models and score")
    random = np.random.default_rng()
    _judge_equal_weights(answer)
    for _ in range(10):
        models, score = _pot(random)
        got = np.asarray(answer([model.copy() for model in models], score), dtype=float)
        truth = _slow_greedy(models, score)
        if got.shape == truth.shape and np.abs(got - truth).max() < 1e-9:
            continue
        _name_greedy(got, models, score)
    return "right: all models that stay have the same weight, and each was tried first"


def _judge_equal_weights(answer: Callable[..., Any]) -> None:
    """If every model stays, the soup is the plain mean."""
    models = [np.eye(4)[row] for row in range(4)]
    got = np.asarray(answer([model.copy() for model in models], lambda model: 0.0), dtype=float)
    if got.shape == (4,) and close(got[-1], 0.5) and close(got[0], 0.125):
        raise NotYetError(
            "with four models that all stay, the last has weight 1/2 and the first 1/8: "
            "each should have 1/4"
        )
    if got.shape == (4,) and close(got[0], 1.0):
        raise NotYetError("a model that scores *as well* stays too: compare with >=")


def _name_greedy(got: np.ndarray, models: Sequence[np.ndarray], score: Score) -> None:
    if got.shape != models[0].shape:
        raise NotYetError(f"the soup is one array of shape {models[0].shape}, not {got.shape}")
    if np.abs(got - np.mean(models, axis=0)).max() < 1e-9:
        raise NotYetError("that is the uniform soup: try each, leave out what makes it worse")
    if np.abs(got - models[0]).max() < 1e-9:
        raise NotYetError("that is the best single model: try the others with it")
    raise NotYetError(
        f"the soup scores {score(got):.3f}; plain means, each compared with the soup *so far*, "
        f"reach {score(_slow_greedy(models, score)):.3f}"
    )


def _halving(models: Sequence[np.ndarray], score: Score) -> np.ndarray:
    soup = models[0]
    for model in models[1:]:
        tried = (soup + model) / 2
        soup = tried if score(tried) >= score(soup) else soup
    return soup


def _strict(models: Sequence[np.ndarray], score: Score) -> np.ndarray:
    ingredients = [models[0]]
    for model in models[1:]:
        if score(np.mean([*ingredients, model], axis=0)) > score(np.mean(ingredients, axis=0)):
            ingredients.append(model)
    return np.mean(ingredients, axis=0)


def _greedy() -> Exercise:
    return Exercise(
        name="the soup that forgot its first models",
        difficulty=3,
        minutes=12,
        verify=_verify_greedy,
        hints=(
            "let score return 0 always: which weight has each of four models at the end?",
            "keep a list of the models that stay, and take the mean of the list",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(models, score):\n"
            "    chosen = [models[0]]\n"
            "    for model in models[1:]:\n"
            "        candidate = np.mean([*chosen, model], axis=0)  # all with the same weight\n"
            "        if score(candidate) >= score(np.mean(chosen, axis=0)):\n"
            "            chosen.append(model)\n"
            "    return np.mean(chosen, axis=0)"
        ),
        example=_slow_greedy,
        mistakes=(
            (_halving, "each should have 1/4"),
            (_strict, "*as well* stays"),
            (lambda models, score: np.mean(models, axis=0), "uniform soup"),
            (lambda models, score: models[0], "*as well* stays"),
            (lambda models, score: len(models), "one array"),
            (0.5, "a function of"),
        ),
    )


# --- q5 -----------------------------------------------------------------------------------------


def _verify_report(answer: Any) -> str:
    if close(answer, 0.69):
        return "right: valid chooses α = 0.25, and test is read once, there"
    reject_known(
        answer,
        (
            (0.66, "that α was chosen on test, so its score flatters: choose on valid"),
            (0.70, "that is the loss on valid, which did the choosing: report test"),
            (0.25, "that is the α to choose; give the loss to report for it"),
            (0.82, "that is the fine-tuned end; valid prefers an inner point"),
            (0.5, "α = 0.5 is best on test only, and the answer is a loss"),
        ),
    )
    raise NotYetError("choose α where valid is lowest, then read the test loss at that α")


def _report() -> Exercise:
    return Exercise(
        name="which number goes into the report",
        difficulty=2,
        minutes=5,
        verify=_verify_report,
        hints=("which of the two rows may choose?", "read the other row at the chosen α"),
        worked=(
            "valid = {0: 0.74, 0.25: 0.70, 0.5: 0.71, 1: 0.80}\n"
            "test = {0: 0.76, 0.25: 0.69, 0.5: 0.66, 1: 0.82}\n"
            "chosen = min(valid, key=valid.get)  # valid chooses\n"
            "answer = test[chosen]  # test is read once"
        ),
        example=0.69,
        mistakes=(
            (0.66, "chosen on test"),
            (0.70, "did the choosing"),
            (0.25, "the α to choose"),
            (0.82, "fine-tuned end"),
            (0.74, "valid is lowest"),
        ),
    )
