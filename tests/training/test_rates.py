"""Rates per layer and per matrix, and gradual unfreezing, against runs written out."""

from __future__ import annotations

import math

import pytest
import tiny_models
import torch
from adapted_models import load, saved_bases
from datasets import Dataset
from torch import nn

from ftlearn import models, optim, training
from ftlearn.errors import ArgumentError
from ftlearn.losses import cross_entropy
from ftlearn.models import architecture
from ftlearn.training import TrainConfig
from ftlearn.training.checkpoints import CheckpointError

TASK = tiny_models.CLASSES
ROWS = Dataset.from_dict(
    {
        "text": ["warm and cold", "mild days", "cold", "days and days", "warm", "mild and cold"]
        * 2,
        "label": ["warm", "mild", "cold", "mild", "warm", "cold"] * 2,
    }
)
CONFIG = TrainConfig(epochs=2, batch_size=4, learning_rate=0.01, schedule="constant")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict:
    return saved_bases(tmp_path_factory.mktemp("base"))


def start(folders, config: TrainConfig, method: str | None = None) -> training.Run:
    model, tokenizer = models.load(folders["bert"], TASK, device="cpu")
    model = models.with_adapter(model, method, rank=2) if method else model
    return training.steps(model, TASK.batches(ROWS, tokenizer, config), TASK.loss, config)


def rate_by_hand(name: str, decay: float) -> float:
    """η ξ^(L - l) of a BERT with three layers: embeddings 0, layers 1 to 3, above them L = 4."""
    if ".embeddings." in name:
        return decay**4
    if ".layer." in name:
        return decay ** (3 - int(name.split(".layer.")[1].split(".")[0]))
    return 1.0


def by_hand(run: training.Run, factor) -> dict[str, torch.Tensor]:
    """The weights after AdamW by the paper, each with its own rate, by the slow way."""
    config, model = run.config, run.model
    batches = [parts for epoch in range(config.epochs) for parts in run.batches.epoch(epoch)]
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    moments = {name: [torch.zeros_like(weight)] * 2 for name, weight in weights.items()}
    for number, parts in enumerate(batches, start=1):
        summed = [cross_entropy(model(**part.inputs).logits, part.targets) for part in parts]
        loss = sum(part.total for part in summed) / sum(part.count for part in summed)
        gradients = torch.autograd.grad(loss, weights.values(), allow_unused=True)
        gradients = [
            g if g is not None else 0 * w for g, w in zip(gradients, weights.values(), strict=True)
        ]
        norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
        shrink = min(1.0, config.max_grad_norm / norm)
        rate = config.learning_rate * optim.schedule(
            config.schedule, total=len(batches), warmup_ratio=config.warmup_ratio
        )(number - 1)
        with torch.no_grad():
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                own, gradient = rate * factor(name), shrink * gradient
                first, second = moments[name]
                first = 0.9 * first + 0.1 * gradient
                second = 0.999 * second + 0.001 * gradient**2
                moments[name] = [first, second]
                weight.mul_(1 - own * config.weight_decay * (weight.ndim > 1))
                step = first / (1 - 0.9**number) / ((second / (1 - 0.999**number)).sqrt() + 1e-8)
                weight.sub_(own * step)
    return {name: weight.detach() for name, weight in weights.items()}


@pytest.mark.parametrize(
    ("method", "setting"), [(None, "layer_decay"), ("lora", "lora_plus_ratio")]
)
def test_a_run_is_the_one_that_is_written_out(folders, method, setting):
    value = {"layer_decay": 0.4, "lora_plus_ratio": 16.0}[setting]
    config = TrainConfig(**{**vars(CONFIG), setting: value, "learning_rate": 0.003})

    def factor(name: str) -> float:
        if setting == "layer_decay":
            return rate_by_hand(name, 0.4)
        return 16.0 if "lora_B" in name else 1.0

    expected = by_hand(start(folders, config, method), factor)
    run = start(folders, config, method)
    for _ in run:
        pass
    found = dict(run.model.named_parameters())
    plain = start(folders, CONFIG, method).model
    for name, weight in expected.items():
        if not name.endswith("key.bias"):  # its gradient is nothing but rounding
            torch.testing.assert_close(found[name].detach(), weight, atol=2e-4, rtol=1e-3, msg=name)
    moved = [
        name for name, weight in plain.named_parameters() if not torch.equal(weight, found[name])
    ]
    assert len(moved) >= len(expected) // 2


def test_groups_have_the_rates_of_the_layers(folders):
    model = load(folders, "bert")
    groups = optim.layer_groups(model, 0.1, 0.5, weight_decay=0.3)
    rates = {id(weight): (g["lr"], g["weight_decay"]) for g in groups for weight in g["params"]}
    for name, weight in model.named_parameters():
        decay = 0.3 if weight.ndim > 1 else 0.0
        expected = 0.1 * (1.0 if "pooler" in name else rate_by_hand(name, 0.5))
        assert rates[id(weight)] == (pytest.approx(expected), decay), name
    optim.optimizer("adamw", groups, 0.1)


