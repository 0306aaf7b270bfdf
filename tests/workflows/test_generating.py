"""From a file of prompts to a file of answers: in order, complete or not at all, nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_decoder import tiny_decoder

from ftlearn import models, tasks
from ftlearn.data import DataError
from ftlearn.errors import ExistsError
from ftlearn.generation import Decoding, generate
from ftlearn.models import ModelError
from ftlearn.workflows import generating
from ftlearn.workflows.generating import Opened, generate_file, open_model

SHORT = Decoding(max_new_tokens=6)
ROWS = [
    {"id": 1, "messages": [{"role": "user", "content": "Good morning"}]},
    {"prompt": "The user asks", "id": 2},
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
    {"prompt": "a"},
]
PROMPTS = [row.get("messages") or row["prompt"] for row in ROWS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that chats."""
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture(scope="module")
def opened(folder: Path) -> Opened:
    """The tiny model and its tokenizer."""
    return open_model(folder, "cpu")


def write(path: Path, rows: list[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_row_comes_back_in_order_with_the_answer_of_generate(opened, tmp_path):
    source, target = write(tmp_path / "prompts.jsonl", ROWS), tmp_path / "said.jsonl"
    assert generate_file(opened, source, target, decoding=SHORT) == (4, 0)
    answers = generate(*opened[:2], PROMPTS, decoding=SHORT)
    assert read(target) == [
        {**row, "text": answer.text, "ended": answer.ended}
        for row, answer in zip(ROWS, answers, strict=True)
    ]
    assert [list(row)[:2] for row in read(target)][1] == ["prompt", "id"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prompts.jsonl", "said.jsonl"]


@pytest.mark.parametrize("window", [1, 3])
def test_greedy_answers_do_not_depend_on_the_window(opened, tmp_path, monkeypatch, window):
    source = write(tmp_path / "prompts.jsonl", ROWS)
    generate_file(opened, source, tmp_path / "whole.jsonl", decoding=SHORT)
    monkeypatch.setattr(generating, "WINDOW", window)
    generate_file(opened, source, tmp_path / "parts.jsonl", decoding=SHORT)
    assert read(tmp_path / "parts.jsonl") == read(tmp_path / "whole.jsonl")


def test_windows_draw_numbers_of_their_own_and_a_seed_determines_all(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(generating, "WINDOW", 1)
    source = write(tmp_path / "prompts.jsonl", [{"prompt": "The user"}] * 4)
    drawing = Decoding(max_new_tokens=6, sample=True)

    def drawn(name: str, seed: int) -> list[dict]:
        generate_file(opened, source, tmp_path / name, decoding=drawing, seed=seed)
        return read(tmp_path / name)

    first = drawn("a.jsonl", 0)
    assert len({row["text"] for row in first}) == 4
    assert drawn("b.jsonl", 0) == first
    assert drawn("c.jsonl", 1) != first


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{not json", "invalid JSON"),
        ({"text_": "a"}, "has neither 'messages' nor 'prompt': give one of them"),
        ({"prompt": "a", "messages": []}, "has both 'messages' and 'prompt'"),
        ({"prompt": "a", "text": "mine"}, "has 'text', where the answer goes: rename it"),
        ({"prompt": ["a"]}, "'prompt' is no text"),
        ({"prompt": ""}, "'prompt': it is empty"),
        ({"messages": []}, "'messages': there are no messages"),
        ({"messages": [{"role": "usr", "content": "a"}]}, "Did you mean 'user'?"),
        ({"prompt": "b " * 600}, "and the model reads 512 in all, 6 new ones included: shorten it"),
        ('{"prompt": "a", "prompt": "b"}', "the key 'prompt' occurs twice"),
    ],
)
def test_a_row_that_cannot_be_used_keeps_its_place(opened, tmp_path, row, reason):
    source, target = write(tmp_path / "p.jsonl", [ROWS[0], row, ROWS[1]]), tmp_path / "s.jsonl"
    assert generate_file(opened, source, target, decoding=SHORT) == (3, 1)
    first, bad, last = read(target)
    assert bad["line"] == 2
    assert reason in bad["error"]
    assert first["id"] == 1
    assert last["id"] == 2


def test_an_existing_target_stays_unless_told_otherwise(opened, tmp_path):
    source = write(tmp_path / "prompts.jsonl", ROWS[:1])
    target = tmp_path / "said.jsonl"
    target.write_text("mine")
    with pytest.raises(ExistsError, match="overwrite=True"):
        generate_file(opened, source, target, decoding=SHORT)
    assert target.read_text() == "mine"
    generate_file(opened, source, target, decoding=SHORT, overwrite=True)
    assert len(read(target)) == 1


def test_the_prompts_are_not_replaced_by_their_answers(opened, tmp_path):
    source = write(tmp_path / "prompts.jsonl", ROWS)
    with pytest.raises(DataError, match="name another output"):
        generate_file(opened, source, source, decoding=SHORT, overwrite=True)
    assert read(source) == ROWS


def test_answers_so_far_stay_when_the_run_breaks_off(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(generating, "WINDOW", 2)
    windows = []

    def interrupted(*args: Any, **options: Any) -> list:
        windows.append(1)
        if len(windows) == 2:
            raise KeyboardInterrupt
        return generate(*args, **options)

    monkeypatch.setattr(generating, "generate", interrupted)
    source, target = write(tmp_path / "prompts.jsonl", ROWS), tmp_path / "said.jsonl"
    with pytest.raises(KeyboardInterrupt), pytest.warns(UserWarning, match="the results so far"):
        generate_file(opened, source, target, decoding=SHORT)
    assert not target.exists()
    assert len(read(tmp_path / "said.jsonl.part")) == 2
    with pytest.raises(ExistsError, match="an earlier run that broke off"):
        generate_file(opened, source, target, decoding=SHORT)


@pytest.mark.parametrize(
    ("name", "words"), [("none.jsonl", "there is no file"), ("prompts.csv", "csv")]
)
def test_a_source_that_cannot_be_read_is_named(opened, tmp_path, name, words):
    (tmp_path / "prompts.csv").write_text("prompt\na\n")
    with pytest.raises(DataError, match=words):
        generate_file(opened, tmp_path / name, tmp_path / "said.jsonl", decoding=SHORT)
    assert not (tmp_path / "said.jsonl").exists()


@pytest.mark.parametrize("saved", ["model", "adapter"])
@pytest.mark.parametrize("kind", ["chat", "preference", "completion"])
def test_a_prompt_is_read_as_in_the_training(folder, tmp_path, kind, saved):
    task = getattr(tasks, kind)()
    model, tokenizer = models.load(folder, task, device="cpu")
    if saved == "adapter":
        models.save_adapter(models.with_lora(model, rank=2), tokenizer, task, tmp_path / "run")
    else:
        models.save(model, tokenizer, task, tmp_path / "run")
    source = write(tmp_path / "prompts.jsonl", [{"prompt": "The user asks"}])
    opened = open_model(tmp_path / "run", "cpu")
    generate_file(opened, source, tmp_path / "said.jsonl", decoding=SHORT)
    plain, message = "The user asks", [{"role": "user", "content": "The user asks"}]
    texts = [answer.text for answer in generate(*opened[:2], [plain, message], decoding=SHORT)]
    assert texts[0] != texts[1]
    (row,) = read(tmp_path / "said.jsonl")
    assert row["text"] == texts[kind != "completion"]


def test_a_run_s_model_and_an_adapter_are_opened(folder, tmp_path):
    task = tasks.completion()
    model, tokenizer = models.load(folder, task, device="cpu")
    adapted = models.with_lora(model, rank=2)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    models.save(adapted, tokenizer, task, tmp_path / "run" / "model")
    models.save_adapter(adapted, tokenizer, task, tmp_path / "adapter")
    answers = [
        generate(*open_model(path, "cpu")[:2], PROMPTS, decoding=SHORT, precision="fp32")
        for path in (tmp_path / "run", tmp_path / "run" / "model", tmp_path / "adapter")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0] != generate(*open_model(folder, "cpu")[:2], PROMPTS, decoding=SHORT)


def test_a_model_that_cannot_write_is_refused(tiny_bert):
    with pytest.raises(ModelError, match="reads the whole text at once"):
        open_model(tiny_bert, "cpu")
