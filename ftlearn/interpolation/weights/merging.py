"""Several fine-tuned models made into one: soups, task vectors, TIES, DARE, SLERP.

A task vector is what fine-tuning added, τ = θ_ft − θ_P: a state of floating tensors only. Vectors
are added to a pretrained model by ``add_vectors``, whatever was done to them before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ftlearn.interpolation.weights.geometry import inner_products
from ftlearn.interpolation.weights.linear import combine, shares
from ftlearn.interpolation.weights.state_dicts import (
    Source,
    State,
    floating,
    map_tensors,
    state_of,
    widened,
    zip_tensors,
)


def soup(
    sources: Sequence[Source], weights: Sequence[float] | None = None
) -> dict[str, torch.Tensor]:
    """The mean of K models, weighted if weights are given; they must sum to 1.

    Uniform soup: Wortsman et al. 2022, arXiv 2203.05482.

    >>> soup([{"w": torch.tensor([1.0])}, {"w": torch.tensor([3.0])}])
    {'w': tensor([2.])}
    """
    weights = shares(len(sources), weights)
    if abs(sum(weights) - 1) > 1e-6:
        raise ValueError(f"the weights of a soup sum to {sum(weights):g}, not to 1")
    return combine(sources, weights)


@dataclass(frozen=True)
class Soup:
    """A soup, the models that went into it by number, and its score after each that did."""

    state: dict[str, torch.Tensor]
    members: tuple[int, ...]
    scores: tuple[float, ...]


def greedy_soup(sources: Sequence[Source], score: Callable[[dict], float]) -> Soup:
    """Best model first, each next one is kept if the mean with it scores at least as well.

    ``score(state)`` is measured on held-out data, higher is better (Wortsman et al. 2022, arXiv
    2203.05482). The soup is never worse on that data than the best single model.

    >>> models = [{"w": torch.tensor([w])} for w in (0.0, 9.0, 4.0)]
    >>> made = greedy_soup(models, lambda state: -abs(state["w"].item() - 3))
    >>> made.members, made.state["w"].item()
    ((2, 0), 2.0)
    """
    states = [state_of(source) for source in sources]
    members, scores = choose(len(states), lambda chosen: score(soup([states[at] for at in chosen])))
    return Soup(soup([states[at] for at in members]), members, scores)


def choose(
    count: int, score: Callable[[tuple[int, ...]], float]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The greedy choice among models 0..count−1, and the score after each that was taken.

    ``score(members)`` is that of the soup of these members, higher is better.

    >>> choose(3, lambda members: 0 if 2 in members else len(members))
    ((0, 1), (1, 2))
    """
    alone = [score((at,)) for at in range(count)]
    order = sorted(range(count), key=lambda at: -alone[at])
    members, scores = (order[0],), (alone[order[0]],)
    for at in order[1:]:
        reached = score((*members, at))
        if reached >= scores[-1]:
            members, scores = (*members, at), (*scores, reached)
    return members, scores


def task_vector(pretrained: Source, finetuned: Source) -> dict[str, torch.Tensor]:
    """τ = θ_ft − θ_P over floating tensors, in fp32 at least (Ilharco et al. 2022, 2212.04089).

    >>> task_vector({"w": torch.tensor([1.0])}, {"w": torch.tensor([3.0])})
    {'w': tensor([2.])}
    """
    ends = [widened(state_of(source)) for source in (pretrained, finetuned)]
    vector = combine(ends, [-1, 1])
    return {name: tensor for name, tensor in vector.items() if tensor.is_floating_point()}


def add_vectors(
    pretrained: Source, vectors: Sequence[State], *, scale: float = 1.0
) -> dict[str, torch.Tensor]:
    """θ_P + scale·Σ_k τ_k: two vectors add two skills, a negative scale takes one away.

    >>> base = {"w": torch.tensor([1.0])}
    >>> add_vectors(base, [{"w": torch.tensor([2.0])}], scale=-0.5)
    {'w': tensor([0.])}
    """
    base = state_of(pretrained)
    moving = {name: tensor for name, tensor in base.items() if tensor.is_floating_point()}
    made = combine([widened(moving), *vectors], [1, *[scale] * len(vectors)])
    made = map_tensors(made, lambda name, tensor: tensor.to(base[name].dtype))
    return {name: made.get(name, tensor) for name, tensor in base.items()}


