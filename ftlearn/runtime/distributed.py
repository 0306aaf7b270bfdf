"""Several processes that train one model: rank, all-reduce, share of the work.

``torchrun`` and ``accelerate launch`` start one process per device and describe the group in the
environment; ``process_group`` joins it. In a single process every function here does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist


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
def process_group() -> Iterator[None]:
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


def all_reduce_sum(values: Sequence[float], device: torch.device) -> list[float]:
    """Each value added up over all processes.

    >>> all_reduce_sum([1.5, 2], torch.device("cpu"))
    [1.5, 2]
    """
    if world_size() == 1:
        return list(values)
    added = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(added)
    return added.tolist()


def all_gather(value: Any) -> list[Any]:
    """The value of every process, in the order of their ranks.

    >>> all_gather("a")
    ['a']
    """
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def rank_share(things: Sequence[Any]) -> list[tuple[int, Any]]:
    """This rank's share of some things with their numbers, as many on each rank.

    Where they do not divide, the last one is dealt more than once.

    >>> rank_share(["a", "b"])
    [(0, 'a'), (1, 'b')]
    """
    rounds = -(-len(things) // world_size())
    numbers = [min(at * world_size() + rank(), len(things) - 1) for at in range(rounds)]
    return [(number, things[number]) for number in numbers]


def barrier() -> None:
    """Wait until all processes are here."""
    if world_size() > 1:
        dist.barrier()
