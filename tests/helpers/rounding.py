"""Compare two results that may differ by rounding only.

Results are equal bit for bit on one machine with one thread count, for tensors with the same
memory layout: a resumed run, an equal seed, a copy, the padding of a plan. All other tests compare
with `assert_alike`. Weights read from a file have another alignment than weights made in memory
(or read from another file), and a batch of other rows has another shape; in both cases some
processors use another kernel, which sums in another order.
"""

from __future__ import annotations

from typing import Any

import torch

ROUNDING = 1e-5
"""About a hundred times the rounding of fp32 (6e-8) in the outputs of small test models."""


def assert_alike(actual: Any, expected: Any) -> None:
    """Numbers, tensors, or dicts and lists of them differ by no more than ``ROUNDING``.

    >>> assert_alike({"score": [1.0, 2.0]}, {"score": [1.0 + 1e-6, 2.0]})
    >>> assert_alike(1.0, 1.001)
    Traceback (most recent call last):
    AssertionError: Scalars are not close!...
    """
    torch.testing.assert_close(actual, expected, rtol=ROUNDING, atol=ROUNDING)
