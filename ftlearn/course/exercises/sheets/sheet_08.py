"""Exercises of notebook 08: the pull, paired intervals, early stopping, luck, numbers of draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)

Pair = tuple[float, float]


def exercises() -> list[Exercise]:
    """The five exercises of the sheet."""
    return [_pulled(), _paired(), _stopping(), _luck(), _draws()]


# --- q1 -----------------------------------------------------------------------------------------


def _verify_pulled(answer: Any) -> str:
    reject_known(
        answer,
        (
            (3, "the weights are swapped: h / (h + λ) belongs to the optimum, not to the start"),
            (4, "that is the midpoint; the curvature is three times as strong as the pull"),
            (4.5, "that pulls towards 0, as weight decay does; this pull leads to θ_P = 2"),
            (6, "that is the optimum without any pull"),
            (0.75, "that is the weight of the optimum; where between 2 and 6 does it lead?"),
        ),
    )
    if not close(answer, 5):
        raise NotYetError("solve h (θ − 6) + λ (θ − 2) = 0 for θ, with h = 3 and λ = 1")
    return "right: three quarters of the way from 2 to 6, an interpolation"


def _pulled() -> Exercise:
    return Exercise(
        name="where the pull ends",
        difficulty=1,
        minutes=4,
        verify=_verify_pulled,
        hints=(
            "at the end the two forces cancel: h (θ − θ*) + λ (θ − θ_P) = 0",
            "the optimum has the weight h / (h + λ) = 3/4, the start the rest",
        ),
        worked=(
            "h, pull, start, optimum = 3, 1, 2, 6\n"
            "share = h / (h + pull)  # 3/4\n"
            "answer = share * optimum + (1 - share) * start  # 5"
        ),
        example=5,
        mistakes=(
            (3, "swapped"),
            (4, "midpoint"),
            (4.5, "weight decay"),
            (6, "without any pull"),
            (0.75, "weight of the optimum"),
            (7, "solve"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------


def _verify_paired(answer: Callable[..., Any]) -> str:
    require_function(answer, "two arrays, plain and remedy")
    random = np.random.default_rng()
    for count in (5, 8, 20):
        plain = random.normal(1.2, 0.3, count)
        remedy = plain - 0.2 + random.normal(0, 0.05, count)
        _judge_interval(answer(plain.copy(), remedy.copy()), plain, remedy)
    return "right: t times the standard error of the differences, to both sides of their mean"


def _judge_interval(interval: Any, plain: np.ndarray, remedy: np.ndarray) -> None:
    pair = np.asarray(interval, dtype=float)
    if pair.shape != (2,):
        raise NotYetError(f"give two numbers, low and high; yours have the shape {pair.shape}")
    truth = stats.ttest_1samp(remedy - plain, 0).confidence_interval(0.95)
    if np.allclose(pair, [truth.low, truth.high], atol=1e-6):
        return
    if np.allclose(pair, [-truth.high, -truth.low], atol=1e-6):
        raise NotYetError("the sign is reversed: remedy minus plain")
    if np.allclose(pair[::-1], [truth.low, truth.high], atol=1e-6):
        raise NotYetError("low comes first, then high")
    _judge_width((pair[1] - pair[0]) / 2, plain, remedy)
    raise NotYetError("the middle of the interval is the mean of the differences remedy - plain")


def _judge_width(half: float, plain: np.ndarray, remedy: np.ndarray) -> None:
    """Raise NotYetError where the half-width is that of a known misconception."""
    count, change = len(plain), remedy - plain
    quantile, error = stats.t.ppf(0.975, count - 1), stats.sem(change)
    apart = np.sqrt((plain.var(ddof=1) + remedy.var(ddof=1)) / count)
    known = (
        (1.96 * error, "1.96 is for many draws: with few, the quantile of t is larger"),
        (quantile * error * np.sqrt(1 - 1 / count), "divide by n − 1 in the variance (ddof=1)"),
        (quantile * change.std(ddof=1), "that is the spread of one draw: divide by √n for a mean"),
        (stats.t.ppf(0.95, count - 1) * error, "2.5 % on each side: ask for the 0.975 quantile"),
        (quantile * apart, "that forgets the pairs: first subtract, then take the spread"),
        (stats.t.ppf(0.975, 2 * count - 2) * apart, "that forgets the pairs: first subtract"),
    )
    reject_known(half, known, tolerance=1e-6)
    if not close(half, quantile * error, tolerance=1e-6):
        raise NotYetError(
            f"for {count} draws half the width should be {quantile * error:.4f}, not {half:.4f}: "
            "t times the standard deviation of the differences over √n"
        )


def _interval(plain: np.ndarray, remedy: np.ndarray, quantile: float | None = None) -> Pair:
    change, count = remedy - plain, len(plain)
    factor = quantile or stats.t.ppf(0.975, count - 1)
    half = factor * change.std(ddof=1) / np.sqrt(count)
    return change.mean() - half, change.mean() + half


def _forgot_root(plain: np.ndarray, remedy: np.ndarray) -> Pair:
    root = np.sqrt(len(plain)) * stats.t.ppf(0.975, len(plain) - 1)
    return _interval(plain, remedy, root)


def _forgot_pairs(plain: np.ndarray, remedy: np.ndarray) -> Pair:
    count, mean = len(plain), remedy.mean() - plain.mean()
    error = np.sqrt((plain.var(ddof=1) + remedy.var(ddof=1)) / count)
    half = stats.t.ppf(0.975, count - 1) * error
    return mean - half, mean + half


def _paired() -> Exercise:
    return Exercise(
        name="the interval of a paired difference",
        difficulty=2,
        minutes=8,
        verify=_verify_paired,
        hints=(
            "make one array of differences first, and forget the two you came from",
            "scipy.stats.t.ppf(0.975, n - 1) is the factor, np.std(..., ddof=1) / np.sqrt(n) "
            "the standard error",
        ),
        worked=(
            "import numpy as np\n"
            "from scipy import stats\n\n\n"
            "def answer(plain, remedy):\n"
            "    change, n = remedy - plain, len(plain)\n"
            "    half = stats.t.ppf(0.975, n - 1) * np.std(change, ddof=1) / np.sqrt(n)\n"
            "    return change.mean() - half, change.mean() + half"
        ),
        example=_interval,
        mistakes=(
            (lambda plain, remedy: _interval(plain, remedy, 1.96), "1.96 is for many"),
            (_forgot_root, "divide by √n"),
            (_forgot_pairs, "forgets the pairs"),
            (lambda plain, remedy: _interval(remedy, plain), "sign is reversed"),
            (lambda plain, remedy: _interval(plain, remedy)[::-1], "low comes first"),
            (lambda plain, remedy: (remedy - plain).mean(), "two numbers"),
            (0.1, "give the function itself"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------


def _verify_stopping(answer: Callable[..., Any]) -> str:
    require_function(answer, "the losses of the epochs and the patience")
    random = np.random.default_rng()
    cases = [([1.0, 2.0, 3.0, 4.0], 1), ([3.0, 2.0, 2.5, 1.0, 1.5, 1.6, 0.5], 2), ([3.0, 2.0], 5)]
    cases += [(random.permutation(12).astype(float).tolist(), 3) for _ in range(20)]
    for losses, patience in cases:
        _judge_stop(answer(list(losses), patience), losses, patience)
    return (
        "right: the count restarts at each best epoch, and the run stops when patience is used up"
    )


def _judge_stop(result: Any, losses: list[float], patience: int) -> None:
    keep, ran = _slow_stop(losses, patience)
    pair = tuple(int(value) for value in np.ravel(result))
    if pair == (keep, ran):
        return
    where = f"with the losses {losses} and a patience of {patience}"
    miscounted = (_stop_without_reset, _stop_first_counted, _stop_never_reset, _as_given)
    if any(pair == wrong(losses, patience) for wrong in miscounted):
        raise NotYetError(
            f"{where}: epochs without a new best count *in a row*, so every new best, the first "
            "epoch too, sets the count to 0, and the run ends when the count reaches the patience"
        )
    if pair == _stop_late(losses, patience):
        raise NotYetError(f"{where}: it runs one epoch too many; it ends at patience, not beyond")
    if pair == (ran - 1, ran):
        raise NotYetError(f"{where}: keep the best epoch, not the last one")
    raise NotYetError(f"{where} keep epoch {keep} after {ran} epochs, not {pair}")


def _slow_stop(losses: list[float], patience: int) -> tuple[int, int]:
    """By the definition: the first epoch that is ``patience`` after the best one so far."""
    for ran in range(1, len(losses) + 1):
        best = int(np.argmin(losses[:ran]))
        if ran - 1 - best >= patience:
            return best, ran
    return int(np.argmin(losses)), len(losses)


def _walk(
    losses: list[float], patience: int, *, reset: bool, late: bool, first: bool
) -> tuple[int, int]:
    """Early stopping with any of three bugs: no reset, stopped late, the first epoch counted."""
    best, waited, epoch = 0, 0, 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best, waited = epoch, 0 if reset else waited
        elif epoch > 0 or first:
            waited += 1
        if waited >= patience + late:
            break
    return best, epoch + 1


def _stop(losses: list[float], patience: int) -> tuple[int, int]:
    return _walk(losses, patience, reset=True, late=False, first=False)


def _stop_late(losses: list[float], patience: int) -> tuple[int, int]:
    return _walk(losses, patience, reset=True, late=True, first=False)


def _stop_without_reset(losses: list[float], patience: int) -> tuple[int, int]:
    return _walk(losses, patience, reset=False, late=False, first=True)


def _stop_never_reset(losses: list[float], patience: int) -> tuple[int, int]:
    return _walk(losses, patience, reset=False, late=False, first=False)


def _stop_first_counted(losses: list[float], patience: int) -> tuple[int, int]:
    return _walk(losses, patience, reset=True, late=False, first=True)


def _as_given(losses: list[float], patience: int) -> tuple[int, int]:
    return _walk(losses, patience, reset=False, late=True, first=True)


def _stopping() -> Exercise:
    return Exercise(
        name="three bugs in early stopping",
        difficulty=2,
        minutes=8,
        verify=_verify_stopping,
        hints=(
            "follow `waited` by hand through the losses 3, 2, 2.5, 1, 1.5, 1.6, 0.5",
            "the first epoch is a best one, too: is it counted as waiting?",
            "how many epochs without a new best does `waited > patience` allow?",
        ),
        worked=(
            "def answer(losses, patience):\n"
            "    best, waited = 0, 0\n"
            "    for epoch, loss in enumerate(losses):\n"
            "        if epoch == 0 or loss < losses[best]:\n"
            "            best, waited = epoch, 0  # a new best: restart the count\n"
            "        else:\n"
            "            waited += 1\n"
            "        if waited >= patience:  # not one epoch more\n"
            "            break\n"
            "    return best, epoch + 1"
        ),
        example=_stop,
        mistakes=(
            (_as_given, "in a row"),
            (_stop_without_reset, "in a row"),
            (_stop_never_reset, "in a row"),
            (_stop_first_counted, "the first epoch too"),
            (_stop_late, "one epoch too many"),
            (lambda losses, patience: (_stop(losses, patience)[1] - 1, _stop(losses, patience)[1]),
             "keep the best epoch"),
            (lambda losses, patience: (int(np.argmin(losses)), len(losses)), "keep epoch"),
            ((3, 6), "give the function itself"),
        ),
    )  # fmt: skip


# --- q4 -----------------------------------------------------------------------------------------


def _verify_luck(answer: Any) -> str:
    reject_known(
        answer,
        (
            (0.05, "that is the probability for one remedy; there are twenty"),
            (1.0, "that adds up 5 % twenty times; then thirty would give 150 %"),
            (0.95**20, "that is the probability that *none* looks as if it worked"),
            (0.05**20, "that is the probability that *all* of them look as if they worked"),
        ),
        tolerance=0.004,
    )
    if not close(answer, 1 - 0.95**20, tolerance=0.006):
        raise NotYetError("first ask with what probability all twenty intervals contain zero")
    return "right: about 0.64. Try enough things and something works, on paper"


def _luck() -> Exercise:
    return Exercise(
        name="twenty remedies that do nothing",
        difficulty=2,
        minutes=5,
        verify=_verify_luck,
        hints=(
            "one interval contains zero with a probability of 0.95",
            "all twenty contain it with 0.95 to the power of twenty",
        ),
        worked="answer = 1 - 0.95**20  # 0.64",
        example=0.64,
        mistakes=(
            (0.05, "for one remedy"),
            (1.0, "adds up"),
            (0.36, "none"),
            (0.05**20, "all"),
            (0.5, "first ask"),
        ),
    )


# --- q5 -----------------------------------------------------------------------------------------

DRAWS = (1.96 * 0.03 / 0.01) ** 2


def _verify_draws(answer: Any) -> str:
    reject_known(
        answer,
        (
            (9, "that makes ±1 standard error; 95 % need 1.96 of them"),
            (6, "the number of draws stands under a root: square the ratio"),
            (139, "±0.01 means 0.01 on each side, 0.02 in all"),
            (18, "1.96 stands outside the root, so it is squared, too"),
        ),
        tolerance=0.9,
    )
    if close(answer, 34, tolerance=0.55):
        raise NotYetError("nearly: 34 draws fall just short, and draws come whole, so round up")
    if not 34.5 <= float(answer) <= 38:
        raise NotYetError("solve 1.96 · 0.03 / √n = 0.01 for n")
    return (
        "right: 35 draws (38 with the quantile of t). Half a point would take four times as many, "
        "so decide first which difference is worth finding"
    )


def _draws() -> Exercise:
    return Exercise(
        name="how many draws see one point",
        difficulty=3,
        minutes=8,
        verify=_verify_draws,
        hints=(
            "the standard error of a mean of n differences is 0.03 / √n",
            "1.96 of them must be 0.01 at most",
        ),
        worked=(
            "import math\n\n"
            "answer = math.ceil((1.96 * 0.03 / 0.01) ** 2)  # 34.6, so 35"
        ),
        example=35,
        mistakes=(
            (9, "standard error"),
            (5.88, "square the ratio"),
            (138.3, "on each side"),
            (17.6, "squared, too"),
            (34, "round up"),
            (100, "solve"),
        ),
    )  # fmt: skip
