"""One explorer per idea of the course: controls over the functions of ``course.explorers``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from ftlearn.capstone import Grade
from ftlearn.course import explorers
from ftlearn.course.explorers import CleaningReport
from ftlearn.course.explorers.lora import Factors
from ftlearn.course.explorers.planner import LEARNING
from ftlearn.course.widgets.explorer import Drag, arguments_text, explorer
from ftlearn.evaluation import Report
from ftlearn.load import BatchCurve
from ftlearn.tasks.answers import COUNTS, AnswerModelling
from ftlearn.training.planning import Device, Uncertain

NUMBERS = tuple(range(1, 21))


def tokens(tokenizer: Any, text: str, *, max_length: int = 16) -> ipywidgets.VBox:
    """Type a text and see its tokens and ids, and what the window cuts off."""
    windows = sorted({max_length, 8, 16, 32, 64}, key=lambda size: (size != max_length, size))
    choices = {"text": text, "max_length": windows}
    return _with_code(
        partial(explorers.tokens, tokenizer), choices, "explorers.tokens(tokenizer, {})"
    )


def softmax(
    first: float = 0.0, second: float = 0.0, third: float = 0.0, truth: str = "second"
) -> ipywidgets.VBox:
    """Drag three logits and see the probabilities, the loss and its gradient p − y."""
    logits = {"first": first, "second": second, "third": third}
    names = sorted(logits, key=lambda name: name != truth)
    choices = {name: Drag(float(value), -8, 8, 0.5) for name, value in logits.items()}
    return _with_code(explorers.softmax, {**choices, "truth": names}, "explorers.softmax({})")


def decoding(
    tokenizer: Any, logits: np.ndarray, *, temperature: float = 1.0, name: str = "logits"
) -> ipywidgets.VBox:
    """Change temperature and cut-offs and see which next tokens can be drawn."""
    choices = {
        "temperature": Drag(temperature, 0.1, 3, 0.1),
        "top_k": (0, 1, 5, 20, 50),
        "top_p": (1.0, 0.95, 0.9, 0.7, 0.5),
        "min_p": (0.0, 0.02, 0.05, 0.1, 0.3),
    }
    show = partial(explorers.decoding, tokenizer, logits)
    return _with_code(show, choices, f"explorers.decoding(tokenizer, {name}, {{}})")


def mask(
    task: AnswerModelling,
    rows: Sequence[Any],
    tokenizer: Any,
    *,
    numbers: Sequence[int] | None = None,
    task_name: str = "task",
    name: str = "rows",
) -> ipywidgets.VBox:
    """Choose what counts in the loss of a dialogue and see its tokens, highlighted if they count.

    ``numbers`` are the rows to choose from, the first ten unless given; ``task_name`` and ``name``
    stand for the task and the rows in the printed code.
    """
    choices = {"row": numbers or range(min(len(rows), 10)), "count": COUNTS}
    show = partial(explorers.mask, task, rows, tokenizer)
    template = f"explorers.mask({task_name}, {name}, tokenizer, {{}})"
    return _with_code(show, choices, template)


def hand_over(
    probabilities: np.ndarray,
    truths: np.ndarray,
    *,
    human_cost: float = 1.0,
    error_cost: float = 5.0,
) -> ipywidgets.VBox:
    """Move the costs of a person and of an error and see the threshold and the cost per request."""
    choices = {
        "human_cost": Drag(human_cost, 0, 10, 0.5),
        "error_cost": Drag(error_cost, 0.5, 50, 0.5),
    }
    show = partial(explorers.hand_over, probabilities, truths)
    return _with_code(show, choices, "explorers.hand_over(probabilities, truths, {})")


def cleaning(report: CleaningReport, *, name: str = "report") -> ipywidgets.VBox:
    """Browse the records that each cleaning rule changes, before and after."""
    choices = {"reason": list(report.reasons), "number": NUMBERS}
    return _with_code(report.show, choices, name + ".show({})")


def thresholds(report: Report, *, name: str = "report") -> ipywidgets.VBox:
    """Move the threshold of a label, the cost of a miss and the temperature."""
    choices = {
        "label": list(report.task.labels),
        "threshold": Drag(0.5, 0.02, 0.98, 0.02),
        "miss": (1, 2, 5, 10),
        "temperature": Drag(1.0, 0.25, 4, 0.25),
    }
    return _with_code(
        partial(explorers.thresholds, report), choices, f"explorers.thresholds({name}, {{}})"
    )


def confusion(
    report: Report, *, label: str | None = None, prediction: str | None = None, name: str = "report"
) -> ipywidgets.VBox:
    """Choose a cell of the confusion matrix and read its texts.

    Starts at the cell with the most errors, unless ``label`` and ``prediction`` are given.
    """
    labels = list(report.task.labels)
    if label is None or prediction is None:
        label, prediction = most_confused(report)
    choices = {
        "label": sorted(labels, key=lambda name: name != label),
        "prediction": sorted(labels, key=lambda name: name != prediction),
        "count": (5, 1, 3, 10),
    }
    return _with_code(
        partial(explorers.confusion, report), choices, f"explorers.confusion({name}, {{}})"
    )


def most_confused(report: Report) -> tuple[str, str]:
    """Label and prediction of the cell with the most errors."""
    counts = report.confusion()
    errors = counts.to_numpy() * (1 - np.eye(len(counts), dtype=int))
    row, column = np.unravel_index(errors.argmax(), errors.shape)
    return counts.index[row], counts.columns[column]


def rates(
    features: np.ndarray, targets: np.ndarray, rate: float = 1.0, *, steps: int = 40
) -> ipywidgets.VBox:
    """Choose a learning rate and see the loss at that rate, a tenth of it and ten times it."""
    choices = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0]
    ordered = sorted({rate, *choices}, key=lambda value: (value != rate, value))
    show = partial(explorers.rates, features, targets, steps=steps)
    return _with_code(
        show, {"rate": ordered}, f"explorers.rates(features, targets, {{}}, steps={steps})"
    )


def batches(lengths: Sequence[int], *, batch_size: int = 8) -> ipywidgets.VBox:
    """Choose a batch size and whether to group texts by length, and see the padding."""
    sizes = sorted({batch_size, 4, 8, 16, 32}, key=lambda size: (size != batch_size, size))
    choices = {"batch_size": sizes, "bucketed": True}
    return _with_code(
        partial(explorers.batches, lengths), choices, "explorers.batches(lengths, {})"
    )


def lora(
    factors: Mapping[str, Factors],
    measure: Callable[[Mapping[str, np.ndarray]], Mapping[str, float]],
    *,
    ranks: Sequence[int] = (8, 1, 2, 4, 16, 32, 64, 128, 384),
) -> ipywidgets.VBox:
    """Choose the rank and the scale of an update, and see what is kept of it and what it does."""
    choices = {"rank": ranks, "scale": Drag(1.0, 0, 3, 0.25)}
    show = partial(explorers.lora, factors, measure)
    return _with_code(show, choices, "explorers.lora(factors, measure, {})")


def anchored(
    answers: pd.DataFrame, *, beta: float = 1.0, reward: str = "proxy", name: str = "answers"
) -> ipywidgets.VBox:
    """Choose the penalty β and the reward, and see the best policy and what it earns."""
    betas = sorted({beta, 10.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.3, 0.1}, reverse=True)
    rewards = sorted(answers.columns.drop("reference"), key=lambda column: column != reward)
    choices = {"beta": sorted(betas, key=lambda value: value != beta), "reward": rewards}
    show = partial(explorers.anchored, answers)
    return _with_code(show, choices, f"explorers.anchored({name}, {{}})")


def few_labels(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    prior: np.ndarray,
    *,
    labels: int = 4,
    kappa: float = 4.0,
) -> ipywidgets.VBox:
    """Choose the number of labels per class and κ, and see class means, prior and probe."""
    counts = sorted({labels, 1, 2, 4, 8, 16, 32, 64}, key=lambda count: (count != labels, count))
    choices = {"labels": counts, "kappa": Drag(kappa, 0, 64, 1)}
    show = partial(explorers.few_labels, train, test, prior)
    return _with_code(show, choices, "explorers.few_labels(train, test, prior, {})")


def position_bias(
    relevance: np.ndarray, scores: np.ndarray, *, names: str = "relevance, scores"
) -> ipywidgets.VBox:
    """Change the bias of positions and how strictly ads are sorted, and see their click rates."""
    choices = {"strength": Drag(1.0, 0, 2, 0.25), "temperature": (0.1, 0.01, 0.3, 1.0, 10.0)}
    show = partial(explorers.position_bias, relevance, scores)
    return _with_code(show, choices, f"explorers.position_bias({names}, {{}})")


def task_weights(
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    weight: float = 0.5,
    *,
    penalty: float = 0.1,
) -> ipywidgets.VBox:
    """Move the weight of two tasks and see where their joint optimum lies."""
    show = partial(explorers.task_weights, first, second, penalty=penalty)
    template = f"explorers.task_weights(first, second, {{}}, penalty={penalty})"
    return _with_code(show, {"weight": Drag(weight, 0, 1, 0.05)}, template)


def queueing(
    curve: BatchCurve, *, rate: float = 50.0, window_ms: float = 0.0, name: str = "curve"
) -> ipywidgets.VBox:
    """Move arrivals and batching window, and see how long requests wait, beside the theory."""
    choices = {
        "rate": Drag(rate, 5, 450, 5),
        "window_ms": Drag(window_ms, 0, 100, 5),
        "largest": (32, 1, 4, 8, 16, 64),
    }
    show = partial(explorers.queueing, curve)
    return _with_code(show, choices, f"explorers.queueing({name}, {{}})")


def planner(
    offers: Mapping[str, Device],
    *,
    billions: float = 1.0,
    million_tokens: float = 10.0,
    name: str = "offers",
    **assumptions: Uncertain,
) -> ipywidgets.VBox:
    """Choose model, tokens, method and devices, and see memory, hours, energy and price per offer.

    ``assumptions`` (utilisation, pue, price_per_kwh) are those of ``explorers.planner``.
    """
    sizes = sorted({billions, 0.1, 0.5, 1.0, 3.0, 7.0, 70.0})
    choices = {
        "billions": sorted(sizes, key=lambda size: size != billions),
        "million_tokens": Drag(million_tokens, 0.1, 1000, 0.1),
        "method": tuple(LEARNING),
        "devices": (1, 2, 4, 8, 64),
    }
    show = partial(explorers.planner, offers, **assumptions)
    written = "".join(f", {key}={value!r}" for key, value in assumptions.items())
    return _with_code(show, choices, f"explorers.planner({name}, {{}}{written})")


def rubric(grades: Mapping[str, Grade], *, name: str = "grades") -> ipywidgets.VBox:
    """Choose a planted fault and see which checks of the capstone find it."""
    show = partial(explorers.rubric, grades)
    return _with_code(show, {"fault": tuple(grades)}, f"explorers.rubric({name}, {{}})")


def _with_code(
    show: Callable[..., explorers.View], choices: Mapping[str, Any], template: str
) -> ipywidgets.VBox:
    """An explorer that shows its call as code; the template has brackets for the arguments."""
    return explorer(show, choices, lambda values: template.format(arguments_text(values)))
