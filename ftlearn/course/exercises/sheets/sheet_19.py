"""Exercises of notebook 19: counting an adapter, merging it, the weight of a prefix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import softmax

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets import museum_19


def exercises() -> list[Exercise]:
    """Three exercises, and the bug museum."""
    return [_count(), _merge(), _prefix(), *museum_19.exercises()]


# --- q1: how many numbers an adapter has ----------------------------------------------------------

COUNT = 30 * 16 * ((576 + 576) + (576 + 192))


def _verify_count(answer: Any) -> str:
    if close(answer, COUNT, tolerance=0.5):
        return "right: 921,600 numbers, 0.7 % of SmolLM2's 134.5 million"
    layers = 30
    reject_known(
        answer,
        (
            (COUNT / layers, "that is one layer; the model has 30"),
            (layers * 576 * (576 + 192), "that is W itself: A and B have r rows and r columns"),
            (layers * 16 * 4 * 576, "the values have 192 outputs, not 576"),
            (layers * 16 * (576 + 192), "that is B alone: A has r · 576 numbers per matrix"),
            (layers * 16 * 2 * 576, "that is the queries alone, or A alone: add the others"),
            (COUNT / 16, "that is for rank 1: multiply by 16"),
        ),
        tolerance=0.5,
    )
    raise NotYetError("per adapted matrix r · (inputs + outputs), over two matrices and 30 layers")


def _count() -> Exercise:
    return Exercise(
        name="the size of an adapter",
        difficulty=1,
        minutes=4,
        verify=_verify_count,
        hints=(
            "A is (16, inputs) and B is (outputs, 16)",
            "queries: 16 · (576 + 576); values: 16 · (576 + 192); both in each of 30 layers",
        ),
        worked=(
            "query = 16 * (576 + 576)  # A has r rows of d_in, B has r columns of d_out\n"
            "value = 16 * (576 + 192)  # three heads for keys and values, nine for queries\n"
            "answer = 30 * (query + value)  # 921,600"
        ),
        example=COUNT,
        mistakes=(
            (30_720, "that is one layer"),
            (13_271_040, "W itself"),
            (1_105_920, "192 outputs"),
            (368_640, "that is B alone"),
            (552_960, "the queries alone"),
            (57_600, "for rank 1"),
            (1, "per adapted matrix"),
        ),
    )


# --- q2: merging ----------------------------------------------------------------------------------

Matrices = tuple[np.ndarray, np.ndarray, np.ndarray]


def _verify_merge(answer: Callable[..., Any]) -> str:
    require_function(answer, "W, A, B and alpha")
    random = np.random.default_rng()
    for rank, inputs, outputs in ((2, 5, 7), (3, 6, 6), (4, 8, 3)):
        matrices = (
            random.normal(size=(outputs, inputs)),
            random.normal(size=(rank, inputs)),
            random.normal(size=(outputs, rank)),
        )
        _judge_merge(answer, matrices, random.uniform(2, 9), random)
    return "right: one matrix gives what the layer and its adapter gave together"


def _judge_merge(
    answer: Callable[..., Any], matrices: Matrices, alpha: float, random: np.random.Generator
) -> None:
    weight, down, up = matrices
    kept = weight.copy()
    merged = np.asarray(answer(weight, down, up, alpha))
    if not np.array_equal(weight, kept):
        raise NotYetError("W itself has changed: return a new matrix, or a second merge adds twice")
    if merged.shape != weight.shape:
        raise NotYetError(f"the shape is {merged.shape}; W has the shape {weight.shape}")
    x = random.normal(size=(4, weight.shape[1]))
    plain, low, rank = x @ weight.T, (x @ down.T) @ up.T, len(down)  # never forms B A

    def gives(scale: float) -> bool:
        return np.allclose(x @ merged.T, plain + scale * low)

    if gives(alpha / rank):
        return
    typical = (
        (alpha, "the scale is α / r, and r is the number of rows of A"),
        (alpha / rank**0.5, "α / √r is rsLoRA's scale; plain LoRA has α / r"),
        (1.0, "the scale α / r is missing"),
        (alpha / weight.shape[1], "that divides by the inputs; r is the number of rows of A"),
        (-alpha / rank, "the update is added, not taken away"),
    )
    for scale, message in typical:
        if gives(scale):
            raise NotYetError(message)
    raise NotYetError("x W'ᵀ differs from x Wᵀ + (α / r) (x Aᵀ) Bᵀ: look at the order of B and A")


def _merged(weight: np.ndarray, down: np.ndarray, up: np.ndarray, alpha: float) -> np.ndarray:
    return weight + alpha / len(down) * up @ down


def _merged_in_place(weight, down, up, alpha):
    weight += alpha / len(down) * up @ down
    return weight


def _merge() -> Exercise:
    return Exercise(
        name="one matrix instead of three",
        difficulty=2,
        minutes=6,
        verify=_verify_merge,
        hints=(
            "x Wᵀ + s (x Aᵀ) Bᵀ = x (W + s B A)ᵀ",
            "A is (r, inputs), so r is len(A); `W + …` makes a new matrix, `W += …` does not",
        ),
        worked=(
            "def answer(W, A, B, alpha):\n"
            "    # (outputs, r) @ (r, inputs) has the shape of W\n"
            "    return W + alpha / len(A) * B @ A"
        ),
        example=_merged,
        mistakes=(
            (lambda w, a, b, alpha: w + alpha * b @ a, "the scale is α / r"),
            (lambda w, a, b, alpha: w + alpha / len(a) ** 0.5 * b @ a, "rsLoRA's scale"),
            (lambda w, a, b, alpha: w + b @ a, "is missing"),
            (lambda w, a, b, alpha: w - alpha / len(a) * b @ a, "not taken away"),
            (lambda w, a, b, alpha: w + alpha / a.shape[1] * b @ a, "divides by the inputs"),
            (_merged_in_place, "has changed"),
            (lambda w, a, b, alpha: b @ a.T[: a.shape[0]], "the shape"),
            (lambda w, a, b, alpha: 2 * w, "order of B and A"),
            (0.5, "is a function"),
        ),
    )


# --- q3: the weight of a prefix -------------------------------------------------------------------


def _verify_prefix(answer: Callable[..., Any]) -> str:
    require_function(answer, "a query, the keys of a prefix and the keys of a text")
    random = np.random.default_rng()
    for size, prefix, text in ((4, 3, 7), (16, 1, 5), (9, 6, 2)):
        query, keys = random.normal(size=size), random.normal(size=(prefix + text, size))
        _judge_prefix(answer(query, keys[:prefix], keys[prefix:]), query, keys, prefix)
    return "right: λ is the probability that one attention over both gives to the prefix"


def _judge_prefix(share: Any, query: np.ndarray, keys: np.ndarray, prefix: int) -> None:
    if np.size(share) != 1:
        raise NotYetError(f"λ is one number; the answer has {np.size(share)}")
    scores = keys @ query
    truth = softmax(scores / len(query) ** 0.5)[:prefix].sum()
    if close(share, truth, tolerance=1e-6):
        return
    means = np.exp(scores / len(query) ** 0.5)
    typical = (
        (softmax(scores)[:prefix].sum(), "the scores are divided by √d before the exponential"),
        (1 - truth, "that is the weight of the text; λ is that of the prefix"),
        (prefix / len(keys), "that counts positions: each one weighs e to the power of its score"),
        (
            means[:prefix].mean() / (means[:prefix].mean() + means[prefix:].mean()),
            "those are means: a longer prefix has more weight, so take sums",
        ),
        (softmax(scores / len(query))[:prefix].sum(), "divide by √d, not by d"),
    )
    reject_known(share, typical, tolerance=1e-6)
    raise NotYetError(f"λ is {truth:.4f} for {prefix} of {len(keys)} keys, not {float(share):.4f}")


def _weight_of_prefix(query: np.ndarray, prefix: np.ndarray, text: np.ndarray) -> float:
    first, second = (np.exp(keys @ query / len(query) ** 0.5).sum() for keys in (prefix, text))
    return first / (first + second)


def _without_root(query: np.ndarray, prefix: np.ndarray, text: np.ndarray) -> float:
    first, second = (np.exp(keys @ query).sum() for keys in (prefix, text))
    return first / (first + second)


def _of_means(query: np.ndarray, prefix: np.ndarray, text: np.ndarray) -> float:
    first, second = (np.exp(keys @ query / len(query) ** 0.5).mean() for keys in (prefix, text))
    return first / (first + second)


def _prefix() -> Exercise:
    return Exercise(
        name="the weight of a prefix",
        difficulty=3,
        minutes=8,
        verify=_verify_prefix,
        hints=(
            "the score of a key is q · k / √d, with d = len(q)",
            "add e to the power of the scores over the prefix, and over prefix and text together",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(q, prefix, text):\n"
            "    root = len(q) ** 0.5\n"
            "    of_prefix = np.exp(prefix @ q / root).sum()\n"
            "    of_text = np.exp(text @ q / root).sum()\n"
            "    return of_prefix / (of_prefix + of_text)  # a softmax, added over the prefix"
        ),
        example=_weight_of_prefix,
        mistakes=(
            (_without_root, "divided by √d"),
            (lambda q, p, x: 1 - _weight_of_prefix(q, p, x), "weight of the text"),
            (lambda q, p, x: len(p) / (len(p) + len(x)), "counts positions"),
            (_of_means, "take sums"),
            (lambda q, p, x: p @ q, "one number"),
            (lambda q, p, x: 2.0, "not 2.0000"),
            (0.5, "is a function"),
        ),
    )
