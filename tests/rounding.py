"""What two results must agree in where rounding is all that may differ.

Bits are promised on one machine with one thread count, for tensors that lie in memory alike: a
resumed run, an equal seed, a copy, the padding of a plan. A test of anything else compares with
`assert_alike`. Weights that were read from a file lie at another alignment than weights made in
memory (or read from another file), and a batch of other rows has another shape; for either, some
processors take another kernel, which adds up in another order.
"""

from __future__ import annotations

from typing import Any

import torch

ROUNDING = 1e-5
"""A hundred times what fp32 rounds (6e-8) in the answers of models as small as the tests'."""


def assert_alike(found: Any, expected: Any) -> None:
    """Numbers, tensors, or dicts and lists of them differ by no more than ``ROUNDING``.

    >>> assert_alike({"score": [1.0, 2.0]}, {"score": [1.0 + 1e-6, 2.0]})
    >>> assert_alike(1.0, 1.001)
    Traceback (most recent call last):
    AssertionError: Scalars are not close!...
    """
    torch.testing.assert_close(found, expected, rtol=ROUNDING, atol=ROUNDING)
