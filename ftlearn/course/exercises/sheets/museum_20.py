"""The bug museum of notebook 20: projections, an uneven order, a loss that counts C times."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from ftlearn.course.exercises.base import Exercise, NotYetError, close, require_function


def exercises() -> list[Exercise]:
    """The three broken functions, which run and do the wrong thing."""
    return [_projection(), _order(), _units()]


# --- q4: tianheyu927/PCGrad#2 and #12 -------------------------------------------------------------


def _verify_projection(answer: Callable[[np.ndarray], Any]) -> str:
    require_function(answer, "gradients (n, P)")
    fresh = np.random.default_rng()
    for tasks in (2, 2, 3, 4):
        gradients = fresh.normal(size=(tasks, 3))
        if tasks == 2:  # these two conflict
            gradients[1] = fresh.normal(size=3) * 0.1 - gradients[0]
        projected = np.asarray(answer(gradients.copy()), dtype=float)
        if projected.shape != gradients.shape:
            raise NotYetError(
                f"gradients {gradients.shape} stay of that shape; yours has {projected.shape}"
            )
        _judge_projection(projected, gradients)
    return "right: every gradient is projected against the others as they were"


def _judge_projection(projected: np.ndarray, gradients: np.ndarray) -> None:
    if np.allclose(projected, _slow(gradients)):
        return
    if np.allclose(projected, gradients):
        raise NotYetError("nothing is projected, though these gradients conflict")
    if len(gradients) == 2 and np.allclose(projected[1], gradients[1]):
        raise NotYetError(
            "the first gradient gave way, the second did not: it was compared with the first one "
            "after its projection, which no longer conflicts with anything"
        )
    if len(gradients) == 2 and projected[0] @ gradients[1] < -1e-9:
        raise NotYetError("the first gradient still conflicts: divide by the squared length of g_j")
    raise NotYetError("compare each gradient with the other gradients as the tasks sent them")


def _slow(gradients: np.ndarray) -> np.ndarray:
    """Each gradient in turn, coordinate by coordinate, against the untouched others."""
    rows = []
    for i, start in enumerate(gradients.tolist()):
        vector = list(start)
        for j, other in enumerate(gradients.tolist()):
            product = sum(a * b for a, b in zip(vector, other, strict=True))
            if i != j and product < 0:
                share = product / sum(b * b for b in other)
                vector = [a - share * b for a, b in zip(vector, other, strict=True)]
        rows.append(vector)
    return np.array(rows)


def _in_place(gradients: np.ndarray) -> np.ndarray:
    for i, gradient in enumerate(gradients):
        for j, other in enumerate(gradients):
            product = gradient @ other
            if i != j and product < 0:
                gradient -= product / (other @ other) * other
    return gradients


def _by_length(gradients: np.ndarray) -> np.ndarray:
    projected = gradients.copy()
    for i, gradient in enumerate(projected):
        for j, other in enumerate(gradients):
            product = gradient @ other
            if i != j and product < 0:
                gradient -= product / (4 * np.linalg.norm(other)) * other
    return projected


IN_PLACE = (
    "def answer(gradients):\n"
    '    """Gradients (n, P), each without its component along those that it conflicts with."""\n'
    "    for i, gradient in enumerate(gradients):\n"
    "        for j, other in enumerate(gradients):\n"
    "            product = gradient @ other\n"
    "            if i != j and product < 0:\n"
    "                gradient -= product / (other @ other) * other\n"
    "    return gradients\n\n"
)


def _projection() -> Exercise:
    return Exercise(
        name="who gives way",
        difficulty=2,
        minutes=8,
        verify=_verify_projection,
        hints=(
            "for two gradients that conflict: which of them changes?",
            "rows of a numpy array are views: `gradient -= ...` changes what the others are "
            "compared with",
        ),
        worked=(
            "def answer(gradients):\n"
            "    projected = gradients.copy()  # the rows of `gradients` stay as they were\n"
            "    for i, gradient in enumerate(projected):\n"
            "        for j, other in enumerate(gradients):\n"
            "            product = gradient @ other\n"
            "            if i != j and product < 0:\n"
            "                gradient -= product / (other @ other) * other\n"
            "    return projected"
        ),
        broken=IN_PLACE,
        example=_slow,
        mistakes=(
            (_in_place, "the second did not"),
            (lambda gradients: gradients, "nothing is projected"),
            (_by_length, "squared length"),
            (lambda gradients: _slow(gradients).sum(0), "stay of that shape"),
            (lambda gradients: -_slow(gradients), "as the tasks sent them"),
            (0.5, "is a function"),
        ),
    )


# --- q5: illuin-tech/colpali#316 ------------------------------------------------------------------

SIZES = (90, 10)


def _verify_order(answer: Callable[..., Any]) -> str:
    require_function(answer, "numbers of batches and a seed")
    orders = [list(map(int, answer(list(SIZES), seed))) for seed in range(200)]
    for order in orders:
        counts = Counter(order)
        if [counts[0], counts[1]] != list(SIZES) or len(order) != sum(SIZES):
            raise NotYetError(
                f"an epoch has {SIZES[0]} batches of task 0 and {SIZES[1]} of task 1; yours has "
                f"{counts[0]} and {counts[1]}"
            )
    if len({tuple(order) for order in orders}) < 100:
        raise NotYetError("the order hardly depends on the seed: draw it")
    places = np.array([np.flatnonzero(order) for order in map(np.array, orders)])  # (200, 10)
    mean = places.mean() / (sum(SIZES) - 1)
    if mean < 0.4:
        raise NotYetError(
            f"the batches of the small task lie at {mean:.0%} of the epoch on average: it is used "
            "up early, and the rest is one task alone"
        )
    if mean > 0.6:
        raise NotYetError(f"the small task comes late: at {mean:.0%} of the epoch on average")
    if places.std() < 0.2 * sum(SIZES):  # 0.29 where every place is equally likely
        raise NotYetError("the batches of the small task crowd in one stretch of the epoch")
    return f"right: the small task's batches lie at {mean:.0%} of the epoch on average"


def _uniform_until_empty(sizes: Sequence[int], seed: int) -> list[int]:
    chance, left, order = random.Random(seed), list(sizes), []
    while any(left):
        task = chance.choice([task for task, count in enumerate(left) if count])
        left[task] -= 1
        order.append(task)
    return order


def _shuffled(sizes: Sequence[int], seed: int) -> list[int]:
    order = [task for task, count in enumerate(sizes) for _ in range(count)]
    random.Random(seed).shuffle(order)
    return order


def _in_the_middle(sizes: Sequence[int], seed: int) -> list[int]:
    middle = _shuffled((sizes[0] // 3, sizes[1]), seed)
    rest = sizes[0] - sizes[0] // 3
    return [0] * (rest // 2) + middle + [0] * (rest - rest // 2)


def _order() -> Exercise:
    return Exercise(
        name="an epoch that ends alone",
        difficulty=1,
        minutes=6,
        verify=_verify_order,
        hints=(
            "where in the epoch are the batches of the small task?",
            "draw a task in proportion to the batches that it has left, or shuffle a list of all",
        ),
        worked=(
            "import random\n\n\n"
            "def answer(sizes, seed):\n"
            "    order = [task for task, count in enumerate(sizes) for _ in range(count)]\n"
            "    random.Random(seed).shuffle(order)  # each batch is equally likely at each place\n"
            "    return order"
        ),
        broken=(
            "import random\n\n\n"
            "def answer(sizes, seed):\n"
            '    """The task (0, 1, ...) of each batch of an epoch; `sizes` counts batches."""\n'
            "    chance, left, order = random.Random(seed), list(sizes), []\n"
            "    while any(left):\n"
            "        task = chance.choice([task for task, count in enumerate(left) if count])\n"
            "        left[task] -= 1\n"
            "        order.append(task)\n"
            "    return order\n\n"
        ),
        example=_shuffled,
        mistakes=(
            (_uniform_until_empty, "used up early"),
            (lambda sizes, seed: _uniform_until_empty(sizes, seed)[::-1], "comes late"),
            (lambda sizes, seed: sorted(_shuffled(sizes, seed)), "depends on the seed"),
            (_in_the_middle, "crowd"),
            (lambda sizes, seed: _shuffled((50, 50), seed), "an epoch has"),
            (0.5, "is a function"),
        ),
    )


# --- q6: chemprop/chemprop#845 --------------------------------------------------------------------


def _verify_units(answer: Callable[..., Any]) -> str:
    require_function(answer, "logits, labels, scores and stars")
    for classes in (3, 7):
        torch.manual_seed(classes)
        logits, labels = torch.randn(12, classes), torch.arange(12) % classes
        scores, stars = torch.randn(12), torch.randn(12)
        total = float(answer(logits, labels, scores, stars))
        _judge_units(total, logits, labels, scores, stars)
    return "right: two means over the rows, whatever the number of classes"


def _judge_units(total: float, *batch: torch.Tensor) -> None:
    logits, labels, scores, stars = batch
    probabilities = logits.double().exp() / logits.double().exp().sum(1, keepdim=True)
    topic = -np.log([float(p[int(y)]) for p, y in zip(probabilities, labels, strict=True)])
    square = ((scores - stars).double() ** 2).numpy()
    if close(total, topic.mean() + square.mean(), tolerance=1e-4):
        return
    classes = logits.shape[1]
    typical = (
        (
            classes * topic.mean() + square.mean(),
            f"with {classes} classes the topics count {classes} times: the weights have a column "
            "per class, and (12, 1) times (1, C) is (12, C)",
        ),
        (topic.mean() / classes + square.mean(), "the topics are divided by the classes now"),
        (topic.sum() + square.mean(), "a sum over rows beside a mean: it grows with the batch"),
        (topic.sum() + square.sum(), "both are sums now: the loss grows with the batch"),
        (topic.mean(), "the stars are missing"),
    )
    for value, reason in typical:
        if close(total, value, tolerance=1e-4):
            raise NotYetError(reason)
    raise NotYetError(
        f"the two means add up to {topic.mean() + square.mean():.3f}, not {total:.3f}"
    )


def _two_means(logits: Any, labels: Any, scores: Any, stars: Any) -> torch.Tensor:
    return cross_entropy(logits, labels) + (scores - stars).square().mean()


def _times_classes(logits: Any, labels: Any, scores: Any, stars: Any) -> torch.Tensor:
    topic = cross_entropy(logits, labels, reduction="none")[:, None]
    topic = (topic * torch.ones(1, logits.shape[1])).sum() / len(labels)
    return topic + (scores - stars).square().mean()


def _rows_summed(logits: Any, labels: Any, scores: Any, stars: Any) -> torch.Tensor:
    return cross_entropy(logits, labels, reduction="sum") + (scores - stars).square().mean()


def _both_summed(logits: Any, labels: Any, scores: Any, stars: Any) -> torch.Tensor:
    return cross_entropy(logits, labels, reduction="sum") + (scores - stars).square().sum()


UNITS = (
    "import torch\n"
    "from torch.nn import functional\n\n\n"
    "def answer(logits, labels, scores, stars):\n"
    '    topic = functional.cross_entropy(logits, labels, reduction="none")[:, None]\n'
)


def _units() -> Exercise:
    return Exercise(
        name="a task that counts once per class",
        difficulty=2,
        minutes=6,
        verify=_verify_units,
        hints=(
            "print the shape of `topic * weights`",
            "a task has one weight, however many classes it has",
        ),
        worked=(
            UNITS + "    weight = 1.0  # one per task, not one per class\n"
            "    topic = (weight * topic).sum() / len(labels)\n"
            "    return topic + (scores - stars).square().mean()"
        ),
        broken=(
            UNITS + "    weights = torch.ones(1, logits.shape[1])\n"
            "    return (topic * weights).sum() / len(labels) + (scores - stars).square().mean()"
            "\n\n"
        ),
        example=_two_means,
        mistakes=(
            (_times_classes, "count 3 times"),
            (_rows_summed, "beside a mean"),
            (_both_summed, "both are sums"),
            (lambda z, y, s, t: cross_entropy(z, y), "stars are missing"),
            (lambda z, y, s, t: cross_entropy(z, y) / z.shape[1] + (s - t).square().mean(), "now"),
            (lambda z, y, s, t: 0.0, "add up to"),
            (0.5, "is a function"),
        ),
    )
