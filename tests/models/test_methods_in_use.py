"""Adapters of every method: speed-ups, merging, saving, training and resuming."""

from __future__ import annotations

import copy
import math
import shutil
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import tiny_models
import torch
from adapted_models import TASKS, load, logits, saved_bases, trained
from datasets import Dataset, DatasetDict
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from ftlearn import evaluation, generation, models, training
from ftlearn.errors import ArgumentError
from ftlearn.fast.inference import inference_copy
from ftlearn.fast.training import speed_up
from ftlearn.generation.decoding import Decoding
from ftlearn.models import architecture, lora
from ftlearn.models.wrapping import method_of
from ftlearn.runtime.arithmetic import Arithmetic, computing
from ftlearn.training import TrainConfig, resources
from ftlearn.training.checkpoints import CheckpointError, Store
from ftlearn.training.weights import trained_weights

MERGED = ("lora", "rslora", "dora", "pissa", "ia3", "layernorm")
ROWS = ["warm and cold", "mild days", "cold", "days and days", "warm", "mild and cold"]
CONFIG = TrainConfig(epochs=2, batch_size=4, learning_rate=0.01)
every_method = pytest.mark.parametrize("method", models.METHODS)
both_kinds = pytest.mark.parametrize("kind", ["llama", "bert"])


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return saved_bases(tmp_path_factory.mktemp("base"))


def task_of(kind: str):
    return TASKS.get(kind, tiny_models.CLASSES)


def parts(kind: str) -> DatasetDict:
    columns = {"text": ROWS * 2}
    if kind == "bert":
        columns["label"] = ["warm", "mild", "cold", "mild", "warm", "cold"] * 2
    rows = Dataset.from_dict(columns)
    return DatasetDict(train=rows.select(range(8)), valid=rows.select(range(8, 12)))


def fit(folders, kind: str, method: str, config: TrainConfig = CONFIG, **more) -> tuple:
    model, tokenizer = models.load(folders[kind], task_of(kind), device="cpu", dropout=0.1)
    adapted = models.with_adapter(model, method, **more.pop("settings", {}))
    history = training.fit(adapted, parts(kind), task_of(kind), tokenizer, config, **more)
    return adapted, tokenizer, history


