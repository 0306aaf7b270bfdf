"""Several fixed predictors p_1 .. p_K combined into one; ``em`` finds the weights.

Predictions are log-probabilities, one member of a list (or of the first axis) per predictor. There
are two means, with weights λ that sum to 1:

    linear      log Σ_k λ_k p_k(y|x)                    mixture
    geometric   Σ_k λ_k log p_k(y|x) − log Z            geometric_mixture

The linear one is a convex combination, so λ stays in [0, 1] and Jensen's inequality bounds its
loss at every single target. The geometric one is a straight line in logits, so λ may leave
[0, 1]: that is extrapolation, known as guidance and as contrastive decoding.

NumPy arrays are accepted; results are tensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from ftlearn.losses import at_least_fp32

Members = Sequence[Any] | torch.Tensor
"""K arrays or tensors of one shape, or one tensor (K, ...)."""


def mixture(log_probabilities: Members, weights: Sequence[float] | None = None) -> torch.Tensor:
    """log Σ_k λ_k p_k elementwise: the linear mixture, (K, ...) to (...).

    Takes distributions (K, ..., C) as well as the log-probabilities (K, N) of the targets alone.
    Weights are equal unless given. Raises ValueError for weights outside [0, 1] or with a sum
    other than 1, and for values above 0, which are no logarithms of probabilities.

    >>> p, q = torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.5])
    >>> mixture([p.log(), q.log()], [0.25, 0.75]).exp()
    tensor([0.6000, 0.4000])
    """
    members = stack_members(log_probabilities)
    if (members > 1e-4).any():
        raise ValueError(
            f"a log-probability is at most 0, but one is {members.max():.3g}: "
            "are these logits? Take log_softmax of them first"
        )
    log_weights = convex_weights(weights, members).log()
    log_weights = log_weights.reshape(-1, *[1] * (members.dim() - 1))
    return torch.logsumexp(log_weights + members, 0)


def logit_mixture(logits: Members, weights: Sequence[float] | None = None) -> torch.Tensor:
    """Σ_k λ_k z_k, (K, ..., C) to (..., C): the straight line between logits.

    Its softmax is the geometric mixture of the softmaxes, since logits are log-probabilities up
    to a constant. Weights sum to 1 and may leave [0, 1].

    >>> logit_mixture([[2.0, 0.0], [0.0, 4.0]], [0.5, 0.5])
    tensor([1., 2.])
    """
    members = stack_members(logits)
    pairs = zip(_affine_weights(weights, members), members, strict=True)
    # A predictor of weight 0 counts for nothing, even where its log-probability is −inf.
    mean = sum(weight * member for weight, member in pairs if weight != 0)
    _check_extrapolation(mean)
    return mean


def geometric_mixture(
    log_probabilities: Members, weights: Sequence[float] | None = None
) -> torch.Tensor:
    """Σ_k λ_k log p_k − log Z, (K, ..., C) to (..., C): the weighted geometric mean, normalised.

    A product of experts (Hinton 1999) whose exponents sum to 1. Weights may leave [0, 1].

    >>> p, q = torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.5])
    >>> geometric_mixture([p.log(), q.log()]).exp()  # √0.9 : √0.1 = 3 : 1
    tensor([0.7500, 0.2500])
    """
    return logit_mixture(log_probabilities, weights).log_softmax(-1)


def ensemble(logits: Members) -> torch.Tensor:
    """Log of the mean of the members' probabilities, (K, ..., C) to (..., C).

    >>> ensemble([[0.0, 0.0], [100.0, 0.0]]).exp()
    tensor([0.7500, 0.2500])
    """
    return mixture(stack_members(logits).log_softmax(-1))


def at_targets(log_probabilities: Members, targets: Any) -> torch.Tensor:
    """Log-probability of each target under each predictor, (K, N, C) and (N,) to (K, N).

    >>> at_targets([[[-1.0, -2.0], [-3.0, -4.0]]], [1, 0])
    tensor([[-2., -3.]])
    """
    members = stack_members(log_probabilities)
    ids = torch.as_tensor(targets, device=members.device).long()
    return members.gather(-1, ids.expand(members.shape[:-1]).unsqueeze(-1)).squeeze(-1)


class JensenLosses(NamedTuple):
    """Two losses at each target, (N,) in nats: ``of_mixture`` is never above ``mean``."""

    of_mixture: torch.Tensor
    mean: torch.Tensor


def jensen(log_likelihoods: Members, weights: Sequence[float] | None = None) -> JensenLosses:
    """−log Σ_k λ_k p_k(y_i) and Σ_k λ_k (−log p_k(y_i)), from log p_k(y_i), (K, N).

    −log is convex, so the first is at most the second, target by target (Jensen 1906). A mean of
    model weights has no such guarantee.

    >>> losses = jensen(torch.tensor([[0.9], [0.1]]).log())
    >>> losses.of_mixture, losses.mean
    (tensor([0.6931]), tensor([1.2040]))
    """
    of_mixture = -mixture(log_likelihoods, weights)
    return JensenLosses(of_mixture, -logit_mixture(log_likelihoods, weights))


def guide(conditional: Any, unconditional: Any, scale: float) -> torch.Tensor:
    """log p_u + γ (log p_c − log p_u) − log Z, (..., C): classifier-free guidance at scale γ.

    The geometric mixture at weight γ: 0 is unconditional, 1 conditional, beyond 1 extrapolates
    away from the unconditional prediction. Ho and Salimans 2022 (arXiv 2207.12598) write
    w = γ − 1; for language models Sanchez et al. 2023 (arXiv 2306.17806).

    >>> with_prompt, without = torch.tensor([0.6, 0.4]).log(), torch.tensor([0.5, 0.5]).log()
    >>> guide(with_prompt, without, 2.0).exp()  # 0.36 : 0.16
    tensor([0.6923, 0.3077])
    """
    return geometric_mixture([unconditional, conditional], [1 - scale, scale])


def contrast(expert: Any, amateur: Any, *, cutoff: float = 0.1) -> torch.Tensor:
    """log p_expert − log p_amateur − log Z over the plausible classes, −inf elsewhere, (..., C).

    Plausible are the classes to which the expert gives at least ``cutoff`` times its highest
    probability; otherwise an improbable class that the amateur finds even less probable would
    win. Li et al. 2022 (arXiv 2210.15097; they take cutoff 0.1).

    >>> expert, amateur = torch.tensor([0.50, 0.49, 0.01]), torch.tensor([0.7, 0.299, 0.001])
    >>> contrast(expert.log(), amateur.log()).argmax()
    tensor(1)
    """
    if not 0 < cutoff <= 1:
        raise ValueError(f"cutoff is {cutoff}: give a fraction of the best probability in (0, 1]")
    expert, amateur = stack_members([expert, amateur])
    plausible = expert - expert.amax(-1, keepdim=True) >= math.log(cutoff)
    scores = (expert - amateur).masked_fill(~plausible, -torch.inf)
    _check_extrapolation(scores)
    return scores.log_softmax(-1)


def stack_members(members: Members) -> torch.Tensor:
    """The predictors as one tensor (K, ...) in fp32 or better; ValueError if shapes differ."""
    tensors = [at_least_fp32(torch.as_tensor(member)) for member in members]
    shapes = sorted({tuple(tensor.shape) for tensor in tensors})
    if len(shapes) != 1:
        raise ValueError(f"predictors to mix must agree in shape; these have {shapes or 'none'}")
    return torch.stack(tensors)


def convex_weights(weights: Sequence[float] | None, members: torch.Tensor) -> torch.Tensor:
    """Weights (K,), equal if None; ValueError unless they lie in [0, 1] and sum to 1."""
    values = _affine_weights(weights, members)
    if (values < 0).any():
        raise ValueError(
            f"weights of a mixture of probabilities lie in [0, 1], not {values.tolist()}: "
            "to extrapolate, use geometric_mixture"
        )
    return values


def _affine_weights(weights: Sequence[float] | None, members: torch.Tensor) -> torch.Tensor:
    """Weights (K,), equal if None; ValueError unless they sum to 1."""
    count = len(members)
    if weights is None:
        weights = [1 / count] * count
    # A list would become fp32, too coarse for members in fp64.
    values = torch.as_tensor(weights, dtype=torch.float64)
    if values.shape != (count,) or abs(values.sum() - 1) > 1e-6:
        raise ValueError(
            f"{count} predictors need {count} weights that sum to 1, not {values.tolist()}"
        )
    return values.to(members)


def _check_extrapolation(values: torch.Tensor) -> None:
    if (values.isnan() | (values == torch.inf)).any():
        raise ValueError(
            "a negative weight cannot lead away from probability 0 (log-probability −inf): "
            "mix such predictors with the uniform distribution first"
        )
