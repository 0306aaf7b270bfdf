"""Targets that are mixtures: label smoothing, distillation and mixup as one identity.

Cross-entropy is linear in its target, so for any model and any weight λ

    CE((1 − λ) q₁ + λ q₂, p) = (1 − λ) CE(q₁, p) + λ CE(q₂, p):

the loss with the interpolated target is the interpolated loss. Label smoothing takes the uniform
distribution for q₂, distillation a teacher's prediction, mixup another example's label.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ftlearn.losses import LossSum, at_least_fp32, cross_entropy


def soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
    """Sum of −Σ_c q_c log p_c over all rows: cross-entropy with targets that are distributions.

    logits and targets (..., C). Raises ValueError when their shapes differ.

    >>> soft_cross_entropy(torch.zeros(1, 4), torch.tensor([[0.5, 0.5, 0.0, 0.0]])).mean  # ln 4
    tensor(1.3863)
    """
    if logits.shape != targets.shape:
        raise ValueError(
            f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} must have one shape: "
            "a distribution over the classes for each row (see one_hot)"
        )
    log_p = at_least_fp32(logits).log_softmax(-1)
    return LossSum(-(targets * log_p).sum(), targets[..., 0].numel())


def one_hot(targets: torch.Tensor, classes: int) -> torch.Tensor:
    """Class ids (...) as distributions (..., C) with all weight on one class.

    >>> one_hot(torch.tensor([2]), 3)
    tensor([[0., 0., 1.]])
    """
    return F.one_hot(targets, classes).float()


def smoothed(targets: torch.Tensor, classes: int, epsilon: float) -> torch.Tensor:
    """(1 − ε)·onehot(y) + ε/C, (...) to (..., C): label smoothing, Szegedy et al. 2015.

    arXiv 1512.00567, section 7. ``losses.cross_entropy(..., label_smoothing=ε)`` is
    ``soft_cross_entropy`` with these targets.

    >>> smoothed(torch.tensor([0]), 4, 0.1)
    tensor([[0.9250, 0.0250, 0.0250, 0.0250]])
    """
    return (1 - epsilon) * one_hot(targets, classes) + epsilon / classes


def softened(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """softmax(z / T), (..., C): a teacher's prediction as a target, without gradient.

    >>> softened(torch.tensor([2.0, 0.0]), 1.0), softened(torch.tensor([2.0, 0.0]), 100.0)
    (tensor([0.8808, 0.1192]), tensor([0.5050, 0.4950]))
    """
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}: it must be above 0")
    return (at_least_fp32(logits.detach()) / temperature).softmax(-1)


def distillation(
    logits: torch.Tensor,
    targets: torch.Tensor,
    teacher: torch.Tensor,
    *,
    weight: float,
    temperature: float = 1.0,
) -> LossSum:
    """(1 − α) CE(y, p) + α T² CE(p_teacher^T, p^T), Hinton et al. 2015, arXiv 1503.02531.

    logits and the teacher's logits (B, C), targets (B,) class ids; α is ``weight``. T softens both
    sides; the gradient falls as 1/T², for which the factor T² compensates. At T = 1 this is the
    cross-entropy with the target (1 − α)·onehot(y) + α·p_teacher. Unlike the form with a
    Kullback–Leibler divergence it includes the teacher's entropy; the gradients are equal.

    >>> student, teacher = torch.zeros(1, 2), torch.tensor([[5.0, 0.0]])
    >>> distillation(student, torch.tensor([0]), teacher, weight=0.5).mean  # ln 2
    tensor(0.6931)
    """
    hard = cross_entropy(logits, targets)
    if len(targets) != hard.count:
        raise ValueError(
            f"{len(targets) - hard.count} of {len(targets)} targets are ignored: distillation has "
            "a teacher for every row, so no target may be ignored"
        )
    soft = soft_cross_entropy(logits / temperature, softened(teacher, temperature))
    return LossSum((1 - weight) * hard.total + weight * temperature**2 * soft.total, hard.count)


class Pairing(NamedTuple):
    """The weight λ of each row itself, and the row that it is mixed with, (B,)."""

    weight: float
    partner: torch.Tensor


def pairing(rows: int, *, alpha: float, seed: int) -> Pairing:
    """λ ~ Beta(α, α) and a random order of the rows, as in mixup.

    Zhang et al. 2017, arXiv 1710.09412.

    With a small α, λ is near 0 or 1; with α = 1 it is uniform; with a large α it is near 1/2.

    >>> pairing(4, alpha=0.2, seed=0).partner.sort().values
    tensor([0, 1, 2, 3])
    """
    if alpha <= 0:
        raise ValueError(f"alpha is {alpha}: Beta(α, α) needs α above 0; leave mixup out instead")
    random = np.random.default_rng(seed)
    weight = float(random.beta(alpha, alpha))
    partner = torch.from_numpy(random.permutation(rows))
    return Pairing(weight, partner)


def mix(values: torch.Tensor, pairs: Pairing) -> torch.Tensor:
    """λ v_i + (1 − λ) v_partner(i), (B, ...): of inputs, hidden states or targets alike.

    >>> mix(torch.tensor([[0.0], [8.0]]), Pairing(0.75, torch.tensor([1, 0])))
    tensor([[2.], [6.]])
    """
    if len(values) != len(pairs.partner):
        raise ValueError(
            f"{len(values)} rows cannot be mixed by a pairing of {len(pairs.partner)}: "
            "draw a pairing for each batch"
        )
    return pairs.weight * values + (1 - pairs.weight) * values[pairs.partner.to(values.device)]


def mixed_cross_entropy(logits: torch.Tensor, targets: torch.Tensor, pairs: Pairing) -> LossSum:
    """λ CE(y_i, p_i) + (1 − λ) CE(y_partner(i), p_i): the loss of mixup, (B, C) and (B,).

    By the identity it is ``soft_cross_entropy(logits, mix(one_hot(targets, C), pairs))``.

    >>> pairs = Pairing(0.75, torch.tensor([1, 0]))
    >>> mixed_cross_entropy(torch.zeros(2, 2), torch.tensor([0, 1]), pairs).mean  # ln 2
    tensor(0.6931)
    """
    first = cross_entropy(logits, targets)
    second = cross_entropy(logits, targets[pairs.partner.to(targets.device)])
    total = pairs.weight * first.total + (1 - pairs.weight) * second.total
    return LossSum(total, first.count)


@contextmanager
def mix_hidden(layer: nn.Module, pairs: Pairing) -> Iterator[None]:
    """Within the block the layer's output h is mixed: manifold mixup (Verma et al. 2018).

    arXiv 1806.05236. ``layer`` is any part of a model that returns (B, ...), or a tuple whose
    first entry is: a layer, its embeddings, its pooling. The hook is removed after the block, even
    after an error. In a batch of texts of unequal length the shorter text's padding is mixed into
    the longer text's last words; each row keeps its own attention mask. Library only: no lesson
    uses it yet.

    >>> model = nn.Sequential(nn.Identity(), nn.Identity())
    >>> with mix_hidden(model[0], Pairing(0.75, torch.tensor([1, 0]))):
    ...     model(torch.tensor([[0.0], [8.0]]))
    tensor([[2.], [6.]])
    >>> model(torch.tensor([[0.0], [8.0]]))
    tensor([[0.], [8.]])
    """

    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        if isinstance(output, torch.Tensor):
            return mix(output, pairs)
        if isinstance(output, tuple) and isinstance(output[0], torch.Tensor):
            return (mix(output[0], pairs), *output[1:])
        raise TypeError(
            f"{type(module).__name__} returns a {type(output).__name__}, which cannot be mixed: "
            "choose a part of the model that returns hidden states, such as a layer"
        )

    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
