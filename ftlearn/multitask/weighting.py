"""One number of several losses, with weights that are learned."""

from __future__ import annotations

import torch


def uncertainty_weighting(losses: torch.Tensor, log_variances: torch.Tensor) -> torch.Tensor:
    """Σ_i L_i / (2 σ_i²) + log σ_i, of losses (n,) and the log-variances s_i = log σ_i², (n,).

    Each loss is read as the squared error of Gaussian noise with variance σ_i² (Kendall, Gal &
    Cipolla 2017, arXiv 1705.07115, eq. 7), so its weight is exp(−s_i) / 2.

    >>> uncertainty_weighting(torch.tensor([2.0, 1.0]), torch.zeros(2))
    tensor(1.5000)
    """
    return (0.5 * torch.exp(-log_variances) * losses + 0.5 * log_variances).sum()


def best_log_variances(losses: torch.Tensor) -> torch.Tensor:
    """The log-variances log L_i, (n,), that minimise ``uncertainty_weighting`` of losses (n,).

    A task then weighs 1 / (2 L_i), and the minimum is ½ Σ log L_i + n/2: what is minimised is the
    geometric mean of the losses, whose units do not matter.

    >>> losses = torch.tensor([4.0, 0.5])
    >>> uncertainty_weighting(losses, best_log_variances(losses))  # ½ ln 2 + 1
    tensor(1.3466)
    """
    return losses.log()
