"""Models as named tensors: what makes two of them comparable, and which names share memory."""

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
    """Where a tensor lies and how it is read: equal for tied weights only."""
    address = tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.device
    # Tensors without elements all lie at address 0.
    return (*address, tensor.dtype, tensor.shape, tensor.stride())


def distinct(state: State) -> list[str]:
    """The names of the state, tied weights once, by their first name.

    >>> weight = torch.ones(2)
    >>> distinct({"a": weight, "b": torch.ones(2), "c": weight})
    ['a', 'b']
    """
    first = {storage_key(tensor): name for name, tensor in reversed(list(state.items()))}
    kept = set(first.values())
    return [name for name in state if name in kept]


def map_tensors(
    state: State, change: Callable[[str, torch.Tensor], torch.Tensor]
) -> dict[str, torch.Tensor]:
    """``change(name, tensor)`` of every tensor, made once for tied ones, which stay tied.

    >>> map_tensors({"w": torch.ones(2)}, lambda name, tensor: 2 * tensor)
    {'w': tensor([2., 2.])}
    """
    return zip_tensors([state], lambda name, tensors: change(name, *tensors))


def zip_tensors(
    sources: Sequence[Source], change: Callable[[str, list[torch.Tensor]], torch.Tensor]
) -> dict[str, torch.Tensor]:
    """``change(name, tensors)`` of the tensors that several models of one make have by a name.

    Names that are tied in every model stay tied; their tensor is made once, under the first name.
    """
    states = [state_of(source) for source in sources]
    check_same_architecture(states)
    made: dict[Any, torch.Tensor] = {}
    result = {}
    for name in states[0]:
        tensors = [state[name] for state in states]
        memory = tuple(map(storage_key, tensors))
        if memory not in made:
            made[memory] = change(name, tensors)
        result[name] = made[memory]
    return result


def widened(state: State) -> dict[str, torch.Tensor]:
    """The state with its floating tensors in fp32 at least; what is so already is not copied."""
    return map_tensors(state, lambda _, t: at_least_fp32(t) if t.is_floating_point() else t)


def check_same_architecture(states: Sequence[State]) -> None:
    """Raise ValueError, naming tensors, unless all have the same names, shapes and formats.

    >>> check_same_architecture([{"w": torch.ones(2)}, {"w": torch.ones(3)}])
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: 'w' is (2,) of torch.float32 in one model and (3,) of
    torch.float32 in another
    """
    if not states:
        raise ArgumentError("there is no model to combine: give one at least")
    first = states[0]
    for other in states[1:]:
        check_names(first, other)
        for name, tensor in first.items():
            kinds = [f"{tuple(t.shape)} of {t.dtype}" for t in (tensor, other[name])]
            if kinds[0] != kinds[1]:
                raise ArgumentError(
                    f"{name!r} is {kinds[0]} in one model and {kinds[1]} in another"
                )


def check_names(first: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Raise ValueError with the first few names that only one of two models has."""
    for mine, theirs in ((first, other), (other, first)):
        extra = [name for name in mine if name not in theirs]
        if extra:
            shown = ", ".join(map(repr, extra[:3])) + (", ..." if len(extra) > 3 else "")
            raise ArgumentError(
                f"the models do not have the same tensors: {len(extra)} of {len(mine)} are in one "
                f"of them only ({shown}); combine models of one architecture with the same head"
            )


def check_ties(own: State, states: Sequence[State]) -> None:
    """Raise ValueError where a model shares one tensor between names that have two in a state."""
    first: dict[Any, str] = {}
    for name, tensor in own.items():
        other = first.setdefault(storage_key(tensor), name)
        if other != name and not all(torch.equal(s[other], s[name]) for s in states):
            raise ArgumentError(
                f"the model ties {name!r} to {other!r}, and what is written differs in the two"
            )


def floating(state: State) -> list[str]:
    """Names of the tensors that can be mixed, tied ones once."""
    return [name for name in distinct(state) if state[name].is_floating_point()]
