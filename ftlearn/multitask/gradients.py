"""The gradients of several tasks on the same parameters: how they agree, and a remedy."""

from __future__ import annotations

import numpy as np
import torch

SMALLEST = 1e-30
"""A product of lengths below this is that of zeros."""


def cosines(gradients: torch.Tensor) -> torch.Tensor:
    """The cosine of each gradient with each other, (n, P) to (n, n).

    To first order, a step η along −g_j lowers loss i by η g_i·g_j: a negative cosine means that
    one task's step makes the other worse. A gradient of zeros has cosine 0 with all.

    >>> cosines(torch.tensor([[2.0, 0.0], [3.0, 3.0]]))
    tensor([[1.0000, 0.7071],
            [0.7071, 1.0000]])
    """
    products = gradients @ gradients.T
    lengths = products.diagonal().sqrt()
    return products / torch.outer(lengths, lengths).clamp(min=SMALLEST)


def pcgrad(gradients: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
    """Gradients (n, P), each without what conflicts with the others; their sum is the update.

    Where g_i·g_j < 0, g_i loses its component along g_j, for all j in a random order (Yu et al.
    2020, arXiv 2001.06782, algorithm 1).

    >>> pcgrad(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))
    tensor([[0.5000, 0.5000],
            [0.0000, 1.0000]])
    """
    random = np.random.default_rng(seed)
    projected = gradients.clone()
    for task, gradient in enumerate(projected):
        for other in random.permutation(len(gradients)):
            product = gradient @ gradients[other]
            if other != task and product < 0:
                gradient -= product / gradients[other].square().sum() * gradients[other]
    return projected
