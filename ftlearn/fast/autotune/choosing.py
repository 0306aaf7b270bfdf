"""From times to a choice: the simplest arithmetic that no other beats by enough."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from ftlearn import runtime
from ftlearn.errors import ArgumentError
from ftlearn.fast import packed_bert
from ftlearn.fast.autotune.cache import measured
from ftlearn.fast.autotune.measuring import PREDICTION, TRAINING, Shape
from ftlearn.runtime.arithmetic import Arithmetic

VARIABLE = "FTLEARN_COMPUTE"
SMALLEST_WIDTH = 128
"""Narrower models are for tests, and their times are noise: fp32, and torch as it is."""
GAIN = {torch.float32: 1.1, torch.bfloat16: 1.2}
"""How many times faster one must be than a simpler one to be taken: what rounds more gains more."""


def training(model: Any, on: torch.device, precision: str = "auto") -> Arithmetic:
    """The fastest arithmetic to train a model, given itself or its configuration, on a device."""
    return _choose(model, on, precision, TRAINING)


def prediction(model: Any, on: torch.device, precision: str = "auto") -> Arithmetic:
    """The fastest arithmetic to ask a model, given itself or its configuration, on a device."""
    return _choose(model, on, precision, PREDICTION)


def _choose(model: Any, on: torch.device, precision: str, purpose: str) -> Arithmetic:
    dtype = runtime.precision(on, precision)
    if on.type != "cpu":
        return Arithmetic(dtype)
    if (asked := os.environ.get(VARIABLE, "auto")) != "auto":
        return _told(asked, dtype, purpose)
    shape = Shape.of(getattr(model, "config", model))
    if shape is None or shape.width < SMALLEST_WIDTH:
        return Arithmetic(dtype or torch.float32)
    family = getattr(getattr(model, "config", model), "model_type", None)
    times = {
        one: seconds
        for one, seconds in measured(shape, purpose).items()
        if dtype in (None, one.dtype) and (family in packed_bert.FAMILIES or not one.packed)
    }
    return fastest(times, Arithmetic(dtype or torch.float32))


def _told(name: str, dtype: torch.dtype | None, purpose: str) -> Arithmetic:
    """What ``FTLEARN_COMPUTE`` says; an explicit format is stronger."""
    if name not in ("fp32", "bf16"):
        raise ArgumentError(f"{VARIABLE} is {name!r}: set it to auto, fp32 or bf16, or unset it")
    dtype = dtype or runtime.PRECISIONS[name]
    quick = {TRAINING: "eager", PREDICTION: "sdpa"}[purpose]  # of sdpa's backward pass is slow
    return Arithmetic(dtype, quick if dtype is torch.bfloat16 else None)


def fastest(times: Mapping[Arithmetic, float], simplest: Arithmetic) -> Arithmetic:
    """The arithmetic to take, given seconds in the order from simple to special.

    A later one must be faster by ``GAIN``; ``simplest`` is taken where nothing was timed.

    >>> simple, narrow = Arithmetic(), Arithmetic(torch.bfloat16)
    >>> fastest({simple: 1.0, narrow: 0.9}, simple) == simple
    True
    >>> fastest({simple: 1.0, narrow: 0.5}, simple) == narrow
    True
    """
    best = None
    for arithmetic, seconds in times.items():
        new_format = best is not None and arithmetic.dtype is not best.dtype
        gain = GAIN[arithmetic.dtype if new_format else torch.float32]
        if best is None or seconds * gain < times[best]:
            best = arithmetic
    return best or simplest
