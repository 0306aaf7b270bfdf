"""``ftlearn generate`` and ``ftlearn chat``: from prompts to answers in a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_decoder import tiny_decoder

from ftlearn import cli
from ftlearn.cli.commands import chat as chatting
from ftlearn.cli.commands.chat import Dialogue
from ftlearn.errors import ArgumentError
from ftlearn.generation import Decoding, generate
from ftlearn.workflows.generating import open_model

CHAT = [{"role": "user", "content": "Good morning"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that chats."""
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A file with a dialogue, a text, and a row that is neither."""
    rows = [{"messages": CHAT}, {"prompt": "The user"}, {"question": "a"}]
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def said(folder: Path, prompts: Path, *more: str) -> tuple[int, Path]:
    """The exit code of ``ftlearn generate``, and its output."""
    target = prompts.with_name("said.jsonl")
    files = ["--input", str(prompts), "--output", str(target)]
    return cli.main(["generate", str(folder), *files, "--device", "cpu", *more]), target


def test_generate_answers_greedily_and_in_order(folder, prompts, capsys):
    code, target = said(folder, prompts, "--max-new-tokens", "5")
    assert code == 0
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    model, tokenizer, _ = open_model(folder, "cpu")
    answers = generate(model, tokenizer, [CHAT, "The user"], decoding=Decoding(max_new_tokens=5))
    assert [row.get("text") for row in rows[:2]] == [answer.text for answer in answers]
    assert rows[2]["line"] == 3
    assert "2 of 3 prompts answered; the others have their error" in capsys.readouterr().err


def test_generate_draws_as_the_package_does(folder, prompts):
    numbers = ("--temperature", "2", "--top-k", "9", "--seed", "3", "--max-new-tokens", "5")
    code, target = said(folder, prompts, "--sample", *numbers)
    assert code == 0
    drawing = Decoding(max_new_tokens=5, sample=True, temperature=2.0, top_k=9)
    model, tokenizer, _ = open_model(folder, "cpu")
    answers = generate(model, tokenizer, [CHAT, "The user"], decoding=drawing, seed=3)
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [row.get("text") for row in rows[:2]] == [answer.text for answer in answers]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            ["--temperature", "0.5"],
            "--temperature is 0.5, and only sampling reads it: add --sample",
        ),
        (["--sample", "--beams", "3"], "--beams is 3 beside --sample"),
        (["--length-penalty", "2"], "add --beams 4"),
        (["--max-new-tokens", "0"], "--max-new-tokens is 0"),
    ],
)
def test_settings_that_contradict_are_told_in_options(folder, prompts, capsys, more, words):
    code, target = said(folder, prompts, *more)
    assert code == 2
    assert words in capsys.readouterr().err
    assert not target.exists()


def test_generate_does_not_replace_a_file(folder, prompts, capsys):
    _, target = said(folder, prompts, "--max-new-tokens", "2")
    before = target.read_bytes()
    assert said(folder, prompts)[0] == 2
    assert "--overwrite" in capsys.readouterr().err
    assert target.read_bytes() == before
    assert said(folder, prompts, "--overwrite", "--max-new-tokens", "2")[0] == 0


def test_a_model_that_is_not_there_ends_with_two(prompts, tmp_path, capsys):
    assert said(tmp_path, prompts)[0] == 2
    assert "holds no model" in capsys.readouterr().err


# Chat


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """These lines on standard input, and then its end."""
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_chat_streams_answers_and_remembers_the_dialogue(folder, monkeypatch, capsys):
    typed(monkeypatch, "Good morning", "", "Thank you", "/new", "Thank you")
    assert cli.main(["chat", str(folder), "--max-new-tokens", "6", "--device", "cpu"]) == 0
    model, tokenizer, _ = open_model(folder, "cpu")

    def answer(messages: list[dict[str, str]]) -> str:
        short = Decoding(max_new_tokens=6)
        return generate(model, tokenizer, [messages], decoding=short)[0].text

    thanks = [{"role": "user", "content": "Thank you"}]
    first = answer(CHAT)
    second = answer([*CHAT, {"role": "assistant", "content": first}, *thanks])
    third = answer(thanks)
    assert second != third
    from ftlearn.markup import plain

    captured = capsys.readouterr()
    assert captured.out == "".join(f"{plain(text)}\n" for text in (first, second, third))
    assert "Ctrl-C stops an answer" in captured.err


def test_nothing_that_a_model_writes_controls_the_terminal(monkeypatch, capsys):
    typed(monkeypatch, "Hi")
    Dialogue(lambda *_: iter(["a\x1b", "[2J\r", "b\u202e"])).run()
    assert capsys.readouterr().out == "a[U+001B][2J[U+000D]b[U+202E]\n"


def test_control_c_stops_an_answer_and_keeps_what_was_said(monkeypatch, capsys):
    typed(monkeypatch, "Hi", "And?")
    seen = []

    def answer(messages: list[dict[str, str]], number: int) -> Iterator[str]:
        seen.append([message["content"] for message in messages])
        yield "Good "
        if number == 0:
            raise KeyboardInterrupt
        yield "day"

    Dialogue(answer, system="Be kind.").run()
    assert capsys.readouterr().out == "Good  [stopped]\nGood day\n"
    assert seen == [["Be kind.", "Hi"], ["Be kind.", "Hi", "Good ", "And?"]]


def test_an_answer_that_fails_or_is_empty_leaves_the_dialogue_in_turns(monkeypatch, capsys):
    typed(monkeypatch, "long", "empty", "short")

    def answer(messages: list[dict[str, str]], number: int) -> Iterator[str]:
        assert [message["role"] for message in messages] == ["user"]
        if number == 0:
            raise ArgumentError("it has 9 tokens: shorten it")
        return iter(["", "a"][number - 1 :][:1])

    Dialogue(answer).run()
    assert "error: it has 9 tokens: shorten it; /new starts again" in capsys.readouterr().err


def test_control_c_at_the_prompt_tells_how_to_end(monkeypatch, capsys):
    lines = iter([KeyboardInterrupt(), EOFError()])

    def interrupted(_: str) -> str:
        raise next(lines)

    monkeypatch.setattr("builtins.input", interrupted)
    Dialogue(lambda *_: iter(())).run()
    assert chatting.HINT in capsys.readouterr().err


def test_chat_needs_a_model_that_chats(folder, tmp_path, capsys):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path)
    assert cli.main(["chat", str(tmp_path), "--device", "cpu"]) == 2
    assert "has no chat template" in capsys.readouterr().err
