"""A plain folder for llama.cpp's script: read back by gguf's own reader, with the same texts."""

from __future__ import annotations

import json

import lora_models
import pytest
import torch
from gguf.vocab import SpecialVocab
from safetensors import safe_open
from tiny_decoder import tiny_decoder
from transformers import AutoModelForCausalLM, AutoTokenizer

from ftlearn import formats, models, tasks
from ftlearn.formats import gguf_ready
from ftlearn.formats.names import ParityError

PROMPTS = ["Where is my parcel?", "Thank you", "Can I return the lamp?"]


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    """The folder of an adapter on a decoder that chats."""
    root = tmp_path_factory.mktemp("gguf")
    model, tokenizer = models.load(tiny_decoder(root / "base"), lora_models.TASK, device="cpu")
    adapted = lora_models.trained(models.with_lora(model))
    models.save_adapter(adapted, tokenizer, lora_models.TASK, root / "run" / "adapter")
    return root / "run"


@pytest.fixture(scope="module")
def exported(chat):
    return formats.export(chat, "gguf-ready", PROMPTS)


def test_the_texts_are_the_same(exported, chat):
    assert exported.folder == chat / "formats" / "gguf-ready"
    assert (exported.parity.equal, exported.parity.rows) == (3, 3)
    assert exported.parity.difference < 0.05


def test_the_folder_is_what_the_script_reads(exported):
    config = json.loads((exported.folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert (exported.folder / "tokenizer.json").is_file()
    tokenizer = AutoTokenizer.from_pretrained(exported.folder)
    special = SpecialVocab(exported.folder, n_vocab=config["vocab_size"])
    assert special.special_token_ids["eos"] == tokenizer.eos_token_id
    assert special.chat_template == tokenizer.chat_template
    assert "<|im_start|>" in special.chat_template
    with safe_open(exported.folder / "model.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert not any("lora" in name for name in tensors)


def test_transformers_alone_writes_what_the_adapted_model_writes(exported, chat):
    model, tokenizer, task = models.load_finetuned(chat, "cpu")
    messages = [[{"role": "user", "content": prompt}] for prompt in PROMPTS]
    expected = models.greedy_answers(model, tokenizer, messages, task=task, max_new_tokens=8)
    plain = AutoModelForCausalLM.from_pretrained(exported.folder, dtype=torch.float32)
    its_tokenizer = AutoTokenizer.from_pretrained(exported.folder)
    got = models.greedy_answers(plain, its_tokenizer, messages, max_new_tokens=8)
    assert [answer.written for answer in got] == [answer.written for answer in expected]


def test_numbers_of_bf16_stay_bf16(tmp_path):
    base = tiny_decoder(tmp_path / "base")
    model, tokenizer = models.load(base, tasks.completion(), device="cpu")
    rounded = model.bfloat16().float()
    models.save(rounded, tokenizer, tasks.completion(), tmp_path / "run")
    folder = formats.export(tmp_path / "run", "gguf-ready", PROMPTS).folder
    reopened = AutoModelForCausalLM.from_pretrained(folder)
    assert reopened.dtype is torch.bfloat16
    assert all(
        torch.equal(weight.float(), other)
        for weight, other in zip(reopened.parameters(), rounded.parameters(), strict=True)
    )


def test_other_texts_are_refused(chat, tmp_path, monkeypatch):
    in_format = gguf_ready._in

    def scaled(model, dtype):
        changed = in_format(model, dtype)
        changed.model.norm.weight.data *= -1
        return changed

    monkeypatch.setattr(gguf_ready, "_in", scaled)
    with pytest.raises(ParityError, match="of 3 answers equal"):
        formats.export(chat, "gguf-ready", PROMPTS, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
