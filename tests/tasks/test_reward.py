"""A reward model: scores of answers, of which the chosen ones are to win."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ftlearn import evaluation, models, tasks, training
from ftlearn.data.batching import collate
from ftlearn.evaluation import baselines
from ftlearn.training import TrainConfig

WORDS = ("ball", "code", "heart", "run", "chip", "pulse", "team", "server")
ROWS = Dataset.from_dict(
    {
        "prompt": [f"Say {WORDS[row % 8]} {row}" for row in range(24)],
        "chosen": [f"{WORDS[row % 8]} and {WORDS[(row + 3) % 8]} today" for row in range(24)],
        "rejected": [f"no {WORDS[(row + 5) % 8]}" for row in range(24)],
    }
)
PARTS = DatasetDict(train=ROWS.select(range(16)), valid=ROWS.select(range(16, 24)))
TASK = tasks.preference(ROWS, loss="bradley-terry", max_length=32)


def test_a_reward_model_learns_and_its_plain_folder_scores_alike(tiny_bert, tmp_path):
    model, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    config = TrainConfig(epochs=3, batch_size=8, learning_rate=1e-2)
    history = training.fit(model, PARTS, TASK, tokenizer, config)
    report = evaluation.evaluate(model, PARTS["valid"], TASK, tokenizer)
    assert history.steps[-1].loss < history.steps[0].loss
    assert report.scores["accuracy"] > 0.9
    losses = np.log1p(np.exp(report.outputs[:, 1] - report.outputs[:, 0]))
    assert report.scores["loss"] == pytest.approx(losses.mean())

    folder = models.save(model, tokenizer, TASK, tmp_path / "reward")
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    reader = AutoTokenizer.from_pretrained(folder)
    texts = (PARTS["valid"][name][:] for name in ("prompt", "chosen"))
    inputs = reader(*texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        scores = plain(**inputs).logits[:, 0]
    np.testing.assert_allclose(scores, report.outputs[:, 0], atol=1e-5)

    reopened, its_tokenizer, task = models.load_finetuned(folder, "cpu")
    assert task == TASK
    pairs = list(zip(PARTS["valid"]["prompt"], PARTS["valid"]["chosen"], strict=True))
    table = evaluation.predict(reopened, pairs, task, its_tokenizer)
    np.testing.assert_allclose(table["prediction"], report.outputs[:, 0], atol=1e-5)


def test_a_batch_holds_all_chosen_answers_before_the_rejected_ones(tiny_bert):
    _, tokenizer = models.load(tiny_bert, TASK, device="cpu")
    batch = collate(TASK.encode(ROWS, tokenizer), [2, 0], tokenizer)
    assert batch.inputs["input_ids"].shape[0] == 4
    first = tokenizer(ROWS[0]["prompt"], ROWS[0]["rejected"])["input_ids"]
    assert batch.inputs["input_ids"][3, : len(first)].tolist() == first
    scores = torch.tensor([[3.0], [1.0], [2.0], [1.5]])
    summed = TASK.loss(scores, batch.targets)
    assert (summed.count, TASK.count_targets(batch.targets)) == (2, 2)
    assert summed.total.item() == pytest.approx(np.log1p(np.exp([-1.0, 0.5])).sum(), rel=1e-6)


def test_scores_are_of_pairs_and_ties_count_half():
    outputs = np.array([[2.0, 1.0], [1.0, 1.0], [0.0, 3.0]])
    scores = TASK.metrics(outputs, np.zeros(3))
    assert scores["accuracy"] == 0.5
    assert scores["margin"] == pytest.approx(-2 / 3)
    assert TASK.decode(outputs) == [1.0, 0.0, -3.0]
    assert TASK.decode(outputs[:, :1]) == [2.0, 1.0, 0.0]
    assert set(TASK.metric_names()) == set(scores)


def test_the_length_of_an_answer_is_the_baseline():
    report = baselines.length_of_answer(PARTS["train"], PARTS["valid"], TASK)
    assert report.scores["accuracy"] == 1.0  # chosen answers are longer here
    assert report.scores["loss"] < np.log(2)
    reverse = ROWS.rename_columns({"chosen": "rejected", "rejected": "chosen"})
    turned = baselines.length_of_answer(reverse, reverse, TASK)
    assert turned.scores["accuracy"] == 1.0
