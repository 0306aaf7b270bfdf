"""A fingerprint of weights: cheap, the same in bf16 as in fp32, and another if any number is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch

SAMPLE = 16
"""Numbers of a tensor whose places count; of the others only the sum does."""


def fingerprint(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """A digest of names, shapes and numbers.

    The bits of all numbers are summed as integers, which has no rounding and no order, and some
    numbers are taken as they are. In fp32 the bits of a bf16 number are those in bf16 and 16 zeros.

    >>> ones = torch.ones(3)
    >>> fingerprint([("w", ones)]) == fingerprint([("w", ones.bfloat16())])
    True
    >>> fingerprint([("w", ones)]) == fingerprint([("w", torch.tensor([1.0, 1.0, 1.001]))])
    False
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors, key=lambda item: item[0]):
        numbers = tensor.detach().flatten()
        step = max(1, len(numbers) // SAMPLE)
        sample = numbers[::step].float().tolist()
        digest.update(repr((name, tuple(tensor.shape), _sum_of_bits(numbers), sample)).encode())
    return digest.hexdigest()


def _sum_of_bits(numbers: torch.Tensor) -> int:
    if numbers.dtype is torch.bfloat16:
        return int(numbers.view(torch.int16).sum(dtype=torch.int64)) << 16
    return int(numbers.float().view(torch.int32).sum(dtype=torch.int64))
