"""What any fine-tuned model must beat: the most frequent label, word counts, a linear probe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from torch import nn

from ftlearn.compatibility.scripts import separates_words
from ftlearn.data.batching import Batch
from ftlearn.evaluation.predicting import map_batches
from ftlearn.evaluation.report import Report
from ftlearn.models.architecture import backbone
from ftlearn.models.pooling import pool_mean


def majority(train: Dataset, dataset: Dataset, task: Any) -> Report:
    """Always answer with the label frequencies of the training data."""
    counts = np.bincount(task.targets(train), minlength=len(task.labels)) + 1e-9
    logits = np.tile(np.log(counts / counts.sum()), (len(dataset), 1))
    return Report(task, dataset, logits, np.asarray(task.targets(dataset)))


def tfidf(train: Dataset, dataset: Dataset, task: Any) -> Report:
    """Logistic regression on TF-IDF weights of words: no pretraining, no word order.

    In scripts that put no space between words, one to three characters take the place of a word.
    """
    count = {"analyzer": "char", "ngram_range": (1, 3)}
    if unit(train[task.text]) == "word":
        count = {"analyzer": "word"}
    pipeline = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, **count), LogisticRegression(C=10.0, max_iter=1000)
    )
    pipeline.fit(train[task.text], task.targets(train))
    return _report(pipeline, dataset[task.text], dataset, task)


def unit(texts: Iterable[str]) -> str:
    """What ``tfidf`` counts in texts: ``"word"``, or ``"character"`` where no space parts words.

    >>> unit(["The new phone"]), unit(["新的手机电池更耐用"]), unit(["โทรศัพท์ใหม่"])
    ('word', 'character', 'character')
    """
    return "word" if separates_words(texts) else "character"


def linear_probe(
    train_features: np.ndarray, train: Dataset, features: np.ndarray, dataset: Dataset, task: Any
) -> Report:
    """Logistic regression on frozen features (N, D), scaled to length 1, of a pretrained model."""
    pipeline = make_pipeline(Normalizer(), LogisticRegression(C=10.0, max_iter=1000))
    pipeline.fit(train_features, task.targets(train))
    return _report(pipeline, features, dataset, task)


def _report(pipeline: Any, rows: Any, dataset: Dataset, task: Any) -> Report:
    logits = np.full((len(dataset), len(task.labels)), -50.0)  # labels absent from training
    logits[:, pipeline[-1].classes_] = pipeline.predict_log_proba(rows)
    return Report(task, dataset, logits, np.asarray(task.targets(dataset)))


def embed(model: nn.Module, dataset: Dataset, task: Any, tokenizer: Any) -> np.ndarray:
    """Mean token vector of each text in the model's body, (N, D), nothing trained."""
    encoder = backbone(model)

    def pooled(batch: Batch) -> torch.Tensor:
        hidden = encoder(**batch.inputs).last_hidden_state
        return pool_mean(hidden, batch.inputs["attention_mask"]).float()

    return map_batches(model, task.encode(dataset, tokenizer), tokenizer, pooled)
