"""Versions and machine are told once, and as the libraries and the system tell them."""

from __future__ import annotations

import json
import os
import platform
from importlib import metadata

import numpy as np
import pytest
import torch
import transformers

import ftlearn
from ftlearn.fast.autotune import cache
from ftlearn.runtime.versions import (
    LIMITS,
    instruction_limits,
    machine,
    processor,
    version,
    versions,
)


def test_versions_are_those_that_the_libraries_give_themselves():
    assert versions(["ftlearn", "torch", "transformers", "numpy"]) == {
        "python": platform.python_version(),
        "ftlearn": ftlearn.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": np.__version__,
    }


def test_a_library_that_is_missing_has_no_version(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert version("setfit") is None
    assert version("ftlearn") == ftlearn.__version__, "it can run without being installed"


def test_the_machine_is_told_as_json_without_its_name():
    told = json.loads(json.dumps(machine()))
    assert told["processor"] == processor()
    assert told["processor"].startswith(platform.machine())
    assert told["cores"] == os.cpu_count()
    assert told["threads"] == torch.get_num_threads()
    assert told["memory_free_bytes"] > 0
    assert platform.node() not in told.values()


def test_limits_of_the_instructions_are_told_where_they_are_set(monkeypatch: pytest.MonkeyPatch):
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)
    assert instruction_limits() == {}
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("MKL_CBWR", "")
    assert instruction_limits() == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    assert machine()["limits"] == cache.conditions()["limits"] == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
