"""Exercises of notebook 23: LoRA's operations, where to put checkpoints, a roof with a past."""

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
from ftlearn.course.exercises.sheets import museum_23


def exercises() -> list[Exercise]:
    """Three exercises, and the bug museum."""
    return [_top_layers(), _segments(), _past(), *museum_23.exercises()]


# --- q1: LoRA in the top third --------------------------------------------------------------------

TABLE, BODY = 28.3, 106.2
"""Millions of weights of SmolLM2: the output layer, and 30 layers together."""
SHARE = (2 * (TABLE + BODY) + 2 * (TABLE + BODY / 3)) / (6 * (TABLE + BODY))


def _verify_top_layers(answer: Any) -> str:
    if close(answer, SHARE, tolerance=0.004):
        return "right: 2N forward, 2 for the inputs of output layer and ten layers: 0.491 of 6N"
    reject_known(
        answer,
        (
            (2 / 3, "that is LoRA in all layers: the backward pass ends at the lowest adapter"),
            (1 / 3, "that is the forward pass alone: gradients must reach the adapters"),
            (
                (2 + 2 * BODY / 3 / (TABLE + BODY)) / 6,
                "the backward pass begins at the loss, so it passes the output layer, too",
            ),
            (
                (4 * (TABLE + BODY / 3)) / (6 * (TABLE + BODY)),
                "the forward pass goes through all 30 layers",
            ),
            (
                (2 * (TABLE + BODY) + 4 * (TABLE + BODY / 3)) / (6 * (TABLE + BODY)),
                "frozen weights need no gradient of their own: 2, not 4, in the backward pass",
            ),
        ),
        tolerance=0.004,
    )
    raise NotYetError("forward: 2 per weight; back: 2 per weight that the gradient passes; of 6N")


def _top_layers() -> Exercise:
    return Exercise(
        name="LoRA in the top third",
        difficulty=1,
        minutes=6,
        verify=_verify_top_layers,
        hints=(
            "forward all weights multiply, backward only those above the lowest adapter",
            "(2 · 134.5 + 2 · (28.3 + 106.2 / 3)) / (6 · 134.5)",
        ),
        worked=(
            "output_layer, layers = 28.3, 106.2  # millions of weights\n"
            "forward = 2 * (output_layer + layers)\n"
            "back = 2 * (output_layer + layers / 3)  # inputs alone, down to the lowest adapter\n"
            "answer = (forward + back) / (6 * (output_layer + layers))  # 0.491"
        ),
        example=SHARE,
        mistakes=(
            (0.6667, "lowest adapter"),
            (0.3333, "forward pass alone"),
            (0.421, "output layer, too"),
            (0.3157, "all 30 layers"),
            (0.649, "of their own"),
            (0.01, "2 per weight"),
        ),
    )


# --- q2: how many segments ------------------------------------------------------------------------


def _kept(layers: int, inside: float, border: float, segments: int) -> float:
    """Bytes kept at most: the border of each segment, and one segment's inside."""
    return segments * border + layers / segments * inside


def _best(layers: int, inside: float, border: float) -> int:
    divisors = [k for k in range(1, layers + 1) if layers % k == 0]
    return min(divisors, key=lambda k: _kept(layers, inside, border, k))


def _verify_segments(answer: Callable[..., Any]) -> str:
    require_function(answer, "the number of layers, and bytes inside a layer and at its border")
    random = np.random.default_rng()
    cases = [(24, 9.0, 1.0), (36, 1.0, 1.0), (30, 0.5, 8.0)]
    cases += [(int(random.choice([12, 24, 60])), random.uniform(0.2, 20), 1.0) for _ in range(6)]
    for layers, inside, border in cases:
        segments = answer(layers, inside, border)
        truth = _best(layers, inside, border)
        if close(segments, truth, tolerance=1e-6):
            continue
        _name_segments(segments, truth, (layers, inside, border))
    return "right: near √(L·a/b), and never more than there are layers"


def _name_segments(segments: Any, truth: int, case: tuple[int, float, float]) -> None:
    layers, inside, border = case
    case_text = f"{layers} layers, inside {inside:.2g}, border {border:.2g}"
    if close(segments, round(segments)) and segments > layers:
        raise NotYetError(f"{case_text}: there are no more segments than layers, not {segments}")
    if not close(segments, round(segments)) or layers % round(segments):
        raise NotYetError(f"{case_text}: {segments:.4g} segments do not divide the layers evenly")
    if segments == _best(layers, border, inside):
        raise NotYetError("inside and border are exchanged: k borders, and L/k insides at a time")
    raise NotYetError(
        f"{case_text}: {segments} segments keep {_kept(*case, round(segments)):.4g}, "
        f"{truth} only {_kept(*case, truth):.4g}"
    )


