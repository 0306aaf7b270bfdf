"""Which device to use, and which number format for its matrix products."""

from __future__ import annotations

import torch

from ftlearn.errors import ArgumentError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Number formats by name; weights stay fp32, only matrix products are computed in the format."""


def best_device() -> torch.device:
    """The best device of this machine: CUDA, or else Apple's MPS, or else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def device_of(model: torch.nn.Module) -> torch.device:
    """The device of the model's weights.

    >>> device_of(torch.nn.Linear(1, 1)).type
    'cpu'
    """
    return next(model.parameters()).device


def precision(on: torch.device, name: str = "auto") -> torch.dtype | None:
    """The number format for matrix products on a device; None where it has to be measured.

    ``"auto"`` is bf16 on CUDA cards that multiply it natively (from Ampere on), fp16 on older ones
    such as the T4, and fp32 on Apple's MPS. Which format is faster on a CPU depends on its units
    and on the libraries: ``fast.autotune`` measures it.

    Raises ValueError for an unknown name, and for fp16 on other devices than CUDA, where gradients
    would underflow without a working scaler.

    >>> precision(torch.device("cpu"), "fp32")
    torch.float32
    """
    if name == "auto":
        return _native(on)
    if name not in PRECISIONS:
        raise ArgumentError(f"unknown precision {name!r}: use auto, {', '.join(PRECISIONS)}")
    if name == "fp16" and on.type != "cuda":
        raise ArgumentError(
            f"precision 'fp16' needs a CUDA device, not {on.type!r}: use bf16 or fp32"
        )
    return PRECISIONS[name]


def _native(on: torch.device) -> torch.dtype | None:
    if on.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    return None if on.type == "cpu" else torch.float32


def name_of(dtype: torch.dtype) -> str:
    """The short name of a number format.

    >>> name_of(torch.bfloat16)
    'bf16'
    """
    return next(name for name, precision in PRECISIONS.items() if precision is dtype)


def autocast(on: torch.device, dtype: torch.dtype) -> torch.autocast:
    """A context in which matrix products run in ``dtype``; does nothing for fp32."""
    enabled = dtype is not torch.float32
    return torch.autocast(on.type, dtype if enabled else torch.bfloat16, enabled=enabled)
