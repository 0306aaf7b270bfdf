"""Runs with an adapter: what is trained, kept and resumed, by one process and by two."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import lora_models
import numpy as np
import pytest
import torch
from lora_models import CONFIG, PARTS, TASK
from safetensors.torch import load_file
from tiny_decoder import tiny_decoder
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from waiting import HANG

from ftlearn import evaluation, models, training
from ftlearn.fast.sparse_embeddings import trained_rows
from ftlearn.models import lora
from ftlearn.training import resources
from ftlearn.training.checkpoints import CheckpointError, Store
from ftlearn.training.resuming import checkpoint_bytes
from ftlearn.training.weights import frozen_fingerprint, trained_weights
from tools.notebooks import ROOT


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    return tiny_decoder(tmp_path_factory.mktemp("base") / "decoder")


@pytest.fixture(scope="module")
def published(decoder, tmp_path_factory) -> Path:
    """The same model with weights in bf16, as most are published."""
    folder = tmp_path_factory.mktemp("published")
    AutoModelForCausalLM.from_pretrained(decoder, dtype=torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(decoder).save_pretrained(folder)
    return folder


def adapted(folder: Path, **settings) -> tuple[nn.Module, object]:
    model, tokenizer = models.load(folder, TASK, device="cpu")
    return models.with_lora(model, **{"rank": 4, **settings}), tokenizer


def fit(folder: Path, config=CONFIG, lora_settings=(), **more) -> tuple[nn.Module, object]:
    model, tokenizer = adapted(folder, **dict(lora_settings))
    return model, training.fit(model, PARTS, TASK, tokenizer, config, **more)


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trained_weights(model).items()}


def assert_equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_only_the_adapter_learns_and_has_gradients_and_state(decoder):
    model, tokenizer = adapted(decoder)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batches = TASK.batches(PARTS["train"], tokenizer, CONFIG)
    run = training.steps(model, batches, TASK.loss, CONFIG, count=TASK.count_targets)
    losses = [step.loss for step in run]
    assert losses[-1] < losses[0]
    assert run.sparse_rows == []
    assert all("lora_" in name for name in run.parameters)
    assert set(run.optimizer.state) == set(run.parameters.values())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == ("lora_" not in name), name
    assert all(weight.grad is None for _, weight in lora.base_weights(model))
    assert trained_rows(model, [[1, 2]]) == []


def test_a_run_is_that_of_the_sum_of_matrices(decoder):
    """Momentum on A and B through W + 2 B A, written out, gives the same adapter."""
    config = replace(CONFIG, epochs=1, optimizer="momentum", learning_rate=0.05, weight_decay=0.0)
    model, tokenizer = adapted(decoder)
    plain, _ = models.load(decoder, TASK, device="cpu")
    learning = {
        name: weight.detach().clone().requires_grad_()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }
    batches = TASK.batches(PARTS["train"], tokenizer, config)
    run = training.steps(model, batches, TASK.loss, config, count=TASK.count_targets)
    rates = [step.learning_rate for step in run]
    optimizer = torch.optim.SGD(learning.values(), lr=1.0, momentum=0.9)
    for rate, micro_batches in zip(rates, batches.epoch(0), strict=True):
        weights = dict(plain.named_parameters())
        for name in learning:
            if "lora_A" in name:
                target = name.removeprefix("base_model.model.").split(".lora_A")[0] + ".weight"
                change = learning[name.replace("lora_A", "lora_B")] @ learning[name]
                weights[target] = weights[target].detach() + 2 * change
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        summed = [
            TASK.loss(torch.func.functional_call(plain, weights, kwargs=b.inputs).logits, b.targets)
            for b in micro_batches
        ]
        (sum(part.total for part in summed) / sum(part.count for part in summed)).backward()
        nn.utils.clip_grad_norm_(learning.values(), config.max_grad_norm)
        optimizer.step()
    for name, weight in trained_weights(model).items():
        torch.testing.assert_close(weight, learning[name].detach(), atol=1e-5, rtol=1e-3)


def test_checkpoints_hold_the_adapter_alone(decoder, tmp_path):
    model, _ = fit(decoder, checkpoints=tmp_path)
    newest = Store(tmp_path).newest()
    assert_equal(newest.tensors("model"), state(model))
    numbers = sum(tensor.numel() for tensor in trained_weights(model).values())
    assert all("lora_" in name for name in newest.tensors("model"))
    assert checkpoint_bytes(model, CONFIG) == 3 * 4 * numbers


@pytest.mark.parametrize("compute", ["fp32", "bf16"])
def test_a_run_resumes_bit_for_bit(published, tmp_path, monkeypatch, compute):
    monkeypatch.setenv("FTLEARN_COMPUTE", compute)
    settings = {"dropout": 0.1}
    whole, history = fit(published, lora_settings=settings, checkpoints=tmp_path / "whole")
    assert lora.holds_bf16(whole) == (compute == "bf16")
    store = Store(tmp_path / "cut", keep=9)
    fit(published, lora_settings=settings, checkpoints=store)
    for place in (tmp_path / "cut").iterdir():  # as if it had ended after the first epoch
        if place.name.startswith("00000008"):
            for file in place.iterdir():
                file.unlink()
            place.rmdir()
    assert store.newest().state["number"] == 4
    again, resumed = fit(
        published, lora_settings=settings, checkpoints=tmp_path / "cut", resume=True
    )
    assert_equal(state(again), state(whole))
    assert [step.loss for step in resumed.steps] == [step.loss for step in history.steps]
    assert resumed.evaluations == history.evaluations


def test_a_checkpoint_on_another_base_model_is_refused(decoder, tmp_path):
    fit(decoder, replace(CONFIG, epochs=1), checkpoints=tmp_path / "run")
    model, tokenizer = adapted(decoder)
    with torch.no_grad():
        model.get_base_model().model.embed_tokens.weight[7, 7] += 0.5
    config = replace(CONFIG, epochs=1)
    with pytest.raises(CheckpointError, match="on another base model"):
        training.fit(
            model, PARTS, TASK, tokenizer, config, checkpoints=tmp_path / "run", resume=True
        )


@pytest.mark.parametrize(("setting", "message"), [({"alpha": 3}, "alpha"), ({"rank": 2}, "rank")])
def test_a_checkpoint_of_another_adapter_is_refused(decoder, tmp_path, setting, message):
    config = replace(CONFIG, epochs=1)
    fit(decoder, config, checkpoints=tmp_path / "run")
    with pytest.raises(CheckpointError, match=f"lora was .*{message}"):
        fit(decoder, config, lora_settings=setting, checkpoints=tmp_path / "run", resume=True)


def test_the_best_weights_are_kept_without_frozen_ones(decoder, monkeypatch):
    config = replace(CONFIG, epochs=4, learning_rate=0.5, schedule="constant")
    copies = []
    real = copy.deepcopy

    def counting(value, *rest):
        if isinstance(value, dict) and any("lora_A" in str(name) for name in value):
            copies.append(sorted(value))
        return real(value, *rest)

    monkeypatch.setattr("ftlearn.training.fitting.copy.deepcopy", counting)
    model, history = fit(decoder, config)
    monkeypatch.undo()
    assert copies
    assert all("lora_" in name for names in copies for name in names)
    tokenizer = AutoTokenizer.from_pretrained(decoder)
    report = evaluation.evaluate(model, PARTS["valid"], TASK, tokenizer)
    assert report.scores["loss"] == pytest.approx(history.best["loss"], rel=1e-6)


def test_frozen_weights_cost_their_own_bytes_and_no_state(decoder):
    model, _ = adapted(decoder)
    size = {"batch_size": 4, "tokens": 32}
    wide = resources.estimate(model, **size, precision="bf16")
    numbers = sum(weight.numel() for _, weight in lora.base_weights(model))
    learning = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert wide.weights == 4 * (numbers + learning)
    assert (wide.gradients, wide.optimizer) == (4 * learning, 8 * learning)
    lora._hold_in(model, torch.bfloat16)
    narrow = resources.estimate(model, **size)
    assert narrow.weights == 2 * numbers + 4 * learning
    # In bf16 autocast keeps a copy of each wide weight for the backward pass.
    assert narrow.activations < wide.activations


def test_a_run_that_is_too_large_is_refused(decoder, monkeypatch):
    monkeypatch.setattr("ftlearn.runtime.memory_available", lambda *_: 1000)
    with pytest.raises(resources.TooLargeError, match="this run needs"):
        fit(decoder)


def test_a_fingerprint_is_the_same_in_either_format(published):
    model, _ = adapted(published)
    before = frozen_fingerprint(model)
    lora.settle_frozen(model, torch.bfloat16)
    assert lora.holds_bf16(model)
    assert frozen_fingerprint(model) == before
    assert frozen_fingerprint(nn.Linear(1, 1)) is None


def test_two_processes_train_the_same_adapter(decoder, tmp_path):
    loopback = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment |= {"GLOO_SOCKET_IFNAME": loopback} if loopback else {"USE_LIBUV": "0"}
    ranks = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, "-m", *ranks, lora_models.__file__, str(decoder), str(tmp_path)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=HANG, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    model, losses = lora_models.one_epoch(decoder)
    np.testing.assert_allclose(json.loads((tmp_path / "two.json").read_text()), losses, rtol=1e-5)
    for name, tensor in load_file(tmp_path / "two.safetensors").items():
        torch.testing.assert_close(tensor, trained_weights(model)[name], atol=1e-5, rtol=1e-4)
