"""What a plan can ask for: adapters with their settings, and devices."""

from __future__ import annotations

import torch

from ftlearn.errors import ArgumentError
from ftlearn.models.methods import LOW_RANK, METHODS, VIRTUAL


def check_adapter(
    method: str | None, rank: int | None, layers: int | None, virtual_tokens: int | None
) -> None:
    """Raise ValueError for an unknown method, and for a setting that it does not have.

    >>> check_adapter("ia3", 8, None, None)
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: lora is 8, and ia3 has no rank: leave lora out
    """
    if method not in (None, *METHODS):
        raise ArgumentError(f"adapter is {method!r}: use {', '.join(METHODS)}")
    if rank is not None and method not in LOW_RANK:
        raise ArgumentError(f"lora is {rank}, and {method} has no rank: leave lora out")
    if layers is not None and method in VIRTUAL:
        raise ArgumentError(f"lora_layers is {layers}, and {method} is in no layer: leave it out")
    if virtual_tokens is not None and method not in VIRTUAL:
        raise ArgumentError(
            f"virtual_tokens is {virtual_tokens}, which are those of a prefix or a prompt: add "
            "adapter='prefix', or leave it out"
        )


def check_device(name: str | None) -> None:
    """Raise ValueError for a device that torch does not know or that this machine lacks.

    >>> check_device("gpu")
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: unknown device 'gpu': use cpu, cuda or mps
    """
    try:
        kind = torch.device(name or "cpu").type
    except RuntimeError:
        raise ArgumentError(f"unknown device {name!r}: use cpu, cuda or mps") from None
    lacking = (kind == "cuda" and not torch.cuda.is_available()) or (
        kind == "mps" and not torch.backends.mps.is_available()
    )
    if lacking:
        raise ArgumentError(f"there is no device {name!r} here: leave it out to take the best one")