def test_groups_of_lora_plus(folders):
    model = models.with_lora(load(folders, "bert"), 2)
    groups = optim.lora_plus_groups(model, 0.1, 8.0)
    rates = {id(weight): group["lr"] for group in groups for weight in group["params"]}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            assert rates[id(weight)] == pytest.approx(0.8 if "lora_B" in name else 0.1), name
    assert len(rates) == sum(weight.requires_grad for weight in model.parameters())


def test_the_scales_of_ia3_do_not_decay_to_zero(folders):
    model = models.with_adapter(load(folders, "bert"), "ia3")
    named = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    groups = optim.parameter_groups(named, 0.3, {})
    decayed = {
        id(weight) for group in groups if group["weight_decay"] for weight in group["params"]
    }
    for name, weight in named.items():
        assert (id(weight) in decayed) == (weight.ndim > 1 and "ia3_" not in name), name


def test_settings_are_checked_and_kept_in_checkpoints(folders, tmp_path):
    for settings in ({"layer_decay": 1.1}, {"lora_plus_ratio": 0.5}):
        with pytest.raises(ArgumentError, match=next(iter(settings))):
            TrainConfig(**settings)
    with pytest.raises(ArgumentError, match="has no LoRA"):
        start(folders, TrainConfig(lora_plus_ratio=16))
    model, tokenizer = models.load(folders["bert"], TASK, device="cpu")
    training.fit(model, ROWS, TASK, tokenizer, CONFIG, checkpoints=tmp_path)
    other = TrainConfig(**{**vars(CONFIG), "layer_decay": 0.5})
    with pytest.raises(CheckpointError, match=r"layer_decay was 1\.0 and is 0\.5"):
        training.fit(model, ROWS, TASK, tokenizer, other, checkpoints=tmp_path, resume=True)


def test_what_is_unfrozen_later_begins_afresh_and_the_rest_goes_on(folders):
    config = TrainConfig(**{**vars(CONFIG), "epochs": 3, "warmup_ratio": 0.0, "weight_decay": 0.0})
    run = start(folders, config)
    models.unfreeze_top(run.model, 0)
    run.update_trainable()
    names = []
    for step in run:
        names.append(tiny_models.moving(run.model))
        state = {name: run.optimizer.state[weight] for name, weight in run.parameters.items()
                 if weight in run.optimizer.state}  # fmt: skip
        assert set(run.parameters) >= set(state)
        assert int(state["classifier.weight"]["step"]) == step.number
        first = "bert.encoder.layer.2.output.dense.weight"
        if first in state:
            assert int(state[first]["step"]) == step.number - 3
        if step.number == 3:
            before = architecture.layers(run.model)[2].output.dense.weight.detach().clone()
            models.unfreeze_top(run.model, 1)
            run.update_trainable()
        if step.number == 4:  # Adam's first step is the rate times the sign of the gradient
            moved = architecture.layers(run.model)[2].output.dense.weight - before
            assert moved.abs().max().item() == pytest.approx(0.01, rel=1e-3)
    assert "bert.encoder.layer.2.output.dense.weight" not in names[2]
    assert "bert.encoder.layer.2.output.dense.weight" in names[3]


def test_a_layer_that_is_frozen_again_stays_and_loses_its_state(folders):
    run = start(folders, CONFIG)
    models.unfreeze_top(run.model, 2)
    run.update_trainable()
    next(run)
    models.unfreeze_top(run.model, 0)
    run.update_trainable()
    layer = architecture.layers(run.model)[2]
    before = layer.output.dense.weight.detach().clone()
    next(run)
    assert torch.equal(layer.output.dense.weight, before)
    assert layer.output.dense.weight not in run.optimizer.state


def test_gradual_unfreezing_takes_a_layer_more_in_each_epoch(folders):
    config = TrainConfig(**{**vars(CONFIG), "epochs": 5})
    run = start(folders, config)
    layers = []
    for step in training.gradual_unfreezing(run):
        stack = architecture.layers(run.model)
        layers.append(sum(next(iter(layer.parameters())).requires_grad for layer in stack))
        embeddings = run.model.get_input_embeddings().weight.requires_grad
        assert embeddings == (step.number > 12)
    assert layers == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 6
    with pytest.raises(ArgumentError, match="layers_per_epoch is 0"):
        next(training.gradual_unfreezing(run, layers_per_epoch=0))


def test_kept_states_follow_what_is_unfrozen(folders):
    """Whatever the frozen layers gave is computed anew when fewer of them are frozen."""
    found = []
    for without in ((), ("frozen_prefix", "sparse_embeddings")):
        model, tokenizer = models.load(folders["bert"], TASK, device="cpu")
        config = TrainConfig(**{**vars(CONFIG), "epochs": 5})
        batches = TASK.batches(ROWS, tokenizer, config)
        run = training.steps(model, batches, TASK.loss, config, without=without)
        found.append([step.loss for step in training.gradual_unfreezing(run)])
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert isinstance(model, nn.Module)