def _segments() -> Exercise:
    return Exercise(
        name="how many segments",
        difficulty=2,
        minutes=10,
        verify=_verify_segments,
        hints=(
            "with k segments one keeps k borders, and L/k insides while a segment is open",
            "try all k that divide the number of layers; there are few",
        ),
        worked=(
            "def answer(layers, inside, border):\n"
            "    divisors = [k for k in range(1, layers + 1) if layers % k == 0]\n"
            "    # k borders, and the inside of one segment while it is open\n"
            "    return min(divisors, key=lambda k: k * border + layers / k * inside)"
        ),
        example=_best,
        mistakes=(
            (lambda layers, inside, border: math.sqrt(layers * inside / border), "evenly"),
            (lambda layers, inside, border: 2 * layers, "no more segments than layers"),
            (lambda layers, inside, border: _best(layers, border, inside), "exchanged"),
            (lambda layers, inside, border: 1, "segments keep"),
            (lambda layers, inside, border: layers, "segments keep"),
            (6, "is a function"),
        ),
    )


# --- q3: a roof with a past -----------------------------------------------------------------------


def _tokens_per_second(
    batch: int, past: int, weights: float, per_token: float, peak: float, bandwidth: float
) -> float:
    operations = 2 * weights * batch
    fetched = 4 * weights + batch * past * per_token
    return batch / max(operations / peak, fetched / bandwidth)


def _verify_past(answer: Callable[..., Any]) -> str:
    require_function(answer, "batch, past, weights, per_token, peak and bandwidth")
    random = np.random.default_rng()
    # The past of one text alone outweighs the arithmetic in the third case, on every machine drawn.
    for batch, past in ((1, 0), (64, 0), (4, 30_000), (8, 1000), (32, 4000), (500, 100)):
        machine = random.uniform(3e10, 6e10), random.uniform(5e9, 2e10)
        case = (batch, past, 1.345e8, 46_080.0, *machine)
        rate = float(answer(*case))
        truth = _tokens_per_second(*case)
        if math.isclose(rate, truth, rel_tol=1e-6):
            continue
        _name_past(rate, truth, case)
    return "right: the weights are fetched once for all, each past once for itself"


def _name_past(rate: float, truth: float, case: tuple[Any, ...]) -> None:
    batch, past, weights, per_token, peak, bandwidth = case
    compute, weights_time = 2 * weights * batch / peak, 4 * weights / bandwidth
    past_time = past * per_token / bandwidth
    typical = (
        (batch / max(compute, weights_time), "the past is fetched, too: past · per_token per text"),
        (
            batch / max(compute, weights_time + past_time),
            "each of the texts has a past of its own: they share the weights alone",
        ),
        (
            batch / (compute + weights_time + batch * past_time),
            "fetching and computing happen at the same time: the longer of the two counts",
        ),
        (
            1 / max(compute, weights_time + batch * past_time),
            "those are steps per second: each step writes a token of every text",
        ),
        (
            batch / max(compute, batch * (weights_time + past_time)),
            "the weights are fetched once per step, not once per text",
        ),
    )
    for known, reason in typical:
        if math.isclose(rate, known, rel_tol=1e-6):
            raise NotYetError(reason)
    raise NotYetError(f"batch {batch}, past {past}: {truth:.4g} tokens per second, not {rate:.4g}")


def _past() -> Exercise:
    return Exercise(
        name="a roof with a past",
        difficulty=3,
        minutes=12,
        verify=_verify_past,
        hints=(
            "a step takes the longer of two times: operations / peak, bytes / bandwidth",
            "operations: 2 · weights · batch. Bytes: 4 · weights, and batch · past · per_token",
            "a step writes one token of each text",
        ),
        worked=(
            "def answer(batch, past, weights, per_token, peak, bandwidth):\n"
            "    computing = 2 * weights * batch / peak\n"
            "    # the weights once for all texts, each past for its own text\n"
            "    fetching = (4 * weights + batch * past * per_token) / bandwidth\n"
            "    return batch / max(computing, fetching)"
        ),
        example=_tokens_per_second,
        mistakes=(
            (lambda b, t, w, k, p, m: _tokens_per_second(b, 0, w, k, p, m), "too: past"),
            (lambda b, t, w, k, p, m: _tokens_per_second(b, t, w, k / b, p, m), "of its own"),
            (
                lambda b, t, w, k, p, m: b / (2 * w * b / p + (4 * w + b * t * k) / m),
                "the longer of the two",
            ),
            (lambda b, *rest: _tokens_per_second(b, *rest) / b, "steps per second"),
            (
                lambda b, t, w, k, p, m: b / max(2 * w * b / p, b * (4 * w + t * k) / m),
                "once per text",
            ),
            (lambda *case: 1.0, "not 1"),
            (0.5, "is a function"),
        ),
    )
