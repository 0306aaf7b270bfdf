"""What a loaded model is like: its head, its weights, its window, its answers to padding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from rounding import assert_alike
from tiny_models import CLASSES, SHAPES, copied, logits, padded
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from ftlearn import models, tasks
from ftlearn.data.batching import collate
from ftlearn.models import ModelError, architecture
from ftlearn.tasks import language_modelling, regression

ENCODERS = SHAPES[:4]
NUMBERS = regression(Dataset.from_dict({"text": ["a", "b"], "label": [1.0, 5.0]}))
TOKENS = language_modelling()
TEXT = "The new phone of the team has a longer battery life than the one from last year."

each_shape = pytest.mark.parametrize("shape", SHAPES)


def load(folder: Path, task=None, **options) -> tuple[nn.Module, object]:
    return models.load(folder, task, device="cpu", **options)


# What is loaded


@each_shape
@pytest.mark.parametrize(("task", "outputs"), [(CLASSES, 3), (NUMBERS, 1)])
def test_heads_fit_the_task(tiny_checkpoints, shape: str, task, outputs: int):
    model, tokenizer = load(tiny_checkpoints[shape], task)
    result = logits(model, padded(tokenizer, TEXT, 0))
    assert result.shape == (1, outputs)
    assert result.isfinite().all()


def test_language_modelling_gets_a_score_for_every_word(tiny_checkpoints):
    model, tokenizer = load(tiny_checkpoints["gpt2"], TOKENS)
    inputs = padded(tokenizer, TEXT, 0)
    assert logits(model, inputs).shape == (*inputs["input_ids"].shape, model.config.vocab_size)


@pytest.mark.parametrize("shape", ENCODERS)
def test_language_modelling_refuses_models_that_see_the_next_word(tiny_checkpoints, shape: str):
    with pytest.raises(ModelError, match=rf"{shape} reads the whole text at once.*gpt2"):
        load(tiny_checkpoints[shape], TOKENS)


@each_shape
def test_the_body_is_the_checkpoints(tiny_checkpoints, shape: str):
    folder = tiny_checkpoints[shape]
    body = AutoModel.from_pretrained(folder).state_dict()
    for task in (None, CLASSES):
        model, _ = load(folder, task)
        mine = (model.base_model if task else model).state_dict()
        same = {name for name in body if torch.equal(body[name], mine.get(name, torch.empty(0)))}
        assert all("pooler" in name for name in body.keys() - same)


@each_shape
def test_weights_are_fp32_even_if_saved_in_bf16(tiny_checkpoints, tmp_path, shape: str):
    copied(tiny_checkpoints[shape], tmp_path / "half")
    AutoModel.from_pretrained(tmp_path / "half").bfloat16().save_pretrained(tmp_path / "half")
    assert AutoConfig.from_pretrained(tmp_path / "half").dtype is torch.bfloat16
    model, _ = load(tmp_path / "half", CLASSES)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@each_shape
def test_the_seed_draws_the_head_and_nothing_else(tiny_checkpoints, shape: str):
    first, same, other = (
        load(tiny_checkpoints[shape], CLASSES, seed=seed)[0].state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    changed = {name for name in first if not torch.equal(first[name], other[name])}
    assert changed
    assert all(architecture.is_head(name) for name in changed)


@each_shape
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_dropout_is_what_is_asked_everywhere(tiny_checkpoints, shape: str, dropout: float):
    model, tokenizer = load(tiny_checkpoints[shape], CLASSES, dropout=dropout)
    rates = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    assert rates
    assert set(rates) == {dropout}
    inputs = padded(tokenizer, TEXT, 0)
    with torch.no_grad():
        first, second = (model.train()(**inputs).logits for _ in range(2))
    assert torch.equal(first, second) == (dropout == 0)


@each_shape
def test_labels_reach_the_config(tiny_checkpoints, shape: str):
    config = load(tiny_checkpoints[shape], CLASSES)[0].config
    assert config.id2label == {0: "cold", 1: "mild", 2: "warm"}
    assert config.label2id == {"cold": 0, "mild": 1, "warm": 2}


@each_shape
@pytest.mark.parametrize("pooling", ["pretrained", "mean"])
def test_a_saved_head_is_kept(tiny_checkpoints, tmp_path, shape: str, pooling: str):
    model, tokenizer = load(tiny_checkpoints[shape], CLASSES, seed=1, pooling=pooling)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    inputs = padded(tokenizer, TEXT, 0)
    again, _ = load(tmp_path, CLASSES, seed=2)
    assert_alike(logits(again, inputs), logits(model, inputs))


def test_a_saved_pooling_is_kept_unless_another_is_asked_for(tiny_bert, tmp_path):
    model, tokenizer = load(tiny_bert, CLASSES, seed=1, pooling="mean")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    saved, same, other = (
        load(tmp_path, CLASSES, pooling=pooling)[0] for pooling in ("pretrained", "mean", "cls")
    )
    assert (saved.pooling, same.pooling, other.pooling) == ("mean", "mean", "cls")
    weight = model.classifier.weight
    assert torch.equal(saved.classifier.weight, weight)
    assert torch.equal(same.classifier.weight, weight)
    assert not torch.equal(other.classifier.weight, weight)


def test_gpt2_gets_a_token_for_padding(tiny_checkpoints):
    assert AutoTokenizer.from_pretrained(tiny_checkpoints["gpt2"]).pad_token is None
    model, tokenizer = load(tiny_checkpoints["gpt2"], CLASSES)
    assert tokenizer.pad_token == tokenizer.eos_token == "<|endoftext|>"
    assert model.config.pad_token_id == tokenizer.pad_token_id == 0


@each_shape
def test_the_longest_text_fits_the_positions(tiny_checkpoints, shape: str):
    model, tokenizer = load(tiny_checkpoints[shape], CLASSES)
    positions = model.config.max_position_embeddings
    assert tokenizer.model_max_length == positions - (2 if shape == "roberta" else 0)
    long = Dataset.from_dict({"text": ["word " * 500], "label": ["cold"]})
    task = tasks.Classification(labels=CLASSES.labels, max_length=1000)
    with pytest.warns(UserWarning, match="were cut at the end"):
        batch = collate(task.encode(long, tokenizer), [0], tokenizer)
    assert batch.inputs["input_ids"].shape[1] == tokenizer.model_max_length
    assert logits(model, batch.inputs).isfinite().all()


def test_every_model_of_the_roberta_family_reserves_positions(tiny_checkpoints, tmp_path):
    folder = copied(tiny_checkpoints["roberta"], tmp_path / "copy")
    config = (folder / "config.json").read_text().replace('"roberta"', '"xlm-roberta"')
    (folder / "config.json").write_text(config)
    model, tokenizer = load(folder)
    assert model.config.model_type == "xlm-roberta"
    assert tokenizer.model_max_length == model.config.max_position_embeddings - 2


# Padding


@each_shape
@pytest.mark.parametrize("pooling", ["pretrained", "mean", "cls"])
def test_prediction_does_not_depend_on_padding(tiny_checkpoints, shape: str, pooling: str):
    model, tokenizer = load(tiny_checkpoints[shape], CLASSES, pooling=pooling)
    alone = logits(model, padded(tokenizer, TEXT, 0))
    for extra in (1, 2, 5, 9, 20):
        with_pads = logits(model, padded(tokenizer, TEXT, extra))
        torch.testing.assert_close(with_pads, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", ENCODERS)
@pytest.mark.parametrize("pooling", ["pretrained", "mean", "cls"])
def test_prediction_would_depend_on_padding_without_the_mask(
    tiny_checkpoints, shape: str, pooling: str
):
    model, tokenizer = load(tiny_checkpoints[shape], CLASSES, pooling=pooling)
    inputs = padded(tokenizer, TEXT, 20)
    alone = logits(model, padded(tokenizer, TEXT, 0))
    inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
    assert (logits(model, inputs) - alone).abs().max() > 1e-3


def test_scores_of_words_do_not_depend_on_padding(tiny_checkpoints):
    model, tokenizer = load(tiny_checkpoints["gpt2"], TOKENS)
    alone = logits(model, padded(tokenizer, TEXT, 0))
    with_pads = logits(model, padded(tokenizer, TEXT, 20))[:, : alone.shape[1]]
    torch.testing.assert_close(with_pads, alone, rtol=0, atol=1e-5)


def test_an_unknown_pooling_is_answered_with_the_known(tiny_bert):
    with pytest.raises(ValueError, match="unknown pooling 'max': use pretrained, mean, cls"):
        load(tiny_bert, CLASSES, pooling="max")
