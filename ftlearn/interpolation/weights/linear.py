"""The line through two models, the plane through three, and any other combination of weights.

    θ(α) = (1 − α) θ_start + α θ_end

Only floating tensors are mixed. All others (token counts, position ids) must be the same in all
models. Weights are summed in fp32 at least and kept in the format they came in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ftlearn.errors import ArgumentError
from ftlearn.interpolation.weights.state_dicts import (
    Source,
    check_same_architecture,
    check_ties,
    map_tensors,
    state_of,
    storage_key,
    zip_tensors,
)
from ftlearn.losses import at_least_fp32


def interpolate(start: Source, end: Source, alpha: float) -> dict[str, torch.Tensor]:
    """(1 − α)·start + α·end for two modules or state dicts of the same make.

    α = 0 and α = 1 give exactly the two ends; outside [0, 1] the line goes on beyond them. Tied
    weights stay tied (WiSE-FT: Wortsman et al. 2021, arXiv 2109.01903). Raises ValueError, with
    the tensor's name, where the models differ in more than the values of floating tensors.

    >>> interpolate({"w": torch.tensor([0.0])}, {"w": torch.tensor([4.0])}, 0.25)
    {'w': tensor([1.])}
    """
    return combine([start, end], [1 - alpha, alpha])


def combine(sources: Sequence[Source], weights: Sequence[float]) -> dict[str, torch.Tensor]:
    """Σ_k w_k θ_k over modules or state dicts of the same make; the weights may have any sum.

    >>> models = [{"w": torch.tensor([1.0])}, {"w": torch.tensor([3.0])}]
    >>> combine(models, [2, -1])
    {'w': tensor([-1.])}
    """
    return zip_tensors(sources, lambda name, tensors: mix(tensors, weights, name=name))


def mix(
    tensors: Sequence[torch.Tensor],
    weights: Sequence[float],
    *,
    name: str = "tensor",
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Σ_k w_k x_k of tensors of one shape, in the format of the first, written to ``out`` if given.

    Where the weights sum to 1 and all tensors are equal, the result is exactly that tensor, which
    is the only answer that tensors of whole numbers allow; ValueError names one that differs.

    >>> mix([torch.tensor([1.0]), torch.tensor([2.0])], [0.5, 0.5])
    tensor([1.5000])
    """
    _check_weights(tensors, weights)
    first = tensors[0]
    result = torch.empty_like(first) if out is None else out
    equal = all(torch.equal(first, other.to(first.device)) for other in tensors[1:])
    if not first.is_floating_point():
        if not equal:
            raise ArgumentError(
                f"{name!r} ({first.dtype}) differs between the models and has no mean"
            )
        return result.copy_(first)
    used = [(tensor, float(weight)) for tensor, weight in zip(tensors, weights, strict=True)]
    used = [(tensor, weight) for tensor, weight in used if weight != 0]
    if [weight for _, weight in used] == [1.0]:  # exactly one of them, to the bit
        return result.copy_(used[0][0])
    if equal and math.isclose(sum(weights), 1):
        return result.copy_(first)
    if first.element_size() < 2:
        raise ArgumentError(
            f"{name!r} is quantised ({first.dtype}): merge models before quantising"
        )
    total = at_least_fp32(result).zero_()  # the result itself, unless it is in half precision
    for tensor, weight in used:
        total.add_(at_least_fp32(tensor.to(total.device)), alpha=weight)
    return result.copy_(total) if total is not result else result


def shares(count: int, given: Sequence[float] | None = None) -> list[float]:
    """The weights that were given, or equal ones that sum to 1; ValueError for no model at all.

    >>> shares(4)
    [0.25, 0.25, 0.25, 0.25]
    """
    if count == 0:
        raise ArgumentError("there is no model to combine: give one at least")
    return [1 / count] * count if given is None else list(given)


def _check_weights(tensors: Sequence[torch.Tensor], weights: Sequence[float]) -> None:
    if len(tensors) != len(weights):
        raise ArgumentError(
            f"{len(tensors)} models cannot have {len(weights)} weights: give one each"
        )
    if not all(math.isfinite(weight) for weight in weights):
        raise ArgumentError(f"weights must be finite numbers, not {list(weights)}")


