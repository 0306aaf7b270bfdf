"""Exercises of notebook 12: turns in a window, two misprinted formulas, bases, tables."""

from __future__ import annotations

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

Array = np.ndarray


def exercises() -> list[Exercise]:
    """The five exercises of the sheet."""
    return [_unfinished_turns(), _real_part(), _alibi(), _ntk_middle(), _table()]


# --- q1 -----------------------------------------------------------------------------------------


def _verify_turns(answer: Any) -> str:
    turns = [2048 / (2 * np.pi * 10_000 ** (j / 64)) for j in range(64)]
    truth = sum(count < 1 for count in turns)
    if close(answer, truth):
        return f"right: pairs {64 - truth} to 63 never complete a turn and see only a part of it"
    known = (
        (64 - truth, "those are the pairs that do complete a turn"),
        (truth - 1, "one too few: pairs are counted from 0, and the last is 63"),
        (truth + 1, "one too many: pair 40 just completes its turn"),
        (11, "a whole turn is 2π radians, not one"),
        (46, "a head of 128 has 64 pairs: you counted numbers"),
    )
    reject_known(answer, known)
    raise NotYetError("solve 2048 · 10000^(−j/64) = 2π for j, and count the pairs above")


def _unfinished_turns() -> Exercise:
    return Exercise(
        name="pairs that never complete a turn",
        difficulty=1,
        minutes=5,
        verify=_verify_turns,
        hints=(
            "pair j turns by 10000^(−2j/128) radians per token, and a turn has 2π",
            "taking logarithms, j = 64 · ln(2048 / 2π) / ln 10000 makes exactly one turn",
        ),
        worked=(
            "import math\n"
            "# j = 64 ln(2048 / 2π) / ln 10000 = 40.2, so the pairs 41 to 63\n"
            "answer = 63 - math.floor(64 * math.log(2048 / (2 * math.pi)) / math.log(10_000))"
        ),
        example=23,
        mistakes=(
            (41, "do complete"),
            (22, "one too few"),
            (24, "one too many"),
            (11, "2π"),
            (46, "counted numbers"),
            (64, "solve"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------

Score = Callable[[Array, Array, int, int, Array], Any]


def _verify_real_part(answer: Score) -> str:
    require_function(answer, "q, k, m, n and theta")
    random = np.random.default_rng()
    for width in (2, 6, 16):
        q, k = random.normal(size=(2, width))
        m, n = random.integers(0, 60, 2) + np.array([60, 0])
        theta = random.uniform(0.05, 1, width // 2)
        got = float(answer(q.copy(), k.copy(), m, n, theta.copy()))
        _judge_score(got, q, k, m, n, theta)
    return "right: the cosine carries q·k, the sine the crossed pairs with a minus between"


def _judge_score(got: float, q: Array, k: Array, m: int, n: int, theta: Array) -> None:
    query, key = (v.reshape(-1, 2) @ [1, 1j] for v in (q, k))
    product, turn = query * key.conj(), np.exp(1j * (m - n) * theta)
    if close(got, (product * turn).real.sum(), tolerance=1e-9):
        return
    crossed = q[0::2] * k[1::2] + q[1::2] * k[0::2]
    known = (
        (
            (product.real * turn.real + crossed * turn.imag).sum(),
            "a plus between the crossed pairs",
        ),
        ((product * turn.conj()).real.sum(), "the sine has the wrong sign: is it m - n?"),
        ((product.real * turn.real).sum(), "the sine is missing"),
        ((query * key * turn).real.sum(), "the key was not conjugated: its turn goes backwards"),
        ((product * np.exp(1j * (m + n) * theta)).real.sum(), "the *distance* counts: m - n"),
    )
    reject_known(got, known, tolerance=1e-9)
    raise NotYetError(
        f"for {len(theta)} pairs at distance {m - n} the score is "
        f"{(product * turn).real.sum():.4f}, not {got:.4f}: turn q and k, then take the product"
    )


def _score(q: Array, k: Array, m: int, n: int, theta: Array, *, sign: int = -1) -> float:
    q0, q1, k0, k1 = q[0::2], q[1::2], k[0::2], k[1::2]
    cos, sin = np.cos((m - n) * theta), np.sin((m - n) * theta)
    return float(((q0 * k0 + q1 * k1) * cos + (q0 * k1 + sign * q1 * k0) * sin).sum())


def _real_part() -> Exercise:
    return Exercise(
        name="the real part, misprinted",
        difficulty=2,
        minutes=10,
        verify=_verify_real_part,
        hints=(
            "compute the truth with complex numbers: q0 + i q1, times the conjugate of k0 + i k1",
            "at which distance are the misprint and the truth equal? Then which term is wrong?",
            "the imaginary part of q·conj(k) is q1 k0 − q0 k1, and cos·Re − sin·Im is wanted",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(q, k, m, n, theta):\n"
            "    q0, q1, k0, k1 = q[0::2], q[1::2], k[0::2], k[1::2]\n"
            "    cos, sin = np.cos((m - n) * theta), np.sin((m - n) * theta)\n"
            "    return ((q0 * k0 + q1 * k1) * cos + (q0 * k1 - q1 * k0) * sin).sum()"
        ),
        example=_score,
        mistakes=(
            (lambda q, k, m, n, theta: _score(q, k, m, n, theta, sign=1), "a plus between"),
            (lambda q, k, m, n, theta: _score(q, k, n, m, theta), "wrong sign"),
            (
                lambda q, k, m, n, theta: (
                    (_score(q, k, m, n, theta) + _score(q, k, n, m, theta)) / 2
                ),
                "sine is missing",
            ),
            (lambda q, k, m, n, theta: _score(q, k, m, -n, theta), "distance"),
            (lambda q, k, m, n, theta: q @ k, "turn q and k"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------


def _verify_alibi(answer: Callable[[Array, float], Any]) -> str:
    require_function(answer, "scores and slope")
    random = np.random.default_rng()
    for tokens, slope in ((2, 0.5), (5, 0.25), (9, 1.0)):
        scores = random.normal(size=(tokens, tokens))
        got = np.asarray(answer(scores.copy(), slope), dtype=float)
        _judge_alibi(got, scores, slope)
    return "right: inside the softmax each step back divides a weight by the same factor"


def _judge_alibi(got: Array, scores: Array, slope: float) -> None:
    tokens = len(scores)
    if got.shape != scores.shape:
        raise NotYetError(f"weights have the shape of the scores {scores.shape}, not {got.shape}")
    if np.abs(np.triu(got, 1)).max() > 1e-9:
        raise NotYetError("a token attends to later ones: their weights must be 0")
    if np.abs(got.sum(1) - 1).max() > 1e-6:
        raise NotYetError(
            f"row {tokens - 1} does not sum to 1 but to {got[-1].sum():.3f}: is the bias added "
            "after the softmax?"
        )
    # The odds of one token against the one before it, row by row, need no softmax.
    for i in range(1, tokens):
        odds = np.log(got[i, 1 : i + 1] / got[i, :i]) - np.diff(scores[i, : i + 1])
        if np.abs(odds - slope).max() > 1e-6:
            raise NotYetError(_why_odds(odds.mean(), slope))


def _why_odds(step: float, slope: float) -> str:
    if close(step, 0, tolerance=1e-6):
        return "the bias has no effect: it must differ from key to key"
    if close(step, -slope, tolerance=1e-6):
        return "far keys are favoured: the bias is minus the slope times the distance"
    return f"one step nearer must multiply a weight by e^{slope}; here it is e^{step:.3f}"


def _alibi_weights(scores: Array, slope: float, *, inside: bool = True) -> Array:
    position = np.arange(len(scores))
    distance = position[:, None] - position
    bias = -slope * distance
    masked = np.where(distance >= 0, scores + bias * inside, -np.inf)
    weights = np.exp(masked - masked.max(1, keepdims=True))
    weights = weights / weights.sum(1, keepdims=True)
    return weights if inside else np.where(distance >= 0, weights + bias, 0)


def _alibi_unmasked(scores: Array, slope: float) -> Array:
    position = np.arange(len(scores))
    weights = np.exp(scores - slope * np.abs(position[:, None] - position))
    return weights / weights.sum(1, keepdims=True)


def _alibi() -> Exercise:
    return Exercise(
        name="ALiBi's bias in the wrong line",
        difficulty=2,
        minutes=10,
        verify=_verify_alibi,
        hints=(
            "print the sum of each row: what must the weights of attention sum to?",
            "can a weight be negative? Which line makes it so?",
            "add the bias to the scores, before anything is exponentiated",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(scores, slope):\n"
            "    position = np.arange(len(scores))\n"
            "    distance = position[:, None] - position\n"
            "    masked = np.where(distance >= 0, scores - slope * distance, -np.inf)\n"
            "    weights = np.exp(masked - masked.max(1, keepdims=True))\n"
            "    return weights / weights.sum(1, keepdims=True)"
        ),
        example=_alibi_weights,
        mistakes=(
            (lambda scores, slope: _alibi_weights(scores, slope, inside=False), "sum to 1"),
            (lambda scores, slope: _alibi_weights(scores, 0.0), "no effect"),
            (_alibi_far, "far keys"),
            (_alibi_unmasked, "later ones"),
            (lambda scores, slope: _alibi_weights(scores, 2 * slope), "one step nearer"),
            (lambda scores, slope: scores[0], "the shape"),
        ),
    )


def _alibi_far(scores: Array, slope: float) -> Array:
    position = np.arange(len(scores))
    distance = position[:, None] - position
    weights = np.where(distance >= 0, np.exp(scores + slope * distance), 0)
    return weights / weights.sum(1, keepdims=True)


# --- q4 -----------------------------------------------------------------------------------------


def _verify_ntk(answer: Any) -> str:
    truth = np.exp(64 / 126 * np.log(8))
    if close(answer, truth, tolerance=1e-2):
        return f"right: {truth:.3f}, a geometric middle between 1 for pair 0 and 8 for pair 63"
    known = (
        (8, "that is the last pair, and position interpolation for all"),
        (1, "that is pair 0: only the fastest is left alone"),
        (4.5, "that is the arithmetic middle; the slowing grows by a *factor* from pair to pair"),
        (8**0.5, "nearly: the exponent of the scale is 2j / (W − 2), not 2j / W"),
        (1 / truth, "that is what θ is multiplied by; how many times slower does it get?"),
    )
    reject_known(answer, known, tolerance=5e-3)
    raise NotYetError("divide θ of the base 10000 by θ of the base 10000 · 8^(128/126), at j = 32")


def _ntk_middle() -> Exercise:
    return Exercise(
        name="the pair in the middle",
        difficulty=2,
        minutes=5,
        verify=_verify_ntk,
        hints=(
            "θ_j = b^(−2j/W): what happens to it when b is multiplied?",
            "(8^(128/126))^(2 · 32 / 128)",
        ),
        worked="answer = (8 ** (128 / 126)) ** (2 * 32 / 128)  # = 8^(64/126), about 2.875",
        example=2.8755,
        mistakes=(
            (8, "last pair"),
            (1, "pair 0"),
            (4.5, "arithmetic middle"),
            (2.828, "nearly"),
            (0.3478, "slower"),
            (2, "divide θ"),
        ),
    )


# --- q5 -----------------------------------------------------------------------------------------


def _verify_table(answer: Callable[[Array, int], Any]) -> str:
    require_function(answer, "table and length")
    random = np.random.default_rng()
    for rows, length in ((2, 5), (7, 13), (6, 17)):
        table = random.normal(size=(rows, 3))
        got = np.asarray(answer(table.copy(), length), dtype=float)
        _judge_table(got, table, length)
    return "right: both ends stay, and each new row lies on the line between two old ones"


def _judge_table(got: Array, table: Array, length: int) -> None:
    rows = len(table)
    if got.shape != (length, table.shape[1]):
        raise NotYetError(f"the shape must be {(length, table.shape[1])}, not {got.shape}")
    expected = _at(table, np.linspace(0, rows - 1, length))
    if np.allclose(got, expected, atol=1e-6):
        return
    known = (
        (table[np.arange(length) % rows], "that repeats the table: row 0 comes again in the text"),
        (table[np.minimum(np.arange(length), rows - 1)], "that repeats the last row"),
        (
            table[np.linspace(0, rows - 1, length).round().astype(int)],
            "that copies the nearest row",
        ),
        (_at(table, np.arange(length) * rows / length), "the last row is not the old last row"),
    )
    for wrong, reason in known:
        if np.allclose(got, wrong, atol=1e-6):
            raise NotYetError(reason)
    raise NotYetError(f"from {rows} rows to {length}: row 1 is off by {_off(got, expected):.3f}")


def _off(got: Array, expected: Array) -> float:
    return float(np.abs(got[1] - expected[1]).max())


def _at(table: Array, positions: Array) -> Array:
    columns = [np.interp(positions, np.arange(len(table)), column) for column in table.T]
    return np.stack(columns, axis=1)


def _stretched(table: Array, length: int) -> Array:
    positions = np.arange(length) * (len(table) - 1) / (length - 1)
    below = np.minimum(positions.astype(int), len(table) - 2)
    share = (positions - below)[:, None]
    return (1 - share) * table[below] + share * table[below + 1]


def _nearest(table: Array, length: int) -> Array:
    return table[np.linspace(0, len(table) - 1, length).round().astype(int)]


def _table() -> Exercise:
    return Exercise(
        name="a longer table",
        difficulty=3,
        minutes=10,
        verify=_verify_table,
        hints=(
            "new row t stands at position t (P − 1) / (length − 1) of the old table",
            "take the rows below and above that position, weighted by how near they are",
            "at the last position there is no row above: let the lower one be P − 2 at most",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(table, length):\n"
            "    positions = np.arange(length) * (len(table) - 1) / (length - 1)\n"
            "    below = np.minimum(positions.astype(int), len(table) - 2)\n"
            "    share = (positions - below)[:, None]\n"
            "    return (1 - share) * table[below] + share * table[below + 1]"
        ),
        example=_stretched,
        mistakes=(
            (lambda table, length: table[np.arange(length) % len(table)], "repeats the table"),
            (
                lambda table, length: table[np.minimum(np.arange(length), len(table) - 1)],
                "repeats the last row",
            ),
            (_nearest, "nearest"),
            (lambda table, length: _at(table, np.arange(length) * len(table) / length), "last row"),
            (lambda table, length: table, "the shape"),
            (lambda table, length: 2 * _stretched(table, length), "is off by"),
        ),
    )
