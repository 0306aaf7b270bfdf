"""The parity gate lets equal models pass, and fails for each way in which saving goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_models
import torch
from lora_models import trained
from safetensors.torch import load_file, save_file
from tiny_decoder import tiny_decoder
from transformers import AutoTokenizer

from ftlearn import models
from ftlearn.models import ModelError, lora
from ftlearn.models.parity import Answer, parity
from ftlearn.tasks import chat

TASK = chat(system="Be brief.", max_length=64)
PROMPTS = ["Good morning", [{"role": "user", "content": "How are you?"}]]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[list[Answer], Path]:
    """The answers of an adapted model, and the folder with what was saved of it."""
    root = tmp_path_factory.mktemp("run")
    model, tokenizer = models.load(tiny_decoder(root / "base"), TASK, device="cpu")
    adapted = trained(models.with_lora(model, rank=4, alpha=12))
    models.save(adapted, tokenizer, TASK, root / "model")
    models.save(adapted, tokenizer, TASK, root / "narrow", precision="bf16")
    models.save_adapter(adapted, tokenizer, TASK, root / "adapter")
    return models.greedy_answers(adapted, tokenizer, PROMPTS, task=TASK), root


def reopened(folder: Path) -> list[Answer]:
    model, tokenizer, _ = models.load_finetuned(folder, device="cpu")
    return models.greedy_answers(model, tokenizer, PROMPTS)


@pytest.mark.parametrize(
    ("name", "precision"), [("model", "fp32"), ("adapter", "fp32"), ("narrow", "bf16")]
)
def test_what_was_saved_answers_as_what_was_trained(run, name, precision):
    before, root = run
    result = parity(before, reopened(root / name), precision=precision)
    assert result.prompts == 2
    assert result.difference < 1e-5 or name == "narrow"


def test_bf16_is_no_rounding_of_fp32(run):
    before, root = run
    with pytest.raises(ModelError, match="logits differ"):
        parity(before, reopened(root / "narrow"))


def copied(run, tmp_path, name: str) -> Path:
    return tiny_models.copied(run[1] / name, tmp_path / "copy")


def test_another_alpha_is_noticed(run, tmp_path):
    folder = copied(run, tmp_path, "adapter")
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "lora_alpha": 8}))
    with pytest.raises(ModelError, match="prompt 1: logits differ"):
        parity(run[0], reopened(folder))


def test_an_adapter_merged_twice_is_noticed(run, tmp_path):
    folder = copied(run, tmp_path, "model")
    path = folder / "model.safetensors"
    once, base = load_file(path), load_file(run[1] / "base" / "model.safetensors")
    twice = {name: tensor + (tensor - base[name]) for name, tensor in once.items()}
    save_file(twice, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="logits differ"):
        parity(run[0], reopened(folder))


def test_an_adapter_left_out_is_noticed(run, tmp_path):
    folder = copied(run, tmp_path, "model")
    save_file(
        load_file(run[1] / "base" / "model.safetensors"),
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(ModelError, match="logits differ"):
        parity(run[0], reopened(folder))


@pytest.mark.parametrize("template", ["missing", "without the task's system prompt"])
def test_another_template_is_noticed(run, tmp_path, template):
    folder = copied(run, tmp_path, "model")
    if template == "missing":
        (folder / "chat_template.jinja").unlink()
    else:
        original = AutoTokenizer.from_pretrained(run[1] / "base").chat_template
        (folder / "chat_template.jinja").write_text(original)
    message = "no chat template" if template == "missing" else "prompt 2: the saved model reads"
    with pytest.raises(ModelError, match=message):
        parity(run[0], reopened(folder))


def test_another_end_token_is_noticed(run, tmp_path):
    before, root = run
    model, tokenizer, _ = models.load_finetuned(root / "model", device="cpu")
    model.generation_config.eos_token_id = before[0].written[2]
    after = models.greedy_answers(model, tokenizer, PROMPTS)
    with pytest.raises(ModelError, match="its end token is another"):
        parity(before, after)


def test_a_tie_that_rounding_decided_is_no_difference():
    first = Answer([1], torch.tensor([[0.0, 3.0], [2.0, 2.00001], [5.0, 1.0]]), [1, 1, 0])
    second = Answer([1], torch.tensor([[0.0, 3.0], [2.00001, 2.0], [0.0, 9.0]]), [1, 0, 1])
    assert parity([first], [second]).difference < 1e-4
    other = Answer([1], torch.tensor([[0.0, 3.0], [2.5, 2.0], [0.0, 9.0]]), [1, 0, 1])
    with pytest.raises(ModelError, match="logits differ"):
        parity([first], [other])


def test_nan_and_a_different_number_of_answers_are_no_parity():
    good = Answer([1], torch.tensor([0.0, 3.0]), [1])
    with pytest.raises(ModelError, match="logits differ"):
        parity([good], [Answer([1], torch.tensor([0.0, float("nan")]), [1])])
    with pytest.raises(ModelError, match="cannot be compared"):
        parity([good], [])


def test_looking_changes_nothing(run):
    model, tokenizer, _ = models.load_finetuned(run[1] / "adapter", device="cpu")
    lora._hold_in(model, torch.bfloat16)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    models.greedy_answers(model, tokenizer, PROMPTS[:1], max_new_tokens=2)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