@both_kinds
@every_method
def test_speed_ups_compute_what_plain_peft_does(folders, kind, method):
    adapted = trained(models.with_adapter(load(folders, kind), method)).train()
    ids = torch.tensor([[5, 60, 7, 81, 9, 40], [3, 2, 8, 1, 0, 0]])
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).long()}
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    expected = adapted(**inputs).logits
    slow = torch.autograd.grad(expected.logsumexp(-1).sum(), weights, allow_unused=True)
    with speed_up(adapted, Arithmetic()):
        found = adapted(**inputs).logits
        fast = torch.autograd.grad(found.logsumexp(-1).sum(), weights, allow_unused=True)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for ours, theirs in zip(fast, slow, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@both_kinds
@pytest.mark.parametrize("method", MERGED)
def test_a_merged_model_is_plain_and_computes_the_same(folders, kind, method):
    adapted = trained(models.with_adapter(load(folders, kind), method))
    expected, before = logits(adapted), copy.deepcopy(adapted.state_dict())
    for plain in (models.merged(adapted), lora.merged_view(adapted)):
        assert not any("default" in name for name in plain.state_dict())
        torch.testing.assert_close(logits(plain), expected, atol=1e-5, rtol=1e-4)
    for name, tensor in adapted.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("method", ["prefix", "prompt"])
def test_learned_tokens_cannot_be_merged(folders, method, tmp_path):
    model, tokenizer = models.load(folders["llama"], TASKS["llama"], device="cpu")
    adapted = models.with_adapter(model, method)
    for merge in (models.merged, lora.merged_view):
        with pytest.raises(ArgumentError, match=r"models\.save_adapter"):
            merge(adapted)
    with pytest.raises(ArgumentError, match=r"models\.save_adapter"):
        models.save(adapted, tokenizer, TASKS["llama"], tmp_path / "m")


@both_kinds
@every_method
def test_an_adapter_is_saved_and_opened_again(folders, kind, method, tmp_path):
    task = TASKS["llama"] if kind == "llama" else tiny_models.CLASSES
    model, tokenizer = models.load(folders[kind], task, device="cpu")
    adapted = trained(models.with_adapter(model, method))
    models.save_adapter(adapted, tokenizer, task, tmp_path / "a")
    again, _, _ = models.load_finetuned(tmp_path / "a", device="cpu")
    tolerance = 1e-4 if method == "pissa" else 1e-6
    torch.testing.assert_close(logits(again), logits(adapted), atol=tolerance, rtol=tolerance)
    assert models.method_of(again) == ("lora" if method == "pissa" else method)
    assert architecture.count_parameters(again).trainable > 0
    before = models.greedy_answers(adapted, tokenizer, ["warm and cold", "mild"], task=task)
    after = models.greedy_answers(again, tokenizer, ["warm and cold", "mild"])
    assert models.parity(before, after).difference < 1e-3


def test_plain_peft_opens_a_pissa_adapter_on_the_published_weights(folders, tmp_path):
    model, tokenizer = models.load(folders["llama"], TASKS["llama"], device="cpu")
    adapted = trained(models.with_adapter(model, "pissa", rank=3))
    models.save_adapter(adapted, tokenizer, TASKS["llama"], tmp_path / "a")
    assert adapted.peft_config["default"].r == 3  # as before
    base = AutoModelForCausalLM.from_pretrained(folders["llama"], dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "a").eval()
    assert theirs.peft_config["default"].r == 6
    torch.testing.assert_close(logits(theirs), logits(adapted), atol=1e-4, rtol=1e-4)


@both_kinds
@every_method
@pytest.mark.parametrize("packed", [False, True])
def test_inference_copies_compute_the_adapted_model(folders, kind, method, packed):
    adapted = trained(models.with_adapter(load(folders, kind), method))
    model, rest = inference_copy(adapted, Arithmetic(packed=packed))
    with computing(torch.device("cpu"), rest):
        torch.testing.assert_close(logits(model), logits(adapted), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", ["prefix", "prompt", "ia3", "dora"])
def test_texts_in_a_batch_are_those_of_single_prompts(folders, method):
    model, tokenizer = models.load(folders["llama"], TASKS["llama"], device="cpu")
    adapted = trained(models.with_adapter(model, method))
    prompts = ["Good morning", "The user asks the assistant; the", "I"]
    greedy = Decoding(max_new_tokens=8)
    together = generation.generate(adapted, tokenizer, prompts, decoding=greedy, batch_size=3)
    for prompt, answer in zip(prompts, together, strict=True):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        for _ in range(answer.tokens):  # the slow way: the whole text again for each token
            ids = torch.cat([ids, logits(adapted, ids)[:, -1:].argmax(-1)], dim=1)
        written = ids[0, len(tokenizer(prompt)["input_ids"]) :]
        assert tokenizer.decode(written, skip_special_tokens=True) == answer.text
    beams = Decoding(max_new_tokens=4, beams=2)
    assert len(generation.generate(adapted, tokenizer, prompts, decoding=beams)) == 3


@both_kinds
@every_method
def test_a_run_learns_the_adapter_alone_and_resumes_bit_for_bit(folders, kind, method, tmp_path):
    store = Store(tmp_path / "run", keep=9)
    whole, tokenizer, history = fit(folders, kind, method, checkpoints=store)
    shutil.rmtree(next(store.folder.glob("00000004*")))  # as if it had ended after one epoch
    again, _, resumed = fit(folders, kind, method, checkpoints=store, resume=True)
    assert store.last_number() == 4
    assert [step.loss for step in resumed.steps] == [step.loss for step in history.steps]
    for name, tensor in trained_weights(whole).items():
        assert torch.equal(tensor, trained_weights(again)[name]), name
    start = models.with_adapter(load(folders, kind), method)
    before = dict(lora.base_weights(start))
    for name, weight in lora.base_weights(whole):
        assert torch.equal(weight, before[name]), name
    first = dict(start.named_parameters())
    assert all(
        not torch.equal(weight, first[name])
        for name, weight in whole.named_parameters()
        if weight.requires_grad and not name.endswith("key.bias")
    )
    report = evaluation.evaluate(whole, parts(kind)["valid"], task_of(kind), tokenizer)
    score = report.scores[task_of(kind).monitor]
    assert score == pytest.approx(history.best[task_of(kind).monitor], rel=1e-5)


@every_method
def test_frozen_weights_in_bf16_serve_every_method(folders, method, tmp_path, monkeypatch):
    monkeypatch.setenv("FTLEARN_COMPUTE", "bf16")
    published = AutoModelForCausalLM.from_pretrained(folders["llama"], dtype=torch.bfloat16)
    published.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folders["llama"]).save_pretrained(tmp_path)
    adapted, _, history = fit({"llama": tmp_path}, "llama", method)
    assert lora.holds_bf16(adapted) == (method != "pissa")  # whose rest would be rounded
    assert all(math.isfinite(step.loss) for step in history.steps)
    monkeypatch.setenv("FTLEARN_COMPUTE", "fp32")
    _, _, expected = fit({"llama": tmp_path}, "llama", method)
    assert history.evaluations[-1]["loss"] == pytest.approx(
        expected.evaluations[-1]["loss"], rel=0.02
    )
    assert {weight.dtype for weight in trained_weights(adapted).values()} == {torch.float32}


def test_a_checkpoint_of_another_method_is_refused(folders, tmp_path):
    config = replace(CONFIG, epochs=1)
    fit(folders, "bert", "lora", config, checkpoints=tmp_path)
    with pytest.raises(CheckpointError, match=r"adapter was None and is \{'method': 'rslora'"):
        fit(folders, "bert", "rslora", config, checkpoints=tmp_path, resume=True)


@both_kinds
@every_method
def test_memory_is_estimated_for_what_is_trained(folders, kind, method):
    adapted = models.with_adapter(load(folders, kind), method)
    needed = resources.estimate(adapted, batch_size=2, tokens=16)
    count = architecture.count_parameters(adapted)
    assert needed.gradients == 4 * count.trainable
    assert needed.optimizer == 8 * count.trainable
    assert needed.weights == 4 * count.total
    assert needed.activations > 0


def test_parts_of_a_table_are_named(folders):
    adapted = models.with_adapter(load(folders, "bert"), "prefix")
    table = architecture.parameter_table(adapted).set_index("part")
    assert table.loc["virtual tokens", "trainable"] == 16 * 2 * 3 * 16
    assert table.loc["head", "trainable"] > 0
    assert method_of(nn.Linear(1, 1)) is None
