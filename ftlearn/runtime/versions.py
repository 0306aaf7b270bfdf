"""Which versions and which machine: what results and times depend on beside code and data."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import ftlearn
from ftlearn.runtime.memory import memory_available

LIBRARIES = (
    *("ftlearn", "torch", "transformers", "accelerate", "datasets", "tokenizers", "numpy"),
    *("scikit-learn", "setfit", "sentence-transformers"),
)
"""All libraries whose version may change a result or a time."""

X86 = ("x86_64", "AMD64")
"""What `platform.machine()` says on Intel's and AMD's processors."""

LIMITS = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"),
    *("MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR"),
)
"""Environment variables that keep libraries from instructions that the processor has."""


def version(library: str) -> str | None:
    """The version of a library; None where it is not installed.

    >>> version("no-such-library") is None
    True
    """
    if library == "ftlearn":
        return ftlearn.__version__  # it may run from its source without being installed
    try:
        installed = metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
    if library == "torch" and torch.__version__.startswith(f"{installed}+"):
        return str(torch.__version__)  # the build as well, which the metadata may leave out
    return installed


def versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str | None]:
    """The versions of Python and of some libraries, by name.

    >>> list(versions(["torch", "numpy"]))
    ['python', 'torch', 'numpy']
    """
    return {"python": platform.python_version()} | {name: version(name) for name in libraries}


@cache
def processor() -> str:
    """The architecture and name of the processor, as the operating system gives them."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "CPU part"):
                return f"{platform.machine()} {value.strip()}"
    return f"{platform.machine()} {platform.processor()}".strip()


def instruction_limits() -> dict[str, str]:
    """Those of ``LIMITS`` that are set in the environment."""
    return {name: os.environ[name] for name in LIMITS if os.environ.get(name)}


def machine() -> dict[str, Any]:
    """What speed depends on in this machine; its name is left out.

    Keys: system, processor, cores, threads, memory_free_bytes, gpu, limits.
    """
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_free_bytes": memory_available(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "limits": instruction_limits(),
    }
