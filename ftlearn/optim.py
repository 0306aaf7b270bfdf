"""Optimisers and learning-rate schedules by name, rates per layer, and gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

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


def parameter_groups(
    named: Mapping[str, nn.Parameter], weight_decay: float, factors: Mapping[str, float]
) -> list[dict]:
    """``decay_groups`` of parameters by name, a pair for each ``factor`` on the learning rate.

    Names that are not in ``factors`` have the factor 1. The vectors of (IA)³ are scales around 1
    and do not decay, whatever their shape.

    >>> named = dict(nn.Linear(2, 2).named_parameters())
    >>> groups = parameter_groups(named, 0.01, {"bias": 0.5})
    >>> [(group["factor"], len(group["params"])) for group in groups]
    [(1.0, 1), (1.0, 0), (0.5, 0), (0.5, 1)]
    """
    by_factor: dict[float, dict[str, nn.Parameter]] = {}
    for name, parameter in named.items():
        by_factor.setdefault(factors.get(name, 1.0), {})[name] = parameter
    groups = []
    for factor, part in by_factor.items() or [(1.0, {})]:
        matrices, vectors = decay_groups(part.values(), weight_decay)
        scales = {id(parameter) for name, parameter in part.items() if "ia3_" in name}
        moved = [parameter for parameter in matrices["params"] if id(parameter) in scales]
        matrices["params"] = [w for w in matrices["params"] if id(w) not in scales]
        vectors["params"] = [*vectors["params"], *moved]
        groups += [{**group, "factor": factor} for group in (matrices, vectors)]
    return groups


def layer_factors(names: Iterable[str], decay: float) -> dict[str, float]:
    """Factors on the learning rate that fall from the head to the embeddings, by parameter name.

    η_l = η ξ^(L − l) with ξ = ``decay`` (Howard & Ruder 2018, arXiv 1801.06146, who divide by 2.6
    from layer to layer): l is 0 in the embeddings, 1 to N in the layers, and L = N + 1 above. Pass
    the names of all parameters, frozen ones too, so that N is right.

    >>> layer_factors(["embeddings.word.weight", "layer.0.w", "layer.1.w", "classifier.bias"], 0.5)
    {'embeddings.word.weight': 0.125, 'layer.0.w': 0.25, 'layer.1.w': 0.5, 'classifier.bias': 1.0}
    """
    layers = {name: _layer(name) for name in names}
    above = 1 + max((number for number in layers.values() if number is not None), default=0)
    return {
        name: 1.0 if number is None else decay ** (above - number)
        for name, number in layers.items()
    }


def _layer(name: str) -> int | None:
    """0 for embeddings, 1 and more for layers, None for what is above them."""
    numbers = [int(piece) for piece in name.split(".") if piece.isdigit()]
    if numbers:
        return numbers[0] + 1
    return 0 if any(part in name for part in ("embed", "wte", "wpe")) else None


def lora_plus_factors(names: Iterable[str], ratio: float) -> dict[str, float]:
    """The factor ``ratio`` on the learning rate of each B of LoRA, and 1 on all others.

    LoRA+ (Hayou et al. 2024, arXiv 2402.12354): in wide models B learns too slowly at the rate
    that is right for A; they advise a ratio of 16.

    >>> lora_plus_factors(["q.lora_A.default.weight", "q.lora_B.default.weight"], 16.0)
    {'q.lora_A.default.weight': 1.0, 'q.lora_B.default.weight': 16.0}
    """
    return {name: ratio if "lora_B" in name else 1.0 for name in names}


def layer_groups(
    model: nn.Module, learning_rate: float, decay: float, *, weight_decay: float = 0.0
) -> list[dict]:
    """Parameter groups for ``optimizer`` with a learning rate per layer; see ``layer_factors``.

    In a training run, ``TrainConfig(layer_decay=0.9)`` does the same.
    """
    factors = layer_factors([name for name, _ in model.named_parameters()], decay)
    return _with_rates(model, learning_rate, factors, weight_decay)


def lora_plus_groups(
    model: nn.Module, learning_rate: float, ratio: float, *, weight_decay: float = 0.0
) -> list[dict]:
    """Parameter groups for ``optimizer`` with a higher rate for B; see ``lora_plus_factors``.

    In a training run, ``TrainConfig(lora_plus_ratio=16)`` does the same.
    """
    factors = lora_plus_factors([name for name, _ in model.named_parameters()], ratio)
    return _with_rates(model, learning_rate, factors, weight_decay)


def _with_rates(
    model: nn.Module, learning_rate: float, factors: Mapping[str, float], weight_decay: float
) -> list[dict]:
    named = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    groups = parameter_groups(named, weight_decay, factors)
    return [{**group, "lr": learning_rate * group["factor"]} for group in groups]


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
