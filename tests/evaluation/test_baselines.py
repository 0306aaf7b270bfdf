"""Baselines are what they say, and the corpus is worth fine-tuning for."""

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from ftlearn import TrainConfig, data, evaluate, fit, models
from ftlearn.evaluation import baselines
from ftlearn.tasks import classification


@pytest.fixture(scope="module")
def articles():
    return data.load("topics")


@pytest.fixture(scope="module")
def task(articles):
    return classification(articles, max_length=64, truncation="silent")


def test_majority_is_as_good_as_the_largest_class(articles, task):
    uneven = articles["train"].filter(lambda row: row["label"] != 2 or row["id"] < "a0300")
    report = baselines.majority(uneven, articles["test"], task)
    assert report.scores["accuracy"] == pytest.approx(1 / 3)
    shares = np.bincount(uneven["label"][:], minlength=3) / len(uneven)
    assert report.scores["log_loss"] == pytest.approx(-np.log(shares).mean(), abs=1e-6)


def test_tfidf_is_scikit_learns(articles, task):
    few = data.subset(articles["train"], per_class=16)
    vectorizer = TfidfVectorizer(sublinear_tf=True)
    model = LogisticRegression(C=10.0, max_iter=1000)
    model.fit(vectorizer.fit_transform(few["text"][:]), few["label"][:])
    expected = model.score(
        vectorizer.transform(articles["test"]["text"][:]), articles["test"]["label"][:]
    )
    assert baselines.tfidf(few, articles["test"], task).scores["accuracy"] == pytest.approx(
        expected
    )


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("质量很好非常喜欢", "质量太差不会再买"),
        ("とても気に入りました", "すぐに壊れてしまった"),
        ("ชอบมากคุณภาพดี", "ไม่ชอบเลยคุณภาพแย่"),
    ],
    ids=["chinese", "japanese", "thai"],
)
def test_characters_are_counted_where_no_space_divides_words(good: str, bad: str):
    texts = [f"{'物品'[at % 2]}{at}{(good, bad)[at % 2]}{at * 7}" for at in range(40)]
    rows = Dataset.from_dict({"text": texts, "label": ["good", "bad"] * 20})
    vectorizer = TfidfVectorizer(sublinear_tf=True, analyzer="char", ngram_range=(1, 3))
    model = LogisticRegression(C=10.0, max_iter=1000)
    model.fit(vectorizer.fit_transform(texts[:20]), rows["label"][:20])
    expected = model.predict_proba(vectorizer.transform(texts[20:]))
    report = baselines.tfidf(
        rows.select(range(20)), rows.select(range(20, 40)), classification(rows)
    )
    np.testing.assert_allclose(np.exp(report.outputs), expected, atol=1e-6)
    assert report.scores["accuracy"] == 1


def test_a_label_absent_from_training_is_never_answered(articles, task):
    two = articles["train"].filter(lambda row: row["label"] != 0)
    report = baselines.tfidf(two, articles["test"], task)
    assert report.confusion()["technology"].sum() == 0
    assert np.isfinite(report.scores["log_loss"])


def test_features_are_mean_token_vectors(articles, task):
    model, tokenizer = models.load("minilm", task, device="cpu")
    rows = articles["valid"].select(range(40))
    features = baselines.embed(model, rows, task, tokenizer)
    assert features.shape == (40, 384)
    model.eval()
    for row in (0, 7, 39):
        ids = tokenizer(rows["text"][row], truncation=True, max_length=64, return_tensors="pt")
        with torch.no_grad():
            hidden = model.base_model(**ids).last_hidden_state[0]
        np.testing.assert_allclose(features[row], hidden.mean(0).numpy(), atol=1e-5)


def test_with_48_labels_fine_tuning_beats_word_counts_by_8_points(articles, task):
    few = data.subset(articles["train"], per_class=16, seed=0)
    words = baselines.tfidf(few, articles["test"], task).scores["accuracy"]
    model, tokenizer = models.load("minilm", task, seed=0)
    config = TrainConfig(epochs=6, batch_size=8, learning_rate=2e-4)
    fit(model, few, task, tokenizer, config)
    tuned = evaluate(model, articles["test"], task, tokenizer).scores["accuracy"]
    assert tuned >= words + 0.08, (tuned, words)


def test_with_all_labels_some_posts_of_the_shifted_register_stay_hard(articles, task):
    model, tokenizer = models.load("minilm", task, seed=0)
    train = DatasetDict(train=articles["train"])
    fit(model, train, task, tokenizer, TrainConfig(epochs=1, learning_rate=2e-4))
    report = evaluate(model, data.load("topics_shift")["test"], task, tokenizer)
    wrong = int((~report.correct).sum())
    assert report.scores["accuracy"] > 0.75, report
    assert wrong >= 5, report
