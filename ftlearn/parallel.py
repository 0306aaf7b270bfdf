"""Several processes that train one model: who am I, add up, share the work.

``torchrun`` and ``accelerate launch`` start one process for each device and describe the group
in the environment; ``started`` joins it. Alone, every function here does nothing.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

COMPOSED = "__composable_api_state_key"
"""How the attributes begin by which torch ties a module to FSDP."""


def world_size() -> int:
    """How many processes train together.

    >>> world_size()
    1
    """
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def is_main() -> bool:
    """Whether this process writes files and prints: the one with rank 0."""
    return rank() == 0


@contextmanager
def started() -> Iterator[None]:
    """Join the group that the launcher describes in the environment, and leave it at the end.

    Each process takes the device of its local rank, or its share of the CPU's cores.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    local = int(os.environ["LOCAL_RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(local)
    else:
        neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        torch.set_num_threads(max(1, _cores() // neighbours))
    # NCCL knows of tensors on GPUs only; gloo carries those of a model that is still on the CPU.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def _cores() -> int:
    """How many cores this process may use: a scheduler may have given it fewer than there are."""
    given = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(given(0)) if given else os.cpu_count() or 1


def sums(values: Sequence[float], device: torch.device) -> list[float]:
    """Each value added up over all processes.

    >>> sums([1.5, 2], torch.device("cpu"))
    [1.5, 2]
    """
    if world_size() == 1:
        return list(values)
    added = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(added)
    return added.tolist()


def gather(value: Any) -> list[Any]:
    """The value of every process, in the order of their ranks.

    >>> gather("a")
    ['a']
    """
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def dealt(things: Sequence[Any]) -> list[tuple[int, Any]]:
    """This rank's share of some things with their numbers, as many on each rank.

    Where they do not divide, the last one is dealt more than once.

    >>> dealt(["a", "b"])
    [(0, 'a'), (1, 'b')]
    """
    rounds = -(-len(things) // world_size())
    numbers = [min(at * world_size() + rank(), len(things) - 1) for at in range(rounds)]
    return [(number, things[number]) for number in numbers]


def wait() -> None:
    """Wait until all processes are here."""
    if world_size() > 1:
        dist.barrier()


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


def kind(module: nn.Module) -> type:
    """The class of a module, the one it had before where it was sharded.

    >>> kind(nn.Linear(1, 1)) is nn.Linear
    True
    """
    return type(module).__mro__[2] if is_sharded(module) else type(module)


def syncing(model: nn.Module, last: bool) -> AbstractContextManager[Any]:
    """A context for one piece of a batch: ranks add their gradients up once, with the last one."""
    held = isinstance(model, DistributedDataParallel) and not last
    return model.no_sync() if held else nullcontext()


@contextmanager
def asked_only(model: nn.Module) -> Iterator[None]:
    """A context in which the model is only asked: no gradients, and sharded again at the end."""
    # FSDP2 keeps what it gathers; from inference mode that could never be trained again.
    with torch.no_grad() if is_sharded(model) else torch.inference_mode():
        yield
    if is_sharded(model):
        model.reshard()  # its outermost weights stay whole after a forward pass


def gathered(model: nn.Module) -> nn.Module | None:
    """The whole model, to be saved by the main process; all processes must ask together.

    One that is not sharded is whole already. Of a sharded one the main process gets a copy on
    the CPU and the others get None, so that only one machine needs memory for it.

    >>> layer = nn.Linear(1, 1)
    >>> gathered(layer) is layer
    True
    """
    if not is_sharded(model):
        return model
    model.reshard()
    parameters = dict(model.named_parameters())
    whole = {
        id(parameters[name]): nn.Parameter(tensor, parameters[name].requires_grad)
        for name, tensor in collected(parameters).items()
    }
    return _rebuilt(model, whole) if is_main() else None


def _rebuilt(module: nn.Module, whole: Mapping[int, nn.Parameter]) -> nn.Module:
    """A copy of a module of the class it had before it was sharded, without FSDP's hooks.

    ``whole`` holds the new parameter for the id of each old one, so that tied ones stay tied.
    """
    plain = kind(module)
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


def collected(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
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


def full(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as one process would have it; all processes must ask together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """A full tensor on the device of another, and sharded as it is."""
    if isinstance(other, DTensor) and tensor.shape == other.shape:
        return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements)
    return tensor.to(other.device)