@torch.no_grad()
def write(model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Copy a state into a model's own tensors, in place.

    Raises ValueError where the two are not of the same make.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> write(model, {"weight": torch.tensor([[7.0]])}); model.weight.item()
    7.0
    """
    own = state_of(model)
    check_same_architecture([own, state])
    check_ties(own, [state])
    for name, tensor in own.items():
        tensor.copy_(state[name])


@contextmanager
def preserve_weights(model: nn.Module) -> Iterator[dict[str, torch.Tensor]]:
    """A context after which the model has the weights it came with, even after an error.

    Gives the copy of those weights that it keeps.

    >>> model = nn.Linear(1, 1)
    >>> with preserve_weights(model) as before: _ = nn.init.zeros_(model.weight)
    >>> torch.equal(model.weight, before["weight"])
    True
    """
    kept = map_tensors(state_of(model), lambda _, tensor: tensor.clone())
    try:
        yield kept
    finally:
        with torch.no_grad():
            for name, tensor in state_of(model).items():
                tensor.copy_(kept[name])


@contextmanager
def weights_in_place(
    model: nn.Module, sources: Sequence[Source]
) -> Iterator[Callable[[Sequence[float]], None]]:
    """A context with ``put(weights)``, which writes Σ_k w_k θ_k into the model's own tensors.

    One model serves all points: nothing is loaded again, and nothing is held beside the sources
    and a copy of the model's own weights, which it has back at the end. A source may be the model
    itself.

    >>> model, other = nn.Linear(1, 1, bias=False), {"weight": torch.tensor([[8.0]])}
    >>> _ = nn.init.constant_(model.weight, 4.0)
    >>> with weights_in_place(model, [model, other]) as put:
    ...     put([0.5, 0.5]); print(model.weight.item())
    6.0
    >>> model.weight.item()
    4.0
    """
    own = state_of(model)
    with preserve_weights(model) as kept:
        states = [_apart(state_of(source), own, kept) for source in sources]
        check_same_architecture([own, *states])
        check_ties(own, states)

        @torch.no_grad()
        def put(weights: Sequence[float]) -> None:
            for name, tensor in own.items():
                mix([state[name] for state in states], weights, name=name, out=tensor)

        yield put


def _apart(
    state: Mapping[str, torch.Tensor],
    own: Mapping[str, torch.Tensor],
    kept: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """The state with the kept copy wherever it is the very memory that will be written to."""
    ours = {storage_key(tensor): kept[name] for name, tensor in own.items()}
    return {name: ours.get(storage_key(tensor), tensor) for name, tensor in state.items()}


def sweep(
    model: nn.Module,
    start: Source,
    end: Source,
    alphas: Sequence[float],
    measure: Callable[[nn.Module], Any],
) -> list[Any]:
    """``measure(model)`` at each α of the line, with the model's weights written in place.

    The model has its own weights back at the end, even after an error.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> ends = ({"weight": torch.tensor([[0.0]])}, {"weight": torch.tensor([[2.0]])})
    >>> sweep(model, *ends, [0, 0.5, 1.5], lambda model: model.weight.item())
    [0.0, 1.0, 3.0]
    """
    with weights_in_place(model, [start, end]) as put:
        results = []
        for alpha in alphas:
            put([1 - alpha, alpha])
            results.append(measure(model))
    return results


@contextmanager
def scale_adapter(model: nn.Module, factor: float) -> Iterator[nn.Module]:
    """A context in which every LoRA update counts ``factor`` times; each scale is back at the end.

    W = W₀ + s·(α/r)·BA is a straight line in s (Hu et al. 2021, arXiv 2106.09685): 0 is the
    pretrained model, 1 the fine-tuned one, 2 as far again beyond it. Works on ``peft``'s layers,
    or others with a dict ``scaling``. A new head that was trained beside LoRA is not scaled.

    Raises ValueError where no layer has a scale, or where the updates are merged into W.
    """
    layers = [m for m in model.modules() if isinstance(getattr(m, "scaling", None), dict)]
    if not layers:
        raise ArgumentError(f"{type(model).__name__} has no LoRA layer: wrap it by peft first")
    if any(getattr(layer, "merged", False) for layer in layers):
        raise ArgumentError("the LoRA updates are merged into the weights: unmerge_adapter() first")
    before = [dict(layer.scaling) for layer in layers]
    try:
        for layer, scales in zip(layers, before, strict=True):
            layer.scaling.update({name: factor * scale for name, scale in scales.items()})
        yield model
    finally:
        for layer, scales in zip(layers, before, strict=True):
            layer.scaling.update(scales)
