"""The kinds of machine that lessons and tests must pass on, as this machine can imitate them."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ftlearn.fast.autotune import VARIABLE as COMPUTE
from ftlearn.runtime.versions import X86
from tools import notebooks

OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "FTLEARN_PROGRESS": ""}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
AVX2 = {  # one variable per library: each chooses its own kernels
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
IMITATION = Path(__file__).parent / "bf16_imitation"
SLOWER = 3  # how many times the usual time a lesson may take in the imitation
CPUINFO = Path("/proc/cpuinfo")
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is Arm's


@dataclass(frozen=True)
class Regime:
    """One kind of machine, and the environment in which processes imitate it."""

    name: str
    what: str
    at_once: int
    """The number of lessons that run in parallel."""
    seconds: int
    """The time limit per lesson."""
    environment: dict[str, str] = field(default_factory=dict)
    possible: bool = True


def all_regimes() -> dict[str, Regime]:
    """The three regimes by name, for the machine at hand.

    >>> list(all_regimes())
    ['plain', 'small', 'bf16']
    """
    cores = notebooks.cpu_cores()
    seconds = 90 if cores > 1 else 180
    small = ONE_THREAD | (AVX2 if platform.machine() in X86 else {})
    regimes = [
        Regime("plain", f"this machine as it is ({cores} cores)", 1, seconds),
        Regime("small", "an old laptop or Binder: one thread, no kernel above AVX2", 2, 180, small),
        bf16(seconds) if multiplies_bf16() else imitated_bf16(seconds),
    ]
    return {regime.name: regime for regime in regimes}


def bf16(seconds: int) -> Regime:
    """Products in bf16 by the processor's instructions for it."""
    what = "matrix products in bf16, whatever is fastest here"
    return Regime("bf16", what, 1, seconds, {COMPUTE: "bf16"})


def imitated_bf16(seconds: int) -> Regime:
    """Products that round as those instructions do, on a processor that has none.

    Torch's own kernels for bf16 would give the same numbers, ten times more slowly.
    """
    what = "matrix products in bf16 (imitated: computed in fp32, results rounded to bf16)"
    path = os.pathsep.join(filter(None, [str(IMITATION), os.environ.get("PYTHONPATH")]))
    environment = {COMPUTE: "bf16", "PYTHONPATH": path}
    return Regime("bf16", what, 1, SLOWER * seconds, environment)


def choose(names: Iterable[str]) -> list[Regime]:
    """The named regimes, or all if no name is given. Raises ValueError for an unknown name.

    >>> [regime.name for regime in choose(["small"])]
    ['small']
    """
    known = all_regimes()
    names = list(names)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no regime {unknown[0]!r}; there are {', '.join(known)}")
    return [known[name] for name in names or known]


def multiplies_bf16() -> bool:
    """Whether the processor has instructions for products of bf16 numbers (AVX-512, AMX, Arm)."""
    if CPUINFO.exists():
        return not BF16_FLAGS.isdisjoint(CPUINFO.read_text(encoding="utf-8").split())
    if platform.system() == "Darwin":
        command = ["/usr/sbin/sysctl", "-n", "hw.optional.arm.FEAT_BF16"]
        return (
            subprocess.run(command, capture_output=True, text=True, check=False).stdout[:1] == "1"
        )
    return torch.cpu._is_avx512_bf16_supported()
