"""How a model computes on a device: number format, attention, and who multiplies."""

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

    ``attention`` None leaves it as transformers chooses: torch's own (sdpa) wherever the model can
    use it. Asked for by name as a model is loaded, that is an error for those that cannot, such as
    DeBERTa. ``onednn``: fp32 products go to oneDNN in place of MKL, which keeps to narrower
    instructions on processors that are not Intel's. ``packed``: for prediction, BERT's layers hold
    their weights in oneDNN's own order (see ``packed``).

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
        parts = [
            device.name_of(self.dtype),
            f"{self.attention or 'sdpa'} attention",
            *(["products by oneDNN"] if self.onednn else []),
            *(["packed weights"] if self.packed else []),
        ]
        return ", ".join(parts)

    def record(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        return {**asdict(self), "dtype": device.name_of(self.dtype)}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> Arithmetic:
        """What ``record`` gave; ValueError or KeyError where it is not one."""
        if record["attention"] not in (None, "sdpa", "eager"):
            raise ArgumentError(f"unknown attention {record['attention']!r}: use sdpa or eager")
        onednn, packed = bool(record["onednn"]), bool(record["packed"])
        return cls(device.PRECISIONS[record["dtype"]], record["attention"], onednn, packed)


@contextmanager
def computing(on: torch.device, arithmetic: Arithmetic) -> Iterator[None]:
    """A context in which matrix products on a device run as ``arithmetic`` says, forward.

    >>> with computing(torch.device("cpu"), Arithmetic(torch.bfloat16)):
    ...     (torch.eye(2) @ torch.eye(2)).dtype
    torch.bfloat16
    """
    with device.autocast(on, arithmetic.dtype), products_by(onednn=arithmetic.onednn):
        yield


@contextmanager
def products_by(*, onednn: bool) -> Iterator[None]:
    """A context in which oneDNN multiplies fp32 matrices on a CPU, forward and backward.

    Without ``onednn`` it does nothing.

    >>> with products_by(onednn=True):
    ...     torch.backends.mkldnn.matmul.fp32_precision
    'bf16'
    """
    if not onednn:
        yield
        return
    products = torch.backends.mkldnn.matmul
    before = products.fp32_precision
    # What sends fp32 products to oneDNN. The name promises bf16, and with AMX it is so: where it
    # rounds, `autotune` never asks for it.
    products.fp32_precision = "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before
