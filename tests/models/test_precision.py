"""A model loaded in bf16 predicts as its fp32 twin, gets adapters, and is not trained itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from tiny_decoder import tiny_decoder

from ftlearn import TrainConfig, evaluate, models, steps
from ftlearn.errors import ArgumentError
from ftlearn.generation import Decoding, generate
from ftlearn.tasks import language_modelling

TASK = language_modelling(max_length=32)
ROWS = Dataset.from_dict({"text": [f"Parcel {number} is late." for number in range(8)]})


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A decoder whose weights are bf16 numbers, as most are published."""
    folder = tiny_decoder(tmp_path_factory.mktemp("decoder"))
    model, _ = models.load(folder, TASK, device="cpu")
    model.bfloat16().save_pretrained(folder)
    return folder


def loaded(folder: Path, precision: str):
    return models.load(folder, TASK, device="cpu", precision=precision)


def test_weights_take_half_the_memory_and_no_number_changes(published):
    half, _ = loaded(published, "bf16")
    full, _ = loaded(published, "fp32")
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    for name, weight in full.state_dict().items():
        assert torch.equal(half.state_dict()[name].float(), weight), name


def test_it_is_scored_and_writes_in_fp32_as_its_twin(published):
    scores, texts = [], []
    for precision in ("bf16", "fp32"):
        model, tokenizer = loaded(published, precision)
        scores.append(evaluate(model, ROWS, TASK, tokenizer, precision="fp32").scores["loss"])
        decoding = Decoding(max_new_tokens=12)
        texts.append(generate(model, tokenizer, ["Parcel"], decoding=decoding, precision="fp32"))
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)
    assert texts[0] == texts[1]


def test_its_own_weights_are_not_trained(published):
    model, tokenizer = loaded(published, "bf16")
    config = TrainConfig(epochs=1, batch_size=4)
    with pytest.raises(ArgumentError, match=r"is in bf16, which rounds .*models\.with_lora"):
        steps(model, TASK.batches(ROWS, tokenizer, config), TASK.loss, config)


def test_adapters_learn_on_it_as_on_its_twin(published):
    config = TrainConfig(epochs=2, batch_size=4, learning_rate=1e-2)
    losses = []
    for precision in ("bf16", "fp32"):
        model, tokenizer = loaded(published, precision)
        model = models.with_lora(model, rank=2, seed=0)
        batches = TASK.batches(ROWS, tokenizer, config)
        run = steps(model, batches, TASK.loss, config, count=TASK.count_targets)
        losses.append([step.loss for step in run])
    # Both compute in fp32 here; peft draws A in the format of the weights beside it.
    assert losses[0] == pytest.approx(losses[1], rel=5e-3)
    assert losses[0][-1] < losses[0][0]


def test_other_formats_are_refused(published):
    with pytest.raises(ArgumentError, match="precision is 'fp16': use fp32 or bf16"):
        loaded(published, "fp16")
