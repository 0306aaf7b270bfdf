"""Several fine-tuned models combined into one: soups, task vectors, TIES, DARE, SLERP.

A task vector is what fine-tuning added, τ = θ_ft − θ_P: a state of floating-point tensors only.
``add_vectors`` adds task vectors to a pretrained model, trimmed or merged ones too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ftlearn.interpolation.weights.geometry import inner_products
from ftlearn.interpolation.weights.linear import combine, weights_or_equal
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
    weights = weights_or_equal(len(sources), weights)
    if abs(sum(weights) - 1) > 1e-6:
        raise ValueError(f"the weights of a soup sum to {sum(weights):g}, not to 1")
    return combine(sources, weights)


@dataclass(frozen=True)
class Soup:
    """A soup, the indices of its models in the order they were added, and its score after each."""

    state: dict[str, torch.Tensor]
    members: tuple[int, ...]
    scores: tuple[float, ...]


def greedy_soup(sources: Sequence[Source], score: Callable[[dict], float]) -> Soup:
    """Best model first; each next one is added if the mean with it scores at least as well.

    ``score(state)`` is measured on held-out data, higher is better (Wortsman et al. 2022, arXiv
    2203.05482). The soup is never worse on that data than the best single model.

    >>> models = [{"w": torch.tensor([w])} for w in (0.0, 9.0, 4.0)]
    >>> best = greedy_soup(models, lambda state: -abs(state["w"].item() - 3))
    >>> best.members, best.state["w"].item()
    ((2, 0), 2.0)
    """
    states = [state_of(source) for source in sources]

    def soup_of(members: tuple[int, ...]) -> dict[str, torch.Tensor]:
        return soup([states[index] for index in members])

    members, scores = choose(len(states), lambda members: score(soup_of(members)))
    return Soup(soup_of(members), members, scores)


def choose(
    count: int, score: Callable[[tuple[int, ...]], float]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The greedy choice among models 0..count−1, and the score after each that was added.

    ``score(members)`` is the score of the soup of these members, higher is better.

    >>> choose(3, lambda members: 0 if 2 in members else len(members))
    ((0, 1), (1, 2))
    """
    single = [score((index,)) for index in range(count)]
    order = sorted(range(count), key=lambda index: -single[index])
    members = [order[0]]
    scores = [single[order[0]]]
    for index in order[1:]:
        candidate = score((*members, index))
        if candidate >= scores[-1]:
            members.append(index)
            scores.append(candidate)
    return tuple(members), tuple(scores)


def task_vector(pretrained: Source, finetuned: Source) -> dict[str, torch.Tensor]:
    """τ = θ_ft − θ_P over floating-point tensors, in fp32 at least.

    Ilharco et al. 2022, arXiv 2212.04089.

    >>> task_vector({"w": torch.tensor([1.0])}, {"w": torch.tensor([3.0])})
    {'w': tensor([2.])}
    """
    start = widened(state_of(pretrained))
    end = widened(state_of(finetuned))
    vector = combine([start, end], [-1, 1])
    return {name: tensor for name, tensor in vector.items() if tensor.is_floating_point()}


def add_vectors(
    pretrained: Source, vectors: Sequence[State], *, scale: float = 1.0
) -> dict[str, torch.Tensor]:
    """θ_P + scale·Σ_k τ_k: two vectors add two skills, a negative scale removes one.

    >>> base = {"w": torch.tensor([1.0])}
    >>> add_vectors(base, [{"w": torch.tensor([2.0])}], scale=-0.5)
    {'w': tensor([0.])}
    """
    base = state_of(pretrained)
    floats = {name: tensor for name, tensor in base.items() if tensor.is_floating_point()}
    total = combine([widened(floats), *vectors], [1, *[scale] * len(vectors)])
    total = map_tensors(total, lambda name, tensor: tensor.to(base[name].dtype))
    return {name: total.get(name, tensor) for name, tensor in base.items()}


