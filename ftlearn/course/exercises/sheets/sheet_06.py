"""Exercises of notebook 06: precision and recall, intervals, paired comparisons, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ftlearn import metrics
from ftlearn.course.exercises.base import Exercise, NotYetError, close

STARS = np.array([1, 2, 3, 4, 5] * 4)


def exercises() -> list[Exercise]:
    """The five exercises of the sheet."""
    return [_precision_recall(), _rows_needed(), _paired_bootstrap(), _mcnemar(), _two_metrics()]


# --- q1 -----------------------------------------------------------------------------------------


def _verify_precision_recall(answer: Callable[[np.ndarray, int], Any]) -> str:
    random = np.random.default_rng()
    for _ in range(5):
        counts = random.integers(1, 30, size=(4, 4)) + np.diag([1, 40, 5, 11])
        for k in range(4):
            _judge_pair(answer, counts, k)
    _judge_empty(answer)
    return "right: precision divides by a column (what was answered), recall by a row (the truth)"


def _judge_pair(answer: Callable[[np.ndarray, int], Any], counts: np.ndarray, k: int) -> None:
    said, true = counts.T.tolist()[k], counts.tolist()[k]
    precision, recall = said[k] / sum(said), true[k] / sum(true)
    first, second = (float(value) for value in answer(counts.copy(), k))
    if close(first, precision) and close(second, recall):
        return
    if close(first, recall, tolerance=1e-9) and close(second, precision, tolerance=1e-9):
        raise NotYetError(
            "precision and recall are swapped: the truth is in rows, so what was "
            "answered as k is a column"
        )
    if close(first, counts.trace() / counts.sum()):
        raise NotYetError(
            "that is the accuracy, one number for all classes: use only the row and "
            "the column of class k"
        )
    raise NotYetError(
        f"for class {k} of {counts.tolist()} the pair is ({precision:.3f}, "
        f"{recall:.3f}), not ({first:.3f}, {second:.3f})"
    )


def _judge_empty(answer: Callable[[np.ndarray, int], Any]) -> None:
    never_answered = np.array([[5, 0], [3, 0]])
    if _pair_or_nan(answer, never_answered) != (0.0, 0.0):
        raise NotYetError(
            "a class that is never answered has a column of zeros: return 0 there "
            "instead of dividing by zero"
        )
    if _pair_or_nan(answer, never_answered.T) != (0.0, 0.0):
        raise NotYetError(
            "a class that no text truly has is a row of zeros: return 0 there "
            "instead of dividing by zero"
        )


def _pair_or_nan(
    answer: Callable[[np.ndarray, int], Any], counts: np.ndarray
) -> tuple[float, float]:
    """The answer for class 1 of the counts, nan for a division by zero."""
    with np.errstate(all="ignore"):
        try:
            precision, recall = answer(counts.copy(), 1)
        except ZeroDivisionError:
            return np.nan, np.nan
    return float(precision), float(recall)


def _recall_unguarded(counts: np.ndarray, k: int) -> tuple[float, float]:
    return _pair(counts, k)[0], counts[k, k] / counts[k].sum()


def _pair(counts: np.ndarray, k: int) -> tuple[float, float]:
    said, true = counts[:, k].sum(), counts[k].sum()
    return (counts[k, k] / said if said else 0.0), (counts[k, k] / true if true else 0.0)


def _pair_unguarded(counts: np.ndarray, k: int) -> tuple[float, float]:
    return counts[k, k] / counts[:, k].sum(), counts[k, k] / counts[k].sum()


def _precision_recall() -> Exercise:
    return Exercise(
        name="precision and recall from counts",
        difficulty=1,
        minutes=5,
        verify=_verify_precision_recall,
        hints=(
            "counts[k, k] is in both numerators",
            "counts[:, k] holds everything answered as k, counts[k] everything that truly is k",
        ),
        worked=(
            "def answer(counts, k):\n"
            "    said, true = counts[:, k].sum(), counts[k].sum()\n"
            "    hit = counts[k, k]\n"
            "    return (hit / said if said else 0.0), (hit / true if true else 0.0)"
        ),
        example=_pair,
        mistakes=(
            (lambda counts, k: _pair(counts, k)[::-1], "swapped"),
            (lambda counts, k: (counts.trace() / counts.sum(),) * 2, "accuracy"),
            (_pair_unguarded, "never answered"),
            (_recall_unguarded, "no text truly has"),
            (lambda counts, k: (counts[k, k] / counts.sum(),) * 2, "the pair is"),
            (0.5, "not callable"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------

ROWS = 1.96**2 * 0.9 * 0.1 / 0.01**2


def _verify_rows(answer: Any) -> str:
    if close(answer, ROWS, tolerance=150):  # also with 2 in place of 1.96
        return (
            "right: about 3,460 rows. An interval shrinks with the square root of the rows, so "
            "half the width costs four times as many"
        )
    typical = {
        1.96 * 0.9 * 0.1 / 0.01**2: "1.96 stands outside the root, so it is squared too",
        0.9 * 0.1 / 0.01**2: "that makes ±1 standard deviation; 95 % of a bell curve need ±1.96",
        ROWS / 4: "±1 point means 0.01 on each side, 0.02 in all",
        1.96**2 * 0.25 / 0.01**2: "that is for a model that is 50 % accurate, the worst case",
        1.96 * 0.3 / 0.01: "the number of rows stands under a root: square the ratio",
    }
    for value, reason in typical.items():
        if close(answer, value, tolerance=0.02 * value):
            raise NotYetError(reason)
    raise NotYetError("solve 1.96 · sqrt(a (1 − a) / n) = 0.01 for n, with a = 0.9")


def _rows_needed() -> Exercise:
    return Exercise(
        name="rows for an interval of ±1 point",
        difficulty=2,
        minutes=5,
        verify=_verify_rows,
        hints=(
            "the standard deviation of an accuracy a on n rows is sqrt(a (1 − a) / n)",
            "95 % of a bell curve lie within 1.96 standard deviations; one point is 0.01",
        ),
        worked=(
            "# solve 1.96 * sqrt(a * (1 - a) / n) = 0.01 for n, with a = 0.9\n"
            "answer = 1.96**2 * 0.9 * 0.1 / 0.01**2  # about 3,460 rows"
        ),
        example=3457,
        mistakes=(
            (1764, "squared too"),
            (900, "standard deviation"),
            (864, "on each side"),
            (9604, "worst case"),
            (58.8, "square the ratio"),
            (300, "solve"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------


def _verify_bootstrap(answer: Callable[..., Any]) -> str:
    random = np.random.default_rng()
    first = random.random(400) < 0.8
    second = np.where(random.random(400) < 0.1, ~first, first)
    got = np.asarray(answer(first.copy(), second.copy(), 1000, 5), dtype=float)
    if got.shape != (1000,):
        raise NotYetError(f"1000 draws give 1000 differences; the answer has shape {got.shape}")
    difference = first.astype(float) - second
    if got.std() < 1e-12:
        raise NotYetError("all draws are the same: draw new rows with replacement each time")
    _judge_spread(got, difference)
    same = np.asarray(answer(first.copy(), first.copy(), 50, 5), dtype=float)
    if np.abs(same).max() > 0:
        raise NotYetError(
            "a model compared with itself must differ by 0 in every draw: both need "
            "the same picked rows"
        )
    return "right: both models are scored on the same picked rows, so hard rows cancel"


def _judge_spread(got: np.ndarray, difference: np.ndarray) -> None:
    if abs(got.mean() + difference.mean()) < 0.2 * abs(difference.mean()) > 0.004:
        raise NotYetError("the sign is reversed: first minus second")
    ratio = got.std() / (difference.std() / np.sqrt(len(difference)))
    if ratio > 1.25:
        raise NotYetError(
            f"the differences spread {ratio:.1f} times as wide as they should: the "
            "two models are scored on different rows"
        )
    if ratio < 0.8:
        raise NotYetError(
            f"the differences spread only {ratio:.1f} times as wide as they should: "
            "draw as many rows as there are, with replacement"
        )
    if abs(got.mean() - difference.mean()) > 0.01:
        raise NotYetError("the differences are not centred on first minus second")


def _paired(first: np.ndarray, second: np.ndarray, draws: int, seed: int) -> np.ndarray:
    picks = np.random.default_rng(seed).integers(0, len(first), (draws, len(first)))
    return first[picks].mean(1) - second[picks].mean(1)


def _unpaired(first: np.ndarray, second: np.ndarray, draws: int, seed: int) -> np.ndarray:
    random, rows = np.random.default_rng(seed), len(first)
    first_means = first[random.integers(0, rows, (draws, rows))].mean(1)
    second_means = second[random.integers(0, rows, (draws, rows))].mean(1)
    return first_means - second_means


def _shuffled(first: np.ndarray, second: np.ndarray, draws: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    picks = [random.permutation(len(first)) for _ in range(draws)]
    return np.array([first[pick].mean() - second[pick].mean() for pick in picks])


def _paired_bootstrap() -> Exercise:
    return Exercise(
        name="the bootstrap that forgot the pairs",
        difficulty=3,
        minutes=10,
        verify=_verify_bootstrap,
        hints=(
            "compare a model with itself: what should come out, and what does?",
            "how often are row numbers drawn, and how often should they be?",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(first_right, second_right, draws, seed):\n"
            "    rng, n = np.random.default_rng(seed), len(first_right)\n"
            "    picks = rng.integers(0, n, (draws, n))  # the same rows for both models\n"
            "    return first_right[picks].mean(1) - second_right[picks].mean(1)"
        ),
        example=_paired,
        mistakes=(
            (_unpaired, "different rows"),
            (_shuffled, "all draws are the same"),
            (lambda a, b, draws, seed: _paired(a, b, draws, seed).mean(), "1000 differences"),
            (lambda a, b, draws, seed: _paired(a, b, draws, seed) / 2, "spread only"),
            (lambda a, b, draws, seed: _paired(a, b, draws, seed) + 0.1, "not centred"),
        ),
    )


# --- q4 -----------------------------------------------------------------------------------------


def _verify_mcnemar(answer: Any) -> str:
    first, more = np.repeat([1, 0], [16, 4]), np.ones(500)
    second = 1 - first
    before = metrics.mcnemar(first, second).p_value
    grown = metrics.mcnemar(np.append(first, more), np.append(second, more)).p_value
    if close(answer, grown / before, tolerance=1e-6):
        return f"right: p stays {before:.4f}, because rows on which both are right say nothing"
    if close(answer, before):
        raise NotYetError("that is p itself; the question asks for the factor by which it changes")
    if close(answer, 0, tolerance=0.2):
        raise NotYetError("more rows make p smaller only if the models differ on some of them")
    if close(answer, 520 / 20, tolerance=1):
        raise NotYetError("520 to 20 is how the rows grew: which rows does the test count?")
    raise NotYetError("run metrics.mcnemar on both cases, and divide the new p by the old")


def _mcnemar() -> Exercise:
    return Exercise(
        name="five hundred easy rows",
        difficulty=2,
        minutes=5,
        verify=_verify_mcnemar,
        hints=(
            "which rows does McNemar's test look at?",
            "binomtest(16, 20, 0.5) before; and after?",
        ),
        worked=(
            "# only the 20 rows on which exactly one model is right count, before and after\n"
            "answer = 1"
        ),
        example=1,
        mistakes=(
            (0.04, "differ on some"),
            (26, "which rows"),
            (0.0118, "p itself"),
            (2, "divide the new p"),
            ("one", "divide the new p"),
        ),
    )


# --- q5 -----------------------------------------------------------------------------------------


def _verify_two_metrics(answer: Any) -> str:
    stars = np.asarray(answer, dtype=float)
    if stars.shape != STARS.shape:
        raise NotYetError(f"twenty answers are needed; yours have the shape {stars.shape}")
    if not np.isin(stars, [1, 2, 3, 4, 5]).all():
        raise NotYetError("answers are whole stars from 1 to 5")
    accuracy = (stars == STARS).mean()
    mae = np.abs(stars - STARS).mean()
    constant = np.abs(3 - STARS).mean()
    if accuracy < 0.6:
        raise NotYetError(f"only {accuracy:.0%} are right; at least 60 % must be, 12 of 20")
    if mae <= constant:
        raise NotYetError(
            f"the mean absolute error is {mae:.2f}, not above the {constant:.2f} of "
            "always 3: make each mistake as large as you can"
        )
    return f"right: accuracy {accuracy:.0%} and a mean absolute error of {mae:.2f} stars"


def _two_metrics() -> Exercise:
    far = np.where(STARS == 1, 5, np.where(STARS == 5, 1, STARS))
    near = np.where(STARS == 1, 2, np.where(STARS == 5, 4, STARS))
    return Exercise(
        name="right most of the time, and far off",
        difficulty=2,
        minutes=5,
        verify=_verify_two_metrics,
        hints=(
            "eight answers may be wrong; always 3 errs by 24 stars in all",
            "on which reviews can a mistake be four stars large?",
        ),
        worked=(
            "answer = [5, 2, 3, 4, 1] * 4  # only 1 and 5 are wrong, each by four stars:\n"
            "# accuracy 12 / 20 = 0.6, mean absolute error 32 / 20 = 1.6 against 1.2"
        ),
        example=far.tolist(),
        mistakes=(
            ([3] * 20, "only 20%"),
            (STARS.tolist(), "mean absolute error is 0.00"),
            (near.tolist(), "mean absolute error is 0.40"),
            ([5, 2, 3, 4, 1], "twenty answers"),
            ([9, 2, 3, 4, 5] * 4, "whole stars"),
        ),
    )
