"""Exercises of notebook 07: draws, scales, the median rule, records, a plan of trials."""

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
    """The five exercises of the sheet."""
    return [_draws(), _log_uniform(), _median_rule(), _record(), _plan()]


# --- q1 -----------------------------------------------------------------------------------------

DRAWS = math.log(0.05) / math.log(0.99)


def _verify_draws(answer: Any) -> str:
    if close(answer, DRAWS, tolerance=1.5):
        return (
            "right: 299 draws. Five times as rare takes five times as many draws, whatever the "
            "number of knobs"
        )
    reject_known(
        answer,
        [
            (math.log(0.05) / math.log(0.95), "that is for the best twentieth; here it is 1 %"),
            (95, "chances of single draws do not add up: two draws may both hit"),
            (100, "after 100 draws the chance is 1 − 0.99¹⁰⁰ = 0.63, not yet 0.95"),
            (math.log(0.95) / math.log(0.99), "1 − 0.99ⁿ must be 0.95, so 0.99ⁿ is 0.05"),
        ],
        tolerance=2,
    )
    raise NotYetError("solve 1 − 0.99ⁿ = 0.95 for n")


def _draws() -> Exercise:
    return Exercise(
        name="draws for the best hundredth",
        difficulty=1,
        minutes=4,
        verify=_verify_draws,
        hints=(
            "what is the chance that one draw misses the best 1 %? That all n miss?",
            "0.99ⁿ = 0.05; take logarithms on both sides",
        ),
        worked=(
            "import math\n\n"
            "# 1 - 0.99 ** n = 0.95 means n = ln 0.05 / ln 0.99 = 298.07\n"
            "answer = math.ceil(math.log(0.05) / math.log(0.99))"
        ),
        example=299,
        mistakes=(
            (60, "best twentieth"),
            (95, "do not add up"),
            (100, "0.63"),
            (5, "so 0.99ⁿ is 0.05"),
            (1000, "solve"),
            ("many", "solve"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------

Spread = Callable[[np.ndarray, float, float], Any]


def _log_spread(share: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.exp(np.log(low) + share * (np.log(high) - np.log(low)))


WRONG_SPREADS: tuple[tuple[Spread, str], ...] = (
    (
        lambda share, low, high: low + share * (high - low),
        "that is even on the ordinary scale: nearly all rates come out close to the upper bound",
    ),
    (
        lambda share, low, high: 10.0 ** (low + share * (high - low)),
        "the bounds are rates, not exponents: take their logarithms first",
    ),
    (
        lambda share, low, high: np.exp(np.log10(low) + share * np.log10(high / low)),
        "two bases are mixed: log10 goes with 10 ** ..., and log with exp",
    ),
    (
        lambda share, low, high: high * (low / high) ** share,
        "share 0 must give the low bound, and share 1 the high one",
    ),
)


def _verify_log_uniform(answer: Spread) -> str:
    require_function(answer, "shares, the low and the high bound")
    random = np.random.default_rng()
    for _ in range(4):
        low = 10.0 ** random.uniform(-6, -3)
        _judge_spread(answer, random.random(50), low, low * 10.0 ** random.uniform(1, 4))
    return "right: equal steps in the share are equal factors in the rate"


def _judge_spread(answer: Spread, share: np.ndarray, low: float, high: float) -> None:
    share[:2] = 0, 1
    got = np.asarray(answer(share.copy(), low, high), dtype=float)
    if got.shape != share.shape:
        raise NotYetError(f"50 shares give 50 rates; the answer has the shape {got.shape}")
    if (got > 0).all() and np.allclose(got[:2], [low, high]):
        # Independent of any formula: equal steps in the share are equal factors in the rate.
        factors = np.log(got / low)[1:] / share[1:]
        if np.allclose(factors, np.log(high / low), rtol=1e-6):
            return
    for wrong, reason in WRONG_SPREADS:
        if np.allclose(got, wrong(share, low, high), rtol=1e-9):
            raise NotYetError(reason)
    raise NotYetError(
        f"between {low:.3g} and {high:.3g}, half of the way must give their geometric mean "
        f"{math.sqrt(low * high):.3g}"
    )


def _log_uniform() -> Exercise:
    return Exercise(
        name="even on a logarithmic scale",
        difficulty=2,
        minutes=6,
        verify=_verify_log_uniform,
        hints=(
            "spread the *logarithm* of the rate evenly between the logarithms of the bounds",
            "low times (high / low) to the power of the share",
        ),
        worked="def answer(share, low, high):\n    return low * (high / low) ** share",
        example=_log_spread,
        mistakes=(
            *((wrong, reason[:20]) for wrong, reason in WRONG_SPREADS),
            (lambda share, low, high: low * (high / low), "the shape ()"),
            (lambda share, low, high: np.sqrt(low * high) + 0 * share, "geometric mean"),
            (0.01, "without brackets"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------

Rule = Callable[[list[list[float]], list[float]], Any]


def _median_rule_right(others: list[list[float]], curve: list[float]) -> bool:
    same = [other[len(curve) - 1] for other in others if len(other) >= len(curve)]
    return bool(same) and curve[-1] > np.median(same)


def _against_last(others: list[list[float]], curve: list[float]) -> bool:
    return curve[-1] > np.median([other[-1] for other in others])


def _verify_median_rule(answer: Rule) -> str:
    require_function(answer, "the curves of other trials and the curve so far")
    # Falling curves: after one step all are above what the others reach at their end.
    others = [[3.0, 2.0, 1.0], [5.0, 2.5, 1.5], [90.0, 3.0, 2.0]]
    if answer(others, [4.0]):
        raise NotYetError(
            "after one step, 4.0 is better than the median 5.0 of the others *after one step*: "
            "compare at the same step, not with how they ended"
        )
    if not answer(others, [6.0]):
        raise NotYetError(
            "after one step, 6.0 is worse than the median 5.0 of 3, 5 and 90, so it is stopped"
        )
    if answer([[5.0, 2.0], [6.0, 3.0], [9.0]], [7.0, 2.4]):
        raise NotYetError("at step 2 the median of 2.0 and 3.0 is 2.5, and 2.4 is better")
    if answer([[5.0], [6.0]], [9.0, 8.0]):
        raise NotYetError("no other trial reached step 2: without a comparison, go on")
    random = np.random.default_rng()
    for _ in range(50):
        curves = random.random((5, 4)).tolist()
        so_far = random.random(int(random.integers(1, 5))).tolist()
        worse = sorted(curve[len(so_far) - 1] for curve in curves)[2] < so_far[-1]
        if bool(answer(curves, so_far)) != worse:
            raise NotYetError(f"for the curve {np.round(so_far, 2).tolist()} it decides wrongly")
    return "right: a trial is compared with the others as they were at the same step"


def _median_rule() -> Exercise:
    return Exercise(
        name="the rule that stops nearly every trial",
        difficulty=2,
        minutes=8,
        verify=_verify_median_rule,
        hints=(
            "losses fall: compare the first loss of a trial with the last ones of others",
            "other[len(curve) - 1] is what another trial had at the same step; some are shorter",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(others, curve):\n"
            "    step = len(curve) - 1\n"
            "    same = [other[step] for other in others if len(other) > step]\n"
            "    return bool(same) and curve[-1] > np.median(same)"
        ),
        example=_median_rule_right,
        mistakes=(
            (_against_last, "at the same step"),
            (lambda others, curve: not _median_rule_right(others, curve), "at the same step"),
            (lambda others, curve: False, "worse than the median"),
            (
                lambda others, curve: curve[-1] > np.mean([o[len(curve) - 1] for o in others]),
                "worse than the median 5.0 of 3, 5 and 90",
            ),
            (
                lambda others, curve: curve[-1] > np.median([o[len(curve) - 1] for o in others]),
                "IndexError",
            ),
            (True, "without brackets"),
        ),
    )


# --- q4 -----------------------------------------------------------------------------------------


def _verify_record(answer: Any) -> str:
    reject_known(
        answer,
        [
            (chance, "almost: with the new one there are 31 draws, and each may be the best")
            for chance in (1 / 30, 0.0333, 0.033)
        ],
        tolerance=4e-6,
    )
    # A count in 100,000 simulated rows, as the hint suggests, has a standard error of 0.0006.
    if close(answer, 1 / 31, tolerance=1.5e-3):
        return (
            "right: 1/31. The best of 31 equal draws is as likely to be the last as any other, "
            "whatever the objective"
        )
    reject_known(
        answer,
        [
            (0.5, "that is for the second trial; the more there were, the harder to beat"),
            (0.05, "the best 5 % is not the question: the new trial must beat all 30"),
            (30 / 31, "that is the chance that it is *not* better"),
            (31, "a chance lies between 0 and 1"),
        ],
        tolerance=3e-3,
    )
    raise NotYetError(
        "run it: rng.random((100_000, 31)), and count the rows whose last number is the smallest"
    )


def _record() -> Exercise:
    return Exercise(
        name="the next record",
        difficulty=2,
        minutes=5,
        verify=_verify_record,
        hints=(
            "31 draws from the same space, in random order: which of them is the best?",
            "(draws.argmin(axis=1) == 30).mean() for draws of shape (100_000, 31)",
        ),
        worked="# each of 31 draws is the best one with the same chance\nanswer = 1 / 31",
        example=1 / 31,
        mistakes=(
            (1 / 30, "almost"),
            (0.5, "second trial"),
            (0.05, "beat all 30"),
            (30 / 31, "*not* better"),
            (31, "between 0 and 1"),
            (0.2, "run it"),
        ),
    )


# --- q5 -----------------------------------------------------------------------------------------


def _verify_plan(answer: Any) -> str:
    pairs = np.asarray(answer, dtype=float)
    if pairs.shape != (24, 2):
        raise NotYetError(f"24 pairs are needed; yours have the shape {pairs.shape}")
    rates, sizes = pairs.T
    if not ((rates >= 1e-5) & (rates <= 1) & (sizes >= 4) & (sizes <= 120)).all():
        raise NotYetError("a pair is outside: rates from 0.00001 to 1, batches from 4 to 120")
    _require_many_rates(rates)
    _require_many_sizes(sizes)
    _require_unbound(rates, sizes)
    return "right: whatever turns out to matter, this plan has tried many values of it"


# Random draws pass as well: of 24 rates, even on a logarithmic scale, hardly ever do more than
# half fall into one factor of ten, and hardly ever do two of the five stay empty.
MOST_RATES_PER_DECADE, MOST_EMPTY_DECADES = 12, 1


def _require_many_rates(rates: np.ndarray) -> None:
    if len(set(rates)) < 12:
        raise NotYetError(
            f"only {len(set(rates))} different learning rates: if the rate is what matters, the "
            "plan repeats itself; give nearly every trial a new one"
        )
    decades = np.clip(np.floor(np.log10(rates) + 5 + 1e-9), 0, 4).astype(int)
    counts = np.bincount(decades, minlength=5)
    if counts.max() > MOST_RATES_PER_DECADE or (counts == 0).sum() > MOST_EMPTY_DECADES:
        raise NotYetError(
            f"the five factors of ten hold {counts.tolist()} rates: spread them more evenly, on a "
            "logarithmic scale"
        )


def _require_many_sizes(sizes: np.ndarray) -> None:
    if len(set(sizes)) < 4:
        raise NotYetError(f"only {len(set(sizes))} batch sizes: try at least four")
    if sizes.max() < 4 * sizes.min():
        raise NotYetError(
            f"the batch sizes reach from {sizes.min():g} to {sizes.max():g} only: cover the range "
            "from 4 to 120"
        )


def _require_unbound(rates: np.ndarray, sizes: np.ndarray) -> None:
    ranks = [np.unique(values, return_inverse=True)[1] for values in (rates, sizes)]
    correlation = abs(np.corrcoef(*ranks)[0, 1])
    if correlation > 0.65:
        raise NotYetError(
            f"rates and batch sizes rise or fall together (correlation {correlation:.2f}): nobody "
            "could tell which of the two it was; shuffle one of them"
        )


def _plan() -> Exercise:
    rates = np.geomspace(1e-5, 1, 24)
    sizes = np.array([4, 8, 16, 32, 64, 120] * 4)
    grid = [(rate, size) for rate in np.geomspace(1e-5, 1, 6) for size in (4, 16, 64, 120)]
    even = np.linspace(1e-5, 1, 24)
    return Exercise(
        name="a plan for 24 trials",
        difficulty=3,
        minutes=10,
        verify=_verify_plan,
        hints=(
            "np.geomspace spreads values evenly on a logarithmic scale",
            "a random permutation of one column unties it from the other",
        ),
        worked=(
            "import numpy as np\n\n"
            "rates = np.geomspace(1e-5, 1, 24)\n"
            "sizes = np.array([4, 8, 16, 32, 64, 120] * 4)\n"
            "answer = np.column_stack([rates, sizes])"
        ),
        example=np.column_stack([rates, sizes]).tolist(),
        mistakes=(
            (grid, "only 6 different learning rates"),
            (np.column_stack([even, sizes]).tolist(), "logarithmic scale"),
            (np.column_stack([rates, np.full(24, 16)]).tolist(), "only 1 batch sizes"),
            (np.column_stack([rates, [4, 5, 6, 7] * 6]).tolist(), "cover the range"),
            (np.column_stack([rates, np.linspace(4, 120, 24)]).tolist(), "rise or fall together"),
            (grid[:10], "24 pairs"),
            (np.column_stack([rates * 100, sizes]).tolist(), "outside"),
        ),
    )
