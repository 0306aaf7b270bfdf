"""The bug museum of notebook 23: a mean of means, a share that is none, a table that multiplies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import Exercise, NotYetError, require_function


def exercises() -> list[Exercise]:
    """The three broken functions, which run and do the wrong thing."""
    return [_means(), _smoothing(), _table()]


# --- q4: meta-pytorch/torchtune#1875 --------------------------------------------------------------


def _verify_means(answer: Callable[..., Any]) -> str:
    require_function(answer, "a list of pairs of losses and a mask, both (B, T)")
    random = np.random.default_rng()
    pieces = []
    for longest in (5, 9, 20):
        losses = random.exponential(2, size=(4, longest))
        lengths = random.integers(1, longest, 4)
        pieces.append((losses, (np.arange(longest) < lengths[:, None]).astype(float)))
    loss = float(answer([(losses.copy(), mask.copy()) for losses, mask in pieces]))
    kept = [losses[mask > 0] for losses, mask in pieces]
    tokens = sum(len(values) for values in kept)
    truth = sum(values.sum() for values in kept) / tokens
    if math.isclose(loss, truth, rel_tol=1e-9):
        return "right: add all losses, count all tokens, and divide once"
    typical = (
        (
            np.mean([values.mean() for values in kept]),
            "that is a mean of means: a token of a short piece counts more than one of a long",
        ),
        (truth * tokens, "that is the sum: divide it by the number of tokens"),
        (truth * tokens / 3, "divide by the tokens, not by the number of pieces"),
        (
            truth * tokens / sum(mask.size for _, mask in pieces),
            "padding was counted: only tokens with mask 1 are there",
        ),
    )
    for known, reason in typical:
        if math.isclose(loss, known, rel_tol=1e-9):
            raise NotYetError(reason)
    raise NotYetError(f"three pieces have a mean loss of {truth:.4f}, not {loss:.4f}")


def _right_mean(pieces: Any) -> float:
    return sum((a * m).sum() for a, m in pieces) / sum(m.sum() for _, m in pieces)


MEANS = (
    "def answer(pieces):\n"
    '    """The loss of a step; each piece is (losses, mask), both (B, T)."""\n'
    "    means = [(losses * mask).sum() / mask.sum() for losses, mask in pieces]\n"
    "    return sum(means) / len(pieces)\n\n"
)


def _means() -> Exercise:
    return Exercise(
        name="a mean of means",
        difficulty=1,
        minutes=6,
        verify=_verify_means,
        hints=(
            "x₁/n₁ + x₂/n₂ is not (x₁ + x₂)/(n₁ + n₂)",
            "one sum over all pieces above, another below",
        ),
        worked=(
            "def answer(pieces):\n"
            "    # every token of the step counts the same, in whichever piece it is\n"
            "    total = sum((losses * mask).sum() for losses, mask in pieces)\n"
            "    return total / sum(mask.sum() for _, mask in pieces)"
        ),
        broken=MEANS,
        example=_right_mean,
        mistakes=(
            (lambda ps: sum((a * m).sum() / m.sum() for a, m in ps) / len(ps), "mean of means"),
            (lambda ps: sum((a * m).sum() for a, m in ps), "that is the sum"),
            (lambda ps: sum((a * m).sum() for a, m in ps) / len(ps), "number of pieces"),
            (
                lambda ps: sum((a * m).sum() for a, m in ps) / sum(m.size for _, m in ps),
                "padding was counted",
            ),
            (lambda ps: 0.0, "not 0.0000"),
            (0.5, "is a function"),
        ),
    )


# --- q5: huggingface/transformers#46731 -----------------------------------------------------------


def _smoothed(log_probabilities: np.ndarray, targets: np.ndarray, epsilon: float) -> np.ndarray:
    own = -log_probabilities[np.arange(len(targets)), targets]
    return (1 - epsilon) * own - epsilon * log_probabilities.mean(1)


def _share(log_probabilities: Any, targets: Any, epsilon: float, total: int) -> float:
    return _smoothed(log_probabilities, targets, epsilon).sum() / total


def _verify_smoothing(answer: Callable[..., Any]) -> str:
    require_function(answer, "log_probabilities (n, V), targets (n,), epsilon, total")
    random = np.random.default_rng()
    sizes, epsilon = (3, 8, 14), 0.1
    total, shares, pieces = sum(sizes), [], []
    for size in sizes:
        logits = random.normal(size=(size, 6))
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        pieces.append((log_p, random.integers(0, 6, size)))
        shares.append(float(answer(log_p.copy(), pieces[-1][1].copy(), epsilon, total)))
    losses = [_smoothed(*piece, epsilon) for piece in pieces]
    truth = float(np.concatenate(losses).mean())
    if math.isclose(sum(shares), truth, rel_tol=1e-9):
        return "right: the shares of all micro-batches add up to the mean over the batch"
    unsmoothed = sum(_smoothed(*piece, 0.0).sum() for piece in pieces) / total
    typical = (
        (
            sum(values.mean() for values in losses),
            "each piece gives its whole mean, and the step adds them: with three pieces the "
            "gradient is about three times too large",
        ),
        (sum(values.mean() for values in losses) / 3, "that is a mean of means"),
        (truth * total, "divide the sum by the tokens of the whole batch"),
        (unsmoothed, "the smoothing is gone: keep the part with epsilon"),
    )
    for known, reason in typical:
        if math.isclose(sum(shares), known, rel_tol=1e-9):
            raise NotYetError(reason)
    raise NotYetError(f"the shares add up to {sum(shares):.4f}; the mean is {truth:.4f}")


SMOOTHING = (
    "import numpy as np\n\n\n"
    "def answer(log_probabilities, targets, epsilon, total):\n"
    "    own = -log_probabilities[np.arange(len(targets)), targets]\n"
    "    every = -log_probabilities.mean(1)\n"
    "    return ((1 - epsilon) * own + epsilon * every).mean()\n\n"
)


def _smoothing() -> Exercise:
    return Exercise(
        name="a share that is a whole",
        difficulty=2,
        minutes=8,
        verify=_verify_smoothing,
        hints=(
            "the step adds what the micro-batches return; it divides by nothing",
            "`total` is there to be used",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(log_probabilities, targets, epsilon, total):\n"
            "    own = -log_probabilities[np.arange(len(targets)), targets]\n"
            "    every = -log_probabilities.mean(1)\n"
            "    # a sum over the own tokens, divided by the tokens of all micro-batches\n"
            "    return ((1 - epsilon) * own + epsilon * every).sum() / total"
        ),
        broken=SMOOTHING,
        example=_share,
        mistakes=(
            (lambda p, y, e, n: _smoothed(p, y, e).mean(), "three times too large"),
            (lambda p, y, e, n: _smoothed(p, y, e).mean() / 3, "mean of means"),
            (lambda p, y, e, n: _smoothed(p, y, e).sum(), "of the whole batch"),
            (lambda p, y, e, n: _share(p, y, 0.0, n), "smoothing is gone"),
            (lambda p, y, e, n: 0.0, "add up to 0.0000"),
            (0.5, "is a function"),
        ),
    )


# --- q6: huggingface/trl#6708 ---------------------------------------------------------------------


def _forward(vocabulary: int, width: int, inner: int, layers: int, tied: bool) -> float:
    return 2 * layers * (4 * width**2 + 3 * width * inner) + 2 * vocabulary * width


def _verify_table(answer: Callable[..., Any]) -> str:
    require_function(answer, "vocabulary, width, inner, layers and tied")
    random = np.random.default_rng()
    for tied in (True, False):
        size = [int(number) for number in random.integers(10, 500, 4)]
        count = float(answer(*size, tied))
        truth, table = _forward(*size, tied), 2 * size[0] * size[1]
        if math.isclose(count, truth, rel_tol=1e-12):
            continue
        if math.isclose(count, truth + table, rel_tol=1e-12):
            raise NotYetError(
                f"tied={tied}: the table of words was counted as a product. To look a word up "
                "costs no operation"
            )
        if math.isclose(count, truth - table, rel_tol=1e-12):
            raise NotYetError(
                f"tied={tied}: the output layer multiplies every token, whether or not its "
                "weights are those of the table"
            )
        if math.isclose(count, 2 * truth) or math.isclose(count, truth / 2):
            raise NotYetError("a weight takes 2 operations: a multiplication and an addition")
        raise NotYetError(f"tied={tied}, sizes {size}: {truth:.6g} operations, not {count:.6g}")
    return "right: tying shares memory, not work"


def _as_reported(vocabulary: int, width: int, inner: int, layers: int, tied: bool) -> float:
    head = 0 if tied else 2 * vocabulary * width
    return _forward(vocabulary, width, inner, layers, tied) + head


TABLE = (
    "def answer(vocabulary, width, inner, layers, tied):\n"
    "    layer = 2 * (4 * width**2 + 3 * width * inner)\n"
    "    table = 2 * vocabulary * width\n"
    "    return layers * layer + table + (0 if tied else table)  # the output layer\n\n"
)


def _table() -> Exercise:
    return Exercise(
        name="a table that multiplies",
        difficulty=2,
        minutes=7,
        verify=_verify_table,
        hints=(
            "which of the two, the table of words or the output layer, is a matrix product?",
            "tied weights save memory; do they save work?",
        ),
        worked=(
            "def answer(vocabulary, width, inner, layers, tied):\n"
            "    layer = 2 * (4 * width**2 + 3 * width * inner)\n"
            "    # a look-up is free, the output layer is not, tied or not\n"
            "    return layers * layer + 2 * vocabulary * width"
        ),
        broken=TABLE,
        example=_forward,
        mistakes=(
            (_as_reported, "costs no operation"),
            (lambda v, *rest: _forward(0, *rest), "whether or not"),
            (lambda *size: 2 * _forward(*size), "a multiplication and an addition"),
            (lambda *size: _forward(*size) / 2, "a multiplication and an addition"),
            (lambda *size: 1.0, "not 1"),
            (0.5, "is a function"),
        ),
    )
