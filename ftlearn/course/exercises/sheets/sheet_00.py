"""Exercises of notebook 00: the loss of a guess, counting updates, accuracy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import Exercise, NotYetError, close, require_function


def exercises() -> list[Exercise]:
    """The three exercises of the sheet."""
    return [_loss_of_a_guess(), _updates(), _accuracy()]


def _loss_of_a_guess() -> Exercise:
    def verify(answer: Any) -> str:
        if close(answer, math.log(4), tolerance=0.02):
            return "yes: -ln(1/4) = ln 4 = 1.386; more topics, a larger loss of a guess"
        if close(answer, math.log(3), tolerance=0.02):
            raise NotYetError("that is ln 3, the loss with three topics; now there are four")
        if close(answer, 0.25, tolerance=0.01):
            raise NotYetError("that is the probability of each topic; the loss is -ln of it")
        if close(answer, math.log2(4), tolerance=0.01):
            raise NotYetError("that is the loss in bits; this course counts in nats: use ln")
        raise NotYetError("the model gives each topic the same probability p; the loss is -ln p")

    return Exercise(
        name="the loss of a guess",
        difficulty=1,
        minutes=2,
        verify=verify,
        hints=(
            "With four topics, what probability does a model that knows nothing give to each?",
            "The loss is minus the natural logarithm of the probability of the right topic.",
        ),
        worked=(
            "import math\n\n"
            "# each of four topics gets p = 1/4, and -ln(1/4) = ln 4, about 1.386\n"
            "answer = -math.log(1 / 4)"
        ),
        example=math.log(4),
        mistakes=(
            (math.log(3), "ln 3"),
            (0.25, "probability"),
            (2.0, "bits"),
            (1.0, "-ln p"),
        ),
    )


def _updates() -> Exercise:
    def verify(answer: Any) -> str:
        if close(answer, 36):
            return "yes: 192 / 16 = 12 updates in an epoch, and 3 epochs"
        if close(answer, 12):
            raise NotYetError("that is one epoch; there are three")
        if close(answer, 576):
            raise NotYetError("that is the number of articles seen; an update uses 16 of them")
        if close(answer, 64):
            raise NotYetError("that is 192 / 3; divide by the size of a batch, then count epochs")
        raise NotYetError(
            "how many batches of 16 make up 192 articles, and how often are they seen?"
        )

    return Exercise(
        name="counting updates",
        difficulty=1,
        minutes=2,
        verify=verify,
        hints=("An update uses one batch.", "An epoch uses every article once: 192 / 16 batches."),
        worked=(
            "# an epoch has 192 / 16 = 12 batches, each gives one update, and there are 3\n"
            "answer = 192 // 16 * 3"
        ),
        example=36,
        mistakes=((12, "one epoch"), (576, "articles seen"), (64, "192 / 3"), (48, "how many")),
    )


def _accuracy() -> Exercise:
    def verify(answer: Any) -> str:
        require_function(answer, "truths and answers")
        random = np.random.default_rng()
        for _ in range(20):
            size = int(random.integers(20, 40))
            truths = random.integers(0, 3, size).tolist()
            answers = [truth if random.random() < 0.7 else 5 for truth in [*truths[:-1], 9]]
            _judge(answer(truths, answers), sum(map(int.__eq__, truths, answers)), size)
        if answer(["a"], ["b"]) != 0:
            raise NotYetError("labels may be words too: compare them with ==")
        return "yes: right answers over all answers"

    return Exercise(
        name="accuracy",
        difficulty=2,
        minutes=5,
        verify=verify,
        hints=(
            "Go through both lists side by side with zip(truths, answers).",
            "sum(truth == answer for ...) counts the right ones; divide by len(truths).",
        ),
        worked=(
            "def accuracy(truths, answers):\n"
            "    right = sum(truth == answer for truth, answer in zip(truths, answers))\n"
            "    return right / len(truths)\n\n\n"
            "answer = accuracy"
        ),
        example=_share_right,
        mistakes=(
            (lambda truths, answers: sum(map(_equal, truths, answers)), "count"),
            (lambda truths, answers: 1 - _share_right(truths, answers), "wrong ones"),
            (lambda truths, answers: 100 * _share_right(truths, answers), "per cent"),
            (lambda truths, answers: float(truths == answers), "whole lists"),
            (0.9, "function itself"),
        ),
    )


def _judge(found: Any, right: int, size: int) -> None:
    share = right / size
    if close(found, share, tolerance=1e-9):
        return
    if close(found, right):
        raise NotYetError(
            "that is the count of right answers; divide it by the number of all answers"
        )
    if close(found, 1 - share, tolerance=1e-9):
        raise NotYetError("that is the share of wrong ones")
    if close(found, 100 * share, tolerance=1e-6):
        raise NotYetError("a share lies between 0 and 1; yours is in per cent")
    if close(found, 0.0):
        raise NotYetError("compare the lists element by element, not as whole lists")
    raise NotYetError(f"{right} of {size} answers were right, {share:.3f}; yours gave {found!r}")


def _equal(truth: Any, answer: Any) -> bool:
    return bool(truth == answer)


def _share_right(truths: list, answers: list) -> float:
    return sum(map(_equal, truths, answers)) / len(truths)
