"""Models of several tasks: heads, the folders that are saved, each task alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tiny_models
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ftlearn import evaluation, models, tasks
from ftlearn.errors import ArgumentError
from ftlearn.models.architecture import last_linear
from ftlearn.models.ordinal_head import SharedRowLinear
from ftlearn.training import TrainConfig, fit

TEXTS = [f"chip {row} code" if row % 2 else f"a run of {row}" for row in range(24)]
TOPICS = Dataset.from_dict({"text": TEXTS, "label": ["tech", "sport", "health"] * 8})
STARS = Dataset.from_dict({"text": TEXTS, "label": [1, 2, 3, 4] * 6})
PRICES = Dataset.from_dict({"text": TEXTS, "label": [40.0 + row for row in range(24)]})
DATA = {"topic": TOPICS, "stars": STARS, "type": PRICES}
PARTS = {
    "topic": tasks.classification(TOPICS, max_length=16),
    "stars": tasks.ordinal(STARS, max_length=16),
    "type": tasks.regression(PRICES, max_length=16),  # the name of a method of modules
}
JOINT = tasks.joint(PARTS, weights="learned")
ROWS = JOINT.rows(DATA)
CONFIG = TrainConfig(epochs=2, batch_size=12, learning_rate=5e-3)


@pytest.fixture(scope="module")
def fitted(tiny_bert):
    """A small model that has learnt three tasks, and its tokenizer."""
    model, tokenizer = models.load(tiny_bert, JOINT, device="cpu")
    fit(model, ROWS, JOINT, tokenizer, CONFIG)
    return model.eval(), tokenizer


def test_each_task_has_its_own_head(tiny_bert):
    model, _ = models.load(tiny_bert, JOINT, device="cpu")
    heads = model.classifier
    assert isinstance(heads, models.TaskHeads)
    assert last_linear(model) is heads
    assert heads.names == ("topic", "stars", "type")
    assert [heads[name].out_features for name in heads.names] == [3, 3, 1]
    assert isinstance(heads["stars"], SharedRowLinear)
    assert heads["stars"].bias.tolist() == pytest.approx(PARTS["stars"].initial_thresholds())
    assert "classifier.for_topic.weight" in dict(model.named_parameters())


@pytest.mark.parametrize("shape", tiny_models.SHAPES)
@pytest.mark.parametrize("pooling", ["pretrained", "mean"])
@pytest.mark.parametrize("name", ["topic", "stars", "type"])
def test_one_task_has_the_logits_of_a_single_task(tiny_checkpoints, shape, pooling, name):
    if shape == "gpt2" and pooling == "pretrained" and name == "stars":
        pytest.skip("its head has no bias for thresholds")
    folder = tiny_checkpoints[shape]
    settings = {"pooling": pooling, "device": "cpu", "seed": 3}
    alone, tokenizer = models.load(folder, PARTS[name], **settings)
    joint, _ = models.load(folder, tasks.joint({name: PARTS[name]}), **settings)
    inputs = tiny_models.padded(tokenizer, "a run of code", 2)
    assert torch.equal(tiny_models.logits(joint, inputs), tiny_models.logits(alone, inputs))


def test_logits_are_those_of_all_heads_and_log_variances(fitted):
    model, tokenizer = fitted
    inputs = tiny_models.padded(tokenizer, "a run of code", 0)
    with torch.no_grad():
        vectors = model.bert(**inputs).pooler_output
        parts = [model.classifier[name](vectors) for name in JOINT.names]
    logits = tiny_models.logits(model, inputs)
    torch.testing.assert_close(logits[:, :7], torch.cat(parts, dim=1))
    learned = torch.tensor([[models.task_weights(model, JOINT)[name] for name in JOINT.names]])
    torch.testing.assert_close(0.5 * torch.exp(-logits[:, 7:]), learned)
    assert not torch.allclose(learned, torch.tensor(0.5))


def test_the_saved_model_opens_again_with_all_heads(fitted, tmp_path):
    model, tokenizer = fitted
    models.save(model, tokenizer, JOINT, tmp_path / "model")
    reopened, its_tokenizer, task = models.load_finetuned(tmp_path / "model", "cpu")
    assert task == JOINT
    inputs = tiny_models.padded(its_tokenizer, "a run of code", 0)
    assert torch.equal(tiny_models.logits(reopened, inputs), tiny_models.logits(model, inputs))
    scores = evaluation.evaluate(model, ROWS, JOINT, tokenizer).scores
    assert evaluation.evaluate(reopened, ROWS, task, its_tokenizer).scores == pytest.approx(scores)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    expected = tiny_models.logits(model, inputs)[:, :7]
    torch.testing.assert_close(tiny_models.logits(plain, inputs), expected)
    assert plain.config.id2label[1] == "topic: sport"


def test_heads_are_found_again_in_another_order_and_other_units(fitted, tmp_path):
    model, tokenizer = fitted
    models.save(model, tokenizer, JOINT, tmp_path / "model")
    shifted = replace(PARTS["type"], center=100.0, scale=3.0)
    other = tasks.joint({"type": shifted, "topic": PARTS["topic"], "stars": PARTS["stars"]})
    reordered, _ = models.load(tmp_path / "model", other, device="cpu")
    before = evaluation.predict(model, TEXTS, JOINT, tokenizer)
    after = evaluation.predict(reordered, TEXTS, other, tokenizer)
    assert after["topic"].equals(before["topic"])
    assert after["stars"].equals(before["stars"])
    np.testing.assert_allclose(after["type"], before["type"], rtol=1e-4)


def test_each_task_opens_in_plain_transformers(fitted, tmp_path):
    model, tokenizer = fitted
    paths = models.save_tasks(model, tokenizer, JOINT, tmp_path / "tasks")
    assert {name: path.name for name, path in paths.items()} == dict(zip(PARTS, PARTS, strict=True))
    outputs = JOINT.split(tiny_models.logits(model, tiny_models.padded(tokenizer, TEXTS[3], 0)))
    expected = {**outputs, "type": outputs["type"] * PARTS["type"].scale + PARTS["type"].center}
    for name, path in paths.items():
        plain = AutoModelForSequenceClassification.from_pretrained(path)
        inputs = AutoTokenizer.from_pretrained(path)(TEXTS[3], return_tensors="pt", truncation=True)
        torch.testing.assert_close(tiny_models.logits(plain, inputs), expected[name])
    assert plain.config.num_labels == 1
    single, _, task = models.load_finetuned(paths["topic"], "cpu")
    assert task == JOINT.task("topic")
    assert single.config.id2label == dict(enumerate(PARTS["topic"].labels))


def test_a_single_task_shares_the_weights_and_predicts_the_same(fitted):
    model, tokenizer = fitted
    for name in JOINT.names:
        alone, task = models.single_task(model, JOINT, name)
        assert alone.bert.encoder.layer[0].output.dense.weight is (
            model.bert.encoder.layer[0].output.dense.weight
        )
        predicted = evaluation.predict(alone, TEXTS[:5], task, tokenizer)["prediction"]
        joint = evaluation.predict(model, TEXTS[:5], JOINT, tokenizer)[name]
        pd.testing.assert_series_equal(predicted, joint, check_names=False, rtol=1e-5)
    assert isinstance(model.classifier, models.TaskHeads)
    assert model.config.num_labels == 7


def test_a_model_of_one_task_has_no_heads_of_several(tiny_bert):
    model, _ = models.load(tiny_bert, PARTS["topic"], device="cpu")
    with pytest.raises(ArgumentError, match="has a single head"):
        models.single_task(model, JOINT, "topic")
    with pytest.raises(ArgumentError, match="has a single head"):
        models.task_weights(model, JOINT)


def test_predictions_in_bf16_have_heads_in_fp32(fitted):
    model, tokenizer = fitted
    exact = evaluation.predict(model, TEXTS, JOINT, tokenizer, precision="fp32")["type"]
    rounded = evaluation.predict(model, TEXTS, JOINT, tokenizer, precision="bf16")["type"]
    assert np.abs(rounded - exact).max() < 0.05 * PARTS["type"].scale
