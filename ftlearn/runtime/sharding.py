"""A model that several processes train: replicated (DDP), or sharded across them (FSDP2)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MethodType
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from ftlearn.runtime.distributed import is_main, world_size

FSDP_ATTRIBUTE = "__composable_api_state_key"
"""Prefix of the attributes in which torch keeps a module's FSDP state."""


def replicate(model: nn.Module) -> nn.Module:
    """The model to call in the loop: itself where it is alone or sharded, else wrapped in DDP.

    All processes begin with the weights of rank 0. Gradients are averaged over ranks.
    """
    if world_size() == 1 or is_sharded(model):
        return model
    # A pooler that the head does not use has no gradient on any rank. Gradients apart from the
    # buckets in which they are sent would take 4 bytes more per parameter.
    return DistributedDataParallel(model, find_unused_parameters=True, gradient_as_bucket_view=True)


def shard(model: nn.Module) -> nn.Module:
    """Distribute the weights of rank 0, in place, across all processes (FSDP2).

    Each layer is gathered only while it computes, so a model may be larger than one device: load
    it with ``device="cpu"``, and its shards go to the devices here. In a single process the model
    stays as it is.
    """
    if world_size() == 1:
        return model
    _broadcast_weights(model)
    depth = getattr(model.config, "num_hidden_layers", 0)
    for module in list(model.modules()):
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            for layer in module:
                fully_shard(layer)
    return fully_shard(model)


def _broadcast_weights(model: nn.Module) -> None:
    """Give all processes the weights of rank 0, as DDP does by itself."""
    for tensor in model.state_dict().values():
        dist.broadcast(tensor, src=0)


def is_sharded(model: nn.Module) -> bool:
    """Whether ``shard`` was applied."""
    return isinstance(model, FSDPModule)


def unsharded_class(module: nn.Module) -> type:
    """The class of a module, for a sharded one the class it had before.

    >>> unsharded_class(nn.Linear(1, 1)) is nn.Linear
    True
    """
    # FSDP derives a class from FSDPModule and the module's own, in this order; torch itself finds
    # the latter so.
    return type(module).__mro__[2] if is_sharded(module) else type(module)


def sync_gradients(model: nn.Module, last: bool) -> AbstractContextManager[Any]:
    """A context for one micro-batch: ranks exchange gradients only once, with the last one."""
    postponed = isinstance(model, DistributedDataParallel) and not last
    return model.no_sync() if postponed else nullcontext()


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """A context for forward passes without gradients; at the end the model is sharded again."""
    # FSDP2 keeps the tensors that it gathers; inference mode would make them untrainable for good.
    with torch.no_grad() if is_sharded(model) else torch.inference_mode():
        yield
    if is_sharded(model):
        model.reshard()  # its outermost weights stay gathered after a forward pass


def unsharded_copy(model: nn.Module) -> nn.Module | None:
    """The complete model, for the main process to save; all processes must call this together.

    A model that is not sharded is returned as it is. Of a sharded one the main process gets a copy
    on the CPU and the others get None, so that only one machine needs memory for it. It is copied
    module by module: a new model from the configuration would lack later changes, such as its head.

    >>> layer = nn.Linear(1, 1)
    >>> unsharded_copy(layer) is layer
    True
    """
    if not is_sharded(model):
        return model
    model.reshard()
    parameters = dict(model.named_parameters())
    full = {
        id(parameters[name]): nn.Parameter(tensor, parameters[name].requires_grad)
        for name, tensor in full_state_dict(parameters).items()
    }
    copies: dict[int, nn.Module] = {}
    copy = _unsharded(model, full, copies) if is_main() else None
    for module in copies.values():
        _bind_methods(module, copies)
    return copy


def _bind_methods(module: nn.Module, copies: Mapping[int, nn.Module]) -> None:
    """Bind methods that a module keeps of others, as peft's models do, to the copies of those."""
    for name, value in vars(module).items():
        if isinstance(value, MethodType) and id(value.__self__) in copies:
            module.__dict__[name] = MethodType(value.__func__, copies[id(value.__self__)])


def _unsharded(
    module: nn.Module, full: Mapping[int, nn.Parameter], copies: dict[int, nn.Module]
) -> nn.Module:
    """A copy of a module in the class it had before it was sharded, without FSDP's hooks.

    ``full`` maps the id of each sharded parameter to the full one, so that tied ones stay tied.
    ``copies`` gets each copy, by the id of the module that it is of.
    """
    module_class = unsharded_class(module)
    copy = module_class.__new__(module_class)
    attributes = {
        name: value for name, value in vars(module).items() if not name.startswith(FSDP_ATTRIBUTE)
    }
    copy.__dict__.update(attributes)
    copy._load_state_dict_post_hooks = OrderedDict()
    copy._forward_pre_hooks = OrderedDict()
    copy._forward_hooks = OrderedDict()
    copy._parameters = {
        name: full.get(id(parameter)) for name, parameter in module._parameters.items()
    }
    copy._buffers = {
        name: None if buffer is None else buffer.cpu() for name, buffer in module._buffers.items()
    }
    copy._modules = {
        name: None if child is None else _unsharded(child, full, copies)
        for name, child in module._modules.items()
    }
    copies[id(module)] = copy
    return copy


def full_state_dict(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The full tensors, for the main process to write; empty on the others.

    All processes must call this together. Sharded tensors are gathered one at a time and kept on
    the main process's CPU, so that no device needs memory for all of them.
    """
    full = {}
    for name, tensor in tensors.items():
        tensor = tensor.full_tensor().cpu() if isinstance(tensor, DTensor) else tensor
        if is_main():
            full[name] = tensor.detach()
    return full


def full_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """The full tensor of a sharded one; all processes must call this together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def distribute_like(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """A full tensor moved to the device of another, and sharded in the same way."""
    if isinstance(other, DTensor) and tensor.shape == other.shape:
        return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements)
    return tensor.to(other.device)
