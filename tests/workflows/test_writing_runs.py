"""Runs whose model writes or answers questions: what they read, measure, write and save."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from html_parsing import Parsed
from interrupting import interrupt_after
from peft import PeftModel
from tiny_decoder import tiny_decoder
from transformers import AutoModelForCausalLM, AutoTokenizer

from ftlearn import models, tasks, workflows
from ftlearn.config import TrainConfig
from ftlearn.data import DataError
from ftlearn.errors import ArgumentError
from ftlearn.generation import Decoding, generate
from ftlearn.workflows import Files, Outcome, Plan, writing
from ftlearn.workflows.text_splits import read_text_parts, row_texts

CITIES = ("Oslo", "Rome", "Lima", "Bonn", "Cork", "Nice", "Bern", "Kobe", "Riga", "Graz")


def write(path: Path, rows: list[dict]) -> Path:
    """Rows as JSON lines."""
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def chats(count: int = 30) -> list[dict]:
    """Short dialogues about parcels."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"Where is parcel {number}?"},
                {"role": "assistant", "content": f"Parcel {number} is in {CITIES[number % 10]}."},
                {"role": "user", "content": "Thank you!"},
                {"role": "assistant", "content": "You are welcome."},
            ]
        }
        for number in range(count)
    ]


def completions(count: int = 30) -> list[dict]:
    """Prompts with their answers."""
    return [
        {"prompt": f"Parcel {number} is in", "answer": f" {CITIES[number % 10]}."}
        for number in range(count)
    ]


def texts(count: int = 30) -> list[dict]:
    """Texts without labels."""
    return [{"text": f"Parcel {number} went to {CITIES[number % 10]}."} for number in range(count)]


def questions(count: int = 30) -> list[dict]:
    """Three questions on each context, every third without an answer."""
    return [
        {
            "question": f"Where is parcel {number}?",
            "context": f"Notes on lot {number // 3}. Parcel {number} is in {CITIES[number % 10]}.",
            "answer": CITIES[number % 10] if number % 3 else "",
        }
        for number in range(count)
    ]


@dataclass
class Finished:
    """A run that has ended."""

    plan: Plan
    outcome: Outcome
    lines: list[str]

    @property
    def out(self) -> Path:
        return Path(self.plan.out)

    @property
    def report(self) -> dict:
        return json.loads((self.out / "report.json").read_text())


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    """A small model that chats."""
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


def small(task: str, rows: list[dict], checkpoint: Path, folder: Path, **settings) -> Plan:
    """A small run."""
    return Plan(
        files=Files(train=write(folder / "rows.jsonl", rows), task=task),
        out=folder / "out",
        checkpoint=checkpoint,
        device="cpu",
        config=TrainConfig(epochs=2, batch_size=8, learning_rate=1e-2),
        **settings,
    )


def finish(plan: Plan) -> Finished:
    lines: list[str] = []
    return Finished(plan, workflows.fit(plan, log=lines.append), lines)


@pytest.fixture(scope="module")
def chat(decoder, tmp_path_factory) -> Finished:
    """One run with adapters for all tests that only look at it."""
    folder = tmp_path_factory.mktemp("chat")
    return finish(small("chat", chats(), decoder, folder, lora=4, system="Be brief."))


def test_a_chat_run_writes_model_and_adapter(chat):
    assert chat.outcome.state == "done"
    names = {path.name for path in chat.out.iterdir()}
    assert names == {"model", "adapter", "report.json", "report.html", "history.csv", "run.json"}
    assert "task: messages → what the assistant says in them" in chat.lines
    assert any("million of them trained" in line for line in chat.lines)


def test_the_report_compares_before_and_after(chat):
    report = chat.report
    assert report["task"] == "chat"
    before = report["baselines"]["before fine-tuning"]["loss"]["value"]
    assert report["test"]["loss"]["value"] < before
    measured = report["writing"]
    assert set(measured["before"]) == set(measured["after"])
    assert measured["before"]["generic_loss"] != measured["after"]["generic_loss"]
    assert {tuple(sample) for sample in measured["samples"]} == {
        ("prompt", "reference", "before", "after")
    }
    assert measured["samples"][0]["prompt"] == "Thank you!"
    assert measured["samples"][0]["reference"] == "You are welcome."


def test_the_page_shows_the_texts_side_by_side(chat):
    text = Parsed((chat.out / "report.html").read_text()).text
    for words in ("How it writes", "What it writes", "Hardest rows", "You are welcome."):
        assert words in text
    assert "nats per token" in text


def test_a_saved_chat_is_evaluated_on_a_file(chat, tmp_path):
    (scored,) = workflows.evaluate(chat.out, write(tmp_path / "new.jsonl", chats(5)), device="cpu")
    assert scored.read.rows == 5
    assert 0 < scored.report.scores["loss"] < chat.report["test"]["loss"]["value"] + 1


