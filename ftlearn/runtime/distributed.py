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
    """The number of processes that train together.

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
    # NCCL handles tensors on GPUs only; gloo those of a model that is still on the CPU.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def _cores() -> int:
    """How many cores this process may use, which may be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def all_reduce_sum(values: Sequence[float], device: torch.device) -> list[float]:
    """The sum of each value over all processes.

    >>> all_reduce_sum([1.5, 2], torch.device("cpu"))
    [1.5, 2]
    """
    if world_size() == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(sums)
    return sums.tolist()


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


def rank_share(items: Sequence[Any]) -> list[tuple[int, Any]]:
    """This rank's share of a sequence, with indices; every rank gets equally many.

    Where the number of ranks does not divide the length, the last item is given to several ranks.

    >>> rank_share(["a", "b"])
    [(0, 'a'), (1, 'b')]
    """
    share = -(-len(items) // world_size())
    indices = [min(turn * world_size() + rank(), len(items) - 1) for turn in range(share)]
    return [(index, items[index]) for index in indices]


def barrier() -> None:
    """Wait until all processes have reached this call."""
    if world_size() > 1:
        dist.barrier()
