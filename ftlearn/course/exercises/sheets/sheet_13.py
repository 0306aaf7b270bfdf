"""Exercises of notebook 13: bits per byte, top-p, conditionals; three real bugs of generation."""

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
from ftlearn.course.exercises.sheets.museum_13 import exercises as museum


def exercises() -> list[Exercise]:
    """The six exercises of the sheet; the last three are the bug museum."""
    return [_bits_per_byte(), _nucleus(), _compatible(), *museum()]


# --- q1 -----------------------------------------------------------------------------------------

NATS, TOKENS, BYTES = 60.0, 24, 120


def _verify_bits(answer: Any) -> str:
    truth = NATS / math.log(2) / BYTES
    if close(answer, truth, tolerance=2e-3):
        return "right: 60 nats are 86.6 bits, over 120 bytes; the number of tokens never enters"
    reject_known(
        answer,
        (
            (NATS / BYTES, "those are nats per byte: a bit is ln 2 nats"),
            (NATS / TOKENS, "that is the loss per token: it depends on the tokenizer"),
            (NATS / TOKENS / math.log(2), "those are bits per *token*"),
            (math.exp(NATS / TOKENS), "that is the perplexity, which is per token, too"),
            (NATS * math.log(2) / BYTES, "a nat is more than a bit: divide by ln 2"),
            (NATS / math.log(2), "those are the bits of the whole text"),
        ),
        tolerance=5e-3,
    )
    raise NotYetError("how many bits are 60 nats, and over how many bytes are they spread?")