def test_plain_transformers_writes_the_same_text(chat):
    model, tokenizer, task = models.load_finetuned(chat.out, "cpu")
    prompt = [{"role": "user", "content": "Where is parcel 3?"}]
    ours = generate(model, tokenizer, [prompt], decoding=Decoding(max_new_tokens=12))[0].text
    plain = AutoModelForCausalLM.from_pretrained(chat.out / "model", dtype=torch.float32)
    reader = AutoTokenizer.from_pretrained(chat.out / "model")
    inputs = reader.apply_chat_template(
        prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    assert "Be brief." in reader.decode(inputs["input_ids"][0])
    output = plain.generate(**inputs, max_new_tokens=12, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :]
    assert reader.decode(new, skip_special_tokens=True) == ours
    assert task.system == "Be brief."


def test_peft_opens_the_adapter_with_the_same_logits(chat, decoder):
    base = AutoModelForCausalLM.from_pretrained(decoder, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(base, chat.out / "adapter").eval()
    merged = AutoModelForCausalLM.from_pretrained(chat.out / "model", dtype=torch.float32).eval()
    ids = torch.tensor([[5, 70, 41, 9, 120]])
    with torch.no_grad():
        assert torch.allclose(adapted(ids).logits, merged(ids).logits, atol=1e-4)


def test_a_run_that_was_interrupted_ends_the_same(decoder, tmp_path, monkeypatch):
    folders = [tmp_path / "whole", tmp_path / "parted"]
    for folder in folders:
        folder.mkdir()
    whole = finish(small("chat", chats(), decoder, folders[0], lora=2))
    plan = small("chat", chats(), decoder, folders[1], lora=2)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 4)
        with pytest.warns(UserWarning, match="interrupted"):
            assert workflows.fit(plan).state == workflows.INTERRUPTED
    assert workflows.fit(plan, resume=True).state == "done"
    first, second = (models.load_finetuned(run.out, "cpu")[0] for run in (whole.plan, plan))
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name]), name


@pytest.mark.parametrize(
    ("task", "rows", "kind"),
    [
        ("completion", completions(), "completion"),
        ("language-modelling", texts(), "language modelling"),
    ],
)
def test_the_other_writing_tasks_run_without_adapters(task, rows, kind, decoder, tmp_path):
    run = finish(small(task, rows, decoder, tmp_path))
    assert run.report["task"] == kind
    assert not (run.out / "adapter").exists()
    assert (
        run.report["test"]["loss"]["value"]
        < (run.report["baselines"]["before fine-tuning"]["loss"]["value"])
    )
    assert len(run.report["writing"]["samples"]) == 3  # one for each test row


def test_a_question_answering_run_compares_with_the_best_sentence(tiny_bert, tmp_path):
    run = finish(small("question-answering", questions(), tiny_bert, tmp_path, max_length=64))
    assert set(run.report["baselines"]) == {
        "no answer to any question",
        "the sentence most like the question",
    }
    assert "writing" not in run.report
    parts = run.report["data"]["rows"]
    assert sum(parts.values()) == 30
    assert "Worst answers" in (run.out / "report.html").read_text()


def test_questions_on_one_context_stay_in_one_part(tmp_path):
    task = tasks.question_answering()
    rows = [
        {**row, "context": f"Lot {at // 3}. " + "Parcel 1 is in Oslo, Rome, Lima or Bonn."}
        | {"answer": "Oslo"}
        for at, row in enumerate(questions())
    ]
    files = Files(train=write(tmp_path / "rows.jsonl", rows), task="question-answering")
    parts = read_text_parts(files, task, seed=0)
    contexts = {part: set(dataset["context"]) for part, dataset in parts.data.items()}
    assert contexts["train"] & contexts["test"] == set()
    assert contexts["train"] & contexts["valid"] == set()


def test_equal_dialogues_stay_in_one_part_and_files_are_compared(tmp_path):
    rows = chats(20) + chats(20)
    files = Files(train=write(tmp_path / "rows.jsonl", rows), task="chat")
    parts = read_text_parts(files, tasks.chat(), seed=0)
    assert parts.repeated == 40
    seen = {part: set(row_texts(data, tasks.chat())) for part, data in parts.data.items()}
    assert seen["train"] & seen["test"] == set()
    test = write(tmp_path / "test.jsonl", chats(3))
    with pytest.warns(UserWarning, match="3 of 3 texts of test also stand in train"):
        read_text_parts(replace(files, test=test), tasks.chat(), seed=0)


def test_bad_rows_are_refused_by_line_and_an_empty_file_as_a_whole(tmp_path):
    bad = {"messages": [{"role": "user", "content": "Hello?"}]}
    files = Files(train=write(tmp_path / "rows.jsonl", [*chats(12), bad]), task="chat")
    parts = read_text_parts(files, tasks.chat(), seed=0)
    (refused,) = parts.reports["train"].rejected
    assert (refused.line, "no message is the assistant's" in refused.reason) == (13, True)
    with pytest.raises(DataError, match="every row was refused"):
        read_text_parts(
            Files(train=write(tmp_path / "b.jsonl", [bad]), task="chat"), tasks.chat(), seed=0
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"system": "Be brief."}, "system is for chat"),
        ({"lora_layers": 2}, "lora_layers needs lora"),
        ({"lora": 0}, "lora is 0"),
    ],
)
def test_settings_that_do_not_belong_together_are_refused(changes, message):
    with pytest.raises(ArgumentError, match=message):
        Plan(files=Files(train="notes.csv"), out="run", **changes)


def test_each_task_has_its_defaults():
    chat = Plan(files=Files(train="a.jsonl", task="chat"), out="run")
    assert (chat.checkpoint, chat.max_length, chat.files.text) == ("smollm2", 512, ("messages",))
    plain = Plan(files=Files(train="a.csv"), out="run")
    assert (plain.checkpoint, plain.max_length, plain.files.text) == ("minilm", 128, ("text",))
    with pytest.raises(ArgumentError, match="name 2 columns as text, not question"):
        Files(train="a.jsonl", task="question-answering", text=("question",))
    with pytest.raises(ArgumentError, match="drop_rare is for tasks with labels"):
        Files(train="a.jsonl", task="chat", drop_rare=2)


def test_prompts_end_before_the_answer():
    row = chats(1)[0]["messages"]
    prompts, references = writing.prompts_of(Dataset.from_list([{"messages": row}]), tasks.chat())
    assert (prompts[0], references[0]) == (row[:3], "You are welcome.")
    prompts, references = writing.prompts_of(
        Dataset.from_list([{"text": "One two three four."}]), tasks.language_modelling()
    )
    assert prompts[0] + references[0] == "One two three four."
