"""What the machine offers, compared with other libraries and the kernel."""

from __future__ import annotations

import importlib
import json
import platform
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch

from ftlearn import runtime
from ftlearn.runtime import memory

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_device_prefers_cuda_then_mps(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert runtime.best_device().type == expected


def test_what_is_fastest_on_a_cpu_is_left_to_measuring():
    assert runtime.precision(CPU) is None


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_cuda_takes_fp16_where_bf16_is_emulated(
    monkeypatch: pytest.MonkeyPatch, native: bool, expected: torch.dtype
):
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation  # a T4 says yes to emulated bf16

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert runtime.precision(CUDA) is expected


def test_precision_takes_the_named_one():
    assert runtime.precision(CPU, "bf16") is torch.bfloat16
    assert runtime.precision(CUDA, "fp16") is torch.float16
    assert runtime.precision(torch.device("mps")) is torch.float32


def test_precision_rejects_fp16_on_a_cpu_and_unknown_names():
    with pytest.raises(ValueError, match=r"'fp16' needs a CUDA device, not 'cpu': use bf16"):
        runtime.precision(CPU, "fp16")
    with pytest.raises(ValueError, match=r"unknown precision 'int8': use auto, fp32"):
        runtime.precision(CPU, "int8")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_changes_products_only_below_fp32(dtype: torch.dtype):
    matrix = torch.eye(2)
    with runtime.autocast(CPU, dtype):
        assert (matrix @ matrix).dtype is dtype


def test_seed_everything_repeats_all_three_generators():
    def draw() -> tuple[float, float, float]:
        return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002

    runtime.seed_everything(2**32 + 5)  # NumPy alone takes only 32 bits
    first = draw()
    runtime.seed_everything(2**32 + 5)
    assert draw() == first
    runtime.seed_everything(6)
    assert all(new != old for new, old in zip(draw(), first, strict=True))


def test_memory_follows_an_allocation():
    before = runtime.memory_used()
    held = np.ones(25_000_000)  # 200 MB
    grown = runtime.memory_used() - before
    assert 0.9 * held.nbytes < grown < 1.2 * held.nbytes
    assert runtime.memory_peak() >= runtime.memory_used() * 0.99


def test_peak_memory_is_not_that_of_the_parent_process():
    ballast = b"x" * 900_000_000
    code = "from ftlearn import runtime; print(runtime.memory_peak())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert 50_000_000 < int(child.stdout) < len(ballast)


def test_peak_memory_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(memory, "Path", lambda _: tmp_path / "missing")
    assert runtime.memory_peak() >= runtime.memory_used() * 0.9  # as on macOS, by getrusage
    windows = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=7))
    monkeypatch.setattr(memory.psutil, "Process", lambda: windows)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert runtime.memory_peak() == 7


def test_available_memory_respects_the_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "memory_used", lambda: 300)
    monkeypatch.setattr(memory, "Path", lambda _: limit)
    machine = psutil.virtual_memory().available
    limit.write_text("2000\n")
    assert runtime.memory_available() == 1700
    limit.write_text("max\n")
    assert runtime.memory_available() == pytest.approx(machine, rel=0.2)
    limit.unlink()
    assert runtime.memory_available() == pytest.approx(machine, rel=0.2)


def test_what_torch_keeps_of_a_graphics_card_is_free_for_it(monkeypatch: pytest.MonkeyPatch):
    held = {"mem_get_info": (10, 100), "memory_reserved": 60, "memory_allocated": 35}
    for name, value in held.items():
        monkeypatch.setattr(torch.cuda, name, lambda on, value=value: value)
    assert runtime.memory_available(CUDA) == 10 + 60 - 35


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1_500, "2 kB"), (83_000_000, "83 MB"), (2e9, "2.00 GB")],
)
def test_sizes_are_read_in_powers_of_a_thousand(count: float, text: str):
    assert runtime.format_bytes(count) == text


def faults(megabytes: int, rounds: int = 4) -> float:
    """The share of a tensor's pages that the kernel handed out again at each allocation."""
    import resource  # which Windows does not have

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(megabytes * 250_000)
    pages = rounds * megabytes * 1e6 / resource.getpagesize()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / pages


def settled() -> None:
    """Inside, memory is kept: after a few times no page is handed out again."""
    assert any(faults(40) < 0.05 for _ in range(5))


