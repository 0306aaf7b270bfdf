"""A thread that computes has the cores to itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ftlearn.experiments.threads import release, started

LIBRARY = list((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))


@pytest.fixture
def two_threads():
    """Products on two threads, on any machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads() -> int:
    """How many threads this process has."""
    return len(os.listdir("/proc/self/task"))


@pytest.mark.skipif(not LIBRARY, reason="torch came without a libgomp of its own")
def test_idle_workers_end_and_start_again(two_threads):
    def compute() -> torch.Tensor:
        return torch.ones(400, 400).exp().sum()

    first = compute()
    with_workers = threads()
    assert release()
    assert threads() < with_workers
    assert compute() == first
    assert threads() == with_workers


def test_a_thread_is_given_its_arguments_and_ends_with_the_process():
    seen = []
    thread = started(lambda *arguments: seen.extend(arguments), 1, 2)
    thread.join()
    assert (seen, thread.daemon) == ([1, 2], True)
    assert not started(int).join()
