"""One weight vector for all thresholds: in training, in copies, on disk, and after a crash."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from tiny_models import logits
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from ftlearn import evaluation, models, tasks, training
from ftlearn.errors import ArgumentError
from ftlearn.losses import coral
from ftlearn.models import ModelError
from ftlearn.models.architecture import last_linear
from ftlearn.models.ordinal_head import SharedRowLinear
from ftlearn.training import TrainConfig
from ftlearn.training.linear_probe import initialize_head
from ftlearn.training.weights import trained_weights

WORDS = ("less", "some", "many", "more", "most")
TEXTS = [f"there are {WORDS[row % 5]} people in {1960 + row}" for row in range(60)]
ROWS = Dataset.from_dict({"text": TEXTS, "label": [row % 5 + 1 for row in range(60)]})
PARTS = DatasetDict(train=ROWS.select(range(40)), valid=ROWS.select(range(40, 60)))
TASK = tasks.ordinal(PARTS, loss="cumulative-link")
CONFIG = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-2)


def fitted(folder: Path, task: tasks.Ordinal = TASK, **settings) -> tuple[nn.Module, object]:
    model, tokenizer = models.load(folder, task, device="cpu", **settings)
    training.fit(model, PARTS, task, tokenizer, CONFIG)
    return model, tokenizer


@pytest.fixture(scope="module")
def trained(tiny_bert) -> tuple[nn.Module, object]:
    """A fitted model for all tests that only look at it."""
    return fitted(tiny_bert)


def outputs(model: nn.Module, tokenizer, task: tasks.Ordinal = TASK) -> np.ndarray:
    encoded = task.encode_texts(TEXTS, tokenizer)
    return evaluation.outputs(model, encoded, task, tokenizer, precision="fp32")


def test_a_new_head_predicts_the_frequencies_of_the_levels(tiny_bert):
    levels = [1] * 10 + [2] * 20 + [3] * 30
    rows = Dataset.from_dict({"text": TEXTS, "label": levels})
    task = tasks.ordinal(rows)
    model, tokenizer = models.load(tiny_bert, task, device="cpu")
    with torch.no_grad():
        last_linear(model).weight.zero_()
    shares = np.exp(outputs(model, tokenizer, task))
    np.testing.assert_allclose(shares, np.tile([[1 / 6, 2 / 6, 3 / 6]], (60, 1)), atol=1e-6)


def test_the_gradient_of_every_row_is_the_sum_over_thresholds():
    """As of a layer whose weight is one vector w, and thresholds b, both by themselves."""
    torch.manual_seed(0)
    layer = SharedRowLinear(6, 4)
    nn.init.constant_(layer.weight, 0.3)
    vectors, levels = torch.randn(5, 6), torch.tensor([0, 1, 2, 3, 4])
    w, b = torch.full((6,), 0.3, requires_grad=True), layer.bias.detach().clone()
    b.requires_grad_()
    coral(layer(vectors), levels).total.backward()
    coral((vectors @ w)[:, None] + b, levels).total.backward()
    torch.testing.assert_close(layer.weight.grad, w.grad.expand(4, 6))
    torch.testing.assert_close(layer.bias.grad, b.grad)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "momentum", "sgd"])
def test_the_rows_stay_the_same_in_training(tiny_bert, optimizer):
    model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    before = last_linear(model).weight.detach().clone()
    config = replace(CONFIG, optimizer=optimizer, micro_batches=2)
    training.fit(model, PARTS, TASK, tokenizer, config)
    weight = last_linear(model).weight.detach()
    assert not torch.equal(weight, before)
    torch.testing.assert_close(weight, weight[:1].expand_as(weight), rtol=1e-6, atol=1e-7)
    bias = last_linear(model).bias
    assert (bias[1:] < bias[:-1]).all()


@pytest.mark.parametrize("loss", ["coral", "cumulative-link"])
def test_a_fit_learns_the_order_of_words(tiny_bert, loss):
    task = replace(TASK, objective=loss)
    model, tokenizer = models.load(tiny_bert, task, device="cpu", pooling="mean")
    training.fit(model, PARTS, task, tokenizer, replace(CONFIG, epochs=20))
    report = evaluation.evaluate(model, PARTS["valid"], task, tokenizer)
    assert report.scores["mae"] < 0.5
    assert report.scores["quadratic_kappa"] > 0.8
    assert report.correct.mean() == report.scores["accuracy"]
    assert np.diag(report.confusion()).sum() == report.correct.sum()
    table = evaluation.predict(model, TEXTS[:5], task, tokenizer)
    np.testing.assert_allclose(table[list(TASK.labels)].sum(axis=1), 1, atol=1e-6)


def test_copies_keep_the_shared_row(trained):
    model = copy.deepcopy(trained[0])
    assert isinstance(last_linear(model), SharedRowLinear)
    adapted = models.with_lora(model, 2, seed=0)
    training.fit(adapted, PARTS, TASK, trained[1], CONFIG)
    layer = last_linear(adapted)
    assert isinstance(layer, SharedRowLinear)
    assert not torch.equal(layer.weight[0], last_linear(trained[0]).weight[0])
    torch.testing.assert_close(layer.weight, layer.weight[:1].expand_as(layer.weight))


def test_thresholds_keep_their_digits_in_bf16(trained):
    """In bf16 a text's four logits would be rounded apart, so their distances would differ."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        values = trained[0](input_ids=torch.tensor([[2, 17, 30, 3], [2, 9, 8, 3]])).logits
    assert values.dtype is torch.float32
    distances = last_linear(trained[0]).bias.detach().diff().expand(2, -1)
    torch.testing.assert_close(values.diff(dim=1), distances)


