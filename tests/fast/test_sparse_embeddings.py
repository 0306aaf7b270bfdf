"""Leaving out the unused rows of an embedding table changes nothing but time and memory."""

from __future__ import annotations

import copy

import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2LMHeadModel

from ftlearn import evaluate, models
from ftlearn.fast import sparse_embeddings
from ftlearn.fast import training as fast_training
from ftlearn.fast.sparse_embeddings import TrainedRows, trained_rows
from ftlearn.tasks import classification
from ftlearn.training import TrainConfig, loop, steps
from ftlearn.training.state import (
    load_optimizer_state,
    load_progress,
    optimizer_state,
    progress_state,
)

WORDS = ["ball", "code", "heart", "run"]
ROWS = Dataset.from_dict(
    {
        "text": [" ".join(WORDS[(row + at) % 4] for at in range(2 + row % 3)) for row in range(24)],
        "label": [["cold", "warm"][row % 2] for row in range(24)],
    }
)
TASK = classification(ROWS, max_length=16)


@pytest.fixture
def whole(monkeypatch):
    """The loop as it would be if every row took part."""

    def switch(on: bool) -> None:
        replacement = (lambda *_: []) if on else trained_rows
        monkeypatch.setattr(fast_training, "trained_rows", replacement)

    return switch


def trained(folder, **changes) -> tuple[dict, list[float], int]:
    """Final weights, losses, and how many weights the optimizer updated."""
    model, tokenizer = models.load(folder, TASK, device="cpu")
    config = TrainConfig(**{"epochs": 3, "batch_size": 4, "learning_rate": 1e-2, **changes})
    run = steps(model, TASK.batches(ROWS, tokenizer, config), TASK.loss, config, precision="fp32")
    losses = [step.loss for step in run]
    groups = run.optimizer.param_groups
    return model.state_dict(), losses, sum(p.numel() for g in groups for p in g["params"])


@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.3}, {"optimizer": "momentum"}])
def test_weights_and_losses_are_those_of_the_whole_table(tiny_bert, whole, monkeypatch, settings):
    monkeypatch.setattr(sparse_embeddings, "MAX_SHARE", 1.0)  # half of the tiny one is used
    whole(True)
    expected, curve, all_weights = trained(tiny_bert, **settings)
    whole(False)
    weights, losses, fewer = trained(tiny_bert, **settings)
    assert losses == pytest.approx(curve, abs=1e-6)
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, atol=2e-6, rtol=0, msg=name)
    # Momentum with weight decay moves every row by its memory, so there nothing is left out.
    assert (fewer < all_weights) == ("optimizer" not in settings)


def test_unused_rows_decay_and_used_rows_learn(tiny_bert, monkeypatch):
    monkeypatch.setattr(sparse_embeddings, "MAX_SHARE", 1.0)
    model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    before = model.get_input_embeddings().weight.detach().clone()
    config = TrainConfig(
        epochs=1, batch_size=24, schedule="constant", warmup_ratio=0.0, weight_decay=0.5
    )
    batches = TASK.batches(ROWS, tokenizer, config)
    run = steps(model, batches, TASK.loss, config, precision="fp32")
    list(run)
    (rows,) = run.sparse_rows
    after = model.get_input_embeddings().weight.detach()
    unused = torch.ones(len(after), dtype=torch.bool)
    unused[rows.used] = False
    torch.testing.assert_close(after[unused], before[unused] * (1 - 1e-4 * 0.5))
    held = torch.tensor(sorted({i for ids in batches.encoded.inputs["input_ids"] for i in ids}))
    assert (after[held] != before[held]).any(-1).all()