def trim(vector: State, density: float, *, per: str = "model") -> dict[str, torch.Tensor]:
    """The vector with only its largest entries by magnitude, a share ``density``; others are 0.

    The share is that of all entries together, or of each tensor with ``per="tensor"``. Entries
    as large as the smallest that is kept are kept too. The first step of ``ties``.

    >>> trim({"w": torch.tensor([1.0, -4.0, 2.0, 3.0])}, 0.5)
    {'w': tensor([ 0., -4.,  0.,  3.])}
    """
    if not 0 <= density <= 1:
        raise ValueError(f"density is {density}: give the share of entries to keep, 0 to 1")
    if per not in ("model", "tensor"):
        raise ValueError(f"per is {per!r}: say 'model' or 'tensor'")
    names = floating(vector)
    groups = [names] if per == "model" else [[name] for name in names]
    thresholds = {}
    for group in groups:
        magnitudes = torch.cat([vector[name].abs().flatten() for name in group])
        thresholds |= dict.fromkeys(group, _threshold(magnitudes, density))
    return map_tensors(vector, lambda name, tensor: tensor * (tensor.abs() >= thresholds[name]))


def _threshold(magnitudes: torch.Tensor, density: float) -> float:
    """The smallest of the largest magnitudes, of which a share ``density`` is kept."""
    count = int(density * len(magnitudes))
    if count == 0:
        return float("inf")
    return float(magnitudes.kthvalue(len(magnitudes) - count + 1).values)


def ties(
    vectors: Sequence[State], density: float = 0.2, *, per: str = "model"
) -> dict[str, torch.Tensor]:
    """Merge task vectors: trim each, elect a sign per entry, average the values that agree.

    TIES, Yadav et al. 2023, arXiv 2306.01708. The sign is that of the sum; an entry whose sum is
    0 stays 0. Add the result with ``add_vectors``. Lesson 10 uses it.

    >>> vectors = [{"w": torch.tensor([4.0, 1.0])}, {"w": torch.tensor([-1.0, 3.0])}]
    >>> ties(vectors, 1.0)
    {'w': tensor([4., 2.])}
    """
    trimmed = [trim(vector, density, per=per) for vector in vectors]
    return zip_tensors(trimmed, lambda _, tensors: _agreeing_mean(torch.stack(tensors)))


def _agreeing_mean(rows: torch.Tensor) -> torch.Tensor:
    """The mean (...) over those of K entries (K, ...) that have the sign of their sum."""
    agree = (rows.sign() == rows.sum(0).sign()) & (rows != 0)
    return (rows * agree).sum(0) / agree.sum(0).clamp(min=1)


def dare(vector: State, drop: float, *, seed: int) -> dict[str, torch.Tensor]:
    """Set each entry to 0 with probability ``drop`` and divide the others by 1 − drop.

    The mean over seeds is the vector itself (DARE, Yu et al. 2023, arXiv 2311.03099). Lesson
    10 uses it.

    >>> entries = dare({"w": torch.ones(1000)}, 0.75, seed=0)["w"]
    >>> sorted(set(entries.tolist())), round(entries.mean().item(), 1)
    ([0.0, 4.0], 1.0)
    """
    if not 0 <= drop < 1:
        raise ValueError(f"drop is {drop}: give a probability from 0 to below 1")
    generator = torch.Generator().manual_seed(seed)

    def drop_entries(_: str, tensor: torch.Tensor) -> torch.Tensor:
        mask = torch.rand(tensor.shape, generator=generator) >= drop
        return tensor * mask.to(tensor.device) / (1 - drop)

    return map_tensors(vector, drop_entries)


def slerp(first: State, second: State, alpha: float) -> dict[str, torch.Tensor]:
    """The point at α on the arc between two task vectors, in the plane that they span.

    sin((1−α)Ω)/sinΩ·τ₁ + sin(αΩ)/sinΩ·τ₂ with Ω the angle between the vectors, all tensors
    together (Shoemake 1985; for task vectors Ramé et al. 2024, arXiv 2406.16768). Between two
    vectors of equal length all points have that length, where the straight line passes closer to
    0. Vectors that point in the same or in opposite directions have no unique arc: for them the
    result lies on the straight line.

    On whole models the arc is almost a straight line, since their differences are tiny beside θ_P.
    Lesson 10 uses it.

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
