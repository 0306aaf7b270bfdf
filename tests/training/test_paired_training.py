"""Rows of two sequences in the training loop: pieces, resuming, kept layers, saving."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from tiny_decoder import tiny_decoder
from transformers import AutoModelForCausalLM

from ftlearn import evaluation, models, tasks, training
from ftlearn.data.batching import Encoded, collate
from ftlearn.training import TrainConfig, steps
from ftlearn.training.checkpoints import CheckpointError, Store
from ftlearn.training.weights import trained_weights

ROWS = Dataset.from_dict(
    {
        "prompt": [f"Where is order {17 * row}?" for row in range(20)],
        "chosen": [f"It comes on {('Monday', 'Friday')[row % 2]}." for row in range(20)],
        "rejected": ["I do not know, " * (1 + row % 3) + "sorry" for row in range(20)],
    }
)
PARTS = DatasetDict(train=ROWS.select(range(14)), valid=ROWS.select(range(14, 20)))
CONFIG = TrainConfig(epochs=2, batch_size=4, learning_rate=0.02)
TASK = tasks.preference(PARTS, loss="dpo", beta=0.5, max_length=96)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    """A small model that chats."""
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


def adapted(decoder, task=TASK, **settings):
    """The model with adapters, its tokenizer, and the data with the reference."""
    model, tokenizer = models.load(decoder, task, device="cpu")
    data = evaluation.reference_log_probabilities(model, PARTS, task, tokenizer)
    return models.with_lora(model, 4, **settings), tokenizer, data


def assert_equal(first: dict, second: dict) -> None:
    assert set(first) == set(second)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_dpo_raises_the_margin_from_log_two_on(decoder):
    model, tokenizer, data = adapted(decoder)
    history = training.fit(model, data, TASK, tokenizer, replace(CONFIG, epochs=4))
    assert history.steps[0].loss == pytest.approx(np.log(2), abs=1e-5)
    first, best = history.evaluations[0], history.best
    assert best["loss"] < np.log(2)
    assert best["margin"] > max(0.0, first["margin"] - 1e-9)
    assert best["accuracy"] > 0.9


@pytest.mark.parametrize("objective", ["dpo", "ipo", "orpo", "simpo"])
def test_pieces_of_a_batch_have_the_same_gradient(decoder, objective):
    runs = []
    for pieces in (1, 4):
        task = tasks.preference(loss=objective, max_length=96)
        model, tokenizer, data = adapted(decoder, task)
        config = replace(CONFIG, epochs=1, micro_batches=pieces)
        batches = task.batches(data["train"], tokenizer, config)
        run = steps(model, batches, task.loss, config, count=task.count_targets)
        runs.append([(step.loss, step.gradient_norm) for step in run])
    np.testing.assert_allclose(runs[0], runs[1], rtol=2e-4)


def test_the_first_gradient_is_that_of_plain_transformers(decoder):
    """All weights, one batch, written out with log_softmax over whole sequences."""
    model, tokenizer = models.load(decoder, TASK, device="cpu")
    data = evaluation.reference_log_probabilities(model, PARTS["train"], TASK, tokenizer)
    config = replace(CONFIG, batch_size=14, epochs=1)
    batches = TASK.batches(data, tokenizer, config)
    step = next(steps(model, batches, TASK.loss, config))  # the task's own count
    plain = AutoModelForCausalLM.from_pretrained(decoder, dtype=torch.float32)
    encoded = TASK.encode(data, tokenizer)
    sums = []
    for ids, targets in zip(encoded.inputs["input_ids"], encoded.targets, strict=True):
        scores = plain(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
        wanted = torch.tensor(targets[1:])
        sums.append(scores[wanted >= 0, wanted[wanted >= 0]].sum())
    chosen, rejected = torch.stack(sums).chunk(2)
    reference = torch.tensor(encoded.numbers)
    margin = (chosen - reference[:, 0]) - (rejected - reference[:, 1])
    loss = -torch.nn.functional.logsigmoid(0.5 * margin).mean()
    loss.backward()
    norm = torch.stack([p.grad.norm() for p in plain.parameters() if p.grad is not None]).norm()
    assert step.loss == pytest.approx(loss.item(), abs=1e-5)
    assert step.gradient_norm == pytest.approx(norm.item(), rel=1e-3)


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_a_run_resumes_bit_for_bit(decoder, tmp_path, objective):
    task = tasks.preference(PARTS, loss=objective, max_length=96)

    def fit(**settings):
        model, tokenizer, data = adapted(decoder, task, dropout=0.1)
        history = training.fit(model, data, task, tokenizer, CONFIG, **settings)
        return trained_weights(model), history

    whole, history = fit(checkpoints=tmp_path / "whole")
    store = Store(tmp_path / "cut", keep=9)
    fit(checkpoints=store)
    for place in (tmp_path / "cut").iterdir():  # as if it had ended after the first epoch
        if place.name.startswith("00000008"):
            for file in place.iterdir():
                file.unlink()
            place.rmdir()
    assert store.newest().state["number"] == 4
    again, resumed = fit(checkpoints=tmp_path / "cut", resume=True)
    assert_equal(again, whole)
    assert [step.loss for step in resumed.steps] == [step.loss for step in history.steps]
    assert resumed.evaluations == history.evaluations


def test_another_reference_is_another_run(decoder, tmp_path):
    model, tokenizer, data = adapted(decoder)
    config = replace(CONFIG, epochs=1)
    training.fit(model, data, TASK, tokenizer, config, checkpoints=tmp_path)
    moved = data.map(lambda row: {"reference_chosen": row["reference_chosen"] + 1})
    again, _, _ = adapted(decoder)
    with pytest.raises(CheckpointError, match="data was"):
        training.fit(again, moved, TASK, tokenizer, config, checkpoints=tmp_path, resume=True)


def test_kept_layers_change_no_step(decoder):
    curves = []
    for without in ((), ("frozen_prefix",)):
        model, tokenizer, data = adapted(decoder, layers=1)
        batches = TASK.batches(data["train"], tokenizer, CONFIG)
        run = steps(model, batches, TASK.loss, CONFIG, count=TASK.count_targets, without=without)
        assert (run.prefix is None) == bool(without)
        curves.append([step.loss for step in run])
    np.testing.assert_allclose(*curves, rtol=1e-4)


def test_a_saved_adapter_and_the_merged_folder_rank_alike(decoder, tmp_path):
    model, tokenizer, data = adapted(decoder)
    training.fit(model, data, TASK, tokenizer, CONFIG)
    outputs = evaluation.evaluate(model, data["valid"], TASK, tokenizer).outputs
    for folder in (
        models.save(model, tokenizer, TASK, tmp_path / "merged"),
        models.save_adapter(model, tokenizer, TASK, tmp_path / "adapter"),
    ):
        reopened, its_tokenizer, task = models.load_finetuned(folder, "cpu")
        assert task == TASK
        again = evaluation.evaluate(reopened, data["valid"], task, its_tokenizer)
        np.testing.assert_allclose(again.outputs, outputs, atol=1e-3)
    AutoModelForCausalLM.from_pretrained(tmp_path / "merged")


def test_sequences_are_padded_together_and_told_apart():
    encoded = Encoded(
        {"input_ids": [[1], [2, 2], [3, 3, 3], [4]]}, [0, 1], 8, sequences=2, numbers=[[0.5], [1.5]]
    )

    class Tokenizer:
        pad_token_id = 0
        pad_token_type_id = 0

    assert encoded.lengths == [3, 2]
    batch = collate(encoded, [1, 0], Tokenizer)
    assert batch.inputs["input_ids"].tolist() == [[2, 2, 0], [1, 0, 0], [4, 0, 0], [3, 3, 3]]
    assert batch.targets.ids.tolist() == [1, 0]
    assert batch.targets.numbers.tolist() == [[1.5], [0.5]]
    apart = encoded.apart()
    assert (len(apart), apart.lengths, apart.targets) == (4, [1, 2, 3, 1], [0, 1, 0, 1])
    changed = replace(encoded, numbers=[[0.5], [1.6]])
    assert encoded.fingerprint() != changed.fingerprint()
