"""Exercises of lesson 01: the weight of a prior, conditioning, wrong labels, worth in labels."""

from __future__ import annotations

import math
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


def exercises() -> list[Exercise]:
    """The four exercises of the lesson."""
    return [estimate(), smudged(), spoil(), worth()]


def estimate() -> Exercise:
    """By hand: the estimate between a prior and 24 measurements."""
    return Exercise(
        name="between prior and data",
        difficulty=1,
        minutes=4,
        verify=lambda answer: _judge_number(
            answer,
            4.25,
            {
                2.75: "the weights are swapped: w = 0.75 belongs to the data",
                4.984: "the ratio is upside down: n0 is σ²/τ², not τ²/σ²",
                4.684: "4 and 0.5 are variances already: take no root of them",
                3.5: "that is the mean with equal weights: 24 measurements count more",
                5.0: "the prior is forgotten: it still has the weight 1 − w",
                2.0: "the data are forgotten: 24 measurements have the weight w",
            },
            "yes: the prior is worth 8 measurements, and 24 against 8 is three quarters",
        ),
        hints=(
            "first the worth of the prior in measurements: n0 = σ²/τ²",
            "n0 is 8, so the data have the weight w = 24 / (24 + 8)",
        ),
        worked=(
            "n0 = 4 / 0.5  # the prior is worth 8 measurements\n"
            "w = 24 / (24 + n0)  # 24 of 32 are data: 0.75\n"
            "answer = w * 5 + (1 - w) * 2  # 4.25"
        ),
        example=4.25,
        mistakes=(
            (2.75, "the weights are swapped"),
            (4.984, "upside down"),
            (4.684, "variances"),
            (3.5, "equal weights"),
            (5, "the prior is forgotten"),
            (5.5, "not it"),
        ),
    )


def smudged() -> Exercise:
    """By hand: p(first = virus | second = heals) from the joint table."""
    return Exercise(
        name="which probability",
        difficulty=1,
        minutes=4,
        verify=lambda answer: _judge_number(
            answer,
            25 / 48,
            {
                0.25: "that is p(x) of the whole text: divide by p(second = heals)",
                0.2: "that is one cell of the table, with health: sum over both topics",
                0.45: "that is p(first = virus): the second word was not used",
                25 / 45: "that is p(second = heals | first = virus): condition on what you read",
                0.5: "words are not equally likely: use the table",
            },
            "yes: p(masked | rest) = 0.25 / (0.23 + 0.25), what a masked model answers",
        ),
        hints=(
            "the topic is not asked for: sum it out first",
            "p(apple heals) = 0.23 and p(virus heals) = 0.25; one of the two was written",
        ),
        worked=(
            "# with the topic summed out, p(apple heals) = 0.23 and p(virus heals) = 0.25\n"
            "answer = 0.25 / (0.23 + 0.25)  # p(virus | heals), about 0.521"
        ),
        example=25 / 48,
        mistakes=(
            (0.25, "p(x) of the whole text"),
            (0.2, "sum over both topics"),
            (0.45, "second word was not used"),
            (0.556, "condition on what you read"),
            (0.5, "equally likely"),
            (2, "not it"),
        ),
    )


def _judge_number(answer: Any, truth: float, known: dict[float, str], praise: str) -> str:
    """Compare with the truth and with the results of known mistakes."""
    if close(answer, truth, tolerance=2e-3):
        return praise
    reject_known(answer, known.items(), tolerance=2e-3)
    raise NotYetError(f"{answer!r} is not it: give a number, to three digits")


def spoil() -> Exercise:
    """Find the bug: make an exact share of labels wrong."""
    return Exercise(
        name="labels made wrong",
        difficulty=2,
        minutes=8,
        verify=_verify_spoil,
        hints=(
            "three things go wrong: a row may be drawn twice, a new label may equal the old one, "
            "and the argument is changed",
            "random.choice(..., replace=False) draws each row once; adding 1 to classes − 1 to "
            "a label, modulo classes, always changes it; np.array(labels) copies",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def spoil(labels, share, classes, random):\n"
            "    labels = np.array(labels)  # a copy\n"
            "    count = round(share * len(labels))\n"
            "    wrong = random.choice(len(labels), count, replace=False)\n"
            "    labels[wrong] = (labels[wrong] + random.integers(1, classes, count)) % classes\n"
            "    return labels\n\n\n"
            "answer = spoil"
        ),
        example=_spoiler(),
        mistakes=(
            (_spoiler(keep=False), "your argument was changed"),
            (_spoiler(low=0), "a new label may be equal to the old one"),
            (_spoiler(twice=True), "drawn twice"),
            (_spoiler(high=2), "always the next one"),
            (_biased_spoiler, "drawn more often"),
            (lambda labels, share, classes, random: None, "an array of the same shape"),
            (lambda labels, share, classes, random: labels + 1, "0 to"),
        ),
    )


def _spoiler(
    *, keep: bool = True, twice: bool = False, low: int = 1, high: int | None = None
) -> Callable:
    """Correct by default; each setting makes one of the typical mistakes."""

    def spoiled(
        labels: np.ndarray, share: float, classes: int, random: np.random.Generator
    ) -> np.ndarray:
        labels = np.array(labels) if keep else labels
        count = round(share * len(labels))
        wrong = random.choice(len(labels), count, replace=twice)
        labels[wrong] = (labels[wrong] + random.integers(low, high or classes, count)) % classes
        return labels

    return spoiled