def test_a_saved_folder_is_plain_and_opens_with_the_same_predictions(trained, tmp_path):
    model, tokenizer = trained
    folder = models.save(model, tokenizer, TASK, tmp_path / "model")
    expected = outputs(model, tokenizer)
    reopened, its_tokenizer, task = models.load_finetuned(folder, "cpu")
    assert task == TASK
    assert np.array_equal(outputs(reopened, its_tokenizer), expected)
    plain = AutoModelForSequenceClassification.from_pretrained(folder)
    assert type(plain.classifier) is nn.Linear
    assert torch.equal(plain.classifier.weight, plain.classifier.weight[:1].expand(4, -1))
    inputs = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    above = logits(plain, inputs).sigmoid().numpy()  # P(y > k)
    levels = np.exp(expected)
    np.testing.assert_allclose(above, 1 - levels.cumsum(1)[:, :-1], atol=1e-5)


def test_a_stranger_sees_the_levels(tiny_bert, tmp_path):
    task = replace(TASK, labels=WORDS)
    folder = models.save(*models.load(tiny_bert, task, device="cpu"), task, tmp_path / "model")
    config = AutoConfig.from_pretrained(folder)
    assert config.ordinal_levels == list(WORDS)
    assert config.problem_type == "multi_label_classification"
    rows = pipeline("text-classification", str(folder), top_k=None, device="cpu")(TEXTS)[0]
    scores = {row["label"]: row["score"] for row in rows}
    assert list(scores) == [f"at least {word}" for word in WORDS[1:]]  # falling, as they must
    (folder / "ftlearn_task.json").unlink()
    _, _, task = models.load_finetuned(folder, "cpu")
    assert (type(task), task.labels) == (tasks.Ordinal, WORDS)