def test_unused_rows_decay_every_few_updates_for_all_of_them(tiny_bert, monkeypatch):
    monkeypatch.setattr(sparse_embeddings, "MAX_SHARE", 1.0)
    monkeypatch.setattr(sparse_embeddings, "DECAY_EVERY", 4)
    model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    weight = model.get_input_embeddings().weight
    config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-2, weight_decay=0.5)
    run = steps(model, TASK.batches(ROWS, tokenizer, config), TASK.loss, config)
    assert run.total == 6
    (rows,) = run.sparse_rows
    unused = torch.ones(len(weight), dtype=torch.bool)
    unused[rows.used] = False
    before, left, there = weight[unused].detach().clone(), 1.0, 1.0
    for step in run:
        left *= 1 - step.learning_rate * 0.5
        if step.number in (4, run.total):
            there = left
        torch.testing.assert_close(weight[unused].detach(), before * there)


def test_in_the_middle_of_a_run_the_model_is_whole_for_everybody_else(tiny_bert, monkeypatch):
    monkeypatch.setattr(sparse_embeddings, "MAX_SHARE", 1.0)
    model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    config = TrainConfig(epochs=1, batch_size=8, learning_rate=1e-2)
    run = steps(model, TASK.batches(ROWS, tokenizer, config), TASK.loss, config)
    next(run)
    twin = models.load(tiny_bert, TASK, device="cpu")[0]
    twin.load_state_dict(model.state_dict())
    others = ROWS.map(lambda row: {"text": row["text"] + " chip server"})
    ours, theirs = (evaluate(m, others, TASK, tokenizer).outputs for m in (model, twin))
    assert (ours == theirs).all()
    assert model.get_input_embeddings().weight.requires_grad
    assert not model.get_input_embeddings()._forward_hooks


def test_a_resumed_run_decays_the_unused_rows_as_without_a_break(tiny_bert, monkeypatch):
    monkeypatch.setattr(sparse_embeddings, "MAX_SHARE", 1.0)
    config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-2, weight_decay=0.5)

    def start() -> tuple[nn.Module, loop.Run]:
        model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
        return model, steps(model, TASK.batches(ROWS, tokenizer, config), TASK.loss, config)

    model, run = start()
    next(run)
    weights, progress = copy.deepcopy(model.state_dict()), copy.deepcopy(progress_state(run))
    moments = copy.deepcopy(optimizer_state(run))
    list(run)
    other, resumed = start()
    other.load_state_dict(weights)
    load_optimizer_state(resumed, moments)
    load_progress(resumed, progress)
    list(resumed)
    assert all(map(torch.equal, model.state_dict().values(), other.state_dict().values()))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_loop_left_by_break_leaves_nothing_on_the_model(tiny_bert, monkeypatch, precision):
    monkeypatch.setattr(sparse_embeddings, "MAX_SHARE", 1.0)
    model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    config = TrainConfig(epochs=1, batch_size=8)
    batches = TASK.batches(ROWS, tokenizer, config)
    for _ in steps(model, batches, TASK.loss, config, precision=precision):
        break
    assert not any(module._forward_hooks for module in model.modules())
    others = TASK.encode_texts(["chip server"], tokenizer)
    ids = torch.tensor(others.inputs["input_ids"])
    assert model.train()(input_ids=ids).logits.dtype is torch.float32


def test_what_is_changed_between_two_updates_stays(tiny_bert, whole, monkeypatch):
    monkeypatch.setattr(sparse_embeddings, "MAX_SHARE", 1.0)

    def pulled() -> torch.Tensor:
        model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
        config = TrainConfig(epochs=1, batch_size=8, learning_rate=1e-2)
        table = model.get_input_embeddings().weight
        batches = TASK.batches(ROWS, tokenizer, config)
        for _ in steps(model, batches, TASK.loss, config, precision="fp32"):
            with torch.no_grad():
                table.mul_(0.5)
        return table.detach()

    whole(True)
    expected = pulled()
    whole(False)
    torch.testing.assert_close(pulled(), expected, atol=2e-6, rtol=0)


def test_an_id_that_no_training_text_holds_is_named():
    table = nn.Embedding(10, 2)
    with TrainedRows("words.weight", table, [1, 2]).active():
        table(torch.tensor([[1, 2]])).sum().backward()
        with pytest.raises(ValueError, match=r"words\.weight is asked for id 7"):
            table(torch.tensor([[1, 7]]))
        with torch.no_grad():
            assert table(torch.tensor([7])).equal(table.weight[[7]])
    assert table.weight.grad is None


