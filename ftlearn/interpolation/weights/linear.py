"""The line through two models, the plane through three, and any other combination of weights.

    θ(α) = (1 − α) θ_start + α θ_end

Only floating-point tensors are mixed. All others (token counts, position ids) must be the same in
all models. Weights are summed in fp32 at least and returned in their own dtype.
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
from ftlearn.models import pissa
from ftlearn.models.wrapping import method_of


def interpolate(start: Source, end: Source, alpha: float) -> dict[str, torch.Tensor]:
    """(1 − α)·start + α·end for two modules or state dicts of the same architecture.

    α = 0 and α = 1 give exactly the two ends; outside [0, 1] the line continues beyond them. Tied
    weights stay tied (WiSE-FT: Wortsman et al. 2021, arXiv 2109.01903). Raises ValueError, with
    the tensor's name, when the models differ in more than the values of floating-point tensors.

    >>> interpolate({"w": torch.tensor([0.0])}, {"w": torch.tensor([4.0])}, 0.25)
    {'w': tensor([1.])}
    """
    return combine([start, end], [1 - alpha, alpha])


def combine(sources: Sequence[Source], weights: Sequence[float]) -> dict[str, torch.Tensor]:
    """Σ_k w_k θ_k over modules or state dicts of the same architecture, for weights of any sum.

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
    """Σ_k w_k x_k of tensors of one shape, in the dtype of the first, written to ``out`` if given.

    If the weights sum to 1 and all tensors are equal, the result is exactly that tensor. Integer
    tensors must be equal: ValueError, with ``name``, if they differ.

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
    pairs = zip(tensors, weights, strict=True)
    terms = [(tensor, float(weight)) for tensor, weight in pairs if weight != 0]
    if [weight for _, weight in terms] == [1.0]:  # one of the models, bit for bit
        return result.copy_(terms[0][0])
    if equal and math.isclose(sum(weights), 1):
        return result.copy_(first)
    if first.element_size() < 2:
        raise ArgumentError(
            f"{name!r} is quantised ({first.dtype}): merge models before quantising"
        )
    total = at_least_fp32(result).zero_()  # the result itself, unless it is in half precision
    for tensor, weight in terms:
        total.add_(at_least_fp32(tensor.to(total.device)), alpha=weight)
    return result.copy_(total) if total is not result else result


def weights_or_equal(count: int, weights: Sequence[float] | None = None) -> list[float]:
    """The weights as a list, by default equal ones that sum to 1; ValueError without any model.

    >>> weights_or_equal(4)
    [0.25, 0.25, 0.25, 0.25]
    """
    if count == 0:
        raise ArgumentError("there is no model to combine: give at least one")
    return [1 / count] * count if weights is None else list(weights)


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

    Raises ValueError when the two differ in architecture.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> write(model, {"weight": torch.tensor([[7.0]])}); model.weight.item()
    7.0
    """
    target = state_of(model)
    check_same_architecture([target, state])
    check_ties(target, [state])
    for name, tensor in target.items():
        tensor.copy_(state[name])


@contextmanager
def preserve_weights(model: nn.Module) -> Iterator[dict[str, torch.Tensor]]:
    """A context that restores the model's weights at its end, even after an error.

    It yields the copy of the weights that it restores.

    >>> model = nn.Linear(1, 1)
    >>> with preserve_weights(model) as before: _ = nn.init.zeros_(model.weight)
    >>> torch.equal(model.weight, before["weight"])
    True
    """
    saved = map_tensors(state_of(model), lambda _, tensor: tensor.clone())
    try:
        yield saved
    finally:
        with torch.no_grad():
            for name, tensor in state_of(model).items():
                tensor.copy_(saved[name])


@contextmanager
def weights_in_place(
    model: nn.Module, sources: Sequence[Source]
) -> Iterator[Callable[[Sequence[float]], None]]:
    """A context with ``put(weights)``, which writes Σ_k w_k θ_k into the model's own tensors.

    One model serves all points: nothing is loaded again, and beside the sources only a copy of
    the model's own weights is held in memory, which are restored at the end. A source may be the
    model itself.

    >>> model, other = nn.Linear(1, 1, bias=False), {"weight": torch.tensor([[8.0]])}
    >>> _ = nn.init.constant_(model.weight, 4.0)
    >>> with weights_in_place(model, [model, other]) as put:
    ...     put([0.5, 0.5]); print(model.weight.item())
    6.0
    >>> model.weight.item()
    4.0
    """
    target = state_of(model)
    with preserve_weights(model) as saved:
        states = [_without_aliases(state_of(source), target, saved) for source in sources]
        check_same_architecture([target, *states])
        check_ties(target, states)

        @torch.no_grad()
        def put(weights: Sequence[float]) -> None:
            for name, tensor in target.items():
                mix([state[name] for state in states], weights, name=name, out=tensor)

        yield put


def _without_aliases(
    state: Mapping[str, torch.Tensor],
    target: Mapping[str, torch.Tensor],
    saved: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """The state with the saved copy in place of each tensor that shares the target's memory."""
    copies = {storage_key(tensor): saved[name] for name, tensor in target.items()}
    return {name: copies.get(storage_key(tensor), tensor) for name, tensor in state.items()}


def sweep(
    model: nn.Module,
    start: Source,
    end: Source,
    alphas: Sequence[float],
    measure: Callable[[nn.Module], Any],
) -> list[Any]:
    """``measure(model)`` at each α of the line, with the model's weights written in place.

    The model's own weights are restored at the end, even after an error.

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
    """A context in which every LoRA update counts ``factor`` times; scales are restored at its end.

    W = W₀ + s·(α/r)·BA is a straight line in s (Hu et al. 2021, arXiv 2106.09685): 0 is the
    pretrained model, 1 the fine-tuned one, 2 as far again beyond it. Works on ``peft``'s layers,
    or others with a dict ``scaling``. A new head that was trained beside LoRA is not scaled.

    PiSSA begins as a part of W₀, so there it is the change of BA that counts ``factor`` times.

    Raises ValueError when no layer has a scale, or when the updates are merged into W.
    """
    layers = [m for m in model.modules() if isinstance(getattr(m, "scaling", None), dict)]
    if not layers:
        raise ArgumentError(f"{type(model).__name__} has no LoRA layer: wrap it with peft first")
    if any(getattr(layer, "merged", False) for layer in layers):
        raise ArgumentError("the LoRA updates are merged into the weights: unmerge_adapter() first")
    if method_of(model) == "pissa":
        with pissa.scaled(model, factor):
            yield model
        return
    saved = [dict(layer.scaling) for layer in layers]
    try:
        for layer, scales in zip(layers, saved, strict=True):
            layer.scaling.update({name: factor * scale for name, scale in scales.items()})
        yield model
    finally:
        for layer, scales in zip(layers, saved, strict=True):
            layer.scaling.update(scales)
