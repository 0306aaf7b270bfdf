"""The machine's peak rate, and the arithmetic that a model needs."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from transformers import PretrainedConfig

from ftlearn.training import resources

SIZES = {"cpu": 2048, "cuda": 8192}
"""Side of the square matrices: large enough to reach the device's peak rate."""

BACKWARD = 2
"""Arithmetic of the backward pass over that of the forward pass (PaLM, Chowdhery et al. 2022,
arXiv 2204.02311, appendix B): what an implementation recomputes is not counted."""


def product_rate(
    device: torch.device, dtype: torch.dtype, *, seconds: float = 0.3, size: int | None = None
) -> float:
    """Floating-point operations per second in products of square matrices, measured now.

    >>> product_rate(torch.device("cpu"), torch.float32, seconds=0.001, size=64) > 1e6
    True
    """
    size = size or SIZES.get(device.type, 2048)
    left, right = torch.rand(2, size, size, device=device, dtype=dtype)
    last = (left @ right).sum().item()  # warms up
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(4):
            product = left @ right
        last = product[0, 0].item()  # waits for a GPU
        count += 4
    assert last > 0
    return 2 * size**3 * count / (time.perf_counter() - start)


def forward_flops(config: PretrainedConfig, lengths: Sequence[int]) -> float:
    """Floating-point operations for the logits of texts of these lengths, without padding.

    In the last layer only tokens that the head reads count. The count of one text is c + aT + bT²
    (head, matrices, attention); three dry runs on shapes alone give the three coefficients.

    >>> from transformers import BertConfig
    >>> small = BertConfig(num_hidden_layers=1, hidden_size=96, intermediate_size=128)
    >>> round(forward_flops(small, [10, 10]) / forward_flops(small, [10]), 6)
    2.0
    """
    model = resources.skeleton(config).requires_grad_(False)
    points = np.array([8, 16, 32])
    counts = [resources.estimate(model, batch_size=1, tokens=int(T)).flops for T in points]
    powers = np.vander(points, 3).astype(float)
    coefficients = np.linalg.solve(powers, np.array(counts, dtype=float))
    return float(np.polyval(coefficients, np.array(lengths)).sum())
