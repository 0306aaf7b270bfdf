"""``ftlearn serve``: what it opens, and what it refuses before it listens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_decoder import tiny_decoder

from ftlearn import cli, models, tasks
from ftlearn.cli.commands.serve import LimitOptions
from ftlearn.serving import ChatModel, Predictor, ServeSettings, server
from ftlearn.serving.server import listen

TOKEN = "a-token-of-some-length"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Help that is not cut at the width of a terminal, and plain."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture(scope="module")
def folders(tiny_bert, tmp_path_factory) -> dict[str, Path]:
    """Folders of a model that predicts and of one that chats."""
    root = tmp_path_factory.mktemp("serve")
    decoder = tiny_decoder(root / "base")
    labels = tasks.Classification(labels=("a", "b"), max_length=16)
    for name, base, task in (
        ("predicts", tiny_bert, labels),
        ("chats", decoder, tasks.chat()),
    ):
        models.save(*models.load(base, task, device="cpu"), task, root / name)
    return {name: root / name for name in ("predicts", "chats")}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any, dict]]:
    """What the command would run: model, settings and address."""
    calls: list[tuple[Any, Any, dict]] = []

    def run(model: Any, settings: Any, **more: Any) -> None:
        more.pop("announce")("http://127.0.0.1:8000")
        calls.append((model, settings, more))

    monkeypatch.setattr(server, "run", run)
    return calls


def serve(folder: Path, *more: str) -> int:
    return cli.main(["serve", str(folder), "--device", "cpu", *more])


def secret(folder: Path, content: str = f"{TOKEN}\n") -> Path:
    (folder / "token").write_text(content, encoding="utf-8")
    return folder / "token"


def test_help_names_every_option(capsys):
    assert cli.main(["serve", "--help"]) == 0
    text = capsys.readouterr().out
    for name in (
        *("--host", "--port", "--token-file", "--batch-tokens", "--max-wait-ms", "--max-queue"),
        *("--max-texts", "--max-body", "--max-chats", "--max-new-tokens", "--deadline"),
        *("--log-texts", "--device", "/v1/chat/completions"),
    ):
        assert name in text


@pytest.mark.parametrize(("name", "kind"), [("predicts", Predictor), ("chats", ChatModel)])
def test_the_task_of_the_folder_decides_what_is_served(folders, served, capsys, name, kind):
    assert serve(folders[name], "--max-wait-ms", "7", "--max-chats", "3", "--port", "0") == 0
    ((model, settings, address),) = served
    assert type(model) is kind
    assert (settings.max_wait_ms, settings.max_chats, settings.token) == (7.0, 3, None)
    assert address == {"host": "127.0.0.1", "port": 0}
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{name}-")
    assert "http://127.0.0.1:8000" in captured.out
    assert captured.err == ""


def test_the_token_is_read_from_its_file(folders, served, tmp_path, capsys):
    assert serve(folders["predicts"], "--token-file", str(secret(tmp_path))) == 0
    assert served[0][1].token == TOKEN
    assert TOKEN not in "".join(capsys.readouterr())


def test_whoever_can_reach_an_open_service_is_told(folders, served, tmp_path, capsys):
    assert serve(folders["predicts"], "--host", "0.0.0.0") == 0
    assert "note: everybody who reaches this machine can ask" in capsys.readouterr().err
    token = ("--token-file", str(secret(tmp_path)))
    assert serve(folders["predicts"], "--host", "0.0.0.0", *token) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--max-texts", "9", "--max-queue", "8"), "--max-texts is 9, more than the 8 that may"),
        (("--deadline", "0"), "--deadline is 0"),
        (("--batch-tokens", "0"), "--batch-tokens is 0"),
        (("--max-new-tokens", "0"), "--max-new-tokens is 0"),
        (("--max-chats", "-1"), "--max-chats is -1"),
        (("--token-file", "no/such/file"), "no/such/file"),
    ],
)
def test_impossible_settings_end_with_two(folders, served, capsys, more, words):
    assert serve(folders["predicts"], *more) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert words in error
    assert served == []


@pytest.mark.parametrize("content", ["", "short\n", "x" * 15])
def test_a_token_that_can_be_guessed_ends_with_two(folders, served, tmp_path, capsys, content):
    assert serve(folders["predicts"], "--token-file", str(secret(tmp_path, content))) == 2
    error = capsys.readouterr().err
    assert "at least 16, drawn at random" in error
    assert "Traceback" not in error
    assert served == []


def test_a_folder_without_a_model_is_told(served, tmp_path, capsys):
    assert serve(tmp_path / "none") == 2
    assert "there is no folder" in capsys.readouterr().err
    assert serve(tmp_path) == 2
    assert "holds no model" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(folders, capsys):
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert serve(folders["predicts"], "--port", str(port)) == 2
    assert f"cannot listen on port {port} of 127.0.0.1" in capsys.readouterr().err


def test_a_missing_extra_is_one_line_with_its_remedy(folders, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("ftlearn.serving")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert serve(folders["predicts"]) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the module fastapi is missing")
    assert "pip install 'ftlearn[serving]'" in line


def test_limits_that_are_not_named_are_those_of_the_settings():
    limits = vars(LimitOptions())
    settings = vars(ServeSettings())
    assert limits == {name: settings[name] for name in limits}
    assert settings.keys() - limits.keys() == {"token"}
