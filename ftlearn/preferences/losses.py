"""Losses on pairs of answers to one prompt, of which the first was chosen and the second rejected.

All take tensors (B,), one number per pair, and return the sum over pairs and their number. With
Δ = log π(y|x) − log π_ref(y|x), summed over the tokens of an answer, DPO, IPO and KTO compare a
policy π with the reference that it started from. ORPO and SimPO need none: they take ℓ, the mean
log-probability per token.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ftlearn.losses import LossSum, at_least_fp32


def bradley_terry(chosen: torch.Tensor, rejected: torch.Tensor) -> LossSum:
    """−log σ(r_w − r_l): scores whose difference is the log-odds that the first one wins.

    chosen and rejected (B,) are scores (Bradley and Terry 1952).

    >>> bradley_terry(torch.tensor([1.0]), torch.tensor([1.0])).mean  # ln 2
    tensor(0.6931)
    """
    return _summed(-F.logsigmoid(_difference(chosen, rejected)))


def dpo(
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    *,
    beta: float = 0.1,
) -> LossSum:
    """−log σ(β (Δ_w − Δ_l)): Bradley–Terry with the reward β Δ (arXiv 2305.18290, eq. 7).

    The four tensors (B,) are log-probabilities. The gradient weighs the difference alone, so that
    the probability of the chosen answer may fall.

    >>> start = torch.tensor([-20.0]), torch.tensor([-30.0])
    >>> dpo(*start, *start).mean  # a policy that equals its reference: ln 2
    tensor(0.6931)
    """
    margin = _difference(chosen, reference_chosen) - _difference(rejected, reference_rejected)
    return _summed(-F.logsigmoid(beta * margin))


def ipo(
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    *,
    beta: float = 0.1,
) -> LossSum:
    """(Δ_w − Δ_l − 1 / (2β))²: a margin to reach and not to exceed (arXiv 2310.12036, eq. 17).

    β is τ of the paper. The four tensors (B,) are log-probabilities; trl passes means per
    token, on the authors' advice.

    >>> ipo(*torch.tensor([[-15.0], [-30.0], [-20.0], [-30.0]])).mean  # a margin of 5 nats
    tensor(0.)
    """
    margin = _difference(chosen, reference_chosen) - _difference(rejected, reference_rejected)
    return _summed((margin - 1 / (2 * beta)).square())


def kto(
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    *,
    beta: float = 0.1,
    weights: tuple[float, float] = (1.0, 1.0),
    reference_point: float | torch.Tensor | None = None,
) -> LossSum:
    """The mean of λ_D (1 − σ(β (Δ_w − z₀))) and λ_U (1 − σ(β (z₀ − Δ_l))) (arXiv 2402.01306).

    The four tensors (B,) are log-probabilities. KTO judges answers one by one, so that its data
    need no pairs; ``weights`` are λ_D and λ_U. z₀, from which gains and losses count, estimates
    KL(π ‖ π_ref) and gets no gradient. Without a ``reference_point`` it is the mean Δ of all
    answers, at least 0, where KTO itself scores answers to other prompts.

    >>> start = torch.tensor([-20.0]), torch.tensor([-30.0])
    >>> kto(*start, *start).mean
    tensor(0.5000)
    """
    gains = _difference(chosen, reference_chosen)
    losses = _difference(rejected, reference_rejected)
    if reference_point is None:
        reference_point = torch.cat((gains, losses)).detach().mean().clamp(min=0)
    desirable = weights[0] * torch.sigmoid(-beta * (gains - reference_point))
    undesirable = weights[1] * torch.sigmoid(-beta * (reference_point - losses))
    return _summed((desirable + undesirable) / 2)


def orpo(chosen: torch.Tensor, rejected: torch.Tensor, *, beta: float = 0.1) -> LossSum:
    """−ℓ_w − β log σ(log odds_w − log odds_l) with odds = p / (1 − p) and p = exp ℓ.

    chosen and rejected (B,) are mean log-probabilities per token, below 0. The first term is the
    usual loss of the chosen answer; β is λ of the paper (arXiv 2403.07691, eq. 6 and 7).

    >>> orpo(torch.tensor([-0.7]), torch.tensor([-0.7]), beta=1.0).mean  # 0.7 + ln 2
    tensor(1.3931)
    """
    odds = _difference(_log_odds(chosen), _log_odds(rejected))
    return _summed(-at_least_fp32(chosen) - beta * F.logsigmoid(odds))


def simpo(
    chosen: torch.Tensor, rejected: torch.Tensor, *, beta: float = 2.0, gamma: float = 1.0
) -> LossSum:
    """−log σ(β (ℓ_w − ℓ_l) − γ): the chosen answer is to lead by γ / β (arXiv 2405.14734, eq. 6).

    chosen and rejected (B,) are mean log-probabilities per token.

    >>> simpo(torch.tensor([-1.0]), torch.tensor([-1.5])).mean  # it leads by γ / β: ln 2
    tensor(0.6931)
    """
    return _summed(-F.logsigmoid(beta * _difference(chosen, rejected) - gamma))


def _difference(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return at_least_fp32(first) - at_least_fp32(second)


def _log_odds(means: torch.Tensor) -> torch.Tensor:
    """log(p / (1 − p)) for p = exp(ℓ), without the cancellation in 1 − p near p = 1."""
    means = at_least_fp32(means)
    return means - torch.log(-torch.expm1(means))


def _summed(values: torch.Tensor) -> LossSum:
    return LossSum(values.sum(), len(values))