def trim(vector: State, density: float, *, per: str = "model") -> dict[str, torch.Tensor]:
    """The vector with only its largest entries by magnitude, a share ``density``; others are 0.

    The share is taken of all entries together, or of each tensor with ``per="tensor"``. Entries
    as large as the smallest that is kept are kept too.

    >>> trim({"w": torch.tensor([1.0, -4.0, 2.0, 3.0])}, 0.5)
    {'w': tensor([ 0., -4.,  0.,  3.])}
    """
    if not 0 <= density <= 1:
        raise ValueError(f"density is {density}: give the share of entries to keep, 0 to 1")
    if per not in ("model", "tensor"):
        raise ValueError(f"per is {per!r}: say 'model' or 'tensor'")
    names = floating(vector)
    groups = [names] if per == "model" else [[name] for name in names]
    bound = {}
    for group in groups:
        sizes = torch.cat([vector[name].abs().flatten() for name in group])
        bound |= dict.fromkeys(group, _smallest(sizes, density))
    return map_tensors(vector, lambda name, tensor: tensor * (tensor.abs() >= bound[name]))


def _smallest(sizes: torch.Tensor, density: float) -> float:
    """The smallest of the largest ``density`` of all sizes."""
    count = int(density * len(sizes))
    if count == 0:
        return float("inf")
    return float(sizes.kthvalue(len(sizes) - count + 1).values)


def ties(
    vectors: Sequence[State], density: float = 0.2, *, per: str = "model"
) -> dict[str, torch.Tensor]:
    """One vector of several: trim each, elect a sign for each entry, average those that agree.

    TIES, Yadav et al. 2023, arXiv 2306.01708. The sign is that of the sum; an entry
    whose sum is 0 stays 0. Add the result with ``add_vectors``.

    >>> several = [{"w": torch.tensor([4.0, 1.0])}, {"w": torch.tensor([-1.0, 3.0])}]
    >>> ties(several, 1.0)
    {'w': tensor([4., 2.])}
    """
    trimmed = [trim(vector, density, per=per) for vector in vectors]
    return zip_tensors(trimmed, lambda _, tensors: _agreeing_mean(torch.stack(tensors)))


def _agreeing_mean(rows: torch.Tensor) -> torch.Tensor:
    """The mean (...) over those of K entries (K, ...) that have the sign of their sum."""
    agree = (rows.sign() == rows.sum(0).sign()) & (rows != 0)
    return (rows * agree).sum(0) / agree.sum(0).clamp(min=1)


def dare(vector: State, drop: float, *, seed: int) -> dict[str, torch.Tensor]:
    """Each entry is dropped with probability ``drop``, the others are divided by 1 − drop.

    The mean over seeds is the vector itself (DARE, Yu et al. 2023, arXiv 2311.03099).

    >>> kept = dare({"w": torch.ones(1000)}, 0.75, seed=0)["w"]
    >>> sorted(set(kept.tolist())), round(kept.mean().item(), 1)
    ([0.0, 4.0], 1.0)
    """
    if not 0 <= drop < 1:
        raise ValueError(f"drop is {drop}: give a probability from 0 to below 1")
    generator = torch.Generator().manual_seed(seed)

    def dropped(_: str, tensor: torch.Tensor) -> torch.Tensor:
        kept = torch.rand(tensor.shape, generator=generator) >= drop
        return tensor * kept.to(tensor.device) / (1 - drop)

    return map_tensors(vector, dropped)


def slerp(first: State, second: State, alpha: float) -> dict[str, torch.Tensor]:
    """The point at α on the arc between two task vectors, in the plane that they span.

    sin((1−α)Ω)/sinΩ·τ₁ + sin(αΩ)/sinΩ·τ₂ with Ω the angle between the whole vectors (Shoemake
    1985; for task vectors Ramé et al. 2024, arXiv 2406.16768). Two vectors of one length keep it
    all the way, where the straight line passes closer to 0. Vectors that point the same way or
    opposite ways have no arc of their own: there it is the straight line.

    On the models themselves it would hardly bend: next to θ_P the differences are tiny.

    >>> x, y = {"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([0.0, 1.0])}
    >>> slerp(x, y, 0.5)
    {'w': tensor([0.7071, 0.7071])}
    """
    (aa, ab), (_, bb) = inner_products([first, second])
    parallel = aa * bb - ab**2 <= 1e-12 * aa * bb
    if parallel:
        return combine([first, second], [1 - alpha, alpha])
    angle = np.arccos(np.clip(ab / (aa * bb) ** 0.5, -1, 1))
    weights = np.sin([(1 - alpha) * angle, alpha * angle]) / np.sin(angle)
    return combine([first, second], weights.tolist())