def test_gather_takes_the_used_rows():
    rows = TrainedRows("words", nn.Embedding(6, 3, padding_idx=0), [0, 2, 5])
    full = torch.randn(6, 3)
    assert rows.gather(full).equal(full[[0, 2, 5]])


@pytest.mark.parametrize("first", [True, False])
def test_a_state_of_some_rows_and_one_of_the_whole_table_serve_each_other(
    tiny_bert, whole, monkeypatch, first
):
    monkeypatch.setattr(sparse_embeddings, "MAX_SHARE", 1.0)
    config = TrainConfig(epochs=1, batch_size=8, learning_rate=1e-2)

    def start(table: bool) -> loop.Run:
        whole(table)
        model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
        return steps(model, TASK.batches(ROWS, tokenizer, config), TASK.loss, config)

    before, after = start(first), start(not first)
    next(before)
    state = copy.deepcopy(optimizer_state(before))
    load_optimizer_state(after, copy.deepcopy(state))
    (rows,) = before.sparse_rows or after.sparse_rows
    for key in ("exp_avg", "exp_avg_sq"):
        one, other = (
            state[f"{rows.name}/{key}"],
            after.optimizer.state[after.parameters[rows.name]][key],
        )
        full, part = (one, other) if first else (other, one)
        assert full.shape == rows.table.weight.shape
        assert full.any()
        assert part.equal(full[rows.used])
        unused = torch.ones(len(full), dtype=torch.bool)
        unused[rows.used] = False
        assert full[unused].eq(0).all()


def test_padding_gets_no_gradient():
    rows = TrainedRows("words", nn.Embedding(6, 3, padding_idx=0), [0, 2])
    with rows.active():
        rows.table(torch.tensor([0, 2])).sum().backward()
    assert rows.parameter.grad.tolist() == [[0, 0, 0], [1, 1, 1]]


def small(**changes) -> BertForSequenceClassification:
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    return BertForSequenceClassification(
        BertConfig(vocab_size=40, intermediate_size=8, **sizes, **changes)
    )


def test_tables_that_something_else_reads_or_that_hardly_save_are_trained_in_full():
    tied = GPT2LMHeadModel(GPT2Config(vocab_size=40, n_positions=8, n_embd=8, n_layer=1, n_head=2))
    assert trained_rows(tied, [[1, 2]]) == []
    assert trained_rows(nn.Linear(2, 2), [[1, 2]]) == []
    frozen = small()
    frozen.get_input_embeddings().weight.requires_grad_(False)
    assert trained_rows(frozen, [[1, 2]]) == []
    assert trained_rows(small(), [range(1, 30)]) == []
    (rows,) = trained_rows(small(), [[1, 2], [7]])
    assert rows.used.tolist() == [0, 1, 2, 7]
    assert rows.name == "bert.embeddings.word_embeddings.weight"


def test_a_pooled_encoder_leaves_out_rows_too(tiny_bert):
    model, _ = models.load(tiny_bert, TASK, device="cpu", pooling="mean")
    (rows,) = trained_rows(model, [[1, 2], [7]])
    assert rows.name == "base_model.embeddings.word_embeddings.weight"
    assert rows.name in dict(model.named_parameters())


def test_a_deep_copy_in_the_middle_is_usable(tiny_bert, monkeypatch):
    monkeypatch.setattr(sparse_embeddings, "MAX_SHARE", 1.0)
    model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    config = TrainConfig(epochs=1, batch_size=8)
    run = steps(model, TASK.batches(ROWS, tokenizer, config), TASK.loss, config)
    next(run)
    snapshot = copy.deepcopy(model)
    list(run)
    assert evaluate(snapshot, ROWS, TASK, tokenizer).outputs.shape == (24, 2)