def _bits_per_byte() -> Exercise:
    return Exercise(
        name="bits per byte",
        difficulty=1,
        minutes=4,
        verify=_verify_bits,
        hints=("one bit is ln 2 = 0.693 nats", "divide by the bytes of the text, not its tokens"),
        worked=(
            "import math\n\n"
            "bits = 60 / math.log(2)  # the whole text\n"
            "answer = bits / 120  # the 24 tokens do not enter"
        ),
        example=0.7213,
        mistakes=(
            (0.5, "nats per byte"),
            (2.5, "loss per token"),
            (3.607, "bits per *token*"),
            (12.18, "perplexity"),
            (0.3466, "divide by ln 2"),
            (86.56, "whole text"),
            (7.0, "how many bits"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------


def _slow_nucleus(p: np.ndarray, top_p: float) -> np.ndarray:
    """One token after the other, most probable first, until their mass reaches top_p."""
    result = np.zeros_like(p)
    for token in sorted(range(len(p)), key=lambda token: -p[token]):
        result[token] = p[token]
        if result.sum() >= top_p:
            break
    return result / result.sum()


def _verify_nucleus(answer: Callable[..., Any]) -> str:
    require_function(answer, "p and top_p")
    random = np.random.default_rng()
    for top_p in (0.3, 0.6, 0.9, 0.97):
        p = random.permutation(random.dirichlet(np.full(12, 0.5)))
        got = np.asarray(answer(p.copy(), top_p), dtype=float)
        if got.shape != p.shape:
            raise NotYetError(f"all 12 tokens keep their position; yours have shape {got.shape}")
        _judge_nucleus(got, p, top_p)
    return "right: the least set of tokens that holds top_p, and it adds up to 1 again"


def _judge_nucleus(got: np.ndarray, p: np.ndarray, top_p: float) -> None:
    truth = _slow_nucleus(p, top_p)
    if np.allclose(got, truth, atol=1e-8):
        return
    if np.allclose(got, np.where(truth > 0, p, 0), atol=1e-8):
        raise NotYetError("what is left must add up to 1 again: divide by its sum")
    if got.sum() and np.allclose(np.sort(got), np.sort(truth), atol=1e-8):
        raise NotYetError("the right numbers at the wrong tokens: undo the sorting")
    if np.isnan(got).any() or (got > 0).sum() == (truth > 0).sum() - 1:
        raise NotYetError(
            "the token that crosses top_p belongs to the set, and so does at least one token"
        )
    raise NotYetError(
        f"with top_p = {top_p} you keep {(got > 0).sum()} tokens, and {(truth > 0).sum()} are right"
    )


def _top_p(p: np.ndarray, top_p: float, *, crossing: bool = True) -> np.ndarray:
    order = np.argsort(-p)
    mass = np.cumsum(p[order])
    kept = np.zeros(len(p), dtype=bool)
    kept[order] = (mass - p[order] if crossing else mass) < top_p
    return np.where(kept, p, 0) / p[kept].sum() if kept.any() else np.full(len(p), np.nan)


def _unscaled(p: np.ndarray, top_p: float) -> np.ndarray:
    return np.where(_top_p(p, top_p) > 0, p, 0)


def _sorted(p: np.ndarray, top_p: float) -> np.ndarray:
    return np.sort(_top_p(p, top_p))


def _without_crossing(p: np.ndarray, top_p: float) -> np.ndarray:
    return _top_p(p, top_p, crossing=False)


def _nucleus() -> Exercise:
    return Exercise(
        name="top-p by hand",
        difficulty=2,
        minutes=10,
        verify=_verify_nucleus,
        hints=(
            "sort from the most probable down and add up: np.argsort(-p), np.cumsum",
            "a token stays if the mass *before* it has not reached top_p yet",
            "put the result back at the tokens' own positions, and divide by its sum",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(p, top_p):\n"
            "    order = np.argsort(-p)\n"
            "    before = np.cumsum(p[order]) - p[order]  # the mass of the more probable ones\n"
            "    kept = np.zeros(len(p), dtype=bool)\n"
            "    kept[order] = before < top_p  # the token that crosses top_p stays\n"
            "    return np.where(kept, p, 0) / p[kept].sum()"
        ),
        example=_top_p,
        mistakes=(
            (_without_crossing, "crosses top_p"),
            (_unscaled, "divide by its sum"),
            (_sorted, "undo the sorting"),
            (lambda p, top_p: p, "are right"),
            (lambda p, top_p: p[:3], "keep their position"),
            (0.9, "is a function"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------


def _conditionals(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p(x | y) and p(y | x) of a joint (x, y), both with x in rows and y in columns."""
    return joint / joint.sum(0), joint / joint.sum(1, keepdims=True)


def _verify_compatible(answer: Callable[..., Any]) -> str:
    require_function(answer, "x_given_y and y_given_x")
    random = np.random.default_rng()
    wrong = {True: 0, False: 0}
    for trial in range(40):
        first, second = (random.dirichlet(np.full(4, 2.0)).reshape(2, 2) for _ in range(2))
        exists = trial % 2 == 0
        x_given_y, y_given_x = _conditionals(first)
        if not exists:  # each is proper, and they come from two joints
            y_given_x = _conditionals(second)[1]
        got = answer(x_given_y.copy(), y_given_x.copy())
        if not isinstance(got, bool | np.bool_):
            raise NotYetError(f"answer True or False, not {got!r}")
        wrong[exists] += bool(got) != exists
    if wrong[False] and wrong[True]:
        raise NotYetError(
            f"{wrong[True]} of 20 pairs that have a joint are refused and {wrong[False]} of 20 "
            "without one are accepted: compare the odds ratios of the two tables"
        )
    if wrong[False]:
        raise NotYetError(
            f"{wrong[False]} of 20 pairs come from two different joints, and you accept them"
        )
    if wrong[True]:
        raise NotYetError(
            f"{wrong[True]} of 20 pairs were made from one joint, and you refuse them: the two "
            "tables differ even then; what do they share? (mind rounding)"
        )
    return "right: a joint exists exactly if both tables have the same odds ratio"


def _odds(table: np.ndarray) -> float:
    return table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0])


def _same_odds(x_given_y: np.ndarray, y_given_x: np.ndarray) -> bool:
    return bool(np.isclose(_odds(x_given_y), _odds(y_given_x)))


def _compatible() -> Exercise:
    return Exercise(
        name="does a joint exist?",
        difficulty=2,
        minutes=10,
        verify=_verify_compatible,
        hints=(
            "p(x | y) is the joint with each column divided by a number; p(y | x) with each row",
            "which combination of the four cells is not changed by that?",
            "the odds ratio, table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0])",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def odds_ratio(table):\n"
            "    return table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0])\n\n\n"
            "def answer(x_given_y, y_given_x):\n"
            "    # scaling rows or columns of a joint does not change its odds ratio\n"
            "    return bool(np.isclose(odds_ratio(x_given_y), odds_ratio(y_given_x)))"
        ),
        example=_same_odds,
        mistakes=(
            (lambda x, y: True, "you accept them"),
            (lambda x, y: False, "you refuse them"),
            (lambda x, y: bool(np.allclose(x, y)), "you refuse them"),
            (lambda x, y: bool(np.allclose(x.sum(0), 1) and np.allclose(y.sum(1), 1)), "accept"),
            (lambda x, y: not _same_odds(x, y), "compare the odds ratios"),
            (lambda x, y: _odds(x), "True or False"),
            (0.5, "is a function"),
        ),
    )
