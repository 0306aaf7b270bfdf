"""How a model computes: number format, attention, and which library multiplies matrices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ftlearn.errors import ArgumentError
from ftlearn.runtime import device


@dataclass(frozen=True)
class Arithmetic:
    """Number format of matrix products, attention by transformers' name, and who multiplies.

    ``attention`` None leaves the choice to transformers: torch's own (sdpa) wherever the model
    supports it. (Loading a model that does not, such as DeBERTa, with ``"sdpa"`` is an error.)
    ``onednn``: fp32 products are computed by oneDNN instead of MKL, which uses narrower
    instructions on processors that are not Intel's. ``packed``: for prediction, BERT's layers hold
    their weights in oneDNN's own order (see ``fast.packed_bert``).

    >>> print(Arithmetic(torch.bfloat16, "eager"))
    bf16, eager attention
    >>> Arithmetic.of_record(Arithmetic(onednn=True).record())
    Arithmetic(dtype=torch.float32, attention=None, onednn=True, packed=False)
    """

    dtype: torch.dtype = torch.float32
    attention: str | None = None
    onednn: bool = False
    packed: bool = False

    def __str__(self) -> str:
        parts = [device.name_of(self.dtype), f"{self.attention or 'sdpa'} attention"]
        if self.onednn:
            parts.append("products by oneDNN")
        if self.packed:
            parts.append("packed weights")
        return ", ".join(parts)

    def record(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {**asdict(self), "dtype": device.name_of(self.dtype)}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> Arithmetic:
        """The inverse of ``record``; ValueError or KeyError where it is not one."""
        if record["attention"] not in (None, "sdpa", "eager"):
            raise ArgumentError(f"unknown attention {record['attention']!r}: use sdpa or eager")
        return cls(
            dtype=device.PRECISIONS[record["dtype"]],
            attention=record["attention"],
            onednn=bool(record["onednn"]),
            packed=bool(record["packed"]),
        )


@contextmanager
def computing(on: torch.device, arithmetic: Arithmetic) -> Iterator[None]:
    """A context for forward passes on a device, with matrix products as ``arithmetic`` says.

    >>> with computing(torch.device("cpu"), Arithmetic(torch.bfloat16)):
    ...     (torch.eye(2) @ torch.eye(2)).dtype
    torch.bfloat16
    """
    with device.autocast(on, arithmetic.dtype), products_by(onednn=arithmetic.onednn):
        yield


@contextmanager
def products_by(*, onednn: bool) -> Iterator[None]:
    """A context in which oneDNN multiplies fp32 matrices on a CPU, forward and backward.

    Does nothing without ``onednn``.

    >>> with products_by(onednn=True):
    ...     torch.backends.mkldnn.matmul.fp32_precision
    'bf16'
    """
    if not onednn:
        yield
        return
    products = torch.backends.mkldnn.matmul
    before = products.fp32_precision
    # This sends fp32 products to oneDNN. The name promises bf16, and with AMX oneDNN does round to
    # it: there `autotune` never asks for it.
    products.fp32_precision = "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before
