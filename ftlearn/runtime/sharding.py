"""A model that several processes train: replicated (DDP), or sharded across them (FSDP2)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from ftlearn.runtime.distributed import is_main, world_size

COMPOSED = "__composable_api_state_key"
"""How the attributes begin by which torch ties a module to FSDP."""


def replicate(model: nn.Module) -> nn.Module:
    """The model to call in the loop: alone or sharded, itself; otherwise wrapped in DDP.

    All processes begin with the weights of rank 0. Gradients come back as the mean over ranks.
    """
    if world_size() == 1 or is_sharded(model):
        return model
    # A pooler that the head passes by has no gradient on any rank. A copy of the gradients beside
    # the buckets that are sent would take 4 bytes more for each parameter.
    return DistributedDataParallel(model, find_unused_parameters=True, gradient_as_bucket_view=True)


def shard(model: nn.Module) -> nn.Module:
    """Spread the weights of rank 0, in place, over all processes (FSDP2).

    Each layer is gathered only while it is at work, so a model may be larger than one device:
    load it with ``device="cpu"``, and its parts go to the devices here. Alone, the model stays
    as it is.
    """
    if world_size() == 1:
        return model
    _take_from_main(model)
    depth = getattr(model.config, "num_hidden_layers", 0)
    for module in list(model.modules()):
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            for layer in module:
                fully_shard(layer)
    return fully_shard(model)


def _take_from_main(model: nn.Module) -> None:
    """Give all processes the weights that rank 0 has, as DDP does by itself."""
    for tensor in model.state_dict().values():
        dist.broadcast(tensor, src=0)


def is_sharded(model: nn.Module) -> bool:
    """Whether ``shard`` was applied."""
    return isinstance(model, FSDPModule)


def unsharded_class(module: nn.Module) -> type:
    """The class of a module, the one it had before where it was sharded.

    >>> unsharded_class(nn.Linear(1, 1)) is nn.Linear
    True
    """
    return type(module).__mro__[2] if is_sharded(module) else type(module)


def sync_gradients(model: nn.Module, last: bool) -> AbstractContextManager[Any]:
    """A context for one piece of a batch: ranks add their gradients up once, with the last one."""
    held = isinstance(model, DistributedDataParallel) and not last
    return model.no_sync() if held else nullcontext()


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """A context in which the model is only asked: no gradients, and sharded again at the end."""
    # FSDP2 keeps what it gathers; from inference mode that could never be trained again.
    with torch.no_grad() if is_sharded(model) else torch.inference_mode():
        yield
    if is_sharded(model):
        model.reshard()  # its outermost weights stay whole after a forward pass


def unsharded_copy(model: nn.Module) -> nn.Module | None:
    """The whole model, to be saved by the main process; all processes must ask together.

    One that is not sharded is whole already. Of a sharded one the main process gets a copy on
    the CPU and the others get None, so that only one machine needs memory for it.

    >>> layer = nn.Linear(1, 1)
    >>> unsharded_copy(layer) is layer
    True
    """
    if not is_sharded(model):
        return model
    model.reshard()
    parameters = dict(model.named_parameters())
    whole = {
        id(parameters[name]): nn.Parameter(tensor, parameters[name].requires_grad)
        for name, tensor in full_state_dict(parameters).items()
    }
    return _rebuilt(model, whole) if is_main() else None


def _rebuilt(module: nn.Module, whole: Mapping[int, nn.Parameter]) -> nn.Module:
    """A copy of a module of the class it had before it was sharded, without FSDP's hooks.

    ``whole`` holds the new parameter for the id of each old one, so that tied ones stay tied.
    """
    plain = unsharded_class(module)
    twin = plain.__new__(plain)
    own = {key: each for key, each in vars(module).items() if not key.startswith(COMPOSED)}
    twin.__dict__.update(own, _load_state_dict_post_hooks=OrderedDict())
    twin._forward_pre_hooks, twin._forward_hooks = OrderedDict(), OrderedDict()
    twin._parameters = {name: whole.get(id(each)) for name, each in module._parameters.items()}
    twin._buffers = {
        name: each if each is None else each.cpu() for name, each in module._buffers.items()
    }
    twin._modules = {
        name: each if each is None else _rebuilt(each, whole)
        for name, each in module._modules.items()
    }
    return twin


def full_state_dict(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors as one process would have them, for the main one to write; empty on the others.

    All processes must ask together. Sharded tensors are gathered one after the other and kept
    on the main process's CPU, so that no device needs room for all of them.
    """
    whole = {}
    for name, tensor in tensors.items():
        tensor = tensor.full_tensor().cpu() if isinstance(tensor, DTensor) else tensor
        if is_main():
            whole[name] = tensor.detach()
    return whole


def full_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as one process would have it; all processes must ask together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def distribute_like(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """A full tensor on the device of another, and sharded as it is."""
    if isinstance(other, DTensor) and tensor.shape == other.shape:
        return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements)
    return tensor.to(other.device)
