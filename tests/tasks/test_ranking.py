"""Two towers: the in-batch softmax, ranks among all items, and the folder that is saved."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, AutoTokenizer

from ftlearn import evaluation, models, tasks, training
from ftlearn.data.batching import collate
from ftlearn.errors import ArgumentError
from ftlearn.evaluation import baselines
from ftlearn.losses import in_batch_softmax
from ftlearn.tasks.ranking import ranked
from ftlearn.training import TrainConfig
from ftlearn.training.checkpoints import Store

WORDS = ("ball", "code", "heart", "run", "chip", "pulse", "team", "server")
READERS = [f"likes {WORDS[row % 8]} and {WORDS[(row * 3) % 8]} {row}" for row in range(32)]
ADS = [f"all about {WORDS[row % 8]}" for row in range(32)]
ROWS = Dataset.from_dict({"reader": READERS, "ad": ADS})
PARTS = DatasetDict(train=ROWS.select(range(22)), valid=ROWS.select(range(22, 32)))
TASK = tasks.ranking(ROWS, text=("reader", "ad"), max_length=16)
CONFIG = TrainConfig(epochs=8, batch_size=8, learning_rate=1e-2)


@pytest.fixture(scope="module")
def fitted(tiny_bert):
    """One model that has learnt, with its tokenizer and its history."""
    model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    history = training.fit(model, PARTS, TASK, tokenizer, CONFIG)
    return model, tokenizer, history


# The loss


def test_the_softmax_is_over_the_batch_without_copies_of_the_own_item():
    scores = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    items, log_q = [5, 2, 5, 9], torch.tensor([0.5, 0.25, 0.5, 0.125], dtype=torch.float64).log()
    expected = 0.0
    for row in range(4):
        others = [at for at in range(4) if at == row or items[at] != items[row]]
        corrected = {at: math.exp(scores[row, at] - log_q[at]) for at in others}
        expected -= math.log(corrected[row] / sum(corrected.values()))
    summed = in_batch_softmax(scores, torch.tensor(items), log_q)
    assert summed.count == 4
    assert summed.total.item() == pytest.approx(expected)


@given(st.integers(2, 6), st.floats(-5, 5))
def test_equally_frequent_items_need_no_correction(count, log_q):
    scores = torch.linspace(-3, 4, count * count).reshape(count, count)
    items = torch.arange(count)
    plain, corrected = (
        in_batch_softmax(scores, items, values).total.item()
        for values in (None, torch.full((count,), log_q))
    )
    assert corrected == pytest.approx(plain, abs=1e-4)


def test_a_large_batch_drawn_from_q_estimates_the_whole_softmax_with_the_correction_only():
    shares = np.array([0.6, 0.3, 0.1])
    scores = torch.tensor([0.4, -0.2, 0.1], dtype=torch.float64)
    whole = scores.softmax(0)
    generator = np.random.default_rng(0)
    sampled = torch.tensor(generator.choice(3, size=4000, p=shares))
    weights = {}
    for name, log_q in (("corrected", torch.tensor(shares).log()[sampled]), ("plain", 0.0)):
        estimate = torch.zeros(3, dtype=torch.float64)
        estimate.index_add_(0, sampled, (scores[sampled] - log_q).softmax(0))
        weights[name] = estimate
    assert (weights["corrected"] - whole).abs().max() < 0.02
    assert (weights["plain"] - whole).abs().max() > 0.1


def test_a_training_batch_holds_the_frequencies_of_its_items(tiny_bert):
    _, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    rows = Dataset.from_dict({"reader": ["a", "b", "c", "d"], "ad": ["x", "y", "x", "x"]})
    batches = TASK.batches(rows, tokenizer, TrainConfig(batch_size=4))
    batch = collate(batches.encoded, [1, 3, 0, 2], tokenizer)
    assert batch.targets.ids.tolist() == [1, 0, 0, 0]
    expected = np.log([[0.25], [0.75], [0.75], [0.75]])
    np.testing.assert_allclose(batch.targets.numbers, expected, rtol=1e-6)
    vectors = torch.nn.functional.normalize(torch.randn(8, 5), dim=-1)
    summed = TASK.loss(vectors, batch.targets)
    by_hand = in_batch_softmax(
        vectors[:4] @ vectors[4:].T / 0.05, batch.targets.ids, batch.targets.numbers[:, 0]
    )
    torch.testing.assert_close(summed.total, by_hand.total)
    assert summed.count == TASK.count_targets(batch.targets) == 4


def test_batches_stay_whole_and_are_drawn_whatever_their_lengths(tiny_bert):
    _, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    with pytest.raises(ArgumentError, match="micro_batches is 2"):
        TASK.batches(ROWS, tokenizer, TrainConfig(batch_size=4, micro_batches=2))
    lengths = [["team"], ["code"] * 9]
    rows = Dataset.from_dict(
        {"reader": [" ".join(lengths[row % 2]) for row in range(64)], "ad": ["x", "y"] * 32}
    )
    batches = TASK.batches(rows, tokenizer, TrainConfig(batch_size=8))
    mixed = [len({row % 2 for row in whole.rows}) for (whole,) in batches.epoch(0)]
    assert sum(mixed) > 12  # by length, each batch would hold one kind alone


# Ranks


def test_ranks_and_losses_are_those_of_a_slow_count():
    generator = np.random.default_rng(1)
    scores = generator.integers(-3, 4, size=(20, 7)).astype(float)  # with ties
    own = generator.integers(0, 7, size=20)
    for row, item, (loss, rank, score) in zip(scores, own, ranked(scores, own), strict=True):
        ahead = sum(value >= row[item] for place, value in enumerate(row) if place != item)
        assert rank == 1 + ahead
        assert loss == pytest.approx(-math.log(math.exp(row[item]) / np.exp(row).sum()))
        assert score == row[item]


def test_metrics_are_means_of_ranks():
    outputs = np.array([[0.1, 1, 0.9], [2.0, 4, 0.2], [3.0, 12, 0.1]])
    scores = TASK.metrics(outputs, np.zeros(3))
    assert scores["mrr"] == pytest.approx((1 + 1 / 4 + 1 / 12) / 3)
    shares = [scores[f"recall@{k}"] for k in (1, 5, 10)]
    assert shares == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert TASK.decode(outputs) == [0.9, 0.2, 0.1]
    assert set(TASK.metric_names()) == set(scores)


def test_a_report_ranks_among_the_distinct_items_of_its_rows(fitted):
    model, tokenizer, _ = fitted
    report = evaluation.evaluate(model, PARTS["valid"], TASK, tokenizer)
    texts = evaluation.embed_texts(model, PARTS["valid"]["reader"], TASK, tokenizer)
    items = list(dict.fromkeys(PARTS["valid"]["ad"]))
    vectors = evaluation.embed_texts(model, items, TASK, tokenizer)
    own = [items.index(ad) for ad in PARTS["valid"]["ad"]]
    expected = ranked(texts @ vectors.T / 0.05, np.array(own))
    np.testing.assert_allclose(report.outputs[:, 0], expected[:, 0], atol=1e-3)
    np.testing.assert_allclose(report.outputs[:, 2], expected[:, 2] * 0.05, atol=1e-5)
    assert report.outputs[:, 1].max() <= len(items) == 8


def test_two_towers_learn_and_beat_popularity(fitted):
    _, _, history = fitted
    assert history.best["mrr"] > 0.5
    assert history.steps[-1].loss < history.steps[0].loss - 0.3
    popular = baselines.popularity(PARTS["train"], PARTS["valid"], TASK)
    assert popular.scores["mrr"] < history.best["mrr"]
    words = baselines.similar_words(PARTS["valid"], TASK)
    assert words.outputs[:, 1].max() <= 2  # two items at most share a word with a reader


# Prediction and folders


def test_pairs_are_scored_by_their_cosine(fitted):
    model, tokenizer, _ = fitted
    pairs = [("likes ball", "all about ball"), ("likes ball", "all about ball"), ("code", "run")]
    table = evaluation.predict(model, pairs, TASK, tokenizer)
    vectors = [
        evaluation.embed_texts(model, column, TASK, tokenizer)
        for column in zip(*pairs, strict=True)
    ]
    expected = (vectors[0] * vectors[1]).sum(1)
    np.testing.assert_allclose(table["prediction"], expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors[0], axis=1), 1.0, atol=1e-6)


def test_the_saved_folder_is_a_plain_encoder(fitted, tmp_path):
    model, tokenizer, _ = fitted
    folder = models.save(model, tokenizer, TASK, tmp_path / "encoder")
    plain = AutoModel.from_pretrained(folder).eval()
    reader = AutoTokenizer.from_pretrained(folder)
    inputs = reader(READERS[:5], padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = plain(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    means = (hidden * mask).sum(1) / mask.sum(1)
    theirs = torch.nn.functional.normalize(means, dim=-1).numpy()
    ours = evaluation.embed_texts(model, READERS[:5], TASK, tokenizer)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    reopened, its_tokenizer, task = models.load_finetuned(folder, "cpu")
    assert task == TASK
    again = evaluation.embed_texts(reopened, READERS[:5], task, its_tokenizer)
    np.testing.assert_allclose(again, ours, atol=1e-6)


def test_adapters_train_and_merge_into_the_encoder(tiny_bert, tmp_path):
    model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    adapted = models.with_lora(model, 4)
    history = training.fit(adapted, PARTS, TASK, tokenizer, CONFIG)
    assert history.steps[-1].loss < history.steps[0].loss
    ours = evaluation.embed_texts(adapted, READERS[:5], TASK, tokenizer)
    for folder in (
        models.save(adapted, tokenizer, TASK, tmp_path / "merged"),
        models.save_adapter(adapted, tokenizer, TASK, tmp_path / "adapter"),
    ):
        reopened, its_tokenizer, task = models.load_finetuned(folder, "cpu")
        again = evaluation.embed_texts(reopened, READERS[:5], task, its_tokenizer)
        np.testing.assert_allclose(again, ours, atol=1e-4)


def test_a_run_resumes_bit_for_bit(tiny_bert, tmp_path):
    def fit(**settings):
        model, tokenizer = models.load(tiny_bert, TASK, dropout=0.1, device="cpu")
        config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-2)
        history = training.fit(model, PARTS, TASK, tokenizer, config, **settings)
        return model.state_dict(), [step.loss for step in history.steps]

    whole = fit(checkpoints=tmp_path / "whole")
    fit(checkpoints=Store(tmp_path / "cut", keep=9))
    for place in (tmp_path / "cut").iterdir():  # as if it had ended after the first epoch
        if place.name.startswith("00000006"):
            for file in place.iterdir():
                file.unlink()
            place.rmdir()
    again = fit(checkpoints=tmp_path / "cut", resume=True)
    assert again[1] == whole[1]
    assert all(torch.equal(tensor, again[0][name]) for name, tensor in whole[0].items())


def test_another_pooling_than_the_mean_is_refused(tiny_bert):
    model, _ = models.load(tiny_bert, TASK, device="cpu", pooling="mean")
    assert model.pooling == "mean"
    with pytest.raises(models.ModelError, match="embedded by their mean"):
        models.load(tiny_bert, TASK, device="cpu", pooling="cls")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0"),
        ({"text": ("one", "one", "two")}, "name two columns"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ArgumentError, match=message):
        tasks.ranking(**settings)


def test_one_item_for_all_is_nothing_to_rank():
    rows = Dataset.from_dict({"query": ["a", "b"], "item": ["c", "c"]})
    with pytest.raises(ArgumentError, match="one item only"):
        tasks.ranking(rows)
