"""The best weights of a mixture of fixed predictors, by expectation maximisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from ftlearn.interpolation.predictions.mixtures import Members, convex_weights, stack_members


class MixtureFit(NamedTuple):
    """The result of ``fit_weights``.

    ``weights`` (K,); ``history`` is the mean log-likelihood in nats before the first step and
    after each; no other weights are better than these by more than ``gap`` nats per target.
    """

    weights: torch.Tensor
    history: list[float]
    gap: float


def fit_weights(
    log_likelihoods: Members,
    *,
    start: Sequence[float] | None = None,
    steps: int = 1000,
    tolerance: float = 1e-6,
) -> MixtureFit:
    """Weights of the linear mixture by expectation maximisation, from log p_k(y_i), (K, N).

    Fixed predictors, unknown λ. A step multiplies each weight by its gain
    g_k = (1/N) Σ_i p_k(y_i) / Σ_j λ_j p_j(y_i), and the likelihood never falls (Dempster, Laird
    and Rubin 1977). The best weights are a fixed point: g_k = 1 where λ_k > 0, g_k ≤ 1 elsewhere.
    By Jensen's inequality max_k log g_k bounds the gain that is left; EM stops when that is
    within ``tolerance`` nats per target, or after ``steps`` steps.

    Use targets that the predictors were not trained on. Raises ValueError for another shape, for
    a target to which all predictors give probability 0, and for a starting weight of 0, which no
    step could change.

    >>> fit = fit_weights(torch.tensor([[0.8, 0.8, 0.2], [0.2, 0.2, 0.8]]).log())
    >>> fit.weights.round(decimals=3)  # 7/9 and 2/9
    tensor([0.7780, 0.2220], dtype=torch.float64)
    """
    members = stack_members(log_likelihoods).double()
    weights = convex_weights(start, members)
    _check_fit(members, weights)
    highest = members.amax(0)
    likelihoods = (members - highest).exp()  # relative to the best, so that none underflows
    history: list[float] = []
    while True:
        mixed = weights @ likelihoods
        history.append(float((mixed.log() + highest).mean()))
        gains = (likelihoods / mixed).mean(1)
        gap = float(gains.max().log().clamp(min=0))
        if gap <= tolerance or len(history) > steps:
            return MixtureFit(weights, history, gap)
        weights = weights * gains


def _check_fit(members: torch.Tensor, weights: torch.Tensor) -> None:
    if members.dim() != 2 or not members.numel():
        raise ValueError(
            f"log-likelihoods have shape {tuple(members.shape)} instead of (K, N): "
            "one number for each predictor and target (see mixtures.at_targets)"
        )
    if (weights == 0).any():
        raise ValueError(
            f"start {weights.tolist()} holds a 0, which no step of EM can change: "
            "give every predictor a weight above 0"
        )
    impossible = (members.amax(0) == -torch.inf).nonzero().flatten().tolist()
    if impossible:
        raise ValueError(
            f"target {impossible[0]} has probability 0 under every predictor: "
            "add one that gives everything some probability, such as the uniform"
        )