def test_training_goes_on_from_a_trained_head_of_the_same_levels_only(trained, tmp_path):
    folder = models.save(*trained, TASK, tmp_path / "model")
    again, tokenizer = models.load(folder, replace(TASK, objective="coral"), device="cpu")
    assert np.array_equal(outputs(again, tokenizer), outputs(*trained))
    other = replace(TASK, labels=tuple("54321"))
    with pytest.warns(UserWarning, match="levels 1 < 2 < 3 < 4 < 5.*gets a new head"):
        fresh, _ = models.load(folder, other, device="cpu")
    np.testing.assert_allclose(
        last_linear(fresh).bias.detach(), other.initial_thresholds(), rtol=1e-6
    )
    classes = tasks.classification(PARTS)
    with pytest.warns(UserWarning, match="gets a new head"):
        model, tokenizer = models.load(folder, classes, device="cpu")
    assert type(last_linear(model)) is nn.Linear
    models.save(model, tokenizer, classes, tmp_path / "classes")
    assert "ordinal_levels" not in json.loads((tmp_path / "classes" / "config.json").read_text())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_pooled_head_is_saved_and_reopened(tiny_checkpoints, tmp_path, precision):
    model, tokenizer = fitted(tiny_checkpoints["distilbert"], pooling="mean")
    folder = models.save(model, tokenizer, TASK, tmp_path / "model", precision=precision)
    reopened, tokenizer, _ = models.load_finetuned(folder, "cpu")
    tolerance = 1e-6 if precision == "fp32" else 0.1
    np.testing.assert_allclose(
        outputs(reopened, tokenizer), outputs(model, tokenizer), atol=tolerance
    )


def test_adapters_are_saved_and_reopened(tiny_bert, tmp_path):
    model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    model = models.with_lora(model, 2, seed=0)
    training.fit(model, PARTS, TASK, tokenizer, CONFIG)
    models.save_adapter(model, tokenizer, TASK, tmp_path / "adapter")
    models.save(model, tokenizer, TASK, tmp_path / "model")
    for name in ("adapter", "model"):
        reopened, its_tokenizer, _ = models.load_finetuned(tmp_path / name, "cpu")
        np.testing.assert_allclose(
            outputs(reopened, its_tokenizer), outputs(model, tokenizer), atol=1e-5
        )


def test_a_head_without_a_bias_and_one_of_other_rows_are_refused(
    tiny_checkpoints, trained, tmp_path
):
    with pytest.raises(ModelError, match=r"no bias to hold the thresholds.*pooling='mean'"):
        models.load(tiny_checkpoints["gpt2"], TASK, device="cpu")
    models.load(tiny_checkpoints["gpt2"], TASK, device="cpu", pooling="mean")
    folder = models.save(*trained, TASK, tmp_path / "model")
    plain = AutoModelForSequenceClassification.from_pretrained(folder)
    nn.init.normal_(plain.classifier.weight)
    plain.save_pretrained(folder)
    with pytest.raises(ModelError, match="another weight vector for each threshold"):
        models.load_finetuned(folder, "cpu")


def test_a_linear_probe_is_refused(trained):
    with pytest.raises(ArgumentError, match="the task is ordinal"):
        initialize_head(trained[0], PARTS["train"], TASK, trained[1])


@pytest.mark.parametrize("loss", ["coral", "cumulative-link"])
def test_a_run_resumes_bit_for_bit(tiny_bert, tmp_path, loss):
    task = replace(TASK, objective=loss)

    def fit(model, config=CONFIG, **settings):
        history = training.fit(model, PARTS, task, tokenizer, config, **settings)
        return history, trained_weights(model)

    model, tokenizer = models.load(tiny_bert, task, device="cpu")
    history, expected = fit(model, checkpoints=tmp_path / "whole")
    stop = interrupted(task, after=7)
    model, _ = models.load(tiny_bert, task, device="cpu")
    with pytest.raises(ZeroDivisionError):
        training.fit(model, PARTS, stop, tokenizer, CONFIG, checkpoints=tmp_path / "cut")
    model, _ = models.load(tiny_bert, task, device="cpu", seed=5)
    resumed, weights = fit(model, checkpoints=tmp_path / "cut", resume=True)
    assert resumed.evaluations == history.evaluations
    for name, tensor in expected.items():
        assert torch.equal(tensor, weights[name]), name


def interrupted(task: tasks.Ordinal, after: int) -> tasks.Ordinal:
    """The task, whose loss fails after some batches."""
    calls = iter(range(after))

    class Failing(tasks.Ordinal):
        def loss(self, logits, targets):
            if next(calls, None) is None:
                raise ZeroDivisionError
            return super().loss(logits, targets)

    return Failing(**vars(task))