def _biased_spoiler(
    labels: np.ndarray, share: float, classes: int, random: np.random.Generator
) -> np.ndarray:
    """Draws among all classes, and moves a label that has not changed to the next one."""
    labels = np.array(labels)
    count = round(share * len(labels))
    wrong = random.choice(len(labels), count, replace=False)
    drawn = random.integers(0, classes, count)
    labels[wrong] = np.where(drawn == labels[wrong], (drawn + 1) % classes, drawn)
    return labels


def _verify_spoil(answer: Any) -> str:
    require_function(answer, "labels, share, classes and random")
    random, steps = np.random.default_rng(), []
    for classes in (3, 4, 5):
        labels = random.integers(0, classes, 4000)
        argument = labels.copy()
        result = answer(argument, 0.3, classes, random)
        steps.append(_judge_spoilt(result, argument, labels, classes))
    _judge_steps(steps)
    return "yes: exactly the share you asked for, every one of them wrong, the argument unchanged"


def _judge_steps(steps: list[np.ndarray]) -> None:
    """Raise NotYetError unless all other classes are about equally likely.

    Each array counts the wrong labels by how far, modulo the classes, they are from the right one.
    """
    if all(counts[0] == counts.sum() for counts in steps):
        raise NotYetError("the new label is always the next one: draw among all wrong labels")
    # A fair draw stays within 5 standard errors of an equal share.
    if any(counts.max() > 1.25 * counts.mean() for counts in steps):
        raise NotYetError(
            "some wrong labels are drawn more often than others: each of the other classes must "
            "be equally likely"
        )


def _judge_spoilt(
    result: Any, argument: np.ndarray, labels: np.ndarray, classes: int
) -> np.ndarray:
    """How many labels were changed by 1, 2, ... classes - 1, modulo the classes."""
    if not np.array_equal(argument, labels):
        raise NotYetError("your argument was changed: work on a copy, np.array(labels)")
    if np.shape(result) != labels.shape:
        raise NotYetError("the function must return an array of the same shape as the labels")
    result = np.asarray(result)
    wanted = round(0.3 * len(labels))
    if not np.isin(result, range(classes)).all():
        raise NotYetError(f"labels must stay in 0 to {classes - 1}: take them modulo the classes")
    changed = int((result != labels).sum())
    if changed > wanted:
        raise NotYetError(f"{changed} labels were changed, {wanted} were asked for")
    if changed < wanted:
        raise NotYetError(
            f"{changed} labels were changed, {wanted} were asked for: a row was drawn twice, "
            "or a new label may be equal to the old one"
        )
    changes = (result - labels)[result != labels] % classes
    return np.bincount(changes, minlength=classes)[1:]


def worth() -> Exercise:
    """Code: how many labels one learning curve needs to reach a point of another."""
    return Exercise(
        name="worth in labels",
        difficulty=3,
        minutes=10,
        verify=_verify_worth,
        hints=(
            "np.interp(x, xs, ys) reads a curve at x; on the logarithmic axis x is np.log(count)",
            "to read it sideways, swap xs and ys, and undo the logarithm with np.exp",
            "np.interp stays at the last value beyond the end: test height > second[-1] yourself",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def worth(count, counts, first, second):\n"
            "    height = np.interp(np.log(count), np.log(counts), first)\n"
            "    if height > second[-1]:\n"
            "        return np.inf\n"
            "    return np.exp(np.interp(height, second, np.log(counts)))\n\n\n"
            "answer = worth"
        ),
        example=_reader(),
        mistakes=(
            (_reader(scale=np.asarray, back=np.asarray), "linear"),
            (_reader(end=512.0), "inf"),
            (_reader(back=np.asarray), "exp"),
            (lambda count, counts, first, second: _reader()(count, counts, second, first), "swap"),
            (lambda count, *curves: _reader()(count, *curves) / count, "factor"),
        ),
    )


def _reader(
    *, scale: Callable = np.log, back: Callable = np.exp, end: float = math.inf
) -> Callable:
    """Correct by default; each setting makes one of the typical mistakes."""

    def reads(count: float, counts: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
        height = np.interp(scale(count), scale(counts), first)
        if height > second[-1]:
            return end
        return float(back(np.interp(height, second, scale(counts))))

    return reads


def _verify_worth(answer: Any) -> str:
    require_function(answer, "count, counts, first and second")
    random, counts = np.random.default_rng(), np.array([2, 8, 32, 128, 512])
    for _ in range(5):
        # Both curves are straight in log n, so the answer is known without interpolation.
        slope, factor = random.uniform(0.02, 0.06), random.uniform(3, 8)
        second = 0.3 + slope * np.log(counts)
        first = second + slope * np.log(factor)
        count = random.uniform(30, 60)
        result = float(answer(count, counts, first, second))
        _judge_worth(result, count, count * factor, (counts, first, second))
        if not math.isinf(float(answer(500, counts, first, second))):
            raise NotYetError("second never gets there: the answer must be inf, not its last count")
    return "yes: you read both curves on the logarithmic axis, and you know when not to answer"


def _judge_worth(
    result: float, count: float, truth: float, curves: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    if close(result, truth, tolerance=1e-6 * truth):
        return
    linear = _reader(scale=np.asarray, back=np.asarray)(count, *curves)
    reasons = {
        math.log(truth): "that is the logarithm of the answer: undo it with np.exp",
        truth / count: "that is the factor: the number of labels was asked for",
        count * count / truth: "the curves are swapped: read the height from first",
        linear: "that is linear: interpolate in log(count)",
    }
    for value, reason in reasons.items():
        if close(result, value, tolerance=1e-6 * value):
            raise NotYetError(reason)
    raise NotYetError(f"for {count:.2f} labels you found {result:.2f}, the answer is {truth:.2f}")
