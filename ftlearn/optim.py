"""Optimisers and learning-rate schedules by name, and gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import nn

from ftlearn.runtime import sharding

OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
SCHEDULES = ("constant", "linear", "cosine")


def optimizer(name: str, parameters: Iterable[dict], learning_rate: float) -> torch.optim.Optimizer:
    """A torch optimiser over parameter groups: sgd, momentum (0.9), adam, adamw.

    Adam and AdamW use β = (0.9, 0.999) with bias correction (Kingma & Ba 2014, arXiv 1412.6980;
    Loshchilov & Hutter 2017, arXiv 1711.05101). The fused form is the same arithmetic in one
    pass over memory.

    Raises ValueError for an unknown name.
    """
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate)
    if name == "momentum":
        return torch.optim.SGD(parameters, lr=learning_rate, momentum=0.9)
    if name == "adam":
        return torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=learning_rate, fused=True)
    raise ValueError(f"unknown optimizer {name!r}: use {', '.join(OPTIMIZERS)}")


def decay_groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict]:
    """Trainable parameters in two groups: matrices decay, biases and norm gains do not.

    >>> [len(group["params"]) for group in decay_groups(nn.Linear(2, 2).parameters(), 0.01)]
    [1, 1]
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if not trainable:
        raise ValueError("every parameter is frozen: nothing to train; unfreeze a part first")
    matrices = [parameter for parameter in trainable if parameter.ndim >= 2]
    vectors = [parameter for parameter in trainable if parameter.ndim < 2]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def schedule(name: str, *, total: int, warmup_ratio: float) -> Callable[[int], float]:
    """The factor on the learning rate at update 0..total−1.

    Over the first share ``warmup_ratio`` of the updates the factor rises linearly, starting above
    zero; then it is constant, falls linearly, or falls along half a cosine, to zero one update
    after the last.

    >>> factor = schedule("linear", total=4, warmup_ratio=0.0)
    >>> [factor(update) for update in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    """
    if name not in SCHEDULES:
        raise ValueError(f"unknown schedule {name!r}: use {', '.join(SCHEDULES)}")
    rising = round(warmup_ratio * total)

    def factor(update: int) -> float:
        if update < rising:
            return (update + 1) / (rising + 1)
        done = (update - rising) / max(1, total - rising)
        return {
            "constant": 1.0,
            "linear": 1 - done,
            "cosine": (1 + math.cos(math.pi * done)) / 2,
        }[name]

    return factor


def clip_grad_norm(parameters: Iterable[nn.Parameter], limit: float) -> float:
    """Scale all gradients, in place, to a joint norm of at most ``limit``; return the old norm.

    Pascanu et al. 2012, arXiv 1211.5063. A smaller gradient is left alone: even to multiply it by
    1 would take a fiftieth of an update.

    >>> weight = nn.Parameter(torch.zeros(2))
    >>> weight.grad = torch.tensor([3.0, 4.0])
    >>> clip_grad_norm([weight], 1.0), weight.grad
    (5.0, tensor([0.6000, 0.8000]))
    """
    parameters = list(parameters)
    norm = _norm([parameter.grad for parameter in parameters if parameter.grad is not None])
    before = sharding.full_tensor(norm).item()
    if before > limit:
        nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return before


def _norm(gradients: list[torch.Tensor]) -> torch.Tensor:
    """The joint norm. On a CPU torch's function uses one thread, a dot product uses all."""
    on_cpu = all(type(grad) is torch.Tensor and grad.device.type == "cpu" for grad in gradients)
    if not on_cpu:
        return nn.utils.get_total_norm(gradients)
    vectors = [gradient.flatten() for gradient in gradients]
    squares = [torch.dot(vector, vector) for vector in vectors]
    return torch.stack(squares).sum().sqrt() if squares else torch.tensor(0.0)