def given_back() -> None:
    """Outside, a block that is larger than any hole in the heap goes and comes each time."""
    assert faults(300) > 0.9


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
class TestRetainedMemory:
    """glibc by itself keeps blocks of up to 32 MB; those here are larger."""

    def test_inside_pages_are_handed_out_once_and_outside_each_time(self):
        given_back()
        with runtime.retain_freed_memory():
            settled()
        given_back()

    def test_at_the_end_what_is_free_goes_back(self):
        with runtime.retain_freed_memory():
            torch.ones(50_000_000)  # 200 MB
            inside = runtime.memory_used()
        assert inside - runtime.memory_used() > 150e6

    def test_after_an_error(self):
        with pytest.raises(KeyError), runtime.retain_freed_memory():
            raise KeyError
        given_back()

    def test_after_a_generator_that_was_left(self):
        def walk() -> Iterator[int]:
            with runtime.retain_freed_memory():
                yield from range(9)

        steps = walk()
        next(steps)
        settled()
        steps.close()
        given_back()

    def test_one_within_another(self):
        with runtime.retain_freed_memory():
            with runtime.retain_freed_memory():
                settled()
            settled()
        given_back()


@pytest.mark.parametrize("where", ["another C library", "another system"])
def test_retaining_does_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch, where: str):
    if where == "another system":
        monkeypatch.setattr(memory.sys, "platform", "darwin")
        monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: pytest.fail("it was called"))
    else:
        monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    with runtime.retain_freed_memory():
        inside = [1]
    assert inside


def test_the_random_state_outlives_json():
    def draw() -> list[float]:
        numbers = [random.gauss(0, 1), np.random.normal(), torch.randn(()).item()]  # noqa: NPY002
        return [*numbers, *torch.rand(3).tolist()]

    runtime.seed_everything(3)
    draw()  # leaves the second half of a Gaussian pair in two of the generators
    state = json.loads(json.dumps(runtime.rng_state(CPU)))
    first = draw()
    draw()
    runtime.set_rng_state(state, CPU)
    assert draw() == first


def generators(monkeypatch: pytest.MonkeyPatch, kind: str) -> dict[int, torch.Generator]:
    """Two generators in place of those of two devices of a kind; the first is the current one."""
    known = {index: torch.Generator().manual_seed(index) for index in (0, 1)}

    def of(on: torch.device | str) -> torch.Generator:
        return known[torch.device(on).index or 0]

    module = getattr(torch, kind)
    monkeypatch.setattr(module, "is_available", lambda: True)
    monkeypatch.setattr(module, "get_rng_state", lambda device=kind: of(device).get_state())
    monkeypatch.setattr(
        module, "set_rng_state", lambda state, device=kind: of(device).set_state(state)
    )
    return known


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_the_random_state_is_that_of_the_runs_own_device(
    monkeypatch: pytest.MonkeyPatch, name: str
):
    on = torch.device(name)
    known = generators(monkeypatch, on.type)
    current, other = known[on.index or 0], known[1 - (on.index or 0)]
    state = json.loads(json.dumps(runtime.rng_state(on)))
    drawn, there = torch.rand(3, generator=current), torch.rand(3, generator=other)
    runtime.set_rng_state(state, on)
    assert torch.equal(torch.rand(3, generator=current), drawn)
    assert not torch.equal(torch.rand(3, generator=other), there)  # it went on undisturbed


@pytest.mark.parametrize("cuda", [None, torch.Generator().manual_seed(5).get_state().tolist()])
def test_random_states_of_older_versions_are_understood(
    monkeypatch: pytest.MonkeyPatch, cuda: list[int] | None
):
    """They had "cuda", of the current device, wherever the run was."""
    known = generators(monkeypatch, "cuda")
    state = {**runtime.rng_state(CPU), "cuda": cuda}
    runtime.set_rng_state(state, CPU)
    assert [generator.initial_seed() for generator in known.values()] == [0, 1]
    runtime.set_rng_state(state, torch.device("cuda:1"))
    assert [generator.initial_seed() for generator in known.values()] == [0, 5 if cuda else 1]


def test_every_public_name_of_the_package_has_its_home():
    assert set(runtime._HOMES) == set(runtime.__all__) == set(dir(runtime))
    for name, home in runtime._HOMES.items():
        module = importlib.import_module(f"ftlearn.runtime.{home}")
        assert getattr(runtime, name) is getattr(module, name)
    with pytest.raises(AttributeError, match="has no attribute 'gone'"):
        runtime.gone  # noqa: B018
