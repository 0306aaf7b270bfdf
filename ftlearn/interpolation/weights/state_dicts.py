"""Models as named tensors: whether two have the same architecture, and which names are tied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ftlearn.errors import ArgumentError
from ftlearn.losses import at_least_fp32

State = Mapping[str, torch.Tensor]
Source = nn.Module | State
"""A model, or its tensors by name."""


def state_of(source: Source) -> dict[str, torch.Tensor]:
    """The tensors of a module or state dict by name; they share its memory.

    >>> list(state_of(nn.Linear(1, 1)))
    ['weight', 'bias']
    """
    tensors = source.state_dict() if isinstance(source, nn.Module) else source
    return {name: tensor.detach() for name, tensor in tensors.items()}


def storage_key(tensor: torch.Tensor) -> Any:
    """The memory of a tensor and how it is read: equal for tied weights only."""
    address = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.device)
    # Tensors without elements all have address 0, so dtype and shape tell them apart.
    return (*address, tensor.dtype, tensor.shape, tensor.stride())


def distinct(state: State) -> list[str]:
    """The names of the state, tied weights once, by their first name.

    >>> weight = torch.ones(2)
    >>> distinct({"a": weight, "b": torch.ones(2), "c": weight})
    ['a', 'b']
    """
    first = {storage_key(tensor): name for name, tensor in reversed(list(state.items()))}
    names = set(first.values())
    return [name for name in state if name in names]


def map_tensors(
    state: State, change: Callable[[str, torch.Tensor], torch.Tensor]
) -> dict[str, torch.Tensor]:
    """``change(name, tensor)`` of every tensor, called once for tied ones, which stay tied.

    >>> map_tensors({"w": torch.ones(2)}, lambda name, tensor: 2 * tensor)
    {'w': tensor([2., 2.])}
    """
    return zip_tensors([state], lambda name, tensors: change(name, *tensors))


def zip_tensors(
    sources: Sequence[Source], change: Callable[[str, list[torch.Tensor]], torch.Tensor]
) -> dict[str, torch.Tensor]:
    """``change(name, tensors)`` for each name, of the tensors of several models, one per model.

    The models must have the same architecture. Names that are tied in every model stay tied:
    ``change`` is called once for them, with the first name.
    """
    states = [state_of(source) for source in sources]
    check_same_architecture(states)
    changed: dict[Any, torch.Tensor] = {}
    result = {}
    for name in states[0]:
        tensors = [state[name] for state in states]
        key = tuple(storage_key(tensor) for tensor in tensors)
        if key not in changed:
            changed[key] = change(name, tensors)
        result[name] = changed[key]
    return result


def widened(state: State) -> dict[str, torch.Tensor]:
    """The state with floating-point tensors in fp32 at least; fp32 and fp64 are not copied."""
    return map_tensors(state, lambda _, t: at_least_fp32(t) if t.is_floating_point() else t)


def check_same_architecture(states: Sequence[State]) -> None:
    """Raise ValueError, naming tensors, unless all have the same names, shapes and dtypes.

    >>> check_same_architecture([{"w": torch.ones(2)}, {"w": torch.ones(3)}])
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: 'w' is (2,) of torch.float32 in one model and (3,) of
    torch.float32 in another
    """
    if not states:
        raise ArgumentError("there is no model to combine: give at least one")
    first = states[0]
    for other in states[1:]:
        check_names(first, other)
        for name, tensor in first.items():
            here = f"{tuple(tensor.shape)} of {tensor.dtype}"
            there = f"{tuple(other[name].shape)} of {other[name].dtype}"
            if here != there:
                raise ArgumentError(f"{name!r} is {here} in one model and {there} in another")


def check_names(first: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Raise ValueError, with up to three names, for tensors that only one of two models has."""
    for here, there in ((first, other), (other, first)):
        extra = [name for name in here if name not in there]
        if extra:
            names = ", ".join(map(repr, extra[:3])) + (", ..." if len(extra) > 3 else "")
            raise ArgumentError(
                f"the models do not have the same tensors: {len(extra)} of {len(here)} are in one "
                f"of them only ({names}); combine models of one architecture with the same head"
            )


def check_ties(target: State, states: Sequence[State]) -> None:
    """Raise ValueError when names that are tied in the target differ in a state."""
    first: dict[Any, str] = {}
    for name, tensor in target.items():
        other = first.setdefault(storage_key(tensor), name)
        if other != name and not all(torch.equal(s[other], s[name]) for s in states):
            raise ArgumentError(
                f"the model ties {name!r} to {other!r}, but the two differ in the weights to write"
            )


def floating(state: State) -> list[str]:
    """Names of the tensors that can be mixed, tied ones once."""
    return [name for name in distinct(state) if state[name].is_floating_point()]
