"""Choosing an arithmetic by its time: the simplest one, unless another is clearly faster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ftlearn import runtime
from ftlearn.errors import ArgumentError
from ftlearn.fast import packed_bert
from ftlearn.fast.autotune.cache import measured
from ftlearn.fast.autotune.measuring import PREDICTION, TRAINING, Shape
from ftlearn.models import lora, places
from ftlearn.models.wrapping import is_adapted
from ftlearn.runtime import sharding
from ftlearn.runtime.arithmetic import Arithmetic

VARIABLE = "FTLEARN_COMPUTE"
SMALLEST_WIDTH = 128
"""Narrower models are for tests, and their times are noise: they get fp32 and torch's defaults."""
GAIN = {torch.float32: 1.1, torch.bfloat16: 1.2}
"""How many times faster an arithmetic must be than a simpler one: more where it rounds more."""


def training(model: Any, on: torch.device, precision: str = "auto") -> Arithmetic:
    """The fastest arithmetic to train a model (or one of its configuration) on a device.

    Adapters on frozen weights in bf16 train in bf16; ValueError for another ``precision``.
    """
    return _choose(model, on, lora.precision_to_train(model, precision), TRAINING)


def prediction(model: Any, on: torch.device, precision: str = "auto") -> Arithmetic:
    """The fastest arithmetic to predict with a model (or one of its configuration) on a device.

    On a CPU a fine-tuned language model, or any with adapters, computes in fp32 unless told
    otherwise: what training changed is small beside the weights, and bf16 rounds much of it off.
    One whose weights are bf16 numbers loses nothing.
    """
    if precision == "auto" and os.environ.get(VARIABLE, "auto") == "auto" and on.type == "cpu":
        precision = "fp32" if _loses_in_bf16(model) else "auto"
    return _choose(model, on, precision, PREDICTION)


def _loses_in_bf16(model: Any) -> bool:
    if not isinstance(model, nn.Module) or sharding.is_sharded(model):
        return False
    writes = places.task_type(model) == "CAUSAL_LM"
    return is_adapted(model) or (writes and not lora.fits_bf16(model.parameters()))


def _choose(model: Any, on: torch.device, precision: str, purpose: str) -> Arithmetic:
    dtype = runtime.precision(on, precision)
    if on.type != "cpu":
        return Arithmetic(dtype)
    variable = os.environ.get(VARIABLE, "auto")
    if variable != "auto":
        return _from_environment(variable, dtype, purpose)
    simplest = Arithmetic(dtype or torch.float32)
    config = getattr(model, "config", model)
    shape = Shape.of(config)
    if shape is None or shape.width < SMALLEST_WIDTH:
        return simplest
    can_be_packed = getattr(config, "model_type", None) in packed_bert.FAMILIES
    times = {
        arithmetic: seconds
        for arithmetic, seconds in measured(shape, purpose).items()
        if dtype in (None, arithmetic.dtype) and (can_be_packed or not arithmetic.packed)
    }
    return fastest(times, simplest)


def _from_environment(name: str, dtype: torch.dtype | None, purpose: str) -> Arithmetic:
    """The arithmetic that ``FTLEARN_COMPUTE`` asks for; an explicit ``dtype`` takes precedence."""
    if name not in ("fp32", "bf16"):
        raise ArgumentError(f"{VARIABLE} is {name!r}: set it to auto, fp32 or bf16, or unset it")
    dtype = dtype or runtime.PRECISIONS[name]
    if dtype is not torch.bfloat16:
        return Arithmetic(dtype)
    # sdpa is fast forward, and its backward pass is slow.
    return Arithmetic(dtype, "sdpa" if purpose == PREDICTION else "eager")


def fastest(times: Mapping[Arithmetic, float], simplest: Arithmetic) -> Arithmetic:
    """The arithmetic to choose by its seconds, among those listed from simple to special.

    A later one must be faster by ``GAIN``; ``simplest`` is for the case that none was timed.

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
