"""Matrix products of bf16 numbers on a CPU, computed in fp32 and rounded once.

Instructions for bf16 multiply exactly, since a product of two numbers of 8 significant bits has
16, add in fp32, and round the sum to bf16. Three ordinary steps do the same: widen the factors,
multiply in fp32, round the result. On a processor without such instructions this takes a tenth of
the time of torch's own kernels, which add one product after the other.

What is not replaced is fast enough as torch computes it: products with a single row, and the
attention operator, whose first step is a product of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.library import Library, get_kernel

KEY = "CPU"
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")
IN_PLACE = ("addmm", "baddbmm")  # those that exist with an underscore too


def imitate() -> Library:
    """Replaces the products of bf16 numbers in this process while the returned library exists.

    Other number formats go to the kernels that torch would have used.

    >>> library = imitate()
    >>> x = torch.full((2, 1), 1 + 2**-7, dtype=torch.bfloat16)
    >>> (x @ x.mT)[0, 0].item()  # 2**-14 is rounded off
    1.015625
    >>> library._destroy()
    """
    library = Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*Overriding a previously registered kernel")
        for name in PRODUCTS:
            kernel = _kernel(name)
            library.impl(name, _returning(kernel), KEY, with_keyset=True)
            library.impl(
                f"{name}.out", _writing(_kernel(f"{name}.out"), kernel), KEY, with_keyset=True
            )
        for name in IN_PLACE:
            kernels = _kernel(f"{name}_"), _kernel(name)
            library.impl(f"{name}_", _writing(*kernels), KEY, with_keyset=True)
    return library


def _kernel(name: str) -> Any:
    return get_kernel(f"aten::{name}", KEY)


def _returning(kernel: Any) -> Callable[..., torch.Tensor]:
    """The operator of a kernel that returns a new tensor."""

    def operator(keys: Any, first: torch.Tensor, *others: Any, **options: Any) -> torch.Tensor:
        if _is_left_to_torch(first):
            return kernel.call_boxed(keys, first, *others, **options)
        return kernel.call_boxed(keys, first.float(), *_widened(others), **options).bfloat16()

    return operator


def _writing(kernel: Any, returning: Any) -> Callable[..., torch.Tensor]:
    """The operator of a kernel that writes into ``out`` or, without one, into its first argument.

    ``returning`` is the kernel of the same product that returns a new tensor.
    """

    def operator(
        keys: Any,
        first: torch.Tensor,
        *others: Any,
        out: torch.Tensor | None = None,
        **options: Any,
    ) -> torch.Tensor:
        if _is_left_to_torch(first):
            options |= {} if out is None else {"out": out}
            return kernel.call_boxed(keys, first, *others, **options)
        result = returning.call_boxed(keys, first.float(), *_widened(others), **options)
        return (first if out is None else out).resize_(result.shape).copy_(result)

    return operator


def _is_left_to_torch(first: torch.Tensor) -> bool:
    """Whether an operator with this first argument is not imitated: another format, or one row."""
    return first.dtype is not torch.bfloat16 or (first.dim() == 2 and first.shape[0] == 1)


def _widened(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.float() if isinstance(value, torch.Tensor) else value for value in arguments)
