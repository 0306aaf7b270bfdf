"""A Chinese checkpoint as `bert-base-chinese` is made: BertTokenizer, one token per character."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from ftlearn import TrainConfig, data, evaluate, models, training
from ftlearn.compatibility import CompatibilityWarning
from ftlearn.tasks import classification

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@pytest.fixture(scope="module")
def articles():
    return data.load("topics_zh")


@pytest.fixture(scope="module")
def task(articles):
    return classification(articles, max_length=64, truncation="silent")


@pytest.fixture(scope="module")
def tiny_chinese(articles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the real one, pretrained without labels; the weights are random."""
    characters = sorted(set("".join(articles["train"]["text"]).lower()) - {" "})
    vocab = {piece: number for number, piece in enumerate((*SPECIAL, *characters))}
    folder = tmp_path_factory.mktemp("hub") / "bert-base-chinese"
    BertTokenizer(vocab=vocab, model_max_length=128).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
    )
    torch.manual_seed(0)
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


def test_a_chinese_text_is_one_token_per_character(tiny_chinese, task):
    _, tokenizer = models.load(tiny_chinese, task)
    assert tokenizer.tokenize("等十秒再试。") == list("等十秒再试。")
    assert tokenizer(["等十秒"])["input_ids"][0] == tokenizer.convert_tokens_to_ids(
        ["[CLS]", *"等十秒", "[SEP]"]
    )


def test_a_folder_of_the_name_comes_before_the_hub(tiny_chinese, monkeypatch):
    monkeypatch.chdir(tiny_chinese.parent)
    assert models.find("bert-base-chinese").resolve() == tiny_chinese.resolve()


def test_it_is_fitted_saved_and_opened_again(articles, task, tiny_chinese, tmp_path):
    """The lines of lesson 05, which the lesson itself skips."""
    few = data.subset(articles["train"], per_class=8, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompatibilityWarning)  # every character is known
        model, tokenizer = models.load(tiny_chinese, task, seed=0)
        before = model.base_model.embeddings.word_embeddings.weight.detach().clone()
        training.fit(model, few, task, tokenizer, TrainConfig(1, 8, 1e-3))
    assert not torch.equal(model.base_model.embeddings.word_embeddings.weight, before)
    report = evaluate(model, articles["valid"], task, tokenizer)
    assert report.outputs.shape == (60, 3)
    assert np.isfinite(report.outputs).all()
    models.save(model, tokenizer, task, tmp_path / "fitted")
    model, tokenizer, task = models.load_finetuned(tmp_path / "fitted")
    again = evaluate(model, articles["valid"], task, tokenizer)
    np.testing.assert_allclose(again.outputs, report.outputs, atol=1e-5)
    assert task.labels == ("technology", "health", "sports")


def test_an_english_model_is_warned_about_chinese(articles, task):
    model, tokenizer = models.load("minilm", task, seed=0)
    few = data.subset(articles["valid"], per_class=2, seed=0)
    with pytest.warns(CompatibilityWarning, match="6[0-9]% of the tokens .* are unknown"):
        evaluate(model, few, task, tokenizer)
