"""Training several tasks at once: one task as before, exact pieces, resuming, gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict

from ftlearn import evaluation, models, multitask, tasks, training
from ftlearn.data.batching import collate
from ftlearn.errors import ArgumentError
from ftlearn.models.architecture import freeze
from ftlearn.training import TrainConfig, fit, gradient_cosines, steps, task_gradients
from ftlearn.training.checkpoints import CheckpointError, Store
from ftlearn.training.linear_probe import initialize_head
from ftlearn.training.weights import trained_weights

TEXTS = [f"chip {row} " + "code " * (row % 4) if row % 2 else f"a run {row}" for row in range(30)]
TOPICS = Dataset.from_dict({"text": TEXTS, "label": ["tech", "sport", "health"] * 10})
STARS = Dataset.from_dict({"text": TEXTS[:9], "label": [1, 2, 3] * 3})
PRICES = Dataset.from_dict({"text": TEXTS[:12], "label": [float(row) for row in range(12)]})
DATA = {"topic": TOPICS, "stars": STARS, "price": PRICES}
PARTS = {
    "topic": tasks.classification(TOPICS, max_length=16),
    "stars": tasks.ordinal(STARS, max_length=16),
    "price": tasks.regression(PRICES, max_length=16),
}
JOINT = tasks.joint(PARTS)
ROWS = JOINT.rows(DATA)
CONFIG = TrainConfig(epochs=2, batch_size=8, learning_rate=5e-3)


def renewed(rows: Dataset) -> Dataset:
    """The rows with other texts."""
    return rows.map(lambda row: {"text": f"team {row['text']}"})


def assert_equal(first: dict, second: dict) -> None:
    assert set(first) == set(second)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("average", ["task", "batch"])
def test_one_task_trains_as_a_single_one_bit_for_bit(tiny_bert, name, average):
    joint = tasks.joint({name: PARTS[name]}, average=average)
    data = {"train": DATA[name], "valid": renewed(DATA[name])}
    alone, tokenizer = models.load(tiny_bert, PARTS[name], device="cpu")
    before = fit(alone, DatasetDict(data), PARTS[name], tokenizer, CONFIG)
    model, tokenizer = models.load(tiny_bert, joint, device="cpu")
    history = fit(model, joint.rows({name: DatasetDict(data)}), joint, tokenizer, CONFIG)
    assert [step.loss for step in history.steps] == [step.loss for step in before.steps]
    renamed = {key.replace(f"for_{name}.", ""): value for key, value in model.state_dict().items()}
    assert_equal(renamed, alone.state_dict())
    scores = {f"{name} {key}": value for key, value in before.evaluations[-1].items()}
    assert scores.items() - history.evaluations[-1].items() == {
        (key, value) for key, value in scores.items() if key.split()[-1] in ("step", "epoch")
    }


@pytest.mark.parametrize("weights", [{"topic": 1, "stars": 0.2, "price": 3}, "learned"])
def test_micro_batches_change_no_gradient(tiny_bert, weights):
    joint = tasks.joint(PARTS, weights=weights, temperature=2.0)
    norms = []
    for parts in (1, 4):
        model, tokenizer = models.load(tiny_bert, joint, device="cpu")
        config = replace(CONFIG, micro_batches=parts)
        batches = joint.batches(ROWS, tokenizer, config)
        run = steps(model, batches, joint.loss, config, count=joint.count_targets)
        records = [next(run) for _ in range(4)]
        norms.append([(step.loss, step.gradient_norm) for step in records])
    np.testing.assert_allclose(norms[0], norms[1], rtol=2e-4)


def test_a_resumed_run_is_the_same_bit_for_bit(tiny_bert, tmp_path):
    joint = tasks.joint(PARTS, weights="learned", temperature=3.0, cap=10)
    data = DatasetDict(train=ROWS, valid=renewed(ROWS.select(range(0, 51, 5))))
    config = replace(CONFIG, epochs=3)
    whole, tokenizer = models.load(tiny_bert, joint, device="cpu", dropout=0.1)
    history = fit(whole, data, joint, tokenizer, config)

    first, tokenizer = models.load(tiny_bert, joint, device="cpu", dropout=0.1)
    batches = joint.batches(ROWS, tokenizer, config)
    run = steps(first, batches, joint.loss, config, count=joint.count_targets)
    stopped = training.History(config, joint.monitor)
    checkpointer = training.resuming.Checkpointer(Store(tmp_path), run, stopped)
    for _ in range(3):
        stopped.steps.append(next(run))
    checkpointer.write()
    assert stopped.steps[-1].number % len(batches), "in the middle of an epoch"

    second, tokenizer = models.load(tiny_bert, joint, seed=9, device="cpu", dropout=0.1)
    resumed = fit(second, data, joint, tokenizer, config, checkpoints=tmp_path, resume=True)
    assert [step.loss for step in resumed.steps] == [step.loss for step in history.steps]
    assert_equal(trained_weights(second), trained_weights(whole))
    assert models.task_weights(second, joint) == models.task_weights(whole, joint)

    for change, difference in (
        ({"temperature": 1.0}, r"temperature was 3.0 and is 1.0"),
        ({"weights": (1.0, 0.5, 1.0)}, r"weights was 'learned' and is \[1.0, 0.5, 1.0\]"),
    ):
        other = replace(joint, **change)
        with pytest.raises(CheckpointError, match=difference):
            fit(second, data, other, tokenizer, config, checkpoints=tmp_path, resume=True)


def test_learned_weights_end_at_one_over_twice_the_loss(tiny_bert):
    joint = tasks.joint(PARTS, weights="learned")
    model, tokenizer = models.load(tiny_bert, joint, device="cpu")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith("log_variance_steps"))
    config = TrainConfig(epochs=150, batch_size=len(ROWS), learning_rate=1e-3, warmup_ratio=0.0)
    fit(model, ROWS, joint, tokenizer, config)
    report = evaluation.evaluate(model, ROWS, joint, tokenizer)
    losses = {
        "topic": report["topic"].scores["log_loss"],
        "stars": report["stars"].scores["loss"],
        "price": report["price"].scores["mse"] / PARTS["price"].scale ** 2,
    }
    expected = {name: 1 / (2 * loss) for name, loss in losses.items()}
    assert models.task_weights(model, joint) == pytest.approx(expected, rel=0.01)
    objective = 0.5 * sum(map(np.log, losses.values()))
    assert report.scores["loss"] == pytest.approx(objective, rel=1e-4)


def test_adapters_train_several_tasks(tiny_bert, tmp_path):
    model, tokenizer = models.load(tiny_bert, JOINT, device="cpu")
    model = models.with_lora(model, 2)
    fit(model, ROWS, JOINT, tokenizer, CONFIG)
    before = evaluation.predict(model, TEXTS[:4], JOINT, tokenizer)
    models.save(model, tokenizer, JOINT, tmp_path / "model")
    models.save_tasks(model, tokenizer, JOINT, tmp_path / "tasks")
    models.save_adapter(model, tokenizer, JOINT, tmp_path / "adapter")
    for name in ("model", "adapter"):
        reopened, tokenizer, joint = models.load_finetuned(tmp_path / name, "cpu")
        after = evaluation.predict(reopened, TEXTS[:4], joint, tokenizer)
        np.testing.assert_allclose(after["price"], before["price"], rtol=1e-4)
    alone, tokenizer, task = models.load_finetuned(tmp_path / "tasks" / "price", "cpu")
    single = evaluation.predict(alone, TEXTS[:4], task, tokenizer)
    np.testing.assert_allclose(single["prediction"], before["price"], rtol=1e-4)


# Gradients of the tasks


def test_the_weighted_sum_of_gradients_is_that_of_the_joint_loss(tiny_bert):
    joint = replace(JOINT, weights=(1.0, 0.3, 2.0))
    model, tokenizer = models.load(tiny_bert, joint, device="cpu")
    gradients = task_gradients(model, ROWS, joint, tokenizer, rows=100)
    model.eval()
    batch = collate(joint.encode(ROWS, tokenizer), list(range(len(ROWS))), tokenizer)
    joint.loss(model(**batch.inputs).logits, batch.targets).mean.backward()
    shared = [weight for name, weight in model.named_parameters() if "classifier" not in name]
    whole = torch.cat([weight.grad.flatten() for weight in shared])
    total = sum(w * g for w, g in zip(joint.weights, gradients.values(), strict=True))
    torch.testing.assert_close(total, whole, rtol=1e-3, atol=1e-5)


def test_cosines_are_those_of_the_gradients(tiny_bert):
    model, tokenizer = models.load(tiny_bert, JOINT, device="cpu", dropout=0.3)
    model.train()
    table = gradient_cosines(model, ROWS, JOINT, tokenizer, rows=5, seed=1)
    gradients = task_gradients(model, ROWS, JOINT, tokenizer, rows=5, seed=1)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert list(table.index) == list(table.columns) == list(PARTS)
    expected = multitask.cosines(torch.stack(list(gradients.values())))
    np.testing.assert_allclose(table, expected, rtol=1e-6)  # without dropout: twice the same


def test_of_a_task_without_rows_there_is_no_gradient(tiny_bert):
    model, tokenizer = models.load(tiny_bert, JOINT, device="cpu")
    table = gradient_cosines(model, ROWS.select(range(35)), JOINT, tokenizer)
    assert list(table.columns) == ["topic", "stars"]


def test_frozen_encoders_have_no_shared_gradient(tiny_bert):
    model, tokenizer = models.load(tiny_bert, JOINT, device="cpu")
    freeze(model, "body", "pooler")
    with pytest.raises(ArgumentError, match="all parameters that the tasks share are frozen"):
        gradient_cosines(model, ROWS, JOINT, tokenizer)


def test_a_linear_probe_is_for_one_task(tiny_bert):
    model, tokenizer = models.load(tiny_bert, JOINT, device="cpu")
    with pytest.raises(ArgumentError, match="the task is joint"):
        initialize_head(model, ROWS, JOINT, tokenizer)
