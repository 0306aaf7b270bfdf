"""A solved head is where the penalised loss on frozen features has no slope left."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset

from ftlearn import models
from ftlearn.evaluation import evaluate
from ftlearn.models.architecture import last_linear
from ftlearn.tasks import classification, regression
from ftlearn.training import linear_probe

TEXTS = [
    "the striker scored twice", "a new chip for phones", "sleep helps the heart",
    "the team won the cup", "code runs on the server", "doctors advise more walking",
    "a goal in the last minute", "the battery lasts longer", "a vaccine against the flu",
]  # fmt: skip


def rows(labels):
    return Dataset.from_dict({"text": TEXTS, "label": labels})


def slope(layer, features, targets, penalty):
    """Gradient of summed cross-entropy + penalty/2 · |W|², with W for features of mean length 1."""
    length = features.norm(dim=1).mean()
    weight = (layer.weight.detach().double() * length).requires_grad_()
    bias = layer.bias.detach().double().requires_grad_()
    logits = features / length @ weight.T + bias
    loss = F.cross_entropy(logits, targets, reduction="sum") + penalty / 2 * (weight**2).sum()
    return torch.cat([part.reshape(-1) for part in torch.autograd.grad(loss, (weight, bias))])


@pytest.mark.parametrize("pooling", ["pretrained", "mean"])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_slope_of_the_penalised_loss_is_zero(tiny_bert, pooling, classes):
    data = rows([f"class {row % classes}" for row in range(9)])
    task = classification(data)
    model, tokenizer = models.load(tiny_bert, task, pooling=pooling, device="cpu")
    before = evaluate(model, data, task, tokenizer).scores["log_loss"]
    body = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    linear_probe.initialize_head(model, data, task, tokenizer, penalty=0.9)
    layer = last_linear(model)
    features = linear_probe.head_inputs(model, layer, task.encode(data, tokenizer), tokenizer)
    gradient = slope(layer, torch.tensor(features).double(), torch.tensor(task.targets(data)), 0.9)
    assert gradient.abs().max() < 2e-3
    assert evaluate(model, data, task, tokenizer).scores["log_loss"] < before
    changed = {
        name for name, tensor in model.state_dict().items() if not torch.equal(tensor, body[name])
    }
    assert changed == {"classifier.weight", "classifier.bias"}


def test_features_in_half_precision_are_those_of_the_exact_pass(tiny_bert, monkeypatch):
    data = rows([f"class {row % 3}" for row in range(9)])
    task = classification(data)
    model, tokenizer = models.load(tiny_bert, task, pooling="cls", device="cpu")
    layer, encoded = last_linear(model), task.encode(data, tokenizer)
    exact = linear_probe.head_inputs(model, layer, encoded, tokenizer)
    monkeypatch.setenv("FTLEARN_COMPUTE", "bf16")
    rough = linear_probe.head_inputs(model, layer, encoded, tokenizer)
    assert not np.array_equal(rough, exact)
    np.testing.assert_allclose(rough, exact, atol=0.06)
    assert not last_linear(model)._forward_pre_hooks


def test_a_smaller_penalty_fits_closer(tiny_bert):
    data = rows([str(row % 3) for row in range(9)])
    task = classification(data)
    model, tokenizer = models.load(tiny_bert, task, pooling="mean", device="cpu")
    losses = []
    for penalty in (10.0, 1.0, 0.01):
        linear_probe.initialize_head(model, data, task, tokenizer, penalty=penalty)
        losses.append(evaluate(model, data, task, tokenizer).scores["log_loss"])
    assert losses[0] > losses[1] > losses[2]


def test_regression_is_solved_by_the_normal_equations(tiny_bert):
    data = rows([float(row**2) for row in range(9)])
    task = regression(data)
    model, tokenizer = models.load(tiny_bert, task, pooling="mean", device="cpu")
    linear_probe.initialize_head(model, data, task, tokenizer, penalty=0.5)
    layer = last_linear(model)
    features = linear_probe.head_inputs(model, layer, task.encode(data, tokenizer), tokenizer)
    length = np.linalg.norm(features, axis=1).mean()
    x, y = features.astype(float) / length, np.array(task.targets(data))
    centred = x - x.mean(0)
    weight = np.linalg.solve(centred.T @ centred + 0.5 * np.eye(x.shape[1]), centred.T @ y)
    np.testing.assert_allclose(layer.weight[0].detach() * length, weight, rtol=1e-3, atol=1e-4)
    assert layer.bias.item() == pytest.approx(y.mean() - x.mean(0) @ weight, abs=1e-4)


def test_a_label_without_examples_is_hardly_ever_answered(tiny_bert):
    data = rows([("a", "c")[row % 2] for row in range(9)])
    task = classification(rows([("a", "b", "c")[row % 3] for row in range(9)]))
    model, tokenizer = models.load(tiny_bert, task, pooling="mean", device="cpu")
    linear_probe.initialize_head(model, data, task, tokenizer)
    outputs = evaluate(model, data, task, tokenizer).outputs
    assert (torch.tensor(outputs).softmax(-1)[:, 1] < 1e-3).all()
